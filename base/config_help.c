/* What --help prints, and docs/configuration.md: the same rows as the reader's. */
#include "base/buf.h"
#include "base/config.h"
#include "base/config_value.h"

#include <inttypes.h>

static const char *type_word(enum config_type type)
{
    static const char *const WORDS[] = {
        [CONFIG_TEXT] = "TEXT",          [CONFIG_TEXT_LIST] = "A,B,…",
        [CONFIG_TEXT_MAP] = "A=B,C=D,…", [CONFIG_MAP_LIST] = "[{A: B, …}, …]",
        [CONFIG_INT] = "NUMBER",         [CONFIG_DURATION_MS] = "DURATION",
        [CONFIG_BYTES] = "SIZE",         [CONFIG_MILLICPU] = "CPU",
        [CONFIG_BOOL] = "BOOL",
    };
    return WORDS[type];
}

static const char *type_name(enum config_type type)
{
    static const char *const NAMES[] = {
        [CONFIG_TEXT] = "text",
        [CONFIG_TEXT_LIST] = "list of texts",
        [CONFIG_TEXT_MAP] = "map of texts",
        [CONFIG_MAP_LIST] = "list of maps of texts",
        [CONFIG_INT] = "number",
        [CONFIG_DURATION_MS] = "duration",
        [CONFIG_BYTES] = "size",
        [CONFIG_MILLICPU] = "CPU",
        [CONFIG_BOOL] = "true or false",
    };
    return NAMES[type];
}

static bool has_fallback(const struct config_key *k)
{
    return k->fallback && *k->fallback;
}

static bool has_range(const struct config_key *k)
{
    return k->min != 0 || k->max != 0;
}

/* The range in the spelling of the key's type; the largest whole unit that fits. */
static void print_amount(FILE *out, enum config_type type, int64_t v)
{
    if (type == CONFIG_DURATION_MS && v) {
        if (v % 3600000 == 0)
            fprintf(out, "%" PRId64 "h", v / 3600000);
        else if (v % 1000 == 0)
            fprintf(out, "%" PRId64 "s", v / 1000);
        else
            fprintf(out, "%" PRId64 "ms", v);
    } else if (type == CONFIG_BYTES && v) {
        if (v % (1 << 20) == 0)
            fprintf(out, "%" PRId64 "Mi", v >> 20);
        else if (v % (1 << 10) == 0)
            fprintf(out, "%" PRId64 "Ki", v >> 10);
        else
            fprintf(out, "%" PRId64, v);
    } else {
        fprintf(out, "%" PRId64 "%s", v, type == CONFIG_MILLICPU ? "m" : "");
    }
}

static void print_range(FILE *out, const struct config_key *k)
{
    print_amount(out, k->type, k->min);
    fputs(" to ", out);
    print_amount(out, k->type, k->max);
}

void config_print_help(const char *program, const struct config_key *keys, size_t count, FILE *out)
{
    fprintf(
        out,
        "Usage: %s [--config FILE] [--KEY VALUE | --KEY=VALUE …]\n\n"
        "  --config FILE   configuration in YAML (environment: SPILLWAY_CONFIG)\n"
        "  --check-config  check it and exit: 0 fine, 1 not\n"
        "  --version       print the version and exit\n"
        "  --help          print this and exit\n\n"
        "Each key can stand in the file (a dot is one level), in the environment and among the\n"
        "arguments; arguments go before the environment, the environment before the file.\n",
        program);
    for (size_t i = 0; i < count; i++) {
        const struct config_key *k = &keys[i];
        char env[CONFIG_ENV_MAX];
        config_env_name(k->name, env);
        fprintf(out, "\n  --%s %s\n      %s\n      %s", k->name, type_word(k->type), k->help, env);
        if (has_fallback(k))
            fprintf(out, ", default %s", k->fallback);
        if (has_range(k)) {
            fputs(", from ", out);
            print_range(out, k);
        }
        fputc('\n', out);
    }
}

/* A bar would end the cell. */
static void print_cell(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            fputc('\\', out);
        fputc(*text, out);
    }
}

void config_print_markdown(const char *program, const struct config_key *keys, size_t count,
                           FILE *out)
{
    fprintf(out,
            "## %s\n\n| key | environment | type | default | range | what |\n"
            "|---|---|---|---|---|---|\n",
            program);
    for (size_t i = 0; i < count; i++) {
        const struct config_key *k = &keys[i];
        char env[CONFIG_ENV_MAX];
        config_env_name(k->name, env);
        fprintf(out, "| `%s` | `%s` | %s | ", k->name, env, type_name(k->type));
        if (has_fallback(k))
            fprintf(out, "`%s`", k->fallback);
        fputs(" | ", out);
        if (has_range(k))
            print_range(out, k);
        fputs(" | ", out);
        print_cell(out, k->help);
        fputs(" |\n", out);
    }
}
