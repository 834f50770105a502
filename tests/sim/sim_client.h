/* sim_client.h - a client of one session: makes it, runs code in it, asks for results, ends it or
 * leaves it; tries again what did not work, as the contract allows. */
#pragma once
#include "sim_call.h"

struct sim_site;
struct sim_client;

struct sim_client *sim_client_new(struct sim_site *site, int number);
void sim_client_free(struct sim_client **c);
bool sim_client_is_done(const struct sim_client *c);
const char *sim_client_session(const struct sim_client *c);
