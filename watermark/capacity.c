#include "watermark/capacity.h"
#include "base/mem.h"
#include "watermark/slots.h"
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

/* An unbound pod, in the list of the node where it is counted or in the list of the homeless. */
struct guest {
    UT_hash_handle hh;
    struct guest *prev, *next;
    struct place *place; /* NULL: fits nowhere */
    struct kube_resources requests;
    char uid[]; /* the key */
};

struct place {
    UT_hash_handle hh;
    size_t index;
    bool known; /* the node exists; else only pods name it */
    bool eligible;
    bool hot;
    int64_t bound_count;
    struct kube_resources allocatable;
    struct kube_resources bound;
    struct kube_resources sandboxes; /* of what is bound */
    struct kube_resources assumed;   /* by guests */
    struct guest *guests;
    char name[]; /* the key */
};

struct shape {
    struct kube_resources each;
    int64_t *slots; /* by index of the place */
    int64_t sum;
    uint64_t asked; /* when last, in questions */
};

struct capacity {
    struct place *by_name;
    struct place **places;
    struct kube_resources *room; /* by index: what is free for guests, nothing where not eligible */
    size_t count, size;
    struct shape shapes[CAPACITY_SHAPES];
    int shape_count;
    uint64_t questions;
    struct guest *by_uid;
    struct guest *homeless;
    struct capacity_totals totals;
};

static const struct kube_resources NO_ROOM = {-1, -1, -1, -1};

struct capacity *capacity_new(void)
{
    return mem_alloc(sizeof(struct capacity));
}

void capacity_free(struct capacity **at)
{
    struct capacity *c = *at;
    struct place *p, *next_place;
    struct guest *g, *next_guest;

    *at = NULL;
    if (!c)
        return;
    HASH_ITER (hh, c->by_uid, g, next_guest) {
        HASH_DEL(c->by_uid, g);
        free(g);
    }
    HASH_ITER (hh, c->by_name, p, next_place) {
        HASH_DEL(c->by_name, p);
        free(p);
    }
    for (int i = 0; i < c->shape_count; i++)
        free(c->shapes[i].slots);
    free(c->places);
    free(c->room);
    free(c);
}

/* -- sums -- */

static void add(struct kube_resources *to, const struct kube_resources *r, int64_t sign)
{
    to->millicpu += sign * r->millicpu;
    to->memory_bytes += sign * r->memory_bytes;
    to->ephemeral_bytes += sign * r->ephemeral_bytes;
    to->pods += sign * (r->pods > 0 ? r->pods : 0);
}

static bool has_room(const struct place *p)
{
    return p->known && p->eligible;
}

static struct kube_resources room_of(const struct place *p)
{
    struct kube_resources room = p->allocatable;

    add(&room, &p->bound, -1);
    add(&room, &p->assumed, -1);
    return room;
}

static void count_slots(struct capacity *c, const struct place *p, struct shape *s)
{
    int64_t slots = p->hot ? 0 : slots_on(&c->room[p->index], &s->each);

    s->sum += slots - s->slots[p->index];
    s->slots[p->index] = slots;
}

/* After every change of a place. */
static void recount(struct capacity *c, const struct place *p)
{
    c->room[p->index] = has_room(p) ? room_of(p) : NO_ROOM;
    for (int i = 0; i < c->shape_count; i++)
        count_slots(c, p, &c->shapes[i]);
}

/* Around every change of what the totals add up. */
static void add_to_totals(struct capacity *c, const struct place *p, int64_t sign)
{
    if (!has_room(p))
        return;
    add(&c->totals.allocatable, &p->allocatable, sign);
    add(&c->totals.requested, &p->bound, sign);
    c->totals.nodes += sign;
}

/* -- guests -- */

static void move_out(struct capacity *c, struct guest *g)
{
    struct place *p = g->place;

    if (!p) {
        DL_DELETE(c->homeless, g);
        return;
    }
    DL_DELETE(p->guests, g);
    add(&p->assumed, &g->requests, -1);
    g->place = NULL;
    recount(c, p);
}

static void move_in(struct capacity *c, struct guest *g, struct place *p)
{
    g->place = p;
    if (!p) {
        DL_APPEND(c->homeless, g);
        return;
    }
    DL_APPEND(p->guests, g);
    add(&p->assumed, &g->requests, 1);
    recount(c, p);
}

static struct place *first_fit(const struct capacity *c, const struct kube_resources *requests)
{
    for (size_t i = 0; i < c->count; i++)
        if (slots_fit(&c->room[i], requests))
            return c->places[i];
    return NULL;
}

static bool lacks_room(const struct kube_resources *room, const struct kube_resources *wanted)
{
    return room->pods < 0 || (room->millicpu < 0 && wanted->millicpu > 0) ||
           (room->memory_bytes < 0 && wanted->memory_bytes > 0) ||
           (room->ephemeral_bytes < 0 && wanted->ephemeral_bytes > 0);
}

/* Who is bound in truth comes first: guests go elsewhere until the rest fits. Whoever is turned out
 * does not fit here again, so one pass ends it. */
static void turn_out(struct capacity *c, struct place *p)
{
    struct guest *next;

    for (struct guest *g = p->guests ? p->guests->prev : NULL; g; g = next) {
        next = g == p->guests ? NULL : g->prev;
        if (!lacks_room(&c->room[p->index], &g->requests))
            continue;
        move_out(c, g);
        move_in(c, g, first_fit(c, &g->requests));
    }
}

static void take_in(struct capacity *c, struct place *p)
{
    struct guest *g, *next;

    DL_FOREACH_SAFE(c->homeless, g, next)
    {
        if (!slots_fit(&c->room[p->index], &g->requests))
            continue;
        DL_DELETE(c->homeless, g);
        move_in(c, g, p);
    }
}

static void settle(struct capacity *c, struct place *p)
{
    recount(c, p);
    turn_out(c, p);
    take_in(c, p);
}

static struct guest *find_guest(const struct capacity *c, const char *uid)
{
    struct guest *g;

    HASH_FIND_STR(c->by_uid, uid, g);
    return g;
}

void capacity_add_unbound(struct capacity *c, const char *uid,
                          const struct kube_resources *requests)
{
    size_t len = strlen(uid);

    capacity_remove_unbound(c, uid);
    struct guest *g = mem_alloc(sizeof(*g) + len + 1);
    memcpy(g->uid, uid, len + 1);
    g->requests = *requests;
    HASH_ADD_STR(c->by_uid, uid, g);
    move_in(c, g, first_fit(c, requests));
}

void capacity_remove_unbound(struct capacity *c, const char *uid)
{
    struct guest *g = find_guest(c, uid);

    if (!g)
        return;
    struct place *p = g->place;
    HASH_DEL(c->by_uid, g);
    move_out(c, g);
    free(g);
    if (p)
        take_in(c, p);
}

size_t capacity_unbound_count(const struct capacity *c)
{
    return HASH_COUNT(c->by_uid);
}

const char *capacity_assumed_node(const struct capacity *c, const char *uid)
{
    const struct guest *g = find_guest(c, uid);

    return g && g->place ? g->place->name : NULL;
}

/* -- places -- */

static struct place *find_place(const struct capacity *c, const char *name)
{
    struct place *p;

    HASH_FIND_STR(c->by_name, name, p);
    return p;
}

static void grow(struct capacity *c)
{
    size_t size = c->size ? c->size * 2 : 16;

    c->places = mem_resize(c->places, size * sizeof(struct place *));
    c->room = mem_resize(c->room, size * sizeof(*c->room));
    for (int i = 0; i < c->shape_count; i++)
        c->shapes[i].slots = mem_resize(c->shapes[i].slots, size * sizeof(int64_t));
    c->size = size;
}

static struct place *get_place(struct capacity *c, const char *name)
{
    struct place *p = find_place(c, name);
    size_t len = strlen(name);

    if (p)
        return p;
    if (c->count == c->size)
        grow(c);
    p = mem_alloc(sizeof(*p) + len + 1);
    memcpy(p->name, name, len + 1);
    p->index = c->count++;
    c->places[p->index] = p;
    c->room[p->index] = NO_ROOM;
    for (int i = 0; i < c->shape_count; i++)
        c->shapes[i].slots[p->index] = 0;
    HASH_ADD_STR(c->by_name, name, p);
    return p;
}

/* The last place moves into the gap. */
static void drop_if_empty(struct capacity *c, struct place *p)
{
    size_t last = c->count - 1;
    size_t gap = p->index;

    if (p->known || p->bound_count > 0)
        return;
    HASH_DEL(c->by_name, p);
    c->places[gap] = c->places[last];
    c->places[gap]->index = gap;
    c->room[gap] = c->room[last];
    for (int i = 0; i < c->shape_count; i++)
        c->shapes[i].slots[gap] = c->shapes[i].slots[last];
    c->count--;
    free(p);
}

void capacity_put_node(struct capacity *c, const char *name,
                       const struct kube_resources *allocatable, bool eligible)
{
    struct place *p = get_place(c, name);

    add_to_totals(c, p, -1);
    p->known = true;
    p->eligible = eligible;
    p->allocatable = *allocatable;
    add_to_totals(c, p, 1);
    settle(c, p);
}

void capacity_remove_node(struct capacity *c, const char *name)
{
    struct place *p = find_place(c, name);

    if (!p)
        return;
    add_to_totals(c, p, -1);
    p->known = false;
    p->hot = false;
    settle(c, p);
    drop_if_empty(c, p);
}

void capacity_set_hot(struct capacity *c, const char *name, bool hot)
{
    struct place *p = find_place(c, name);

    if (!p || !p->known || p->hot == hot)
        return;
    p->hot = hot;
    recount(c, p);
}

bool capacity_is_hot(const struct capacity *c, const char *name)
{
    const struct place *p = find_place(c, name);

    return p && p->hot;
}

static void change_bound(struct capacity *c, struct place *p, const struct kube_resources *requests,
                         bool sandbox, int64_t sign)
{
    add_to_totals(c, p, -1);
    add(&p->bound, requests, sign);
    if (sandbox)
        add(&p->sandboxes, requests, sign);
    p->bound_count += sign;
    add_to_totals(c, p, 1);
    settle(c, p);
}

void capacity_add_bound(struct capacity *c, const char *node, const struct kube_resources *requests,
                        bool sandbox)
{
    change_bound(c, get_place(c, node), requests, sandbox, 1);
}

void capacity_remove_bound(struct capacity *c, const char *node,
                           const struct kube_resources *requests, bool sandbox)
{
    struct place *p = find_place(c, node);

    if (!p)
        return;
    change_bound(c, p, requests, sandbox, -1);
    drop_if_empty(c, p);
}

/* -- questions -- */

static bool is_same(const struct kube_resources *a, const struct kube_resources *b)
{
    return a->millicpu == b->millicpu && a->memory_bytes == b->memory_bytes &&
           a->ephemeral_bytes == b->ephemeral_bytes && a->pods == b->pods;
}

static struct shape *least_asked(struct capacity *c)
{
    struct shape *least = &c->shapes[0];

    for (int i = 1; i < c->shape_count; i++)
        if (c->shapes[i].asked < least->asked)
            least = &c->shapes[i];
    return least;
}

static struct shape *new_shape(struct capacity *c, const struct kube_resources *each)
{
    struct shape *s =
        c->shape_count < CAPACITY_SHAPES ? &c->shapes[c->shape_count++] : least_asked(c);

    free(s->slots);
    *s = (struct shape){.each = *each, .slots = mem_array(c->size + 1, sizeof(int64_t))};
    for (size_t i = 0; i < c->count; i++)
        count_slots(c, c->places[i], s);
    return s;
}

int64_t capacity_slots(struct capacity *c, const struct kube_resources *each)
{
    struct shape *s = NULL;

    for (int i = 0; i < c->shape_count && !s; i++)
        if (is_same(&c->shapes[i].each, each))
            s = &c->shapes[i];
    if (!s)
        s = new_shape(c, each);
    s->asked = ++c->questions;
    return s->sum;
}

int64_t capacity_slots_total(const struct capacity *c, const struct kube_resources *shape)
{
    int64_t sum = 0;

    for (size_t i = 0; i < c->count; i++) {
        const struct place *p = c->places[i];
        struct kube_resources room = p->allocatable;
        if (!has_room(p))
            continue;
        add(&room, &p->bound, -1);
        add(&room, &p->sandboxes, 1);
        sum += slots_on(&room, shape);
    }
    return sum;
}

const struct capacity_totals *capacity_totals(const struct capacity *c)
{
    return &c->totals;
}
