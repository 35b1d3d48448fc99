/* SPDX-License-Identifier: MIT */
/*
 * A compressed body: gzip (RFC 1952), by zlib. One that is read in pieces:
 *
 *     libcurl ──▶ body: compressed, at most a window of it ── inflate ──▶ the reader's own buffer
 *
 * Nothing is held of what it becomes, and it may become a thousand times as much: so libcurl, which would
 * hold it while it is told to pause, is not asked to do it. What is not read waits at the server. One that is
 * read whole is unpacked when it has come: libcurl does not look whether a compressed body has its end.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "fetch/exchange.h"
#include "fetch/memory.h"

struct fetch_unzip {
    z_stream z;
    bool     is_inside; /* a member has begun, and not ended */
};

static void *z_alloc(void *none, unsigned count, unsigned size)
{
    (void)none;
    return hob__fetch_realloc(NULL, (size_t)count * size);
}

static void z_free(void *none, void *ptr)
{
    (void)none;
    hob__fetch_free(ptr);
}

static struct fetch_unzip *unzip_new(void)
{
    struct fetch_unzip *unzip = hob__fetch_alloc(sizeof *unzip);
    if (unzip == NULL)
        return NULL;
    unzip->z.zalloc = z_alloc;
    unzip->z.zfree = z_free;
    if (inflateInit2(&unzip->z, 15 + 16) != Z_OK) {
        hob__fetch_free(unzip);
        return NULL;
    }
    return unzip;
}

void hob__fetch_unzip_free(struct fetch_unzip *unzip)
{
    if (unzip == NULL)
        return;
    inflateEnd(&unzip->z);
    hob__fetch_free(unzip);
}

/* Another member may follow the one that ended. */
static int step(struct fetch_unzip *unzip, struct fetch_bytes *from)
{
    z_stream *z = &unzip->z;

    if (!unzip->is_inside && (z->avail_in == 0 || inflateReset(z) != Z_OK))
        return 0;
    unzip->is_inside = true;
    int r = inflate(z, Z_NO_FLUSH);
    from->begin = from->end - z->avail_in;
    if (r == Z_STREAM_END)
        unzip->is_inside = false;
    if (r == Z_MEM_ERROR)
        return -ENOMEM;
    return r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR ? r != Z_BUF_ERROR : HOB_EHTTP;
}

ssize_t hob__fetch_unzip(hob_fetch_answer *a, void *to, size_t len)
{
    struct fetch_bytes *from = &a->body;
    int                 r = 1;

    if (a->unzip == NULL && from->begin == from->end)
        return 0;
    if (a->unzip == NULL)
        a->unzip = unzip_new();
    if (a->unzip == NULL)
        return -ENOMEM;
    z_stream *z = &a->unzip->z;
    z->next_in = (Bytef *)from->data + from->begin;
    z->avail_in = (uInt)(from->end - from->begin);
    z->next_out = to;
    z->avail_out = (uInt)(len < FETCH_WINDOW ? len : FETCH_WINDOW);
    uInt room = z->avail_out;
    while (r > 0 && z->avail_out > 0)
        r = step(a->unzip, from);
    if (from->begin == from->end)
        from->begin = from->end = 0;
    size_t made = room - z->avail_out;
    return made > 0 ? (ssize_t)made : r < 0 ? r : 0; // what is wrong is found again by the next call
}

bool hob__fetch_unzip_is_whole(const hob_fetch_answer *a)
{
    return a->unzip == NULL || !a->unzip->is_inside;
}

enum fetch_coding hob__fetch_coding_of(const hob_fetch_answer *a)
{
    const char *coding = (a->told & TOLD_CODING) != 0 ? hob__fetch_find_header(a, "Content-Encoding") : NULL;

    if (!a->asks_gzip || coding == NULL || strcasecmp(coding, "identity") == 0)
        return CODING_NONE;
    return strcasecmp(coding, "gzip") == 0 || strcasecmp(coding, "x-gzip") == 0 ? CODING_GZIP : CODING_OTHER;
}
