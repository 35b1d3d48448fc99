/* SPDX-License-Identifier: MIT */
/* Pipes made beforehand, for descriptors that come when nothing may fail any more. */
#ifndef HOB_IO_PIPE_H
#define HOB_IO_PIPE_H

#include "hob/pipe.h"

/* Without a descriptor; NULL when memory ran out. hob__pipe_free is for such a one. */
hob_pipe *hob__pipe_new(void);
void      hob__pipe_free(hob_pipe *pipe);

/* Gives it its descriptor, which does not block. */
void hob__pipe_adopt(hob_pipe *pipe, int fd, const void *made_at);

/* hob_pipe_open, for the user's call at `made_at`. */
int hob__pipe_open(const void *made_at, hob_pipe **ret_reader, hob_pipe **ret_writer);

/* The number of its descriptor. */
int hob__pipe_fd(const hob_pipe *pipe);

#endif
