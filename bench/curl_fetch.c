/* SPDX-License-Identifier: MIT */
/*
 * An HTTP client by libcurl alone: a multi handle whose sockets are watched by epoll, and an easy handle
 * for each request in flight, used again and again. No more than that: the limit of who uses libcurl. See
 * client.h.
 */
#include <curl/curl.h>
#include <sys/epoll.h>

#include "client.h"

enum { EVENTS_MAX = 256 };

struct request {
    CURL   *easy;
    int64_t asked_ns;
    char    body[64];
    size_t  len;
};

static CURLM  *multi;
static int     epoll_fd;
static int64_t timer_ns = -1; /* when libcurl wants to be called; -1: never */

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct epoll_event ev = { .data.fd = fd };

    (void)easy, (void)arg;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    ev.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
    if (epoll_ctl(epoll_fd, known != NULL ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev) < 0)
        bench_die("epoll_ctl");
    curl_multi_assign(multi, fd, &epoll_fd);
    return 0;
}

static int on_timer(CURLM *of, long ms, void *arg)
{
    (void)of, (void)arg;
    timer_ns = ms < 0 ? -1 : bench_now_ns() + ms * INT64_C(1000000);
    return 0;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct request *r = arg;

    if (size * count > sizeof r->body - r->len)
        return 0;
    memcpy(r->body + r->len, data, size * count);
    r->len += size * count;
    return size * count;
}

static void ask(struct request *r)
{
    r->len = 0;
    r->asked_ns = bench_now_ns();
    if (curl_multi_add_handle(multi, r->easy) != CURLM_OK)
        bench_die("curl_multi_add_handle");
}

static void take_answers(void)
{
    CURLMsg *message;
    int      left;

    while ((message = curl_multi_info_read(multi, &left)) != NULL) {
        struct request *r;
        long            status = 0;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &r);
        curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        curl_multi_remove_handle(multi, r->easy);
        if (!client_answered(r->asked_ns, status, r->body, r->len))
            client_end();
        ask(r);
    }
}

static int wait_ms(void)
{
    int64_t left = timer_ns - bench_now_ns();
    return timer_ns < 0 ? -1 : left <= 0 ? 0 : (int)((left + 999999) / 1000000);
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS_MAX];
    int                running;

    client_begin(argc, argv);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    multi = curl_multi_init();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)client.connections);
    for (int i = 0; i < client.connections; i++) {
        struct request *r = calloc(1, sizeof *r);

        if (r == NULL || (r->easy = curl_easy_init()) == NULL)
            bench_die("curl_easy_init");
        curl_easy_setopt(r->easy, CURLOPT_URL, client.url);
        curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(r->easy, CURLOPT_PRIVATE, r);
        curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
        ask(r);
    }
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS_MAX, wait_ms());

        for (int i = 0; i < n; i++) {
            int what = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0)
                       | (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0)
                       | (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
            curl_multi_socket_action(multi, events[i].data.fd, what, &running);
        }
        if (timer_ns >= 0 && bench_now_ns() >= timer_ns) {
            timer_ns = -1;
            curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
        }
        take_answers();
    }
}
