#include "clusters/kube_credentials.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "clusters/exec_plugin.h"
#include "clusters/kubeconfig.h"
#include "clusters/memory_file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define TOKEN_FRESH_MS  60000
#define TOKEN_BYTES_MAX 16384
#define PLUGIN_GAP_MS   5000 /* between two runs, however often the server says 401 */

/* A PEM pair in memory files. */
struct pair {
    int fds[2];
    char *cert_file;
    char *key_file;
};

struct kube_credentials {
    struct loop *loop;
    struct world *world;
    const struct kubeconfig *conf;
    char *header;
    int64_t token_until_ms; /* of the token file */
    struct pair pair;       /* of the plugin */
    struct pair old;        /* of the run before: calls may still be opening it */
    struct plugin_job *job; /* under way; NULL: none */
    struct timer *renewal;
    int64_t ran_ms;
};

/* A run on a thread; may outlive the credentials that asked for it. */
struct plugin_job {
    uv_work_t work;
    struct kube_credentials *owner; /* NULL: nobody wants it any more */
    struct exec_plugin *plugin;
    struct exec_credential credential;
    struct err err;
    int rc;
};

/* -- tokens -- */

static bool is_header_text(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || (unsigned char)*text == 0x7f)
            return false;
    return true;
}

static void drop_header(struct kube_credentials *c)
{
    if (c->header)
        explicit_bzero(c->header, strlen(c->header));
    free(c->header);
    c->header = NULL;
}

static int set_token(struct kube_credentials *c, const char *token, struct err *err)
{
    if (token[0] == '\0' || !is_header_text(token))
        return err_set(err, ERR_CONFIG, "the token is empty or has characters that no token has");
    drop_header(c);
    c->header = mem_format("Authorization: Bearer %s", token);
    return 0;
}

static ssize_t read_small_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0)
        return -1;
    do
        n = read(fd, out, size);
    while (n < 0 && errno == EINTR);
    int sys = errno;
    close(fd);
    errno = sys;
    return n;
}

static int read_token_file(struct kube_credentials *c, struct err *err)
{
    char text[TOKEN_BYTES_MAX];
    ssize_t n = read_small_file(c->conf->token_file, text, sizeof(text) - 1);

    if (n < 0)
        return err_set_errno(err, ERR_CONFIG, errno, "token file %s", c->conf->token_file);
    while (n > 0 && strchr(" \t\r\n", text[n - 1]))
        n--;
    text[n] = '\0';
    int rc = set_token(c, text, err);
    explicit_bzero(text, sizeof(text));
    if (rc < 0)
        return err_wrap(err, "token file %s", c->conf->token_file);
    c->token_until_ms = world_now_ms(c->world) + TOKEN_FRESH_MS;
    return 0;
}

/* Files are replaced under us (service account tokens each hour): a moment without one must not
 * cost the calls that the old token still serves. */
int kube_credentials_refresh(struct kube_credentials *c, struct err *err)
{
    if (!c->conf->token_file || world_now_ms(c->world) < c->token_until_ms)
        return 0;
    int rc = read_token_file(c, err);
    return c->header ? 0 : rc;
}

/* -- what a plugin said -- */

static void drop_pair(struct pair *p)
{
    for (size_t i = 0; i < ARRAY_LEN(p->fds); i++)
        if (p->fds[i] >= 0)
            close(p->fds[i]);
    free(p->cert_file);
    free(p->key_file);
    *p = (struct pair){.fds = {-1, -1}};
}

static int make_pair(const struct exec_credential *said, struct pair *out, struct err *err)
{
    *out = (struct pair){.fds = {-1, -1}};
    if (!said->certificate)
        return 0;
    int rc = memory_file_make("clientCertificateData", said->certificate, strlen(said->certificate),
                              &out->fds[0], &out->cert_file, err);
    if (rc == 0)
        rc = memory_file_make("clientKeyData", said->key, strlen(said->key), &out->fds[1],
                              &out->key_file, err);
    if (rc < 0)
        drop_pair(out);
    return rc;
}

static int take(struct kube_credentials *c, const struct exec_credential *said, struct err *err)
{
    struct pair pair;
    int rc = make_pair(said, &pair, err);

    if (rc < 0)
        return rc;
    if (said->token)
        rc = set_token(c, said->token, err);
    else
        drop_header(c);
    if (rc < 0) {
        drop_pair(&pair);
        return rc;
    }
    drop_pair(&c->old);
    c->old = c->pair;
    c->pair = pair;
    return 0;
}

static void renew_before(struct kube_credentials *c, int64_t expires_wall_ms)
{
    int64_t life = expires_wall_ms - world_wall_ms(c->world);
    int64_t after = life / 4 * 3;

    if (expires_wall_ms > 0)
        timer_start(c->world, c->renewal, after > PLUGIN_GAP_MS ? after : PLUGIN_GAP_MS, 0);
}

/* -- the plugin on a thread -- */

static void run_in_thread(uv_work_t *work)
{
    struct plugin_job *job = work->data;

    job->rc = exec_plugin_run(job->plugin, &job->credential, &job->err);
}

static void on_ran(uv_work_t *work, int status)
{
    struct plugin_job *job = work->data;
    struct kube_credentials *c = job->owner;

    (void)status;
    if (c) {
        c->job = NULL;
        if (job->rc == 0)
            job->rc = take(c, &job->credential, &job->err);
        if (job->rc == 0) {
            renew_before(c, job->credential.expires_wall_ms);
        } else {
            LOG(LOG_WARN, "kube_credentials_not_renewed", KV("error", (const char *)job->err.msg));
            timer_start(c->world, c->renewal, PLUGIN_GAP_MS, 0);
        }
    }
    exec_credential_fini(&job->credential);
    exec_plugin_free(&job->plugin);
    free(job);
}

static void renew(void *user)
{
    struct kube_credentials *c = user;
    int64_t now = world_now_ms(c->world);

    if (c->job)
        return;
    if (now - c->ran_ms < PLUGIN_GAP_MS) {
        timer_start(c->world, c->renewal, PLUGIN_GAP_MS, 0);
        return;
    }
    c->ran_ms = now;
    c->job = mem_alloc(sizeof(*c->job));
    c->job->owner = c;
    c->job->plugin = exec_plugin_ref(c->conf->exec);
    c->job->work.data = c->job;
    INVARIANT(uv_queue_work(loop_uv(c->loop), &c->job->work, run_in_thread, on_ran) == 0);
}

static int run_first(struct kube_credentials *c, struct err *err)
{
    struct exec_credential said;
    int rc = exec_plugin_run(c->conf->exec, &said, err);

    if (rc == 0)
        rc = take(c, &said, err);
    c->ran_ms = world_now_ms(c->world);
    c->renewal = timer_new(c->world, renew, c);
    if (rc == 0)
        renew_before(c, said.expires_wall_ms);
    exec_credential_fini(&said);
    return rc;
}

/* -- life -- */

static int begin(struct kube_credentials *c, struct err *err)
{
    if (c->conf->exec)
        return run_first(c, err);
    if (c->conf->token_file)
        return read_token_file(c, err);
    return c->conf->token ? set_token(c, c->conf->token, err) : 0;
}

struct kube_credentials *kube_credentials_new(struct loop *l, const struct kubeconfig *conf,
                                              struct err *err)
{
    struct kube_credentials *c = mem_alloc(sizeof(*c));

    c->loop = l;
    c->world = loop_world(l);
    c->conf = conf;
    c->pair = c->old = (struct pair){.fds = {-1, -1}};
    if (begin(c, err) < 0)
        kube_credentials_free(&c);
    return c;
}

void kube_credentials_free(struct kube_credentials **at)
{
    struct kube_credentials *c = *at;

    *at = NULL;
    if (!c)
        return;
    if (c->job)
        c->job->owner = NULL;
    timer_free(c->world, &c->renewal);
    drop_pair(&c->pair);
    drop_pair(&c->old);
    drop_header(c);
    free(c);
}

void kube_credentials_distrust(struct kube_credentials *c)
{
    c->token_until_ms = 0;
    if (c->conf->exec)
        renew(c);
}

const char *kube_credentials_header(const struct kube_credentials *c)
{
    return c->header;
}

const char *kube_credentials_cert_file(const struct kube_credentials *c)
{
    return c->pair.cert_file ? c->pair.cert_file : c->conf->cert_file;
}

const char *kube_credentials_key_file(const struct kube_credentials *c)
{
    return c->pair.key_file ? c->pair.key_file : c->conf->key_file;
}
