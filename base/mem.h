/* mem.h - memory that is there or the program ends: what is allocated is bounded by limits that are
 * checked before, so running out is a broken invariant, not a request's error. */
#pragma once
#include "base/cc.h"
#include <stdarg.h>
#include <stddef.h>

void *mem_alloc(size_t size) CHECK_RESULT;               /* zeroed; aborts when there is none */
void *mem_array(size_t count, size_t size) CHECK_RESULT; /* zeroed, overflow checked */
void *mem_resize(void *p, size_t size) CHECK_RESULT;
char *mem_text(const char *text) CHECK_RESULT; /* copy; NULL gives NULL */
char *mem_text_n(const char *text, size_t len) CHECK_RESULT;
char *mem_format(const char *fmt, ...) PRINTF_LIKE(1, 2) CHECK_RESULT;
void mem_free_text(char **p); /* for CLEANUP(); frees and sets NULL */
