/* session_table.h - every living session of the site by id, and the tombstones of those that ended
 * a while ago.
 *
 * Ownership: the table holds a reference to each living session and owns the tombstones; what it
 * hands out is borrowed until the next turn of the loop. Changes:   session_table_changed() wakes a
 * session's waiters at the end of this turn, never within the call. */
#pragma once
#include "gateway/session.h"
#include "gateway/tombstone.h"

struct loop;
struct session_table;

struct session_table *session_table_new(struct loop *l, size_t tombstones_max,
                                        int64_t tombstone_ms) CHECK_RESULT;
void session_table_free(struct session_table **t);

/* Living ones. */
struct session *session_table_get(const struct session_table *t, const char *id);
void session_table_add(struct session_table *t, struct session *s); /* takes the reference */
/* It is over: takes it out; `tomb`, if any, takes its place. */
void session_table_remove(struct session_table *t, struct session *s,
                          struct tombstone *tomb /* takes */);
size_t session_table_count(const struct session_table *t);
size_t session_table_count_here(const struct session_table *t); /* those that no other site runs */
size_t session_table_count_tenant(const struct session_table *t, const char *tenant);
size_t session_table_count_state(const struct session_table *t, enum session_state state);
/* fn may change sessions and take them out of the table; false stops. */
void session_table_each(struct session_table *t, bool (*fn)(struct session *s, void *user),
                        void *user);
void session_table_changed(struct session_table *t, struct session *s);

/* Ended ones; NULL when none is remembered here. */
const struct tombstone *session_table_tombstone(struct session_table *t, const char *id);
/* One that was heard of: where a later end is remembered, that stays. */
void session_table_hear(struct session_table *t, struct tombstone *tomb /* takes */);
/* Nothing newer was known elsewhere for a while: the question is due, and counts as asked. */
bool session_table_must_check(struct session_table *t, const char *id);
void session_table_remember(struct session_table *t, struct tombstone *tomb /* takes */);
void session_table_forget(struct session_table *t, const char *id);
size_t session_table_tombstone_count(const struct session_table *t);
void session_table_each_tombstone(struct session_table *t,
                                  bool (*fn)(const struct tombstone *tomb, void *user), void *user);
