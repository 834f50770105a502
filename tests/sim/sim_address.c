#include "sim_address.h"

#include <stdio.h>
#include <string.h>

#define ADDRESSES_MAX 512

static struct {
    char address[64];
    struct sim_host *host;
    sim_address_f *choose;
    void *user;
} rows[ADDRESSES_MAX];
static size_t count;

void sim_address_begin(void)
{
    count = 0;
}

static size_t find(const char *address)
{
    size_t i = 0;
    while (i < count && strcmp(rows[i].address, address) != 0)
        i++;
    return i;
}

static size_t find_or_make(const char *address)
{
    size_t i = find(address);
    if (i == count) {
        INVARIANT(count < ADDRESSES_MAX);
        memset(&rows[count], 0, sizeof(rows[count]));
        snprintf(rows[count++].address, sizeof(rows[i].address), "%s", address);
    }
    return i;
}

void sim_address_put(const char *address, struct sim_host *h)
{
    rows[find_or_make(address)].host = h;
}

void sim_address_choose(const char *address, sim_address_f *fn, void *user)
{
    size_t i = find_or_make(address);
    rows[i].choose = fn;
    rows[i].user = user;
}

struct sim_host *sim_address_find(const char *address, const char *target)
{
    size_t i = find(address);
    if (i == count)
        return NULL;
    return rows[i].choose ? rows[i].choose(target, rows[i].user) : rows[i].host;
}
