/* SPDX-License-Identifier: MIT */
/*
 * Names, files and replies from noise. The first byte says what it is: a name, a hosts file, a
 * resolv.conf, or a reply, whose second byte says to a question of which kind. What is read is within
 * its bounds, and names that were let through are read the same again.
 */
// links: dns
#include <ares.h>
#include <stdlib.h>
#include <string.h>

#include "dns/hosts.h"
#include "dns/message.h"
#include "dns/resolv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int is_so)
{
    if (!is_so)
        abort();
}

static char *text_of(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

static void read_name(const uint8_t *data, size_t size)
{
    char           *text = text_of(data, size);
    struct dns_name name, again;
    hob_addr        addr;
    if (hob__dns_name_read(text, &name) == 0) {
        require(name.len <= HOB_DNS_NAME_MAX && strlen(name.text) == name.len);
        require(hob__dns_name_read(name.text, &again) == 0);
        require(strcmp(name.text, again.text) == 0 && name.dots == again.dots);
        require(!hob__dns_literal(text, 80, &addr)); // never both
    }
    if (hob__dns_literal(text, 80, &addr)) {
        require(hob__dns_name_of_addr(&addr, &name) == 0);
        require(hob_addr_port(&addr) == 80);
    }
    free(text);
}

static void read_hosts(const uint8_t *data, size_t size)
{
    struct dns_hosts hosts;
    if (hob__dns_hosts_read(&hosts, text_of(data, size), size) == 0) {
        for (size_t i = 0; i < hosts.name_count; i++) {
            const char *name = hosts.text + hosts.names[i].at;
            size_t      count;
            require(hob__dns_name_is_fine(name) && hosts.names[i].addr < hosts.addr_count);
            require(hob__dns_hosts_find(&hosts, name, &count) <= &hosts.names[i] && count > 0);
            const struct host_addr *a = &hosts.addrs[hosts.names[i].addr];
            hob_addr                addr = hob__dns_addr_of(a->family, a->ip, 0);
            size_t                  at = 0;
            require(hob__dns_hosts_name_of(&hosts, &addr, &at) != NULL);
        }
    }
    hob__dns_hosts_free(&hosts);
}

static void read_resolv(const uint8_t *data, size_t size)
{
    static struct dns_resolv resolv;
    char                    *text = text_of(data, size);
    hob__dns_resolv_default(&resolv);
    hob__dns_resolv_read(&resolv, text);
    require(resolv.server_count >= 1 && resolv.server_count <= RESOLV_SERVERS_MAX);
    require(resolv.search_count <= RESOLV_SEARCH_MAX && resolv.ndots <= 15);
    for (size_t i = 0; i < resolv.search_count; i++)
        require(hob__dns_name_is_fine(resolv.search[i].text));
    free(text);
}

static void check_answer(struct dns_answer *answer)
{
    require(answer->count >= 1 && answer->count <= HOB_DNS_RECORDS_MAX);
    size_t at = 0;
    for (size_t i = 0; i < answer->count; i++) {
        uint32_t len;
        switch (answer->type) {
        case DNS_PTR:
            require(hob__dns_name_is_fine(hob__dns_names(answer)[i].text));
            break;
        case DNS_SRV:
            require(hob__dns_name_is_fine(hob__dns_services(answer)[i].host));
            break;
        case DNS_TXT:
            hob__dns_text(answer, &at, &len);
            require(at <= answer->used);
            break;
        default:
            require(16 * (i + 1) + sizeof *answer <= answer->bytes);
        }
    }
}

/* What follows the head of a reply: its question is made to be the right one. */
static void read_reply(const uint8_t *data, size_t size)
{
    static const uint16_t TYPES[] = { DNS_A, DNS_AAAA, DNS_PTR, DNS_SRV, DNS_TXT };
    struct dns_query      query;
    struct dns_answer    *answer = NULL;
    uint32_t              ttl_s = 0;
    if (size < 10)
        return;
    require(hob__dns_query_make("a.example", TYPES[data[0] % 5], 7, true, NULL, &query) == 0);
    data++, size--;
    size_t         len = query.question_end + size - 8;
    unsigned char *reply = malloc(len); // of its own size, so that one byte more is noticed
    require(reply != NULL);
    memcpy(reply, query.bytes, query.question_end);
    reply[2] = data[0] | 0x80;
    reply[3] = data[1];
    memcpy(reply + 6, data + 2, 6);
    memcpy(reply + query.question_end, data + 8, size - 8);
    if (hob__dns_reply_is_to(&query, reply, len) &&
        hob__dns_reply_read(&query, reply, len, &answer, &ttl_s) == 0)
        check_answer(answer);
    hob__dns_answer_unref(answer);
    free(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const READERS[])(const uint8_t *, size_t) = { read_name, read_hosts, read_resolv,
                                                                 read_reply };
    if (size > 0)
        READERS[data[0] % 4](data + 1, size - 1);
    return 0;
}
