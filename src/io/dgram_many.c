/* SPDX-License-Identifier: MIT */
/*
 * Many datagrams by one op.
 *
 *     hob_udp_msg[] ── batch: one mmsghdr, iovec and control for each ──▶ RECVMANY, SENDMANY
 *
 * Names and bytes go straight from and to the user's messages; the batch has only what the kernel
 * wants besides. It lies on the caller's stack, or for a prepared op on the heap until that ended.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "io/dgram.h"

/* Room for one number that the kernel tells or is told, aligned as a control message. */
union control {
    struct cmsghdr align;
    char           bytes[CMSG_SPACE(sizeof(int))];
};

struct batch {
    struct mmsghdr headers[HOB_UDP_BATCH_MAX]; /* first: the op names it */
    struct iovec   pieces[HOB_UDP_BATCH_MAX];
    union control  controls[HOB_UDP_BATCH_MAX];
    hob_udp_msg   *msgs; /* to receive; NULL: to send */
    bool           on_heap;
};

static unsigned count_of(size_t count)
{
    return count < HOB_UDP_BATCH_MAX ? (unsigned)count : HOB_UDP_BATCH_MAX;
}

/* ---- receiving ---- */

static void to_receive(struct batch *batch, const struct dgram *socket, hob_udp_msg *msgs,
                       unsigned count)
{
    batch->msgs = msgs;
    for (unsigned i = 0; i < count; i++) {
        batch->pieces[i] = (struct iovec){ .iov_base = msgs[i].buf, .iov_len = msgs[i].len };
        batch->headers[i] = (struct mmsghdr){
            .msg_hdr = {
                .msg_name = msgs[i].addr.u.raw,
                .msg_namelen = sizeof msgs[i].addr.u.raw,
                .msg_iov = &batch->pieces[i],
                .msg_iovlen = 1,
                .msg_control = socket->joins_segments ? &batch->controls[i] : NULL,
                .msg_controllen = socket->joins_segments ? sizeof batch->controls[i] : 0,
            },
        };
    }
}

static uint16_t segment_told(struct msghdr *hdr)
{
    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(hdr); cmsg != NULL; cmsg = CMSG_NXTHDR(hdr, cmsg)) {
        int size;
        if (cmsg->cmsg_level != IPPROTO_UDP || cmsg->cmsg_type != UDP_GRO ||
            cmsg->cmsg_len < CMSG_LEN(sizeof size))
            continue;
        memcpy(&size, CMSG_DATA(cmsg), sizeof size);
        return (uint16_t)size;
    }
    return 0;
}

static void fill_in(hob_udp_msg *msg, struct mmsghdr *header)
{
    size_t used = header->msg_hdr.msg_namelen;
    msg->addr.len = (uint16_t)used;
    memset(msg->addr.u.raw + used, 0, sizeof msg->addr.u.raw - used);
    msg->got = header->msg_len;
    msg->segment_bytes = segment_told(&header->msg_hdr);
    if (msg->segment_bytes >= msg->got)
        msg->segment_bytes = 0; // the kernel tells it of one alone, too
}

/* ---- sending ---- */

static void put_segment(struct msghdr *hdr, union control *control, uint16_t size)
{
    memset(control, 0, sizeof *control);
    hdr->msg_control = control;
    hdr->msg_controllen = CMSG_SPACE(sizeof size);
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(hdr);
    cmsg->cmsg_level = IPPROTO_UDP;
    cmsg->cmsg_type = UDP_SEGMENT;
    cmsg->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(cmsg), &size, sizeof size);
}

static void to_send(struct batch *batch, const hob_udp_msg *msgs, unsigned count)
{
    batch->msgs = NULL;
    for (unsigned i = 0; i < count; i++) {
        const hob_udp_msg *msg = &msgs[i];
        batch->pieces[i] = (struct iovec){ .iov_base = msg->buf, .iov_len = msg->len };
        batch->headers[i] = (struct mmsghdr){
            .msg_hdr = {
                .msg_name = msg->addr.len != 0 ? (void *)(uintptr_t)msg->addr.u.raw : NULL,
                .msg_namelen = msg->addr.len,
                .msg_iov = &batch->pieces[i],
                .msg_iovlen = 1,
            },
        };
        if (msg->segment_bytes != 0 && msg->segment_bytes < msg->len)
            put_segment(&batch->headers[i].msg_hdr, &batch->controls[i], msg->segment_bytes);
    }
}

/* ---- both ---- */

static bool batch_ended(struct op *op)
{
    struct batch *batch = container_of(op->many.msgs, struct batch, headers[0]);

    for (int64_t i = 0; i < op->result && batch->msgs != NULL; i++)
        fill_in(&batch->msgs[i], &batch->headers[i]);
    if (batch->on_heap)
        hob__free(batch);
    return true;
}

static ssize_t await_batch(struct dgram *socket, enum op_kind kind, struct batch *batch,
                           unsigned count)
{
    struct op op = {
        .kind = kind,
        .desc = &socket->desc,
        .many = { .msgs = batch->headers, .count = count },
        .finish = batch_ended,
    };
    batch->on_heap = false;
    hob__op_await(&op);
    return op.result;
}

static void prep_batch(hob_op *place, struct dgram *socket, enum op_kind kind,
                       struct batch *batch, unsigned count)
{
    struct op *op = hob__op_prep(place, kind, &socket->desc);
    batch->on_heap = true;
    op->many.msgs = batch->headers;
    op->many.count = count;
    op->finish = batch_ended;
}

ssize_t hob__dgram_recv_many(struct dgram *socket, hob_udp_msg *msgs, size_t count)
{
    struct batch batch;

    if (count == 0)
        return hob_cancelled();
    to_receive(&batch, socket, msgs, count_of(count));
    return await_batch(socket, OP_RECVMANY, &batch, count_of(count));
}

int hob__dgram_recv_many_prep(hob_op *place, struct dgram *socket, hob_udp_msg *msgs, size_t count)
{
    if (count == 0) {
        prep_nothing(place);
        return 0;
    }
    struct batch *batch = hob__alloc(sizeof *batch);
    if (batch == NULL)
        return -ENOMEM;
    to_receive(batch, socket, msgs, count_of(count));
    prep_batch(place, socket, OP_RECVMANY, batch, count_of(count));
    return 0;
}

ssize_t hob__dgram_send_many(struct dgram *socket, const hob_udp_msg *msgs, size_t count)
{
    struct batch batch;

    if (count == 0)
        return hob_cancelled();
    to_send(&batch, msgs, count_of(count));
    return await_batch(socket, OP_SENDMANY, &batch, count_of(count));
}

int hob__dgram_send_many_prep(hob_op *place, struct dgram *socket, const hob_udp_msg *msgs,
                              size_t count)
{
    if (count == 0) {
        prep_nothing(place);
        return 0;
    }
    struct batch *batch = hob__alloc(sizeof *batch);
    if (batch == NULL)
        return -ENOMEM;
    to_send(batch, msgs, count_of(count));
    prep_batch(place, socket, OP_SENDMANY, batch, count_of(count));
    return 0;
}
