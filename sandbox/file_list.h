/* file_list.h - what lies in the workspace, in the order of the paths' bytes, a page at a time.
 *
 * A page keeps the smallest `limit` paths behind `after` while it goes through the folders, so
 * memory is bounded however many files there are; it goes in steps, so that the loop is not held
 * up. Nothing is listed that no name could ask for: deeper than WORKSPACE_DEPTH, longer than a name
 * may be. Ownership: heap object, the caller's. */
#pragma once
#include "base/buf.h"
#include "sandbox/workspace.h"
#include "sandbox/workspace_name.h"

#define FILE_LIST_LIMIT_MAX 1000
#define FILE_LIST_PAGE_MAX  ((size_t)12 * 1024 * 1024) /* a full page of the worst names */

struct file_list_query {
    char folder[WORKSPACE_NAME_SIZE]; /* "": the workspace itself */
    char after[WORKSPACE_NAME_SIZE];  /* "": from the beginning */
    bool recursive;
    int64_t limit;
};

struct file_list;

struct file_list *file_list_new(const struct workspace *w, const struct file_list_query *q,
                                struct err *err) CHECK_RESULT;
void file_list_free(struct file_list **l);
/* Looks at some more entries; true when the page is whole. */
bool file_list_step(struct file_list *l);
/* {"items":[…],"continue":…} */
void file_list_print(struct file_list *l, struct buf *out);
/* A token that file_list_print() gave, back to `after`. */
bool file_list_read_token(const char *token, char after[WORKSPACE_NAME_SIZE]);
