/* SPDX-License-Identifier: MIT */
/*
 * A board of live feeds, all over one connection: each metal is a WebSocket, and the connection is a link of HTTP/2.
 *
 *     53_feeds                            with a market of its own
 *     53_feeds wss://example.com /a /b    of any server that has WebSockets over HTTP/2
 *
 * `follow` is an ordinary client of a WebSocket: a feed that is slow, or ends, is none of the others' business.
 */
#include <stdio.h>
#include <stdlib.h>

#include <hob.h>
#include <hob/ws_link.h>

enum { FEEDS_MAX = 100, LINE_MAX = 60 };

/* ---- the board ---- */

struct feed {
    const char  *path;
    hob_ws_link *link;
    char         last[LINE_MAX];
    int          news;
};

static void close_ws(void *ws)
{
    hob_ws_close(ws);
}

static int follow(void *arg)
{
    struct feed      *feed = arg;
    hob_ws           *ws;
    hob_ws_kind       kind;
    hob_ws_open_words words;
    const char       *data;
    ssize_t           len;

    int r = hob_ws_open_on(feed->link, feed->path, NULL, &words, &ws);
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", feed->path, words.text);
        return r;
    }
    HOB_DEFER(close_ws, ws);
    while ((len = hob_ws_recv(ws, &kind, &data)) >= 0) {
        snprintf(feed->last, sizeof feed->last, "%s", data);
        feed->news++;
    }
    return len == HOB_EOF ? 0 : (int)len;
}

static int show(struct feed *feeds, int count, hob_ws_link *link)
{
    hob_scope s;

    hob_scope_begin(&s);
    hob_scope_policy(&s, HOB_WAIT_ALL); // one that fails is one
    for (int i = 0; i < count; i++) {
        feeds[i].link = link;
        hob_go(&s, follow, &feeds[i]);
    }
    int r = hob_scope_end(&s);
    for (int i = 0; i < count; i++)
        printf("%-10s %10s  after %d news\n", feeds[i].path, feeds[i].last, feeds[i].news);
    return r;
}

static int watch(const char *url, struct feed *feeds, int count)
{
    hob_ws_link      *link;
    hob_ws_open_words words;

    int r = hob_ws_link_open(url, NULL, &words, &link);
    if (r < 0) {
        fprintf(stderr, "%s\n", words.text);
        return r;
    }
    r = show(feeds, count, link);
    int ended = hob_ws_link_shutdown(link);
    hob_ws_link_close(link);
    return r < 0 ? r : ended;
}

/* ---- a market ---- */

/* Five prices, each a bit higher, and goodbye. */
static int quote(hob_ws *ws, void *arg)
{
    const char *path = arg;
    char        price[LINE_MAX];

    for (int i = 1; i <= 5; i++) {
        snprintf(price, sizeof price, "%d.%02d", (path[1] - 'a') * 10 + i, i * 11);
        HOB_TRY(hob_ws_send_text(ws, price));
        HOB_TRY(hob_sleep(10 * HOB_MSEC));
    }
    return 0;
}

static int handle(hob_http_request *req, void *arg)
{
    return hob_ws_serve(req, NULL, quote, (void *)hob_http_path(req));
}

static void close_listener(void *listener)
{
    hob_tcp_listener_close(listener);
}

static int open_market(void *arg)
{
    hob_addr          here = hob_addr_loopback(0);
    hob_tcp_listener *listener;

    HOB_TRY(hob_tcp_listen(&here, NULL, &listener));
    HOB_DEFER(close_listener, listener);
    *(hob_addr *)arg = hob_tcp_listener_addr(listener);
    hob_ready(NULL);
    return hob_http_serve(listener, NULL, handle, NULL);
}

static int watch_own(void)
{
    struct feed   feeds[] = { { .path = "/copper" }, { .path = "/gold" }, { .path = "/silver" } };
    hob_task_opts opts = { .name = "market", .daemon = 1 };
    hob_addr      market;
    char          url[60];

    HOB_SCOPE(s);
    HOB_TRY(hob_go_ready(&s, open_market, &market, &opts, NULL));
    snprintf(url, sizeof url, "ws://127.0.0.1:%u", hob_addr_port(&market));
    return watch(url, feeds, 3);
}

/* ---- both ---- */

static int board(void *arg)
{
    static struct feed feeds[FEEDS_MAX];
    char             **argv = arg;
    int                count = 0;

    if (argv[1] == NULL)
        return watch_own();
    for (; count < FEEDS_MAX && argv[2 + count] != NULL; count++)
        feeds[count].path = argv[2 + count];
    return watch(argv[1], feeds, count);
}

int main(int argc, char **argv)
{
    (void)argc;
    return hob_run(board, argv);
}
