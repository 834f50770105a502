/* user_env.h - the environment of user code: an allow-list of our own, then the session's, then the
 * execution's. Nothing of the agent's environment is in it. Pure. */
#pragma once
#include "sandbox/exec_request.h"

/* Gives; later names replace earlier ones. */
struct text_list user_env_make(const struct text_list *session, const struct text_list *execution);
