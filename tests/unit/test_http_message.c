#include "unit.h"

#include "http/http_message.h"

#include <stdio.h>
#include <stdlib.h>

/* What a parser said. */
struct seen {
    char body[8192];
    size_t body_len;
    unsigned heads;
    unsigned ends;
    bool pause_at_head;
    bool pause_at_body;
    struct http_head head;
};

static void on_head(struct http_parser *p, const struct http_head *head, void *user)
{
    struct seen *s = user;
    s->heads++;
    s->head = *head;
    if (s->pause_at_head)
        http_parser_pause(p);
}

static void on_body(struct http_parser *p, struct slice piece, void *user)
{
    struct seen *s = user;
    assert_true(s->body_len + piece.len <= sizeof(s->body));
    memcpy(s->body + s->body_len, piece.at, piece.len);
    s->body_len += piece.len;
    if (s->pause_at_body)
        http_parser_pause(p);
}

static void on_end(struct http_parser *p, void *user)
{
    (void)p;
    ((struct seen *)user)->ends++;
}

static const struct http_parser_events EVENTS = {on_head, on_body, on_end};

static struct http_parser *parser(enum http_parser_kind kind, struct seen *s)
{
    memset(s, 0, sizeof(*s));
    return http_parser_new(kind, &HTTP_LIMITS_DEFAULT, &EVENTS, s);
}

/* Feeds in pieces of `step` bytes, from memory of exactly that size so that the sanitizer sees
 * reads beyond it. */
static int feed_by(struct http_parser *p, const char *text, size_t step, struct err *err)
{
    size_t len = strlen(text);
    for (size_t at = 0; at < len;) {
        size_t n = len - at < step ? len - at : step;
        size_t used = 0;
        char *piece = malloc(n);
        memcpy(piece, text + at, n);
        int rc = http_parser_feed(p, (struct slice){piece, n}, &used, err);
        free(piece);
        if (rc < 0)
            return rc;
        at += used;
        if (used < n)
            return 0;
    }
    return 0;
}

static const char POST[] = "POST /a/b?c=d HTTP/1.1\r\nHost: example.org:80\r\nX-Long: a  b\t\r\n"
                           "Content-Length: 5\r\nX-Empty:\r\nExpect: 100-continue\r\n\r\n12345";

static void request_is_the_same_however_it_is_cut(void **state)
{
    (void)state;
    for (size_t step = 1; step <= sizeof(POST); step++) {
        struct seen s;
        struct err err;
        struct http_parser *p = parser(HTTP_PARSE_REQUESTS, &s);
        assert_true(http_parser_idle(p));
        assert_int_equal(feed_by(p, POST, step, &err), 0);
        assert_int_equal(s.heads, 1);
        assert_int_equal(s.ends, 1);
        assert_int_equal(s.head.method, HTTP_METHOD_POST);
        assert_true(slice_eq(s.head.target, "/a/b?c=d"));
        assert_true(slice_eq(s.head.path, "/a/b"));
        assert_true(slice_eq(s.head.query, "c=d"));
        assert_true(slice_eq(s.head.method_text, "POST"));
        assert_true(slice_eq(http_head_get(&s.head, "x-long"), "a  b"));
        assert_true(slice_eq(http_head_get(&s.head, "X-Empty"), ""));
        assert_null(http_head_get(&s.head, "X-None").at);
        assert_int_equal(http_head_count(&s.head, "host"), 1);
        assert_int_equal(s.head.content_length, 5);
        assert_true(s.head.keep_alive && s.head.expect_continue && !s.head.chunked);
        assert_int_equal(s.head.version_minor, 1);
        assert_int_equal(s.body_len, 5);
        assert_memory_equal(s.body, "12345", 5);
        http_parser_free(&p);
        assert_null(p);
    }
}

static void chunks_are_the_same_however_they_are_cut(void **state)
{
    static const char text[] = "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: Chunked\r\n\r\n"
                               "3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nX-T: v\r\n\r\n";
    (void)state;
    for (size_t step = 1; step <= sizeof(text); step++) {
        struct seen s;
        struct err err;
        struct http_parser *p = parser(HTTP_PARSE_REQUESTS, &s);
        assert_int_equal(feed_by(p, text, step, &err), 0);
        assert_true(s.head.chunked);
        assert_int_equal(s.head.content_length, -1);
        assert_int_equal(s.head.header_count, 2); /* the trailer is none of them */
        assert_int_equal(s.ends, 1);
        assert_int_equal(s.body_len, 13);
        http_parser_free(&p);
    }
}

static void stops_at_the_end_of_a_message(void **state)
{
    static const char text[] =
        "GET /1 HTTP/1.1\r\nHost: t\r\n\r\nGET /2 HTTP/1.1\r\nHost: t\r\n\r\n";
    struct seen s;
    struct err err;
    size_t used;
    (void)state;
    struct http_parser *p = parser(HTTP_PARSE_REQUESTS, &s);
    assert_int_equal(http_parser_feed(p, slice_of(text), &used, &err), 0);
    assert_int_equal(used, (sizeof(text) - 1) / 2);
    assert_true(slice_eq(s.head.target, "/1"));
    size_t more;
    assert_int_equal(http_parser_feed(p, slice_of(text + used), &more, &err), 0);
    assert_int_equal(more, 0); /* until it is told to go on */
    http_parser_reset(p);
    assert_int_equal(http_parser_feed(p, slice_of(text + used), &more, &err), 0);
    assert_true(slice_eq(s.head.target, "/2"));
    assert_int_equal(used + more, sizeof(text) - 1);
    http_parser_free(&p);
}

static void pauses_at_the_head_and_in_the_body(void **state)
{
    struct seen s;
    struct err err;
    size_t used;
    size_t total;
    (void)state;
    struct http_parser *p = parser(HTTP_PARSE_REQUESTS, &s);
    s.pause_at_head = s.pause_at_body = true;
    assert_int_equal(http_parser_feed(p, slice_of(POST), &used, &err), 0);
    assert_int_equal(s.heads, 1);
    assert_int_equal(used, sizeof(POST) - 1 - 5);
    total = used;
    assert_int_equal(http_parser_feed(p, slice_of(POST + total), &used, &err), 0);
    assert_int_equal(used, 0);
    http_parser_resume(p);
    assert_int_equal(http_parser_feed(p, (struct slice){POST + total, 2}, &used, &err), 0);
    assert_int_equal(s.body_len, 2);
    total += used;
    assert_int_equal(http_parser_feed(p, slice_of(POST + total), &used, &err), 0);
    assert_int_equal(used, 0);
    http_parser_resume(p);
    s.pause_at_body = false;
    assert_int_equal(http_parser_feed(p, slice_of(POST + total), &used, &err), 0);
    assert_int_equal(s.ends, 1);
    assert_int_equal(s.body_len, 5);
    http_parser_free(&p);
}

static void no_body_ends_although_paused(void **state)
{
    struct seen s;
    struct err err;
    (void)state;
    struct http_parser *p = parser(HTTP_PARSE_REQUESTS, &s);
    s.pause_at_head = true;
    assert_int_equal(feed_by(p, "GET / HTTP/1.1\r\nHost: t\r\n\r\n", 7, &err), 0);
    assert_int_equal(s.heads, 1);
    assert_int_equal(s.ends, 1);
    http_parser_free(&p);
}

/* No byte follows that would bring the end when it is resumed. */
static void a_known_length_ends_although_its_last_piece_paused(void **state)
{
    struct seen s;
    struct err err;
    (void)state;
    struct http_parser *p = parser(HTTP_PARSE_REQUESTS, &s);
    s.pause_at_body = true;
    size_t used;
    assert_int_equal(http_parser_feed(p, slice_of(POST), &used, &err), 0);
    assert_int_equal(used, sizeof(POST) - 1);
    assert_int_equal(s.body_len, 5);
    assert_int_equal(s.ends, 1);
    http_parser_free(&p);
}

struct refusal {
    const char *text;
    enum err_code code;
};

static void refuses(void **state)
{
    static const struct refusal bad[] = {
        {"GET / HTTP/1.1\r\n\r\n", ERR_BAD_REQUEST},
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", ERR_BAD_REQUEST},
        {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", ERR_BAD_REQUEST},
        {"GET x HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST},
        {"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST},
        {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST},
        {"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST},
        {"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST},
        {"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", ERR_BAD_REQUEST},
        {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", ERR_HTTP_VERSION},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", ERR_HTTP_VERSION},
        {"GET /\r\n", ERR_HTTP_VERSION},
        {"OPTIONS / RTSP/1.0\r\nHost: a\r\n\r\n", ERR_HTTP_VERSION},
        {"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", ERR_EXPECTATION_FAILED},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
         ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", ERR_BAD_REQUEST},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n",
         ERR_BAD_REQUEST},
        {"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", ERR_BAD_REQUEST},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        for (size_t step = 1; step < 100; step += 6) {
            struct seen s;
            struct err err;
            struct http_parser *p = parser(HTTP_PARSE_REQUESTS, &s);
            int rc = feed_by(p, bad[i].text, step, &err);
            if (rc != -(int)bad[i].code)
                fail_msg("%zu by %zu: %d %s", i, step, rc, rc < 0 ? err.msg : "taken");
            assert_int_equal(s.heads, 0);
            assert_int_equal(err.code, bad[i].code);
            assert_true(strlen(err.msg) > 0);
            assert_true(feed_by(p, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 100, &err) <
                        0); /* for good */
            http_parser_free(&p);
        }
    }
}

/* Feeds the same bytes again and again, until an error or enough. */
static int flood(const char *first, const char *again, size_t most)
{
    struct seen s;
    struct err err;
    struct http_parser *p = parser(HTTP_PARSE_REQUESTS, &s);
    int rc = feed_by(p, first, 4096, &err);
    size_t fed = 0;
    while (rc == 0 && fed < most) {
        rc = feed_by(p, again, 4096, &err);
        fed += strlen(again);
    }
    http_parser_free(&p);
    return rc;
}

static void limits_hold(void **state)
{
    static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\n";
    static const char chunked[] =
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    (void)state;
    assert_int_equal(flood(head, "X: a\r\n", 100000), -(int)ERR_HEADERS_TOO_LARGE);
    assert_int_equal(flood("GET / HTTP/1.1\r\nX: ", "aaaaaaaa", 100000),
                     -(int)ERR_HEADERS_TOO_LARGE);
    assert_int_equal(flood("GET / HTTP/1.1\r\nX:", "        ", 100000),
                     -(int)ERR_HEADERS_TOO_LARGE);
    assert_int_equal(flood("GET / HTTP/1.1\r\n", "aaaaaaaa", 100000), -(int)ERR_HEADERS_TOO_LARGE);
    assert_int_equal(flood("", "\r\n", 100000), -(int)ERR_HEADERS_TOO_LARGE);
    assert_int_equal(flood("GET /", "aaaaaaaa", 100000), -(int)ERR_TARGET_TOO_LONG);
    assert_int_equal(flood(chunked, "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n", 100000),
                     -(int)ERR_BAD_REQUEST);
    assert_int_equal(flood("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
                           "X-T: aaaaaaaa\r\n", 100000),
                     -(int)ERR_BAD_REQUEST);
}

static void heads_up_to_the_limit_keep_their_slices(void **state)
{
    char text[32 * 1024];
    struct seen s;
    struct err err;
    (void)state;
    size_t n = (size_t)snprintf(text, sizeof(text), "GET /target HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 99; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "Name-%d: %0200d\r\n", i, i);
    snprintf(text + n, sizeof(text) - n, "\r\n");
    struct http_parser *p = parser(HTTP_PARSE_REQUESTS, &s);
    assert_int_equal(feed_by(p, text, 333, &err), 0);
    assert_int_equal(s.heads, 1);
    assert_int_equal(s.head.header_count, 100);
    assert_true(slice_eq(s.head.target, "/target"));
    for (int i = 0; i < 99; i++) {
        char name[16];
        snprintf(name, sizeof(name), "name-%d", i);
        struct slice v = http_head_get(&s.head, name);
        assert_int_equal(v.len, 200);
        assert_int_equal(atoi(v.at + 190), i);
    }
    http_parser_free(&p);
}

static void connection_rules(void **state)
{
    static const struct {
        const char *text;
        bool keep;
    } rows[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x,CLOSE ,y\r\n\r\n", false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\t\r\n\r\n", false},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct seen s;
        struct err err;
        struct http_parser *p = parser(HTTP_PARSE_REQUESTS, &s);
        assert_int_equal(feed_by(p, rows[i].text, 100, &err), 0);
        assert_int_equal(s.head.keep_alive, rows[i].keep);
        http_parser_free(&p);
    }
}

static void answers(void **state)
{
    struct seen s;
    struct err err;
    (void)state;
    struct http_parser *p = parser(HTTP_PARSE_RESPONSES, &s);
    assert_int_equal(feed_by(p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", 3, &err), 0);
    assert_int_equal(s.head.status, 200);
    assert_int_equal(s.ends, 1);
    assert_true(s.head.keep_alive);
    http_parser_reset(p);
    assert_int_equal(feed_by(p, "HTTP/1.1 100 Continue\r\n\r\n", 3, &err), 0);
    assert_int_equal(s.head.status, 100);
    assert_int_equal(s.ends, 2);
    http_parser_reset(p);
    assert_int_equal(feed_by(p, "HTTP/1.1 200 OK\r\n\r\nto the end", 3, &err), 0);
    assert_false(s.head.keep_alive);
    assert_int_equal(s.ends, 2);
    assert_int_equal(http_parser_finish(p, &err), 0);
    assert_int_equal(s.ends, 3);
    http_parser_reset(p);
    http_parser_expect_no_body(p);
    assert_int_equal(feed_by(p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 3, &err), 0);
    assert_int_equal(s.ends, 4);
    assert_true(s.head.keep_alive);
    http_parser_free(&p);
}

static void cut_messages_are_errors(void **state)
{
    static const char *const cut[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        "HTTP/1.1 200 OK\r\nContent-Le",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cut); i++) {
        struct seen s;
        struct err err;
        struct http_parser *p = parser(HTTP_PARSE_RESPONSES, &s);
        assert_int_equal(feed_by(p, cut[i], 100, &err), 0);
        assert_true(http_parser_finish(p, &err) < 0);
        assert_int_equal(s.ends, 0);
        http_parser_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_is_the_same_however_it_is_cut),
        cmocka_unit_test(chunks_are_the_same_however_they_are_cut),
        cmocka_unit_test(stops_at_the_end_of_a_message),
        cmocka_unit_test(pauses_at_the_head_and_in_the_body),
        cmocka_unit_test(no_body_ends_although_paused),
        cmocka_unit_test(a_known_length_ends_although_its_last_piece_paused),
        cmocka_unit_test(refuses),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(heads_up_to_the_limit_keep_their_slices),
        cmocka_unit_test(connection_rules),
        cmocka_unit_test(answers),
        cmocka_unit_test(cut_messages_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
