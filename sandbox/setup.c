#include "sandbox/setup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "sandbox/result_page.h"
#include <stdlib.h>

#define NAME_MAX_BYTES 200

/* Not a language that anybody can ask for. */
static char *COMMAND[] = {"/bin/sh", "{runtimes}/install_packages.sh", "{file_path}", NULL};
static const struct language INSTALLER = {
    .name = "setup", .filename = "packages", .run = {COMMAND, ARRAY_LEN(COMMAND) - 1}};

/* A line a package. The gateway has checked how they look; here a line must stay one. */
static int add_lines(const struct json_t *start, const char *member, struct buf *out,
                     struct err *err)
{
    const struct json_t *names = json_get(start, member);
    if (names && (!json_is_array(names) || json_count(names) > SETUP_MAX))
        return err_set(err, ERR_INVALID_ARGUMENT, "%s must be a list of up to %d texts", member,
                       SETUP_MAX);
    for (size_t i = 0; i < json_count(names); i++) {
        const struct json_t *name = json_item(names, i);
        const char *text = json_is_string(name) ? json_text(name) : "";
        if (*text == '\0' || *text == '-' || strlen(text) > NAME_MAX_BYTES ||
            strcspn(text, "\r\n") != json_text_len(name))
            return err_set(err, ERR_INVALID_ARGUMENT, "%s: entry %zu is no package's name", member,
                           i + 1);
        buf_addf(out, "%s %s\n", member, text);
    }
    return 0;
}

static void on_news(struct execution *e, void *user)
{
    (void)e;
    struct setup *s = user;
    s->changed(s->user);
}

static void on_ended(struct execution *e, void *user)
{
    struct setup *s = user;
    LOG(LOG_INFO, "setup_ended", KV("status", execution_status(e)));
    s->changed(s->user);
}

static size_t kill_strays(void *user)
{
    const struct setup *s = user;
    return s->agents->kill_strays(s->agents->user);
}

int setup_begin(struct setup *s, const struct execution_host *host, const struct json_t *start,
                int64_t timeout_ms, struct err *err)
{
    struct buf lines;
    buf_init(&lines, (size_t)2 * SETUP_MAX * (NAME_MAX_BYTES + 32));
    int rc = add_lines(start, "requirements", &lines, err);
    if (rc == 0)
        rc = add_lines(start, "npm", &lines, err);
    if (rc == 0 && lines.len > 0) {
        struct exec_request r = {.code = mem_text_n(lines.data, lines.len),
                                 .code_len = lines.len,
                                 .timeout_ms = timeout_ms};
        s->agents = host;
        s->host = *host;
        s->host.warm = NULL;
        s->host.news = on_news;
        s->host.ended = on_ended;
        s->host.kill_strays = kill_strays;
        s->host.user = s;
        s->execution = execution_start(&s->host, "setup", &INSTALLER, &r, err);
        rc = s->execution ? 0 : -(int)err->code;
    }
    buf_fini(&lines);
    return rc;
}

enum setup_state setup_state(const struct setup *s)
{
    if (!s->execution)
        return SETUP_NONE;
    if (!execution_is_ended(s->execution))
        return SETUP_RUNNING;
    return strcmp(execution_status(s->execution), "completed") == 0 ? SETUP_DONE : SETUP_FAILED;
}

struct execution *setup_find_leader(const struct setup *s, pid_t leader)
{
    return s->execution && execution_leader(s->execution) == leader ? s->execution : NULL;
}

void setup_stop(struct setup *s, enum execution_cause cause)
{
    if (s->execution)
        execution_stop(s->execution, cause);
}

/* -- its words -- */

/* The end of what it wrote, as one line of plain characters: `lines` lines at most. */
static void last_words(const struct setup *s, int lines, char *out)
{
    char text[SETUP_LINE_SIZE];
    const struct result_source source = execution_source(s->execution, NULL);
    uint64_t total = source.out.total;
    size_t len = total < sizeof(text) - 1 ? (size_t)total : sizeof(text) - 1;
    output_view_copy(&source.out, total - len, len, text);
    while (len > 0 && text[len - 1] == '\n')
        len--;
    size_t from = len;
    for (int seen = 0; from > 0; from--)
        if (text[from - 1] == '\n' && ++seen == lines)
            break;
    for (size_t i = from; i < len; i++)
        *out++ = text[i] == '\n' ? ' ' : (text[i] < ' ' || text[i] > '~' ? '?' : text[i]);
    *out = '\0';
}

struct json_t *setup_object(const struct setup *s)
{
    static const char *const WORDS[] = {"", "running", "done", "failed"};
    enum setup_state state = setup_state(s);
    char line[SETUP_LINE_SIZE];
    if (state == SETUP_NONE)
        return NULL;
    last_words(s, state == SETUP_FAILED ? 3 : 1, line);
    struct json_t *j = json_new_object();
    json_set_text(j, "state", WORDS[state]);
    json_set_text(j, "status", execution_status(s->execution));
    json_set_text(j, "line", line);
    return j;
}
