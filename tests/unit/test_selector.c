#include "unit.h"

#include "base/json.h"
#include "clusters/embedded/selector.h"

static struct json_t *object(void)
{
    return json_build("{s:{s:s, s:s, s:{s:s, s:s}}, s:{s:s}, s:{s:s}}", "metadata", "name", "one",
                      "namespace", "n", "labels", "app", "web", "spillway.dev/session", "s1",
                      "spec", "nodeName", "node-1", "status", "phase", "Running");
}

static bool matches(const char *text, bool fields)
{
    struct json_t *o = object();
    struct selector *s = NULL;
    struct err err = {.code = ERR_NONE};
    int rc = fields ? selector_parse_fields(text, false, &s, &err)
                    : selector_parse_labels(text, &s, &err);
    bool result = false;

    assert_int_equal(rc, 0);
    result = selector_matches(s, o);
    selector_free(&s);
    json_free(o);
    return result;
}

static void labels(void **state)
{
    static const struct {
        const char *text;
        bool yes;
    } SAMPLES[] = {
        {"", true},
        {"  ", true},
        {"app=web", true},
        {"app==web", true},
        {"app = web", true},
        {"app=db", false},
        {"app!=db", true},
        {"app!=web", false},
        {"other!=x", true},
        {"app", true},
        {"other", false},
        {"!other", true},
        {"!app", false},
        {"app in (db,web)", true},
        {"app in (db)", false},
        {"app notin (db)", true},
        {"app notin (db, web)", false},
        {"other notin (db)", true},
        {"spillway.dev/session=s1,app", true},
        {"spillway.dev/session=s1,app=x", false},
        {"app in(web)", true},
        {"in=x", false},
        {"app=", false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(SAMPLES); i++)
        if (matches(SAMPLES[i].text, false) != SAMPLES[i].yes)
            fail_msg("%s", SAMPLES[i].text);
}

static void fields(void **state)
{
    (void)state;
    assert_true(matches("metadata.name=one", true));
    assert_true(matches("metadata.namespace!=other,status.phase==Running", true));
    assert_false(matches("spec.nodeName=node-2", true));
}

static void events(void **state)
{
    static const struct {
        const char *text;
        bool yes;
    } SAMPLES[] = {
        {"involvedObject.kind=Pod,involvedObject.name=one,involvedObject.uid=u", true},
        {"involvedObject.namespace=", true}, /* of the node: it has none */
        {"involvedObject.name=two", false},
        {"reason=Started", true},
        {"reason!=Started", false},
        {"type=Warning", false},
        {"source=kubelet,metadata.name=e", true},
    };
    struct json_t *event =
        json_build("{s:{s:s}, s:{s:s, s:s, s:s}, s:s, s:s, s:{s:s}}", "metadata", "name", "e",
                   "involvedObject", "kind", "Pod", "name", "one", "uid", "u", "reason", "Started",
                   "type", "Normal", "source", "component", "kubelet");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(SAMPLES); i++) {
        struct selector *s = NULL;
        struct err err = {.code = ERR_NONE};

        assert_int_equal(selector_parse_fields(SAMPLES[i].text, true, &s, &err), 0);
        if (selector_matches(s, event) != SAMPLES[i].yes)
            fail_msg("%s", SAMPLES[i].text);
        selector_free(&s);
    }
    json_free(event);
}

static void bad(void **state)
{
    static const char *const LABELS[] = {"=", "a b",   "a=b c", "a in",   "a in (b", "a,",  ",a",
                                         "!", "a=b=c", "(",     "a in b", "-a=b",    "a=-b"};
    static const char *const FIELDS[] = {"metadata.name",    "a=b",       "=",
                                         "metadata.name=a,", "spec.x!=1", "involvedObject.name=a",
                                         "reason=a"};
    struct selector *s = NULL;
    struct err err = {.code = ERR_NONE};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(LABELS); i++)
        if (selector_parse_labels(LABELS[i], &s, &err) == 0)
            fail_msg("%s", LABELS[i]);
    for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++)
        if (selector_parse_fields(FIELDS[i], false, &s, &err) == 0)
            fail_msg("%s", FIELDS[i]);
    assert_null(s);
}

static void too_many(void **state)
{
    char text[200] = "a";
    struct selector *s = NULL;

    (void)state;
    for (int i = 0; i < SELECTOR_TERMS_MAX; i++)
        strcat(text, ",a");
    assert_int_equal(selector_parse_labels(text, &s, NULL), -(int)ERR_INVALID_ARGUMENT);
    text[strlen(text) - 2] = '\0';
    assert_int_equal(selector_parse_labels(text, &s, NULL), 0);
    selector_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels), cmocka_unit_test(fields),   cmocka_unit_test(events),
        cmocka_unit_test(bad),    cmocka_unit_test(too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
