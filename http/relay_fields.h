/* relay_fields.h - which header fields pass through a relay: not those about one connection (RFC
 * 9110 §7.6.1), not those that are secrets or instructions of the other side (inside of http/).
 * Pure. */
#pragma once
#include "http/http_message.h"

/* From the client to what stands behind. */
bool relay_field_goes_in(const struct http_header *all, unsigned count, struct slice name);
/* Back to the client. */
bool relay_field_comes_out(const struct http_header *all, unsigned count, struct slice name);
