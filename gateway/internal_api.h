/* internal_api.h - what a gateway serves to gateways of other sites, whose sessions run here. They
 * show their token (site_token.h); everything else of such a session goes by the ordinary calls,
 * with the same fields.
 *
 *   GET    /internal/v1/capacity              how much room there is, how many sessions of theirs
 *   POST   /internal/v1/sessions/{id}         makes one: {epoch, fingerprint, reason, again,
 *                                             expire_at_ms, sent_at_ms, request{…}}; the same epoch
 *                                             again is the same session
 *   GET    /internal/v1/sessions/{id}         what is known of it, also after its end
 *   DELETE /internal/v1/sessions/{id}         ends the incarnation of Spillway-Epoch
 *   GET    /internal/v1/sessions              theirs: ?tenant=&status=&after=&limit= */
#pragma once
#include "http/http_dispatch.h"

void internal_api_capacity(struct http_exchange *x, const struct http_route_match *m, void *user);
void internal_api_create(struct http_exchange *x, const struct http_route_match *m, void *user);
void internal_api_get(struct http_exchange *x, const struct http_route_match *m, void *user);
void internal_api_delete(struct http_exchange *x, const struct http_route_match *m, void *user);
void internal_api_list(struct http_exchange *x, const struct http_route_match *m, void *user);
