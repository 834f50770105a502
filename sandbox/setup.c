#include "sandbox/setup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "sandbox/result_page.h"
#include <stdio.h>
#include <stdlib.h>

#define NAME_MAX_BYTES 200
#define PATH_MAX_BYTES 1024

static const char *const KINDS[] = {"requirements", "npm"};

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

/* A line a kind that the site's index has: where its door is. */
static int add_index(struct setup *s, const struct json_t *start, struct buf *out, struct err *err)
{
    const struct json_t *index = json_get(start, "index");
    if (!index)
        return 0;
    if (package_door_open(&s->door, s->agents->loop, err) < 0)
        return -(int)err->code;
    for (size_t i = 0; i < ARRAY_LEN(KINDS); i++) {
        const char *path = json_get_text(index, KINDS[i], NULL);
        if (path && (*path != '/' || strcspn(path, "\r\n ") != strlen(path) ||
                     strlen(path) > PATH_MAX_BYTES))
            return err_set(err, ERR_INVALID_ARGUMENT, "index: %s is no path", KINDS[i]);
        if (path)
            buf_addf(out, "index %s http://127.0.0.1:%d%s\n", KINDS[i], package_door_port(&s->door),
                     path);
    }
    return 0;
}

static void on_question(void *user)
{
    struct setup *s = user;
    s->changed(s->user);
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
    package_door_close(&s->door);
    s->changed(s->user);
}

static size_t kill_strays(void *user)
{
    const struct setup *s = user;
    return s->agents->kill_strays(s->agents->user);
}

static int run_installer(struct setup *s, const struct buf *lines, int64_t timeout_ms,
                         struct err *err)
{
    struct exec_request r = {.code = mem_text_n(lines->data, lines->len),
                             .code_len = lines->len,
                             .timeout_ms = timeout_ms};
    s->host = *s->agents;
    s->host.warm = NULL;
    s->host.news = on_news;
    s->host.ended = on_ended;
    s->host.kill_strays = kill_strays;
    s->host.user = s;
    s->execution = execution_start(&s->host, "setup", &INSTALLER, &r, err);
    return s->execution ? 0 : -(int)err->code;
}

int setup_begin(struct setup *s, const struct execution_host *host, const struct json_t *start,
                int64_t timeout_ms, struct err *err)
{
    struct buf lines;
    int rc = 0;
    buf_init(&lines, (size_t)2 * (SETUP_MAX * (NAME_MAX_BYTES + 32) + PATH_MAX_BYTES + 64));
    s->agents = host;
    s->door.changed = on_question;
    s->door.user = s;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(KINDS); i++)
        rc = add_lines(start, KINDS[i], &lines, err);
    if (rc == 0 && lines.len > 0) {
        rc = add_index(s, start, &lines, err);
        if (rc == 0)
            rc = run_installer(s, &lines, timeout_ms, err);
        if (rc < 0)
            package_door_close(&s->door);
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
    char line[SETUP_LINE_SIZE], told[SETUP_LINE_SIZE + PACKAGE_DOOR_TROUBLE_SIZE + 4];
    if (state == SETUP_NONE)
        return NULL;
    const char *trouble = state == SETUP_FAILED ? s->door.trouble : "";
    last_words(s, state == SETUP_FAILED && !*trouble ? 2 : 1, line);
    struct json_t *j = json_new_object();
    json_set_text(j, "state", WORDS[state]);
    json_set_text(j, "status", execution_status(s->execution));
    if (*trouble)
        snprintf(told, sizeof(told), "%s (%s)", trouble, line);
    json_set_text(j, "line", *trouble ? told : line);
    return j;
}
