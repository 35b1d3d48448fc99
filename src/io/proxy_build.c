/* SPDX-License-Identifier: MIT */
/* Building PROXY headers: what it must say is checked first, and written in one go. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "hob/proxy.h"
#include "io/proxy.h"

static int family_of(const hob_addr *addr)
{
    return addr->len != 0 ? addr->u.family : AF_UNSPEC;
}

/* Of both ends: a Unix client often has no name. */
static int family_of_both(const hob_proxy_header *h)
{
    return h->source.len != 0 ? h->source.u.family : family_of(&h->destination);
}

/* ---- version 1 ---- */

static const char *ip_text(const hob_addr *addr, char *text)
{
    size_t at = addr->u.family == AF_INET ? offsetof(struct sockaddr_in, sin_addr)
                                          : offsetof(struct sockaddr_in6, sin6_addr);
    return inet_ntop(addr->u.family, addr->u.raw + at, text, INET6_ADDRSTRLEN);
}

/* The protocol knows no dots in IPv6, which inet_ntop writes for some addresses. */
static const char *v6_text(const hob_addr *addr, char *text)
{
    if (strchr(ip_text(addr, text), '.') == NULL)
        return text;
    const uint8_t *ip = addr->u.raw + offsetof(struct sockaddr_in6, sin6_addr);
    int            len = 0;
    for (int i = 0; i < 16; i += 2)
        len += sprintf(text + len, "%s%x", i > 0 ? ":" : "", ip[i] << 8 | ip[i + 1]);
    return text;
}

static bool has_values(const hob_proxy_header *h)
{
    return h->alpn.at != NULL || h->authority.at != NULL || h->unique_id.at != NULL ||
           h->netns.at != NULL || h->has_checksum;
}

static ssize_t build_v1(const hob_proxy_header *h, char line[HOB_PROXY_V1_MAX + 1])
{
    char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
    int  family = family_of(&h->source);

    if (h->is_datagram || has_values(h))
        return -EINVAL;
    if (h->is_local)
        return snprintf(line, HOB_PROXY_V1_MAX + 1, "PROXY UNKNOWN\r\n");
    if (family == AF_INET) {
        ip_text(&h->source, from);
        ip_text(&h->destination, to);
    } else if (family == AF_INET6) {
        v6_text(&h->source, from);
        v6_text(&h->destination, to);
    } else {
        return -EINVAL;
    }
    return snprintf(line, HOB_PROXY_V1_MAX + 1, "PROXY TCP%d %s %s %u %u\r\n",
                    family == AF_INET ? 4 : 6, from, to, (unsigned)hob_addr_port(&h->source),
                    (unsigned)hob_addr_port(&h->destination));
}

/* ---- version 2 ---- */

/* Where to write; what does not fit is counted only. */
struct out {
    unsigned char *bytes;
    size_t         size, len;
};

static void put(struct out *out, const void *bytes, size_t len)
{
    if (len <= out->size && out->len <= out->size - len)
        memcpy(out->bytes + out->len, bytes, len);
    out->len += len;
}

static void put_u8(struct out *out, unsigned value)
{
    put(out, &(unsigned char){ (unsigned char)value }, 1);
}

static void put_u16(struct out *out, unsigned value)
{
    put_u8(out, value >> 8);
    put_u8(out, value & 0xff);
}

static void put_v4(struct out *out, const hob_addr *addr)
{
    put(out, addr->u.raw + offsetof(struct sockaddr_in, sin_addr), 4);
}

static void put_v6(struct out *out, const hob_addr *addr)
{
    put(out, addr->u.raw + offsetof(struct sockaddr_in6, sin6_addr), 16);
}

static void put_path(struct out *out, const hob_addr *addr)
{
    unsigned char path[V2_UNIX_PATH] = { 0 };
    size_t        at = offsetof(struct sockaddr_un, sun_path);
    if (addr->len > at)
        memcpy(path, addr->u.raw + at, addr->len - at < sizeof path ? addr->len - at : sizeof path);
    put(out, path, sizeof path);
}

static void put_addrs(struct out *out, const hob_proxy_header *h, int family)
{
    if (family == AF_INET || family == AF_INET6) {
        void (*put_ip)(struct out *, const hob_addr *) = family == AF_INET ? put_v4 : put_v6;
        put_ip(out, &h->source);
        put_ip(out, &h->destination);
        put_u16(out, hob_addr_port(&h->source));
        put_u16(out, hob_addr_port(&h->destination));
    } else if (family == AF_UNIX) {
        put_path(out, &h->source);
        put_path(out, &h->destination);
    }
}

static void put_value(struct out *out, unsigned type, const hob_proxy_bytes *value)
{
    if (value->at == NULL)
        return;
    put_u8(out, type);
    put_u16(out, value->len & 0xffff);
    put(out, value->at, value->len);
}

static unsigned v2_family(int family, bool is_datagram)
{
    unsigned half = family == AF_INET ? V2_INET : family == AF_INET6 ? V2_INET6
                    : family == AF_UNIX ? V2_UNIX : V2_UNSPEC;
    return half == V2_UNSPEC ? 0 : half << 4 | (is_datagram ? V2_DGRAM : V2_STREAM);
}

/* The length and the checksum are known at the end; both were written as zeros. */
static ssize_t complete(struct out *out, size_t crc_at)
{
    if (out->len > out->size || out->len > V2_BYTES_MAX)
        return -EMSGSIZE;
    size_t rest = out->len - V2_FIXED_BYTES;
    out->bytes[14] = (unsigned char)(rest >> 8);
    out->bytes[15] = (unsigned char)rest;
    if (crc_at > 0) {
        uint32_t crc = htonl(hob__crc32c(0, out->bytes, out->len));
        memcpy(out->bytes + crc_at, &crc, sizeof crc);
    }
    return (ssize_t)out->len;
}

static ssize_t build_v2(const hob_proxy_header *h, void *bytes, size_t size)
{
    static const unsigned char zeros[CRC_BYTES];
    struct out                 out = { bytes, size, 0 };
    int                        family = h->is_local ? AF_UNSPEC : family_of_both(h);
    size_t                     crc_at = 0;

    if (h->unique_id.len > UNIQUE_ID_MAX)
        return -EINVAL;
    if (h->alpn.len > 0xffff || h->authority.len > 0xffff || h->netns.len > 0xffff)
        return -EMSGSIZE;
    put(&out, V2_SIGNATURE, V2_SIGNATURE_BYTES);
    put_u8(&out, h->is_local ? V2_LOCAL : V2_PROXY);
    put_u8(&out, v2_family(family, h->is_datagram));
    put_u16(&out, 0);
    put_addrs(&out, h, family);
    put_value(&out, TLV_ALPN, &h->alpn);
    put_value(&out, TLV_AUTHORITY, &h->authority);
    put_value(&out, TLV_UNIQUE_ID, &h->unique_id);
    put_value(&out, TLV_NETNS, &h->netns);
    if (h->has_checksum) {
        crc_at = out.len + TLV_HEAD_BYTES;
        put_value(&out, TLV_CRC32C, &(hob_proxy_bytes){ zeros, sizeof zeros });
    }
    return complete(&out, crc_at);
}

/* ---- both ---- */

static bool says_who(const hob_proxy_header *h)
{
    if (h->is_local)
        return true;
    int family = family_of(&h->source), other = family_of(&h->destination);
    if (family == AF_UNIX || other == AF_UNIX)
        return (family == AF_UNIX || family == AF_UNSPEC) &&
               (other == AF_UNIX || other == AF_UNSPEC);
    return family == other && family != AF_UNSPEC;
}

ssize_t hob_proxy_build(const hob_proxy_header *header, void *bytes, size_t size)
{
    char line[HOB_PROXY_V1_MAX + 1];

    if (!says_who(header))
        return -EINVAL;
    if (header->version == 2)
        return build_v2(header, bytes, size);
    ssize_t len = header->version == 1 ? build_v1(header, line) : -EINVAL;
    if (len < 0)
        return len;
    if ((size_t)len > size)
        return -EMSGSIZE;
    memcpy(bytes, line, (size_t)len);
    return len;
}
