/* object_store.h - the objects of the node's API with their versions, and the history that watches
 * follow.
 *
 * Ownership: the store owns its objects. A stored object never changes: who changes one copies it
 * (json_copy), edits the copy and puts that. Getters lend until the next put or remove of the
 * object; json_ref() keeps it longer. Versions:  one counter for all kinds. It starts at Unix time
 * in milliseconds × 1000, so that it never goes back when the node starts again, and it lies above
 * every version on disk. History:   the last OBJECT_HISTORY changes of each kind. A watch that
 * needs an older one gets 410. Disk:      kinds with a directory are written (temporary name, then
 * rename) before put returns. No fsync: after a crash of the machine no pod of the node is left to
 * be described. Loop:      on the loop, or before it runs. `changed` is called at the end of put
 * and remove. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OBJECT_HISTORY 1024

struct json_t;
struct object_store;

enum object_kind {
    OBJECT_NAMESPACE,
    OBJECT_NODE,
    OBJECT_POD,
    OBJECT_EVENT,
    OBJECT_RUNTIME_CLASS,
    OBJECT_KINDS
};
enum object_change { OBJECT_ADDED, OBJECT_MODIFIED, OBJECT_DELETED };

/* One change. `before` is NULL for ADDED; for DELETED `now` is the last state, with the version of
 * the deletion. */
struct object_record {
    uint64_t version;
    enum object_kind kind;
    enum object_change change;
    struct json_t *now;
    struct json_t *before;
};

typedef void object_store_changed_f(void *user);

/* dir: parent of the kinds' directories (made when missing); NULL: nothing on disk. */
struct object_store *object_store_new(const char *dir, int64_t wall_ms,
                                      object_store_changed_f *changed, void *user) CHECK_RESULT;
void object_store_free(struct object_store **s);
/* Reads what is on disk; files that cannot be read are removed and counted. Before anything is put.
 */
int object_store_load(struct object_store *s, unsigned *bad, struct err *err) CHECK_RESULT;

/* namespace "" for kinds without one. */
struct json_t *object_store_get(const struct object_store *s, enum object_kind kind,
                                const char *namespace_name, const char *name);
/* Adds or replaces by metadata.namespace and .name; sets resourceVersion, and uid and
 * creationTimestamp where they are missing. Takes the object, also on error (ERR_STORE: it could
 * not be written; nothing changed). */
int object_store_put(struct object_store *s, enum object_kind kind, struct json_t *object,
                     struct err *err) CHECK_RESULT;
void object_store_remove(struct object_store *s, enum object_kind kind, const char *namespace_name,
                         const char *name);
/* Sorted by namespace and name; *out is the caller's to free(), its items are borrowed.
 * namespace_name NULL: all. */
size_t object_store_list(const struct object_store *s, enum object_kind kind,
                         const char *namespace_name, struct json_t ***out);
size_t object_store_count(const struct object_store *s, enum object_kind kind);

uint64_t object_store_version(const struct object_store *s);
/* Are all changes of the kind behind `version` still in the history? */
bool object_store_covers(const struct object_store *s, enum object_kind kind, uint64_t version);
/* First change of the kind behind `version`, NULL when there is none yet. */
const struct object_record *object_store_after(const struct object_store *s, enum object_kind kind,
                                               uint64_t version);
