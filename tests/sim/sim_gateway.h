/* sim_gateway.h - a gateway of production in a simulated process: put together as in main, its
 * clients and peers on the simulated network. It can be killed and started again. */
#pragma once
#include "gateway/gateway.h"
#include "sim_exchange.h"

struct sim_site;

struct sim_gateway {
    struct sim_site *site;
    struct sim_process *process; /* of this life */
    struct gateway g;
    struct sim_exchange_host exchange;
    struct sim_host host;
    char name[32], address[64];
    int number, lives;
};

void sim_gateway_start(struct sim_gateway *n, struct sim_site *site, int number);
/* SIGKILL: nothing goes out any more. */
void sim_gateway_kill(struct sim_gateway *n);
bool sim_gateway_lives(const struct sim_gateway *n);
