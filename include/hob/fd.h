/* SPDX-License-Identifier: MIT */
/* Waiting on a descriptor of somebody else's library. */
#ifndef HOB_FD_H
#define HOB_FD_H

#include "hob/op.h"

HOB_BEGIN_DECLS

/* Waits until `fd` is ready for one of `events` (POLLIN, POLLOUT, POLLPRI), or
 * has an error or hang-up. Returns which, as poll(2)'s revents (more than 0), or
 * a negative errno: -EBADF, -EPERM (a regular file: it is always ready),
 * -ECANCELED, -ETIMEDOUT. The descriptor stays yours; do not close it meanwhile. */
HOB_API HOB_MUST_USE int hob_fd_wait(int fd, unsigned events);
HOB_API void             hob_fd_wait_prep(hob_op *op, int fd, unsigned events);

HOB_END_DECLS

#endif
