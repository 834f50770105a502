/* cc.h - compiler attributes and small macros that every file may use. */
#pragma once
#include <stddef.h>

#define CHECK_RESULT        __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, a) __attribute__((format(printf, fmt, a)))
#define NORETURN            __attribute__((noreturn))
#define UNUSED              __attribute__((unused))
#define CLEANUP(fn)         __attribute__((cleanup(fn)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The object that holds `member` at address `ptr`. */
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Assertions of our own invariants; always on, never on bytes from outside. */
#define INVARIANT(cond) ((cond) ? (void)0 : cc_invariant_failed(#cond, __FILE__, __LINE__))
#define UNREACHABLE()   cc_invariant_failed("unreachable", __FILE__, __LINE__)

/* Prints the broken invariant to standard error and aborts. */
void cc_invariant_failed(const char *what, const char *file, int line) NORETURN;
