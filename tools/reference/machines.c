#include "tools/reference/machines.h"

#include "base/fsm.h"
#include "clusters/kube_watch.h"
#include "clusters/pod_worker_states.h"
#include "gateway/ending.h"
#include "gateway/session.h"
#include "gateway/tender.h"
#include "http/http_connection.h"
#include "http/upstream_pool.h"
#include "router/redis_client.h"
#include "sandbox/context.h"
#include "sandbox/execution_states.h"
#include "watermark/level.h"

struct machine {
    const struct fsm_table *table;
    const char *file, *what;
};

static const struct machine MACHINES[] = {
    {&SESSION_FSM, "gateway/session.h", "A session as a client sees it."},
    {&TENDER_FSM, "gateway/tender.c", "Looking after one living session."},
    {&ENDING_FSM, "gateway/ending_machine.h",
     "A session's way out. LOOK: a lost pod; has another gateway remembered its end already?"},
    {&LEVEL_FSM, "watermark/level.h", "Is the local site open for new sessions?"},
    {&KUBE_WATCH_FSM, "clusters/kube_watch_machine.h", "List and watch of one resource, for ever."},
    {&REDIS_CLIENT_FSM, "router/redis_client.c", "The connection to Redis."},
    {&HTTP_BODY_TABLE, "http/http_connection.h", "The body of the request on a connection."},
    {&HTTP_LINE_TABLE, "http/http_connection.h", "The socket of a client's connection."},
    {&UPSTREAM_CONN_FSM, "http/upstream_pool.h", "A kept connection to an agent."},
    {&EXECUTION_FSM, "sandbox/execution_states.h", "One run of code, in the agent."},
    {&CONTEXT_FSM, "sandbox/context.h", "An interpreter that stays, in the agent."},
    {&POD_WORKER_FSM, "clusters/pod_worker_states.h", "One pod, in the embedded node."},
};

static void print_machine(FILE *out, const struct machine *m)
{
    const struct fsm_table *t = m->table;
    fprintf(out, "\n## %s\n\n%s Table: `%s`.\n\n```mermaid\nstateDiagram-v2\n", t->machine, m->what,
            m->file);
    for (int from = 0; from < t->count; from++) {
        for (int to = 0; to < t->count; to++) {
            if (t->states[from].to & FSM_TO(to))
                fprintf(out, "    %s --> %s\n", t->states[from].name, t->states[to].name);
        }
        if (t->states[from].to == 0)
            fprintf(out, "    %s --> [*]\n", t->states[from].name);
    }
    fputs("```\n", out);
}

void machines_print_markdown(FILE *out)
{
    fputs("# State machines\n\n"
          "Each machine is one table in the source: its states, and the states that may follow. A "
          "move\nthat is not in the table ends the program with the machine's name and both "
          "states in its log.\n",
          out);
    for (size_t i = 0; i < ARRAY_LEN(MACHINES); i++)
        print_machine(out, &MACHINES[i]);
}
