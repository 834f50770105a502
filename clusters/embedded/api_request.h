/* api_request.h - one request of the API, as its handlers see it. */
#pragma once
#include "clusters/embedded/object_store.h"
#include "http/http_server.h"
#include <stdbool.h>

struct api_server;
struct log_streams;
struct node;
struct usage;
struct watch_streams;

struct api_request {
    struct api_server *server;
    struct node *node;
    struct watch_streams *watches;
    struct log_streams *logs;
    const struct usage *usage;
    struct http_exchange *exchange;
    char namespace_name[64]; /* "" when the path has none */
    char name[256];
};

typedef void api_request_f(struct api_request *r);

struct api_kind {
    const char *version;    /* "v1": group and version */
    const char *kind;       /* "Pod" */
    const char *resource;   /* "pods" */
    const char *singular;   /* "pod" */
    const char *short_name; /* "po", NULL: none */
    bool namespaced;
};
extern const struct api_kind API_KINDS[OBJECT_KINDS];

/* A query parameter into `out`; "" when absent. False (and the exchange has ended with 400) when it
 * is malformed or too long. */
bool api_request_query(struct api_request *r, const char *name, char *out, size_t size);
/* dryRun=All: check and answer, but change nothing. False as above, also for another value. */
bool api_request_dry_run(struct api_request *r, bool *dry);

/* api_objects.c: every kind. */
void api_objects_get(struct api_request *r, enum object_kind kind);
void api_objects_list_or_watch(struct api_request *r, enum object_kind kind);
/* api_pods.c */
void api_pods_create(struct api_request *r);
void api_pods_delete(struct api_request *r);
void api_pods_patch(struct api_request *r);
void api_namespaces_create(struct api_request *r);
/* api_logs.c */
void api_logs_read(struct api_request *r);
/* api_usage.c: metrics.k8s.io/v1beta1. */
void api_usage_nodes(struct api_request *r);
void api_usage_node(struct api_request *r);
void api_usage_pods(struct api_request *r);
void api_usage_pod(struct api_request *r);
/* discovery.c: true when the path was one of its own; the exchange has ended then. */
bool discovery_serve(struct http_exchange *x, struct slice path);
