/* api_table.h - objects as kubectl shows them: the Table of meta.k8s.io/v1, with the columns and
 * words of the API server's own printers. Pure.
 *
 * A client asks for it with `Accept: application/json;as=Table;v=v1;g=meta.k8s.io`. */
#pragma once
#include "base/cc.h"
#include "base/slice.h"
#include "clusters/embedded/object_store.h"

enum api_table_form {
    API_TABLE_PLAIN, /* the object itself; also when nothing is asked for */
    API_TABLE_ROWS,
    API_TABLE_OTHER /* only what this node does not have */
};

/* What a row carries beside its cells (query parameter includeObject). */
enum api_table_include { API_TABLE_METADATA, API_TABLE_NOTHING, API_TABLE_OBJECT };

/* The first of the header's media types that this node has. */
enum api_table_form api_table_form(struct slice accept);
/* "" is the default. False when it is no such word. */
bool api_table_include(const char *text, enum api_table_include *out);

/* A table without rows. */
struct json_t *api_table_new(enum object_kind kind, bool columns) CHECK_RESULT;
struct json_t *api_table_row(enum object_kind kind, const struct json_t *object,
                             enum api_table_include include, int64_t wall_ms) CHECK_RESULT;
/* A table of one row, as events of a watch and single objects have it. */
struct json_t *api_table_of(enum object_kind kind, const struct json_t *object,
                            enum api_table_include include, bool columns,
                            int64_t wall_ms) CHECK_RESULT;
/* An age as kubectl prints it: "5s", "3m20s", "2d4h". */
void api_table_duration(int64_t ms, char out[32]);
