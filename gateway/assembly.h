/* assembly.h - puts the parts of a gateway together, and takes them apart; the listeners are
 * main's.
 *
 * Apart from main, so that the simulator runs gateways that are put together as in production. */
#pragma once
#include "base/err.h"

struct gateway;

/* Needs g->conf. After an error assembly_take_apart() frees what is there. */
int assembly_build(struct gateway *g, struct err *err) CHECK_RESULT;
/* Sessions go on without this gateway. */
void assembly_take_apart(struct gateway *g);
