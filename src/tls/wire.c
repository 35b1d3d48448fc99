/* SPDX-License-Identifier: MIT */
/*
 * The encrypted bytes of a connection, on their way in and out.
 *
 * What waits for a peer is small: the room for large reads is there while the messages are large,
 * and that for sending while something is to be sent. (A connection that falls idle after a large
 * message keeps that room: a read of 512 bytes before each of them costs more than it saves.)
 */
#include <errno.h>
#include <string.h>

#include "tls/engine.h"

void hob__wire_free(struct wire *wire)
{
    hob__tls_free(wire->in.large);
    hob__tls_free(wire->out.bytes);
    wire->in.large = NULL;
    wire->out.bytes = NULL;
}

/* ---- in ---- */

/* Called when all that came before was taken. Without memory the small room has to do. */
unsigned char *hob__wire_in_room(struct wire *wire, size_t *ret_len)
{
    struct wire_in *in = &wire->in;

    if (in->wants_large && in->large == NULL)
        in->large = hob__tls_alloc(WIRE_LARGE);
    if (!in->wants_large && in->large != NULL) {
        hob__tls_free(in->large);
        in->large = NULL;
    }
    in->begin = in->end = 0;
    in->is_in_large = in->large != NULL;
    in->is_lent = true;
    *ret_len = in->is_in_large ? WIRE_LARGE : WIRE_IN_SMALL;
    return in->is_in_large ? in->large : in->small;
}

void hob__wire_in_came(struct wire *wire, size_t len)
{
    struct wire_in *in = &wire->in;

    in->is_lent = false;
    if (len == 0)
        return;
    in->end = len;
    in->wants_large = in->is_in_large ? len > WIRE_IN_SMALL : len == WIRE_IN_SMALL;
}

size_t hob__wire_in_take(struct wire *wire, void *buf, size_t len)
{
    struct wire_in *in = &wire->in;
    size_t          n = in->end - in->begin < len ? in->end - in->begin : len;

    memcpy(buf, (in->is_in_large ? in->large : in->small) + in->begin, n);
    in->begin += n;
    return n;
}

void hob__wire_in_expect_small(struct wire *wire)
{
    wire->in.wants_large = false;
}

/* ---- out ---- */

/* The room of the incoming bytes, when they were all taken and nobody reads; or NULL. Who answers
 * what came needs no other: and many that come and go at once cost page faults. */
static unsigned char *take_room_of_in(struct wire_in *in)
{
    unsigned char *large = in->large;

    if (large == NULL || in->is_lent || in->begin < in->end)
        return NULL;
    in->large = NULL;
    in->is_in_large = false;
    in->begin = in->end = 0;
    return large;
}

/* Of a size that fits: malloc is several times as fast for what is small. */
int hob__wire_out_reserve(struct wire *wire, size_t plain_len)
{
    struct wire_out *out = &wire->out;

    if (out->bytes != NULL)
        return 0;
    out->size = WIRE_LARGE;
    out->bytes = take_room_of_in(&wire->in);
    if (out->bytes == NULL) {
        out->size = plain_len < WIRE_LARGE - WIRE_OUT_MORE ? plain_len + WIRE_OUT_MORE : WIRE_LARGE;
        out->bytes = hob__tls_alloc(out->size);
    }
    return out->bytes != NULL ? 0 : -ENOMEM;
}

size_t hob__wire_out_put(struct wire *wire, const void *buf, size_t len)
{
    struct wire_out *out = &wire->out;
    if (hob__wire_out_reserve(wire, WIRE_LARGE) < 0) {
        wire->no_memory = true;
        return 0;
    }

    size_t room = out->size - out->end;
    size_t n = room < len ? room : len;
    memcpy(out->bytes + out->end, buf, n);
    out->end += n;
    return n;
}

void hob__wire_out_sent(struct wire *wire, size_t len)
{
    struct wire_out *out = &wire->out;

    out->begin += len;
    if (out->begin < out->end)
        return;
    if (wire->in.wants_large && wire->in.large == NULL && out->size == WIRE_LARGE)
        wire->in.large = out->bytes; // for the next that comes
    else
        hob__tls_free(out->bytes);
    *out = (struct wire_out){ 0 };
}
