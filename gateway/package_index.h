/* package_index.h - which addresses the installers of sandboxes may ask for, and under which names
 * they see them. Pure.
 *
 * A sandbox sees one host, its own loopback: the Python index' host as its root, the host of that
 * index' files below /+files/, the npm registry below /+npm/. Everything else is nowhere.
 * Ownership: an index borrows its texts (of the configuration). */
#pragma once
#include "base/buf.h"
#include "base/err.h"

struct json_t;

struct package_index {
    const char *python, *files, *npm; /* URLs; "": none */
};

/* ERR_CONFIG names the key. */
int package_index_check(const struct package_index *i, struct err *err) CHECK_RESULT;
bool package_index_is_there(const struct package_index *i);
/* For the agent: {"requirements": path, "npm": path} as far as there is an index; gives. */
struct json_t *package_index_paths(const struct package_index *i) CHECK_RESULT;
/* What a sandbox' path?query stands for; false: nothing. */
bool package_index_url(const struct package_index *i, struct slice target, struct buf *url);

/* Turns the index' own addresses in its pages to what the sandbox sees, piece by piece. */
struct package_links {
    struct package_index index;
    struct buf kept; /* an address may go on in the next piece */
};
void package_links_init(struct package_links *l, const struct package_index *i);
void package_links_fini(struct package_links *l);
/* Appends to `out` what is sure by now; everything with `last`. */
void package_links_feed(struct package_links *l, struct slice piece, bool last, struct buf *out);
