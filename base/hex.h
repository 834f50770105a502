/* hex.h - hex digits, read (digest_hex() writes them). */
#pragma once

static inline int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The byte that two characters spell, large or small; -1 when one of them is no hex digit. */
static inline int hex_byte(const char *two)
{
    int high = hex_digit(two[0]), low = hex_digit(two[1]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}
