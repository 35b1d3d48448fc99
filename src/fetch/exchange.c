/* SPDX-License-Identifier: MIT */
#include "fetch/exchange.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fetch/memory.h"

/* ---- its end ---- */

static int64_t time_of(CURL *easy, CURLINFO info, int64_t base_ns)
{
    curl_off_t us = 0;
    if (curl_easy_getinfo(easy, info, &us) != CURLE_OK || us <= 0)
        return 0;
    return base_ns + us * HOB_USEC;
}

static void note_times(hob_fetch_answer *a)
{
    hob_fetch_times *times = &a->times;
    int64_t          name_ns = times->name_ns;
    long             connects = 0;
    curl_easy_getinfo(a->easy, CURLINFO_NUM_CONNECTS, &connects);
    times->connect_ns = time_of(a->easy, CURLINFO_CONNECT_TIME_T, name_ns);
    times->tls_ns = time_of(a->easy, CURLINFO_APPCONNECT_TIME_T, name_ns);
    times->first_byte_ns = time_of(a->easy, CURLINFO_STARTTRANSFER_TIME_T, name_ns);
    times->total_ns = time_of(a->easy, CURLINFO_TOTAL_TIME_T, name_ns);
    times->is_reused = a->sendings > 0 && connects == 0;
    a->client->stats.reused += (uint64_t)times->is_reused;
}

/* A server may set a few cookies with each answer, for ever. */
static void look_at_jar(hob_fetch_client *client, CURL *easy)
{
    struct curl_slist *all = NULL;
    int                count = 0;
    if (client->jar == NULL || client->cookies_seen < FETCH_COOKIES_LOOK)
        return;
    client->cookies_seen = 0;
    curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &all);
    for (struct curl_slist *at = all; at != NULL; at = at->next)
        count++;
    curl_slist_free_all(all);
    if (count > FETCH_COOKIES_MAX && curl_easy_setopt(easy, CURLOPT_COOKIELIST, "ALL") == CURLE_OK)
        client->stats.jar_emptied++;
}

/* The handle goes back, and the turn; who waits is told. */
static void let_go(hob_fetch_answer *a)
{
    hob_fetch_client    *client = a->client;
    struct fetch_handle *handle = a->handle;

    note_times(a);
    a->state = FETCH_DONE;
    a->handle = NULL;
    a->easy = NULL;
    handle->is_marked |= a->error < 0 || a->sendings > 1; // libcurl counts attempts, until it is reset
    curl_multi_remove_handle(client->multi, handle->easy);
    *a->link = a->next;
    if (a->next != NULL)
        a->next->link = a->link;
    look_at_jar(client, handle->easy);
    hob__fetch_handle_give(client, handle);
    hob__fetch_release(a);
    hob__fetch_turn_give(client, a->turn);
    a->turn = NULL;
    client->stats.running--;
    client->stats.failed += a->error < 0;
    hob_event_set(&a->in);
    if (a->asked.has_body)
        hob_event_set(&a->out);
}

void hob__fetch_ended(CURL *easy, CURLcode code)
{
    hob_fetch_step    step = HOB_FETCH_WAIT;
    const char       *words = NULL;
    char             *handle = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &handle);
    hob_fetch_answer *a = fetch_answer_of(handle);
    if (code != CURLE_OK)
        a->error = hob__fetch_error_of(a, code, &step, &words);
    else if (!a->is_head)
        a->error = HOB_EOF;
    if (hob__fetch_goodbye_is_missing(a) && a->error == 0) {
        step = HOB_FETCH_BODY;
        a->error = HOB_ETLSTRUNCATED;
    }
    if (a->error < 0)
        hob__fetch_say(a, step, a->error, words);
    let_go(a);
}

void hob__fetch_cut(hob_fetch_answer *a, int error, hob_fetch_step step, const char *words)
{
    if (a->state != FETCH_RUNNING)
        return;
    a->error = error;
    (void)hob__fetch_goodbye_is_missing(a); // nobody waits for it any more
    hob__fetch_say(a, step, error, words);
    let_go(a);
}

/* ---- its beginning ---- */

static void forget_last(hob_fetch_answer *a)
{
    hob_fetch_times times = { .redirects = a->times.redirects, .attempts = a->times.attempts };
    a->state = FETCH_NEW;
    a->error = a->own_error = a->socket_error = 0;
    a->own_words = NULL;
    a->trouble = (hob_fetch_trouble){ 0 };
    a->times = times;
    a->sendings = 0;
    a->seen_sent = 0;
    a->is_head = a->is_redirect = a->is_discarded = false;
    a->head.begin = a->head.end = a->body.begin = a->body.end = 0;
    a->to_send.begin = a->to_send.end = 0;
    a->head_bytes = 0;
    a->status = a->version = 0;
    a->body_bytes = a->sent_bytes = a->given_bytes = 0;
    a->recv_paused = a->send_paused = a->is_finished = false;
    a->coding = CODING_UNKNOWN;
    hob__fetch_unzip_free(a->unzip);
    a->unzip = NULL;
    a->unzipped_bytes = 0;
    a->in_pace = a->out_pace = (struct fetch_pace){ 0 };
    hob_event_reset(&a->in);
    hob_event_reset(&a->out);
}

/* What a wait ended with in a scope whose deadline is ours. */
static int result_of(hob_fetch_answer *a, int r, int64_t limit_at_ns, hob_fetch_step step)
{
    const char *words = NULL;
    if (r == -ETIMEDOUT && hob_cancelled() == 0)
        words = limit_at_ns == a->deadline_ns ? "it took longer than all of it may" : NULL;
    a->error = r;
    hob__fetch_say(a, step, r, words);
    return r;
}

static int take_turn(hob_fetch_answer *a)
{
    hob_scope limit;
    hob_scope_begin(&limit);
    hob_scope_deadline(&limit, a->deadline_ns);
    int r = hob__fetch_turn_take(a->client, a->url.host, a->url.port, &a->turn);
    (void)!hob_scope_end(&limit); // it has told already
    return r < 0 ? result_of(a, r, a->deadline_ns, HOB_FETCH_TURN) : 0;
}

/* "+host:port:address,address": libcurl forgets it after a while, and never asks itself. */
static int note_addrs(hob_fetch_answer *a, const char *host, uint16_t port, const hob_addr *addrs,
                      int count)
{
    char   line[HOB_DNS_NAME_MAX + 16 + FETCH_ADDRS_MAX * HOB_ADDR_TEXT_MAX];
    size_t len = (size_t)snprintf(line, sizeof line, "+%s:%u:", host, port);
    for (int i = 0; i < count; i++) {
        char text[HOB_ADDR_TEXT_MAX];
        hob_addr_format(&addrs[i], text, sizeof text);
        *strrchr(text, ':') = '\0'; // the port
        len += (size_t)snprintf(line + len, sizeof line - len, "%s%s", i > 0 ? "," : "", text);
    }
    a->resolve = curl_slist_append(NULL, line);
    return a->resolve != NULL ? 0 : -ENOMEM;
}

static int look_up(hob_fetch_answer *a)
{
    const struct fetch_proxy *proxy = hob__fetch_proxy_for(a->client, a->url.is_tls, a->url.host);
    const char *host = proxy != NULL ? proxy->host : a->url.host;
    uint16_t    port = proxy != NULL ? proxy->port : a->url.port;
    hob_addr    addrs[FETCH_ADDRS_MAX];
    hob_scope   limit;
    int64_t     begun = hob_now(), limit_at = hob_in(a->opts.connect_ns);

    if (proxy != NULL ? hob__fetch_is_address(host) : a->url.is_address)
        return 0;
    if (limit_at > a->deadline_ns)
        limit_at = a->deadline_ns;
    hob_scope_begin(&limit);
    hob_scope_deadline(&limit, limit_at);
    int n = hob_dns_addrs(NULL, host, port, AF_UNSPEC, addrs, FETCH_ADDRS_MAX);
    (void)!hob_scope_end(&limit);
    a->times.name_ns = hob_now() - begun;
    if (n < 0)
        return result_of(a, n, limit_at, HOB_FETCH_NAME);
    int r = note_addrs(a, host, port, addrs, n < FETCH_ADDRS_MAX ? n : FETCH_ADDRS_MAX);
    return r < 0 ? result_of(a, r, 0, HOB_FETCH_NAME) : 0;
}

static int start(hob_fetch_answer *a)
{
    hob_fetch_client *client = a->client;
    if (client->is_ended)
        return -ECANCELED;
    int r = hob__fetch_handle_take(client, &a->handle);
    if (r < 0)
        return r;
    a->handle->answer = a;
    a->easy = a->handle->easy;
    r = hob__fetch_fill_in(a);
    if (r == 0 && curl_multi_add_handle(client->multi, a->easy) != CURLM_OK)
        r = -ENOMEM;
    if (r < 0) {
        hob__fetch_handle_give(client, a->handle);
        a->handle = NULL;
        a->easy = NULL;
        return r;
    }
    a->state = FETCH_RUNNING;
    a->next = client->live;
    a->link = &client->live;
    if (a->next != NULL)
        a->next->link = &a->next;
    client->live = a;
    client->stats.exchanges++;
    client->stats.running++;
    return 0;
}

int hob__fetch_begin(hob_fetch_answer *a)
{
    forget_last(a);
    int r = take_turn(a);
    if (r < 0)
        return r;
    r = look_up(a);
    if (r == 0) {
        r = start(a);
        if (r < 0)
            result_of(a, r, 0, HOB_FETCH_REQUEST);
    }
    if (r < 0) {
        hob__fetch_release(a);
        hob__fetch_turn_give(a->client, a->turn);
        a->turn = NULL;
        a->state = FETCH_DONE;
    }
    return r;
}

/* ---- waiting for it ---- */

int hob__fetch_wait_event(hob_event *event, int64_t limit_ns)
{
    hob_scope limit;
    if (limit_ns == HOB_FOREVER)
        return hob_event_wait(event);
    hob_scope_begin(&limit);
    hob_scope_deadline(&limit, hob_in(limit_ns));
    int r = hob_event_wait(event);
    (void)!hob_scope_end(&limit);
    if (r < 0 && hob_cancelled() == 0)
        return -ETIME;
    return r;
}

int hob__fetch_cancelled(hob_fetch_answer *a, int r)
{
    if (a->state == FETCH_RUNNING) // the exchange goes on, and may be waited for again
        hob__fetch_say(a, a->is_head ? HOB_FETCH_BODY : HOB_FETCH_WAIT, r, NULL);
    return r;
}

/* Up to when the head must have come: libcurl itself bounds connecting. Who waits is not woken when it is
 * sent: so what is not sent yet is looked at again when it could be late if it were sent now. */
static int64_t head_limit(const hob_fetch_answer *a, int64_t now_ns)
{
    bool    is_ours = (a->opts.body_stream != NULL || a->opts.upload) && !a->is_finished;
    int64_t limit_ns = a->opts.first_byte_ns;
    if (is_ours || limit_ns >= HOB_FOREVER - now_ns)
        return HOB_FOREVER;
    if (a->sendings > 0)
        return a->quiet_since_ns + limit_ns;
    return now_ns + (limit_ns > HOB_MSEC ? limit_ns : HOB_MSEC);
}

static bool is_late(const hob_fetch_answer *a)
{
    int64_t now = hob_now();
    return a->sendings > 0 && head_limit(a, now) <= now;
}

/* Whether enough of the request's body has gone since it was looked at last. */
static bool is_sending(hob_fetch_answer *a)
{
    curl_off_t sent = 0;
    uint64_t   least = (uint64_t)(a->opts.first_byte_ns / HOB_SEC) * a->opts.bytes_per_s_min;
    curl_easy_getinfo(a->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    bool is_enough = (uint64_t)sent > a->seen_sent + least;
    a->seen_sent = (uint64_t)sent;
    return is_enough;
}

int hob__fetch_wait_head(hob_fetch_answer *a)
{
    for (;;) {
        hob_event_reset(&a->in);
        if (a->is_head)
            return 0;
        if (a->state == FETCH_DONE)
            return a->error;
        int64_t now = hob_now(), limit_at = head_limit(a, now);
        bool    is_all = limit_at > a->deadline_ns;
        if (is_all)
            limit_at = a->deadline_ns;
        int r = hob__fetch_wait_event(&a->in, limit_at == HOB_FOREVER ? limit_at : limit_at - now);
        if (r == -ETIME && is_all) {
            hob__fetch_cut(a, -ETIMEDOUT, HOB_FETCH_WAIT, "it took longer than all of it may");
        } else if (r == -ETIME && a->state == FETCH_RUNNING && is_late(a)) {
            if (is_sending(a))
                a->quiet_since_ns = hob_now();
            else
                hob__fetch_cut(a, -ETIMEDOUT, HOB_FETCH_WAIT, "the answer did not begin in time");
        } else if (r < 0 && r != -ETIME) {
            return hob__fetch_cancelled(a, r);
        }
    }
}

int hob__fetch_wait_end(hob_fetch_answer *a)
{
    for (;;) {
        hob_event_reset(&a->in);
        if (a->state == FETCH_DONE)
            return a->error;
        int r = hob__fetch_wait_paced(a, &a->in, &a->in_pace, &a->body_bytes, HOB_FETCH_BODY);
        if (r < 0 && a->state == FETCH_RUNNING)
            return hob__fetch_cancelled(a, r);
    }
}
