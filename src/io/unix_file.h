/* SPDX-License-Identifier: MIT */
/*
 * The files that Unix sockets leave in folders.
 *
 * A socket's file outlives its socket. So whoever binds looks whether anybody
 * is still behind a file that is in the way, and whoever closes removes the file
 * that he made, if it is still that one.
 */
#ifndef HOB_IO_UNIX_FILE_H
#define HOB_IO_UNIX_FILE_H

#include "io/conn.h"

/* Binds; a Unix socket's file behind which nobody is any more is replaced. May
 * wait then. *ret_file says which file was made, 0 for none. */
int hob__bind_replacing(struct desc *desc, const hob_addr *addr, uint64_t *ret_file);

/* Removes the file `file` of the address, unless that is 0 or another one by now. */
void hob__unlink_own(const hob_addr *addr, uint64_t file);

#endif
