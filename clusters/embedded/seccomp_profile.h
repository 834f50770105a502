/* seccomp_profile.h - the system calls of a pod's containers (RuntimeDefault): what is not listed
 * gives EPERM. Pure. */
#pragma once

struct json_t;

/* linux.seccomp of an OCI specification; gives. */
struct json_t *seccomp_profile_build(void);
