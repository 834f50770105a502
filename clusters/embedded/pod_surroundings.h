/* pod_surroundings.h - what a pod's containers live in: directory, volumes, network namespace and
 * address.
 *
 * Ownership: pod_surroundings_new() gives; the arguments are borrowed and must live as long. Not to
 * be freed between make or unmake and its callback. Callbacks: each exactly once, never before the
 * call that asked for it returned. Loop:      on the loop; files and namespaces are made and
 * removed on uv's threads. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include "base/loop.h"
#include "clusters/embedded/cni.h"
#include <stdint.h>

struct json_t;
struct pod_surroundings;

struct pod_surroundings_args {
    struct loop *loop;
    const struct cni *cni;
    const struct json_t *pod;
    const char *dir;
    int64_t log_bytes;
    void (*made)(const char *ip, const struct err *err, void *user); /* ip NULL on failure */
    void (*unmade)(void *user); /* what would not go has been logged */
    void *user;
};

struct pod_surroundings *
pod_surroundings_new(const struct pod_surroundings_args *args) CHECK_RESULT;
void pod_surroundings_free(struct pod_surroundings **s); /* NULL accepted */
void pod_surroundings_make(struct pod_surroundings *s);
/* An earlier run of the node made them. */
void pod_surroundings_adopt(struct pod_surroundings *s);
/* Also when nothing, or only a part, was made. */
void pod_surroundings_unmake(struct pod_surroundings *s);
