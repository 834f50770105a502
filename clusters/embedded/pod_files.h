/* pod_files.h - what a pod has on disk and mounted: volumes, generated files, log, network
 * namespace, bundles.
 *
 *   <data_dir>/run/<uid>/ volumes/<name>  files/{hosts,hostname,resolv.conf}  log/ (small tmpfs)
 * netns  bundle/<container>/
 *
 * Blocking: prepare and remove run on uv's threads; they take plain copies. All mounts are in the
 * node's private namespace. */
#pragma once
#include "base/cc.h"
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

struct json_t;

/* The directory, but for the network's namespace. 0 or ERR_SYSTEM; on error what was made stays for
 * pod_files_remove(). */
int pod_files_prepare(const char *dir, const struct json_t *pod, int64_t log_bytes,
                      struct err *err) CHECK_RESULT;
/* /etc/hosts needs the address, which is known later. */
int pod_files_write_hosts(const char *dir, const char *hostname, const char *ip,
                          struct err *err) CHECK_RESULT;
/* Unmounts everything below and removes it. False when something would not go. */
bool pod_files_remove(const char *dir);
/* Opens (and makes) a container's log for appending and reading; -1 when it cannot. */
int pod_files_open_log(const char *dir, const char *container);
