/* SPDX-License-Identifier: MIT */
/* resolv.conf(5). */
#include "dns/resolv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PORT = 53, NDOTS_MAX = 15, TIMEOUT_MAX_S = 30, ATTEMPTS_MAX = 5 };

static const char BLANKS[] = " \t\r";

void hob__dns_resolv_default(struct dns_resolv *resolv)
{
    *resolv = (struct dns_resolv){ .ndots = 1 };
    resolv->servers[0] = hob_addr_loopback(PORT);
    resolv->server_count = 1;
}

int hob__dns_server_read(const char *text, hob_addr *ret_addr)
{
    hob_addr addr;
    if (!hob__dns_literal(text, PORT, &addr) &&
        (hob_addr_parse(text, &addr) < 0 || text[0] == ':' || hob_addr_port(&addr) == 0))
        return -EINVAL;
    uint8_t ip[16];
    if (hob_addr_ip(&addr, ip) == 0)
        return -EINVAL;
    *ret_addr = addr;
    return 0;
}

static void add_server(struct dns_resolv *resolv, size_t *count, const char *text)
{
    hob_addr addr;
    if (*count == RESOLV_SERVERS_MAX || !hob__dns_literal(text, PORT, &addr))
        return;
    resolv->servers[(*count)++] = addr;
    resolv->server_count = *count;
}

/* The last line of them holds. */
static void set_search(struct dns_resolv *resolv, char *rest, size_t most)
{
    char *left = NULL;
    resolv->search_count = 0;
    for (char *word = strtok_r(rest, BLANKS, &left); word != NULL && resolv->search_count < most;
         word = strtok_r(NULL, BLANKS, &left)) {
        if (hob__dns_name_read(word, &resolv->search[resolv->search_count]) == 0)
            resolv->search_count++;
    }
}

/* "ndots:3": the number, at most so large. */
static void set_number(const char *word, const char *name, unsigned most, unsigned *number)
{
    size_t len = strlen(name);
    if (strncmp(word, name, len) != 0 || word[len] < '0' || word[len] > '9')
        return;
    unsigned long value = strtoul(word + len, NULL, 10);
    *number = value < most ? (unsigned)value : most;
}

static void set_options(struct dns_resolv *resolv, char *rest)
{
    char *left = NULL;
    for (char *word = strtok_r(rest, BLANKS, &left); word != NULL;
         word = strtok_r(NULL, BLANKS, &left)) {
        set_number(word, "ndots:", NDOTS_MAX, &resolv->ndots);
        set_number(word, "timeout:", TIMEOUT_MAX_S, &resolv->timeout_s);
        set_number(word, "attempts:", ATTEMPTS_MAX, &resolv->attempts);
        if (strcmp(word, "rotate") == 0)
            resolv->rotates = true;
        if (strcmp(word, "use-vc") == 0)
            resolv->uses_tcp = true;
    }
}

static void read_line(struct dns_resolv *resolv, size_t *server_count, char *line)
{
    char *rest = NULL;
    if (line[0] == '#' || line[0] == ';')
        return;
    char *key = strtok_r(line, BLANKS, &rest);
    if (key == NULL)
        return;
    if (strcmp(key, "nameserver") == 0) {
        char *text = strtok_r(NULL, BLANKS, &rest);
        if (text != NULL)
            add_server(resolv, server_count, text);
    } else if (strcmp(key, "search") == 0) {
        set_search(resolv, rest, RESOLV_SEARCH_MAX);
    } else if (strcmp(key, "domain") == 0) {
        set_search(resolv, rest, 1);
    } else if (strcmp(key, "options") == 0) {
        set_options(resolv, rest);
    }
}

void hob__dns_resolv_read(struct dns_resolv *resolv, char *text)
{
    size_t server_count = 0;
    char  *left = NULL;
    for (char *line = strtok_r(text, "\n", &left); line != NULL; line = strtok_r(NULL, "\n", &left))
        read_line(resolv, &server_count, line);
}
