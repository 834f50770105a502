/* kernel_file.h - the small files in which a kernel tells of processes and cgroups (proc(5)). */
#pragma once
#include <stddef.h>
#include <sys/types.h>

/* One read, which is what makes such a file consistent: up to size - 1 bytes, and a NUL behind
 * them. How many; -1, and "", when there is no such file or it cannot be read (errno). */
ssize_t kernel_file_read(const char *path, char *out, size_t size);
