/* site_clock.h - the time by which a site's sessions end: the API server's where our own clock is
 * wrong (clusters/kube_clock). Unix time in ms. */
#pragma once
#include <stdint.h>

struct gateway;

int64_t site_clock_ms(const struct gateway *g);
