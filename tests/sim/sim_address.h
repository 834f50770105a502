/* sim_address.h - which host has which address. */
#pragma once
#include "sim_call.h"

/* "10.0.0.7:8700" of a pod, "local-api" of a site's API server, "cloud" of a site's front door. */
void sim_address_begin(void);
void sim_address_put(const char *address, struct sim_host *h); /* NULL: nobody has it any more */
/* Who answers there depends on what is asked for. */
typedef struct sim_host *sim_address_f(const char *target, void *user);
void sim_address_choose(const char *address, sim_address_f *fn, void *user);
struct sim_host *sim_address_find(const char *address, const char *target);
