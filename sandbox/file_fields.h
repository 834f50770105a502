/* file_fields.h - what HTTP says about a file: its tag, the part that is asked for, the name to
 * save it under. Pure. */
#pragma once
#include "base/buf.h"
#include "base/slice.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define FILE_ETAG_SIZE 96

/* Weak (RFC 9110 §8.8.1) while another write could leave the same time stamp: within a second of
 * the last one. */
void file_etag(const struct stat *st, int64_t wall_ms, char out[FILE_ETAG_SIZE]);
/* If-None-Match: a list, or "*"; compared weakly. */
bool file_etag_matches(struct slice list, const char *etag);
/* If-Range: the same bytes for certain. */
bool file_etag_is_same(struct slice value, const char *etag);

enum file_range_kind { FILE_RANGE_WHOLE, FILE_RANGE_PART, FILE_RANGE_BEHIND_END };

struct file_range {
    enum file_range_kind kind;
    int64_t first, length;
};

/* A Range field. Several ranges, other units and what is malformed give the whole file, as RFC 9110
 * §14.2 has it. */
struct file_range file_range_parse(struct slice field, int64_t size);

/* attachment; filename="…"; filename*=UTF-8''… (RFC 6266, 8187). No byte of the name gets out of
 * its quotes. */
void file_disposition(struct buf *out, const char *name);
