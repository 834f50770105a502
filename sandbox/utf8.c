#include "sandbox/utf8.h"

#define REPLACEMENT "\xEF\xBF\xBD"

/* The second byte carries the rules of RFC 3629 §4 against overlong forms, surrogates and what lies
 * above U+10FFFF. */
static bool second_fits(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xE0:
        return second >= 0xA0 && second <= 0xBF;
    case 0xED:
        return second >= 0x80 && second <= 0x9F;
    case 0xF0:
        return second >= 0x90 && second <= 0xBF;
    case 0xF4:
        return second >= 0x80 && second <= 0x8F;
    default:
        return second >= 0x80 && second <= 0xBF;
    }
}

static int length_by_first(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xC2 && first <= 0xDF)
        return 2;
    if (first >= 0xE0 && first <= 0xEF)
        return 3;
    if (first >= 0xF0 && first <= 0xF4)
        return 4;
    return UTF8_INVALID;
}

int utf8_length(const char *at, size_t len)
{
    const unsigned char *p = (const unsigned char *)at;
    int want = length_by_first(p[0]);
    for (int i = 1; i < want; i++) {
        if ((size_t)i >= len)
            return UTF8_INCOMPLETE;
        bool fits = i == 1 ? second_fits(p[0], p[1]) : (p[i] & 0xC0) == 0x80;
        if (!fits)
            return UTF8_INVALID;
    }
    return want;
}

bool utf8_clean(struct buf *out, struct slice text)
{
    size_t i = 0;
    while (i < text.len) {
        int n = utf8_length(text.at + i, text.len - i);
        bool good = n > 0 && text.at[i] != '\0';
        size_t step = good ? (size_t)n : 1;
        bool added = good ? buf_add(out, text.at + i, step) : buf_add_text(out, REPLACEMENT);
        if (!added)
            return false;
        i += step;
    }
    return true;
}
