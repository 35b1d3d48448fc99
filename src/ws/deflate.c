/* SPDX-License-Identifier: MIT */
/*
 * Messages through zlib. A message is deflated with a sync flush, whose last four bytes, 00 00 FF FF,
 * are not sent: RFC 7692 7.2.
 *
 * Without takeover the state lives as long as a message does, so an idle connection has none.
 */
#include "ws/deflate.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ws/ws.h"

enum { MEM_LEVEL_LESS = 7 }; /* tables that fit the window: level = bits - 7 */

static void *take(void *opaque, unsigned count, unsigned size)
{
    (void)opaque;
    return hob__ws_alloc((size_t)count * size);
}

static void give(void *opaque, void *memory)
{
    (void)opaque;
    free(memory);
}

static uInt part(size_t len)
{
    return len < UINT_MAX ? (uInt)len : UINT_MAX;
}

/* ---- in ---- */

static int begin_in(struct ws_deflate *d)
{
    if (d->has_in)
        return 0;
    d->in = (z_stream){ .zalloc = take, .zfree = give };
    if (inflateInit2(&d->in, -d->in_bits) != Z_OK)
        return -ENOMEM;
    d->has_in = true;
    return 0;
}

long hob__ws_inflate(struct ws_deflate *d, const unsigned char **in, size_t *in_len, void *out,
                     size_t cap)
{
    int r = begin_in(d);
    if (r < 0)
        return r;
    d->in.next_out = out;
    d->in.avail_out = part(cap);
    for (;;) {
        d->in.next_in = (unsigned char *)(uintptr_t)*in;
        d->in.avail_in = part(*in_len);
        uInt before = d->in.avail_in, room = d->in.avail_out;
        int  z = inflate(&d->in, Z_SYNC_FLUSH);
        // zlib.h: 128 says that a block has just ended. A call that does nothing forgets it.
        if (before > d->in.avail_in || room > d->in.avail_out)
            d->is_between_blocks = (d->in.data_type & 128) != 0;
        *in += before - d->in.avail_in;
        *in_len -= before - d->in.avail_in;
        if (z == Z_MEM_ERROR)
            return -ENOMEM;
        if (z != Z_OK && z != Z_STREAM_END && z != Z_BUF_ERROR)
            return -EBADMSG;
        // Behind a last block another stream may begin, with nothing of this one's window.
        if (z == Z_STREAM_END && inflateReset(&d->in) != Z_OK)
            return -EBADMSG;
        if (d->in.avail_out == 0 || *in_len == 0)
            return (long)(part(cap) - d->in.avail_out);
        if (z == Z_BUF_ERROR)
            return -EBADMSG; // there is room, and input, and it does not go on
    }
}

int hob__ws_inflate_end(struct ws_deflate *d)
{
    if (d->has_in && !d->in_keeps) {
        inflateEnd(&d->in);
        d->has_in = false;
    }
    return d->is_between_blocks ? 0 : -EBADMSG;
}

/* ---- out ---- */

static int begin_out(struct ws_deflate *d)
{
    if (d->has_out)
        return 0;
    d->out = (z_stream){ .zalloc = take, .zfree = give };
    if (deflateInit2(&d->out, d->level, Z_DEFLATED, -d->out_bits, d->out_bits - MEM_LEVEL_LESS,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    d->has_out = true;
    return 0;
}

static void end_out(struct ws_deflate *d)
{
    if (d->has_out) {
        deflateEnd(&d->out);
        d->has_out = false;
    }
}

int hob__ws_deflate(struct ws_deflate *d, const void *data, size_t len, unsigned char **ret_data,
                    size_t *ret_len)
{
    if (len > UINT_MAX / 2)
        return -ENOMEM;
    int r = begin_out(d);
    if (r < 0)
        return r;
    size_t         cap = deflateBound(&d->out, len) + 16; // also for the flush
    unsigned char *out = hob__ws_alloc(cap);
    if (out == NULL) {
        if (!d->out_keeps)
            end_out(d);
        return -ENOMEM;
    }
    d->out.next_in = (unsigned char *)(uintptr_t)data;
    d->out.avail_in = (uInt)len;
    d->out.next_out = out;
    d->out.avail_out = (uInt)cap;
    // Z_BUF_ERROR: an empty message behind another; there is nothing to flush.
    int z = deflate(&d->out, Z_SYNC_FLUSH);
    size_t so_far = cap - d->out.avail_out;
    bool   is_whole = (z == Z_OK || z == Z_BUF_ERROR) && d->out.avail_in == 0 && d->out.avail_out > 0;
    if (!d->out_keeps || !is_whole)
        end_out(d);
    if (!is_whole) {
        free(out);
        return -ENOMEM;
    }
    if (so_far >= 4)
        so_far -= 4;
    else
        out[so_far++] = 0; // 7.2.3.6
    *ret_data = out;
    *ret_len = so_far;
    return 0;
}

void hob__ws_deflate_forget(struct ws_deflate *d)
{
    end_out(d);
}

void hob__ws_deflate_fini(struct ws_deflate *d)
{
    if (d->has_in)
        inflateEnd(&d->in);
    end_out(d);
}
