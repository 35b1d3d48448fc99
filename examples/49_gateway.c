/* SPDX-License-Identifier: MIT */
/*
 * A reverse proxy: what is asked here is asked of one of several servers, and their answers go back.
 *
 *     49_gateway 8080 http://127.0.0.1:9001 http://127.0.0.1:9002
 *     49_gateway                      # with two servers of its own, one of which is ill now and then
 *
 * Bodies go through in both directions as slowly as the slower side, in a few small buffers. Who does not
 * answer /health is left out until it does; what has no body and got no answer is asked of the next.
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

static int look_after(void *arg)
{
    struct gateway *gateway = arg;
    hob_ticker      second;

    hob_ticker_init(&second, 1 * HOB_SEC);
    for (;;) {
        for (int i = 0; i < gateway->count; i++)
            gateway->servers[i].is_well = is_well(&gateway->servers[i]);
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

/* What is between two neighbours, and is not passed on (RFC 9110, 7.6.1). */
static int is_between_neighbours(const char *name)
{
    static const char *const NAMES[] = { "Connection", "Content-Length", "Expect", "Host", "Keep-Alive",
                                         "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection",
                                         "TE", "Trailer", "Transfer-Encoding", "Upgrade" };
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (strcasecmp(name, NAMES[i]) == 0)
            return 1;
    return 0;
}

static size_t headers_of(hob_http_request *req, hob_fetch_header *headers)
{
    const char *name, *value;
    size_t      count = 0;

    for (size_t i = 0; hob_http_header_at(req, i, &name, &value) && count < HEADERS_MAX - 1; i++)
        if (!is_between_neighbours(name))
            headers[count++] = (hob_fetch_header){ name, value };
    headers[count++] = (hob_fetch_header){ "Via", "1.1 gateway" };
    return count;
}

static int open_there(hob_http_request *req, const struct server *server, hob_fetch_answer **ret_answer)
{
    hob_fetch_header  headers[HEADERS_MAX];
    hob_fetch_trouble trouble;
    char              url[URL_MAX];
    int64_t           length = hob_http_body_length(req);
    hob_fetch_opts    opts = {
        .method = hob_http_method(req),
        .headers = headers,
        .header_count = headers_of(req, headers),
        .upload = length != 0,
        .body_length = length > 0 ? length : 0, // or not known
        .redirects_max = -1,
    };

    snprintf(url, sizeof url, "%s%s", server->url, hob_http_target(req));
    int r = hob_fetch_open(NULL, url, &opts, &trouble, ret_answer);
    if (r < 0)
        printf("%s\n", trouble.text);
    return r;
}

/* ---- and back ---- */

/* The request's body goes first, then the answer comes; a server that answers before it has heard all of
 * it has heard enough. */
static int send_body(hob_http_request *req, hob_fetch_answer *answer)
{
    int r = hob_copy(hob_http_stream(req), hob_fetch_stream(answer), NULL, NULL);
    if (r == 0)
        r = hob_fetch_finish(answer);
    return r == -EPIPE ? 0 : r;
}

static int pass_back(hob_http_request *req, hob_fetch_answer *answer)
{
    const char *name, *value, *length = hob_fetch_header_of(answer, "Content-Length");

    for (size_t i = 0; hob_fetch_header_at(answer, i, &name, &value); i++)
        if (!is_between_neighbours(name) && strcasecmp(name, "Date") != 0)
            HOB_TRY(hob_http_add_header(req, name, value));
    HOB_TRY(hob_http_begin(req, hob_fetch_status(answer), NULL, length != NULL ? atoll(length) : -1));
    return hob_copy(hob_fetch_stream(answer), hob_http_stream(req), NULL, NULL);
}

static int exchange(hob_http_request *req, hob_fetch_answer *answer)
{
    if (hob_http_body_length(req) != 0) {
        HOB_TRY(send_body(req, answer));
        HOB_TRY(hob_fetch_wait(answer));
    }
    return pass_back(req, answer);
}

static int pass_on(hob_http_request *req, void *arg)
{
    struct gateway   *gateway = arg;
    hob_fetch_answer *answer = NULL;
    int               may_repeat = hob_http_body_length(req) == 0;
    int               r = -1;

    for (int left = may_repeat ? gateway->count : 1; r < 0 && left > 0 && hob_cancelled() == 0; left--) {
        struct server *server = choose(gateway);
        r = open_there(req, server, &answer);
        if (r < 0)
            server->is_well = 0;
    }
    if (r < 0)
        return hob_http_reply_text(req, 502, NULL);
    r = exchange(req, answer);
    if (r < 0 && hob_fetch_status(answer) == 0)
        r = hob_http_reply_text(req, 502, NULL);
    hob_fetch_close(answer);
    return r; // an answer that was cut off there is cut off here
}

static int run_gateway(hob_tcp_listener *listener, struct gateway *gateway)
{
    hob_http_opts opts = { .body_bytes_max = UINT64_C(1) << 40, .body_ns = HOB_HOUR, .request_ns = HOB_HOUR,
                           .stack_bytes = 256 << 10 };
    hob_task_opts daemon = { .daemon = 1, .name = "health" };
    HOB_SCOPE(s);

    HOB_TRY(hob_go_with(&s, look_after, gateway, &daemon));
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
    int         is_ill, answered;
};

static int sell(hob_http_request *req, void *arg)
{
    struct shop *shop = arg;
    char         text[100], piece[5000];
    ssize_t      n, bytes = 0;

    if (shop->is_ill)
        return -EIO;
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

/* Sends so many bytes. Returns how many came back; the number that came, when some were sent. */
static int visit(const char *gateway, const char *path, size_t send)
{
    char              url[200], *body = send > 0 ? calloc(send, 1) : NULL;
    hob_fetch_opts    opts = { .body = body, .body_len = body != NULL ? send : 0 };
    hob_fetch_answer *answer;

    snprintf(url, sizeof url, "%s%s", gateway, path);
    int r = hob_fetch_with(NULL, url, &opts, NULL, &answer);
    free(body);
    HOB_TRY(r);
    r = send > 0 ? atoi(hob_fetch_body(answer)) : (int)hob_fetch_body_len(answer);
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
