/* SPDX-License-Identifier: MIT */
/*
 * A pub/sub hub: topics, each a broadcast; readers on all workers, fast and slow; and the state
 * of the whole as a latest value.
 *
 *     hob run 33_hub.c
 */
#include <stdbool.h>

#include <hob.h>

enum { TOPICS = 2, ITEMS = 40, KEPT = 8 };

struct item {
    int  number;
    char text[24];
};

struct status {
    int items[TOPICS];
};

struct hub {
    const char    *names[TOPICS];
    hob_broadcast *topics[TOPICS];
    hob_latest    *status;
};

struct reader {
    const char    *name;
    hob_subscriber topics[TOPICS];
    int64_t        rest_ns;
    int            got, lost;
};

static int take_one(struct reader *me, int topic)
{
    struct item item;
    uint64_t    lost;
    int         r = hob_subscriber_try_recv(&me->topics[topic], &item, &lost);
    if (r == 0) {
        me->got++;
        me->lost += (int)lost;
    }
    return r;
}

/* Reads two topics at once, as fast as it can. */
static int read_news(void *arg)
{
    struct reader *me = arg;
    bool           ended[TOPICS] = { false };
    for (int open = TOPICS; open > 0;) {
        int topic = HOB_SELECT(NULL,
                               ended[0] ? (hob_case)HOB_NEVER : (hob_case)HOB_PUBLISHED(&me->topics[0]),
                               ended[1] ? (hob_case)HOB_NEVER : (hob_case)HOB_PUBLISHED(&me->topics[1]));
        HOB_TRY(topic);
        if (take_one(me, topic) == HOB_EOF) {
            ended[topic] = true;
            open--;
        }
        HOB_TRY(hob_sleep(me->rest_ns));
    }
    return 0;
}

struct desk {
    struct hub *hub;
    int         topic;
};

static int publish(void *arg)
{
    struct desk   *desk = arg;
    struct hub    *hub = desk->hub;
    hob_broadcast *topic = hub->topics[desk->topic];
    struct status  status;
    for (int i = 1; i <= ITEMS; i++) {
        struct item item = { .number = i };
        snprintf(item.text, sizeof item.text, "%s %d", hub->names[desk->topic], i);
        HOB_TRY(hob_sleep(10 * HOB_MSEC));
        HOB_TRY(hob_broadcast_send(topic, &item));
        hob_latest_get(hub->status, &status);
        status.items[desk->topic] = i;
        hob_latest_set(hub->status, &status);
    }
    hob_broadcast_finish(topic);
    return 0;
}

/* Looks at the state four times a second, and never at an old one. */
static int watch(void *arg)
{
    struct hub   *hub = arg;
    struct status status;
    uint64_t      seen = 0;
    int           r;
    while ((r = hob_latest_next(hub->status, &seen, &status)) == 0) {
        printf("published: %s %d, %s %d\n", hub->names[0], status.items[0], hub->names[1],
               status.items[1]);
        HOB_TRY(hob_sleep(250 * HOB_MSEC));
    }
    return r == HOB_EOF ? 0 : r;
}

static int run_hub(void *arg)
{
    struct hub    hub = { .names = { "weather", "sports" } };
    struct reader readers[] = { { .name = "fast" }, { .name = "slow", .rest_ns = 30 * HOB_MSEC } };
    int           r;
    (void)arg;

    for (int i = 0; i < TOPICS; i++)
        HOB_TRY(hob_broadcast_new(sizeof(struct item), KEPT, NULL, &hub.topics[i]));
    HOB_TRY(hob_latest_new(sizeof(struct status), &(struct status){ { 0 } }, "status", &hub.status));
    {
        HOB_SCOPE(all);
        for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
            for (int t = 0; t < TOPICS; t++)
                hob_subscribe(hub.topics[t], &readers[i].topics[t]);
            hob_go_with(&all, read_news, &readers[i],
                        &(hob_task_opts){ .name = readers[i].name, .where = HOB_ANYWHERE });
        }
        hob_go(&all, watch, &hub);
        {
            HOB_SCOPE(desks);
            for (int t = 0; t < TOPICS; t++)
                hob_go_copy(&desks, publish, &(struct desk){ &hub, t }, sizeof(struct desk));
            r = hob_scope_end(&desks);
        }
        hob_latest_finish(hub.status);
        HOB_TRY(hob_scope_end(&all));
    }
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        printf("%s reader: %d read, %d lost\n", readers[i].name, readers[i].got, readers[i].lost);
    for (int i = 0; i < TOPICS; i++)
        hob_broadcast_free(hub.topics[i]);
    hob_latest_free(hub.status);
    return r;
}

int main(void) { return hob_run(run_hub, NULL); }
