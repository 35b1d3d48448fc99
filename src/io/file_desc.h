/* SPDX-License-Identifier: MIT */
/* The descriptor behind a file's stream. */
#ifndef HOB_IO_FILE_DESC_H
#define HOB_IO_FILE_DESC_H

#include "hob/file.h"
#include "op/op.h"

/* NULL: the stream is no file's (hob_file_stream), or one of a device or FIFO. */
struct desc *hob__file_desc(hob_stream *stream);

#endif
