#include "sim_gateway.h"

#include "base/mem.h"
#include "gateway/api.h"
#include "gateway/assembly.h"
#include "sim_address.h"
#include "sim_loop.h"
#include "sim_network.h"
#include "sim_property.h"
#include "sim_site.h"

#include <stdio.h>
#include <stdlib.h>

void sim_gateway_start(struct sim_gateway *n, struct sim_site *site, int number)
{
    struct err err;
    n->site = site;
    n->number = number;
    snprintf(n->name, sizeof(n->name), "%s-%d", site->name, number);
    snprintf(n->address, sizeof(n->address), "%s-gateway-%d", site->name, number);
    n->process = mem_alloc(sizeof(*n->process));
    sim_world_keep(n->process); /* what is on its way to it may come later than its end */
    snprintf(n->process->name, sizeof(n->process->name), "%s/%d", n->name, ++n->lives);
    n->process->alive = true;
    sim_network_put(n->process, site->place);
    sim_loop_of_process(n->process);
    n->g = (struct gateway){.conf = site->conf};
    n->g.conf.name = n->name;
    sim_trace("%s: starts", n->process->name);
    if (assembly_build(&n->g, &err) < 0)
        sim_violated("start", "%s: %s", n->name, err.msg);
    n->process->loop = n->g.loop;
    n->exchange = (struct sim_exchange_host){n->g.loop, sim_property_serve, n, 0};
    n->host = (struct sim_host){n->process, &SIM_EXCHANGE_SERVER, &n->exchange};
    sim_address_put(n->address, &n->host);
}

void sim_gateway_kill(struct sim_gateway *n)
{
    if (!n->process)
        return;
    sim_trace("%s: is killed", n->process->name);
    n->process->alive = false;
    sim_call_died(n->process);
    sim_exchange_leave_all(&n->exchange);
    sim_loop_rest(n->g.loop);
    assembly_take_apart(&n->g);
    n->process = NULL;
}

bool sim_gateway_lives(const struct sim_gateway *n)
{
    return n->process != NULL;
}
