/* SPDX-License-Identifier: MIT */
/*
 * Sockets that this process was given by the one that started it, as systemd does (socket
 * activation, sd_listen_fds(3)) and hob_process_opts.sockets:
 *
 *     int fd = hob_inherited_fd("web", 0);
 *     HOB_TRY(fd >= 0 ? hob_tcp_listener_from_fd(fd, NULL, &listener)
 *                     : hob_tcp_listen(&addr, NULL, &listener));
 *
 * So a service is started by its first client, and a new process takes over from an old one without
 * losing a connection: the socket, with those who wait in its queue, belongs to both. What is said
 * in the environment (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES) counts only for the process that it
 * names. None of these waits.
 */
#ifndef HOB_INHERIT_H
#define HOB_INHERIT_H

#include "hob/base.h"

HOB_BEGIN_DECLS

/* How many sockets there are with this name; NULL: with any. A socket without a name is called
 * "unknown". 0: none, or they are for another process; or what is said of them is no such thing. */
HOB_API size_t hob_inherited_count(const char *name);

/* The descriptor of the one with number `index`, from 0, among those with this name (NULL: any). It
 * is yours; CLOEXEC from now on, so that no child keeps it; and not looked at: hob_tcp_listener_from_fd
 * and its kin do that. -ENOENT: there is none; -EBADF: it was closed. */
HOB_API HOB_MUST_USE int hob_inherited_fd(const char *name, size_t index);

/* Takes what is said of them out of the environment, so that children do not read it, and marks all
 * CLOEXEC. From then on there are none. No other thread may look at the environment meanwhile. */
HOB_API void hob_inherited_forget(void);

HOB_END_DECLS

#endif
