#include "unit.h"

#include "base/buf.h"
#include "http/multipart.h"
#include <stdlib.h>

#define TYPE "multipart/form-data; boundary=XX"

struct seen {
    struct buf text; /* "[name|file name]bytes." for each part */
    int refuse_after;
};

static int on_part(const struct multipart_part *part, void *user, struct err *err)
{
    struct seen *s = user;
    (void)err;
    buf_addf(&s->text, "[%s|%s]", part->name, part->file_name ? part->file_name : "-");
    return 0;
}

static int on_data(struct slice piece, void *user, struct err *err)
{
    struct seen *s = user;
    buf_add(&s->text, piece.at, piece.len);
    if (s->refuse_after && s->text.len > (size_t)s->refuse_after)
        return err_set(err, ERR_PAYLOAD_TOO_LARGE, "enough");
    return 0;
}

static int on_part_end(void *user, struct err *err)
{
    struct seen *s = user;
    (void)err;
    buf_add_text(&s->text, ".");
    return 0;
}

static const struct multipart_events EVENTS = {on_part, on_data, on_part_end};

/* In steps of `step` bytes. */
static int parse_type(const char *type, struct slice body, size_t step, struct seen *s,
                      struct err *err)
{
    buf_init(&s->text, 1 << 20);
    struct multipart *m = multipart_new(slice_of(type), &EVENTS, s, err);
    int rc = m ? 0 : -(int)err->code;
    while (rc == 0 && body.len > 0) {
        size_t n = body.len < step ? body.len : step;
        char *alone = malloc(n); /* so that the sanitizer sees a read behind the piece */
        memcpy(alone, body.at, n);
        rc = multipart_feed(m, (struct slice){alone, n}, err);
        free(alone);
        body.at += n;
        body.len -= n;
    }
    if (rc == 0)
        rc = multipart_finish(m, err);
    multipart_free(&m);
    return rc;
}

static void expect(const char *body, const char *wanted)
{
    for (size_t step = 1; step <= strlen(body); step++) {
        struct seen s = {0};
        struct err err = {0};
        assert_int_equal(parse_type(TYPE, slice_of(body), step, &s, &err), 0);
        assert_string_equal(buf_text(&s.text), wanted);
        buf_fini(&s.text);
    }
}

static void expect_refused(const char *body)
{
    for (size_t step = 1; step <= strlen(body) + 1; step++) {
        struct seen s = {0};
        struct err err = {0};
        assert_int_equal(parse_type(TYPE, slice_of(body), step, &s, &err), -(int)ERR_BAD_REQUEST);
        assert_true(err.msg[0] != '\0');
        buf_fini(&s.text);
    }
}

#define LONG                                                                                       \
    "multipart/form-data; boundary=0123456789012345678901234567890123456789012345678901234567890"  \
    "12345678901"

#define PART(disposition, bytes) "--XX\r\nContent-Disposition: " disposition "\r\n\r\n" bytes "\r\n"
#define FILE_PART(bytes)         PART("form-data; name=\"file\"; filename=\"a\"", bytes)
#define END                      "--XX--\r\n"

static void parts_at_every_cut(void **state)
{
    (void)state;
    expect(FILE_PART("hello") END, "[file|a]hello.");
    expect(FILE_PART("") END, "[file|a].");
    expect("--XX--", "");
    expect("preamble\r\n" FILE_PART("x") PART("form-data; name=b", "y") END "epilogue \r\n--XX",
           "[file|a]x.[b|-]y.");
    expect(FILE_PART("1\r\n2\r\n-\r\n--\r\n--X\r\n\r\n--Y\r\r\n--X") END,
           "[file|a]1\r\n2\r\n-\r\n--\r\n--X\r\n\r\n--Y\r\r\n--X.");
    expect(FILE_PART("\r\n\r\n") END, "[file|a]\r\n\r\n.");
    expect("--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n--XX--", "[a|-].");
    expect("--XX \t\r\nContent-Disposition: form-data; name=a\r\n\r\nq\r\n--XX--", "[a|-]q.");
}

static void names(void **state)
{
    (void)state;
    expect(PART("form-data; name=\"file\"; filename=\"a;b=c \\\"q\\\" d\"", "") END,
           "[file|a;b=c \"q\" d].");
    expect(PART("form-data; name=\"file\"; filename=\"C:\\dir\\x\"", "") END, "[file|C:\\dir\\x].");
    expect(PART("form-data; name=\"file\"; filename=\"%22%2e\"", "") END, "[file|%22%2e].");
    expect(PART("form-data; filename=plain ; name=file", "") END, "[file|plain].");
    expect(PART("form-data; name=file; filename=x; filename*=UTF-8''na%C3%AFve%20%e2%82%ac", "")
               END,
           "[file|na\xc3\xafve \xe2\x82\xac].");
    expect(PART("form-data; name=file; filename*=utf-8'en'y; filename=x", "") END, "[file|y].");
    expect(PART("form-data; name=file; filename=\"\"", "") END, "[file|].");
    expect("--XX\r\ncontent-type: a\r\nCONTENT-DISPOSITION:form-data;name=a\r\n"
           "Content-Transfer-Encoding: binary\r\n\r\nq\r\n--XX--",
           "[a|-]q.");
}

static void broken_ones(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "",
        "--XX",
        "no delimiter at all",
        FILE_PART("cut"),
        FILE_PART("cut") "--XX-",
        FILE_PART("a") "--XXY\r\n" END,
        FILE_PART("--XX") END,
        "--XX\n" END,
        "--XX\r\n\r\nno head\r\n" END,
        "--XX\r\nContent-Disposition: form-data; name=a\n\n\r\n\r\n" END,
        "--XX\r\n Content-Disposition: form-data; name=a\r\n\r\n" END,
        "--XX\r\nContent-Disposition form-data; name=a\r\n\r\n" END,
        PART("attachment; name=a", "") END,
        PART("form-data; name=\"a", "") END,
        PART("form-data; name=a; name=b", "") END,
        PART("form-data; name=a; filename=b; filename=c", "") END,
        PART("form-data; name=a; filename*=UTF-8''%00", "") END,
        PART("form-data; name=a; filename*=UTF-8''%4", "") END,
        PART("form-data; name=a; filename*=latin1''x", "") END,
        PART("form-data; name=a\r\nContent-Disposition: form-data; name=b", "") END,
        PART("form-data; name=a\r\nContent-Transfer-Encoding: base64", "") END,
    };
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        expect_refused(BAD[i]);
}

static void types(void **state)
{
    (void)state;
    static const char *const GOOD[] = {"multipart/form-data; boundary=XX",
                                       "Multipart/Form-Data ;charset=x; Boundary=\"XX\"",
                                       "multipart/form-data;boundary=XX;"};
    static const char *const BAD[] = {"multipart/form-data",
                                      "multipart/form-data; boundary=",
                                      "multipart/form-data; boundary=\"a\rb\"",
                                      "multipart/form-data; boundary=a; boundary=b",
                                      "multipart/form-data; boundary=\"XX",
                                      LONG};
    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++) {
        struct seen s = {0};
        struct err err = {0};
        assert_int_equal(parse_type(GOOD[i], slice_of(FILE_PART("x") END), 3, &s, &err), 0);
        buf_fini(&s.text);
    }
    struct seen s = {0};
    struct err err = {0};
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        assert_int_equal(parse_type(BAD[i], slice_of(END), 9, &s, &err), -(int)ERR_BAD_REQUEST);
    assert_int_equal(parse_type("text/plain", slice_of(END), 9, &s, &err),
                     -(int)ERR_UNSUPPORTED_MEDIA_TYPE);
    assert_int_equal(parse_type("", slice_of(END), 9, &s, &err), -(int)ERR_UNSUPPORTED_MEDIA_TYPE);
}

static void limits(void **state)
{
    (void)state;
    struct seen s = {0};
    struct err err = {0};
    struct buf body;
    buf_init(&body, 1 << 20);
    for (int i = 0; i < 17; i++)
        buf_add_text(&body, FILE_PART("x"));
    assert_int_equal(parse_type(TYPE, buf_slice(&body), 100, &s, &err), -(int)ERR_BAD_REQUEST);
    buf_fini(&s.text);
    buf_clear(&body);
    buf_add_text(&body, "--XX\r\nX: ");
    for (int i = 0; i < 9000; i++)
        buf_add_text(&body, "h");
    assert_int_equal(parse_type(TYPE, buf_slice(&body), 1000, &s, &err), -(int)ERR_BAD_REQUEST);
    buf_fini(&s.text);
    buf_clear(&body);
    for (int i = 0; i < 9000; i++)
        buf_add_text(&body, "p");
    assert_int_equal(parse_type(TYPE, buf_slice(&body), 1000, &s, &err), -(int)ERR_BAD_REQUEST);
    buf_fini(&s.text);
    buf_fini(&body);
}

static void a_callback_ends_it(void **state)
{
    (void)state;
    struct seen s = {.refuse_after = 12};
    struct err err = {0};
    assert_int_equal(parse_type(TYPE, slice_of(FILE_PART("hello world") END), 4, &s, &err),
                     -(int)ERR_PAYLOAD_TOO_LARGE);
    assert_string_equal(err.msg, "enough");
    buf_fini(&s.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_at_every_cut),
        cmocka_unit_test(names),
        cmocka_unit_test(broken_ones),
        cmocka_unit_test(types),
        cmocka_unit_test(limits),
        cmocka_unit_test(a_callback_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
