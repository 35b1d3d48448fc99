/* SPDX-License-Identifier: MIT */
/* PROXY headers: right ones at every cut, wrong ones, and connections that begin with one. */
#include "support/io.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

#define BYTES_OF(text) (text), sizeof(text) - 1

static hob_addr addr_from(const char *text)
{
    hob_addr addr = { 0 };
    if (hob_addr_parse(text, &addr) < 0)
        abort();
    return addr;
}

static bool addr_is(const hob_addr *addr, const char *text)
{
    char found[HOB_ADDR_TEXT_MAX];
    return strcmp(hob_addr_format(addr, found, sizeof found), text) == 0;
}

static bool piece_is(const hob_proxy_bytes *piece, const char *text)
{
    return piece->at != NULL && piece->len == strlen(text) &&
           memcmp(piece->at, text, piece->len) == 0;
}

/* ---- right ones ---- */

static const struct right {
    const char *bytes;
    size_t      len;
    unsigned    version, is_local;
    const char *source, *destination;
} RIGHT[] = {
    { BYTES_OF("PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n"), 1, 0, "192.0.2.1:56324",
      "198.51.100.7:443" },
    { BYTES_OF("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), 1, 0,
      "255.255.255.255:65535", "255.255.255.255:65535" },
    { BYTES_OF("PROXY TCP4 1.1.1.1 2.2.2.2 0 1\r\n"), 1, 0, "1.1.1.1:0", "2.2.2.2:1" },
    { BYTES_OF("PROXY TCP6 2001:db8::1 ::1 1 2\r\n"), 1, 0, "[2001:db8::1]:1", "[::1]:2" },
    { BYTES_OF("PROXY TCP6 :: :: 1 2\r\n"), 1, 0, "[::]:1", "[::]:2" },
    { BYTES_OF("PROXY TCP6 ffff:f:f:f:f:f:f:ffff FFFF::A 65535 65535\r\n"), 1, 0,
      "[ffff:f:f:f:f:f:f:ffff]:65535", "[ffff::a]:65535" },
    { BYTES_OF("PROXY UNKNOWN\r\n"), 1, 1, "none", "none" },
    { BYTES_OF("PROXY UNKNOWN ffff:f...f:ffff 65535 65535\r\n"), 1, 1, "none", "none" },
    { BYTES_OF(SIGNATURE "\x21\x11\0\x0c\x7f\0\0\1\x0a\0\0\2\x01\0\x00\x50"), 2, 0, "127.0.0.1:256",
      "10.0.0.2:80" },
    { BYTES_OF(SIGNATURE "\x21\x21\0\x24" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
               "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\2" "\0\7\0\x50"), 2, 0, "[::1]:7", "[fd00::2]:80" },
    { BYTES_OF(SIGNATURE "\x20\0\0\0"), 2, 1, "none", "none" },
    { BYTES_OF(SIGNATURE "\x20\xff\0\3abc"), 2, 1, "none", "none" }, // LOCAL: passed over
    { BYTES_OF(SIGNATURE "\x21\0\0\0"), 2, 1, "none", "none" },
    { BYTES_OF(SIGNATURE "\x21\x11\0\x11\x7f\0\0\1\x0a\0\0\2\x01\0\x00\x50\xee\0\2xy"), 2, 0,
      "127.0.0.1:256", "10.0.0.2:80" }, // a value that nobody knows
};

enum { RIGHT_COUNT = sizeof RIGHT / sizeof RIGHT[0] };

TEST_BARE(proxy, a_header_is_read_and_every_part_of_it_is_too_little)
{
    for (size_t i = 0; i < RIGHT_COUNT; i++) {
        const struct right *right = &RIGHT[i];
        hob_proxy_header    header = { .version = 77 };
        char                longer[256];

        for (size_t len = 0; len < right->len; len++) {
            check_eq(hob_proxy_parse(right->bytes, len, &header), 0);
            size_t missing = hob_proxy_missing(right->bytes, len);
            check_ge(missing, 1);
            check_le(missing, right->len - len); // never more than the header has
        }
        check_eq(header.version, 77);
        memcpy(longer, right->bytes, right->len);
        memcpy(longer + right->len, "PROXY TCP4", 10);
        for (size_t more = 0; more <= 10; more++)
            check_eq(hob_proxy_parse(longer, right->len + more, &header), (ssize_t)right->len);
        check_eq(header.version, right->version);
        check_eq(header.is_local, right->is_local);
        check(addr_is(&header.source, right->source));
        check(addr_is(&header.destination, right->destination));
    }
}

/* ---- wrong ones ---- */

#define V4 "\x7f\0\0\1\x0a\0\0\2\x01\0\x00\x50"

static const struct {
    const char *bytes;
    size_t      len;
} WRONG[] = {
    { BYTES_OF("GET / HTTP/1.1\r\n") },
    { BYTES_OF("proxy UNKNOWN\r\n") },
    { BYTES_OF("PROXY\r\n") },
    { BYTES_OF("PROXY \r\n       ") },
    { BYTES_OF(" PROXY UNKNOWN\r\n") },
    { BYTES_OF("PROXY UNKNOWNX\r\n") },
    { BYTES_OF("PROXY UNKNOWN\n\n") },
    { BYTES_OF("PROXY UNKNOWN\r\r") },
    { BYTES_OF("PROXY UNKNOWN \0\r\n") },
    { BYTES_OF("PROXY UNKNOWN\t\r\n") },
    { BYTES_OF("PROXY  TCP4 1.1.1.1 2.2.2.2 1 2\r\n") },
    { BYTES_OF("PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n") },
    { BYTES_OF("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n") },
    { BYTES_OF("PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n") },
    { BYTES_OF("PROXY TCP4 1.1.1.1  1 2\r\n") },
    { BYTES_OF("PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n") },
    { BYTES_OF("PROXY TCP4 1.1.1.1 2.2.2.2 1 -2\r\n") },
    { BYTES_OF("PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n") },
    { BYTES_OF("PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n") },
    { BYTES_OF("PROXY TCP4 1.1.1.1 2.2.2.2 1 080\r\n") },
    { BYTES_OF("PROXY TCP4 1.1.1.1 2.2.2.2 0x1 2\r\n") },
    { BYTES_OF("PROXY TCP4 1.1.1.1 2.2.2.2 99999999999999999999 2\r\n") },
    { BYTES_OF("PROXY TCP4 1.1.1.01 2.2.2.2 1 2\r\n") },
    { BYTES_OF("PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n") },
    { BYTES_OF("PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n") },
    { BYTES_OF("PROXY TCP4 ::1 ::1 1 2\r\n") },
    { BYTES_OF("PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n") },
    { BYTES_OF("PROXY TCP6 ::ffff:1.2.3.4 ::1 1 2\r\n") },
    { BYTES_OF("PROXY TCP6 ::1::2 ::1 1 2\r\n") },
    { BYTES_OF("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n") },
    { BYTES_OF("PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n") },
    { BYTES_OF("PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n") },
    { BYTES_OF("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n           ") },
    { BYTES_OF("PROXY UNKNOWN 3456789012345678901234567890123456789012345678901234567890123456789"
               "0123456789012345678901234567890123456\r\n") }, // 108
    { BYTES_OF(SIGNATURE "\x11\x11\0\x0c" V4) },      // another version
    { BYTES_OF(SIGNATURE "\x22\x11\0\x0c" V4) },      // another command
    { BYTES_OF(SIGNATURE "\x21\x41\0\x0c" V4) },      // another family
    { BYTES_OF(SIGNATURE "\x21\x13\0\x0c" V4) },      // another transport
    { BYTES_OF(SIGNATURE "\x21\x10\0\x0c" V4) },      // a family without a transport
    { BYTES_OF(SIGNATURE "\x21\x01\0\0") },           // and the reverse
    { BYTES_OF(SIGNATURE "\x21\x11\0\x0b\x7f\0\0\1\x0a\0\0\2\x01\0\x00") }, // cut addresses
    { BYTES_OF(SIGNATURE "\x21\x21\0\x0c" V4) },
    { BYTES_OF(SIGNATURE "\x21\x11\0\x0d" V4 "\1") }, // half a value
    { BYTES_OF(SIGNATURE "\x21\x11\0\x0f" V4 "\1\0\1") }, // longer than there is
    { BYTES_OF(SIGNATURE "\x21\x11\0\x10" V4 "\1\xff\xff" "a") },
    { BYTES_OF(SIGNATURE "\x21\x11\0\x14" V4 "\1\0\1a\1\0\1b") }, // twice
    { BYTES_OF(SIGNATURE "\x21\x11\0\x13" V4 "\3\0\4abcd") },     // a wrong sum
    { BYTES_OF(SIGNATURE "\x21\x11\0\x12" V4 "\3\0\3abc") },      // and a short one
    { BYTES_OF(SIGNATURE "\x21\x11\0\x13" V4 "\x20\0\4abcd") },   // TLS without its head
    { BYTES_OF(SIGNATURE "\x21\x11\0\x16" V4 "\x20\0\7\1\0\0\0\0\x21\0") },
    { BYTES_OF("\r\n\r\n\0\r\nQUIT\r\x21\x11\0\0") },
};

TEST_BARE(proxy, what_the_protocol_does_not_allow_is_wrong)
{
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        hob_proxy_header header = { .version = 77 };
        ssize_t          r = 0;
        size_t           len = 0;
        for (; len <= WRONG[i].len && r == 0; len++) // and never right on the way
            r = hob_proxy_parse(WRONG[i].bytes, len, &header);
        if (r != -EBADMSG)
            fail("number %zu: %zd at %zu", i, r, len);
        check_err(hob_proxy_parse(WRONG[i].bytes, WRONG[i].len, &header), -EBADMSG);
        check_eq(header.version, 77);
    }
}

/* ---- values, and building ---- */

TEST_BARE(proxy, what_the_client_said_in_tls_is_told)
{
    static const char bytes[] = SIGNATURE "\x21\x12\0\x38" V4
        "\1\0\2h2" "\2\0\4a.de" "\5\0\3\0xy" "\4\0\1-"
        "\x20\0\x13\7\0\0\0\0" "\x21\0\7TLSv1.3" "\x22\0\1x";
    hob_proxy_header  header;

    check_eq(hob_proxy_parse(bytes, sizeof bytes - 1, &header), (ssize_t)sizeof bytes - 1);
    check_eq(header.is_datagram, 1);
    check_eq(header.is_tls, 1);
    check_eq(header.has_client_cert, 1);
    check_eq(header.client_verified, 1);
    check(piece_is(&header.alpn, "h2"));
    check(piece_is(&header.authority, "a.de"));
    check_eq(header.unique_id.len, 3);
    check(piece_is(&header.tls_version, "TLSv1.3"));
    check(piece_is(&header.tls_common_name, "x"));
    check(header.tls_cipher.at == NULL);
    check(header.netns.at == NULL);
}

TEST_BARE(proxy, what_is_built_is_read_again)
{
    static const char *const ends[][2] = {
        { "192.0.2.1:56324", "198.51.100.7:443" },
        { "[2001:db8::1]:1", "[::1]:65535" },
        { "[::ffff:1.2.3.4]:1", "[::1.2.3.4]:2" },
        { "unix:/run/a", "unix:@b" },
        { "none", "unix:/run/a" },
    };
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        for (unsigned what = 0; what < 8; what++) {
            hob_proxy_header out = { .version = what % 2 + 1 }, in;
            unsigned char    bytes[HOB_PROXY_ROOM];
            bool             is_ip = i < 3, full = (what & 2) != 0;
            if (strcmp(ends[i][0], "none") != 0)
                out.source = addr_from(ends[i][0]);
            out.destination = addr_from(ends[i][1]);
            out.is_datagram = (what & 4) != 0;
            if (full) {
                out.alpn = (hob_proxy_bytes){ (const unsigned char *)"http/1.1", 8 };
                out.authority = (hob_proxy_bytes){ (const unsigned char *)"", 0 };
                out.unique_id = (hob_proxy_bytes){ (const unsigned char *)"1234", 4 };
                out.has_checksum = 1;
            }
            ssize_t len = hob_proxy_build(&out, bytes, sizeof bytes);
            if (out.version == 1 && (!is_ip || full || out.is_datagram)) {
                check_err(len, -EINVAL); // more than it can say
                continue;
            }
            check_gt(len, 0);
            for (size_t size = 0; size < (size_t)len; size++)
                check_err(hob_proxy_build(&out, bytes, size), -EMSGSIZE);
            check_eq(hob_proxy_build(&out, bytes, (size_t)len), len);
            check_eq(hob_proxy_parse(bytes, (size_t)len, &in), len);
            check_eq(in.version, out.version);
            check(hob_addr_equal(&in.source, &out.source));
            check(hob_addr_equal(&in.destination, &out.destination));
            check_eq(in.is_datagram, out.is_datagram);
            check_eq(in.has_checksum, out.has_checksum);
            check_eq(in.alpn.len, out.alpn.len);
            check_eq(in.authority.at != NULL, full);
            if (!full)
                continue;
            bytes[20] ^= 1; // one bit of the address
            check_err(hob_proxy_parse(bytes, (size_t)len, &in), -EBADMSG);
        }
    }
}

TEST_BARE(proxy, what_cannot_be_said_is_not_built)
{
    unsigned char    bytes[HOB_PROXY_ROOM], id[129] = { 0 };
    hob_proxy_header header = { .version = 3, .is_local = 1 };

    check_err(hob_proxy_build(&header, bytes, sizeof bytes), -EINVAL);
    header.version = 0;
    check_err(hob_proxy_build(&header, bytes, sizeof bytes), -EINVAL);
    for (header.version = 1; header.version <= 2; header.version++) {
        header.is_local = 1;
        ssize_t len = hob_proxy_build(&header, bytes, sizeof bytes);
        check_eq(len, header.version == 1 ? 15 : 16);
        hob_proxy_header in;
        check_eq(hob_proxy_parse(bytes, (size_t)len, &in), len);
        check_eq(in.is_local, 1);
        header.is_local = 0;
        check_err(hob_proxy_build(&header, bytes, sizeof bytes), -EINVAL); // nobody
        header.source = addr_from("1.1.1.1:1");
        header.destination = addr_from("[::1]:1");
        check_err(hob_proxy_build(&header, bytes, sizeof bytes), -EINVAL); // two families
        header.source.len = header.destination.len = 0;
    }
    header.version = 2;
    header.is_local = 1;
    header.unique_id = (hob_proxy_bytes){ id, sizeof id };
    check_err(hob_proxy_build(&header, bytes, sizeof bytes), -EINVAL);
    header.unique_id.len = 128;
    check_eq(hob_proxy_build(&header, bytes, sizeof bytes), 16 + 3 + 128);
}

/* ---- networks ---- */

TEST_BARE(proxy, an_address_is_in_a_network_or_not)
{
    static const struct {
        const char *addr, *network;
        int         is_in;
    } table[] = {
        { "10.1.2.3:1", "10.0.0.0/8", 1 },      { "11.1.2.3:1", "10.0.0.0/8", 0 },
        { "10.1.2.3:1", "10.1.2.3", 1 },        { "10.1.2.3:1", "10.1.2.2/31", 1 },
        { "10.1.2.4:1", "10.1.2.2/31", 0 },     { "1.2.3.4:1", "0.0.0.0/0", 1 },
        { "[::1]:1", "0.0.0.0/0", 0 },          { "[::1]:1", "::1", 1 },
        { "[fd12::1]:1", "fd00::/8", 1 },       { "[fe80::1]:1", "fd00::/8", 0 },
        { "[::ffff:10.1.2.3]:1", "10.0.0.0/8", 1 }, { "1.2.3.4:1", "::/0", 1 },
        { "unix:/x", "unix", 1 },               { "unix:/x", "::/0", 0 },
        { "1.2.3.4:1", "unix", 0 },             { "1.2.3.4:1", "10.0.0.1/8", -EINVAL },
        { "1.2.3.4:1", "1.2.3.4/33", -EINVAL }, { "1.2.3.4:1", "1.2.3.4/", -EINVAL },
        { "1.2.3.4:1", "1.2.3.4/08", -EINVAL }, { "1.2.3.4:1", "1.2.3/8", -EINVAL },
        { "1.2.3.4:1", "", -EINVAL },           { "1.2.3.4:1", "/8", -EINVAL },
        { "1.2.3.4:1", "::1/129", -EINVAL },    { "1.2.3.4:1", "localhost", -EINVAL },
        { "1.2.3.4:1", "1.2.3.4/-1", -EINVAL }, { "1.2.3.4:1", "1.2.3.4/8/8", -EINVAL },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        hob_addr addr = addr_from(table[i].addr);
        int      r = hob_addr_in_network(&addr, table[i].network);
        if (r != table[i].is_in)
            fail("%s in %s: %d", table[i].addr, table[i].network, r);
    }
    hob_addr none = { 0 };
    check_eq(hob_addr_in_network(&none, "::/0"), 0);
}

/* ---- on connections ---- */

/* Sends a header and "hello" in pieces that are cut at one place, so that reads come short. */
struct sender {
    hob_tcp    *conn;
    const char *bytes;
    size_t      len, cut;
};

static int send_cut(void *arg)
{
    struct sender *s = arg;
    char           all[300];
    size_t         len = s->len + 5;

    memcpy(all, s->bytes, s->len);
    memcpy(all + s->len, "hello", 5);
    if (s->cut > 0)
        HOB_TRY(hob_tcp_write(s->conn, all, s->cut));
    hob_yield();
    HOB_TRY(hob_tcp_write(s->conn, all + s->cut, len - s->cut));
    return 0;
}

static int accept_cut(hob_tcp *client, hob_tcp *server, const struct right *right, size_t cut)
{
    struct sender    sender = { client, right->bytes, right->len, cut };
    char             room[HOB_PROXY_ROOM], text[5];
    hob_proxy_header header;
    size_t           got = 0;
    HOB_SCOPE(s);

    hob_go(&s, send_cut, &sender);
    check_ok(hob_proxy_accept(server, NULL, room, sizeof room, &header));
    check_eq(header.version, right->version);
    if (!right->is_local)
        check(addr_is(&header.source, right->source));
    while (got < 5) { // not one byte of it is lost
        ssize_t n = check_ok(hob_tcp_read(server, text + got, 5 - got));
        check_gt(n, 0);
        got += (size_t)n;
    }
    check_mem(text, "hello", 5);
    check_ok(hob_scope_end(&s));
    return 0;
}

TEST_ON_ALL(proxy, a_connection_goes_on_after_its_header_wherever_that_is_cut)
{
    TCP(client);
    TCP(server);

    check_ok(tcp_pair(&client, &server));
    for (size_t i = 0; i < RIGHT_COUNT; i++) {
        for (size_t cut = 0; cut <= RIGHT[i].len; cut += 1 + (!hob_test_is_deep() && !in_sim()) * 4)
            check_ok(accept_cut(client, server, &RIGHT[i], cut));
    }
}

TEST_ON_ALL(proxy, who_is_not_trusted_speaks_for_itself)
{
    static const char *const others[] = { "10.0.0.0/8", "unix", NULL };
    static const char *const us[] = { "10.0.0.0/8", "127.0.0.0/8", NULL };
    static const char *const wrong[] = { "127.0.0.0/8", "lan", NULL };
    TCP(client);
    TCP(server);
    char             room[HOB_PROXY_ROOM];
    hob_proxy_header header, sent = { .version = 2 };
    hob_proxy_opts   opts = { .trusted = others };

    check_ok(tcp_pair(&client, &server));
    sent.source = addr_from("203.0.113.9:99");
    sent.destination = addr_from("203.0.113.1:80");
    check_ok(hob_proxy_send(client, &sent));
    check_ok(hob_proxy_accept(server, &opts, room, sizeof room, &header));
    check_eq(header.version, 0);
    hob_addr peer = hob_tcp_local_addr(client), local = hob_tcp_local_addr(server);
    check(hob_addr_equal(&header.source, &peer));
    check(hob_addr_equal(&header.destination, &local));
    opts.trusted = wrong;
    check_err(hob_proxy_accept(server, &opts, room, sizeof room, &header), -EINVAL);
    opts.trusted = us;
    check_ok(hob_proxy_accept(server, &opts, room, sizeof room, &header)); // it was not touched
    check(hob_addr_equal(&header.source, &sent.source));
    check(hob_addr_equal(&header.destination, &sent.destination));

    sent = (hob_proxy_header){ .version = 1, .is_local = 1 };
    check_ok(hob_proxy_send(client, &sent));
    check_ok(hob_proxy_accept(server, &opts, room, sizeof room, &header));
    check_eq(header.is_local, 1);
    check(hob_addr_equal(&header.source, &peer));
}

TEST_ON_ALL(proxy, what_comes_late_wrong_long_or_not_at_all_is_told)
{
    struct { const char *bytes; size_t len, room; bool ends; int error; } table[] = {
        { BYTES_OF("GET / HTTP/1.1\r\n\r\n"), HOB_PROXY_ROOM, false, -EBADMSG },
        { BYTES_OF("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n"), 20, false, -EMSGSIZE },
        { BYTES_OF(SIGNATURE "\x21\x11\xff\xff"), HOB_PROXY_ROOM, false, -EMSGSIZE },
        { BYTES_OF("PROXY TCP4 1.1.1.1"), HOB_PROXY_ROOM, true, HOB_EOF },
        { BYTES_OF(""), HOB_PROXY_ROOM, true, HOB_EOF },
        { BYTES_OF(""), 4, false, -EMSGSIZE },
        { BYTES_OF("PROXY TCP4 1.1.1.1"), HOB_PROXY_ROOM, false, -ETIMEDOUT },
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        TCP(client);
        TCP(server);
        char             room[HOB_PROXY_ROOM];
        hob_proxy_header header = { .version = 77 };
        hob_proxy_opts   opts = { .timeout_ns = 20 * HOB_MSEC };

        check_ok(tcp_pair(&client, &server));
        check_eq(hob_tcp_write(client, table[i].bytes, table[i].len), (ssize_t)table[i].len);
        if (table[i].ends)
            check_ok(hob_tcp_shutdown(client));
        if (table[i].error != -ETIMEDOUT)
            opts.timeout_ns = 0;
        check_err(hob_proxy_accept(server, &opts, room, table[i].room, &header), table[i].error);
        check_eq(header.version, 77);
    }
}

TEST(proxy, by_default_it_waits_five_seconds)
{
    TCP(client);
    TCP(server);
    char             room[HOB_PROXY_ROOM];
    hob_proxy_header header;

    check_ok(tcp_pair(&client, &server));
    int64_t before = hob_now();
    check_err(hob_proxy_accept(server, NULL, room, sizeof room, &header), -ETIMEDOUT);
    check_eq(hob_now() - before, 5 * HOB_SEC);
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(60 * HOB_SEC));
    before = hob_now();
    hob_proxy_opts opts = { .timeout_ns = -1 };
    check_err(hob_proxy_accept(server, &opts, room, sizeof room, &header), -ETIMEDOUT);
    check_eq(hob_now() - before, 60 * HOB_SEC);
    check_err(hob_scope_end(&s), -ETIMEDOUT);
}
