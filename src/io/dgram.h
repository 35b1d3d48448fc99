/* SPDX-License-Identifier: MIT */
/*
 * A datagram socket: what hob_udp and hob_unix_dgram have in common.
 *
 * Receiving and sending need a msghdr that lives as long as the op: the plain
 * functions have it on their stack, prepared ops on the heap until they end.
 */
#ifndef HOB_IO_DGRAM_H
#define HOB_IO_DGRAM_H

#include "hob/udp.h"
#include "io/conn.h"

struct dgram {
    enum hob__tag tag;
    struct desc   desc;
    hob_addr      local;
    uint64_t      file; /* a Unix socket's, see op.unlink; 0: none */
    bool          joins_segments; /* UDP_GRO: messages may be several datagrams */
};

static inline bool dgram_is_open(const struct dgram *socket, enum hob__tag tag)
{
    return socket != NULL && socket->tag == tag;
}

/* A new socket; and then its address, unless that has no length. */
int  hob__dgram_open(int domain, enum hob__tag tag, const char *what, const void *made_at,
                     struct dgram **ret_socket);
int  hob__dgram_adopt(int fd, enum hob__tag tag, const char *what, const void *made_at,
                      struct dgram **ret_socket); /* on failure the number is not ours */
void hob__dgram_disown(struct dgram *socket);     /* closes it, but not the number     */
int  hob__dgram_bind(struct dgram *socket, const hob_addr *local);
void hob__dgram_close(struct dgram *socket);

ssize_t hob__dgram_recv(struct dgram *socket, void *buf, size_t len, hob_addr *ret_from);
int     hob__dgram_recv_prep(hob_op *place, struct dgram *socket, void *buf, size_t len,
                             hob_addr *ret_from);
ssize_t hob__dgram_send(struct dgram *socket, const void *buf, size_t len, const hob_addr *to);
ssize_t hob__dgram_recv_many(struct dgram *socket, hob_udp_msg *msgs, size_t count);
int     hob__dgram_recv_many_prep(hob_op *place, struct dgram *socket, hob_udp_msg *msgs,
                                  size_t count);
ssize_t hob__dgram_send_many(struct dgram *socket, const hob_udp_msg *msgs, size_t count);
int     hob__dgram_send_many_prep(hob_op *place, struct dgram *socket, const hob_udp_msg *msgs,
                                  size_t count);
int     hob__dgram_send_prep(hob_op *place, struct dgram *socket, const void *buf, size_t len,
                             const hob_addr *to);

#endif
