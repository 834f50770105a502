#include "sim_site.h"

#include "base/mem.h"
#include "sim_address.h"
#include "sim_network.h"
#include "sim_property.h"
#include "sim_redis_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char ENVIRONMENTS[] = "environments:\n"
                                   "  python:\n"
                                   "    image: python\n"
                                   "    languages: [python]\n";

static void write_file(const char *folder, const char *name, const char *text)
{
    char *path CLEANUP(mem_free_text) = mem_format("%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    INVARIANT(f && fputs(text, f) >= 0);
    fclose(f);
}

void sim_site_write_files(const char *folder)
{
    write_file(folder, "environments.yaml", ENVIRONMENTS);
    write_file(folder, "token", "a-token-of-one-site-for-another\n");
    write_file(folder, "home.key", "000102030405060708090a0b0c0d0e0f1011121314151617\n");
    write_file(folder, "cloud.key", "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff1011121314151617\n");
}

static void configure(struct sim_site *s, const struct sim_site_conf *c, const char *folder)
{
    struct err err;
    struct buf text;
    char *path CLEANUP(mem_free_text) = mem_format("%s/%s.yaml", folder, c->name);
    char *argv[] = {(char *)(uintptr_t) "sim", (char *)(uintptr_t) "--config", path, NULL};
    buf_init(&text, 65536);
    buf_addf(&text, "site: %s\nauth: {mode: none}\nsite_key_file: %s/%s.key\n", c->name, folder,
             c->name);
    buf_addf(&text, "environments_file: %s/environments.yaml\nredis: {url: redis://127.0.0.1:%d}\n",
             folder, c->place);
    buf_addf(&text, "kubernetes: {url: http://%s-api}\nremote: {token_file: %s/token}\n", c->name,
             folder);
    buf_addf(&text, "watermark: {usage: false, dwell: %lldms, reserve: %lld, gateways: %d}\n",
             (long long)c->dwell_ms, (long long)c->reserve, c->gateways);
    buf_addf(&text, "limits: {linger: 4s, idle: 20s, start: 20s}\n");
    if (c->remote)
        buf_addf(&text, "remotes: [{name: %s, url: https://%s, token_file: %s/token}]\n", c->remote,
                 c->remote, folder);
    char *name CLEANUP(mem_free_text) = mem_format("%s.yaml", c->name);
    write_file(folder, name, buf_text(&text));
    buf_fini(&text);
    s->config = gateway_config_read(3, argv, &s->conf, &err);
    if (!s->config)
        sim_violated("start", "%s", err.msg);
}

/* -- the front door: a call from another site goes on to a gateway -- */

static void session_of(const char *target, char out[64])
{
    static const char *const BEFORE[] = {"/internal/v1/sessions/", "/api/v1/sessions/"};
    out[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(BEFORE); i++) {
        if (strncmp(target, BEFORE[i], strlen(BEFORE[i])) == 0)
            snprintf(out, 64, "%.*s", (int)strcspn(target + strlen(BEFORE[i]), "/?"),
                     target + strlen(BEFORE[i]));
    }
}

struct sim_gateway *sim_site_gateway_for(struct sim_site *s, const char *session_id)
{
    unsigned h = 7;
    for (const char *p = session_id; *p != '\0'; p++)
        h = h * 31 + (unsigned char)*p;
    for (int i = 0; i < s->gateway_count; i++) {
        struct sim_gateway *n = &s->gateways[(h + (unsigned)i) % (unsigned)s->gateway_count];
        if (sim_gateway_lives(n) && n->process->stalled_until <= sim_now())
            return n;
    }
    return NULL;
}

static struct sim_host *open_door(const char *target, void *user)
{
    struct sim_site *s = user;
    char id[64];
    session_of(target, id);
    struct sim_gateway *n = sim_site_gateway_for(s, id);
    return n ? &n->host : NULL;
}

/* -- life -- */

struct sim_site *sim_site_new(const struct sim_site_conf *conf, const char *folder)
{
    char name[32];
    struct sim_site *s = mem_alloc(sizeof(*s));
    snprintf(s->name, sizeof(s->name), "%s", conf->name);
    s->place = conf->place;
    configure(s, conf, folder);
    s->cluster = sim_cluster_new(conf->name, conf->place, conf->nodes, conf->slots);
    snprintf(name, sizeof(name), "%s-redis", conf->name);
    s->redis = sim_redis_new(name);
    sim_network_put(sim_redis_process(s->redis), conf->place);
    sim_address_choose(conf->name, open_door, s);
    sim_redis_link_listen(conf->place, s->redis);
    s->gateway_count = conf->gateways;
    for (int i = 0; i < conf->gateways; i++)
        sim_gateway_start(&s->gateways[i], s, i);
    return s;
}

void sim_site_free(struct sim_site **at)
{
    struct sim_site *s = *at;
    *at = NULL;
    if (!s)
        return;
    for (int i = 0; i < s->gateway_count; i++)
        sim_gateway_kill(&s->gateways[i]);
    sim_cluster_free(&s->cluster);
    sim_redis_free(&s->redis);
    config_free(&s->config);
    free(s);
}
