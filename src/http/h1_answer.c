/* SPDX-License-Identifier: MIT */
/*
 * How HTTP/1.1 writes an answer: into the connection's room, behind the answers before it.
 *
 *     [ status line, Date, headers, how its end is found │ body, or chunks │ trailers ]
 */
#include <stdio.h>
#include <string.h>

#include "http/server.h"

/* ---- the head ---- */

/* The clock is looked at once in a turn of the loop. */
void hob__http_renew_lines(struct http_server *server)
{
    int64_t now_s = hob_wall_now() / HOB_SEC;

    server->is_date_fresh = server->is_ticking; // on_tick ends it
    if (now_s == server->date_s && server->lines_len > 0)
        return;
    const char *name = server->opts.server_name;
    char        date[32];
    server->date_s = now_s;
    hob__http_date_write(now_s, date);
    server->lines_len = (size_t)snprintf(server->lines, sizeof server->lines, "Date: %s\r\n%s%s%s", date,
                                         name != NULL ? "Server: " : "", name != NULL ? name : "",
                                         name != NULL ? "\r\n" : "");
}

/* What is put somewhere ends there. */
static char *put(char *to, const void *bytes, size_t len)
{
    memcpy(to, bytes, len);
    return to + len;
}

static char *put_text(char *to, const char *text)
{
    return put(to, text, strlen(text));
}

size_t hob__http_digits(char out[static DIGITS_MAX], uint64_t number)
{
    size_t len = 1;
    for (uint64_t left = number; left > 9; left /= 10)
        len++;
    for (size_t i = len; i > 0; number /= 10)
        out[--i] = (char)('0' + number % 10);
    return len;
}

static char *put_number(char *to, uint64_t number)
{
    return to + hob__http_digits(to, number);
}

static char *put_status_line(char *to, int status)
{
    if (status == 200)
        return put_text(to, "HTTP/1.1 200 OK\r\n");
    to = put_text(to, "HTTP/1.1 ");
    to = put_number(to, (uint64_t)status);
    to = put_text(to, " ");
    to = put_text(to, hob__http_status_words(status));
    return put_text(to, "\r\n");
}

static char *put_first_lines(char *to, const hob_http_request *req, int status)
{
    struct http_server *server = req->conn->server;
    bool is_named = req->headers_len > 0 && hob__http_has_header(req, "Server");

    to = put_status_line(to, status);
    if (!server->is_date_fresh)
        hob__http_renew_lines(server);
    return put(to, server->lines, is_named ? DATE_LINE_LEN : server->lines_len);
}

/* RFC 9110 6.4.1, 8.6: what has no body, and what still tells how long it would be. */
static char *put_frame(char *to, hob_http_request *req, int status, int64_t length)
{
    bool is_bodiless = hob__http_is_bodiless(status);

    if (is_bodiless || (req->method[0] == 'H' && strcmp(req->method, "HEAD") == 0))
        req->frame = FRAME_NO_BODY;
    else if (length >= 0)
        req->frame = FRAME_LENGTH;
    else
        req->frame = req->head.minor >= 1 ? FRAME_CHUNKED : FRAME_CLOSE;
    if (req->frame == FRAME_CLOSE)
        req->closes = true;

    if (length >= 0 && !is_bodiless) {
        to = put_text(to, "Content-Length: ");
        to = put_number(to, (uint64_t)length);
        return put_text(to, "\r\n");
    }
    return is_bodiless || req->head.minor == 0 ? to : put_text(to, "Transfer-Encoding: chunked\r\n");
}

static char *put_connection(char *to, hob_http_request *req)
{
    struct http_conn *conn = req->conn;

    if (!req->head.keep_alive || hob__http_drains(conn->server) || !hob__http_will_discard(req)
        || conn->requests >= conn->server->opts.requests_max)
        req->closes = true;
    bool offers = req->headers_len > 0 && hob__http_has_header(req, "Upgrade"); // RFC 9110 7.8: it is named there, too
    if (req->closes)
        return put_text(to, offers ? "Connection: close, upgrade\r\n" : "Connection: close\r\n");
    if (offers)
        return put_text(to, "Connection: upgrade\r\n");
    return req->head.minor > 0 ? to : put_text(to, "Connection: keep-alive\r\n");
}

static int begin(hob_http_request *req, int status, const char *type, size_t type_len, int64_t length)
{
    struct http_conn *conn = req->conn;
    int               r = hob__http_room(conn, 512 + 2 * VALUE_BYTES_MAX + req->headers_len);
    if (r < 0)
        return r;

    if (type != NULL && req->headers_len > 0)
        hob__http_remove_header(req, "Content-Type");
    req->answer_at = conn->work->out_len;
    char *to = conn->work->out + conn->work->out_len;
    to = put_first_lines(to, req, status);
    if (type != NULL) {
        to = put_text(to, "Content-Type: ");
        to = put(to, type, type_len);
        to = put_text(to, "\r\n");
    }
    to = put(to, req->work->headers, req->headers_len);
    to = put_frame(to, req, status, length);
    to = put_connection(to, req);
    to = put_text(to, "\r\n");
    conn->work->out_len = (size_t)(to - conn->work->out);
    return 0;
}

/* ---- the body ---- */

static int write_plain(hob_http_request *req, const void *data, size_t len)
{
    struct http_conn *conn = req->conn;

    if (hob__http_fits(conn, len)) {
        hob__http_put(conn, data, len);
        return 0;
    }
    struct iovec piece = { (void *)(uintptr_t)data, len };
    return hob__http_send(conn, &piece, 1);
}

static int write_chunk(hob_http_request *req, const void *data, size_t len)
{
    struct http_conn *conn = req->conn;
    char              size[24];
    int               size_len = snprintf(size, sizeof size, "%zx\r\n", len);

    if (hob__http_fits(conn, (size_t)size_len + len + 2)) {
        hob__http_put(conn, size, (size_t)size_len);
        hob__http_put(conn, data, len);
        hob__http_put(conn, "\r\n", 2);
        return 0;
    }
    struct iovec pieces[] = { { size, (size_t)size_len }, { (void *)(uintptr_t)data, len },
                              { (void *)(uintptr_t) "\r\n", 2 } };
    int    r = hob__http_send(conn, pieces, 3);
    size_t gone = req->part_bytes < (size_t)size_len ? 0 : req->part_bytes - (size_t)size_len;
    req->part_bytes = gone < len ? gone : len;
    return r;
}

static int write_piece(hob_http_request *req, const void *data, size_t len)
{
    return req->frame == FRAME_CHUNKED ? write_chunk(req, data, len) : write_plain(req, data, len);
}

static int flush(hob_http_request *req)
{
    return hob__http_flush_out(req->conn);
}

/* The last chunk, and the trailers. */
static int end_chunks(hob_http_request *req)
{
    struct http_conn *conn = req->conn;
    int r = hob__http_room(conn, 5 + req->trailers_len);
    if (r < 0)
        return r;
    hob__http_put(conn, "0\r\n", 3);
    hob__http_put(conn, req->work->trailers, req->trailers_len);
    hob__http_put(conn, "\r\n", 2);
    return 0;
}

const struct http_transport hob__http_h1 = {
    .version = 11,
    .read = hob__h1_read,
    .begin = begin,
    .write = write_piece,
    .flush = flush,
    .end_chunks = end_chunks,
    .send_file = hob__h1_send_file,
    .watch = hob__http_watch,
    .unwatch = hob__http_unwatch,
};
