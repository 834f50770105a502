#include "clusters/exec_plugin.h"
#include "base/json.h"
#include "base/mem.h"
#include "clusters/kube_object.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX   ((size_t)256 * 1024)
#define WORDS_MAX    256u
#define WORD_MAX     ((size_t)64 * 1024)
#define REAP_STEP_MS 5

extern char **environ;

struct exec_plugin {
    unsigned owners;
    char *api_version;
    char *info; /* KUBERNETES_EXEC_INFO=… */
    char *hint; /* how to install it, "" */
    char **argv;
    char **envp;
};

/* -- what the kubeconfig says -- */

static void free_words(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}

static char *command_of(const char *command, const char *config_path)
{
    const char *slash = strrchr(config_path, '/');

    if (command[0] == '/' || !strchr(command, '/') || !slash)
        return mem_text(command);
    return mem_format("%.*s/%s", (int)(slash - config_path), config_path, command);
}

static int read_argv(struct exec_plugin *p, const struct json_t *exec, const char *config_path,
                     struct err *err)
{
    const char *command = json_get_text(exec, "command", "");
    const struct json_t *args = json_get(exec, "args");
    size_t count = json_count(args);

    if (command[0] == '\0')
        return err_set(err, ERR_CONFIG, "exec: \"command\" is missing");
    if (count > WORDS_MAX)
        return err_set(err, ERR_CONFIG, "exec: more than %u args", WORDS_MAX);
    p->argv = mem_array(count + 2, sizeof(char *));
    p->argv[0] = command_of(command, config_path);
    for (size_t i = 0; i < count; i++) {
        const char *word = json_text(json_item(args, i));
        if (!word || strlen(word) > WORD_MAX)
            return err_set(err, ERR_CONFIG, "exec: args[%zu] is no text, or too long", i);
        p->argv[i + 1] = mem_text(word);
    }
    return 0;
}

static bool is_named(const char *entry, const char *name)
{
    size_t len = strlen(name);

    return strncmp(entry, name, len) == 0 && entry[len] == '=';
}

/* A later word of the same name wins, as in exec.Cmd of Go. */
static void put_env(char **envp, size_t *count, const char *name, const char *value)
{
    char *entry = mem_format("%s=%s", name, value);

    for (size_t i = 0; i < *count; i++) {
        if (is_named(envp[i], name)) {
            free(envp[i]);
            envp[i] = entry;
            return;
        }
    }
    envp[(*count)++] = entry;
}

static int read_env(struct exec_plugin *p, const struct json_t *exec, struct err *err)
{
    const struct json_t *added = json_get(exec, "env");
    size_t ours = 0;
    size_t count = 0;

    if (json_count(added) > WORDS_MAX)
        return err_set(err, ERR_CONFIG, "exec: more than %u env", WORDS_MAX);
    while (environ[ours])
        ours++;
    p->envp = mem_array(ours + json_count(added) + 2, sizeof(char *));
    for (; count < ours; count++)
        p->envp[count] = mem_text(environ[count]);
    for (size_t i = 0; i < json_count(added); i++) {
        const char *name = json_get_text(json_item(added, i), "name", "");
        const char *value = json_get_text(json_item(added, i), "value", "");
        if (name[0] == '\0' || strchr(name, '=') || strlen(value) > WORD_MAX)
            return err_set(err, ERR_CONFIG, "exec: env[%zu] is not acceptable", i);
        put_env(p->envp, &count, name, value);
    }
    put_env(p->envp, &count, "KUBERNETES_EXEC_INFO", p->info);
    return 0;
}

static char *info_of(const struct exec_plugin *p, const struct json_t *exec,
                     const struct json_t *cluster)
{
    struct json_t *spec = json_build("{s:b}", "interactive", 0);
    struct buf text;

    if (json_true(json_get(exec, "provideClusterInfo"))) {
        struct json_t *told = json_new_object();
        static const char *const KEYS[] = {"server", "certificate-authority-data", "proxy-url",
                                           "tls-server-name"};
        for (size_t i = 0; i < ARRAY_LEN(KEYS); i++)
            if (json_get(cluster, KEYS[i]))
                json_set_text(told, KEYS[i], json_get_text(cluster, KEYS[i], ""));
        json_set(spec, "cluster", told);
    }
    struct json_t *info = json_build("{s:s,s:s,s:o}", "kind", "ExecCredential", "apiVersion",
                                     p->api_version, "spec", spec);
    buf_init(&text, ANSWER_MAX);
    json_print(info, &text);
    char *printed = mem_text(buf_text(&text));
    buf_fini(&text);
    json_free(info);
    return printed;
}

static int read_plugin(struct exec_plugin *p, const struct json_t *exec,
                       const struct json_t *cluster, const char *config_path, struct err *err)
{
    p->api_version = mem_text(json_get_text(exec, "apiVersion", ""));
    p->hint = mem_text(json_get_text(exec, "installHint", ""));
    p->info = info_of(p, exec, cluster);
    if (strcmp(p->api_version, "client.authentication.k8s.io/v1") != 0 &&
        strcmp(p->api_version, "client.authentication.k8s.io/v1beta1") != 0)
        return err_set(err, ERR_CONFIG, "exec: \"apiVersion\" \"%.60s\" is not supported",
                       p->api_version);
    if (strcmp(json_get_text(exec, "interactiveMode", ""), "Always") == 0)
        return err_set(err, ERR_CONFIG, "exec: \"interactiveMode\" is Always, and nobody is there");
    int rc = read_argv(p, exec, config_path, err);
    return rc < 0 ? rc : read_env(p, exec, err);
}

struct exec_plugin *exec_plugin_read(const struct json_t *exec, const struct json_t *cluster,
                                     const char *config_path, struct err *err)
{
    struct exec_plugin *p = mem_alloc(sizeof(*p));

    p->owners = 1;
    if (read_plugin(p, exec, cluster, config_path, err) < 0)
        exec_plugin_free(&p);
    return p;
}

struct exec_plugin *exec_plugin_ref(struct exec_plugin *p)
{
    p->owners++;
    return p;
}

void exec_plugin_free(struct exec_plugin **at)
{
    struct exec_plugin *p = *at;

    *at = NULL;
    if (!p || --p->owners > 0)
        return;
    free_words(p->argv);
    free_words(p->envp);
    free(p->api_version);
    free(p->info);
    free(p->hint);
    free(p);
}

/* -- the program -- */

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* In a process group of its own, so that what it started ends with it; with signals as a program
 * expects them. */
static int spawn_it(const struct exec_plugin *p, int out, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    posix_spawnattr_init(&how);
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                       POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &all);
    posix_spawnattr_setpgroup(&how, 0);
    int rc = posix_spawnp(pid, p->argv[0], &files, &how, p->argv, p->envp);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* True at the end of the output; false when the time is over or there is too much. */
static bool read_output(int fd, struct buf *out, int64_t end_ms)
{
    char piece[4096];

    for (;;) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        int64_t left = end_ms - now_ms();
        if (left <= 0)
            return false;
        if (poll(&ready, 1, (int)left) <= 0)
            continue;
        ssize_t n = read(fd, piece, sizeof(piece));
        if (n == 0)
            return true;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        if (n > 0 && !buf_add(out, piece, (size_t)n))
            return false;
    }
}

/* -1: it did not end in time, and was killed. */
static int reap(pid_t pid, bool in_order, int64_t end_ms)
{
    int status = -1;

    while (in_order && now_ms() < end_ms) {
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid)
            return status;
        if (got < 0 && errno != EINTR)
            return -1;
        poll(NULL, 0, REAP_STEP_MS);
    }
    kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return -1;
}

static int run_it(const struct exec_plugin *p, struct buf *out, struct err *err)
{
    int ends[2];
    pid_t pid = 0;
    int64_t end_ms = now_ms() + EXEC_PLUGIN_MS;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set_errno(err, ERR_SYSTEM, errno, "pipe");
    int rc = spawn_it(p, ends[1], &pid);
    close(ends[1]);
    if (rc != 0) {
        close(ends[0]);
        return err_set_errno(err, ERR_CONFIG, rc, "cannot be started%s%.200s",
                             p->hint[0] != '\0' ? "; " : "", p->hint);
    }
    bool in_order = read_output(ends[0], out, end_ms);
    close(ends[0]);
    int status = reap(pid, in_order, end_ms);
    if (out->overflowed)
        return err_set(err, ERR_CONFIG, "said more than %zu bytes", ANSWER_MAX);
    if (status == -1)
        return err_set(err, ERR_CONFIG, "did not end within %d s", EXEC_PLUGIN_MS / 1000);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(err, ERR_CONFIG, "ended with %s %d", WIFEXITED(status) ? "status" : "signal",
                       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return 0;
}

/* -- what it said -- */

static char *text_or_null(const struct json_t *j, const char *key)
{
    const char *text = json_get_text(j, key, "");

    return text[0] != '\0' ? mem_text(text) : NULL;
}

static int take(const struct exec_plugin *p, const struct json_t *said, struct exec_credential *out,
                struct err *err)
{
    const struct json_t *status = json_get(said, "status");
    const char *expires = json_get_text(status, "expirationTimestamp", "");

    if (strcmp(json_get_text(said, "kind", ""), "ExecCredential") != 0 ||
        strcmp(json_get_text(said, "apiVersion", ""), p->api_version) != 0)
        return err_set(err, ERR_CONFIG, "said no ExecCredential of %s", p->api_version);
    out->token = text_or_null(status, "token");
    out->certificate = text_or_null(status, "clientCertificateData");
    out->key = text_or_null(status, "clientKeyData");
    if (!out->certificate != !out->key)
        return err_set(err, ERR_CONFIG, "said a certificate without its key, or the reverse");
    if (!out->token && !out->certificate)
        return err_set(err, ERR_CONFIG, "said neither a token nor a certificate");
    if (expires[0] != '\0' && !kube_time_parse(expires, &out->expires_wall_ms))
        return err_set(err, ERR_CONFIG, "said an expirationTimestamp that is no time");
    return 0;
}

int exec_plugin_run(const struct exec_plugin *p, struct exec_credential *out, struct err *err)
{
    struct buf text;
    struct json_t *said = NULL;

    *out = (struct exec_credential){.token = NULL};
    buf_init(&text, ANSWER_MAX);
    int rc = run_it(p, &text, err);
    if (rc == 0) {
        said = json_parse_object(buf_slice(&text), err);
        rc = said ? take(p, said, out, err)
                  : err_set(err, ERR_CONFIG, "said what is no ExecCredential");
    }
    if (rc < 0) {
        exec_credential_fini(out);
        err_wrap(err, "exec: %s", p->argv[0]);
    }
    json_free(said);
    if (text.data)
        explicit_bzero(text.data, text.len);
    buf_fini(&text);
    return rc;
}

void exec_credential_fini(struct exec_credential *c)
{
    char *const texts[] = {c->token, c->certificate, c->key};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i])
            explicit_bzero(texts[i], strlen(texts[i]));
        free(texts[i]);
    }
    *c = (struct exec_credential){.token = NULL};
}
