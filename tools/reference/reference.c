/* reference - prints the references in docs/ from the tables of the source, so that they cannot
 * drift from it: spillway-reference FOLDER. */
#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "clusters/embedded/node_config.h"
#include "gateway/ending.h"
#include "gateway/gateway_config.h"
#include "gateway/gateway_metrics.h"
#include "gateway/reload.h"
#include "tools/reference/machines.h"

#include <stdio.h>
#include <stdlib.h>

#define GENERATED                                                                                  \
    "<!-- Written by tools/gen_docs from the source's tables: change those, not this. -->\n"

struct row {
    const char *word, *text;
};

static void print_rows(FILE *out, const char *title, const struct row *rows, size_t count)
{
    fprintf(out, "\n## %s\n\n| word | what it says |\n|---|---|\n", title);
    for (size_t i = 0; i < count; i++)
        fprintf(out, "| `%s` | %s |\n", rows[i].word, rows[i].text);
}

/* -- configuration -- */

static void print_timeouts(FILE *out)
{
    fputs("\n## The chain of time-outs\n\nNot settings: they belong together, outermost first, so "
          "that who can say what happened is the one\nwho answers (`gateway/timeouts.def`).\n\n"
          "| name | ms | what it ends |\n|---|---|---|\n",
          out);
#define X(name, ms, what) fprintf(out, "| `%s` | %d | %s |\n", #name, ms, what);
#include "gateway/timeouts.def"
#undef X
}

static void print_reload(FILE *out)
{
    fputs("\n## Read again\n\nOn SIGHUP the gateway reads its configuration again. These keys are "
          "taken over (limits count for\nwhat begins from then on), and the keys file itself; for "
          "others the log says `needs_restart`. A\nconfiguration with a fault changes nothing, and "
          "the log says `reload_refused`.\n\n",
          out);
    for (size_t i = 0; i < RELOAD_KEY_COUNT; i++)
        fprintf(out, "%s`%s`", i ? ", " : "", RELOAD_KEYS[i]);
    fputc('\n', out);
}

static void print_configuration(FILE *out)
{
    fputs(
        "# Configuration\n\n"
        "One YAML file (`--config FILE` or `SPILLWAY_CONFIG`); each key is also a variable and an "
        "argument\n(`--KEY VALUE`). An argument goes before the variable, the variable before "
        "the file, the file before\nthe default. A dot in a key is one level of the file. "
        "`--check-config` checks and exits 0 or 1; an\nunknown key or a bad value is an error "
        "that names the line.\n\n"
        "Durations are `500ms`, `10s`, `2m`, `1h`; sizes `10`, `1Ki`, `64Mi`, `1Gi`; CPU `2`, "
        "`500m`. A number\nwithout its unit is refused.\n\n",
        out);
    config_print_markdown("spillway-gateway", GATEWAY_CONFIG_KEYS, GATEWAY_CONFIG_KEY_COUNT, out);
    print_reload(out);
    fputc('\n', out);
    config_print_markdown("spillway-node", NODE_CONFIG_KEYS, NODE_CONFIG_KEY_COUNT, out);
    print_timeouts(out);
}

/* -- metrics -- */

static void print_metrics(FILE *out)
{
    static const struct row PLACEMENTS[] = {
#define X(name, word, text) {word, text},
#include "router/decision_reason.def"
#undef X
    };
    static const struct row LEVELS[] = {
#define X(name, word, text) {word, text},
#include "watermark/level_reason.def"
#undef X
    };
    static const struct row CAUSES[] = {
#define X(name, word, forced, agent, error, message) {word, message},
        ENDING_CAUSES(X)
#undef X
    };
    struct gateway_metrics *m = gateway_metrics_new();
    struct buf text;
    buf_init(&text, (size_t)1 << 20);
    gateway_metrics_print_markdown(m, &text);
    fputs("# Metrics\n\nPrometheus' text format, on the gateway's admin listener at `/metrics`. A "
          "family has at most 64\nchildren; what comes beyond is counted under the label value "
          "`other`.\n\n",
          out);
    fwrite(buf_slice(&text).at, 1, buf_slice(&text).len, out);
    buf_fini(&text);
    gateway_metrics_free(&m);
    print_rows(out, "`reason` of spillway_placements_total", PLACEMENTS, ARRAY_LEN(PLACEMENTS));
    print_rows(out, "`reason` of spillway_watermark_transitions_total", LEVELS, ARRAY_LEN(LEVELS));
    print_rows(out, "`cause` of spillway_pods_deleted_total", CAUSES, ARRAY_LEN(CAUSES));
}

/* -- errors -- */

static void print_errors(FILE *out)
{
    fputs("# Errors\n\n"
          "Every error is `application/problem+json` (RFC 9457) with `type`, `title`, `status`, "
          "`detail`,\n`instance`, `code`, `request_id`, and `session_id` and `retry_after` where "
          "there are any. 503 means\nthat nothing was executed. Where a Retry-After stands, trying "
          "again helps; an answer may carry\nanother number than this table when it knows better."
          "\n\n| code | status | Retry-After | title |\n|---|---|---|---|\n",
          out);
    for (int code = ERR_NONE + 1; code < ERR_CODE_COUNT; code++) {
        enum err_code c = (enum err_code)code;
        fprintf(out, "| `%s` | %d | ", err_wire_name(c), err_http_status(c));
        if (err_retry_after_s(c))
            fprintf(out, "%d s", err_retry_after_s(c));
        fprintf(out, " | %s |\n", err_title(c));
    }
}

/* -- the files -- */

struct page {
    const char *name;
    void (*print)(FILE *out);
};

static bool write_page(const char *folder, const struct page *page)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, page->name);
    FILE *out = fopen(path, "w");
    if (!out) {
        perror(path);
        return false;
    }
    fputs(GENERATED, out);
    page->print(out);
    bool good = !ferror(out);
    return fclose(out) == 0 && good;
}

int main(int argc, char **argv)
{
    static const struct page PAGES[] = {{"configuration.md", print_configuration},
                                        {"metrics.md", print_metrics},
                                        {"errors.md", print_errors},
                                        {"states.md", machines_print_markdown}};
    if (argc != 2) {
        fputs("usage: spillway-reference FOLDER\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < ARRAY_LEN(PAGES); i++) {
        if (!write_page(argv[1], &PAGES[i]))
            return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
