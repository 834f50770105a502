/* seccomp_filter.h - the filter around every user process, as a BPF program.
 *
 * Agent and user code have the same uid and no capabilities, so uids do not protect process 1:
 * same-uid code may set its limits and priorities, and under gVisor even kill it. The filter
 * refuses, with EPERM, what is aimed at process 1 or at the leader of the execution, and what no
 * user program of a sandbox needs (namespaces, mounts, keys, bpf, io_uring …; the runtime's own
 * filter refuses most of it too). Another architecture's system calls kill the process.
 *
 * Building allocates nothing and calls nothing: it happens between fork and exec. */
#pragma once
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/types.h>

#define SECCOMP_FILTER_MAX 512

struct seccomp_filter {
    struct sock_filter code[SECCOMP_FILTER_MAX];
    unsigned short len;
};

void seccomp_filter_build(struct seccomp_filter *f, pid_t leader);
/* For this process and all it will start, for ever. 0 or -1 with errno. Needs no_new_privs. */
int seccomp_filter_install(const struct seccomp_filter *f);
