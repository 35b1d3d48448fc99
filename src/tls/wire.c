/* SPDX-License-Identifier: MIT */
/*
 * The encrypted bytes of a connection, on their way in and out.
 *
 * What waits for a peer is small: the room for large reads is there while the reads are large,
 * and that for sending while something is to be sent.
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
        in->large = hob__tls_alloc(WIRE_IN_LARGE);
    if (!in->wants_large && in->large != NULL) {
        hob__tls_free(in->large);
        in->large = NULL;
    }
    in->begin = in->end = 0;
    in->is_in_large = in->large != NULL;
    *ret_len = in->is_in_large ? WIRE_IN_LARGE : WIRE_IN_SMALL;
    return in->is_in_large ? in->large : in->small;
}

void hob__wire_in_came(struct wire *wire, size_t len)
{
    struct wire_in *in = &wire->in;

    in->end = len;
    // There is more where this came from; but who waits for it to come does so in the small one.
    in->wants_large = len == (in->is_in_large ? (size_t)WIRE_IN_LARGE : (size_t)WIRE_IN_SMALL);
}

size_t hob__wire_in_take(struct wire *wire, void *buf, size_t len)
{
    struct wire_in *in = &wire->in;
    size_t          n = in->end - in->begin < len ? in->end - in->begin : len;

    memcpy(buf, (in->is_in_large ? in->large : in->small) + in->begin, n);
    in->begin += n;
    return n;
}

/* ---- out ---- */

int hob__wire_out_reserve(struct wire *wire)
{
    if (wire->out.bytes == NULL)
        wire->out.bytes = hob__tls_alloc(WIRE_OUT_MAX);
    return wire->out.bytes != NULL ? 0 : -ENOMEM;
}

size_t hob__wire_out_put(struct wire *wire, const void *buf, size_t len)
{
    struct wire_out *out = &wire->out;
    if (hob__wire_out_reserve(wire) < 0) {
        wire->no_memory = true;
        return 0;
    }

    size_t room = WIRE_OUT_MAX - out->end;
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
    hob__tls_free(out->bytes);
    *out = (struct wire_out){ 0 };
}
