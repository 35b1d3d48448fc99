/* SPDX-License-Identifier: MIT */
/* The form of PROXY headers on the wire, for who reads and who builds them. */
#ifndef HOB_IO_PROXY_H
#define HOB_IO_PROXY_H

#include <stddef.h>
#include <stdint.h>

/* Version 2: signature, version and command, family and transport, length; then addresses, values. */
enum {
    V2_SIGNATURE_BYTES = 12,
    V2_FIXED_BYTES = 16,
    V2_BYTES_MAX = V2_FIXED_BYTES + 0xffff,
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,
    V2_INET_BYTES = 12,
    V2_INET6_BYTES = 36,
    V2_UNIX_PATH = 108,
    V2_UNIX_BYTES = 2 * V2_UNIX_PATH,
    TLV_HEAD_BYTES = 3,
    TLV_ALPN = 0x01,
    TLV_AUTHORITY = 0x02,
    TLV_CRC32C = 0x03,
    TLV_NOOP = 0x04,
    TLV_UNIQUE_ID = 0x05,
    TLV_SSL = 0x20,
    TLV_SSL_VERSION = 0x21,
    TLV_SSL_CN = 0x22,
    TLV_SSL_CIPHER = 0x23,
    TLV_NETNS = 0x30,
    UNIQUE_ID_MAX = 128,
    CRC_BYTES = 4,
};

enum { V2_UNSPEC, V2_INET, V2_INET6, V2_UNIX }; /* the family, in the upper half of its byte */
enum { V2_STREAM = 1, V2_DGRAM = 2 };           /* the transport, in the lower               */

#define V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

/* The checksum goes on: begins with 0, over so many bytes; over as many zeros for NULL. */
uint32_t hob__crc32c(uint32_t crc, const unsigned char *bytes, size_t len);

#endif
