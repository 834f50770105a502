/* kube_credentials.h - who we are to an API server right now: a token, a token file that is
 * replaced under us, a client certificate, or what a plugin said until it expires.
 *
 * A token file is read again every minute, and after distrust. A plugin runs once before
 * kube_credentials_new() returns, then on a thread when three quarters of its credential's life are
 * over, and after distrust; what we have serves until the new one is there. Ownership: `conf` is
 * borrowed for as long as the object lives; what the getters return, until the next turn of the
 * loop. */
#pragma once
#include "base/err.h"

struct kube_credentials;
struct kubeconfig;
struct loop;

struct kube_credentials *kube_credentials_new(struct loop *l, const struct kubeconfig *conf,
                                              struct err *err) CHECK_RESULT; /* ERR_CONFIG */
void kube_credentials_free(struct kube_credentials **c);
/* Before each call; fails only where there is nothing at all to show. */
int kube_credentials_refresh(struct kube_credentials *c, struct err *err) CHECK_RESULT;
/* The server did not accept them (401). */
void kube_credentials_distrust(struct kube_credentials *c);

const char *kube_credentials_header(
    const struct kube_credentials *c); /* "Authorization: Bearer …", NULL-able */
const char *
kube_credentials_cert_file(const struct kube_credentials *c); /* NULL-able, like the key's */
const char *kube_credentials_key_file(const struct kube_credentials *c);
