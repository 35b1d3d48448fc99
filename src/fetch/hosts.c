/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is: so many requests at once to a host, and so many in all.
 *
 * A host is known while somebody asks it or waits to. The turns are taken before libcurl hears of the
 * request, so that it never has one that waits: its limits of connections are never met.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "fetch/client.h"
#include "fetch/memory.h"

static struct fetch_host **bucket_of(hob_fetch_client *client, const char *name, uint16_t port)
{
    unsigned hash = 5381 + port;
    for (const char *c = name; *c != '\0'; c++)
        hash = hash * 33 + (unsigned char)(*c | 0x20);
    return &client->hosts[hash % FETCH_BUCKETS];
}

static struct fetch_host *hold_host(hob_fetch_client *client, const char *name, uint16_t port)
{
    struct fetch_host **bucket = bucket_of(client, name, port), *host = *bucket;
    while (host != NULL && (host->port != port || strcasecmp(host->name, name) != 0))
        host = host->next;
    if (host == NULL) {
        host = hob__fetch_alloc(sizeof *host + strlen(name) + 1);
        if (host == NULL)
            return NULL;
        host->turns = (hob_sem){ .name = "requests to a host",
                                 .permits = client->opts.requests_per_host_max };
        host->port = port;
        strcpy(host->name, name);
        host->next = *bucket;
        *bucket = host;
    }
    host->refs++;
    return host;
}

static void drop_host(hob_fetch_client *client, struct fetch_host *host)
{
    if (--host->refs > 0)
        return;
    struct fetch_host **link = bucket_of(client, host->name, host->port);
    while (*link != host)
        link = &(*link)->next;
    *link = host->next;
    hob__fetch_free(host);
}

static int take_both(hob_fetch_client *client, struct fetch_host *host)
{
    int r = hob_sem_acquire(&host->turns);
    if (r < 0)
        return r;
    r = hob_sem_acquire(&client->turns);
    if (r < 0)
        hob_sem_release(&host->turns);
    return r;
}

int hob__fetch_turn_take(hob_fetch_client *client, const char *name, uint16_t port,
                         struct fetch_host **ret_host)
{
    struct fetch_host *host = hold_host(client, name, port);
    if (host == NULL)
        return -ENOMEM;
    client->stats.waiting++;
    int r = take_both(client, host);
    client->stats.waiting--;
    if (r == 0 && client->is_ended) {
        hob__fetch_turn_give(client, host);
        return -ECANCELED;
    }
    if (r < 0)
        drop_host(client, host);
    else
        *ret_host = host;
    return r;
}

void hob__fetch_turn_give(hob_fetch_client *client, struct fetch_host *host)
{
    hob_sem_release(&client->turns);
    hob_sem_release(&host->turns);
    drop_host(client, host);
}
