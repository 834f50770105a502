#include "sandbox/seccomp_filter.h"
#include "base/cc.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OUR_ARCH  AUDIT_ARCH_X86_64
#define X32_CALLS 0x40000000u
#elif defined(__aarch64__)
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#error "the seccomp filter does not know this architecture"
#endif

#define NAMESPACES                                                                                 \
    (CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC |     \
     CLONE_NEWCGROUP)

enum rule_kind {
    RULE_DENY,           /* EPERM */
    RULE_ABSENT,         /* ENOSYS: libc falls back */
    RULE_TARGET,         /* arg 0 is a process that must not be a protected one */
    RULE_TWO_TARGETS,    /* arg 0 and arg 1 */
    RULE_ONLY_SELF,      /* arg 0 must be 0 */
    RULE_WHICH_FROM_0,   /* setpriority: which (0 process, 1 group, 2 user), who */
    RULE_WHICH_FROM_1,   /* ioprio_set: which (1 process, 2 group, 3 user), who */
    RULE_NO_NAMESPACES,  /* clone: flags */
    RULE_NO_OWNER,       /* fcntl: SIGIO, or any signal, to a process of the caller's choice */
    RULE_NO_SOCKET_OWNER /* ioctl: the same, of a socket or a terminal */
};

struct rule {
    int call;
    enum rule_kind kind;
};

/* Own pid as prlimit's argument is refused too: a filter cannot know it, and libc says 0. */
static const struct rule RULES[] = {
    {SYS_kill, RULE_TARGET},
    {SYS_tkill, RULE_TARGET},
    {SYS_tgkill, RULE_TWO_TARGETS},
    {SYS_rt_sigqueueinfo, RULE_TARGET},
    {SYS_rt_tgsigqueueinfo, RULE_TWO_TARGETS},
    {SYS_pidfd_open, RULE_TARGET},
    {SYS_pidfd_send_signal, RULE_DENY}, /* a descriptor of /proc/1 is a pidfd too */
    {SYS_pidfd_getfd, RULE_DENY},
    {SYS_prlimit64, RULE_ONLY_SELF},
    {SYS_sched_setaffinity, RULE_TARGET},
    {SYS_sched_setattr, RULE_TARGET},
    {SYS_sched_setparam, RULE_TARGET},
    {SYS_sched_setscheduler, RULE_TARGET},
    {SYS_setpriority, RULE_WHICH_FROM_0},
    {SYS_ioprio_set, RULE_WHICH_FROM_1},
    {SYS_migrate_pages, RULE_ONLY_SELF},
    {SYS_move_pages, RULE_ONLY_SELF},
    {SYS_fcntl, RULE_NO_OWNER},
    {SYS_ioctl, RULE_NO_SOCKET_OWNER},
    {SYS_ptrace, RULE_DENY},
    {SYS_process_vm_readv, RULE_DENY},
    {SYS_process_vm_writev, RULE_DENY},
    {SYS_process_madvise, RULE_DENY},
    {SYS_kcmp, RULE_DENY},
#ifdef SYS_process_mrelease
    {SYS_process_mrelease, RULE_DENY},
#endif
    {SYS_clone, RULE_NO_NAMESPACES},
    {SYS_clone3, RULE_ABSENT}, /* its flags lie in memory, where a filter cannot look */
    {SYS_unshare, RULE_DENY},
    {SYS_setns, RULE_DENY},
    {SYS_mount, RULE_DENY},
    {SYS_umount2, RULE_DENY},
    {SYS_pivot_root, RULE_DENY},
    {SYS_chroot, RULE_DENY},
    {SYS_move_mount, RULE_DENY},
    {SYS_open_tree, RULE_DENY},
    {SYS_fsopen, RULE_DENY},
    {SYS_fsconfig, RULE_DENY},
    {SYS_fsmount, RULE_DENY},
    {SYS_fspick, RULE_DENY},
#ifdef SYS_mount_setattr
    {SYS_mount_setattr, RULE_DENY},
#endif
    {SYS_keyctl, RULE_DENY},
    {SYS_add_key, RULE_DENY},
    {SYS_request_key, RULE_DENY},
    {SYS_bpf, RULE_DENY},
    {SYS_userfaultfd, RULE_DENY},
    {SYS_io_uring_setup, RULE_DENY},
    {SYS_io_uring_enter, RULE_DENY},
    {SYS_io_uring_register, RULE_DENY},
    {SYS_perf_event_open, RULE_DENY},
    {SYS_open_by_handle_at, RULE_DENY},
};

static void add(struct seccomp_filter *f, uint16_t code, uint32_t k, uint8_t yes, uint8_t no)
{
    INVARIANT(f->len < SECCOMP_FILTER_MAX);
    f->code[f->len++] = (struct sock_filter){code, yes, no, k};
}

static void add_return(struct seccomp_filter *f, uint32_t action)
{
    add(f, BPF_RET | BPF_K, action, 0, 0);
}

/* if (accumulator == value) return EPERM */
static void deny_if(struct seccomp_filter *f, uint32_t value)
{
    add(f, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
    add_return(f, SECCOMP_RET_ERRNO | EPERM);
}

/* The kernel takes a pid from the low half of the register only. */
static void load_arg(struct seccomp_filter *f, unsigned index)
{
    size_t at = offsetof(struct seccomp_data, args) + index * sizeof(uint64_t);
    add(f, BPF_LD | BPF_W | BPF_ABS, (uint32_t)at, 0, 0); /* little-endian, both architectures */
}

/* A process number, or the negative of a group's; -1 is everybody, other executions included. */
static void check_target(struct seccomp_filter *f, unsigned index, pid_t leader)
{
    load_arg(f, index);
    deny_if(f, 1);
    deny_if(f, (uint32_t)-1);
    deny_if(f, (uint32_t)leader);
    deny_if(f, (uint32_t)-leader);
}

static void check_which(struct seccomp_filter *f, uint32_t process, pid_t leader)
{
    load_arg(f, 0);
    deny_if(f, process + 2); /* a user: that is everybody here */
    add(f, BPF_JMP | BPF_JEQ | BPF_K, process + 1, 0, 3);
    load_arg(f, 1); /* a group: only one's own */
    add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
    add_return(f, SECCOMP_RET_ERRNO | EPERM);
    check_target(f, 1, leader);
}

static void check_fcntl(struct seccomp_filter *f)
{
    load_arg(f, 1);
    deny_if(f, F_SETOWN_EX);
    add(f, BPF_JMP | BPF_JEQ | BPF_K, F_SETOWN, 0, 3);
    load_arg(f, 2);
    add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
    add_return(f, SECCOMP_RET_ERRNO | EPERM);
}

static void add_checks(struct seccomp_filter *f, enum rule_kind kind, pid_t leader)
{
    switch (kind) {
    case RULE_DENY:
        add_return(f, SECCOMP_RET_ERRNO | EPERM);
        return;
    case RULE_ABSENT:
        add_return(f, SECCOMP_RET_ERRNO | ENOSYS);
        return;
    case RULE_TARGET:
        check_target(f, 0, leader);
        break;
    case RULE_TWO_TARGETS:
        check_target(f, 0, leader);
        check_target(f, 1, leader);
        break;
    case RULE_ONLY_SELF:
        load_arg(f, 0);
        add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
        add_return(f, SECCOMP_RET_ERRNO | EPERM);
        break;
    case RULE_WHICH_FROM_0:
        check_which(f, 0, leader);
        break;
    case RULE_WHICH_FROM_1:
        check_which(f, 1, leader);
        break;
    case RULE_NO_NAMESPACES:
        load_arg(f, 0);
        add(f, BPF_JMP | BPF_JSET | BPF_K, NAMESPACES, 0, 1);
        add_return(f, SECCOMP_RET_ERRNO | EPERM);
        break;
    case RULE_NO_OWNER:
        check_fcntl(f);
        break;
    case RULE_NO_SOCKET_OWNER:
        load_arg(f, 1);
        deny_if(f, FIOSETOWN);
        deny_if(f, SIOCSPGRP);
        break;
    }
    add_return(f, SECCOMP_RET_ALLOW);
}

static void add_rule(struct seccomp_filter *f, const struct rule *r, pid_t leader)
{
    unsigned short jump = f->len;
    add(f, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->call, 0, 0);
    add_checks(f, r->kind, leader);
    /* Not this call: over its checks. They all end in a return, so the number is still loaded here.
     */
    f->code[jump].jf = (uint8_t)(f->len - jump - 1);
}

void seccomp_filter_build(struct seccomp_filter *f, pid_t leader)
{
    f->len = 0;
    add(f, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    add(f, BPF_JMP | BPF_JEQ | BPF_K, OUR_ARCH, 1, 0);
    add_return(f, SECCOMP_RET_KILL_PROCESS);
    add(f, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
#ifdef X32_CALLS
    add(f, BPF_JMP | BPF_JGE | BPF_K, X32_CALLS, 0, 1);
    add_return(f, SECCOMP_RET_ERRNO | ENOSYS);
#endif
    for (size_t i = 0; i < ARRAY_LEN(RULES); i++)
        add_rule(f, &RULES[i], leader);
    add_return(f, SECCOMP_RET_ALLOW);
}

int seccomp_filter_install(const struct seccomp_filter *f)
{
    struct sock_fprog program = {f->len, (struct sock_filter *)f->code};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}
