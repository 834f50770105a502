/* http_lane.h - inside of http_call: one of libcurl's pools of connections, on the loop.
 *
 * HTTP/1.1 and HTTP/2 each have their own: where a host has connections of both kinds in one pool,
 * libcurl 7.88 takes a busy HTTP/1.1 connection for one that can be shared, and writes a call into
 * the middle of a stream. */
#pragma once
#include "base/loop.h"
#include <curl/curl.h>

struct http_lane;
/* Something is to be done: curl_multi_socket_action() with these, and what follows from it. */
typedef void http_lane_drive_f(struct http_lane *l, curl_socket_t fd, int events);

struct http_lane {
    struct loop *loop;
    CURLM *multi;
    struct timer *timer;
    http_lane_drive_f *drive;
    void *user;
};

void http_lane_init(struct http_lane *l, struct loop *loop, http_lane_drive_f *drive);
void http_lane_fini(struct http_lane *l); /* when no call is in it */
