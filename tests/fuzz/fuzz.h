/* fuzz.h - what the fuzz targets share. Each is one LLVMFuzzerTestOneInput(): driven by libFuzzer
 * in the preset fuzz, and by replay.c over its kept corpus in every other build. */
#pragma once
#include "base/cc.h"
#include "base/slice.h"
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte of an input says into which pieces the rest is cut: what comes over a network must
 * mean the same however it is cut. 0: one byte at a time. */
static inline size_t fuzz_step(const uint8_t *data, size_t size)
{
    return size && data[0] ? data[0] : 1;
}

/* A copy of its own, so that one byte too far is seen. */
static inline char *fuzz_copy(const void *at, size_t len)
{
    char *copy = malloc(len ? len : 1);
    if (!copy)
        abort();
    if (len)
        memcpy(copy, at, len);
    return copy;
}

/* Bytes as a file with a path; close() takes it away. */
static inline int fuzz_file(const uint8_t *data, size_t size, char path[32])
{
    static const char PREFIX[] = "/proc/self/fd/";
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || fd > 999 || write(fd, data, size) != (ssize_t)size)
        abort();
    char digits[4] = {(char)('0' + fd / 100), (char)('0' + fd / 10 % 10), (char)('0' + fd % 10), 0};
    const char *number = fd > 99 ? digits : fd > 9 ? digits + 1 : digits + 2;
    memcpy(path, PREFIX, sizeof(PREFIX) - 1);
    memcpy(path + sizeof(PREFIX) - 1, number, strlen(number) + 1);
    return fd;
}

/* What was seen, as one number (FNV-1a): two ways of feeding the same bytes must see the same. */
static inline void fuzz_note(uint64_t *sum, const void *at, size_t len)
{
    const unsigned char *bytes = at;
    for (size_t i = 0; i < len; i++)
        *sum = (*sum ^ bytes[i]) * UINT64_C(1099511628211);
}
