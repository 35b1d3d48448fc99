/* SPDX-License-Identifier: MIT */
/*
 * Every order of events, and a million others.
 *
 * A scene is one descriptor with up to two ops in flight on it, a peer, and a
 * model that is simply a count: what the peer gave must be what the ops got, in
 * order, plus what is found at the end. The events are submit, complete (the peer
 * acts, completions are fetched), cancel, deadline, close, and queue full.
 *
 *   The walk plays every sequence of up to --depth events on each kind of scene:
 *   4 of them usually, 6 with --deep. It says how many sequences that were.
 *   The race plays random ones on twelve scenes at once, from --seed, until
 *   --races ops were cancelled, released or outrun: 20,000, with --deep 500,000;
 *   once more in tiny queues.
 *
 * Invariants, checked after each scene:
 *   - each op came back once, with a result that the model knows;
 *   - no byte or connection is lost, doubled or out of order, and each byte that
 *     arrives is from the op whose result counts it;
 *   - the buffer of a cancelled op was not written, and never is later; the
 *     buffer of an op that ended is not read any more;
 *   - no descriptor is left, of the kernel or of the simulated world.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "world.h"

enum kind { RECV, READ, SEND, ACCEPT, CONNECT, POLL, KINDS };

enum event {
    SUBMIT,
    ACT,      /* the peer does its part, so that an op can complete     */
    TURN,     /* completions are fetched                                */
    CANCEL,   /* the oldest op in flight                                */
    DEADLINE, /* a little time passes, then the newest op is cancelled  */
    CLOSE,    /* release, with whatever flies                           */
    FILL,     /* the queues are filled with ops of others               */
    EVENTS
};

enum { OPS = 2, CLIENTS = 8, BYSTANDERS = 6, DEPTH_MAX = 16, POISON = 0x55 };

/* SEND: what was in the pipe before is zeros, and the nth op sends its tag, again and again. */
enum { TAGS = 100, TAG_FIRST = 100 };

struct bystanders {
    struct thing a, b;
    struct req   read[BYSTANDERS];
    char         buf[BYSTANDERS][4];
    int          next;
};

struct scene {
    struct world      *w;
    struct bystanders *others;
    enum kind          kind;
    struct thing       subject, peer;
    hob_addr           addr;
    struct req         op[OPS];
    bool               known[OPS];    /* the model took its result         */
    char               buf[OPS][16];
    int                foreign[2];    /* POLL: a pipe of somebody else's   */
    struct thing       client[CLIENTS];
    struct req         connect[CLIENTS];
    uint32_t           clients;
    uint64_t           given;         /* bytes or connections, by the peer */
    uint64_t           got;           /* the same, that came out           */
    uint64_t           order;         /* of submissions                    */
    uint64_t           nth[OPS];
    uint32_t           sent[TAGS];    /* SEND: bytes of each tag, by the ops' results */
    uint32_t           came[TAGS];    /* the same, as the peer saw it      */
    int                last_tag;
    bool               closed;
};

static int tag_of(uint64_t nth)
{
    return (int)(nth % TAGS);
}

static void bystanders_open(struct bystanders *others, struct world *w)
{
    memset(others, 0, sizeof *others);
    stream_pair(w, STREAM_UNIX, &others->a, &others->b);
}

static void bystanders_close(struct bystanders *others)
{
    thing_close(&others->a);
    thing_close(&others->b);
}

/* Each op of theirs is cancelled when its place is needed again. */
static void bystanders_fill(struct bystanders *others)
{
    for (int i = 0; i < BYSTANDERS / 2; i++) {
        struct req *read = &others->read[others->next++ % BYSTANDERS];
        if (read->flying) {
            cancel(read);
            wait_for(read);
        }
        want_recv(read, &others->a, others->buf[0], 1);
        submit(read);
    }
}

/* ---- a scene begins ---- */

/* A client that closes last and hard leaves no port waiting: a million of them would make
 * the kernel's search for a free one slower and slower. */
static void close_hard(struct thing *client)
{
    struct linger now = { .l_onoff = 1, .l_linger = 0 };
    if (!client->w->is_sim)
        check_eq(setsockopt(client->desc.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
}

static void begin(struct scene *s, struct world *w, struct bystanders *others, enum kind kind)
{
    memset(s, 0, sizeof *s);
    s->w = w;
    s->others = others;
    s->kind = kind;
    switch (kind) {
    case RECV:
        stream_pair(w, STREAM_UNIX, &s->peer, &s->subject);
        break;
    case READ:
        stream_pair(w, STREAM_PIPE, &s->peer, &s->subject);
        break;
    case SEND: {
        static const char zeros[4096];
        struct req        req;
        stream_pair(w, STREAM_UNIX, &s->subject, &s->peer);
        req_init(&req, w, OP_SETOPT, &s->subject);
        req.op.setopt.level = SOL_SOCKET;
        req.op.setopt.name = SO_SNDBUF;
        req.op.setopt.value = 4608;
        check_eq(quick(&req), 0);
        for (;;) { // what is in the pipe before counts as given
            want_send(&req, &s->subject, zeros, sizeof zeros);
            submit(&req);
            turn(w, 0);
            turn(w, 0);
            cancel(&req);
            wait_for(&req);
            if (req.result == -ECANCELED)
                break;
            check(req.result > 0);
            s->given += (uint64_t)req.result;
        }
        break;
    }
    case ACCEPT:
        tcp_listen(w, &s->subject, &s->addr);
        break;
    case CONNECT:
        tcp_listen(w, &s->peer, &s->addr);
        socket_open(&s->subject, w, AF_INET, SOCK_STREAM);
        close_hard(&s->subject);
        break;
    default: // a pipe of nobody's; the simulated world has only its own
        if (w->is_sim) {
            stream_pair(w, STREAM_PIPE, &s->peer, &s->subject);
            s->foreign[0] = s->subject.desc.fd;
        } else {
            check_eq(pipe2(s->foreign, O_CLOEXEC | O_NONBLOCK), 0);
        }
    }
}

/* ---- what comes back ---- */

static void adopt_and_close(struct scene *s, int64_t fd)
{
    struct thing server;
    thing_adopt(&server, s->w, fd, DESC_STREAM);
    thing_close(&server);
}

static void take_result(struct scene *s, int i)
{
    struct req *op = &s->op[i];
    int64_t     result = op->result;

    s->known[i] = true;
    if (s->kind == SEND)
        memset(s->buf[i], POISON, sizeof s->buf[i]); // seen by the peer if it is read late
    if (result == -ECANCELED) {
        for (size_t at = 0; at < sizeof s->buf[i]; at++)
            check_eq(s->buf[i][at], POISON);
        return;
    }
    switch (s->kind) {
    case RECV:
    case READ:
        check(result > 0 && result <= 2);
        for (int64_t at = 0; at < result; at++)
            check_eq(s->buf[i][at], (char)s->got++);
        for (size_t at = (size_t)result; at < sizeof s->buf[i]; at++)
            check_eq(s->buf[i][at], POISON);
        break;
    case SEND:
        check(result > 0 && result <= (int64_t)sizeof s->buf[i]);
        s->given += (uint64_t)result;
        s->sent[tag_of(s->nth[i])] += (uint32_t)result;
        break;
    case ACCEPT:
        s->got++;
        adopt_and_close(s, result);
        break;
    case CONNECT:
        check(result == 0 || (result == -EISCONN && s->got > 0));
        s->got = 1;
        break;
    default:
        check_eq(result, POLLIN);
        check(s->given > 0);
    }
}

/* In the order of submission, which must be the order of finishing too. */
static void take_results(struct scene *s)
{
    for (int round = 0; round < OPS; round++) {
        int first = -1;
        for (int i = 0; i < OPS; i++)
            if (s->op[i].ended && !s->known[i] &&
                (first < 0 || s->op[i].nth < s->op[first].nth))
                first = i;
        if (first < 0)
            return;
        int other = 1 - first;
        bool overtook = s->op[other].w != NULL && !s->known[other] &&
                        s->nth[other] < s->nth[first] && s->op[other].flying;
        if (overtook && s->kind != POLL)
            check_eq(s->op[first].result, -ECANCELED);
        take_result(s, first);
    }
}

/* ---- events ---- */

static bool do_submit(struct scene *s)
{
    int i = 0;
    while (i < OPS && s->op[i].w != NULL && !s->known[i])
        i++;
    if (i == OPS || s->closed || (s->kind == CONNECT && i > 0) || (s->kind == CONNECT && s->got))
        return false;

    struct req *op = &s->op[i];
    memset(s->buf[i], POISON, sizeof s->buf[i]);
    switch (s->kind) {
    case RECV:
    case READ:
        stream_want_read(op, &s->subject, s->buf[i], 2);
        break;
    case SEND:
        memset(s->buf[i], TAG_FIRST + tag_of(s->order + 1), sizeof s->buf[i]);
        want_send(op, &s->subject, s->buf[i], sizeof s->buf[i]);
        break;
    case ACCEPT:
        want_accept(op, &s->subject);
        break;
    case CONNECT:
        want_connect(op, &s->subject, &s->addr);
        break;
    default:
        want_poll(op, s->w, s->foreign[0], POLLIN);
    }
    s->known[i] = false;
    s->nth[i] = ++s->order;
    submit(op);
    return true;
}

/* Takes down what the peer of a SEND read: tags, in the order of submission. */
static void note_arrival(struct scene *s, const char *bytes, int64_t len)
{
    for (int64_t at = 0; at < len; at++) {
        int tag = (unsigned char)bytes[at] - TAG_FIRST;
        if (bytes[at] == 0) {
            check_eq(s->last_tag, 0); // the oldest come first
            continue;
        }
        check(tag >= 0 && tag < TAGS);
        check((tag - s->last_tag + TAGS) % TAGS < TAGS / 2);
        s->last_tag = tag;
        s->came[tag]++;
    }
    s->got += (uint64_t)len;
}

static bool do_act(struct scene *s)
{
    static char room[65536];
    struct req  req;

    switch (s->kind) {
    case RECV:
    case READ:
        if (s->closed || s->given > 40)
            return false;
        write_all(&s->peer, (char[]){ (char)s->given }, 1);
        s->given++;
        return true;
    case SEND:
        if (s->got >= s->given)
            return false;
        want_recv(&req, &s->peer, room, 3000);
        check(run(&req) > 0);
        note_arrival(s, room, req.result);
        return true;
    case ACCEPT:
        if (s->closed || s->clients == CLIENTS)
            return false;
        socket_open(&s->client[s->clients], s->w, AF_INET, SOCK_STREAM);
        close_hard(&s->client[s->clients]);
        want_connect(&s->connect[s->clients], &s->client[s->clients], &s->addr);
        submit(&s->connect[s->clients++]);
        return true;
    case CONNECT:
        if (!s->peer.open)
            return false;
        want_accept(&req, &s->peer);
        submit(&req);
        turn(s->w, 0);
        cancel(&req);
        wait_for(&req);
        if (req.result >= 0)
            adopt_and_close(s, req.result);
        return true;
    default:
        if (s->given > 0)
            return false;
        s->given++;
        if (s->w->is_sim)
            write_all(&s->peer, "x", 1);
        else
            check_eq(write(s->foreign[1], "x", 1), 1);
        return true;
    }
}

static struct req *find_flying(struct scene *s, bool newest)
{
    struct req *found = NULL;
    uint64_t    nth = 0;
    for (int i = 0; i < OPS; i++) {
        if (!s->op[i].flying || (found != NULL && (s->nth[i] > nth) != newest))
            continue;
        found = &s->op[i];
        nth = s->nth[i];
    }
    return found;
}

static bool do_cancel(struct scene *s, bool newest)
{
    struct req *op = find_flying(s, newest);
    if (op == NULL)
        return false;
    s->w->races++;
    cancel(op);
    return true;
}

static bool do_close(struct scene *s)
{
    if (s->closed || s->kind == POLL)
        return false;
    s->w->races += find_flying(s, true) != NULL;
    s->closed = true;
    thing_release(&s->subject);
    return true;
}

/* Returns false when the event means nothing in this state. */
static bool play(struct scene *s, enum event event)
{
    bool played = true;
    switch (event) {
    case SUBMIT:
        played = do_submit(s);
        break;
    case ACT:
        played = do_act(s);
        break;
    case TURN:
        turn(s->w, 0);
        break;
    case CANCEL:
        played = do_cancel(s, false);
        break;
    case DEADLINE:
        turn(s->w, 20000);
        do_cancel(s, true);
        break;
    case CLOSE:
        played = do_close(s);
        break;
    default:
        bystanders_fill(s->others);
    }
    take_results(s);
    return played;
}

/* ---- a scene ends ---- */

static void find_the_rest(struct scene *s)
{
    struct req req;
    char       byte;

    while (s->got < s->given) {
        stream_want_read(&req, &s->subject, &byte, 1);
        check_eq(run(&req), 1);
        check_eq(byte, (char)s->got++);
    }
}

static void drain_peer(struct scene *s)
{
    static char room[65536];
    struct req  req;
    for (;;) {
        want_recv(&req, &s->peer, room, sizeof room);
        check(run(&req) >= 0);
        if (req.result == 0)
            break;
        note_arrival(s, room, req.result);
    }
    check_eq(s->got, s->given);
    for (int tag = 0; tag < TAGS; tag++)
        check_eq(s->came[tag], s->sent[tag]);
}

static void accept_the_rest(struct scene *s)
{
    struct req accept;
    uint64_t   connected = 0;

    for (uint32_t i = 0; i < s->clients; i++) {
        if (!s->closed)
            wait_for(&s->connect[i]);
        else
            cancel(&s->connect[i]), wait_for(&s->connect[i]);
        if (s->connect[i].result == 0)
            connected++;
    }
    if (!s->closed) {
        check_eq(connected, s->clients);
        while (s->got < connected) {
            want_accept(&accept, &s->subject);
            adopt_and_close(s, run(&accept));
            s->got++;
        }
        want_accept(&accept, &s->subject); // and none is there twice
        submit(&accept);
        turn(s->w, 0);
        cancel(&accept);
        wait_for(&accept);
        check_eq(accept.result, -ECANCELED);
    }
    check(s->got <= s->clients);
    for (uint32_t i = 0; i < s->clients; i++)
        thing_close(&s->client[i]);
}

static void end(struct scene *s)
{
    for (int i = 0; i < OPS; i++) {
        if (s->op[i].flying) {
            cancel(&s->op[i]);
            wait_for(&s->op[i]);
        }
        take_results(s);
    }
    if (s->closed)
        wait_gone(&s->subject);

    switch (s->kind) {
    case RECV:
    case READ:
        if (!s->closed)
            find_the_rest(s);
        check(s->got <= s->given);
        break;
    case SEND:
        if (!s->closed)
            thing_close(&s->subject);
        drain_peer(s);
        break;
    case ACCEPT:
        accept_the_rest(s);
        break;
    default:
        break;
    }
    for (int i = 0; i < OPS; i++) // nobody wrote there later
        if (s->op[i].w != NULL && s->op[i].result == -ECANCELED)
            for (size_t at = 0; at < sizeof s->buf[i]; at++)
                check_eq(s->buf[i][at], POISON);
    if (s->kind == POLL && !s->w->is_sim) {
        close(s->foreign[0]);
        close(s->foreign[1]);
        return;
    }
    if (s->subject.open)
        thing_close(&s->subject);
    if (s->peer.open)
        thing_close(&s->peer);
}

/* ---- the walk ---- */

static const char *const event_names[EVENTS] = { "submit", "act", "turn", "cancel", "deadline",
                                                 "close", "fill" };
static char walk_text[256];

/* Plays one sequence and returns its length: it ends early at an event that means nothing. */
static int walk_one(struct world *w, struct bystanders *others, enum kind kind, const int *events)
{
    struct scene s;
    size_t       at = 0;
    int          i = 0;
    begin(&s, w, others, kind);
    walk_text[0] = '\0';
    while (i < depth) {
        enum event event = (enum event)events[i++];
        at += (size_t)snprintf(walk_text + at, sizeof walk_text - at, " %s", event_names[event]);
        if (!play(&s, event))
            break;
    }
    end(&s);
    return i;
}

/* The next sequence in order, when only the first `length` events of this one count. */
static bool next_sequence(int *events, int length)
{
    memset(events + length, 0, (size_t)(depth - length) * sizeof *events);
    while (length > 0 && ++events[length - 1] == EVENTS)
        events[--length] = 0;
    return length > 0;
}

static void walk(struct world *w)
{
    static const char *const kind_names[KINDS] = { "recv", "read", "send", "accept", "connect",
                                                   "poll" };
    struct bystanders others;
    uint64_t          sequences = 0;

    check(depth > 0 && depth <= DEPTH_MAX);
    bystanders_open(&others, w);
    int fds = open_fds(w);
    for (int kind = 0; kind < KINDS; kind++) {
        int events[DEPTH_MAX] = { 0 }, length;
        doing = kind_names[kind];
        doing_more = walk_text;
        do {
            length = walk_one(w, &others, (enum kind)kind, events);
            if (sequences++ % 64 == 0)
                check_eq(open_fds(w), fds);
        } while (next_sequence(events, length));
        check_eq(open_fds(w), fds);
    }
    bystanders_close(&others);
    printf("       %llu sequences of up to %d events\n", (unsigned long long)sequences, depth);
}

/* ---- the race ---- */

static void race(struct world *w)
{
    enum { SCENES = 12 };
    static struct scene scenes[SCENES];
    struct bystanders   others;
    struct rand         rand = { seed };
    uint64_t            played = 0;

    bystanders_open(&others, w);
    int fds = open_fds(w);
    for (int i = 0; i < SCENES; i++)
        begin(&scenes[i], w, &others, (enum kind)rand_below(&rand, KINDS));
    while (w->races < races_wanted) {
        struct scene *s = &scenes[rand_below(&rand, SCENES)];
        if (rand_below(&rand, s->closed ? 3 : 40) == 0) {
            end(s);
            begin(s, w, &others, (enum kind)rand_below(&rand, KINDS));
        }
        // Mostly what races: submit, act, cancel; seldom what ends a scene.
        static const enum event often[] = { SUBMIT, SUBMIT, SUBMIT, ACT, ACT, CANCEL, CANCEL,
                                            TURN, TURN, FILL };
        uint64_t draw = rand_below(&rand, 64);
        play(s, draw < 60 ? often[draw % 10] : draw < 62 ? DEADLINE : CLOSE);
        played++;
        if (played % 4096 == 0)
            check(open_fds(w) < fds + SCENES * (4 + CLIENTS));
    }
    for (int i = 0; i < SCENES; i++)
        end(&scenes[i]);
    check_eq(open_fds(w), fds);
    bystanders_close(&others);
    printf("       %llu races in %llu events\n", (unsigned long long)w->races,
           (unsigned long long)played);
}

#define TINY { .ring_entries = 2, .completions = 4, .recv_bufs = 2, .recv_buf_bytes = 16 }

const struct test_case model_cases[] = {
    { "every order of events has an answer that the model knows", walk, NEEDS_TIME, { 0 } },
    { "every order of events has its answer in tiny queues", walk, NEEDS_TIME, TINY },
    { "random races lose and double nothing", race, NEEDS_TIME, { 0 } },
    { "random races lose and double nothing in tiny queues", race, NEEDS_TIME, TINY },
    { 0 },
};
