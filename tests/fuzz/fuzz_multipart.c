/* Uploads: the same parts however they are cut. */
#include "http/multipart.h"
#include "tests/fuzz/fuzz.h"

static int on_part(const struct multipart_part *part, void *user, struct err *err)
{
    (void)err;
    INVARIANT(part->name);
    fuzz_note(user, "P", 1);
    fuzz_note(user, part->name, strlen(part->name));
    if (part->file_name)
        fuzz_note(user, part->file_name, strlen(part->file_name));
    return 0;
}

static int on_data(struct slice piece, void *user, struct err *err)
{
    (void)err;
    fuzz_note(user, piece.at, piece.len);
    return 0;
}

static int on_part_end(void *user, struct err *err)
{
    (void)err;
    fuzz_note(user, "E", 1);
    return 0;
}

static uint64_t parse(struct slice type, struct slice in, size_t step)
{
    static const struct multipart_events EVENTS = {on_part, on_data, on_part_end};
    struct err err;
    uint64_t sum = 0;
    int rc = 0;
    struct multipart *m = multipart_new(type, &EVENTS, &sum, &err);
    if (!m)
        return 0;
    for (size_t at = 0; rc == 0 && at < in.len; at += step) {
        size_t len = in.len - at < step ? in.len - at : step;
        char *piece = fuzz_copy(in.at + at, len);
        rc = multipart_feed(m, (struct slice){piece, len}, &err);
        free(piece);
    }
    if (rc == 0)
        rc = multipart_finish(m, &err);
    fuzz_note(&sum, &rc, sizeof(rc));
    multipart_free(&m);
    return sum;
}

/* Step, then the Content-Type up to a line feed, then the body. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 1 ? memchr(data + 1, '\n', size - 1) : NULL;
    if (!end)
        return 0;
    struct slice type = {(const char *)data + 1, (size_t)(end - data - 1)};
    struct slice body = {(const char *)end + 1, (size_t)(data + size - end - 1)};
    uint64_t whole = parse(type, body, body.len ? body.len : 1);
    INVARIANT(whole == parse(type, body, fuzz_step(data, size)));
    return 0;
}
