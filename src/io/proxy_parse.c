/* SPDX-License-Identifier: MIT */
/*
 * Reading PROXY headers: bytes alone, and everything that comes may be hostile.
 *
 * Version 1 is a line of at most 107 bytes:
 *
 *     PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n
 *     PROXY UNKNOWN ...\r\n
 *
 * Version 2 says its length in the first 16 bytes. Nothing is looked at before all of it is there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "hob/proxy.h"
#include "io/proxy.h"

#define V1_BEGIN "PROXY "
#define V1_UNKNOWN "PROXY UNKNOWN"
#define V1_TCP "PROXY TCP"

enum { V1_BEGIN_LEN = sizeof V1_BEGIN - 1, V1_UNKNOWN_LEN = sizeof V1_UNKNOWN - 1,
       V1_TCP_LEN = sizeof V1_TCP - 1, V1_FIELDS = 6 };

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool begins_with(const unsigned char *bytes, size_t len, const char *with, size_t with_len)
{
    return memcmp(bytes, with, least(len, with_len)) == 0;
}

/* ---- version 1 ---- */

struct field {
    const char *at;
    size_t      len;
};

/* False: not a number from 0 to 65535 in its one form. */
static bool read_port(const struct field *field, uint16_t *ret_port)
{
    uint32_t value = 0;
    if (field->len == 0 || field->len > 5 || (field->at[0] == '0' && field->len > 1))
        return false;
    for (size_t i = 0; i < field->len; i++) {
        if (field->at[i] < '0' || field->at[i] > '9')
            return false;
        value = 10 * value + (uint32_t)(field->at[i] - '0');
    }
    *ret_port = (uint16_t)value;
    return value <= 0xffff;
}

/* inet_pton also takes dots in IPv6, which the protocol does not. */
static bool read_addr(int family, const struct field *ip, const struct field *port,
                      hob_addr *ret_addr)
{
    char     text[INET6_ADDRSTRLEN];
    uint8_t  bytes[16];
    uint16_t number;
    if (ip->len == 0 || ip->len >= sizeof text || !read_port(port, &number))
        return false;
    memcpy(text, ip->at, ip->len);
    text[ip->len] = '\0';
    if (family == AF_INET6 && memchr(text, '.', ip->len) != NULL)
        return false;
    if (inet_pton(family, text, bytes) != 1)
        return false;
    *ret_addr = hob_addr_from_ip(bytes, family == AF_INET ? 4 : 16, number);
    return true;
}

/* At each space; false: there are more or fewer than six. */
static bool split(const char *line, size_t len, struct field fields[V1_FIELDS])
{
    size_t count = 0, from = 0;
    for (size_t i = 0; i <= len; i++) {
        if (i < len && line[i] != ' ')
            continue;
        if (count == V1_FIELDS)
            return false;
        fields[count++] = (struct field){ line + from, i - from };
        from = i + 1;
    }
    return count == V1_FIELDS;
}

static bool field_is(const struct field *field, const char *text)
{
    return field->len == strlen(text) && memcmp(field->at, text, field->len) == 0;
}

/* The line without its end. */
static bool parse_line(const char *line, size_t len, hob_proxy_header *header)
{
    struct field fields[V1_FIELDS];
    if (len >= V1_UNKNOWN_LEN && memcmp(line, V1_UNKNOWN, V1_UNKNOWN_LEN) == 0) {
        header->is_local = 1;
        return len == V1_UNKNOWN_LEN || line[V1_UNKNOWN_LEN] == ' ';
    }
    if (!split(line, len, fields))
        return false;
    int family = field_is(&fields[1], "TCP4") ? AF_INET : field_is(&fields[1], "TCP6") ? AF_INET6 : -1;
    return family >= 0 && read_addr(family, &fields[2], &fields[4], &header->source) &&
           read_addr(family, &fields[3], &fields[5], &header->destination);
}

static ssize_t parse_v1(const unsigned char *bytes, size_t len, hob_proxy_header *header)
{
    size_t at = 0, max = least(len, HOB_PROXY_V1_MAX);
    while (at < max && bytes[at] >= ' ' && bytes[at] < 0x7f)
        at++;
    if (at == HOB_PROXY_V1_MAX || (at < len && bytes[at] != '\r') ||
        (at + 1 < len && bytes[at + 1] != '\n'))
        return -EBADMSG;
    if (at + 1 >= len)
        return at + 1 < HOB_PROXY_V1_MAX ? 0 : -EBADMSG;
    header->version = 1;
    if (at + 2 > HOB_PROXY_V1_MAX || !parse_line((const char *)bytes, at, header))
        return -EBADMSG;
    return (ssize_t)at + 2;
}

/* ---- version 2 ---- */

static uint16_t read_u16(const unsigned char *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t read_u32(const unsigned char *at)
{
    return (uint32_t)read_u16(at) << 16 | read_u16(at + 2);
}

/* 108 bytes that may end early; a NUL at the beginning makes an abstract name, all NUL none. */
static hob_addr read_path(const unsigned char *at)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    size_t             len = V2_UNIX_PATH;
    if (at[0] != '\0')
        len = strnlen((const char *)at, V2_UNIX_PATH);
    while (len > 0 && at[len - 1] == '\0')
        len--;
    if (len == 0)
        return (hob_addr){ 0 };
    memcpy(un.sun_path, at, len);
    hob_addr addr = { .len = (uint16_t)(offsetof(struct sockaddr_un, sun_path) + len) };
    memcpy(addr.u.raw, &un, addr.len);
    return addr;
}

/* How many bytes the addresses of a family take; -1: there is no such family. */
static int addr_bytes(unsigned family)
{
    static const int bytes[] = { [V2_UNSPEC] = 0, [V2_INET] = V2_INET_BYTES,
                                 [V2_INET6] = V2_INET6_BYTES, [V2_UNIX] = V2_UNIX_BYTES };
    return family < sizeof bytes / sizeof bytes[0] ? bytes[family] : -1;
}

static void read_addrs(unsigned family, const unsigned char *at, hob_proxy_header *header)
{
    switch (family) {
    case V2_INET:
        header->source = hob_addr_from_ip(at, 4, read_u16(at + 8));
        header->destination = hob_addr_from_ip(at + 4, 4, read_u16(at + 10));
        return;
    case V2_INET6:
        header->source = hob_addr_from_ip(at, 16, read_u16(at + 32));
        header->destination = hob_addr_from_ip(at + 16, 16, read_u16(at + 34));
        return;
    case V2_UNIX:
        header->source = read_path(at);
        header->destination = read_path(at + V2_UNIX_PATH);
        return;
    default:
        return;
    }
}

uint32_t hob__crc32c(uint32_t crc, const unsigned char *bytes, size_t len)
{
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes != NULL ? bytes[i] : 0;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0x82f63b78u & -(crc & 1));
    }
    return ~crc;
}

struct values {
    const unsigned char *begin; /* of the header */
    size_t               len;
    uint32_t             seen;  /* a bit for each type that may be there once */
    hob_proxy_header    *header;
};

/* Over all, with zeros where it stands itself. */
static bool checksum_is_right(const struct values *v, const unsigned char *at)
{
    size_t   before = (size_t)(at - v->begin);
    uint32_t crc = hob__crc32c(0, v->begin, before);
    crc = hob__crc32c(crc, NULL, CRC_BYTES);
    crc = hob__crc32c(crc, at + CRC_BYTES, v->len - before - CRC_BYTES);
    return crc == read_u32(at);
}

static bool read_values(struct values *v, const unsigned char *at, size_t len, bool inside);

/* Who is the client, in the words of its TLS: a byte of flags, how its certificate was judged, then
 * values of its own. */
static bool read_ssl(struct values *v, const unsigned char *at, size_t len)
{
    enum { HEAD = 5, SSL = 1, CERT_CONN = 2, CERT_SESS = 4 };
    if (len < HEAD)
        return false;
    v->header->is_tls = (at[0] & SSL) != 0;
    v->header->has_client_cert = (at[0] & (CERT_CONN | CERT_SESS)) != 0;
    v->header->client_verified = v->header->has_client_cert && read_u32(at + 1) == 0;
    return read_values(v, at + HEAD, len - HEAD, true);
}

/* Where a piece of that type goes; NULL: it is not kept. */
static hob_proxy_bytes *piece_for(hob_proxy_header *header, unsigned type, bool inside)
{
    switch (type) {
    case TLV_ALPN:
        return inside ? NULL : &header->alpn;
    case TLV_AUTHORITY:
        return inside ? NULL : &header->authority;
    case TLV_UNIQUE_ID:
        return inside ? NULL : &header->unique_id;
    case TLV_NETNS:
        return inside ? NULL : &header->netns;
    case TLV_SSL_VERSION:
        return inside ? &header->tls_version : NULL;
    case TLV_SSL_CN:
        return inside ? &header->tls_common_name : NULL;
    case TLV_SSL_CIPHER:
        return inside ? &header->tls_cipher : NULL;
    default:
        return NULL;
    }
}

static bool read_value(struct values *v, unsigned type, const unsigned char *at, size_t len,
                       bool inside)
{
    hob_proxy_bytes *piece = piece_for(v->header, type, inside);
    if (piece != NULL) {
        if (piece->at != NULL || (type == TLV_UNIQUE_ID && len > UNIQUE_ID_MAX))
            return false;
        *piece = (hob_proxy_bytes){ at, len };
        return true;
    }
    if (inside || (type != TLV_CRC32C && type != TLV_SSL))
        return true;
    uint32_t bit = type == TLV_CRC32C ? 1 : 2;
    if ((v->seen & bit) != 0)
        return false;
    v->seen |= bit;
    if (type == TLV_SSL)
        return read_ssl(v, at, len);
    v->header->has_checksum = 1;
    return len == CRC_BYTES && checksum_is_right(v, at);
}

static bool read_values(struct values *v, const unsigned char *at, size_t len, bool inside)
{
    while (len > 0) {
        if (len < TLV_HEAD_BYTES)
            return false;
        size_t value_len = read_u16(at + 1);
        if (value_len > len - TLV_HEAD_BYTES)
            return false;
        if (!read_value(v, at[0], at + TLV_HEAD_BYTES, value_len, inside))
            return false;
        at += TLV_HEAD_BYTES + value_len;
        len -= TLV_HEAD_BYTES + value_len;
    }
    return true;
}

/* `len` is the header's own. */
static bool parse_whole_v2(const unsigned char *bytes, size_t len, hob_proxy_header *header)
{
    unsigned family = bytes[13] >> 4, transport = bytes[13] & 15;
    int      taken = addr_bytes(family);

    header->version = 2;
    if (bytes[12] == V2_LOCAL) {
        header->is_local = 1;
        return true; // whatever follows is to be passed over
    }
    if (taken < 0 || transport > V2_DGRAM || (family == V2_UNSPEC) != (transport == 0) ||
        len - V2_FIXED_BYTES < (size_t)taken)
        return false;
    header->is_datagram = transport == V2_DGRAM;
    header->is_local = family == V2_UNSPEC;
    read_addrs(family, bytes + V2_FIXED_BYTES, header);
    struct values v = { .begin = bytes, .len = len, .header = header };
    size_t        values_at = V2_FIXED_BYTES + (size_t)taken;
    return read_values(&v, bytes + values_at, len - values_at, false);
}

static ssize_t parse_v2(const unsigned char *bytes, size_t len, hob_proxy_header *header)
{
    if (len > V2_SIGNATURE_BYTES && bytes[12] != V2_LOCAL && bytes[12] != V2_PROXY)
        return -EBADMSG;
    if (len < V2_FIXED_BYTES)
        return 0;
    size_t all = V2_FIXED_BYTES + (size_t)read_u16(bytes + 14);
    if (len < all)
        return 0;
    return parse_whole_v2(bytes, all, header) ? (ssize_t)all : -EBADMSG;
}

/* ---- both ---- */

ssize_t hob_proxy_parse(const void *data, size_t len, hob_proxy_header *ret_header)
{
    const unsigned char *bytes = data;
    hob_proxy_header     header = { .version = 0 };
    ssize_t              r = -EBADMSG;

    if (len == 0)
        return 0;
    if (begins_with(bytes, len, V1_BEGIN, V1_BEGIN_LEN))
        r = parse_v1(bytes, len, &header);
    else if (begins_with(bytes, len, V2_SIGNATURE, V2_SIGNATURE_BYTES))
        r = parse_v2(bytes, len, &header);
    if (r > 0)
        *ret_header = header;
    return r;
}

/* Of a line that is not complete. */
static size_t missing_v1(const char *line, size_t len)
{
    static const size_t shortest[2][V1_FIELDS] = { { 5, 4, 7, 7, 1, 1 }, { 5, 4, 2, 2, 1, 1 } };
    enum { END = 2 };
    size_t spaces = 0, missing = END;

    if (line[len - 1] == '\r')
        return 1;
    if (len <= V1_TCP_LEN || memcmp(line, V1_TCP, V1_TCP_LEN) != 0)
        return len < V1_UNKNOWN_LEN ? HOB_PROXY_MIN - len : END;
    for (size_t i = 0; i < len; i++)
        spaces += line[i] == ' ';
    const size_t *of = shortest[line[V1_TCP_LEN] == '6'];
    if (line[len - 1] == ' ' && spaces < V1_FIELDS)
        missing += of[spaces];
    for (size_t field = spaces + 1; field < V1_FIELDS; field++)
        missing += 1 + of[field];
    return missing;
}

size_t hob_proxy_missing(const void *data, size_t len)
{
    const unsigned char *bytes = data;

    if (len == 0)
        return HOB_PROXY_MIN;
    if (bytes[0] != '\r')
        return missing_v1(data, len);
    if (len < V2_FIXED_BYTES)
        return V2_FIXED_BYTES - len;
    size_t all = V2_FIXED_BYTES + (size_t)read_u16(bytes + 14);
    return all > len ? all - len : 1;
}
