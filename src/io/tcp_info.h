/* SPDX-License-Identifier: MIT */
#ifndef HOB_IO_TCP_INFO_H
#define HOB_IO_TCP_INFO_H

#include "hob/tcp.h"
#include "io/conn.h"

int hob__tcp_info_get(struct conn *conn, hob_tcp_info *ret_info);

#endif
