#include "unit.h"

#include "sandbox/file_fields.h"

static void assert_range(const char *field, int64_t size, enum file_range_kind kind, int64_t first,
                         int64_t length)
{
    struct file_range r = file_range_parse(slice_of(field), size);
    assert_int_equal(r.kind, kind);
    assert_int_equal(r.first, first);
    assert_int_equal(r.length, length);
}

static void ranges(void **state)
{
    (void)state;
    assert_range("bytes=0-0", 10, FILE_RANGE_PART, 0, 1);
    assert_range("bytes=3-", 10, FILE_RANGE_PART, 3, 7);
    assert_range("bytes=3-99", 10, FILE_RANGE_PART, 3, 7);
    assert_range("bytes=-3", 10, FILE_RANGE_PART, 7, 3);
    assert_range("bytes=-30", 10, FILE_RANGE_PART, 0, 10);
    assert_range("bytes=10-", 10, FILE_RANGE_BEHIND_END, 0, 0);
    assert_range("bytes=-0", 10, FILE_RANGE_BEHIND_END, 0, 0);
    assert_range("bytes=0-", 0, FILE_RANGE_BEHIND_END, 0, 0);
    assert_range("bytes=-1", 0, FILE_RANGE_BEHIND_END, 0, 0);
    static const char *const WHOLE[] = {"bytes=5-4",
                                        "bytes=",
                                        "bytes=-",
                                        "bytes",
                                        "bytes=1-2,3-4",
                                        "bytes=1 -2",
                                        "items=0-1",
                                        "bytes=9999999999999999999-",
                                        "bytes=1-9999999999999999999",
                                        "bytes=a-"};
    for (size_t i = 0; i < ARRAY_LEN(WHOLE); i++)
        assert_range(WHOLE[i], 10, FILE_RANGE_WHOLE, 0, 10);
    struct file_range none = file_range_parse((struct slice){NULL, 0}, 7);
    assert_int_equal(none.kind, FILE_RANGE_WHOLE);
}

static void tags(void **state)
{
    (void)state;
    struct stat st = {.st_ino = 255, .st_size = 16};
    char tag[FILE_ETAG_SIZE];
    st.st_mtim.tv_nsec = 10;
    st.st_ctim.tv_sec = 100;
    file_etag(&st, 101999, tag);
    assert_string_equal(tag, "W/\"ff-10-a-174876e800\"");
    assert_true(file_etag_matches(slice_of("\"ff-10-a-174876e800\""), tag));
    assert_false(file_etag_is_same(slice_of(tag), tag));
    file_etag(&st, 102000, tag);
    assert_string_equal(tag, "\"ff-10-a-174876e800\"");
    assert_true(file_etag_is_same(slice_of("\"ff-10-a-174876e800\""), tag));
    assert_false(file_etag_is_same(slice_of("W/\"ff-10-a-174876e800\""), tag));
    assert_true(file_etag_matches(slice_of("\"a\" , W/\"ff-10-a-174876e800\""), tag));
    assert_true(file_etag_matches(slice_of("*"), tag));
    assert_false(file_etag_matches(slice_of("\"ff-10-a-174876e80\""), tag));
    assert_false(file_etag_matches(slice_of("ff-10-a-174876e800"), tag));
    assert_false(file_etag_matches(slice_of("\"a"), tag));
    assert_false(file_etag_matches(slice_of("W/"), tag));
    assert_false(file_etag_matches(slice_of(""), tag));
}

static void assert_disposition(const char *name, const char *wanted)
{
    struct buf out;
    buf_init(&out, 4096);
    file_disposition(&out, name);
    assert_string_equal(buf_text(&out), wanted);
    buf_fini(&out);
}

static void dispositions(void **state)
{
    (void)state;
    assert_disposition("a.txt", "attachment; filename=\"a.txt\"; filename*=UTF-8''a.txt");
    assert_disposition("a b\"\\", "attachment; filename=\"a b__\"; filename*=UTF-8''a%20b%22%5C");
    assert_disposition("\xc3\xa4%41",
                       "attachment; filename=\"___41\"; filename*=UTF-8''%C3%A4%2541");
    assert_disposition("x\r\nSet-Cookie: y", "attachment; filename=\"x__Set-Cookie: y\"; "
                                             "filename*=UTF-8''x%0D%0ASet-Cookie%3A%20y");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges),
        cmocka_unit_test(tags),
        cmocka_unit_test(dispositions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
