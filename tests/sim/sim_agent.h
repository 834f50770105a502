/* sim_agent.h - the agent in a simulated pod: production's activity, token and long-polls, around
 * executions that only take time.
 *
 * Who tells it what a run does: the code is "MS" or "MS exit N": how long it runs. */
#pragma once
#include "sandbox/activity.h"
#include "sandbox/long_poll.h"
#include "sandbox/token.h"
#include "sim_exchange.h"

struct json_t;
struct sim_agent;

struct sim_agent_conf {
    const char *session_id, *epoch, *token_sha256, *address;
    int place;                                        /* on the network */
    void (*on_exit)(struct sim_agent *a, void *user); /* its deadline came */
    void *user;
};

struct sim_execution {
    struct sim_execution *next;
    struct sim_agent *agent;
    char id[65];
    char *body; /* another one under the same id is refused */
    char output[80];
    int64_t started_ms;
    struct sim_event *end;
    bool ended, stored, killed;
};

struct sim_agent {
    struct sim_process process;
    struct sim_exchange_host exchange;
    struct sim_host host;
    struct activity activity;
    struct token token;
    struct long_polls *polls;
    struct sim_execution *executions; /* the newest first */
    struct sim_event *deadline;
    int64_t made_ms, deadline_ms; /* the latter by a right clock */
    char session_id[64], epoch[40], address[64];
    bool forced;     /* a forced end was asked for: it may cut what runs */
    bool lost;       /* a fault takes its pod */
    bool unknowable; /* when it was started nobody could tell that its session is elsewhere */
    void (*on_exit)(struct sim_agent *a, void *user);
    void *user;
};

struct sim_agent *sim_agent_new(const struct sim_agent_conf *conf);
/* The pod is over: nothing answers any more. The memory stays for what is on its way. */
void sim_agent_die(struct sim_agent *a);
void sim_agent_free(struct sim_agent **a);
bool sim_agent_runs(const struct sim_agent *a); /* an execution that was acknowledged */
