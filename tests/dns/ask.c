/* SPDX-License-Identifier: MIT */
/*
 * Asks name servers, for test_dns_peers.py: ask SERVER[,SERVER]... KIND NAME, with KIND one of a, aaaa,
 * both, srv, txt, ptr. Prints an answer a line, and then what it took.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hob.h>
#include <hob/dns.h>

enum { MANY = 256 };

static int show_addrs(hob_dns *dns, const char *name, int family)
{
    static hob_addr addrs[MANY];
    int             n = HOB_TRY(hob_dns_addrs(dns, name, 7, family, addrs, MANY));
    for (int i = 0; i < n; i++) {
        char text[HOB_ADDR_TEXT_MAX];
        puts(hob_addr_format(&addrs[i], text, sizeof text));
    }
    return n;
}

static int show_services(hob_dns *dns, const char *name)
{
    static hob_dns_service services[MANY];
    int                    n = HOB_TRY(hob_dns_services(dns, name, services, MANY));
    for (int i = 0; i < n; i++)
        printf("%d %d %s:%d\n", services[i].priority, services[i].weight, services[i].host,
               services[i].port);
    return n;
}

static int show_texts(hob_dns *dns, const char *name)
{
    hob_dns_text *texts;
    int           n = HOB_TRY(hob_dns_texts(dns, name, &texts));
    for (int i = 0; i < n; i++)
        printf("%zu %s\n", texts[i].len, texts[i].bytes);
    free(texts);
    return n;
}

static int show_names(hob_dns *dns, const char *text)
{
    static hob_dns_name names[MANY];
    hob_addr            addr;
    HOB_TRY(hob_dns_addrs(dns, text, 0, AF_UNSPEC, &addr, 1));
    int n = HOB_TRY(hob_dns_names(dns, &addr, names, MANY));
    for (int i = 0; i < n; i++)
        puts(names[i].text);
    return n;
}

static int ask(hob_dns *dns, const char *kind, const char *name)
{
    if (strcmp(kind, "srv") == 0)
        return show_services(dns, name);
    if (strcmp(kind, "txt") == 0)
        return show_texts(dns, name);
    if (strcmp(kind, "ptr") == 0)
        return show_names(dns, name);
    return show_addrs(dns, name, kind[0] == 'b' ? AF_UNSPEC : kind[1] == '\0' ? AF_INET : AF_INET6);
}

static int run(void *arg)
{
    char        **argv = arg, *left = NULL;
    const char   *servers[HOB_DNS_SERVERS_MAX + 1] = { NULL };
    hob_dns      *dns;
    hob_dns_stats stats;

    size_t count = 0;
    for (char *s = strtok_r(argv[1], ",", &left); s != NULL && count < HOB_DNS_SERVERS_MAX;
         s = strtok_r(NULL, ",", &left))
        servers[count++] = s;
    HOB_SCOPE(s);
    hob_dns_opts opts = { .hosts_file = "", .servers = servers, .rounds = 6, .try_ns = 300 * HOB_MSEC,
                          .mixed_case = 1 };
    HOB_TRY(hob_dns_new(&s, &opts, &dns));
    int r = ask(dns, argv[2], argv[3]);
    if (r < 0)
        printf("%s: %s\n", hob_error_name(r), hob_dns_strerror(r));
    hob_dns_stats_get(dns, &stats);
    printf("udp %d, tcp %d, silent %d, strange %d\n", (int)stats.sent_udp, (int)stats.sent_tcp,
           (int)stats.silent, (int)stats.strange);
    hob_dns_free(dns);
    return 0;
}

int main(int argc, char **argv)
{
    return argc == 4 && hob_run(run, argv) == 0 ? 0 : 1;
}
