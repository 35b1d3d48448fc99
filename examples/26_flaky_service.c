/* SPDX-License-Identifier: MIT */
/*
 * A client of a service that is not always well: how it asks again, and when it leaves it alone.
 *
 *     question ─▶ deadline ─▶ rate ─▶ retry, within a budget ─▶ breaker ─▶ TCP ─▶ the service
 *
 * The service tells prices over TCP. On some days it drops every second connection, and once it
 * drops them all. The client never waits longer than its deadline, never asks more often than it
 * may, tries again what may pass, and stops asking when nothing comes of it.
 *
 *     build/hob run examples/26_flaky_service.c
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <hob.h>

/* ---- the service ---- */

static enum { WELL, MOODY, DOWN } mood;

static hob_addr address;
static int      connections;

static int answer(void *arg)
{
    hob_tcp *client = arg;
    char     question[32], price[32];
    bool     drops = mood == DOWN || (mood == MOODY && ++connections % 2 == 1);
    ssize_t  n = drops ? 0 : hob_tcp_read(client, question, sizeof question - 1);
    if (n > 0) {
        question[n] = '\0';
        snprintf(price, sizeof price, "%d", 100 + (int)strlen(question));
        (void)!hob_tcp_write(client, price, strlen(price)); // who has gone does not want it
    }
    hob_tcp_close(client);
    return 0;
}

static int serve(void *arg)
{
    hob_tcp_listener *listener;
    hob_tcp          *client;
    int               r;
    address = hob_addr_loopback(0);
    HOB_TRY(hob_tcp_listen(&address, NULL, &listener));
    address = hob_tcp_listener_addr(listener);
    hob_ready(NULL);

    HOB_SCOPE(clients);
    while ((r = hob_tcp_accept(listener, &client)) == 0) {
        if (hob_go(&clients, answer, client) < 0)
            hob_tcp_close(client);
    }
    hob_tcp_listener_close(listener);
    return r;
}

/* ---- the client ---- */

static void tell_change(void *arg, hob_breaker_state from, hob_breaker_state to)
{
    printf("    the breaker was %s and is %s\n", hob_breaker_state_name(from),
           hob_breaker_state_name(to));
}

static hob_rate         polite = { .name = "polite", .count = 200, .burst = 5 }; // a second
static hob_retry_budget budget = { .percent = 50 };
static hob_breaker      prices = { .name = "prices", .failures_in_row = 5, .failure_percent = 101,
                                   .open_ns = 200 * HOB_MSEC, .on_change = tell_change };

struct question {
    const char *about;
    int         price;
    int         attempts;
};

/* One attempt, over a connection of its own. */
static int ask(void *arg)
{
    struct question *q = arg;
    hob_tcp         *service;
    char             text[32];
    q->attempts++;
    HOB_TRY(hob_tcp_connect(&address, NULL, &service));
    ssize_t n = hob_tcp_write(service, q->about, strlen(q->about));
    if (n >= 0)
        n = hob_tcp_read(service, text, sizeof text - 1);
    hob_tcp_close(service);
    if (n <= 0)
        return hob_fail(n < 0 ? (int)n : -ECONNRESET); // it hung up without a word
    text[n] = '\0';
    q->price = atoi(text);
    return 0;
}

static int ask_if_it_is_well(void *arg)
{
    return hob_breaker_call(&prices, ask, arg);
}

static int price_of(struct question *q)
{
    static const hob_retry_opts again = {
        .attempts_max = 4,
        .backoff_ns = 5 * HOB_MSEC,
        .budget = &budget,
    };
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(2 * HOB_SEC));
    HOB_TRY(hob_rate_take(&polite, 1));
    HOB_TRY(hob_retry(&again, ask_if_it_is_well, q));
    return hob_scope_end(&s);
}

/* ---- a few days ---- */

static void day(const char *what, int questions)
{
    int answered = 0, attempts = 0, refused = 0;
    printf("%s\n", what);
    for (int i = 0; i < questions; i++) {
        struct question q = { .about = "tea" };
        int             r = price_of(&q);
        answered += r == 0;
        refused += r == HOB_EBREAKER && q.attempts == 0;
        attempts += q.attempts;
    }
    printf("    %d of %d answered, %s attempts; %d not even tried\n", answered, questions,
           attempts > questions ? "with more" : attempts < questions ? "with fewer" : "as many",
           refused);
}

static int buy(void *arg)
{
    hob_breaker_info info;
    HOB_SCOPE(s);
    HOB_TRY(hob_go_ready(&s, serve, NULL, &(hob_task_opts){ .daemon = 1 }, NULL));

    day("the service is well", 5);
    mood = MOODY;
    day("it drops every second connection", 5);
    mood = DOWN;
    day("it drops all connections", 20);

    mood = WELL;
    hob_breaker_look(&prices, &info);
    HOB_TRY(hob_sleep_until(info.open_until_ns));
    day("it is well again, and the first who asks finds out", 5);
    return hob_scope_end(&s);
}

int main(void) { return hob_run(buy, NULL); }
