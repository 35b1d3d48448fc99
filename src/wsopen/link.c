/* SPDX-License-Identifier: MIT */
/*
 * A link from its beginning to its end, and how a WebSocket comes to be on it.
 *
 *     open_on:  line ── its turn ──▶ ask ── the answer ──▶ hob_ws_agree
 *
 * The link ends once, with one error. It is freed when nobody has it any more: neither who opened it, nor a
 * WebSocket, nor a call.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hob/runtime.h"
#include "hob/time.h"
#include "wsopen/link.h"

#define SETTINGS_NS (10 * HOB_SEC) /* that a server has for its first words */

enum { REFUSED_MAX = 6 }; /* a stream, and asked for again: for 0.6 s in all */

long hob__link_fail_at;

bool hob__link_fails(void)
{
    return hob__link_fail_at > 0 && --hob__link_fail_at == 0;
}

void *hob__link_alloc(size_t size)
{
    return hob__link_fails() ? NULL : calloc(1, size);
}

bool hob__ws_has_links(void)
{
    return true;
}

/* ---- its end ---- */

static void say(hob_ws_link *link, const char *format, va_list args)
{
    char words[sizeof link->words]; // what it said before may be among the arguments

    vsnprintf(words, sizeof words, format, args);
    for (char *c = words; *c != '\0'; c++) // some of it came from the server: no terminal obeys it
        if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
            *c = '?';
    memcpy(link->words, words, sizeof words);
}

static void wake_line(hob_ws_link *link)
{
    for (struct link_place *at = link->line; at != NULL; at = at->next)
        hob__link_wake(at->waiter);
}

void hob__link_leave(hob_ws_link *link, const char *format, ...)
{
    va_list args;

    if (link->error != 0)
        return;
    link->leaves = true;
    va_start(args, format);
    say(link, format, args);
    va_end(args);
    wake_line(link);
}

void hob__link_end(hob_ws_link *link, int error, const char *format, ...)
{
    va_list args;

    if (link->error != 0)
        return;
    va_start(args, format);
    say(link, format, args);
    va_end(args);
    link->error = error;
    link->leaves = true;
    for (struct link_stream *s = link->first; s != NULL; s = s->next) {
        hob__link_wake(s->hearer);
        hob__link_wake(s->sender);
    }
    wake_line(link);
    hob__link_wake(link->closer);
    hob__link_wake(link->reader);
    hob__link_close_below(link);
}

void hob__link_free_if_done(hob_ws_link *link)
{
    if (!link->is_given_back || link->inside > 0 || link->open > link->parting)
        return;
    hob__link_end(link, -ECONNRESET, "the link was closed");
    while (link->first != NULL)
        hob__link_stream_free(link->first);
    nghttp2_session_del(link->session);
    free(link);
}

static void enter(hob_ws_link *link, const char *function)
{
    if (link == NULL)
        hob_mistake(function, "the link is NULL");
    if (link->worker != hob_worker_number())
        hob_mistake(function, "a link belongs to the worker that opened it");
    link->inside++;
}

static void leave(hob_ws_link *link)
{
    link->inside--;
    hob__link_free_if_done(link);
}

/* ---- its beginning ---- */

static void check_opts(const hob_ws_link_opts *opts)
{
    if (opts->limit_ns < 0)
        hob_mistake("hob_ws_link_open", "a time is negative");
    if (opts->window_bytes != 0 && (opts->window_bytes < 1024 || opts->window_bytes > 16777216))
        hob_mistake("hob_ws_link_open", "window_bytes is from 1 KiB to 16 MiB");
}

static bool has_begun(void *arg)
{
    return ((hob_ws_link *)arg)->has_settings;
}

static int wait_for_settings(hob_ws_link *link, hob_ws_open_words *words)
{
    struct link_waiter *me;
    hob_scope           s;

    hob_scope_begin(&s);
    hob_scope_deadline(&s, hob_in(SETTINGS_NS));
    int r = hob__link_wait(link, &link->hearers, &me, has_begun, link);
    (void)!hob_scope_end(&s);
    if (r == 0 && !link->has_settings)
        return hob__ws_say(words, link->error, "no HTTP/2: %s", link->words);
    if (r < 0)
        return hob__ws_say(words, r, "no HTTP/2 with %s: %s", link->host_port, hob_strerror(r));
    if (!hob__link_knows_websockets(link))
        return hob__ws_say(words, -EPROTONOSUPPORT, "%s has no WebSockets over HTTP/2", link->host_port);
    return 0;
}

static hob_ws_link *new_link(const struct ws_url *url, const hob_ws_link_opts *opts)
{
    static const hob_ws_link_opts NONE;
    hob_ws_link                  *link = hob__link_alloc(sizeof *link);

    if (link == NULL)
        return NULL;
    if (opts == NULL)
        opts = &NONE;
    link->worker = hob_worker_number();
    link->is_secure = url->is_secure;
    memcpy(link->authority, url->authority, sizeof link->authority);
    memcpy(link->host_port, url->host_port, sizeof link->host_port);
    link->window_bytes = opts->window_bytes != 0 ? opts->window_bytes : 65536;
    link->open_max = opts->open_max != 0 ? opts->open_max : 10000;
    link->waiting_max = opts->waiting_max != 0 ? opts->waiting_max : 1000;
    if (hob__link_session_new(link) == 0)
        return link;
    nghttp2_session_del(link->session);
    free(link);
    return NULL;
}

int hob__ws_link_over(hob_stream *stream, const struct ws_url *url, const hob_ws_link_opts *opts,
                      hob_ws_open_words *words, hob_ws_link **ret_link)
{
    hob_ws_link *link = new_link(url, opts);

    if (link == NULL) {
        hob_stream_close(stream);
        return hob__ws_say(words, -ENOMEM, "no HTTP/2 with %s: %s", url->host_port, hob_strerror(-ENOMEM));
    }
    link->below = stream;
    int r = wait_for_settings(link, words);
    if (r < 0)
        hob_ws_link_close(link);
    else
        *ret_link = link;
    return r;
}

static int open_it(const char *text, const hob_ws_link_opts *opts, hob_ws_open_words *words, hob_ws_link **ret_link)
{
    struct ws_url url;
    hob_stream   *stream;
    hob_ws_http   agreed;

    HOB_TRY(hob__ws_read_url(text, &url, words));
    if (url.target[0] != '\0' && strcmp(url.target, "/") != 0)
        return hob__ws_say(words, -EINVAL, "a link is to a server, and this URL has a path: %.200s", text);
    HOB_TRY(hob__ws_reach(&url, &opts->connect, opts->tls, HOB_WS_HTTP_2, words, &stream, &agreed));
    return hob__ws_link_over(stream, &url, opts, words, ret_link);
}

int hob_ws_link_open(const char *url, const hob_ws_link_opts *opts, hob_ws_open_words *ret_words,
                     hob_ws_link **ret_link)
{
    static const hob_ws_link_opts NONE;
    hob_ws_open_words             words = { "" };
    hob_scope                     scope;

    if (url == NULL)
        hob_mistake("hob_ws_link_open", "the URL is NULL");
    if (opts == NULL)
        opts = &NONE;
    check_opts(opts);
    hob_scope_begin(&scope);
    if (opts->limit_ns != HOB_FOREVER)
        hob_scope_deadline(&scope, hob_in(opts->limit_ns != 0 ? opts->limit_ns : 30 * HOB_SEC));
    int r = open_it(url, opts, &words, ret_link);
    (void)!hob_scope_end(&scope); // the result wins
    if (r < 0 && ret_words != NULL)
        *ret_words = words;
    return r;
}

/* ---- a turn ---- */

/* Those that have said goodbye, and are let go of by the server in its own time, make room at once. */
static bool has_room(hob_ws_link *link)
{
    uint32_t max = hob__link_open_max(link);

    for (struct link_stream *s = link->first, *next; s != NULL && link->open >= max && link->parting > 0; s = next) {
        next = s->next;
        if (s->is_parting)
            hob__link_stream_free(s);
    }
    return link->open < max;
}

struct turn {
    hob_ws_link       *link;
    struct link_place *place;
};

static bool is_my_turn(void *arg)
{
    const struct turn *turn = arg;
    return turn->link->leaves || (turn->link->line == turn->place && has_room(turn->link));
}

void hob__link_call_next(hob_ws_link *link)
{
    if (link->line != NULL)
        hob__link_wake(link->line->waiter);
    if (link->open == link->parting)
        hob__link_wake(link->closer);
}

static void leave_line(hob_ws_link *link, struct link_place *place)
{
    struct link_place **at = &link->line, *before = NULL;

    while (*at != place) {
        before = *at;
        at = &(*at)->next;
    }
    *at = place->next;
    if (link->line_last == place)
        link->line_last = before;
    link->waiting--;
    hob__link_call_next(link);
}

static int wait_in_line(hob_ws_link *link)
{
    struct link_place place = { 0 };
    struct turn       turn = { link, &place };

    if (link->waiting == link->waiting_max)
        return -EBUSY;
    if (link->line_last != NULL)
        link->line_last->next = &place;
    else
        link->line = &place;
    link->line_last = &place;
    link->waiting++;
    int r = hob__link_wait(link, &link->hearers, &place.waiter, is_my_turn, &turn);
    leave_line(link, &place);
    return r;
}

/* Nothing that waits is between this and asking. */
static int wait_for_turn(hob_ws_link *link, hob_ws_open_words *words)
{
    int r = hob_cancelled();
    if (r < 0)
        return hob__ws_say(words, r, "no WebSocket with %s: %s", link->host_port, hob_strerror(r));
    r = link->leaves || (link->line == NULL && has_room(link)) ? 0 : wait_in_line(link);
    if (r == -EBUSY)
        return hob__ws_say(words, r, "no WebSocket: %u wait for their turn with %s already", link->waiting,
                           link->host_port);
    if (r < 0)
        return hob__ws_say(words, r, "no WebSocket: %s has %u at once, and it was nobody's turn: %s", link->host_port,
                           hob__link_open_max(link), hob_strerror(r));
    if (link->error != 0)
        return hob__ws_say(words, link->error, "no WebSocket: %s", link->words);
    return link->leaves ? hob__ws_say(words, -EAGAIN, "no WebSocket: %s", link->words) : 0;
}

/* ---- an answer ---- */

static bool is_answered(void *arg)
{
    const struct link_stream *s = arg;
    return s->answer->is_whole || s->is_closed || s->error != 0;
}

/* Without an answer. A reset for calm is one, too: of servers that count a stream for longer than its end (Node.js),
 * and a handshake does no harm when it is made again. */
static bool was_not_looked_at(const struct link_stream *s)
{
    return s->is_closed && (s->code == NGHTTP2_REFUSED_STREAM || s->code == NGHTTP2_ENHANCE_YOUR_CALM);
}

static int wait_for_answer(struct link_stream *s, hob_ws_open_words *words)
{
    hob_ws_link *link = s->link;

    int r = hob__link_wait(link, &link->hearers, &s->hearer, is_answered, s);
    if (s->answer->is_whole)
        return 0;
    if (r < 0 || s->error != 0)
        return hob__ws_say(words, r < 0 ? r : s->error, "no WebSocket with %s: %s", link->host_port,
                           hob_strerror(r < 0 ? r : s->error));
    if (was_not_looked_at(s) && link->leaves)
        return hob__ws_say(words, -EAGAIN, "no WebSocket: %s", link->words);
    if (was_not_looked_at(s))
        return hob__ws_say(words, -EAGAIN, "no WebSocket: %s has not looked at the request", link->host_port);
    if (s->is_closed)
        return hob__ws_say(words, HOB_EWS, "no WebSocket: %s has reset the request (%s)", link->host_port,
                           nghttp2_http2_strerror(s->code));
    return hob__ws_say(words, link->error, "no WebSocket: %s", link->words);
}

static int agree(struct link_stream *s, const hob_ws_opts *opts, hob_ws_open_words *words, hob_ws **ret_ws)
{
    const struct link_answer *answer = s->answer;
    const char               *host_port = s->link->host_port;

    if (answer->status > 299)
        return hob__ws_say(words, HOB_EWS, "no WebSocket: %s answered %d", host_port, answer->status);
    int r = answer->is_bad ? HOB_EWS : hob_ws_agree(&s->stream, answer->fields, opts, ret_ws);
    if (r == HOB_EWS)
        return hob__ws_say(words, r, "no WebSocket: what %s answered is not to what was offered", host_port);
    return r < 0 ? hob__ws_say(words, r, "no WebSocket with %s: %s", host_port, hob_strerror(r)) : 0;
}

/* ---- both ---- */

static int ask_once(hob_ws_link *link, const char *target, const hob_ws_opts *opts, struct link_answer *answer,
                    hob_ws_open_words *words, hob_ws **ret_ws)
{
    struct link_stream *s;

    HOB_TRY(wait_for_turn(link, words));
    int r = hob__link_ask(link, target, opts, answer, &s);
    if (r == -EINVAL)
        return hob__ws_say(words, r, "no WebSocket with %s: the target, a protocol or a header is none",
                           link->host_port);
    if (r < 0)
        return hob__ws_say(words, r, "no WebSocket with %s: %s", link->host_port, hob_strerror(r));
    r = wait_for_answer(s, words);
    if (r == 0)
        r = agree(s, opts, words, ret_ws);
    s->answer = NULL;
    if (r < 0)
        hob__link_stream_free(s);
    return r;
}

/* A server refuses unseen what is too much for a moment: ours, when a handler has not ended whose stream is gone. Its
 * limits are kept, so soon there is room. */
static int open_on(hob_ws_link *link, const char *target, const hob_ws_opts *opts, struct link_answer *answer,
                   hob_ws_open_words *words, hob_ws **ret_ws)
{
    int64_t pause_ns = 10 * HOB_MSEC;

    for (int i = 0;; i++, pause_ns *= 2) {
        int r = ask_once(link, target, opts, answer, words, ret_ws);
        if (r != -EAGAIN || link->leaves || i == REFUSED_MAX)
            return r;
        if (hob_sleep(pause_ns) < 0)
            return hob_cancelled();
    }
}

int hob_ws_open_on(hob_ws_link *link, const char *target, const hob_ws_opts *opts, hob_ws_open_words *ret_words,
                   hob_ws **ret_ws)
{
    static const hob_ws_opts NONE;
    hob_ws_open_words        words = { "" };
    struct link_answer       answer = { 0 };
    hob_scope                scope;

    enter(link, "hob_ws_open_on");
    if (target == NULL)
        hob_mistake("hob_ws_open_on", "the target is NULL");
    if (opts == NULL)
        opts = &NONE;
    hob_scope_begin(&scope);
    if (opts->handshake_ns != HOB_FOREVER)
        hob_scope_deadline(&scope, hob_in(opts->handshake_ns != 0 ? opts->handshake_ns : 10 * HOB_SEC));
    int r = open_on(link, target, opts, &answer, &words, ret_ws);
    (void)!hob_scope_end(&scope); // the result wins
    if (opts->ret_status != NULL)
        *opts->ret_status = answer.is_whole ? answer.status : 0;
    leave(link);
    if (r < 0 && ret_words != NULL)
        *ret_words = words;
    return r;
}

/* ---- its end, in order ---- */

static bool is_empty(void *arg)
{
    const hob_ws_link *link = arg;
    return link->open == link->parting;
}

/* It is ended when its last words are sent: hob__link_judge. */
static bool never(void *arg)
{
    (void)arg;
    return false;
}

static int end_in_order(hob_ws_link *link)
{
    struct link_waiter *me;

    if (!link->leaves)
        hob__link_leave(link, "the link was shut down");
    HOB_TRY(hob__link_wait(link, &link->hearers, &link->closer, is_empty, link));
    if (link->error == 0) {
        link->was_shut_down = nghttp2_session_terminate_session(link->session, NGHTTP2_NO_ERROR) == 0;
        if (!link->was_shut_down)
            hob__link_end(link, -ENOMEM, "there is no memory for a goodbye");
        HOB_TRY(hob__link_wait(link, &link->senders, &me, never, NULL));
    }
    return link->was_shut_down ? 0 : link->error;
}

int hob_ws_link_shutdown(hob_ws_link *link)
{
    enter(link, "hob_ws_link_shutdown");
    if (link->closer != NULL)
        hob_mistake("hob_ws_link_shutdown", "another task shuts it down");
    int r = end_in_order(link);
    leave(link);
    return r;
}

void hob_ws_link_close(hob_ws_link *link)
{
    if (link == NULL)
        return;
    enter(link, "hob_ws_link_close");
    if (link->is_given_back)
        hob_mistake("hob_ws_link_close", "it was closed already");
    link->is_given_back = true;
    hob__link_end(link, -ECONNRESET, "the link was closed");
    leave(link);
}

void hob__ws_link_release(hob_ws_link *link)
{
    link->is_given_back = true;
    hob__link_free_if_done(link);
}

void hob_ws_link_about(const hob_ws_link *link, hob_ws_link_facts *ret_facts)
{
    *ret_facts = (hob_ws_link_facts){
        .open = link->open,
        .open_max = hob__link_open_max(link),
        .waiting = link->waiting,
        .leaves = link->leaves,
        .error = link->error,
        .words = link->words,
    };
}
