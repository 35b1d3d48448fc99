/* SPDX-License-Identifier: MIT */
/* Which network an address is in. IPv4 is looked at as the part of IPv6 that it is mapped to. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "hob/addr.h"

enum { TEXT_MAX = INET6_ADDRSTRLEN + 4, BITS = 128, BITS_V4 = 32 };

static const uint8_t MAPPED[12] = { [10] = 0xff, [11] = 0xff };

struct ip {
    uint8_t bytes[16];
};

static struct ip from_v4(const void *four)
{
    struct ip ip;
    memcpy(ip.bytes, MAPPED, sizeof MAPPED);
    memcpy(ip.bytes + sizeof MAPPED, four, 4);
    return ip;
}

/* False: it is no Internet address. */
static bool ip_of(const hob_addr *addr, struct ip *ret_ip)
{
    size_t len = hob_addr_ip(addr, ret_ip->bytes);
    if (len == 4)
        *ret_ip = from_v4(ret_ip->bytes);
    return len > 0;
}

static int read_bits(const char *text, int max)
{
    int bits = 0;
    if (*text == '\0' || (text[0] == '0' && text[1] != '\0'))
        return -EINVAL;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        bits = 10 * bits + (*text - '0');
        if (bits > max)
            return -EINVAL;
    }
    return bits;
}

/* How many bits from the first count, or -EINVAL. */
static int parse_network(const char *text, struct ip *ret_ip)
{
    char        host[TEXT_MAX];
    const char *slash = strchr(text, '/');
    size_t      len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    uint8_t     four[4];
    bool        is_v4 = false;

    if (len >= sizeof host)
        return -EINVAL;
    memcpy(host, text, len);
    host[len] = '\0';
    if (inet_pton(AF_INET, host, four) == 1) {
        *ret_ip = from_v4(four);
        is_v4 = true;
    } else if (inet_pton(AF_INET6, host, ret_ip->bytes) != 1) {
        return -EINVAL;
    }
    int max = is_v4 ? BITS_V4 : BITS;
    int bits = slash != NULL ? read_bits(slash + 1, max) : max;
    return bits < 0 ? bits : bits + (is_v4 ? BITS - BITS_V4 : 0);
}

static bool bit_of(const struct ip *ip, int at)
{
    return (ip->bytes[at / 8] >> (7 - at % 8)) & 1;
}

int hob_addr_in_network(const hob_addr *addr, const char *network)
{
    struct ip net, ip;

    if (strcmp(network, "unix") == 0)
        return addr->len != 0 && addr->u.family == AF_UNIX;
    int bits = parse_network(network, &net);
    if (bits < 0)
        return bits;
    for (int i = bits; i < BITS; i++) {
        if (bit_of(&net, i))
            return -EINVAL;
    }
    if (!ip_of(addr, &ip))
        return 0;
    for (int i = 0; i < bits; i++) {
        if (bit_of(&net, i) != bit_of(&ip, i))
            return 0;
    }
    return 1;
}
