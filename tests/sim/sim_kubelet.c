/* sim_kubelet.c - the scheduler and the kubelets of a simulated cluster: pods get a node, start,
 * fail and go, each in its own time. */
#include "base/json.h"
#include "base/mem.h"
#include "clusters/kube_object.h"
#include "sim_agent.h"
#include "sim_cluster.h"
#include "sim_property.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define ADDRESSES 40 /* of one cluster: they come again soon */

static void later(struct sim_pod *p, int64_t in_ms, sim_event_f *fn)
{
    p->event = sim_world_at(&p->cluster->kubelets, sim_now() + in_ms, fn, NULL, p);
}

static void set_status(struct sim_pod *p, struct json_t *status)
{
    json_set(p->object, "status", status);
    sim_cluster_changed(p, "MODIFIED");
}

/* -- the end -- */

static void on_removal(void *user)
{
    struct sim_pod *p = user;
    p->removal = NULL;
    if (p->agent)
        sim_agent_die(p->agent);
    sim_cluster_remove(p);
}

void sim_kubelet_stop(struct sim_pod *p, int64_t grace_ms)
{
    char at[32];
    if (p->terminating)
        return;
    p->terminating = true;
    kube_time_print(sim_wall(), at);
    json_set_text(json_get(p->object, "metadata"), "deletionTimestamp", at);
    sim_trace("%s: pod %s epoch %.8s is to go", p->cluster->name, p->name, p->epoch);
    sim_cluster_changed(p, "MODIFIED");
    sim_world_cancel(&p->event);
    sim_property_deleted(p);
    if (p->agent)
        sim_agent_die(p->agent); /* it goes at once when it is told to */
    int64_t takes_ms = p->node < 0 ? 0 : sim_between(5, sim_chance(100) ? grace_ms + 3000 : 300);
    p->removal = sim_world_at(&p->cluster->kubelets, sim_now() + takes_ms, on_removal, NULL, p);
}

void sim_kubelet_fail(struct sim_pod *p, const char *reason)
{
    if (p->over || p->terminating)
        return;
    p->over = true;
    sim_trace("%s: pod %s epoch %.8s ends: %s", p->cluster->name, p->name, p->epoch, reason);
    sim_world_cancel(&p->event);
    if (p->agent)
        sim_agent_die(p->agent);
    set_status(
        p, json_build("{s:s,s:s,s:s}", "phase", "Failed", "reason", reason, "message", "it ended"));
}

static void on_failure(void *user)
{
    struct sim_pod *p = user;
    p->event = NULL;
    sim_property_pod_lost(p);
    sim_kubelet_fail(p, sim_chance(500) ? "Evicted" : "OOMKilled");
}

static void on_agent_exit(struct sim_agent *a, void *user)
{
    (void)a;
    sim_kubelet_fail(user, "DeadlineExceeded");
}

/* -- the start -- */

static const char *token_hash(const struct sim_pod *p)
{
    struct json_t *env =
        json_get(json_item(json_at(p->object, "spec", "containers", NULL), 0), "env");
    for (size_t i = 0; i < json_count(env); i++) {
        if (strcmp(json_get_text(json_item(env, i), "name", ""), "SPILLWAY_TOKEN_SHA256") == 0)
            return json_get_text(json_item(env, i), "value", "");
    }
    return "";
}

static void start_agent(struct sim_pod *p, const char *ip)
{
    struct sim_cluster *c = p->cluster;
    snprintf(p->address, sizeof(p->address), "%s:8700", ip);
    const struct sim_agent_conf conf = {.session_id = p->name,
                                        .epoch = p->epoch,
                                        .token_sha256 = token_hash(p),
                                        .address = p->address,
                                        .place = c->place,
                                        .on_exit = on_agent_exit,
                                        .user = p};
    p->agent = sim_agent_new(&conf);
    c->agents = mem_resize(c->agents, (c->agent_count + 1) * sizeof(struct sim_agent *));
    c->agents[c->agent_count++] = p->agent;
}

static bool is_in_use(const struct sim_cluster *c, const char *ip)
{
    size_t length = strlen(ip);
    const struct sim_pod *p;
    DL_FOREACH(c->pods, p)
    {
        if (strncmp(p->address, ip, length) == 0 && p->address[length] == ':' && !p->over)
            return true;
    }
    return false;
}

static void next_address(struct sim_cluster *c, char ip[46])
{
    do {
        snprintf(ip, 46, "10.%d.0.%d", c->place, 1 + c->next_address++ % ADDRESSES);
    } while (is_in_use(c, ip));
}

static void on_started(void *user)
{
    struct sim_pod *p = user;
    struct sim_cluster *c = p->cluster;
    char at[32], ip[46];
    p->event = NULL;
    next_address(c, ip);
    kube_time_print(sim_wall(), at);
    if (p->is_session)
        start_agent(p, ip);
    sim_trace("%s: pod %s epoch %.8s is ready at %s", c->name, p->name, p->epoch, ip);
    set_status(p, json_build("{s:s,s:s,s:[{s:s,s:s},{s:s,s:s,s:s}]}", "phase", "Running", "podIP",
                             ip, "conditions", "type", "PodScheduled", "status", "True", "type",
                             "Ready", "status", "True", "lastTransitionTime", at));
    if (p->is_session && sim_chance(c->mood.pod_fails))
        later(p, sim_between(10, 40000), on_failure);
}

static void on_image_error(void *user)
{
    struct sim_pod *p = user;
    p->event = NULL;
    set_status(p, json_build("{s:s,s:[{s:{s:{s:s,s:s}}}]}", "phase", "Pending", "containerStatuses",
                             "state", "waiting", "reason", "ErrImagePull", "message",
                             "the registry is down"));
    if (sim_chance(500))
        later(p, sim_between(1000, 90000), on_started);
}

static int node_with_room(const struct sim_cluster *c)
{
    const struct sim_pod *p;
    for (int i = 0; i < c->nodes; i++) {
        int used = 0;
        DL_FOREACH(c->pods, p)
        used += p->node == i && !p->over;
        if (used < c->slots)
            return i;
    }
    return -1;
}

static void on_schedule(void *user)
{
    struct sim_pod *p = user;
    struct sim_cluster *c = p->cluster;
    char name[48];
    p->event = NULL;
    int node = node_with_room(c);
    if (node < 0) {
        bool known = json_count(json_at(p->object, "status", "conditions", NULL)) > 0;
        if (!known)
            set_status(p, json_build("{s:s,s:[{s:s,s:s,s:s,s:s}]}", "phase", "Pending",
                                     "conditions", "type", "PodScheduled", "status", "False",
                                     "reason", "Unschedulable", "message", "Insufficient cpu"));
        later(p, sim_between(200, 1000), on_schedule);
        return;
    }
    p->node = node;
    snprintf(name, sizeof(name), "%s-node-%d", c->name, node);
    json_set_text(json_get(p->object, "spec"), "nodeName", name);
    set_status(p, json_build("{s:s,s:[{s:s,s:s}]}", "phase", "Pending", "conditions", "type",
                             "PodScheduled", "status", "True"));
    if (sim_chance(c->mood.image_error))
        later(p, sim_between(100, 3000), on_image_error);
    else
        later(p, sim_between(30, sim_chance(c->mood.slow_start) ? 70000 : 900), on_started);
}

void sim_kubelet_take(struct sim_pod *p)
{
    later(p, sim_between(0, 40), on_schedule);
}
