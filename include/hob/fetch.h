/* SPDX-License-Identifier: MIT */
/*
 * An HTTP client.
 *
 *     hob_fetch_answer *page;
 *     HOB_TRY(hob_fetch("https://example.com/", &page));
 *     printf("%d, %zu bytes\n", hob_fetch_status(page), hob_fetch_body_len(page));
 *     hob_fetch_close(page);
 *
 * A library of its own: not part of hob.h; link libhob-fetch (pkg-config). The protocol is libcurl's:
 * HTTP/1.1 and HTTP/2, TLS, proxies, cookies, compression. Hob's loop carries it: no thread is used,
 * and names are looked up by hob/dns.h, so nothing blocks the worker but the reading of a file of
 * trusted certificates, once a day.
 *
 * libcurl wants the kernel's sockets. So this library works on uring and epoll, and says -ENOTSUP in
 * sim. Test what uses it against a server of hob/http.h in the same program, on a real backend.
 *
 * An answer with the status 404 or 500 is an answer, not an error. Errors, of all functions unless said
 * otherwise; hob_fetch_trouble says which step failed, with whom, and why:
 *   the errors of a look-up    hob/dns.h: -ENOENT, -ENODATA, -EAGAIN ...
 *   the errors of connecting   -ECONNREFUSED, -ENETUNREACH, -EHOSTUNREACH ...
 *   HOB_ETLS, HOB_ETLSCERT     the handshake failed; the certificate was not accepted, or not pinned
 *   HOB_ETLSCONFIG             a certificate or key of the options cannot be used
 *   -EPIPE, -ECONNRESET        the connection broke
 *   HOB_EOF                    the server ended before the answer, or in the middle of it; over TLS
 *                              also HOB_ETLSTRUNCATED
 *   HOB_EHTTP                  what it sent is not HTTP
 *   -EMSGSIZE                  its head or its body is over the limit
 *   -ELOOP                     more redirects than redirects_max
 *   -EPROTONOSUPPORT           a redirect to something else than http and https
 *   -EACCES                    `may_connect` said no
 *   -ETIMEDOUT                 a limit of time, or the scope's deadline
 *   -ECANCELED                 the scope was cancelled, or the client has ended
 *   -EINVAL                    the URL, a header, or an option cannot be
 *   -ENOMEM, -EMFILE ...
 * A call that fails or is cancelled leaves nothing behind: the connection of an interrupted exchange is
 * closed (HTTP/2: its stream is reset), never used again.
 *
 * Nothing is taken from the environment (proxies, .netrc) unless the options say so.
 */
#ifndef HOB_FETCH_H
#define HOB_FETCH_H

#include "hob/addr.h"
#include "hob/retry.h"
#include "hob/scope.h"
#include "hob/stream.h"

HOB_BEGIN_DECLS

/* ---- clients ---- */

/* What exchanges share: connections that are kept, cookies, whom to trust, how many at once. It belongs
 * to the worker that made it. Where one is asked for, NULL is the default one of the calling worker,
 * which is made when it is first used, with default options, and ends with the run. */
typedef struct hob_fetch_client hob_fetch_client;

typedef enum hob_fetch_version {
    HOB_FETCH_HTTP_BEST,  /* HTTP/2 over TLS if the server can, else HTTP/1.1 */
    HOB_FETCH_HTTP_1,     /* HTTP/1.1 only                                    */
} hob_fetch_version;

/* All zero, or NULL where a pointer is taken, means the defaults. Texts and memory are copied. */
typedef struct hob_fetch_client_opts {
    /* Whom we trust, and who we are; PEM. Without the first two: whom the system trusts. TLS 1.2 and
     * newer. */
    const char *ca_file;
    const void *ca; /* in memory */
    size_t      ca_len;
    const char *cert, *key; /* a client's certificate and its key, as texts */
    const char *pin; /* the server's public key must be one of these: "sha256//BASE64;sha256//..." */

    hob_fetch_version version;

    /* By way of a proxy: "http://host:port", "https://..." or "socks5h://..."; not for hosts of
     * `no_proxy`: "localhost,.example.com", or "*". */
    const char *proxy, *proxy_user, *proxy_password, *no_proxy;
    unsigned    environment_proxy : 1; /* as http_proxy, https_proxy, all_proxy and no_proxy say */

    unsigned    cookies : 1;  /* keeps cookies, and sends them back; at most 3000: then none   */
    const char *user_agent;   /* NULL: "hob/VERSION"; "": none                                 */

    /* How many. Who would be one more waits for its turn. */
    uint32_t requests_max;          /* at once; 0: 256                                         */
    uint32_t requests_per_host_max; /* at once to one host and port; 0: 32                     */
    uint32_t idle_max;              /* connections kept for later; 0: 64                       */
    int64_t  idle_ns; /* one that was idle for longer is not used again; 0: 60 s. It is closed when
                         the client looks for a connection next, or ends                       */
    int64_t  age_ns;  /* nor one that was made so long ago; 0: 1 hour                          */

    /* Asked before a connection is made, so that a server that fetches what its users name does not
     * reach its own network: 0, or a negative error, such as -EACCES. Must not wait. */
    int (*may_connect)(void *arg, const hob_addr *addr);
    void *may_connect_arg;
} hob_fetch_client_opts;

/* Makes a client whose work is a daemon of `scope`: it does not keep it from ending, and ends with it.
 * Waits a moment, for no file and no server. Returns 0, -EINVAL (an option that cannot be), -ENOTSUP
 * (in sim), -ENOMEM, -EAGAIN, -ECANCELED, -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_fetch_client_new(hob_scope *scope, const hob_fetch_client_opts *opts,
                                              hob_fetch_client **ret_client);

/* Frees it; NULL is fine. Exchanges that are under way end with -ECANCELED, and its connections are
 * closed by its daemon. Before or after its scope has ended. Does not wait. */
HOB_API void hob_fetch_client_free(hob_fetch_client *client);

/* It accepts any certificate, of anybody, for any name: whoever sits between reads and changes
 * everything. For trying things out. Before its first exchange. */
HOB_API void hob_fetch_insecure_skip_verify(hob_fetch_client *client);

/* ---- asking ---- */

typedef struct hob_fetch_header {
    const char *name, *value;
} hob_fetch_header;

/* A part of a form (multipart/form-data). */
typedef struct hob_fetch_part {
    const char *name;
    const void *data;
    size_t      len;
    const char *file_name; /* NULL: a plain field         */
    const char *type;      /* its media type; NULL: none  */
} hob_fetch_part;

/* All zero, or NULL where a pointer is taken, means the defaults: GET. All of it is lent for the length
 * of the call; what hob_fetch_open sends, until the answer is closed. Times are in nanoseconds;
 * HOB_FOREVER takes a limit of time away. */
typedef struct hob_fetch_opts {
    const char             *method; /* NULL: GET, or POST when there is a body                   */
    const hob_fetch_header *headers; /* one of ours (Accept, User-Agent ...) is replaced by yours, a
                                        Cookie goes with those that are kept, in one header;
                                        not those that frame: Content-Length, Transfer-Encoding,
                                        Connection, Trailer, TE, Upgrade, Expect                   */
    size_t                  header_count;

    /* What is sent, at most one of: memory; a form; what a stream gives (hob_fetch_with); or (upload)
     * what is written by hob_fetch_write (hob_fetch_open). */
    const void           *body;
    size_t                body_len;
    const hob_fetch_part *parts;
    size_t                part_count;
    hob_stream           *body_stream;
    unsigned              upload : 1;
    int64_t               body_length; /* of the last two; 0: not known (chunked)                */
    const char           *body_type;   /* its media type; NULL: as in `headers`, or none          */

    /* Credentials. They are for the host of the URL, and not sent to another that it redirects to; so
     * are the headers Authorization, Proxy-Authorization and Cookie. */
    const char *user, *password; /* Basic  */
    const char *bearer;          /* Bearer */

    /* How large. */
    uint64_t body_bytes_max;   /* of an answer, after decompression; 0: 16 MiB, of hob_fetch_open
                                  no limit: what was not read is not held                         */
    uint32_t header_bytes_max; /* of all its heads and trailers; 0: 64 KiB                        */

    /* How long. */
    int64_t  connect_ns;    /* looking up the name, connecting, TLS; 0: 10 s                      */
    int64_t  first_byte_ns; /* from there to the answer's head; again and again while enough of
                               the request's body is sent; 0: 60 s                                */
    int64_t  total_ns;      /* all of it, with redirects and further attempts; 0: 5 min, of
                               hob_fetch_open 1 h                                                 */
    int64_t  slow_ns;       /* while a body comes or goes: who in so much time spent waiting for the
                               server brings less than ...; 0: 30 s                               */
    uint32_t bytes_per_s_min; /* ... so much a second is too slow; 0: 100                          */

    int redirects_max; /* followed; 0: 10; < 0: none, they are answers like any other. One that asks for
                          the body again (307, 308) is an answer, too, when that cannot be had again */

    /* Further attempts: NULL: none. They are made when the request may be made twice (GET, HEAD, OPTIONS,
     * PUT, DELETE, or `idempotent`), its body can be sent again, and it failed on the way or was
     * answered by 429, 502, 503 or 504; a Retry-After of up to retry_after_max_ns (0: 60 s) is waited
     * for, and a longer one is not. The last answer is given, whatever its status. `judge` is ours; the
     * rest is as in hob/retry.h. */
    const hob_retry_opts *retry;
    int64_t               retry_after_max_ns;
    unsigned              idempotent : 1;

    unsigned plain : 1;      /* does not ask for gzip. hob_fetch_open asks for it only with:      */
    unsigned compressed : 1; /* gzip. 64 KiB of it are held, and no more of what it becomes than is read */
} hob_fetch_opts;

/* Which step failed. */
typedef enum hob_fetch_step {
    HOB_FETCH_NOTHING,  /* nothing did                                    */
    HOB_FETCH_REQUEST,  /* what is asked for cannot be                    */
    HOB_FETCH_TURN,     /* waiting until one more may ask                 */
    HOB_FETCH_NAME,     /* looking up the name of the server, or proxy    */
    HOB_FETCH_CONNECT,
    HOB_FETCH_TLS,
    HOB_FETCH_SEND,
    HOB_FETCH_WAIT,     /* waiting for the answer, and reading its head   */
    HOB_FETCH_BODY,     /* reading its body                               */
    HOB_FETCH_REDIRECT,
} hob_fetch_step;

typedef struct hob_fetch_trouble {
    hob_fetch_step step;
    int            error;
    char           text[512]; /* "shop.example:443: connecting: connection refused"; of what a server
                                 sent, only printable ASCII */
} hob_fetch_trouble;

/* An answer, or one that is coming. */
typedef struct hob_fetch_answer hob_fetch_answer;

/* Asks for the URL ("http://..." or "https://...", with no user in it), follows redirects, and reads the
 * whole answer into memory. Waits. Returns 0, and *ret_answer is the caller's to close; or an error, and
 * says more in *ret_trouble, unless that is NULL. */
HOB_API HOB_MUST_USE int hob_fetch(const char *url, hob_fetch_answer **ret_answer);
HOB_API HOB_MUST_USE int hob_fetch_with(hob_fetch_client *client, const char *url,
                                        const hob_fetch_opts *opts, hob_fetch_trouble *ret_trouble,
                                        hob_fetch_answer **ret_answer);

/* The same, and returns when the answer's head is there: its body is read by hob_fetch_read, as fast as
 * you like, since the server is told to wait (64 KiB are held). With opts.upload it returns when the
 * exchange has begun: the request's body is written by hob_fetch_write, in one task, while maybe another
 * reads the answer; there are no redirects and no further attempts then. */
HOB_API HOB_MUST_USE int hob_fetch_open(hob_fetch_client *client, const char *url,
                                        const hob_fetch_opts *opts, hob_fetch_trouble *ret_trouble,
                                        hob_fetch_answer **ret_answer);

/* Writes a piece of the request's body. Waits while the server is slower. Returns `len`, or an error;
 * -EPIPE: the server has answered and takes no more; -EMSGSIZE: over body_length. */
HOB_API HOB_MUST_USE ssize_t hob_fetch_write(hob_fetch_answer *answer, const void *data, size_t len);

/* Says that this was all of it. Does not wait. Returns 0; -EPROTO: it was less than body_length, and the
 * exchange has failed; or the error of the exchange. */
HOB_API HOB_MUST_USE int hob_fetch_finish(hob_fetch_answer *answer);

/* Waits until the answer's head is there. (Only with opts.upload it is not yet.) Returns 0 or an error. */
HOB_API HOB_MUST_USE int hob_fetch_wait(hob_fetch_answer *answer);

/* Reads up to `len` bytes of the body. Waits for at least one. Returns how many came, 0 at the end, or
 * an error, again and again: a body that was cut short never looks whole. After -ECANCELED, and the
 * scope's -ETIMEDOUT, the next call goes on. */
HOB_API HOB_MUST_USE ssize_t hob_fetch_read(hob_fetch_answer *answer, void *buf, size_t len);

/* Reading gives the answer's body, writing sends the request's, shutdown is hob_fetch_finish: for
 * hob_copy and its like. Closing it is hob_fetch_close. */
HOB_API hob_stream *hob_fetch_stream(hob_fetch_answer *answer);

/* What went wrong with an answer that was opened. Lasts as long as the answer. Does not wait. */
HOB_API const hob_fetch_trouble *hob_fetch_answer_trouble(const hob_fetch_answer *answer);

/* Ends the exchange if it is under way, and frees the answer; NULL is fine. Nobody may be waiting in
 * it. Never waits, cannot fail. */
HOB_API void hob_fetch_close(hob_fetch_answer *answer);

/* ---- the answer: none of these waits ---- */

HOB_API int         hob_fetch_status(const hob_fetch_answer *answer); /* 200; 0: no head yet        */
HOB_API int         hob_fetch_version_of(const hob_fetch_answer *answer); /* 10, 11, 20; 0: no head  */
HOB_API const char *hob_fetch_url(const hob_fetch_answer *answer); /* who answered, after redirects */
HOB_API const char *hob_fetch_body(const hob_fetch_answer *answer); /* of hob_fetch_with, with a NUL
                                                                      behind it; never NULL        */
HOB_API size_t      hob_fetch_body_len(const hob_fetch_answer *answer);

/* The value of a header, without blanks at its ends; of several of that name the first. NULL: there is
 * none. Names are compared without regard to case. */
HOB_API const char *hob_fetch_header_of(const hob_fetch_answer *answer, const char *name);

/* The header of that index, from 0 on, in the order in which they came. Returns 1, or 0 when there are
 * no more. */
HOB_API int hob_fetch_header_at(const hob_fetch_answer *answer, size_t index, const char **ret_name,
                                const char **ret_value);

/* How long the exchange took that was the last, from its beginning to ...; 0: not come to that. */
typedef struct hob_fetch_times {
    int64_t name_ns;       /* the name was looked up        */
    int64_t connect_ns;    /* there was a connection        */
    int64_t tls_ns;        /* the handshake was made        */
    int64_t first_byte_ns; /* the answer's first byte came  */
    int64_t total_ns;      /* its last                      */
    int     redirects;     /* that were followed            */
    int     attempts;      /* 1: the first one did          */
    int     is_reused;     /* 1: on a connection that was there */
} hob_fetch_times;

HOB_API void hob_fetch_times_get(const hob_fetch_answer *answer, hob_fetch_times *ret_times);

/* What a client has counted. */
typedef struct hob_fetch_stats {
    uint64_t exchanges;   /* requests sent, each redirect and attempt counts */
    uint64_t running;     /* now                                             */
    uint64_t waiting;     /* now, for their turn                             */
    uint64_t failed;      /* exchanges that ended without a whole answer     */
    uint64_t connections; /* open now                                        */
    uint64_t connected;   /* in all; attempts count                          */
    uint64_t reused;      /* exchanges on a connection that was there        */
    uint64_t redirects, retries;
    uint64_t body_bytes;  /* of answers                                      */
    uint64_t jar_emptied; /* times there were too many cookies               */
} hob_fetch_stats;

/* NULL: the default one, or all zero when there is none yet. Does not wait. */
HOB_API void hob_fetch_stats_get(hob_fetch_client *client, hob_fetch_stats *ret_stats);

HOB_END_DECLS

#endif
