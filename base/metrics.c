#include "base/metrics.h"

#include "base/mem.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHILDREN_MAX     64
#define LABELS_MAX       6
#define LABEL_VALUE_MAX  128 /* longer values are cut */
#define LABEL_NAMES_SIZE 128

const double METRICS_LATENCY_BUCKETS[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                          0.5,   1,      2.5,   5,    10,    30,   60};
const int METRICS_LATENCY_BUCKET_COUNT = (int)ARRAY_LEN(METRICS_LATENCY_BUCKETS);

struct metric {
    struct metric_family *family;
    struct metric *next;
    char *values[LABELS_MAX];
    double value;     /* counter, gauge; histogram: the sum */
    uint64_t count;   /* histogram: observations */
    uint64_t *bucket; /* histogram: observations at most the bound and above the one before */
};

struct metric_family {
    struct metric_family *next;
    enum metric_type type;
    char *name;
    char *help;
    char label_text[LABEL_NAMES_SIZE]; /* the names, each terminated */
    const char *labels[LABELS_MAX];
    int label_count;
    double *bounds;
    int bound_count;
    struct metric *children, **tail;
    struct metric *last;  /* the one asked for last: it is asked for again */
    struct metric *other; /* takes what comes beyond CHILDREN_MAX */
    int child_count;
};

struct metrics {
    struct metric_family *families, **tail;
};

struct metrics *metrics_new(void)
{
    struct metrics *m = mem_alloc(sizeof(*m));
    m->tail = &m->families;
    return m;
}

static void free_child(struct metric *c)
{
    for (int i = 0; i < LABELS_MAX; i++)
        free(c->values[i]);
    free(c->bucket);
    free(c);
}

static void free_family(struct metric_family *f)
{
    while (f->children) {
        struct metric *next = f->children->next;
        free_child(f->children);
        f->children = next;
    }
    if (f->other)
        free_child(f->other);
    free(f->name);
    free(f->help);
    free(f->bounds);
    free(f);
}

void metrics_free(struct metrics **m)
{
    if (!*m)
        return;
    while ((*m)->families) {
        struct metric_family *next = (*m)->families->next;
        free_family((*m)->families);
        (*m)->families = next;
    }
    free(*m);
    *m = NULL;
}

static bool is_name(const char *text)
{
    static const char FIRST[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    static const char REST[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789:";
    return *text && strchr(FIRST, *text) && text[strspn(text, REST)] == '\0';
}

static void set_labels(struct metric_family *f, const char *labels)
{
    size_t len = strlen(labels);
    INVARIANT(len < sizeof(f->label_text));
    memcpy(f->label_text, labels, len + 1);
    char *rest = f->label_text;
    for (char *name; (name = strsep(&rest, ",")) && len;) {
        INVARIANT(f->label_count < LABELS_MAX && is_name(name));
        f->labels[f->label_count++] = name;
    }
}

static void set_bounds(struct metric_family *f, const double *bounds, int count)
{
    f->bounds = mem_array((size_t)count, sizeof(*bounds));
    f->bound_count = count;
    for (int i = 0; i < count; i++) {
        INVARIANT(i == 0 || bounds[i] > bounds[i - 1]);
        f->bounds[i] = bounds[i];
    }
}

struct metric_family *metrics_family(struct metrics *m, enum metric_type type, const char *name,
                                     const char *help, const char *labels, const double *buckets,
                                     int bucket_count)
{
    INVARIANT(is_name(name));
    for (struct metric_family *f = m->families; f; f = f->next)
        INVARIANT(strcmp(f->name, name) != 0); /* a family is declared once */
    struct metric_family *f = mem_alloc(sizeof(*f));
    f->type = type;
    f->name = mem_text(name);
    f->help = mem_text(help);
    f->tail = &f->children;
    set_labels(f, labels ? labels : "");
    if (type == METRIC_HISTOGRAM)
        set_bounds(f, buckets ? buckets : METRICS_LATENCY_BUCKETS,
                   buckets ? bucket_count : METRICS_LATENCY_BUCKET_COUNT);
    *m->tail = f;
    m->tail = &f->next;
    return f;
}

static struct metric *new_child(struct metric_family *f, const char *const *values)
{
    struct metric *c = mem_alloc(sizeof(*c));
    c->family = f;
    for (int i = 0; i < f->label_count; i++)
        c->values[i] = mem_text_n(values[i], strnlen(values[i], LABEL_VALUE_MAX));
    if (f->type == METRIC_HISTOGRAM)
        c->bucket = mem_array((size_t)f->bound_count, sizeof(*c->bucket));
    return c;
}

static bool has_values(const struct metric *c, const char *const *values)
{
    for (int i = 0; i < c->family->label_count; i++) {
        if (strncmp(c->values[i], values[i], LABEL_VALUE_MAX) != 0)
            return false;
    }
    return true;
}

struct metric *metric_with(struct metric_family *f, ...)
{
    static const char *const OTHER[LABELS_MAX] = {"other", "other", "other",
                                                  "other", "other", "other"};
    const char *values[LABELS_MAX] = {0};
    va_list args;
    va_start(args, f);
    for (int i = 0; i < f->label_count; i++) {
        const char *value = va_arg(args, const char *);
        values[i] = value ? value : "";
    }
    va_end(args);
    if (f->last && has_values(f->last, values))
        return f->last;
    for (struct metric *c = f->children; c; c = c->next) {
        if (has_values(c, values))
            return f->last = c;
    }
    if (f->child_count == CHILDREN_MAX) {
        if (!f->other)
            f->other = new_child(f, OTHER);
        return f->other;
    }
    struct metric *c = new_child(f, values);
    *f->tail = c;
    f->tail = &c->next;
    f->child_count++;
    return c;
}

void metric_add(struct metric *c, double by)
{
    INVARIANT(c->family->type != METRIC_HISTOGRAM);
    INVARIANT(by >= 0 || c->family->type == METRIC_GAUGE);
    c->value += by;
}

void metric_set(struct metric *c, double value)
{
    INVARIANT(c->family->type == METRIC_GAUGE);
    c->value = value;
}

void metric_observe(struct metric *c, double value)
{
    const struct metric_family *f = c->family;
    INVARIANT(f->type == METRIC_HISTOGRAM);
    c->value += value;
    c->count++;
    for (int i = 0; i < f->bound_count; i++) {
        if (value <= f->bounds[i]) {
            c->bucket[i]++;
            return;
        }
    }
}

double metric_value(const struct metric *c)
{
    return c->family->type == METRIC_HISTOGRAM ? (double)c->count : c->value;
}

/* Backslash, newline and, in label values, the quote: all that the text format escapes. */
static void print_escaped(struct buf *out, const char *text, bool in_quotes)
{
    for (; *text; text++) {
        if (*text == '\\')
            buf_add_text(out, "\\\\");
        else if (*text == '\n')
            buf_add_text(out, "\\n");
        else if (*text == '"' && in_quotes)
            buf_add_text(out, "\\\"");
        else
            buf_add(out, text, 1);
    }
}

/* The shortest form that reads back as the same number. */
static void print_number(struct buf *out, double v)
{
    char text[40];
    if (isinf(v) || isnan(v)) {
        buf_add_text(out, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
        return;
    }
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    buf_add_text(out, text);
}

static void print_labels(struct buf *out, const struct metric *c, const char *bound)
{
    const struct metric_family *f = c->family;
    if (f->label_count == 0 && !bound)
        return;
    const char *before = "{";
    for (int i = 0; i < f->label_count; i++) {
        buf_addf(out, "%s%s=\"", before, f->labels[i]);
        print_escaped(out, c->values[i], true);
        buf_add_text(out, "\"");
        before = ",";
    }
    if (bound)
        buf_addf(out, "%sle=\"%s\"", before, bound);
    buf_add_text(out, "}");
}

static void print_sample(struct buf *out, const struct metric *c, const char *suffix,
                         const char *bound, double value)
{
    buf_addf(out, "%s%s", c->family->name, suffix);
    print_labels(out, c, bound);
    buf_add_text(out, " ");
    print_number(out, value);
    buf_add_text(out, "\n");
}

static void print_histogram(struct buf *out, const struct metric *c)
{
    uint64_t below = 0;
    char bound[40];
    for (int i = 0; i < c->family->bound_count; i++) {
        below += c->bucket[i];
        snprintf(bound, sizeof(bound), "%g", c->family->bounds[i]);
        print_sample(out, c, "_bucket", bound, (double)below);
    }
    print_sample(out, c, "_bucket", "+Inf", (double)c->count);
    print_sample(out, c, "_sum", NULL, c->value);
    print_sample(out, c, "_count", NULL, (double)c->count);
}

static void print_child(struct buf *out, const struct metric *c)
{
    if (c->family->type == METRIC_HISTOGRAM)
        print_histogram(out, c);
    else
        print_sample(out, c, "", NULL, c->value);
}

static const char *const TYPES[] = {"counter", "gauge", "histogram"};

void metrics_print(const struct metrics *m, struct buf *out)
{
    for (const struct metric_family *f = m->families; f; f = f->next) {
        buf_addf(out, "# HELP %s ", f->name);
        print_escaped(out, f->help ? f->help : "", false);
        buf_addf(out, "\n# TYPE %s %s\n", f->name, TYPES[f->type]);
        for (const struct metric *c = f->children; c; c = c->next)
            print_child(out, c);
        if (f->other)
            print_child(out, f->other);
    }
}

void metrics_print_markdown(const struct metrics *m, struct buf *out)
{
    buf_add_text(out, "| metric | type | labels | what |\n|---|---|---|---|\n");
    for (const struct metric_family *f = m->families; f; f = f->next) {
        buf_addf(out, "| `%s` | %s |", f->name, TYPES[f->type]);
        for (int i = 0; i < f->label_count; i++)
            buf_addf(out, "%s `%s`", i ? "," : "", f->labels[i]);
        buf_addf(out, " | %s |\n", f->help);
    }
}
