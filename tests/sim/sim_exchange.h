/* sim_exchange.h - http/http_server.h and http/http_reply.h on the simulated network: a call that
 * arrives is an exchange, and its handler is production's. */
#pragma once
#include "http/http_server.h"
#include "sim_call.h"

/* What arrives at a host with this server is given to handler(x, user). */
struct sim_exchange_host {
    struct loop *loop;
    http_handler_f *handler;
    void *user;
    unsigned open; /* exchanges that the handler has not ended */
};

/* The host's user is a struct sim_exchange_host. */
extern const struct sim_call_server SIM_EXCHANGE_SERVER;

/* The program is being ended: every client is gone. */
void sim_exchange_leave_all(struct sim_exchange_host *h);
