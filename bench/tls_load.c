/* SPDX-License-Identifier: MIT */
/*
 * The load of a TLS server on 127.0.0.1, and what that cost the server in CPU time:
 *
 *     tls_load --port P --pid SERVER --echo BYTES [--connections C] [--warm-ms W] [--ms T]
 *     tls_load --port P --pid SERVER --shake full|resumed [...]
 *
 * --echo keeps one message of so many bytes in flight on each connection, and checks the answers.
 * --shake connects, makes a handshake, sends a message, waits for the first bytes of its answer, says
 * goodbye and closes, again and again, C of these at once. The message is an HTTP request of 64
 * bytes: what an echo server gives back, and a web server answers. With `resumed`, each handshake
 * resumes a session, whose ticket came before and is used once.
 *
 * TLS 1.3; the certificate is not verified, which would cost only the load. Between two phases all
 * answers come in, and the server is idle when its CPU time is read (bench.h).
 */
#include "bench.h"

#include <assert.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum { SESSIONS_MAX = 1024, EVENTS_MAX = 256, ANSWER_WAIT_MS = 5000, SIZE_MAX_BYTES = 1 << 20 };

static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nX-Filler: 0123456789abcdefg\r\n\r\n";

static_assert(sizeof request - 1 == 64, "as large as the message of the echo");

struct conn {
    int    fd;
    SSL   *ssl;
    bool   shaken, is_busy;
    size_t sent, got; /* of the message, and of its answer */
};

static struct {
    int  port, pid, connections, warm_ms, ms;
    int  size;    /* of a message         */
    bool echoes;  /* else handshakes      */
    bool resumes;
} opts = { .connections = 50, .warm_ms = 200, .ms = 1000 };

static SSL_CTX     *context;
static SSL_SESSION *sessions[SESSIONS_MAX];
static int          session_count;
static struct conn *conns;
static int          epoll_fd;
static char        *message, *answer;
static uint64_t     done, resumed;

static void fail(const char *what)
{
    fprintf(stderr, "tls_load: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

/* True: go on; false: the peer's turn. */
static bool went_on(const struct conn *c, int r)
{
    if (r > 0)
        return true;
    int error = SSL_get_error(c->ssl, r);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        fail("the server closed a connection, or broke the protocol");
    return false;
}

static int on_session(SSL *ssl, SSL_SESSION *new)
{
    (void)ssl;
    if (session_count == SESSIONS_MAX)
        return 0;
    sessions[session_count++] = new;
    return 1; // it is ours
}

static void conn_open(struct conn *c)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)opts.port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };

    *c = (struct conn){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                        .ssl = SSL_new(context),
                        .is_busy = true };
    if (c->fd < 0 || c->ssl == NULL || connect(c->fd, (struct sockaddr *)&addr, sizeof addr) < 0 ||
        fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0)
        bench_die("connect");
    bench_no_delay(c->fd);
    if (SSL_set_fd(c->ssl, c->fd) != 1)
        fail("SSL_set_fd");
    if (session_count > 0) {
        SSL_SESSION *session = sessions[--session_count];
        if (SSL_set_session(c->ssl, session) != 1)
            fail("SSL_set_session");
        SSL_SESSION_free(session);
    }
    SSL_set_connect_state(c->ssl);
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) < 0)
        bench_die("epoll_ctl");
}

static void conn_close(struct conn *c)
{
    resumed += (uint64_t)SSL_session_reused(c->ssl);
    SSL_shutdown(c->ssl); // what it cannot say any more, as the server has closed, ...
    SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); // ... breaks no session
    SSL_free(c->ssl);
    close(c->fd);
    c->ssl = NULL;
}

/* As far as it goes. Returns true when the answer is whole, or has begun if it is no echo. */
static bool advance(struct conn *c)
{
    size_t n;

    if (!c->shaken && !went_on(c, SSL_do_handshake(c->ssl)))
        return false;
    c->shaken = true;
    while (c->sent < (size_t)opts.size) {
        if (!went_on(c, SSL_write_ex(c->ssl, message + c->sent, (size_t)opts.size - c->sent, &n)))
            break; // it may be that the answer has to be read first
        c->sent += n;
    }
    while (c->got < (size_t)opts.size) {
        if (!went_on(c, SSL_read_ex(c->ssl, answer, (size_t)opts.size, &n)))
            return false;
        if (opts.echoes && memcmp(answer, message + c->got, n) != 0)
            fail("the answer is not the message");
        c->got += n;
        if (!opts.echoes)
            return true;
    }
    return true;
}

/* Goes on until the connection waits for the server, or has nothing to do any more: false. */
static bool pursue(struct conn *c, int64_t end_ns)
{
    while (advance(c)) {
        bool more = bench_now_ns() < end_ns;

        done++;
        c->is_busy = more;
        if (!opts.echoes)
            conn_close(c);
        if (!more)
            return false;
        if (!opts.echoes)
            conn_open(c);
        c->sent = c->got = 0;
    }
    return true;
}

/* Keeps all connections busy until `end_ns`, then takes in what is still under way. */
static void run_phase(int64_t end_ns)
{
    struct epoll_event events[EVENTS_MAX];
    int                busy = 0;

    done = resumed = 0;
    for (int i = 0; i < opts.connections; i++) {
        if (conns[i].ssl == NULL)
            conn_open(&conns[i]);
        conns[i].sent = conns[i].got = 0;
        conns[i].is_busy = true;
        busy += pursue(&conns[i], end_ns);
    }
    while (busy > 0) {
        int n = epoll_wait(epoll_fd, events, EVENTS_MAX, ANSWER_WAIT_MS);

        if (n <= 0 && errno != EINTR)
            fail("no answer for five seconds");
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;

            if (c->is_busy && !pursue(c, end_ns))
                busy--;
        }
    }
    usleep(5000); // the server falls asleep, and its time is booked
}

static void read_args(int argc, char **argv)
{
    static const struct option names[] = {
        { "port", 1, NULL, 'p' },    { "pid", 1, NULL, 'i' }, { "connections", 1, NULL, 'c' },
        { "echo", 1, NULL, 'e' },    { "shake", 1, NULL, 's' }, { "warm-ms", 1, NULL, 'w' },
        { "ms", 1, NULL, 'm' },      { NULL, 0, NULL, 0 },
    };
    int ch;

    while ((ch = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (ch) {
        case 'p': opts.port = atoi(optarg); break;
        case 'i': opts.pid = atoi(optarg); break;
        case 'c': opts.connections = atoi(optarg); break;
        case 'e': opts.size = atoi(optarg); opts.echoes = true; break;
        case 's': opts.size = sizeof request - 1; opts.resumes = strcmp(optarg, "resumed") == 0; break;
        case 'w': opts.warm_ms = atoi(optarg); break;
        case 'm': opts.ms = atoi(optarg); break;
        default: exit(2);
        }
    }
    if (opts.port <= 0 || opts.pid <= 0 || opts.connections <= 0 || opts.size <= 0 ||
        opts.size > SIZE_MAX_BYTES) {
        fprintf(stderr, "usage: tls_load --port P --pid SERVER --echo BYTES|--shake full|resumed ...\n");
        exit(2);
    }
}

static void make_context(void)
{
    context = SSL_CTX_new(TLS_client_method());
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1)
        fail("SSL_CTX_new");
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!opts.resumes)
        return;
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, on_session);
}

int main(int argc, char **argv)
{
    read_args(argc, argv);
    alarm(60);
    signal(SIGPIPE, SIG_IGN);
    make_context();
    conns = calloc((size_t)opts.connections, sizeof *conns);
    message = malloc((size_t)opts.size);
    answer = malloc((size_t)opts.size);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (conns == NULL || message == NULL || answer == NULL || epoll_fd < 0)
        bench_die("tls_load");
    for (int i = 0; i < opts.size; i++)
        message[i] = opts.echoes ? (char)('a' + i % 26) : request[i];

    run_phase(bench_now_ns() + opts.warm_ms * INT64_C(1000000));
    int64_t server_ns = bench_process_cpu_ns(opts.pid), self_ns = bench_cpu_ns(), began = bench_now_ns();
    run_phase(began + opts.ms * INT64_C(1000000));
    int64_t took = bench_now_ns() - began;
    self_ns = bench_cpu_ns() - self_ns;
    server_ns = bench_process_cpu_ns(opts.pid) - server_ns;

    if (!opts.echoes && resumed != (opts.resumes ? done : 0))
        fail("not as many sessions were resumed as should have been");
    bench_print("requests", (double)done);
    bench_print("server_cpu_us", (double)server_ns / 1000 / (double)done);
    bench_print("load_cpu_us", (double)self_ns / 1000 / (double)done);
    bench_print("per_cpu_s", (double)done * 1e9 / (double)server_ns);
    bench_print("mb_per_cpu_s", (double)done * opts.size * 1e3 / (double)server_ns);
    bench_print("requests_per_s", (double)done * 1e9 / (double)took);
    return 0;
}
