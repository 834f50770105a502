/* warm_message.h - what an interpreter that waits is told of its run. Pure.
 *
 * Texts, each ended by a NUL: the working folder, the number of arguments in decimal, the arguments
 * (the code's file first), the environment. */
#pragma once
#include "base/buf.h"
#include "sandbox/exec_request.h"

#define WARM_MESSAGE_MAX ((size_t)128 * 1024) /* a socket takes it at once */

/* Appends; `skip` leaves out the command's first texts. False: too long, or not to be said so. */
bool warm_message_print(struct buf *out, const char *cwd, const struct text_list *command,
                        size_t skip, const struct text_list *env);
/* Would the interpreter have started in another way with these? They count at its start only. */
bool warm_message_env_is_plain(const struct text_list *env);
