/* sim_cluster.h - a Kubernetes cluster in virtual time: an API server that keeps pods, a scheduler,
 * kubelets whose pods have agents.
 *
 * Split: sim_cluster.c holds the pods and tells watchers · sim_api_server.c the HTTP calls ·
 *        sim_kubelet.c schedules pods and runs them. */
#pragma once
#include "sim_exchange.h"

struct json_t;
struct sim_agent;
struct sim_cluster;

struct sim_pod {
    struct sim_pod *prev, *next;
    struct sim_cluster *cluster;
    struct json_t *object;
    char name[64], uid[48], epoch[40], address[64];
    bool is_session, terminating, over;
    int node; /* -1: not bound */
    int64_t began_ms;
    struct sim_event *event; /* what the kubelet does next */
    struct sim_event *removal;
    struct sim_agent *agent; /* NULL: not running */
};

/* How likely a call goes wrong, per mille. */
struct sim_cluster_mood {
    int refuse;      /* 503 or 429, nothing done */
    int lose_answer; /* done, and nobody hears of it */
    int fail_after;  /* 500, done or not */
    int late_create; /* done when whoever asked has given up */
    int garble;      /* lists and events that cannot be read */
    int end_watch;
    int expire; /* 410 */
    int image_error;
    int pod_fails; /* later, by itself */
    int slow_start;
};

struct sim_cluster_event {
    int64_t version;
    char *line;
};

struct sim_cluster {
    char name[32];
    int place;
    struct sim_process process; /* the API server */
    struct sim_process kubelets;
    struct sim_exchange_host exchange;
    struct sim_host host;
    int nodes, slots; /* of each node */
    struct sim_pod *pods;
    struct sim_agent **agents; /* all there ever were */
    size_t agent_count;
    struct sim_cluster_event *events;
    size_t event_count;
    int64_t version, compacted; /* events up to there are forgotten */
    struct sim_watcher *watchers;
    struct sim_cluster_mood mood;
    int64_t created; /* session pods, ever */
    int next_address;
};

struct sim_cluster *sim_cluster_new(const char *name, int place, int nodes, int slots);
void sim_cluster_free(struct sim_cluster **c);
struct sim_pod *sim_cluster_find(struct sim_cluster *c, const char *name);
/* Pods that are neither over nor going, of sessions or of all. */
int sim_cluster_living(const struct sim_cluster *c, bool sessions_only);
/* A pod of somebody else takes a slot; and goes. */
void sim_cluster_add_other(struct sim_cluster *c);
void sim_cluster_remove_other(struct sim_cluster *c);
/* The API server ends and comes back: connections break, no event is kept. */
void sim_cluster_restart(struct sim_cluster *c);

/* -- inside -- */
/* Puts the pod's next version into the store, and tells whoever watches. */
void sim_cluster_changed(struct sim_pod *p, const char *what);
void sim_cluster_remove(struct sim_pod *p);
struct sim_pod *sim_cluster_add(struct sim_cluster *c, struct json_t *object /* takes */);
void sim_api_server_serve(struct http_exchange *x, void *cluster);
/* A line of a watch, to all who watch pods; NULL: they are cut off. */
void sim_api_server_tell(struct sim_cluster *c, const char *line);
void sim_kubelet_take(struct sim_pod *p);
void sim_kubelet_stop(struct sim_pod *p, int64_t grace_ms); /* and remove */
void sim_kubelet_fail(struct sim_pod *p, const char *reason);
