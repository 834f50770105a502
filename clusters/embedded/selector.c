#include "clusters/embedded/selector.h"
#include "base/json.h"
#include "base/mem.h"
#include "clusters/embedded/names.h"
#include <stdlib.h>
#include <string.h>

enum term_kind { TERM_IN, TERM_NOT_IN, TERM_EXISTS, TERM_ABSENT };

struct term {
    enum term_kind kind;
    char *key;
    char *values[SELECTOR_TERMS_MAX];
    unsigned value_count;
};

struct selector {
    bool fields;
    struct term terms[SELECTOR_TERMS_MAX];
    unsigned count;
};

/* Where a selectable field is in the object. */
static const struct {
    const char *name, *outer, *inner; /* inner NULL: outer is the text itself */
    bool events;
} selectable[] = {
    {"metadata.name", "metadata", "name", false},
    {"metadata.namespace", "metadata", "namespace", false},
    {"metadata.uid", "metadata", "uid", false},
    {"spec.nodeName", "spec", "nodeName", false},
    {"spec.restartPolicy", "spec", "restartPolicy", false},
    {"status.phase", "status", "phase", false},
    {"status.podIP", "status", "podIP", false},
    {"involvedObject.kind", "involvedObject", "kind", true},
    {"involvedObject.namespace", "involvedObject", "namespace", true},
    {"involvedObject.name", "involvedObject", "name", true},
    {"involvedObject.uid", "involvedObject", "uid", true},
    {"involvedObject.apiVersion", "involvedObject", "apiVersion", true},
    {"involvedObject.resourceVersion", "involvedObject", "resourceVersion", true},
    {"involvedObject.fieldPath", "involvedObject", "fieldPath", true},
    {"source", "source", "component", true},
    {"reason", "reason", NULL, true},
    {"type", "type", NULL, true},
    {"reportingComponent", "reportingComponent", NULL, true},
};

void selector_free(struct selector **s)
{
    if (!*s)
        return;
    for (unsigned i = 0; i < (*s)->count; i++) {
        struct term *t = &(*s)->terms[i];

        free(t->key);
        for (unsigned v = 0; v < t->value_count; v++)
            free(t->values[v]);
    }
    free(*s);
    *s = NULL;
}

static const char *skip_blank(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

/* A word: everything up to a character that means something. */
static char *word(const char **p)
{
    const char *start = skip_blank(*p);
    size_t len = strcspn(start, " \t,=!()");

    *p = skip_blank(start + len);
    return mem_text_n(start, len);
}

static int bad(const char *text, const char *at, struct err *err)
{
    return err_set(err, ERR_INVALID_ARGUMENT,
                   "unable to parse requirement in '%.200s' near '%.40s'", text, at);
}

static bool accept(const char **p, const char *token)
{
    size_t len = strlen(token);

    if (strncmp(*p, token, len) != 0)
        return false;
    *p = skip_blank(*p + len);
    return true;
}

static int parse_set(const char **p, struct term *t, const char *text, struct err *err)
{
    if (!accept(p, "("))
        return bad(text, *p, err);
    do {
        if (t->value_count == SELECTOR_TERMS_MAX)
            return err_set(err, ERR_INVALID_ARGUMENT, "more than %d values in a selector",
                           SELECTOR_TERMS_MAX);
        t->values[t->value_count++] = word(p);
    } while (accept(p, ","));
    return accept(p, ")") ? 0 : bad(text, *p, err);
}

static bool accept_word(const char **p, const char *token)
{
    size_t len = strlen(token);

    if (strncmp(*p, token, len) != 0 || !strchr(" \t(", (*p)[len]) || !(*p)[len])
        return false;
    *p = skip_blank(*p + len);
    return true;
}

static int parse_operator(const char **p, struct term *t, const char *text, struct err *err)
{
    t->kind = TERM_IN;
    if (accept(p, "!=")) {
        t->kind = TERM_NOT_IN;
    } else if (!accept(p, "==") && !accept(p, "=")) {
        if (accept_word(p, "in"))
            return parse_set(p, t, text, err);
        if (accept_word(p, "notin")) {
            t->kind = TERM_NOT_IN;
            return parse_set(p, t, text, err);
        }
        t->kind = TERM_EXISTS;
        return 0;
    }
    t->values[t->value_count++] = word(p);
    return 0;
}

static int check_values(const struct term *t, struct err *err)
{
    for (unsigned i = 0; i < t->value_count; i++)
        if (!names_is_label_value(t->values[i]))
            return err_set(err, ERR_INVALID_ARGUMENT, "'%.100s' is no label value", t->values[i]);
    return 0;
}

static int parse_label_term(const char **p, struct term *t, const char *text, struct err *err)
{
    bool negated = **p == '!';

    *p = skip_blank(*p + (negated ? 1 : 0));
    t->key = word(p);
    if (!names_is_qualified(t->key))
        return err_set(err, ERR_INVALID_ARGUMENT, "'%.100s' is no label key", t->key);
    if (negated) {
        t->kind = TERM_ABSENT;
        return 0;
    }
    if (parse_operator(p, t, text, err) < 0)
        return -(int)ERR_INVALID_ARGUMENT;
    return check_values(t, err);
}

static int parse_field_term(const char **p, bool events, struct term *t, const char *text,
                            struct err *err)
{
    t->key = word(p);
    if (accept(p, "!="))
        t->kind = TERM_NOT_IN;
    else if (accept(p, "==") || accept(p, "="))
        t->kind = TERM_IN;
    else
        return bad(text, *p, err);
    t->values[t->value_count++] = word(p);
    for (size_t i = 0; i < ARRAY_LEN(selectable); i++)
        if (strcmp(selectable[i].name, t->key) == 0 && (events || !selectable[i].events))
            return 0;
    return err_set(err, ERR_INVALID_ARGUMENT, "field label not supported: %.100s", t->key);
}

static int parse(const char *text, bool fields, bool events, struct selector **out, struct err *err)
{
    const char *p = skip_blank(text);
    struct selector *s = NULL;
    int rc = 0;

    *out = NULL;
    if (!*p)
        return 0;
    s = mem_alloc(sizeof *s);
    s->fields = fields;
    do {
        struct term *t = &s->terms[s->count];

        if (s->count == SELECTOR_TERMS_MAX) {
            rc = err_set(err, ERR_INVALID_ARGUMENT, "more than %d requirements in a selector",
                         SELECTOR_TERMS_MAX);
            break;
        }
        s->count++;
        rc = fields ? parse_field_term(&p, events, t, text, err)
                    : parse_label_term(&p, t, text, err);
    } while (rc == 0 && accept(&p, ","));
    if (rc == 0 && *p)
        rc = bad(text, p, err);
    if (rc < 0)
        selector_free(&s);
    *out = s;
    return rc;
}

int selector_parse_labels(const char *text, struct selector **out, struct err *err)
{
    return parse(text, false, false, out, err);
}

int selector_parse_fields(const char *text, bool events, struct selector **out, struct err *err)
{
    return parse(text, true, events, out, err);
}

static const char *field_value(const struct json_t *object, const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(selectable); i++)
        if (strcmp(selectable[i].name, key) == 0)
            return selectable[i].inner ? json_get_text(json_get(object, selectable[i].outer),
                                                       selectable[i].inner, "")
                                       : json_get_text(object, selectable[i].outer, "");
    return "";
}

static bool term_matches(const struct term *t, const char *value)
{
    bool in = false;

    if (t->kind == TERM_EXISTS)
        return value != NULL;
    if (t->kind == TERM_ABSENT)
        return value == NULL;
    for (unsigned i = 0; value && i < t->value_count && !in; i++)
        in = strcmp(value, t->values[i]) == 0;
    return in == (t->kind == TERM_IN); /* an absent label counts as "not in", as in Kubernetes */
}

bool selector_matches(const struct selector *s, const struct json_t *object)
{
    const struct json_t *labels = json_at(object, "metadata", "labels", NULL);

    for (unsigned i = 0; s && i < s->count; i++) {
        const struct term *t = &s->terms[i];
        const char *value =
            s->fields ? field_value(object, t->key) : json_get_text(labels, t->key, NULL);

        if (!term_matches(t, value))
            return false;
    }
    return true;
}
