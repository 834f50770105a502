/* main.c - puts a gateway together, runs it, takes it apart. */
#include "base/log.h"
#include "base/loop.h"
#include "gateway/api.h"
#include "gateway/assembly.h"
#include "gateway/gateway.h"
#include "gateway/reload.h"
#include "http/http_server.h"

#include <signal.h>
#include <stdio.h>

struct program {
    struct gateway g;
    struct config *config;
    struct http_server *api, *admin;
    struct timer *drain_timer;
    struct reload *reload;
    bool draining;
};

/* -- the listeners -- */

static int listen_all(struct http_server *server, const struct config_list *addresses,
                      const char *inherited_name, struct err *err)
{
    char inherited[32];
    int fd = http_server_inherited_fd(inherited_name);
    if (fd >= 0) {
        snprintf(inherited, sizeof(inherited), "fd:%d", fd);
        if (http_server_listen(server, inherited, err) < 0)
            return err_wrap(err, "handed-over socket '%s'", inherited_name);
    }
    for (size_t i = 0; i < addresses->count; i++) {
        if (http_server_listen(server, addresses->items[i], err) < 0)
            return err_wrap(err, "listen on %s", addresses->items[i]);
    }
    return 0;
}

static int open_servers(struct program *p, struct err *err)
{
    struct http_server_conf conf = HTTP_SERVER_CONF_DEFAULT;
    conf.connections_max = (unsigned)p->g.conf.limits.connections;
    conf.body_rate = p->g.conf.limits.body_rate;
    conf.server_name = "api";
    p->api = http_server_new(p->g.loop, &conf, api_serve, &p->g);
    conf.server_name = "admin";
    p->admin = http_server_new(p->g.loop, &conf, api_serve_admin, &p->g);
    int rc = listen_all(p->api, &p->g.conf.listen, "api", err);
    return rc == 0 ? listen_all(p->admin, &p->g.conf.admin_listen, "admin", err) : rc;
}

/* -- the end -- */

static void stop(void *user)
{
    struct program *p = user;
    loop_stop(p->g.loop);
}

/* First: answer what runs and take nothing new; sessions go on without this gateway. Second signal:
 * at once. */
static void on_stop_signal(void *user)
{
    struct program *p = user;
    if (p->draining) {
        stop(p);
        return;
    }
    p->draining = true;
    p->g.draining = true;
    LOG(LOG_INFO, "draining", KV("connections", (int64_t)http_server_connections(p->api)));
    timer_start(p->g.world, p->drain_timer, p->g.conf.drain_ms, 0);
    http_server_drain(p->api, stop, p);
}

static int run(struct program *p, int argc, char **argv, struct err *err)
{
    int rc = assembly_build(&p->g, err);
    if (rc == 0)
        rc = open_servers(p, err);
    if (rc < 0)
        return rc;
    p->drain_timer = timer_new(p->g.world, stop, p);
    loop_on_signal(p->g.loop, SIGTERM, on_stop_signal, p);
    loop_on_signal(p->g.loop, SIGINT, on_stop_signal, p);
    p->reload = reload_new(&p->g, argc, argv);
    LOG(LOG_INFO, "started", KV("gateway", (const char *)p->g.name), KV("site", p->g.conf.site),
        KV("port", http_server_port(p->api)), KV("admin_port", http_server_port(p->admin)),
        KV("version", SPILLWAY_VERSION));
    loop_run(p->g.loop);
    LOG(LOG_INFO, "stopped", KV("gateway", (const char *)p->g.name));
    return 0;
}

int main(int argc, char **argv)
{
    struct program p = {0};
    struct err err;
    enum log_level level = LOG_INFO;
    signal(SIGPIPE, SIG_IGN);
    log_set_program("spillway-gateway");
    p.config = gateway_config_read(argc, argv, &p.g.conf, &err);
    if (!p.config) {
        LOG(LOG_ERROR, "configuration_error", KV("error", (const char *)err.msg));
        return 1;
    }
    if (log_level_from_text(p.g.conf.log_level, &level))
        log_set_level(level);
    int rc = run(&p, argc, argv, &err);
    if (rc < 0)
        LOG(LOG_ERROR, "cannot_start", KV("error", (const char *)err.msg));
    if (p.g.loop) {
        timer_free(p.g.world, &p.drain_timer);
        http_server_free(&p.api);
        http_server_free(&p.admin);
    }
    assembly_take_apart(&p.g);
    reload_free(&p.reload);
    config_free(&p.config);
    return rc < 0 ? 1 : 0;
}
