/* SPDX-License-Identifier: MIT */
/*
 * Sessions: what a site remembers of a visitor, in a cookie that the visitor keeps and cannot change.
 *
 *     hob_session *session;
 *     HOB_TRY(hob_session_open(sessions, req, &session));
 *     const char *user = hob_session_get(session, "user");     // NULL: nobody
 *     ...
 *     HOB_TRY(hob_session_set(session, "user", "ann"));
 *     HOB_TRY(hob_session_save(session, req));                  // before the answer begins
 *     hob_session_close(session);
 *
 * Not part of hob.h: link libhob-site (pkg-config), where there is OpenSSL. None of these waits.
 *
 * The server keeps nothing, so any server with the keys knows any visitor. That has its price: a
 * session cannot be called back before it ends, and an old cookie that somebody kept is good until then.
 * What must be revoked at once belongs into a database, under an id that is in the session.
 *
 * The cookie is signed by HMAC-SHA-256; or, with `encrypt`, sealed by AES-256-GCM, and then its visitor
 * cannot read it either. Names and values are texts.
 */
#ifndef HOB_SESSION_H
#define HOB_SESSION_H

#include "hob/cookie.h"

HOB_BEGIN_DECLS

typedef struct hob_sessions hob_sessions;
typedef struct hob_session  hob_session;

enum {
    HOB_SESSION_SECRET_MIN = 32,   /* bytes of a secret, that nobody can guess: of a random source */
    HOB_SESSION_BYTES_MAX  = 2800, /* of names and values, with 3 for each: more makes no cookie   */
    HOB_SESSION_TOKEN      = 44,   /* room for a token and its NUL                                 */
};

typedef struct hob_session_secret {
    const void *bytes;
    size_t      len;
} hob_session_secret;

/* All zero, or NULL where a pointer is taken, means the defaults; but there must be a secret. Texts and
 * secrets are copied. */
typedef struct hob_session_opts {
    const hob_session_secret *secrets; /* the first is used; what the others made is still taken: so a
                                          new one is put before the old one, which goes when the last
                                          session that it made has ended                           */
    size_t        secret_count;
    const char   *name;       /* of the cookie; NULL: "__Host-session", or with insecure "session" */
    int64_t       lifetime_s; /* from the last save; 0: 14 days. It is in the cookie, and signed    */
    hob_same_site same_site;
    unsigned      encrypt : 1;
    unsigned      insecure : 1; /* also without TLS, for trying things out                          */
    unsigned      until_closed : 1; /* the browser forgets it when it is closed, if that is earlier */
} hob_session_opts;

/* For all workers, and any number of requests. Returns 0; -EINVAL: no secret, or one that is shorter than
 * HOB_SESSION_SECRET_MIN, or a name that hob_cookie_set would not take; -ENOMEM. */
HOB_API HOB_MUST_USE int hob_sessions_new(const hob_session_opts *opts, hob_sessions **ret_sessions);

/* Frees it; NULL is fine. Its sessions must be closed. */
HOB_API void hob_sessions_free(hob_sessions *sessions);

/* ---- one ---- */

/* The session of a request; a new one when it has none that is whole, ours and not over. Returns 0 or
 * -ENOMEM. */
HOB_API HOB_MUST_USE int hob_session_open(hob_sessions *sessions, const hob_http_request *req,
                                          hob_session **ret_session);

/* Frees it; what was not saved is lost. NULL is fine. */
HOB_API void hob_session_close(hob_session *session);

/* 1: the request had none. */
HOB_API int hob_session_is_new(const hob_session *session);

/* The value of a name; NULL: there is none. It lives until the session is changed. */
HOB_API const char *hob_session_get(const hob_session *session, const char *name);

/* Sets a name, or with NULL takes it away. Returns 0; or -ENOSPC: over HOB_SESSION_BYTES_MAX, and then the
 * session is as it was. */
HOB_API HOB_MUST_USE int hob_session_set(hob_session *session, const char *name, const char *value);

/* A value for the next request alone, such as "Saved." behind a redirect: hob_session_flash sets it, as
 * above; hob_session_flashed gives what the request before has set, which goes with the next save. */
HOB_API HOB_MUST_USE int hob_session_flash(hob_session *session, const char *name,
                                           const char *value);
HOB_API const char *hob_session_flashed(const hob_session *session, const char *name);

/* Takes all away; the visitor is nobody, and tokens of before are no longer good. With the next save the
 * cookie goes, unless something is set again. Also for who logs in: what was begun as nobody ends. */
HOB_API void hob_session_clear(hob_session *session);

/* Sets the cookie, if the session was changed, or has flashed values, or more than a tenth of its life is
 * over. Before the answer begins, and once. Returns 0, or as hob_cookie_set; -EIO: there is no
 * randomness. */
HOB_API HOB_MUST_USE int hob_session_save(hob_session *session, hob_http_request *req);

/* ---- against requests that other sites cause ---- */

/* A token for a form or a script of this site: it is in the page, and comes back with what is sent, in a
 * field or a header. Another text at each call, so that compression tells nothing of it. Writes it to
 * `buf`, of HOB_SESSION_TOKEN bytes, and gives that back. A new session has to be saved then. Returns
 * NULL when there is no randomness. */
HOB_API const char *hob_session_token(hob_session *session, char *buf);

/* Whether a token is of this session: 1 or 0, also for NULL. What it compares tells nothing by its time. */
HOB_API int hob_session_token_is_good(const hob_session *session, const char *token);

HOB_END_DECLS

#endif
