/* SPDX-License-Identifier: MIT */
/*
 * Many pages at once, but not too many: 50_pages URL...
 *
 *     build/examples/50_pages https://example.com/ https://example.org/
 *     build/examples/50_pages                     # forty pages of a server of its own
 */
#include <stdio.h>
#include <stdlib.h>

#include <hob.h>
#include <hob/fetch.h>
#include <hob/http.h>

struct page {
    hob_fetch_client *client;
    char              url[1000];
};

static int get(void *arg)
{
    struct page      *page = arg;
    hob_retry_opts    retry = { .attempts_max = 3 };
    hob_fetch_opts    opts = { .retry = &retry, .total_ns = 30 * HOB_SEC };
    hob_fetch_trouble trouble;
    hob_fetch_answer *answer;
    hob_fetch_times   times;

    if (hob_fetch_with(page->client, page->url, &opts, &trouble, &answer) < 0) {
        printf("%s: %s\n", page->url, trouble.text);
        return 0; // one page's trouble is not the others'
    }
    hob_fetch_times_get(answer, &times);
    printf("%d %s, %zu bytes, %s connection\n", hob_fetch_status(answer), hob_fetch_url(answer),
           hob_fetch_body_len(answer), times.is_reused ? "kept" : "new");
    hob_fetch_close(answer);
    return 0;
}

static void free_client(void *client)
{
    hob_fetch_client_free(client);
}

/* All of them are tasks at once; the client lets eight ask, and four of one host. */
static int get_all(char **urls)
{
    hob_fetch_client_opts opts = { .requests_max = 8, .requests_per_host_max = 4 };
    hob_fetch_client     *client;
    hob_fetch_stats       stats;
    HOB_SCOPE(pages);

    HOB_TRY(hob_fetch_client_new(&pages, &opts, &client));
    HOB_DEFER(free_client, client);
    for (; *urls != NULL; urls++) {
        struct page page = { .client = client };
        snprintf(page.url, sizeof page.url, "%s", *urls);
        HOB_TRY(hob_go_copy(&pages, get, &page, sizeof page));
    }
    int r = hob_scope_end(&pages);
    hob_fetch_stats_get(client, &stats);
    printf("%llu exchanges, %llu connections\n", (unsigned long long)stats.exchanges,
           (unsigned long long)stats.connected);
    return r;
}

/* ---- a server of its own ---- */

static int answer(hob_http_request *req, void *arg)
{
    int *left = arg; // to be busy for

    HOB_TRY(hob_sleep(10 * HOB_MSEC));
    if ((*left)-- > 0)
        return hob_http_reply_text(req, 503, "busy\n");
    return hob_http_reply_text(req, 200, hob_http_target(req));
}

static int serve(void *arg)
{
    hob_addr          here = hob_addr_loopback(0);
    hob_tcp_listener *listener;

    HOB_TRY(hob_tcp_listen(&here, NULL, &listener));
    here = hob_tcp_listener_addr(listener);
    hob_ready(&here);
    int r = hob_http_serve(listener, NULL, answer, arg);
    hob_tcp_listener_close(listener);
    return r;
}

static int show(void)
{
    enum { PAGES = 40 };
    char          texts[PAGES][64], *urls[PAGES + 1] = { NULL };
    hob_task_opts daemon = { .daemon = 1 };
    int           busy = 3;
    void         *addr;
    HOB_SCOPE(s);

    HOB_TRY(hob_go_ready(&s, serve, &busy, &daemon, &addr));
    for (int i = 0; i < PAGES; i++) {
        snprintf(texts[i], sizeof texts[i], "http://127.0.0.1:%u/page/%d", hob_addr_port(addr), i);
        urls[i] = texts[i];
    }
    HOB_TRY(get_all(urls));
    return hob_scope_end(&s);
}

static int start(void *arg)
{
    char **argv = arg;
    return argv[1] != NULL ? get_all(argv + 1) : show();
}

int main(int argc, char **argv)
{
    return hob_run(start, argv);
}
