/* output.h - what a program wrote: bytes with offsets, in bounded memory whatever it prints.
 *
 * Up to `keep` bytes are all there; beyond, the first and the last half of that, and the total is
 * exact. Memory grows with what was written. Pure. Ownership: the output owns its bytes; a view
 * borrows them until the next add. */
#pragma once
#include "base/slice.h"
#include <stdint.h>

struct output {
    size_t half;
    uint64_t total;
    char *head;
    size_t head_len, head_cap;
    char *tail; /* a ring once it is full */
    size_t tail_len, tail_cap;
    size_t tail_at; /* oldest byte of a full ring */
};

/* The bytes that are there: [0, head.len) and [total - tail lengths, total). */
struct output_view {
    uint64_t total;
    struct slice head;
    struct slice tail[2];
};

void output_init(struct output *o, size_t keep);
void output_fini(struct output *o);
void output_add(struct output *o, struct slice bytes);
struct output_view output_view(const struct output *o);
size_t output_memory(const struct output *o);

uint64_t output_view_tail_start(const struct output_view *v);
uint64_t output_view_dropped(const struct output_view *v);
/* Copies [from, from+len), which must be there, in full. */
void output_view_copy(const struct output_view *v, uint64_t from, size_t len, char *out);
