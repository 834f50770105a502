#include "sim_cluster.h"

#include "base/json.h"
#include "base/mem.h"
#include "clusters/kube_object.h"
#include "sim_address.h"
#include "sim_agent.h"
#include "sim_loop.h"
#include "sim_network.h"
#include "sim_property.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define LINE_MAX_BYTES ((size_t)1024 * 1024)

/* -- pods -- */

struct sim_pod *sim_cluster_find(struct sim_cluster *c, const char *name)
{
    struct sim_pod *p;
    DL_FOREACH(c->pods, p)
    if (strcmp(p->name, name) == 0)
        return p;
    return NULL;
}

int sim_cluster_living(const struct sim_cluster *c, bool sessions_only)
{
    const struct sim_pod *p;
    int n = 0;
    DL_FOREACH(c->pods, p)
    n += !p->over && !p->terminating && (p->is_session || !sessions_only);
    return n;
}

static void remember(struct sim_cluster *c, char *line)
{
    c->events = mem_resize(c->events, (c->event_count + 1) * sizeof(*c->events));
    c->events[c->event_count++] = (struct sim_cluster_event){c->version, line};
}

static void tell(struct sim_pod *p, const char *what)
{
    struct buf line;
    char version[24];
    snprintf(version, sizeof(version), "%" PRId64, ++p->cluster->version);
    json_set_text(json_get(p->object, "metadata"), "resourceVersion", version);
    buf_init(&line, LINE_MAX_BYTES);
    buf_addf(&line, "{\"type\":\"%s\",\"object\":", what);
    json_print(p->object, &line);
    buf_add_text(&line, "}\n");
    char *text = mem_text(buf_text(&line));
    buf_fini(&line);
    remember(p->cluster, text);
    sim_api_server_tell(p->cluster, text);
}

void sim_cluster_changed(struct sim_pod *p, const char *what)
{
    tell(p, what);
}

struct sim_pod *sim_cluster_add(struct sim_cluster *c, struct json_t *object)
{
    char at[32];
    struct sim_pod *p = mem_alloc(sizeof(*p));
    struct json_t *metadata = json_get(object, "metadata");
    p->cluster = c;
    p->object = object;
    p->node = -1;
    p->began_ms = sim_now();
    snprintf(p->name, sizeof(p->name), "%s", json_get_text(metadata, "name", ""));
    snprintf(p->uid, sizeof(p->uid), "uid-%" PRIu64, sim_draw());
    snprintf(p->epoch, sizeof(p->epoch), "%s",
             json_get_text(json_get(metadata, "annotations"), "spillway.dev/epoch", ""));
    p->is_session = *p->epoch != '\0';
    c->created += p->is_session;
    kube_time_print(sim_wall(), at);
    json_set_text(metadata, "uid", p->uid);
    json_set_text(metadata, "creationTimestamp", at);
    json_set(object, "status", json_build("{s:s}", "phase", "Pending"));
    DL_APPEND(c->pods, p);
    tell(p, "ADDED");
    sim_trace("%s: pod %s epoch %.8s made", c->name, p->name, p->epoch);
    sim_property_pod_made(p);
    sim_kubelet_take(p);
    return p;
}

static void free_pod(struct sim_pod *p)
{
    DL_DELETE(p->cluster->pods, p);
    sim_world_cancel(&p->event);
    sim_world_cancel(&p->removal);
    json_free(p->object);
    free(p);
}

void sim_cluster_remove(struct sim_pod *p)
{
    sim_trace("%s: pod %s epoch %.8s is gone", p->cluster->name, p->name, p->epoch);
    tell(p, "DELETED");
    free_pod(p);
}

/* -- pods of others -- */

void sim_cluster_add_other(struct sim_cluster *c)
{
    char name[32];
    snprintf(name, sizeof(name), "other-%" PRId64, c->version);
    struct json_t *request = json_build("{s:s,s:s}", "cpu", "500m", "memory", "64Mi");
    sim_cluster_add(c, json_build("{s:{s:s,s:s},s:{s:[{s:{s:o}}]}}", "metadata", "name", name,
                                  "namespace", "sandboxes", "spec", "containers", "resources",
                                  "requests", request));
}

void sim_cluster_remove_other(struct sim_cluster *c)
{
    struct sim_pod *p;
    DL_FOREACH(c->pods, p)
    if (!p->is_session && !p->terminating) {
        sim_kubelet_stop(p, 0);
        return;
    }
}

/* -- life -- */

struct sim_cluster *sim_cluster_new(const char *name, int place, int nodes, int slots)
{
    char address[64];
    struct sim_cluster *c = mem_alloc(sizeof(*c));
    snprintf(c->name, sizeof(c->name), "%s", name);
    snprintf(c->process.name, sizeof(c->process.name), "%s-api", name);
    snprintf(c->kubelets.name, sizeof(c->kubelets.name), "%s-kubelets", name);
    c->place = place;
    c->nodes = nodes;
    c->slots = slots;
    c->version = 1;
    c->process.alive = c->kubelets.alive = true;
    sim_network_put(&c->process, place);
    sim_network_put(&c->kubelets, place);
    sim_loop_of_process(&c->process);
    struct loop *l = loop_new();
    c->process.loop = l;
    c->exchange = (struct sim_exchange_host){.loop = l, .handler = sim_api_server_serve, .user = c};
    c->host = (struct sim_host){&c->process, &SIM_EXCHANGE_SERVER, &c->exchange};
    snprintf(address, sizeof(address), "%s-api", name);
    sim_address_put(address, &c->host);
    return c;
}

static void forget_events(struct sim_cluster *c)
{
    for (size_t i = 0; i < c->event_count; i++)
        free(c->events[i].line);
    free(c->events);
    c->events = NULL;
    c->event_count = 0;
    c->compacted = c->version;
}

void sim_cluster_restart(struct sim_cluster *c)
{
    sim_trace("%s: the API server restarts", c->name);
    sim_api_server_tell(c, NULL);
    forget_events(c);
}

void sim_cluster_free(struct sim_cluster **at)
{
    struct sim_cluster *c = *at;
    *at = NULL;
    if (!c)
        return;
    sim_api_server_tell(c, NULL);
    sim_exchange_leave_all(&c->exchange);
    sim_loop_rest(c->exchange.loop);
    while (c->pods)
        free_pod(c->pods);
    for (size_t i = 0; i < c->agent_count; i++)
        sim_agent_free(&c->agents[i]);
    free(c->agents);
    forget_events(c);
    loop_free(&c->exchange.loop);
    free(c);
}
