/* watch_streams.h - the open watches: each follows the store's history at its own pace.
 *
 * A stream keeps a version, not a queue: it reads the history when its connection has room. One
 * that falls behind the history is closed with a 410 event, so a slow client costs no memory.
 * Ownership: a stream takes its selectors and its exchange; it ends at its time-out, when the
 * client goes, or with watch_streams_free(). */
#pragma once
#include "base/cc.h"
#include "clusters/embedded/api_table.h"
#include "clusters/embedded/object_store.h"
#include <stdbool.h>
#include <stdint.h>

#define WATCH_STREAMS_MAX 200

struct http_exchange;
struct loop;
struct selector;
struct watch_streams;

struct watch_streams_request {
    enum object_kind kind;
    const char *namespace_name; /* NULL: all */
    struct selector *labels;    /* taken */
    struct selector *fields;    /* taken */
    uint64_t version;           /* events behind it */
    bool initial;          /* first all that is there, as ADDED; version is then the present one */
    bool initial_bookmark; /* then a bookmark that says so (sendInitialEvents) */
    bool bookmarks;
    bool table; /* objects as rows, see api_table.h */
    enum api_table_include include;
    int64_t timeout_ms;
};

struct watch_streams *watch_streams_new(struct loop *l, struct object_store *store) CHECK_RESULT;
void watch_streams_free(struct watch_streams **w);
/* Takes the exchange. */
void watch_streams_open(struct watch_streams *w, struct http_exchange *x,
                        const struct watch_streams_request *req);
/* The store has news. */
void watch_streams_wake(struct watch_streams *w);
