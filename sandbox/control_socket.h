/* control_socket.h - how the agent talks with an interpreter: a pair of sockets that keep messages
 * apart, ours non-blocking, theirs on a descriptor above those that user code gets. */
#pragma once
#include "base/slice.h"
#include <stdbool.h>

#define CONTROL_SOCKET_FDS_MAX 8

bool control_socket_pair(int *ours, int *theirs);
/* The same without bounds between messages, for those who read in pieces. */
bool control_socket_stream(int *ours, int *theirs);
/* Whole or not at all; descriptors of -1 are left out. Borrows the descriptors. */
bool control_socket_send(int fd, struct slice bytes, const int *fds, size_t fd_count);
