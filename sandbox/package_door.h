/* package_door.h - where the installer asks for the packages of the site's index: a listener on
 * loopback, behind which nothing is. The gateway takes the questions one after the other and brings
 * the answers (docs/adr/002-packages.md); the sandbox itself reaches nobody.
 *
 * Ownership: embedded in the setup. Open only while packages are installed, before any code of the
 * session runs. Callbacks: `changed` when there is a new question, and when the door closes. Loop:
 * all on the loop. */
#pragma once
#include "base/err.h"
#include "base/loop.h"
#include "base/slice.h"
#include "http/http_server.h"

#define PACKAGE_DOOR_TROUBLE_SIZE ((size_t)160)

struct json_t;

struct package_door {
    struct http_server *server; /* NULL: closed */
    struct package_ask *asks;   /* oldest first */
    unsigned ask_count;
    int64_t last_id;
    char trouble[PACKAGE_DOOR_TROUBLE_SIZE]; /* the last thing that could not be brought; "" */
    void (*changed)(void *user);
    void *user;
};

/* ERR_SYSTEM. */
int package_door_open(struct package_door *d, struct loop *l, struct err *err) CHECK_RESULT;
bool package_door_is_open(const struct package_door *d);
int package_door_port(const struct package_door *d);
/* Who still asks is cut off. */
void package_door_close(struct package_door *d);

/* The oldest question that nobody answers yet: {"id", "target", "accept"}; NULL: none. Gives. */
struct json_t *package_door_wanted(const struct package_door *d) CHECK_RESULT;
/* Passes the body of `giver` on as the answer to a question, with its Content-Type and Location,
 * and ends `giver`. */
void package_door_give(struct package_door *d, int64_t id, int status, struct http_exchange *giver);
/* The answer to a question cannot be brought. ERR_NOT_FOUND: nobody asks that any more. */
int package_door_refuse(struct package_door *d, int64_t id, int status, const char *why,
                        struct err *err) CHECK_RESULT;
