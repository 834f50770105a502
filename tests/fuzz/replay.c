/* replay - runs a fuzz target over the files of folders: every input that was kept, as a test. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static size_t replay_file(const char *path)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return 0;
    }
    char *bytes = malloc((size_t)st.st_size + 1);
    ssize_t got = bytes ? read(fd, bytes, (size_t)st.st_size) : -1;
    close(fd);
    if (got != st.st_size)
        exit(EXIT_FAILURE);
    char *exact = fuzz_copy(bytes, (size_t)got); /* so that one byte too far is seen */
    free(bytes);
    LLVMFuzzerTestOneInput((const uint8_t *)exact, (size_t)got);
    free(exact);
    return 1;
}

static size_t replay_folder(const char *folder)
{
    char path[4096];
    size_t count = 0;
    DIR *d = opendir(folder);
    if (!d) {
        perror(folder);
        exit(EXIT_FAILURE);
    }
    for (struct dirent *e; (e = readdir(d));) {
        snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
        count += replay_file(path);
    }
    closedir(d);
    return count;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        count += replay_folder(argv[i]);
    printf("%zu inputs\n", count);
    return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
