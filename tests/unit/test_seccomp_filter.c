#include "unit.h"

#include "sandbox/seccomp_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <stdbool.h>
#include <sys/syscall.h>

#define LEADER 77

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#else
#define ARCH AUDIT_ARCH_AARCH64
#endif

/* Runs the few instructions the filter uses, as the kernel would. */
static uint32_t run(const struct seccomp_filter *f, const struct seccomp_data *data)
{
    uint32_t a = 0;
    for (unsigned pc = 0; pc < f->len; pc++) {
        const struct sock_filter *i = &f->code[pc];
        bool yes;
        switch (i->code) {
        case BPF_LD | BPF_W | BPF_ABS:
            memcpy(&a, (const char *)data + i->k, sizeof(a));
            continue;
        case BPF_RET | BPF_K:
            return i->k;
        case BPF_JMP | BPF_JEQ | BPF_K:
            yes = a == i->k;
            break;
        case BPF_JMP | BPF_JGE | BPF_K:
            yes = a >= i->k;
            break;
        case BPF_JMP | BPF_JSET | BPF_K:
            yes = (a & i->k) != 0;
            break;
        default:
            fail_msg("unknown instruction %x", i->code);
            return 0;
        }
        pc += yes ? i->jt : i->jf;
    }
    fail_msg("ran off the end");
    return 0;
}

static uint32_t call(int nr, uint64_t a, uint64_t b, uint64_t c)
{
    struct seccomp_filter f;
    seccomp_filter_build(&f, LEADER);
    struct seccomp_data data = {.nr = nr, .arch = ARCH, .args = {a, b, c}};
    return run(&f, &data);
}

#define EPERM_RET (SECCOMP_RET_ERRNO | EPERM)

static void signals(void **state)
{
    (void)state;
    const int calls[] = {
        SYS_kill,      SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
        SYS_pidfd_open};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        assert_int_equal(call(calls[i], 1, 9, 0), EPERM_RET);
        assert_int_equal(call(calls[i], LEADER, 9, 0), EPERM_RET);
        assert_int_equal(call(calls[i], (uint64_t)-1, 9, 0), EPERM_RET);
        assert_int_equal(call(calls[i], 0xFFFFFFFF, 9, 0), EPERM_RET);
        assert_int_equal(call(calls[i], (uint64_t)-LEADER, 9, 0), EPERM_RET);
        /* The kernel looks at the low half only, so must we. */
        assert_int_equal(call(calls[i], 0xFFFFFFFF00000001, 9, 0), EPERM_RET);
        assert_int_equal(call(calls[i], 2, 9, 0), SECCOMP_RET_ALLOW);
        assert_int_equal(call(calls[i], 0, 9, 0), SECCOMP_RET_ALLOW);
    }
    assert_int_equal(call(SYS_tgkill, 5, 1, 9), EPERM_RET);
    assert_int_equal(call(SYS_pidfd_send_signal, 5, 9, 0), EPERM_RET);
}

static void limits_and_priorities(void **state)
{
    (void)state;
    assert_int_equal(call(SYS_prlimit64, 0, 7, 0), SECCOMP_RET_ALLOW);
    assert_int_equal(call(SYS_prlimit64, 1, 7, 0), EPERM_RET);
    assert_int_equal(call(SYS_prlimit64, 5, 7, 0), EPERM_RET);
    assert_int_equal(call(SYS_setpriority, 0, 0, 5), SECCOMP_RET_ALLOW);
    assert_int_equal(call(SYS_setpriority, 0, 5, 5), SECCOMP_RET_ALLOW);
    assert_int_equal(call(SYS_setpriority, 0, 1, 5), EPERM_RET);
    assert_int_equal(call(SYS_setpriority, 0, LEADER, 5), EPERM_RET);
    assert_int_equal(call(SYS_setpriority, 1, 0, 5), SECCOMP_RET_ALLOW);
    assert_int_equal(call(SYS_setpriority, 1, 5, 5), EPERM_RET);
    assert_int_equal(call(SYS_setpriority, 2, 0, 5), EPERM_RET);
    assert_int_equal(call(SYS_ioprio_set, 1, 0, 5), SECCOMP_RET_ALLOW);
    assert_int_equal(call(SYS_ioprio_set, 1, 1, 5), EPERM_RET);
    assert_int_equal(call(SYS_ioprio_set, 2, 5, 5), EPERM_RET);
    assert_int_equal(call(SYS_ioprio_set, 3, 0, 5), EPERM_RET);
    assert_int_equal(call(SYS_sched_setaffinity, 1, 0, 0), EPERM_RET);
    assert_int_equal(call(SYS_sched_setaffinity, 0, 0, 0), SECCOMP_RET_ALLOW);
}

static void namespaces_and_the_rest(void **state)
{
    (void)state;
    assert_int_equal(call(SYS_clone, CLONE_NEWUSER | 17, 0, 0), EPERM_RET);
    assert_int_equal(call(SYS_clone, CLONE_NEWNET | 17, 0, 0), EPERM_RET);
    assert_int_equal(call(SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND, 0, 0),
                     SECCOMP_RET_ALLOW);
    assert_int_equal(call(SYS_clone3, 0, 0, 0), SECCOMP_RET_ERRNO | ENOSYS);
    assert_int_equal(call(SYS_fcntl, 0, 8, 1), EPERM_RET);
    assert_int_equal(call(SYS_fcntl, 0, 8, 0), SECCOMP_RET_ALLOW);
    assert_int_equal(call(SYS_fcntl, 0, 15, 0), EPERM_RET);
    assert_int_equal(call(SYS_fcntl, 0, 1, 1), SECCOMP_RET_ALLOW);
    assert_int_equal(call(SYS_ioctl, 3, 0x8901, 0), EPERM_RET); /* FIOSETOWN */
    assert_int_equal(call(SYS_ioctl, 3, 0x8902, 0), EPERM_RET); /* SIOCSPGRP */
    assert_int_equal(call(SYS_ioctl, 3, UINT64_C(0x100008901), 0), EPERM_RET);
    assert_int_equal(call(SYS_ioctl, 3, 0x5401, 0), SECCOMP_RET_ALLOW);
    const int denied[] = {
        SYS_ptrace, SYS_process_vm_readv, SYS_unshare,        SYS_mount,          SYS_bpf,
        SYS_keyctl, SYS_userfaultfd,      SYS_io_uring_setup, SYS_perf_event_open};
    for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++)
        assert_int_equal(call(denied[i], 0, 0, 0), EPERM_RET);
    const int allowed[] = {SYS_read,   SYS_write, SYS_execve, SYS_exit_group,
                           SYS_openat, SYS_mmap,  SYS_socket};
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        assert_int_equal(call(allowed[i], 1, 1, 1), SECCOMP_RET_ALLOW);
}

static void other_architectures(void **state)
{
    (void)state;
    struct seccomp_filter f;
    seccomp_filter_build(&f, LEADER);
    struct seccomp_data data = {.nr = SYS_read, .arch = AUDIT_ARCH_I386};
    assert_int_equal(run(&f, &data), SECCOMP_RET_KILL_PROCESS);
#if defined(__x86_64__)
    assert_int_equal(call(0x40000000 | SYS_kill, 1, 9, 0), SECCOMP_RET_ERRNO | ENOSYS);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals),
        cmocka_unit_test(limits_and_priorities),
        cmocka_unit_test(namespaces_and_the_rest),
        cmocka_unit_test(other_architectures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
