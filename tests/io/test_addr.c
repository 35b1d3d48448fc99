/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "support/io.h"

/* The text of what the text means, or "invalid". */
static const char *reread(const char *text)
{
    static char out[HOB_ADDR_TEXT_MAX];
    hob_addr    addr;

    if (hob_addr_parse(text, &addr) < 0)
        return "invalid";
    return hob_addr_format(&addr, out, sizeof out);
}

TEST_BARE(addr, what_is_written_can_be_read)
{
    check_str(reread("127.0.0.1:80"), "127.0.0.1:80");
    check_str(reread("[::1]:443"), "[::1]:443");
    check_str(reread("[0:0:0:0:0:0:0:1]:443"), "[::1]:443");
    check_str(reread("[fe80::1%3]:9"), "[fe80::1%3]:9");
    check_str(reread("unix:/run/x.sock"), "unix:/run/x.sock");
    check_str(reread("unix:relative"), "unix:relative");
    check_str(reread("unix:@abstract"), "unix:@abstract");
}

TEST_BARE(addr, a_port_alone_means_all_of_ipv4)
{
    check_str(reread(":8080"), "0.0.0.0:8080");
}

/* SURVIVAL 60: no numeric surprises. */
TEST_BARE(addr, what_is_no_address_is_refused)
{
    static const char *const WRONG[] = {
        "",           "127.0.0.1",   "127.0.0.1:",    "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1:+1", "127.0.0.1: 80", "127.0.0.1:80 ", "127.0.0.1:0x50", "0x7f.1:80",
        "127.1:80",   "256.0.0.1:80", "localhost:80", "1.2.3.4.5:80",     "[::1]",
        "[::1]80",    "[::1:80",     "[::1]:",        "[127.0.0.1]:80",  "[fe80::1%]:80",
        "[fe80::1%eth0]:80", "[::1%4294967296]:80", "::1:80", "unix:", "unix:@",
        "127.0.0.1:80\n", "99999999999999999999:80", ":99999999999999999999",
    };

    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++)
        expect(strcmp(reread(WRONG[i]), "invalid") == 0 || HOB_EXPECT_NOT("took: %s", WRONG[i]));
}

TEST_BARE(addr, a_path_that_does_not_fit_is_too_long)
{
    char     text[5 + 108 + 1] = "unix:";
    hob_addr addr;

    memset(text + 5, 'p', 108);
    check_err(hob_addr_parse(text, &addr), -ENAMETOOLONG);
    text[5 + 107] = '\0';
    check_ok(hob_addr_parse(text, &addr));
    check_str(reread(text), text);
}

TEST_BARE(addr, a_text_that_does_not_fit_is_cut_and_ended)
{
    hob_addr addr = hob_addr_loopback(12345);
    char     text[8];

    check_str(hob_addr_format(&addr, text, sizeof text), "127.0.0");
    text[0] = 'x';
    hob_addr_format(&addr, text, 0);
    check_eq(text[0], 'x');
}

TEST_BARE(addr, none_has_a_name_too)
{
    hob_addr none = { 0 };
    char     text[HOB_ADDR_TEXT_MAX];

    check_str(hob_addr_format(&none, text, sizeof text), "none");
    check_eq(hob_addr_port(&none), 0);
    check(hob_addr_equal(&none, &(hob_addr){ 0 }));
}

TEST_BARE(addr, a_sockaddr_is_taken_over_as_it_is)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(7) };
    hob_addr           addr;
    char               text[HOB_ADDR_TEXT_MAX];

    in.sin_addr.s_addr = htonl(0x0A000001);
    check_ok(hob_addr_from_sockaddr((struct sockaddr *)&in, sizeof in, &addr));
    check_eq(addr.len, sizeof in);
    check_str(hob_addr_format(&addr, text, sizeof text), "10.0.0.1:7");
    check_eq(hob_addr_port(&addr), 7);
}

TEST_BARE(addr, a_sockaddr_of_a_wrong_length_or_family_is_refused)
{
    struct sockaddr_storage sa = { .ss_family = AF_INET };
    hob_addr                addr;

    check_err(hob_addr_from_sockaddr((struct sockaddr *)&sa, 0, &addr), -EINVAL);
    check_err(hob_addr_from_sockaddr((struct sockaddr *)&sa, 1, &addr), -EINVAL);
    check_err(hob_addr_from_sockaddr((struct sockaddr *)&sa, 8, &addr), -EINVAL);
    check_err(hob_addr_from_sockaddr((struct sockaddr *)&sa, sizeof sa, &addr), -EINVAL);
    sa.ss_family = AF_UNIX;
    check_err(hob_addr_from_sockaddr((struct sockaddr *)&sa, sizeof(struct sockaddr_un) + 1, &addr),
              -EINVAL);
    sa.ss_family = AF_UNSPEC;
    check_err(hob_addr_from_sockaddr((struct sockaddr *)&sa, sizeof sa, &addr), -EINVAL);
}

static bool are_equal(const char *a, const char *b)
{
    hob_addr x = { 0 }, y = { 0 };

    return hob_addr_parse(a, &x) == 0 && hob_addr_parse(b, &y) == 0 && hob_addr_equal(&x, &y);
}

TEST_BARE(addr, an_ip_goes_in_and_out)
{
    static const uint8_t v4[4] = { 10, 0, 0, 1 };
    static const uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
    uint8_t              ip[16] = { 0 };
    char                 text[HOB_ADDR_TEXT_MAX];

    hob_addr addr = hob_addr_from_ip(v4, sizeof v4, 7);
    check_str(hob_addr_format(&addr, text, sizeof text), "10.0.0.1:7");
    check_eq(hob_addr_ip(&addr, ip), 4);
    check(memcmp(ip, v4, sizeof v4) == 0);

    addr = hob_addr_from_ip(v6, sizeof v6, 8);
    check_str(hob_addr_format(&addr, text, sizeof text), "[2001:db8::1]:8");
    check_eq(hob_addr_ip(&addr, ip), 16);
    check(memcmp(ip, v6, sizeof v6) == 0);
}

TEST_BARE(addr, what_is_no_ip_address_has_none)
{
    hob_addr addr = { 0 };
    uint8_t  ip[16] = { 42 };

    check_eq(hob_addr_ip(&addr, ip), 0);
    check_ok(hob_addr_parse("unix:/a", &addr));
    check_eq(hob_addr_ip(&addr, ip), 0);
    check_eq(ip[0], 42);
}

TEST_BARE(addr, equal_means_the_same_place)
{
    check(are_equal("127.0.0.1:80", "127.0.0.1:80"));
    check(!are_equal("127.0.0.1:80", "127.0.0.1:81"));
    check(!are_equal("127.0.0.1:80", "127.0.0.2:80"));
    check(are_equal("[::1]:80", "[0::1]:80"));
    check(!are_equal("[fe80::1%1]:80", "[fe80::1%2]:80"));
    check(!are_equal("[::1]:80", "127.0.0.1:80"));
    check(are_equal("unix:/a", "unix:/a"));
    check(!are_equal("unix:/a", "unix:/ab"));
    check(!are_equal("unix:@a", "unix:a"));
}
