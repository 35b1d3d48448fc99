/* SPDX-License-Identifier: MIT */
/*
 * Names: what they stand for, and connecting by them.
 *
 *     examples/36_names                          # a server of its own, found by the name localhost
 *     examples/36_names example.com              # the addresses of a name
 *     examples/36_names _imaps._tcp.example.com  # who offers a service
 *     examples/36_names 192.0.2.1                # the names of an address
 *     examples/36_names example.com:80           # connects to it
 */
#include <netinet/in.h>
#include <string.h>

#include <hob.h>
#include <hob/dns.h>

static int show_addresses(const char *name)
{
    hob_addr addrs[16];
    char     text[HOB_ADDR_TEXT_MAX];

    int n = hob_dns_addrs(NULL, name, 0, AF_UNSPEC, addrs, 16);
    if (n < 0)
        printf("%s: %s\n", name, hob_dns_strerror(n));
    for (int i = 0; i < n && i < 16; i++) {
        hob_addr_format(&addrs[i], text, sizeof text);
        printf("%s is %.*s\n", name, (int)strlen(text) - 2, text); // without the port, which is 0
    }
    return n;
}

static int show_services(const char *name)
{
    hob_dns_service services[16];

    int n = hob_dns_services(NULL, name, services, 16);
    if (n < 0)
        printf("%s: %s\n", name, hob_dns_strerror(n));
    for (int i = 0; i < n && i < 16; i++)
        printf("%s is at %s:%d\n", name, services[i].host, services[i].port);
    return n;
}

static int show_names(const char *address)
{
    hob_addr     addr;
    hob_dns_name names[16];

    int n = hob_dns_addrs(NULL, address, 0, AF_UNSPEC, &addr, 1); // it is a number: at once
    if (n > 0)
        n = hob_dns_names(NULL, &addr, names, 16);
    if (n < 0)
        printf("%s: %s\n", address, hob_dns_strerror(n));
    for (int i = 0; i < n && i < 16; i++)
        printf("%s is called %s\n", address, names[i].text);
    return n;
}

static int connect_to(const char *host_port)
{
    hob_connect_words words;
    hob_tcp          *conn;
    char              text[HOB_ADDR_TEXT_MAX];

    int r = hob_connect_with(host_port, NULL, &words, &conn);
    if (r < 0) {
        printf("%s\n", words.text); // "localhost:9: [::1]:9: Connection refused, 127.0.0.1:9: ..."
        return r;
    }
    hob_addr peer = hob_tcp_peer_addr(conn);
    printf("%s: connected to %s\n", host_port, hob_addr_format(&peer, text, sizeof text));
    hob_tcp_close(conn);
    return 0;
}

/* What it looks like says what is wanted. */
static int show(const char *what)
{
    if (what[0] == '_')
        return show_services(what);
    if (strchr(what, ':') != NULL)
        return connect_to(what);
    if (strspn(what, "0123456789.") == strlen(what))
        return show_names(what);
    return show_addresses(what);
}

/* ---- alone: a server, and a client that knows its name ---- */

static int greet(void *listener)
{
    hob_tcp *conn;
    HOB_TRY(hob_tcp_accept(listener, &conn));
    ssize_t n = hob_tcp_write(conn, "good day\n", 9);
    hob_tcp_close(conn);
    return n < 0 ? (int)n : 0;
}

static int hear_greeting(const char *host_port)
{
    hob_tcp *conn;
    char     heard[16] = "";

    HOB_TRY(hob_connect(host_port, &conn));
    ssize_t n = hob_tcp_read(conn, heard, sizeof heard - 1);
    hob_tcp_close(conn);
    printf("heard: %s", heard);
    return n < 0 ? (int)n : 0;
}

static int alone(void)
{
    hob_addr          addr = hob_addr_loopback(0);
    hob_tcp_listener *listener;
    char              host_port[32];

    HOB_TRY(hob_tcp_listen(&addr, NULL, &listener));
    addr = hob_tcp_listener_addr(listener);
    snprintf(host_port, sizeof host_port, "localhost:%d", (int)hob_addr_port(&addr));

    HOB_SCOPE(s);
    hob_go(&s, greet, listener);
    int r = hear_greeting(host_port);
    if (r < 0)
        hob_scope_cancel(&s, "nobody came");
    hob_tcp_listener_close(listener);
    int ended = hob_scope_end(&s);
    return r < 0 ? r : ended;
}

struct questions {
    char **names;
    int    failed;
};

static int run(void *arg)
{
    struct questions *q = arg;
    if (*q->names == NULL)
        return alone();
    for (; *q->names != NULL; q->names++)
        q->failed |= show(*q->names) < 0;
    return 0;
}

int main(int argc, char **argv)
{
    struct questions q = { .names = argv + 1 };
    return hob_run(run, &q) < 0 || q.failed;
}
