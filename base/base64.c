#include "base/base64.h"

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_print(struct buf *out, struct slice bytes)
{
    const unsigned char *p = (const unsigned char *)bytes.at;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        unsigned v = (unsigned)p[i] << 16 | (n > 1 ? (unsigned)p[i + 1] << 8 : 0) |
                     (n > 2 ? (unsigned)p[i + 2] : 0);
        char four[4] = {DIGITS[v >> 18], DIGITS[v >> 12 & 63], n > 1 ? DIGITS[v >> 6 & 63] : '=',
                        n > 2 ? DIGITS[v & 63] : '='};
        buf_add(out, four, 4);
    }
}

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool base64_decode(struct slice text, enum base64_form form, void *out, size_t *len)
{
    unsigned char *bytes = out;
    size_t digits = 0, padding = 0;
    unsigned bits = 0;
    *len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        int digit = digit_of(c);
        if (form == BASE64_FOLDED && is_white(c))
            continue;
        padding += c == '=';
        if (c == '=' && padding <= 2)
            continue;
        if (digit < 0 || padding > 0)
            return false;
        bits = (bits << 6 | (unsigned)digit) & 0xffffff;
        if (++digits % 4 != 1) /* the first of four fills no byte yet */
            bytes[(*len)++] = (unsigned char)(bits >> (6 - 2 * ((digits - 1) % 4)) & 0xff);
    }
    bool whole = (digits + padding) % 4 == 0;
    return digits % 4 != 1 && (whole || (form == BASE64_FOLDED && padding == 0));
}
