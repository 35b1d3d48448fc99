/* SPDX-License-Identifier: MIT */
/*
 * PROXY headers from noise. What is said of the bytes must not depend on how they are cut, reading
 * as many as are missing must never read past a header, and what was read can be built and is the
 * same when it is read again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hob/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int cond)
{
    if (!cond)
        abort();
}

static int lies_in(const hob_proxy_bytes *piece, const uint8_t *data, size_t len)
{
    return piece->at == NULL ||
           (piece->at >= data && piece->len <= len && piece->at + piece->len <= data + len);
}

static int same_piece(const hob_proxy_bytes *a, const hob_proxy_bytes *b)
{
    return (a->at == NULL) == (b->at == NULL) && a->len == b->len &&
           (a->len == 0 || memcmp(a->at, b->at, a->len) == 0);
}

/* As a connection does it: what is missing, until it is whole. */
static ssize_t read_as_it_comes(const uint8_t *data, size_t size, hob_proxy_header *header,
                                size_t *ret_read)
{
    size_t  have = 0;
    ssize_t r;
    while ((r = hob_proxy_parse(data, have, header)) == 0) {
        size_t missing = hob_proxy_missing(data, have);
        must(missing > 0);
        if (missing > size - have)
            break;
        have += missing;
    }
    *ret_read = have;
    return r;
}

static void build_again(const hob_proxy_header *header)
{
    static uint8_t   bytes[70000];
    hob_proxy_header again;
    ssize_t          len = hob_proxy_build(header, bytes, sizeof bytes);
    if (header->source.len == 0 && header->destination.len == 0 && !header->is_local) {
        must(len == -EINVAL); // two Unix sockets without names
        return;
    }
    must(len > 0);
    must(hob_proxy_parse(bytes, (size_t)len, &again) == len);
    must(again.version == header->version && again.is_local == header->is_local);
    if (header->is_local)
        return;
    must(hob_addr_equal(&again.source, &header->source));
    must(hob_addr_equal(&again.destination, &header->destination));
    must(again.is_datagram == header->is_datagram && again.has_checksum == header->has_checksum);
    must(same_piece(&again.alpn, &header->alpn) && same_piece(&again.authority, &header->authority));
    must(same_piece(&again.unique_id, &header->unique_id) && same_piece(&again.netns, &header->netns));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hob_proxy_header header = { .version = 77 }, cut;
    ssize_t          whole = hob_proxy_parse(data, size, &header), r = 0;
    size_t           have = 0;

    for (; have <= size && r == 0; have++)
        r = hob_proxy_parse(data, have, &cut);
    must(r == whole);
    if (whole > 0) {
        must((size_t)whole == have - 1 && whole >= HOB_PROXY_MIN);
        must(header.version == 1 || header.version == 2);
        must(lies_in(&header.alpn, data, (size_t)whole) && lies_in(&header.netns, data, (size_t)whole));
        must(lies_in(&header.tls_version, data, (size_t)whole));
        must(lies_in(&header.tls_cipher, data, (size_t)whole));
        must(read_as_it_comes(data, size, &cut, &have) == whole && have == (size_t)whole);
        build_again(&header);
    } else {
        must(header.version == 77);
        must(whole == 0 || whole == -EBADMSG);
        (void)read_as_it_comes(data, size, &cut, &have);
        must(have <= size);
    }
    return 0;
}
