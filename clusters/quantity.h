/* quantity.h - Kubernetes resource quantities ("500m", "64Mi", "1e3", "12n"), exact. Pure.
 * Source: Kubernetes API, resource.Quantity. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include <stdint.h>

/* In thousandths, rounded up (a CPU quantity of 1n is 1 milli-CPU). ERR_INVALID_ARGUMENT. */
int quantity_parse_milli(const char *text, int64_t *out, struct err *err) CHECK_RESULT;
/* In whole units (bytes, pods), rounded up. */
int quantity_parse(const char *text, int64_t *out, struct err *err) CHECK_RESULT;
