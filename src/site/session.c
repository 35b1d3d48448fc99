/* SPDX-License-Identifier: MIT */
/*
 * Sessions in cookies.
 *
 *     cookie ── base64url ──▶ seal.c ──▶ when it ends (8) │ id (16) │ kind name NUL value NUL │ ...
 *
 * What was sealed by us is looked at all the same: it may be of another version of ours.
 *
 * The id is for tokens, and says nothing of the visitor. Kinds: a value, and one that is for the next
 * request alone; those that came are kept apart from those that go.
 */
#include "hob/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hob/time.h"
#include "site/seal.h"
#include "site/site.h"

enum {
    ID = 16,
    FIXED = 8 + ID,
    PLAIN_MAX = FIXED + HOB_SESSION_BYTES_MAX,
    SEALED_MAX = PLAIN_MAX + SEAL_EXTRA,
    TEXT_MAX = (SEALED_MAX * 4 + 2) / 3,
    NAME_BYTES_MAX = 200,
    TRIES_MAX = 4, /* cookies of our name that are looked at */
    KIND_VALUE = 'v',
    KIND_FLASH = 'f',
};

#define LIFETIME_S (14 * 86400)

_Static_assert(TEXT_MAX + NAME_BYTES_MAX <= 4096, "browsers take it");
_Static_assert(HOB_SESSION_TOKEN == (2 * ID * 4 + 2) / 3 + 1, "a token fits");

struct hob_sessions {
    hob_session_opts opts;
    char            *name;
    size_t           key_count;
    struct seal_key  keys[];
};

struct items {
    size_t len;
    char   bytes[HOB_SESSION_BYTES_MAX];
};

struct hob_session {
    const hob_sessions *sessions;
    bool          is_new, is_changed, has_cookie;
    bool          has_id; /* a token was given out, or the id came with the cookie */
    int64_t       ends_s;
    unsigned char id[ID];
    struct items  items, flashed;
};

/* ---- making them ---- */

static bool are_secrets_fine(const hob_session_opts *opts)
{
    for (size_t i = 0; i < opts->secret_count; i++) {
        if (opts->secrets[i].len < HOB_SESSION_SECRET_MIN || opts->secrets[i].len > INT32_MAX)
            return false;
    }
    return opts->secret_count > 0 && opts->lifetime_s >= 0;
}

static hob_cookie cookie_of(const hob_sessions *sessions, const char *value)
{
    return (hob_cookie){
        .name = sessions->name,
        .value = value,
        .max_age_s = sessions->opts.until_closed ? 0 : sessions->opts.lifetime_s,
        .same_site = sessions->opts.same_site,
        .insecure = sessions->opts.insecure,
    };
}

static int set_up(hob_sessions *sessions, const hob_session_opts *opts)
{
    const char *name = opts->name != NULL ? opts->name : opts->insecure ? "session" : "__Host-session";
    char        header[NAME_BYTES_MAX + 256];

    sessions->opts = *opts;
    sessions->opts.secrets = NULL;
    if (sessions->opts.lifetime_s == 0)
        sessions->opts.lifetime_s = LIFETIME_S;
    sessions->name = hob__site_copy(name, strlen(name));
    if (sessions->name == NULL)
        return -ENOMEM;
    hob_cookie cookie = cookie_of(sessions, "");
    if (strlen(name) > NAME_BYTES_MAX || hob_cookie_print(&cookie, header, sizeof header) < 0)
        return -EINVAL;
    for (; sessions->key_count < opts->secret_count; sessions->key_count++) {
        const hob_session_secret *secret = &opts->secrets[sessions->key_count];
        int r = hob__seal_derive(secret->bytes, secret->len, name, &sessions->keys[sessions->key_count]);
        if (r < 0)
            return r;
    }
    return 0;
}

int hob_sessions_new(const hob_session_opts *opts, hob_sessions **ret_sessions)
{
    if (opts == NULL || !are_secrets_fine(opts))
        return -EINVAL;
    hob_sessions *sessions = hob__site_alloc(sizeof *sessions + opts->secret_count * sizeof sessions->keys[0]);
    if (sessions == NULL)
        return -ENOMEM;
    int r = set_up(sessions, opts);
    if (r < 0) {
        hob_sessions_free(sessions);
        return r;
    }
    *ret_sessions = sessions;
    return 0;
}

void hob_sessions_free(hob_sessions *sessions)
{
    if (sessions == NULL)
        return;
    for (size_t i = 0; i < sessions->key_count; i++)
        hob__seal_forget(&sessions->keys[i]);
    free(sessions->name);
    free(sessions);
}

/* ---- items: kind name NUL value NUL ---- */

/* The length of the item at `at`, or 0: there is none that is whole. */
static size_t item_len(const char *at, const char *end)
{
    const char *name_end = end - at > 1 ? memchr(at + 1, '\0', (size_t)(end - at - 1)) : NULL;
    const char *value_end = name_end != NULL && name_end + 1 < end
                                ? memchr(name_end + 1, '\0', (size_t)(end - name_end - 1))
                                : NULL;
    return value_end != NULL ? (size_t)(value_end + 1 - at) : 0;
}

static char *find(struct items *items, char kind, const char *name)
{
    char *end = items->bytes + items->len;
    for (char *at = items->bytes; at < end; at += item_len(at, end)) {
        if (*at == kind && strcmp(at + 1, name) == 0)
            return at;
    }
    return NULL;
}

static const char *value_of(const char *item)
{
    return item != NULL ? item + 1 + strlen(item + 1) + 1 : NULL;
}

static void append(struct items *items, const char *item, size_t len)
{
    memcpy(items->bytes + items->len, item, len);
    items->len += len;
}

static int set(hob_session *session, char kind, const char *name, const char *value)
{
    struct items *items = &session->items;
    char         *old = find(items, kind, name), *end = items->bytes + items->len;
    size_t        old_len = old != NULL ? item_len(old, end) : 0;
    size_t        name_len = strlen(name), value_len = value != NULL ? strlen(value) : 0;

    if (value == NULL ? old == NULL : old != NULL && strcmp(value_of(old), value) == 0)
        return 0;
    if (value != NULL && (name_len > sizeof items->bytes || value_len > sizeof items->bytes
                          || items->len - old_len + name_len + value_len + 3 > sizeof items->bytes))
        return -ENOSPC;
    session->is_changed = true;
    if (old != NULL) {
        memmove(old, old + old_len, (size_t)(end - old) - old_len);
        items->len -= old_len;
    }
    if (value != NULL) {
        append(items, &kind, 1);
        append(items, name, name_len + 1);
        append(items, value, value_len + 1);
    }
    return 0;
}

/* ---- from a cookie, and to one ---- */

static int64_t now_s(void)
{
    return hob_wall_now() / HOB_SEC;
}

static void put_number(unsigned char *out, int64_t number)
{
    for (int i = 0; i < 8; i++)
        out[i] = (unsigned char)((uint64_t)number >> (56 - 8 * i));
}

static int64_t get_number(const unsigned char *bytes)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | bytes[i];
    return (int64_t)number;
}

/* Whether they are of a session of ours that is not over. */
static bool read_plain(hob_session *session, const unsigned char *plain, size_t len)
{
    if (len < FIXED || len > PLAIN_MAX || get_number(plain) <= now_s())
        return false;
    const char *at = (const char *)plain + FIXED, *end = (const char *)plain + len;
    session->items.len = session->flashed.len = 0;
    while (at < end) {
        size_t n = item_len(at, end);
        if (n == 0 || (*at != KIND_VALUE && *at != KIND_FLASH))
            return false;
        append(*at == KIND_VALUE ? &session->items : &session->flashed, at, n);
        at += n;
    }
    session->ends_s = get_number(plain);
    memcpy(session->id, plain + 8, ID);
    session->has_id = true;
    return true;
}

/* Returns 1, 0: it is not ours, or -ENOMEM. */
static int read_cookie(hob_session *session, const char *text, size_t text_len)
{
    unsigned char sealed[(TEXT_MAX * 3) / 4 + 3], plain[sizeof sealed];
    const hob_sessions *sessions = session->sessions;

    if (text_len > TEXT_MAX)
        return 0;
    ssize_t len = hob__seal_decode(text, text_len, sealed);
    for (size_t i = 0; len >= 0 && i < sessions->key_count; i++) {
        ssize_t n = hob__unseal(&sessions->keys[i], sessions->opts.encrypt, sealed, (size_t)len, plain);
        if (n == -ENOMEM)
            return -ENOMEM;
        if (n < 0)
            continue;
        if (!read_plain(session, plain, (size_t)n))
            return 0;
        session->is_changed = i > 0 || session->flashed.len > 0; // sealed anew, by the first
        return 1;
    }
    return 0;
}

int hob_session_open(hob_sessions *sessions, const hob_http_request *req, hob_session **ret_session)
{
    if (sessions == NULL)
        hob_mistake("hob_session_open", "there are no sessions: hob_sessions_new makes them");
    hob_cookie_view view;
    size_t          name_len = strlen(sessions->name);
    hob_session    *session = hob__site_alloc(sizeof *session);
    int             r = 0, tries = 0;

    if (session == NULL)
        return -ENOMEM;
    session->sessions = sessions;
    for (size_t i = 0; r == 0 && tries < TRIES_MAX && hob_cookie_at(req, i, &view) == 1; i++) {
        if (view.name_len != name_len || memcmp(view.name, sessions->name, name_len) != 0)
            continue;
        tries++;
        session->has_cookie = true;
        r = read_cookie(session, view.value, view.value_len);
    }
    if (r < 0) {
        hob_session_close(session);
        return r;
    }
    session->is_new = r == 0;
    if (r == 0)
        session->items.len = session->flashed.len = 0;
    *ret_session = session;
    return 0;
}

void hob_session_close(hob_session *session)
{
    free(session);
}

static int need_id(hob_session *session)
{
    if (session->has_id)
        return 0;
    int r = hob__seal_random(session->id, ID);
    session->has_id = r == 0;
    session->is_changed = true;
    return r;
}

static int write_cookie(hob_session *session, hob_http_request *req)
{
    const hob_sessions *sessions = session->sessions;
    unsigned char plain[PLAIN_MAX], sealed[SEALED_MAX];
    char          text[TEXT_MAX + 1];

    int r = need_id(session);
    if (r < 0)
        return r;
    put_number(plain, now_s() + sessions->opts.lifetime_s);
    memcpy(plain + 8, session->id, ID);
    memcpy(plain + FIXED, session->items.bytes, session->items.len);
    ssize_t len = hob__seal(&sessions->keys[0], sessions->opts.encrypt, plain, FIXED + session->items.len, sealed);
    if (len < 0)
        return (int)len;
    hob__seal_encode(sealed, (size_t)len, text);
    hob_cookie cookie = cookie_of(sessions, text);
    return hob_cookie_set(req, &cookie);
}

int hob_session_save(hob_session *session, hob_http_request *req)
{
    int64_t lifetime_s = session->sessions->opts.lifetime_s;
    bool    is_empty = session->items.len == 0 && !session->has_id;
    bool    is_old = !session->is_new && session->ends_s - now_s() < lifetime_s - lifetime_s / 10;
    int     r = 0;

    if (!session->is_changed && !is_old)
        return 0;
    if (!is_empty) {
        r = write_cookie(session, req);
    } else if (session->has_cookie) {
        hob_cookie cookie = cookie_of(session->sessions, NULL);
        r = hob_cookie_delete(req, &cookie);
    }
    if (r == 0) {
        session->is_changed = false;
        session->ends_s = now_s() + lifetime_s;
    }
    return r;
}

/* ---- what is in it ---- */

int hob_session_is_new(const hob_session *session)
{
    return session->is_new;
}

const char *hob_session_get(const hob_session *session, const char *name)
{
    return value_of(find(&((hob_session *)(uintptr_t)session)->items, KIND_VALUE, name));
}

int hob_session_set(hob_session *session, const char *name, const char *value)
{
    return set(session, KIND_VALUE, name, value);
}

int hob_session_flash(hob_session *session, const char *name, const char *value)
{
    return set(session, KIND_FLASH, name, value);
}

const char *hob_session_flashed(const hob_session *session, const char *name)
{
    return value_of(find(&((hob_session *)(uintptr_t)session)->flashed, KIND_FLASH, name));
}

void hob_session_clear(hob_session *session)
{
    session->items.len = session->flashed.len = 0;
    session->has_id = false;
    session->is_changed = true;
}

/* ---- tokens: a mask, and the id under it ---- */

const char *hob_session_token(hob_session *session, char *buf)
{
    unsigned char token[2 * ID];

    if (need_id(session) < 0 || hob__seal_random(token, ID) < 0)
        return NULL;
    for (int i = 0; i < ID; i++)
        token[ID + i] = token[i] ^ session->id[i];
    hob__seal_encode(token, sizeof token, buf);
    return buf;
}

int hob_session_token_is_good(const hob_session *session, const char *token)
{
    unsigned char bytes[2 * ID + 1];

    if (token == NULL || !session->has_id || strnlen(token, HOB_SESSION_TOKEN) != HOB_SESSION_TOKEN - 1
        || hob__seal_decode(token, HOB_SESSION_TOKEN - 1, bytes) != 2 * ID)
        return 0;
    for (int i = 0; i < ID; i++)
        bytes[ID + i] ^= bytes[i];
    return hob__seal_is_same(bytes + ID, session->id, ID);
}
