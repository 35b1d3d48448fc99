/* SPDX-License-Identifier: MIT */
/*
 * hosts(5): an address and its names in each line.
 *
 * The names stay where they are in the text of the file, in small letters; beside it are an array of
 * the addresses, and one of the names in alphabetical order.
 */
#include "dns/hosts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dns/memory.h"

static const char BLANKS[] = " \t\r\v\f";

static bool is_blank(char c)
{
    return c != '\0' && strchr(BLANKS, c) != NULL;
}

/* The next word of the line, with a NUL behind it; NULL: there is no more. */
static char *next_word(char **line, char *end)
{
    char *word = *line;
    while (word < end && is_blank(*word))
        word++;
    if (word == end)
        return NULL;
    char *behind = word;
    while (behind < end && !is_blank(*behind))
        behind++;
    *line = behind < end ? behind + 1 : end;
    *behind = '\0';
    return word;
}

/* No more of them than there are blanks and line ends: so much room is enough. */
static size_t count_words(const char *text, size_t len)
{
    size_t count = 1;
    for (size_t i = 0; i < len; i++)
        count += is_blank(text[i]) || text[i] == '\n';
    return count;
}

static int add_name(struct dns_hosts *hosts, char *word)
{
    struct dns_name name;
    if (hob__dns_name_read(word, &name) < 0)
        return 0; // one that nobody could ask for
    if (hosts->name_count == HOSTS_NAMES_MAX)
        return -EFBIG;
    memcpy(word, name.text, name.len + 1);
    hosts->names[hosts->name_count++] = (struct host_name){
        .at = (uint32_t)(word - hosts->text), .addr = (uint32_t)hosts->addr_count,
    };
    return 0;
}

static int read_line(struct dns_hosts *hosts, char *line, char *end)
{
    char    *hash = memchr(line, '#', (size_t)(end - line));
    hob_addr addr;
    if (hash != NULL)
        end = hash;
    *end = '\0'; // where the line end or the # was
    char *word = next_word(&line, end);
    if (word == NULL || !hob__dns_literal(word, 0, &addr))
        return 0;

    size_t first = hosts->name_count;
    while ((word = next_word(&line, end)) != NULL) {
        int r = add_name(hosts, word);
        if (r < 0)
            return r;
    }
    if (hosts->name_count == first)
        return 0;
    struct host_addr *entry = &hosts->addrs[hosts->addr_count++];
    entry->family = (uint8_t)addr.u.family;
    entry->name = hosts->names[first].at;
    hob_addr_ip(&addr, entry->ip);
    return 0;
}

static int by_name(const void *a, const void *b, void *text)
{
    const struct host_name *x = a, *y = b;
    int order = strcmp((char *)text + x->at, (char *)text + y->at);
    return order != 0 ? order : x->addr < y->addr ? -1 : x->addr > y->addr;
}

int hob__dns_hosts_read(struct dns_hosts *hosts, char *text, size_t len)
{
    *hosts = (struct dns_hosts){ .text = text };
    size_t words = count_words(text, len), most = words < HOSTS_NAMES_MAX ? words : HOSTS_NAMES_MAX;
    hosts->names = hob__dns_alloc(most * sizeof *hosts->names);
    hosts->addrs = hob__dns_alloc(most * sizeof *hosts->addrs);
    if (hosts->names == NULL || hosts->addrs == NULL)
        return -ENOMEM;
    for (char *line = text, *end = text + len; line < end;) {
        char *stop = memchr(line, '\n', (size_t)(end - line));
        if (stop == NULL)
            stop = end;
        int r = read_line(hosts, line, stop);
        if (r < 0)
            return r;
        line = stop + 1;
    }
    qsort_r(hosts->names, hosts->name_count, sizeof *hosts->names, by_name, text);
    return 0;
}

void hob__dns_hosts_free(struct dns_hosts *hosts)
{
    free(hosts->text);
    hob__dns_free(hosts->names);
    hob__dns_free(hosts->addrs);
    *hosts = (struct dns_hosts){ .text = NULL };
}

const struct host_name *hob__dns_hosts_find(const struct dns_hosts *hosts, const char *name,
                                            size_t *ret_count)
{
    size_t low = 0, high = hosts->name_count, count = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(hosts->text + hosts->names[middle].at, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + count < hosts->name_count &&
           strcmp(hosts->text + hosts->names[low + count].at, name) == 0)
        count++;
    *ret_count = count;
    return count > 0 ? hosts->names + low : NULL;
}

const char *hob__dns_hosts_name_of(const struct dns_hosts *hosts, const hob_addr *addr, size_t *at)
{
    uint8_t ip[16];
    size_t  len = hob_addr_ip(addr, ip);
    while (*at < hosts->addr_count) {
        const struct host_addr *entry = &hosts->addrs[(*at)++];
        if (entry->family == addr->u.family && memcmp(entry->ip, ip, len) == 0)
            return hosts->text + entry->name;
    }
    return NULL;
}
