/* SPDX-License-Identifier: MIT */
/*
 * A reverse proxy: what is asked here is asked of one of several servers, and their answers go back.
 *
 *     49_gateway 8080 http://127.0.0.1:9001 http://127.0.0.1:9002
 *     49_gateway                      # with two servers of its own, one of which is ill now and then
 *
 * Bodies go through in both directions at once, as slowly as the slower side, in a few small buffers. Who does
 * not answer /health is left out until it does. What got no answer, or "not now", is asked of the next one, if
 * that cannot do it twice.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <hob.h>
#include <hob/fetch.h>
#include <hob/http.h>

enum { SERVERS_MAX = 16, HEADERS_MAX = 100, URL_MAX = 9000 };

struct server {
    const char *url; /* "http://host:port" */
    int         is_well;
};

struct gateway {
    struct server servers[SERVERS_MAX];
    int           count, next;
};

/* ---- health ---- */

static int is_well(const struct server *server)
{
    hob_fetch_opts    quick = { .total_ns = 500 * HOB_MSEC, .body_bytes_max = 1000 };
    hob_fetch_trouble trouble;
    hob_fetch_answer *answer;
    char              url[URL_MAX];

    snprintf(url, sizeof url, "%s/health", server->url);
    if (hob_fetch_with(NULL, url, &quick, &trouble, &answer) < 0) {
        if (server->is_well)
            printf("%s\n", trouble.text);
        return 0;
    }
    int status = hob_fetch_status(answer);
    hob_fetch_close(answer);
    return status == 200;
}

/* Each server has a task of its own: one that does not answer delays no news of the others. */
static int look_after(void *arg)
{
    struct server *server = arg;
    hob_ticker     second;

    hob_ticker_init(&second, 1 * HOB_SEC);
    for (;;) {
        server->is_well = is_well(server);
        HOB_TRY(hob_ticker_wait(&second));
    }
}

/* Those who are well take turns; when nobody is, all do. */
static struct server *choose(struct gateway *gateway)
{
    for (int i = 0; i < gateway->count; i++) {
        struct server *server = &gateway->servers[gateway->next++ % gateway->count];
        if (server->is_well)
            return server;
    }
    return &gateway->servers[gateway->next++ % gateway->count];
}

/* ---- there ---- */

/* Whether a list such as "close, X-Mine" has the name. */
static int lists(const char *list, const char *name)
{
    size_t len = strlen(name);

    for (; list != NULL && *list != '\0'; list += strcspn(list, ",")) {
        list += strspn(list, ", \t");
        if (strcspn(list, ", \t") == len && strncasecmp(list, name, len) == 0)
            return 1;
    }
    return 0;
}

/* What is between two neighbours, and is not passed on, with what their Connection header names (RFC 9110,
 * 7.6.1). */
static int is_between_neighbours(const char *name, const char *connection)
{
    static const char *const NAMES[] = { "Connection", "Content-Length", "Expect", "Host", "Keep-Alive",
                                         "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
                                         "TE", "Trailer", "Transfer-Encoding", "Upgrade" };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (strcasecmp(name, NAMES[i]) == 0)
            return 1;
    return lists(connection, name);
}

/* Those of the request, and who asks: what a client says of that itself is not believed. */
static size_t headers_of(hob_http_request *req, char client[HOB_ADDR_TEXT_MAX], hob_fetch_header *headers)
{
    const char *name, *value, *connection = hob_http_header(req, "Connection");
    hob_addr    addr = hob_http_peer_addr(req);
    size_t      count = 0;

    for (size_t i = 0; hob_http_header_at(req, i, &name, &value) && count < HEADERS_MAX - 3; i++)
        if (!is_between_neighbours(name, connection) && strncasecmp(name, "X-Forwarded-", 12) != 0)
            headers[count++] = (hob_fetch_header){ name, value };
    hob_addr_format(&addr, client, HOB_ADDR_TEXT_MAX);
    if (strrchr(client, ':') != NULL)
        *strrchr(client, ':') = '\0'; // its port is nobody's business
    headers[count++] = (hob_fetch_header){ "X-Forwarded-For", client };
    headers[count++] = (hob_fetch_header){ "X-Forwarded-Host", hob_http_host(req) };
    headers[count++] = (hob_fetch_header){ "Via", "1.1 gateway" };
    return count;
}

static int open_there(hob_http_request *req, const struct server *server, hob_fetch_trouble *ret_trouble,
                      hob_fetch_answer **ret_answer)
{
    hob_fetch_header  headers[HEADERS_MAX];
    char              url[URL_MAX], client[HOB_ADDR_TEXT_MAX];
    int64_t           length = hob_http_body_length(req);
    hob_fetch_opts    opts = {
        .method = hob_http_method(req),
        .headers = headers,
        .header_count = headers_of(req, client, headers),
        .upload = length != 0,
        .body_length = length > 0 ? length : 0, // or not known
        .redirects_max = -1,
    };

    snprintf(url, sizeof url, "%s%s", server->url, hob_http_target(req));
    int r = hob_fetch_open(NULL, url, &opts, ret_trouble, ret_answer);
    if (r < 0)
        printf("%s\n", ret_trouble->text);
    return r;
}

/* ---- and back ---- */

struct exchange {
    hob_http_request *req;
    hob_fetch_answer *answer;
};

/* Runs beside the answer, which may begin before all of the body was sent. A server that has answered takes
 * no more of it. */
static int send_body(void *arg)
{
    struct exchange *exchange = arg;
    hob_stream      *there = hob_fetch_stream(exchange->answer);

    int r = hob_copy(hob_http_stream(exchange->req), there, NULL, NULL);
    if (r == 0)
        r = hob_fetch_finish(exchange->answer);
    return r == -EPIPE ? 0 : r;
}

static int pass_back(hob_http_request *req, hob_fetch_answer *answer)
{
    const char *name, *value, *length = hob_fetch_header_of(answer, "Content-Length");
    const char *connection = hob_fetch_header_of(answer, "Connection");

    for (size_t i = 0; hob_fetch_header_at(answer, i, &name, &value); i++)
        if (!is_between_neighbours(name, connection) && strcasecmp(name, "Date") != 0)
            HOB_TRY(hob_http_add_header(req, name, value));
    HOB_TRY(hob_http_begin(req, hob_fetch_status(answer), NULL, length != NULL ? atoll(length) : -1));
    return hob_copy(hob_fetch_stream(answer), hob_http_stream(req), NULL, NULL);
}

/* Both ways at once. When the answer is whole, what is left of the body is not sent. */
static int go_through(hob_http_request *req, hob_fetch_answer *answer)
{
    struct exchange exchange = { req, answer };
    hob_scope       both;

    hob_scope_begin(&both);
    if (hob_http_body_length(req) != 0)
        hob_go(&both, send_body, &exchange);
    int r = hob_fetch_wait(answer);
    if (r == 0)
        r = pass_back(req, answer);
    hob_scope_cancel(&both, "the answer has ended");
    int ended = hob_scope_end(&both);
    return hob_scope_failures(&both) > 0 ? ended : r;
}

/* Whether another may be asked, too: it has not heard it, or it is a question that changes nothing. */
static int may_ask_again(hob_http_request *req, const hob_fetch_trouble *trouble)
{
    static const char *const METHODS = "GET, HEAD, OPTIONS, PUT, DELETE";

    if (hob_http_body_length(req) != 0)
        return 0; // it is gone when it was sent once
    return (trouble != NULL && trouble->step < HOB_FETCH_SEND) || lists(METHODS, hob_http_method(req));
}

static int says_not_now(const hob_fetch_answer *answer)
{
    int status = hob_fetch_status(answer);
    return status == 502 || status == 503 || status == 504;
}

/* One after the other, until one answers; each once. Returns 0 with the answer, or why the last had none. */
static int ask_one(hob_http_request *req, struct gateway *gateway, hob_fetch_answer **ret_answer)
{
    hob_fetch_trouble trouble;

    for (int left = gateway->count;; left--) {
        struct server *server = choose(gateway);
        int            r = open_there(req, server, &trouble, ret_answer);
        if (r < 0) {
            server->is_well = 0;
            if (left == 1 || hob_cancelled() != 0 || !may_ask_again(req, &trouble))
                return r;
        } else if (left == 1 || !says_not_now(*ret_answer) || !may_ask_again(req, NULL)) {
            return 0;
        } else {
            hob_fetch_close(*ret_answer);
        }
    }
}

/* An answer that was cut off there is cut off here; before it has begun, it is said what went wrong. */
static int pass_on(hob_http_request *req, void *arg)
{
    hob_fetch_answer *answer;

    int r = ask_one(req, arg, &answer);
    if (r == 0) {
        r = go_through(req, answer);
        hob_fetch_close(answer);
    }
    if (r < 0 && hob_http_status(req) == 0 && hob_cancelled() == 0)
        return hob_http_reply_text(req, r == -ETIMEDOUT ? 504 : 502, NULL);
    return r;
}

static int run_gateway(hob_tcp_listener *listener, struct gateway *gateway)
{
    hob_http_opts opts = { .body_bytes_max = UINT64_C(1) << 40, .body_ns = HOB_HOUR, .request_ns = HOB_HOUR,
                           .stack_bytes = 256 << 10 };
    hob_task_opts daemon = { .daemon = 1, .name = "health" };
    HOB_SCOPE(s);

    for (int i = 0; i < gateway->count; i++)
        HOB_TRY(hob_go_with(&s, look_after, &gateway->servers[i], &daemon));
    HOB_TRY(hob_http_serve(listener, &opts, pass_on, gateway));
    return hob_scope_end(&s);
}

static int listen_and_run(uint16_t port, struct gateway *gateway)
{
    hob_addr          here = hob_addr_loopback(port);
    hob_tcp_listener *listener;

    HOB_TRY(hob_tcp_listen(&here, NULL, &listener));
    here = hob_tcp_listener_addr(listener);
    printf("a gateway to %d servers, on port %u\n", gateway->count, hob_addr_port(&here));
    hob_ready(&here);
    int r = run_gateway(listener, gateway);
    hob_tcp_listener_close(listener);
    return r;
}

/* ---- two servers to stand behind it ---- */

struct shop {
    const char *name;
    int         is_ill, is_busy, answered;
};

/* Says what it hears, while it hears it. */
static int echo(hob_http_request *req)
{
    char    piece[5000];
    ssize_t n;

    HOB_TRY(hob_http_begin(req, 200, NULL, -1));
    while ((n = HOB_TRY(hob_http_read(req, piece, sizeof piece))) > 0)
        HOB_TRY(hob_http_write(req, piece, (size_t)n));
    return 0;
}

static int sell(hob_http_request *req, void *arg)
{
    struct shop *shop = arg;
    char         text[100], piece[5000];
    ssize_t      n, bytes = 0;

    if (shop->is_ill)
        return -EIO;
    if (shop->is_busy && strcmp(hob_http_path(req), "/health") != 0)
        return hob_http_reply_text(req, 503, NULL);
    if (strcmp(hob_http_path(req), "/echo") == 0)
        return echo(req);
    if (strcmp(hob_http_path(req), "/dots") == 0) {
        memset(piece, '.', sizeof piece);
        HOB_TRY(hob_http_begin(req, 200, NULL, 1000 * (int64_t)sizeof piece));
        for (int i = 0; i < 1000; i++)
            HOB_TRY(hob_http_write(req, piece, sizeof piece));
        return 0;
    }
    if (hob_http_body_length(req) != 0) {
        while ((n = HOB_TRY(hob_http_read(req, piece, sizeof piece))) > 0)
            bytes += n;
        snprintf(text, sizeof text, "%zd", bytes);
        return hob_http_reply_text(req, 200, text);
    }
    shop->answered += strcmp(hob_http_path(req), "/health") != 0;
    snprintf(text, sizeof text, "%s says hello\n", shop->name);
    return hob_http_reply_text(req, 200, text);
}

static int run_shop(void *arg)
{
    hob_addr          here = hob_addr_loopback(0);
    hob_http_opts     opts = { .body_bytes_max = 10000000 };
    hob_tcp_listener *listener;

    HOB_TRY(hob_tcp_listen(&here, NULL, &listener));
    here = hob_tcp_listener_addr(listener);
    hob_ready(&here);
    int r = hob_http_serve(listener, &opts, sell, arg);
    hob_tcp_listener_close(listener);
    return r;
}

/* ---- a guest ---- */

/* Sends so many bytes. Returns how many came back; of "/" the number that it says. */
static int visit(const char *gateway, const char *path, size_t send)
{
    char              url[200], *body = send > 0 ? calloc(send, 1) : NULL;
    hob_fetch_opts    opts = { .body = body, .body_len = body != NULL ? send : 0 };
    hob_fetch_answer *answer;

    snprintf(url, sizeof url, "%s%s", gateway, path);
    int r = hob_fetch_with(NULL, url, &opts, NULL, &answer);
    free(body);
    HOB_TRY(r);
    r = send > 0 && strcmp(path, "/") == 0 ? atoi(hob_fetch_body(answer)) : (int)hob_fetch_body_len(answer);
    if (hob_fetch_status(answer) != 200)
        r = -EIO;
    hob_fetch_close(answer);
    return r;
}

static int run_the_gateway(void *arg)
{
    return listen_and_run(0, arg);
}

static int show(void)
{
    struct shop    shops[2] = { { .name = "ann" }, { .name = "bob" } };
    struct gateway gateway = { .count = 2 };
    char           urls[2][100], url[100];
    hob_task_opts  daemon = { .daemon = 1 };
    void          *addr;
    HOB_SCOPE(s);

    for (int i = 0; i < 2; i++) {
        HOB_TRY(hob_go_ready(&s, run_shop, &shops[i], &daemon, &addr));
        snprintf(urls[i], sizeof urls[i], "http://127.0.0.1:%u", hob_addr_port(addr));
        gateway.servers[i] = (struct server){ urls[i], 1 };
    }
    HOB_TRY(hob_go_ready(&s, run_the_gateway, &gateway, &daemon, &addr));
    snprintf(url, sizeof url, "http://127.0.0.1:%u", hob_addr_port(addr));
    for (int i = 0; i < 10; i++)
        HOB_TRY(visit(url, "/", 0));
    printf("ann answered %d, bob %d\n", shops[0].answered, shops[1].answered);
    printf("%d bytes there\n", HOB_TRY(visit(url, "/", 5000000)));
    printf("%d bytes back\n", HOB_TRY(visit(url, "/dots", 0)));
    printf("%d bytes there and back\n", HOB_TRY(visit(url, "/echo", 5000000)));
    shops[1].is_busy = 1;
    for (int i = 0; i < 10; i++)
        HOB_TRY(visit(url, "/", 0)); // whoever is asked first
    printf("bob is busy: ann answered %d, bob %d\n", shops[0].answered, shops[1].answered);
    shops[1].is_busy = 0;
    shops[0].is_ill = 1;
    HOB_TRY(hob_sleep(1500 * HOB_MSEC)); // until that was seen
    for (int i = 0; i < 10; i++)
        HOB_TRY(visit(url, "/", 0));
    printf("ann is ill: she answered %d, bob %d\n", shops[0].answered, shops[1].answered);
    return hob_scope_end(&s);
}

static int start(void *arg)
{
    char         **argv = arg;
    struct gateway gateway = { 0 };

    if (argv[1] == NULL)
        return show();
    for (char **url = argv + 2; *url != NULL && gateway.count < SERVERS_MAX; url++)
        gateway.servers[gateway.count++] = (struct server){ *url, 1 };
    return listen_and_run((uint16_t)atoi(argv[1]), &gateway);
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        fprintf(stderr, "usage: %s [PORT URL...]\n", argv[0]);
        return EXIT_FAILURE;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    return hob_run(start, argv);
}
