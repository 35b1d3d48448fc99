/* SPDX-License-Identifier: MIT */
/*
 * A proxy with TLS outside and plain TCP inside: for a server that knows no TLS.
 *
 *     examples/40_tls_proxy cert.pem key.pem tls :8443 127.0.0.1:80 tcp :8080 127.0.0.1:80
 *
 * Each route is a way in (tls or tcp), an address here and one inside; there may be several. What
 * comes encrypted goes through the program, to be decrypted; on a tcp route there is nothing to
 * encrypt, and the kernel moves it past the program (splice). An end in one direction is passed on,
 * by TLS's goodbye or TCP's, and the other direction goes on.
 *
 *     kill -HUP PID     new guests see the new certificate
 *     kill PID          nobody comes in any more; who is there has 10 seconds
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <hob.h>
#include <hob/tls.h>

enum { GUESTS_MAX = 1000 };

static const int64_t CONNECT_LIMIT = 10 * HOB_SEC;

/* Permits to be inside: further guests stand in line in the kernel's queue. */
static hob_sem room = { .name = "room for guests", .permits = GUESTS_MAX };

struct route {
    const char       *way; /* "tls" or "tcp" */
    hob_addr          here, target;
    hob_tls_config   *config;
    hob_tcp_listener *listener;
};

struct guest {
    const struct route *route;
    uint64_t            number;
    hob_tcp            *tcp;
    hob_tls            *tls; /* NULL: on a tcp route, or before it is one */
};

/* ---- one guest ---- */

static void report(const struct guest *g, const hob_copied *there, const hob_copied *back, int result)
{
    uint64_t bytes = there->bytes + back->bytes, spliced = there->spliced + back->spliced;

    printf("%s guest %" PRIu64 ": %" PRIu64 " bytes there, %" PRIu64 " back, %" PRIu64
           "%% past the program", g->route->way, g->number, there->bytes, back->bytes,
           bytes > 0 ? 100 * spliced / bytes : 0);
    if (result < 0)
        printf("; %s", hob_error_name(result));
    if (result < 0 && g->tls != NULL && hob_tls_error(g->tls)[0] != '\0')
        printf(" (%s)", hob_tls_error(g->tls));
    printf("\n");
    fflush(stdout);
}

static int connect_inside(const struct route *route, hob_tcp **ret_inside)
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(CONNECT_LIMIT));
    return hob_tcp_connect(&route->target, NULL, ret_inside);
}

/* The guest's stream. With TLS it is the connection's from then on, which closes both. */
static int open_outside(struct guest *g, hob_stream **ret_outside)
{
    *ret_outside = hob_tcp_stream(g->tcp);
    if (g->route->config == NULL)
        return 0;
    HOB_TRY(hob_tls_server(g->route->config, hob_tcp_stream(g->tcp), &g->tls));
    *ret_outside = hob_tls_stream(g->tls);
    return hob_tls_handshake(g->tls); // bounded: 10 seconds
}

static int serve_guest(void *arg)
{
    struct guest *g = arg;
    hob_tcp      *inside;
    hob_stream   *outside;
    hob_copied    there = { 0 }, back = { 0 };

    int r = open_outside(g, &outside);
    if (r == 0) // first the handshake: who only knocks does not disturb the house
        r = connect_inside(g->route, &inside);
    if (r == 0) {
        r = hob_copy_both(outside, hob_tcp_stream(inside), NULL, &there, &back);
        hob_tcp_close(inside);
    }
    report(g, &there, &back, r);
    hob_stream_close(outside);
    hob_sem_release(&room);
    return 0; // one guest's trouble is not the others'
}

/* ---- all of them ---- */

static int serve_route(void *arg)
{
    struct route *route = arg;
    struct guest  guest = { .route = route };
    int           r;

    HOB_SCOPE(guests);
    for (;;) {
        HOB_TRY(hob_sem_acquire(&room)); // before accept: the rest stand in line outside
        r = hob_tcp_accept(route->listener, &guest.tcp);
        if (r < 0)
            break;
        guest.number++;
        if (hob_go_copy(&guests, serve_guest, &guest, sizeof guest) < 0) {
            hob_tcp_close(guest.tcp);
            hob_sem_release(&room);
        }
    }
    hob_sem_release(&room);
    return r == HOB_ESTOPPING ? 0 : r; // the scope waits for those who are here
}

static int read_certificate_again(void *arg)
{
    hob_tls_config *config = arg;
    hob_tls_words   words;

    while (hob_signal_wait(HOB_SIGNALS(SIGHUP)) > 0) {
        int r = hob_tls_config_reload(config, NULL, &words);
        printf("%s\n", r == 0 ? "new guests see the new certificate" : words.text);
        fflush(stdout);
    }
    return 0;
}

static int serve_all(struct route *routes, int count, hob_tls_config *config)
{
    HOB_SCOPE(s);
    HOB_TRY(hob_go_with(&s, read_certificate_again, config, &(hob_task_opts){ .daemon = 1 }));
    int r = 0;
    for (int i = 0; r == 0 && i < count; i++)
        r = hob_go(&s, serve_route, &routes[i]);
    if (r < 0)
        hob_scope_cancel(&s, "a route could not be started");
    int ended = hob_scope_end(&s);
    return r < 0 ? r : ended;
}

/* Opens all ways in before anybody may come. */
static int open_routes(struct route *routes, int count)
{
    char text[HOB_ADDR_TEXT_MAX];

    for (int i = 0; i < count; i++) {
        int r = hob_tcp_listen(&routes[i].here, NULL, &routes[i].listener);
        if (r < 0) {
            fprintf(stderr, "%s: %s\n", hob_addr_format(&routes[i].here, text, sizeof text),
                    hob_strerror(r));
            return r;
        }
        hob_addr here = hob_tcp_listener_addr(routes[i].listener);
        printf("%s on port %d\n", routes[i].way, (int)hob_addr_port(&here));
        fflush(stdout);
    }
    return 0;
}

/* ---- the command line ---- */

struct command {
    char        **argv;
    struct route *routes;
    int           count;
};

static int run(void *arg)
{
    struct command  *command = arg;
    hob_tls_identity who_we_are = { .cert_file = command->argv[1], .key_file = command->argv[2] };
    hob_tls_opts     opts = { .identities = &who_we_are, .identity_count = 1 };
    hob_tls_words    words;
    hob_tls_config  *config;

    int r = hob_tls_config_new(&opts, &words, &config);
    if (r < 0) {
        fprintf(stderr, "%s\n", words.text);
        return r;
    }
    for (int i = 0; i < command->count; i++)
        command->routes[i].config = strcmp(command->routes[i].way, "tls") == 0 ? config : NULL;
    r = open_routes(command->routes, command->count);
    if (r == 0)
        r = serve_all(command->routes, command->count, config);
    for (int i = 0; i < command->count; i++)
        hob_tcp_listener_close(command->routes[i].listener);
    hob_tls_config_free(config);
    return r;
}

static int parse_route(char **words, struct route *ret_route)
{
    *ret_route = (struct route){ .way = words[0] };
    if (strcmp(words[0], "tls") != 0 && strcmp(words[0], "tcp") != 0)
        return -1;
    if (hob_addr_parse(words[1], &ret_route->here) < 0)
        return -1;
    return hob_addr_parse(words[2], &ret_route->target);
}

int main(int argc, char **argv)
{
    int           count = (argc - 3) / 3;
    struct route *routes = calloc(argc > 0 ? (size_t)argc : 1, sizeof *routes);
    int           r = routes == NULL || argc < 6 || argc % 3 != 0 ? -1 : 0;

    for (int i = 0; r == 0 && i < count; i++) {
        r = parse_route(argv + 3 + 3 * i, &routes[i]);
        if (r < 0)
            fprintf(stderr, "no route: %s %s %s\n", argv[3 + 3 * i], argv[4 + 3 * i], argv[5 + 3 * i]);
    }
    if (r < 0) {
        fprintf(stderr, "usage: 40_tls_proxy CERT KEY (tls|tcp) HERE TARGET ...\n"
                        "addresses are 127.0.0.1:80, [::1]:80, or :80 for all of IPv4\n");
        free(routes);
        return 2;
    }
    r = hob_run(run, &(struct command){ argv, routes, count });
    free(routes);
    return r < 0 ? 1 : r;
}
