#include "unit.h"

#include "base/log.h"

#include <stdbool.h>
#include <stdio.h>

static char captured[8192];

/* What log_event() writes, through a file in place of standard error. */
static void begin_capture(FILE *into, int *saved)
{
    *saved = dup(STDERR_FILENO);
    dup2(fileno(into), STDERR_FILENO);
}

static const char *end_capture(FILE *from, int saved)
{
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(from);
    size_t len = fread(captured, 1, sizeof(captured) - 1, from);
    captured[len] = '\0';
    fclose(from);
    return captured;
}

#define CAPTURE(text, statement)                                                                   \
    FILE *text##_file = tmpfile();                                                                 \
    int text##_saved;                                                                              \
    begin_capture(text##_file, &text##_saved);                                                     \
    statement;                                                                                     \
    const char *text = end_capture(text##_file, text##_saved)

static void a_line_has_its_values(void **state)
{
    (void)state;
    struct slice s = {"slice of", 5};
    bool yes = true;
    CAPTURE(text, LOG(LOG_INFO, "pod_created", KV("id", "py-7"), KV("n", -3), KV("yes", yes),
                      KV("s", s), KV("none", (const char *)NULL)));
    assert_non_null(strstr(text, " level=info program=spillway event=pod_created id=py-7 n=-3 "
                                 "yes=true s=slice none=-\n"));
    assert_int_equal(text[4 + 1 + 24 - 1], 'Z'); /* time=2026-01-01T00:00:00.000Z */
}

static void values_cannot_forge_a_line(void **state)
{
    (void)state;
    CAPTURE(text, LOG(LOG_WARN, "x", KV("v", "a\nlevel=error \"q\" \\ \x1b[0m"), KV("e", "")));
    assert_non_null(strstr(text, "v=\"a\\nlevel=error \\\"q\\\" \\\\ \\x1b[0m\" e=\"\"\n"));
    assert_int_equal(strchr(text, '\n') - text, (ptrdiff_t)strlen(text) - 1);
}

static void each_odd_byte_makes_quotes(void **state)
{
    (void)state;
    CAPTURE(text, LOG(LOG_INFO, "x", KV("a", "b c"), KV("d", "e\nf"), KV("g", "h=i"),
                      KV("j", "\xc3\xa4"), KV("k", "\x7f"), KV("l", "m-n.o:p/q")));
    assert_non_null(strstr(text, "a=\"b c\" d=\"e\\nf\" g=\"h=i\" j=\"\xc3\xa4\" k=\"\\x7f\" "
                                 "l=m-n.o:p/q\n"));
}

static void long_values_and_lines_are_cut(void **state)
{
    (void)state;
    char big[3000];
    memset(big, 'x', sizeof(big));
    big[sizeof(big) - 1] = '\0';
    CAPTURE(one, LOG(LOG_INFO, "x", KV("v", big)));
    assert_true(strlen(one) < 1200);
    assert_non_null(strstr(one, "xxx...\n"));
    CAPTURE(many, LOG(LOG_INFO, "x", KV("a", big), KV("b", big), KV("c", big), KV("d", big),
                      KV("e", big)));
    assert_in_range(strlen(many), 4080, 4096);
    assert_non_null(strstr(many, " cut=true\n"));
}

static void levels_are_filtered(void **state)
{
    (void)state;
    enum log_level level = LOG_ERROR;
    assert_true(log_level_from_text("debug", &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_false(log_level_from_text("loud", &level));
    assert_int_equal(level, LOG_DEBUG);
    CAPTURE(quiet, LOG(LOG_DEBUG, "x"));
    assert_string_equal(quiet, "");
    log_set_level(LOG_DEBUG);
    CAPTURE(loud, LOG(LOG_DEBUG, "x"));
    assert_non_null(strstr(loud, "level=debug program=spillway event=x\n"));
    log_set_level(LOG_INFO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_its_values),
        cmocka_unit_test(values_cannot_forge_a_line),
        cmocka_unit_test(each_odd_byte_makes_quotes),
        cmocka_unit_test(long_values_and_lines_are_cut),
        cmocka_unit_test(levels_are_filtered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
