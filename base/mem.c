#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALL 1024

static void *present(void *p)
{
    if (!p)
        cc_invariant_failed("memory is there", __FILE__, __LINE__);
    return p;
}

/* malloc has small blocks ready, in each thread; calloc (glibc before 2.41) does not take those. */
void *mem_alloc(size_t size)
{
    if (size > SMALL || size == 0)
        return present(calloc(1, size ? size : 1));
    void *p = present(malloc(size));
    __asm__("" : "+r"(p)); /* else compilers see a calloc in these two lines, and call it */
    return memset(p, 0, size);
}

void *mem_array(size_t count, size_t size)
{
    size_t total;
    INVARIANT(!__builtin_mul_overflow(count, size, &total));
    return mem_alloc(total);
}

void *mem_resize(void *p, size_t size)
{
    return present(realloc(p, size ? size : 1));
}

char *mem_text(const char *text)
{
    return text ? present(strdup(text)) : NULL;
}

char *mem_text_n(const char *text, size_t len)
{
    INVARIANT(len < SIZE_MAX);
    char *copy = mem_alloc(len + 1);
    if (len)
        memcpy(copy, text, len);
    return copy;
}

char *mem_format(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int len = vasprintf(&text, fmt, args);
    va_end(args);
    INVARIANT(len >= 0);
    return text;
}

void mem_free_text(char **p)
{
    free(*p);
    *p = NULL;
}
