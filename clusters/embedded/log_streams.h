/* log_streams.h - logs that are followed: what a container writes goes to the client until the
 * container has ended.
 *
 * The file is looked at ten times a second; a stream keeps an offset, not a queue, and reads when
 * its connection has room.
 * Ownership: a stream takes its descriptor and its exchange; it ends with the container, at its
 * limit, when the client goes, or with log_streams_free(). */
#pragma once
#include "base/cc.h"
#include <stdint.h>
#include <sys/types.h>

#define LOG_STREAMS_MAX 100

struct http_exchange;
struct log_streams;
struct loop;
struct object_store;

struct log_streams_request {
    const char *namespace_name, *pod, *uid, *container; /* copied */
    int fd;                                             /* taken; -1: it never wrote */
    off_t start;
    int64_t bytes; /* at most; -1: all */
};

struct log_streams *log_streams_new(struct loop *l, const struct object_store *store) CHECK_RESULT;
void log_streams_free(struct log_streams **s);
/* Takes the exchange. More than LOG_STREAMS_MAX: ends at once. */
void log_streams_open(struct log_streams *s, struct http_exchange *x,
                      const struct log_streams_request *req);
