/* SPDX-License-Identifier: MIT */
/* Pipes: one end reads what the other writes. Each end is a thing of its own. */
#ifndef HOB_PIPE_H
#define HOB_PIPE_H

#include "hob/stream.h"

HOB_BEGIN_DECLS

typedef struct hob_pipe hob_pipe;

/* Makes a pipe: its reading end and its writing end, both the caller's. Does not
 * wait. Returns 0, -EMFILE, -ENFILE, -ENOMEM. */
HOB_API HOB_MUST_USE int hob_pipe_open(hob_pipe **ret_reader, hob_pipe **ret_writer);

/* Takes over a descriptor of yours that is a pipe, a terminal, a character
 * device, or a file that is read or written in one go: such as 0, whatever
 * standard input is. It is closed with the pipe, unless it is 0, 1 or 2. May
 * wait. Returns 0, -EBADF, -ENOMEM. The simulated world has 0, 1 and 2 only, and
 * gives -EBADF for other numbers. */
HOB_API HOB_MUST_USE int hob_pipe_from_fd(int fd, hob_pipe **ret_pipe);

/* As in hob/tcp.h. Reading gives 0 when every writing end is closed, writing
 * -EPIPE when nobody can read any more. Using an end in the wrong direction gives
 * -EBADF. As a stream a pipe has no shutdown (-ENOTSUP): closing it says the same. */
HOB_API HOB_MUST_USE ssize_t hob_pipe_read(hob_pipe *pipe, void *buf, size_t len);
HOB_API void                 hob_pipe_read_prep(hob_op *op, hob_pipe *pipe, void *buf, size_t len);
HOB_API HOB_MUST_USE ssize_t hob_pipe_write(hob_pipe *pipe, const void *buf, size_t len);
HOB_API void hob_pipe_write_prep(hob_op *op, hob_pipe *pipe, const void *buf, size_t len);
HOB_API HOB_MUST_USE ssize_t hob_pipe_write_some(hob_pipe *pipe, const void *buf, size_t len);
HOB_API void hob_pipe_write_some_prep(hob_op *op, hob_pipe *pipe, const void *buf, size_t len);
HOB_API void hob_pipe_close(hob_pipe *pipe);
HOB_API hob_stream *hob_pipe_stream(hob_pipe *pipe);

HOB_END_DECLS

#endif
