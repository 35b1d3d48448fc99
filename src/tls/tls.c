/* SPDX-License-Identifier: MIT */
/*
 * hob_tls: moves bytes between an engine, which never waits, and the stream below, which does.
 *
 *     task ── hob_tls_read ──▶ engine: plain bytes? ── none: fill ──▶ read of the stream below
 *     task ── hob_tls_write ─▶ engine: a record ────── send ────────▶ writes of the stream below
 *
 *               handshake           shutdown
 *     (begun) ────────────▶ agreed ──────────▶ agreed, goodbye said
 *        │                    │
 *        └──── what fails ────┴──▶ failed: `error` is the result of all that comes
 *
 * Between calls:
 *   1. At most one task reads the stream below: the user's reader, or, before it is agreed, the
 *      one that holds `handshaking`.
 *   2. At most one task writes it: the one that holds `sending`. It does not let go before
 *      wire.out is empty, unless it fails.
 *   3. A reader never waits for a peer that does not read: what the engine wants to send then
 *      (an answer to a key update, tickets) is sent by a child beside the read.
 *   4. A record is encrypted only when wire.out is empty. So it fits, and a write is taken whole
 *      or not at all.
 *
 * A close does not wait. It takes the stream away and leaves the memory to the last task that
 * is inside of a call: `inside` counts them.
 *
 * Threads: all on the worker of the stream below; the steps of a handshake on those of a pool,
 * when the config says so.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "hob/lock.h"
#include "hob/offload.h"
#include "hob/scope.h"
#include "hob/task.h"
#include "hob/time.h"
#include "tls/config.h"

enum { GATHER_BELOW = 8192 }; /* a first piece as large as this goes out alone, uncopied */

enum { TAG_TLS = 0x20534C54, TAG_TLS_CLOSED = 0x0DEAD715 };

struct hob_tls {
    hob_stream     stream; /* first: the connection is a stream */
    unsigned       tag;
    unsigned       inside; /* calls that have not returned */
    hob_stream    *below;
    struct engine *engine;

    int64_t   handshake_limit_ns, shutdown_limit_ns;
    hob_pool *handshake_pool; /* NULL: on the worker */
    int64_t   handshake_deadline_ns; /* 0: nobody has begun it */

    int  error; /* what failed for ever; 0: nothing */
    bool is_closed, is_agreed, has_said_goodbye, is_reading, is_writing;
    bool last_flight_waits; /* the handshake is made, and its end was not sent */
    int  senders; /* who hold `sending`, or wait for it */

    hob_mutex     handshaking, sending;
    hob_tls_words words;
    struct wire   wire;
};

static const hob_stream_type tls_type;

/* ---- calls ---- */

static void enter(hob_tls *conn, const char *function)
{
    if (conn == NULL || conn->tag != TAG_TLS)
        hob_mistake(function, "this is not open; was it closed already?");
    conn->inside++;
}

static void free_conn(hob_tls *conn)
{
    hob__engine_free(conn->engine);
    hob__wire_free(&conn->wire);
    hob__tls_free(conn);
}

static void leave(hob_tls *conn)
{
    if (--conn->inside == 0 && conn->is_closed)
        free_conn(conn);
}

/* The connection has failed for ever. */
static int fail(hob_tls *conn, int error, const char *words)
{
    conn->error = error;
    hob__tls_say(&conn->words, "%s", words);
    return error;
}

static int engine_failed(hob_tls *conn)
{
    hob_tls_words words;
    int           error = hob__engine_error(conn->engine, &words);
    return fail(conn, error, words.text);
}

/* Something failed that may go well another time. */
static int pass_on(hob_tls *conn, int error)
{
    if (!conn->is_closed)
        hob__tls_say(&conn->words, "%s", hob_strerror(error));
    return error;
}

/* ---- the stream below ---- */

/* Reads what comes. Returns 0, or a negative error. */
static int fill(hob_tls *conn)
{
    size_t len;
    if (conn->is_closed) // others ran since the caller looked: while a child began, say
        return -ECANCELED;
    unsigned char *room = hob__wire_in_room(&conn->wire, &len);
    ssize_t        n = hob_stream_read(conn->below, room, len);

    hob__wire_in_came(&conn->wire, n > 0 ? (size_t)n : 0);
    if (conn->is_closed)
        return -ECANCELED;
    if (n < 0)
        return pass_on(conn, (int)n);
    return n > 0 ? 0 : fail(conn, HOB_ETLSTRUNCATED, "the connection ended without a goodbye");
}

/* Writes all that waits to be sent. The caller holds `sending`. */
static int send_out(hob_tls *conn)
{
    while (!conn->is_closed && wire_out_waits(&conn->wire) > 0) {
        ssize_t n = hob_stream_write_some(conn->below, conn->wire.out.bytes + conn->wire.out.begin,
                                          wire_out_waits(&conn->wire));
        if (conn->is_closed)
            return -ECANCELED;
        if (n <= 0)
            return pass_on(conn, n < 0 ? (int)n : -EIO);
        hob__wire_out_sent(&conn->wire, (size_t)n);
    }
    return conn->is_closed ? -ECANCELED : 0;
}

static int begin_sending(hob_tls *conn)
{
    conn->senders++;
    int r = hob_mutex_lock(&conn->sending);
    if (r < 0) {
        conn->senders--;
        return conn->is_closed ? -ECANCELED : pass_on(conn, r);
    }
    return 0;
}

static void end_sending(hob_tls *conn)
{
    conn->senders--;
    hob_mutex_unlock(&conn->sending);
}

static int send_all(hob_tls *conn)
{
    int r = begin_sending(conn);
    if (r < 0)
        return r;
    r = send_out(conn);
    end_sending(conn);
    return r;
}

/* An alert, or less: sent if it can be, for so long. What then happened is told already. */
static void send_alert(hob_tls *conn)
{
    if (wire_out_waits(&conn->wire) == 0)
        return;
    hob_tls_words words = conn->words;
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(conn->shutdown_limit_ns));
    (void)send_all(conn);
    (void)!hob_scope_end(&s);
    conn->words = words;
}

static int send_beside(void *arg)
{
    (void)send_all(arg); // a writer will meet the error, too, and a reader is not to
    return 0;
}

/* Reads what comes, and meanwhile sends what waits, if nobody does. */
static int fill_and_send(hob_tls *conn)
{
    if (wire_out_waits(&conn->wire) == 0 || conn->senders > 0)
        return fill(conn);

    HOB_SCOPE(s);
    int r = hob_go(&s, send_beside, conn);
    if (r == 0)
        r = fill(conn);
    hob_tls_words words = conn->words; // the reader's own: the child is told that it was cancelled
    hob_scope_cancel(&s, "the read has ended");
    (void)!hob_scope_end(&s);
    conn->words = words;
    return conn->is_closed ? -ECANCELED : r;
}

/* ---- the handshake ---- */

struct handshake {
    struct engine *engine;
    int64_t        wall_s;
};

static int handshake_step(void *arg)
{
    const struct handshake *h = arg;
    return (int)hob__engine_handshake(h->engine, h->wall_s);
}

/* Nobody else uses the engine, nor the wire, before the handshake is over: so it may be on another
 * thread. Returns the enum engine_step, or a negative error, and then nothing was done. */
static int take_step(hob_tls *conn)
{
    struct handshake h = { conn->engine, hob_wall_now() / HOB_SEC };
    if (conn->handshake_pool == NULL)
        return handshake_step(&h);
    return hob_offload(conn->handshake_pool, handshake_step, &h);
}

/* Without it the other side still waits. */
static int send_last_flight(hob_tls *conn)
{
    int r = send_all(conn);
    conn->last_flight_waits = r != 0;
    return r;
}

/* A call that was cancelled left it here. */
static int send_last_flight_again(hob_tls *conn)
{
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(conn->handshake_limit_ns));
    int r = send_last_flight(conn);
    (void)!hob_scope_end(&s); // the result wins
    return r;
}

static int shake(hob_tls *conn)
{
    for (;;) {
        int r = take_step(conn);
        if (conn->is_closed)
            return -ECANCELED;
        if (r < 0)
            return pass_on(conn, r);
        switch (r) {
        case STEP_DONE:
            conn->is_agreed = true;
            hob__wire_in_expect_small(&conn->wire);
            // Tickets go with what is written next, or beside the next read: a client that sends before
            // it reads takes them only then.
            return hob__engine_peer_waits(conn->engine) ? send_last_flight(conn) : 0;
        case STEP_WANTS_INPUT:
            r = send_all(conn);
            if (r == 0)
                r = fill(conn);
            break;
        case STEP_WANTS_ROOM:
            r = send_all(conn);
            break;
        case STEP_END: // a goodbye in the middle of it
            r = fail(conn, HOB_ETLS, "the peer said goodbye in the handshake");
            break;
        case STEP_FAILED:
        default:
            r = engine_failed(conn);
            send_alert(conn);
            break;
        }
        if (r < 0)
            return r;
    }
}

static int shake_in_time(hob_tls *conn)
{
    int r = -ETIMEDOUT;
    if (conn->handshake_deadline_ns == 0)
        conn->handshake_deadline_ns = hob_in(conn->handshake_limit_ns);

    if (hob_now() < conn->handshake_deadline_ns) {
        HOB_SCOPE(s);
        hob_scope_deadline(&s, conn->handshake_deadline_ns);
        r = shake(conn);
        (void)!hob_scope_end(&s); // the result wins
    }
    if (r == -ETIMEDOUT && !conn->is_closed && hob_now() >= conn->handshake_deadline_ns)
        fail(conn, -ETIMEDOUT, "the handshake was not finished in time");
    return r;
}

/* Makes the handshake, unless somebody has; one task does it, and others wait for it. */
static int agree(hob_tls *conn)
{
    if (conn->error != 0)
        return conn->error;
    if (conn->is_agreed)
        return 0;

    int r = hob_mutex_lock(&conn->handshaking);
    if (r < 0)
        return conn->is_closed ? -ECANCELED : pass_on(conn, r);
    if (conn->is_closed)
        r = -ECANCELED;
    else if (conn->error != 0)
        r = conn->error;
    else if (!conn->is_agreed)
        r = shake_in_time(conn);
    hob_mutex_unlock(&conn->handshaking);
    return r;
}

int hob_tls_handshake(hob_tls *conn)
{
    enter(conn, "hob_tls_handshake");
    int r = hob_checkpoint();
    if (!conn->is_closed && r == 0)
        r = agree(conn);
    if (!conn->is_closed && r == 0 && conn->last_flight_waits)
        r = send_last_flight_again(conn);
    if (conn->is_closed)
        r = -ECANCELED;
    leave(conn);
    return r;
}

/* ---- reading ---- */

static ssize_t read_some(hob_tls *conn, void *buf, size_t len)
{
    for (;;) {
        size_t n = 0;
        int    r;
        if (conn->error != 0)
            return conn->error;
        switch (hob__engine_read(conn->engine, buf, len, &n)) {
        case STEP_DONE:
            return (ssize_t)n;
        case STEP_END:
            return 0;
        case STEP_WANTS_INPUT:
            r = fill_and_send(conn);
            break;
        case STEP_WANTS_ROOM: // the peer asks for more answers than it reads
            r = send_all(conn);
            break;
        case STEP_FAILED:
        default:
            r = engine_failed(conn);
            send_alert(conn);
            break;
        }
        if (r < 0)
            return r;
    }
}

ssize_t hob_tls_read(hob_tls *conn, void *buf, size_t len)
{
    enter(conn, "hob_tls_read");
    if (conn->is_reading)
        hob_mistake("hob_tls_read", "another task is reading this already; one at a time");
    conn->is_reading = true;

    ssize_t r = hob_checkpoint();
    if (r == 0 && !conn->is_closed && len > 0) {
        r = agree(conn);
        if (r == 0)
            r = read_some(conn, buf, len);
    }
    if (conn->is_closed)
        r = -ECANCELED;
    conn->is_reading = false;
    leave(conn);
    return r;
}

/* ---- writing ---- */

/* Encrypts one record and sends it. Returns how many bytes were taken, although it may be that
 * not all of them could be sent: then *ret_sent says why. The caller holds `sending`. */
static ssize_t write_record(hob_tls *conn, const void *buf, size_t len, int *ret_sent)
{
    size_t n = 0;
    int    r = send_out(conn); // what is left of before
    if (r < 0)
        return r;
    if (conn->error != 0)
        return conn->error;
    if (conn->has_said_goodbye)
        return pass_on(conn, -EPIPE);
    r = hob__wire_out_reserve(&conn->wire, len < ENGINE_WRITE_MAX ? len : ENGINE_WRITE_MAX);
    if (r < 0)
        return pass_on(conn, r);

    switch (hob__engine_write(conn->engine, buf, len, &n)) {
    case STEP_DONE:
        *ret_sent = send_out(conn);
        return (ssize_t)n;
    case STEP_FAILED:
        return engine_failed(conn);
    default: // there is room, and the handshake is over
        return fail(conn, HOB_ETLS, "a record could not be written");
    }
}

static bool is_of_the_scope(int error)
{
    return error == -ECANCELED || error == -ETIMEDOUT || error == HOB_ESTUCK;
}

static ssize_t write_all_or_some(hob_tls *conn, const char *buf, size_t len, bool all)
{
    size_t done = 0;

    int r = begin_sending(conn);
    if (r < 0)
        return r;
    do {
        int     sent = 0;
        ssize_t n = conn->is_closed ? -ECANCELED : write_record(conn, buf + done, len - done, &sent);
        if (n < 0)
            r = (int)n;
        else if (sent < 0 && (all || !is_of_the_scope(sent) || conn->is_closed))
            r = sent;
        else
            done += (size_t)n;
    } while (r == 0 && all && done < len);
    end_sending(conn);
    return r < 0 ? r : (ssize_t)done;
}

static ssize_t write_by(hob_tls *conn, const void *buf, size_t len, bool all, const char *function)
{
    enter(conn, function);
    if (conn->is_writing)
        hob_mistake(function, "another task is writing this already; one at a time");
    conn->is_writing = true;

    ssize_t r = hob_checkpoint();
    if (r == 0 && !conn->is_closed && len > 0) {
        r = agree(conn);
        if (r == 0)
            r = write_all_or_some(conn, buf, len, all);
    }
    if (conn->is_closed)
        r = -ECANCELED;
    conn->is_writing = false;
    leave(conn);
    return r;
}

ssize_t hob_tls_write(hob_tls *conn, const void *buf, size_t len)
{
    return write_by(conn, buf, len, true, "hob_tls_write");
}

ssize_t hob_tls_write_some(hob_tls *conn, const void *buf, size_t len)
{
    return write_by(conn, buf, len, false, "hob_tls_write_some");
}

/* ---- the end ---- */

/* The caller holds `sending`. */
static int say_goodbye(hob_tls *conn)
{
    int r = send_out(conn);
    while (r == 0 && conn->error == 0 && !conn->has_said_goodbye) {
        switch (hob__engine_goodbye(conn->engine)) {
        case STEP_DONE:
            conn->has_said_goodbye = true;
            break;
        case STEP_WANTS_ROOM:
            break;
        case STEP_FAILED:
            return engine_failed(conn);
        default: // there is nothing to read for it
            return fail(conn, HOB_ETLS, "the goodbye could not be written");
        }
        r = send_out(conn);
    }
    return r == 0 ? conn->error : r;
}

/* What a stream cannot do, or what its peer does not hear any more, is no failure. */
static int shut_down_below(hob_tls *conn)
{
    if (conn->is_closed)
        return -ECANCELED;
    int r = hob_stream_shutdown(conn->below);
    if (conn->is_closed)
        return -ECANCELED;
    return r == -ENOTSUP || r == -ENOTCONN ? 0 : r < 0 ? pass_on(conn, r) : 0;
}

static int shut_down(hob_tls *conn)
{
    if (!conn->is_agreed) {
        int r = shut_down_below(conn);
        return r < 0 ? r : conn->error != 0 ? conn->error : -ENOTCONN;
    }

    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(conn->shutdown_limit_ns));
    int r = begin_sending(conn);
    if (r == 0) {
        r = conn->is_closed ? -ECANCELED : say_goodbye(conn);
        end_sending(conn);
    }
    (void)!hob_scope_end(&s); // the result wins
    return r < 0 ? r : shut_down_below(conn);
}

int hob_tls_shutdown(hob_tls *conn)
{
    enter(conn, "hob_tls_shutdown");
    int r = hob_checkpoint();
    if (!conn->is_closed && r == 0)
        r = shut_down(conn);
    if (conn->is_closed)
        r = -ECANCELED;
    leave(conn);
    return r;
}

void hob_tls_close(hob_tls *conn)
{
    if (conn == NULL)
        return;
    if (conn->tag != TAG_TLS)
        hob_mistake("hob_tls_close", "this is not open; was it closed already?");

    conn->tag = TAG_TLS_CLOSED;
    conn->is_closed = true;
    conn->inside++; // the stream below may run its users at once
    hob_stream_close(conn->below);
    conn->below = NULL;
    leave(conn);
}

/* ---- making one ---- */

/* A host name as it may stand in a certificate, or an address; without the dot at its end. Names
 * that begin with a dot would mean "whatever ends so" to OpenSSL. */
static bool take_name(const char *name, char ret_name[HOB_TLS_NAME_MAX + 1])
{
    size_t len = strnlen(name, HOB_TLS_NAME_MAX + 2);
    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len == 0 || len > HOB_TLS_NAME_MAX || name[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool is_fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == ':';
        if (!is_fine || (c == '.' && name[i + 1] == '.'))
            return false;
        ret_name[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    ret_name[len] = '\0';
    return true;
}

static int begin(const struct tls_base *base, hob_stream *below, bool is_server, const char *name,
                 hob_tls **ret_conn)
{
    hob_tls *conn = hob__tls_alloc_zero(sizeof *conn);
    if (conn == NULL)
        return -ENOMEM;
    int r = hob__engine_new(base->context, &conn->wire, is_server, name, !base->skips_verify,
                            &conn->engine);
    if (r < 0) {
        free_conn(conn);
        return r;
    }

    conn->stream.type = &tls_type;
    conn->tag = TAG_TLS;
    conn->below = below;
    conn->handshake_limit_ns = base->handshake_limit_ns;
    conn->shutdown_limit_ns = base->shutdown_limit_ns;
    conn->handshake_pool = base->handshake_pool;
    conn->handshaking.name = "TLS handshake";
    conn->sending.name = "TLS sending";
    *ret_conn = conn;
    return 0;
}

int hob_tls_client(hob_tls_config *config, hob_stream *below, const char *name, hob_tls **ret_conn)
{
    char            checked[HOB_TLS_NAME_MAX + 1];
    struct tls_base base = hob__tls_config_base(config);
    bool            is_named = name != NULL && take_name(name, checked);
    int             r = -EINVAL;

    if (is_named || (name == NULL && base.skips_verify))
        r = begin(&base, below, false, is_named ? checked : NULL, ret_conn);
    hob__engine_context_unref(base.context);
    return r;
}

int hob_tls_server(hob_tls_config *config, hob_stream *below, hob_tls **ret_conn)
{
    struct tls_base base = hob__tls_config_base(config);
    int             r = -EINVAL;

    if (hob__engine_context_can_serve(base.context))
        r = begin(&base, below, true, NULL, ret_conn);
    hob__engine_context_unref(base.context);
    return r;
}

int hob_tls_offer(hob_tls *conn, const char *const *alpn)
{
    unsigned char bytes[HOB_TLS_ALPN_MAX];

    if (conn == NULL || conn->tag != TAG_TLS)
        hob_mistake("hob_tls_offer", "this is not open; was it closed already?");
    if (!hob__engine_is_client(conn->engine) || conn->handshake_deadline_ns != 0 || conn->is_agreed)
        hob_mistake("hob_tls_offer", "it is for clients, before the handshake");
    size_t len = hob__tls_alpn_write(alpn, bytes);
    return len > 0 ? hob__engine_offer(conn->engine, bytes, len) : -EINVAL;
}

/* ---- looking ---- */

const char *hob_tls_error(const hob_tls *conn)
{
    if (conn == NULL || conn->tag != TAG_TLS)
        hob_mistake("hob_tls_error", "this is not open; was it closed already?");
    return conn->words.text;
}

int hob_tls_negotiated(hob_tls *conn, hob_tls_facts *ret_facts)
{
    if (conn == NULL || conn->tag != TAG_TLS)
        hob_mistake("hob_tls_negotiated", "this is not open; was it closed already?");
    return conn->is_agreed ? hob__engine_facts(conn->engine, ret_facts) : -ENOTCONN;
}

/* ---- as a stream ---- */

/* A stream's functions are called with what hob_tls_stream gave: the connection. */
static ssize_t stream_read(hob_stream *stream, void *buf, size_t len)
{
    return hob_tls_read((hob_tls *)stream, buf, len);
}

static ssize_t stream_write_some(hob_stream *stream, const void *buf, size_t len)
{
    return hob_tls_write_some((hob_tls *)stream, buf, len);
}

static ssize_t stream_write(hob_stream *stream, const void *buf, size_t len)
{
    return hob_tls_write((hob_tls *)stream, buf, len);
}

/* Copies the beginnings of the pieces to one place, as much as a record holds. */
static size_t gather(const struct iovec *pieces, int count, char *buf, size_t size)
{
    size_t len = 0;
    for (int i = 0; i < count && len < size; i++) {
        size_t n = pieces[i].iov_len < size - len ? pieces[i].iov_len : size - len;
        if (n > 0)
            memcpy(buf + len, pieces[i].iov_base, n);
        len += n;
    }
    return len;
}

/* Small pieces go into one record: each record costs 22 bytes and a call of the stream below. */
static ssize_t stream_writev_some(hob_stream *stream, const struct iovec *pieces, int count)
{
    for (; count > 1 && pieces->iov_len == 0; count--)
        pieces++;
    char *buf = count > 1 && pieces->iov_len < GATHER_BELOW ? hob__tls_alloc(ENGINE_WRITE_MAX) : NULL;
    if (buf == NULL) // or there is no memory for it
        return stream_write_some(stream, pieces->iov_base, pieces->iov_len);

    size_t  len = gather(pieces, count, buf, ENGINE_WRITE_MAX);
    ssize_t r = stream_write_some(stream, buf, len);
    hob__tls_free_secret(buf, len);
    return r;
}

/* Nothing of a record is here, so it is the stream below that tells. */
static int stream_ready_prep(hob_stream *stream, hob_op *op)
{
    hob_tls *conn = (hob_tls *)stream;

    if (conn->tag != TAG_TLS || conn->is_closed)
        hob_mistake("hob_stream_ready_prep", "this is not open; was it closed already?");
    if (conn->is_reading)
        hob_mistake("hob_stream_ready_prep", "another task is reading this already; one at a time");
    if (!conn->is_agreed || conn->error != 0 || conn->last_flight_waits || !hob__engine_lacks_input(conn->engine))
        return -EALREADY;
    return hob_stream_ready_prep(op, conn->below);
}

static int stream_shutdown(hob_stream *stream)
{
    return hob_tls_shutdown((hob_tls *)stream);
}

static void stream_close(hob_stream *stream)
{
    hob_tls_close((hob_tls *)stream);
}

static const hob_stream_type tls_type = {
    .name = "tls",
    .read = stream_read,
    .write_some = stream_write_some,
    .writev_some = stream_writev_some,
    .shutdown = stream_shutdown,
    .close = stream_close,
    .write = stream_write,
    .ready_prep = stream_ready_prep,
};

hob_stream *hob_tls_stream(hob_tls *conn)
{
    if (conn == NULL || conn->tag != TAG_TLS)
        hob_mistake("hob_tls_stream", "this is not open; was it closed already?");
    return &conn->stream;
}
