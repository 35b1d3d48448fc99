/* SPDX-License-Identifier: MIT */
/*
 * TLS: a stream that nobody else can read or change, over any stream.
 *
 *     hob_tls_config *config;                     // once: whom we trust, who we are
 *     HOB_TRY(hob_tls_config_new(NULL, NULL, &config));
 *
 *     hob_tls *conn;
 *     HOB_TRY(hob_tls_client(config, hob_tcp_stream(tcp), "example.com", &conn));
 *     ssize_t n = hob_tls_write(conn, "hello", 5);
 *     if (n < 0)
 *         fprintf(stderr, "%s\n", hob_tls_error(conn));   // "certificate expired 2026-03-01"
 *
 * A library of its own: not part of hob.h; link libhob-tls (pkg-config). TLS 1.2 and 1.3,
 * by OpenSSL 3. Compression, renegotiation and early data (0-RTT) are never used.
 *
 * A connection that waits takes about 18 KiB, OpenSSL's part included, and 36 KiB when the last message
 * that came was larger than 512 bytes; beside the stream below it.
 *
 * One task may read while another writes; two readers at once, or two writers, is a
 * mistake. A connection belongs to the worker of the stream below it.
 *
 * What a peer sends can fail a connection, and nothing else. Such a failure stays: every later
 * read and write gives the same code, and hob_tls_error the words:
 *   HOB_ETLSCERT       the peer's certificate was not accepted; the words say why
 *   HOB_ETLS           the peer broke the protocol, or refused us
 *   HOB_ETLSTRUNCATED  the stream below ended without the peer's goodbye: what was read may be
 *                      only a part of what it wanted to say
 * Errors of the stream below (-ECONNRESET, ...) come through as they are.
 */
#ifndef HOB_TLS_H
#define HOB_TLS_H

#include "hob/offload.h"
#include "hob/stream.h"

HOB_BEGIN_DECLS

/* ---- whom we trust, who we are ---- */

typedef struct hob_tls_config hob_tls_config;

/* A certificate with its key: who we are. Each as a file or as memory, PEM; of the certificate
 * the chain follows in the same text. The key may be in the certificate's file or memory too:
 * then leave it NULL. */
typedef struct hob_tls_identity {
    const char *cert_file;
    const char *key_file;
    const void *cert;     /* instead of cert_file */
    size_t      cert_len;
    const void *key;      /* instead of key_file  */
    size_t      key_len;
    const char *key_password; /* of an encrypted key; nobody is asked on a terminal */
} hob_tls_identity;

/* Whether a server asks its clients for a certificate. */
typedef enum hob_tls_ask {
    HOB_TLS_ASK_NONE,     /* no                                                     */
    HOB_TLS_ASK_OPTIONAL, /* yes; who has none may come in, who has a bad one may not */
    HOB_TLS_ASK_REQUIRED, /* yes; without one the handshake fails                     */
} hob_tls_ask;

enum {
    HOB_TLS_IDENTITIES_MAX = 256,      /* in one config                            */
    HOB_TLS_PEM_MAX        = 16777216, /* bytes of a file of certificates, or a key */
    HOB_TLS_NAME_MAX       = 253,      /* bytes of a host name                      */
    HOB_TLS_ALPN_MAX       = 255,      /* bytes of all protocol names, each with one more */
};

/* All zero, or NULL where a pointer is taken, means the defaults: a client that trusts whom the
 * system trusts. Texts and memory are copied. */
typedef struct hob_tls_opts {
    /* Whom we trust: what is given of these, together. Nothing: the system's trust store, read
     * when the first client is made. The folder has one file for each certificate, named by hash
     * as `openssl rehash` does; it is searched during handshakes, as the system's is, by small
     * reads that do block the worker. */
    const char *ca_file;
    const char *ca_dir;
    const void *ca; /* PEM in memory */
    size_t      ca_len;

    /* Who we are. A server needs at least one: the first whose certificate is for the name that
     * the client asks for is shown, else the first of all. A client shows the first when asked. */
    const hob_tls_identity *identities;
    size_t                  identity_count;

    hob_tls_ask        ask_client; /* for servers; the clients' certificates are by ca..., which
                                      must be given then: the system's store says nothing of them */
    const char *const *alpn;       /* protocols, the best first, and NULL at the end; NULL: none.
                                      A server refuses clients who offer only others            */
    int                min_version; /* 12: TLS 1.2; 13: TLS 1.3; 0: 12                    */
    int                sessions;    /* how many a client remembers to resume; 0: 64; < 0: none */
    int64_t            handshake_limit_ns; /* 0: 10 s; HOB_FOREVER: the scope's deadline alone */
    int64_t            shutdown_limit_ns;  /* how long a goodbye may take to be sent; 0: 5 s   */
    hob_pool          *handshake_pool; /* handshakes compute on its threads, such as those of
                                          hob_pool_cpu(), and the worker serves others meanwhile;
                                          it must outlive them. NULL: on the worker, 0.2 to 2 ms */
} hob_tls_opts;

/* Room for a sentence on what went wrong. */
typedef struct hob_tls_words {
    char text[256];
} hob_tls_words;

/* Makes a config for any number of connections, clients and servers, of all workers.
 *
 * Waits for files. Returns 0, or a negative error, and then says more in *ret_words, unless
 * that is NULL:
 *   HOB_ETLSCONFIG         a certificate or key cannot be used, or does not fit the other
 *   -ENOENT, -EACCES, ...  a file
 *   -EFBIG                 a file over HOB_TLS_PEM_MAX
 *   -EINVAL                an option that cannot be, such as a version
 *   -ENOMEM, -ECANCELED, -ETIMEDOUT */
HOB_API HOB_MUST_USE int hob_tls_config_new(const hob_tls_opts *opts, hob_tls_words *ret_words,
                                            hob_tls_config **ret_config);

/* Reads all files again, or takes new options (NULL: the same again), for the connections to
 * come; those there are go on with what they have. When it fails nothing has changed. Tickets
 * of before are still good at a server; clients begin with no sessions. Any worker may call it,
 * while others make connections; two calls at once are made one after the other. Waits, returns
 * and says as hob_tls_config_new. */
HOB_API HOB_MUST_USE int hob_tls_config_reload(hob_tls_config *config, const hob_tls_opts *opts,
                                               hob_tls_words *ret_words);

/* Clients of this config accept any certificate, of anybody, for any name: whoever sits between
 * reads and changes everything. For trying things out. Before its first connection. */
HOB_API void hob_tls_insecure_skip_verify(hob_tls_config *config);

/* Frees it; NULL is fine. Its connections live on. Does not wait. */
HOB_API void hob_tls_config_free(hob_tls_config *config);

/* ---- connections ---- */

typedef struct hob_tls hob_tls;

/* Begins TLS over `below`, as its client. `name` is whom we want to talk to: a host name, in
 * ASCII, or an IP address as text. The peer's certificate must be for it (RFC 9525: by its
 * alternative names, never its subject; a * stands for one whole first label). A dot at its
 * end is of no account. With hob_tls_insecure_skip_verify it may be NULL.
 *
 * Does not wait: the handshake is made by hob_tls_handshake, or by the first read or write. On
 * success `below` is the connection's, and closed with it; nobody else may use it. On failure
 * it is still the caller's. Returns 0, -ENOMEM, or -EINVAL for a name that is none. */
HOB_API HOB_MUST_USE int hob_tls_client(hob_tls_config *config, hob_stream *below,
                                        const char *name, hob_tls **ret_conn);

/* Offers these protocols to the server, the best first, and NULL at the end, instead of the config's `alpn`: so
 * one config, with its sessions, serves clients of several protocols. For clients, before the handshake. The
 * texts are copied. Does not wait. Returns 0; -EINVAL: none, or one is empty, or they are too long; -ENOMEM. */
HOB_API HOB_MUST_USE int hob_tls_offer(hob_tls *conn, const char *const *alpn);

/* The same as the server. Returns 0, -ENOMEM, or -EINVAL when the config has no identity. */
HOB_API HOB_MUST_USE int hob_tls_server(hob_tls_config *config, hob_stream *below,
                                        hob_tls **ret_conn);

/* Makes the handshake, if that was not done. Waits. Returns 0, or:
 *   HOB_ETLSCERT, HOB_ETLS  see above; the peer was told why, if it listens
 *   HOB_ETLSTRUNCATED       the stream below ended
 *   -ETIMEDOUT              over the config's limit, counted from the first call: this stays; or
 *                           the scope's deadline
 *   -ECANCELED              the scope was cancelled, or the connection closed. A handshake that was
 *                           cancelled goes on with the next call. */
HOB_API HOB_MUST_USE int hob_tls_handshake(hob_tls *conn);

/* Reads up to `len` bytes into `buf`, which is lent. Waits for at least one (with a `len` of 0 it
 * returns at once). Returns how many came; 0 when the peer has said goodbye; or a negative error:
 * see above, and -ECANCELED, -ETIMEDOUT: no byte is lost, the next read gets it. */
HOB_API HOB_MUST_USE ssize_t hob_tls_read(hob_tls *conn, void *buf, size_t len);

/* Writes all of `buf`, which is lent. Waits until the stream below took the last byte. Returns
 * `len`, or a negative error, and then an unknown part was written: see above, and
 *   -EPIPE                  after hob_tls_shutdown; or the peer is gone
 *   -ECANCELED, -ETIMEDOUT */
HOB_API HOB_MUST_USE ssize_t hob_tls_write(hob_tls *conn, const void *buf, size_t len);

/* Takes at least one byte of `buf`, at most 16 KiB, and returns how many. Cancelled while the
 * stream below takes them, it still returns them: they are encrypted, and the rest of them goes
 * out with the next call on the connection that waits. Otherwise as above. */
HOB_API HOB_MUST_USE ssize_t hob_tls_write_some(hob_tls *conn, const void *buf, size_t len);

/* Says goodbye: no more will be written. The peer's reads end well, and the stream below is
 * shut down if it can be. Reading goes on. Waits until it is sent, at most for the config's
 * limit (-ETIMEDOUT). In a cancelled scope use HOB_SHIELD. Returns 0, also the second time, or a
 * negative error; -ENOTCONN when there was no handshake: then only the stream below was shut
 * down. A writer of another task must have ended, or it waits for it. */
HOB_API HOB_MUST_USE int hob_tls_shutdown(hob_tls *conn);

/* Closes the connection and the stream below, and frees it; NULL is fine. Without a goodbye: that
 * is hob_tls_shutdown. Tasks that still read or write get -ECANCELED. Never waits, cannot fail. */
HOB_API void hob_tls_close(hob_tls *conn);

/* What went wrong last, in words; "" when nothing did. Of what a peer sent, only printable ASCII.
 * It lasts until the next call on the connection. Does not wait. */
HOB_API const char *hob_tls_error(const hob_tls *conn);

/* What was agreed upon. The texts last as long as the connection. */
typedef struct hob_tls_facts {
    const char *version;          /* "TLSv1.3"                                           */
    const char *cipher;           /* "TLS_AES_256_GCM_SHA384"                            */
    const char *alpn;             /* the protocol; "": none                              */
    const char *server_name;      /* the name that the client asked for, as it sent it;
                                     "": none                                              */
    const char *peer_subject;     /* "CN=a.example,O=..."; "": the peer showed no certificate.
                                     It says who the peer is only when it was verified      */
    const char *peer_fingerprint; /* SHA-256 of its certificate, in hexadecimal; ""         */
    int         resumed;          /* 1: an earlier session went on                       */
    int         verified;         /* 1: the peer's certificate was checked and is good   */
} hob_tls_facts;

/* Returns 0; -ENOTCONN before the handshake was made; -ENOMEM. Does not wait. */
HOB_API HOB_MUST_USE int hob_tls_negotiated(hob_tls *conn, hob_tls_facts *ret_facts);

/* The connection as a stream. The same thing: closing either closes it. */
HOB_API hob_stream *hob_tls_stream(hob_tls *conn);

HOB_END_DECLS

#endif
