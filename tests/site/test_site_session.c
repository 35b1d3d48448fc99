/* SPDX-License-Identifier: MIT */
/* Sessions: what comes back is what went, or nothing at all. */
#include <hob/session.h>

#include "base/rand.h"
#include "http/site.h"
#include "site/seal.h"
#include "site/site.h"

static const char OLD_SECRET[] = "an old secret, of 32 bytes or more";
static const char NEW_SECRET[] = "a new secret, also of 32 bytes or more";

static const hob_session_secret SECRETS[] = {
    { NEW_SECRET, sizeof NEW_SECRET - 1 },
    { OLD_SECRET, sizeof OLD_SECRET - 1 },
};

/* ---- seals ---- */

TEST_BARE(session, base64url_has_one_text_for_all_bytes)
{
    static const struct { const char *bytes, *text; } PAIRS[] = {
        { "", "" }, { "f", "Zg" }, { "fo", "Zm8" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg" }, { "fooba", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy" }, { "\xff\xfe\xfd", "__79" }, { "\xfb\xff", "-_8" },
    };
    static const char *const BAD[] = { "Z", "Zh", "Zm9", "Zm9vY", "Zg==", "Z+8", "Z/8", "Z g", "Zm8\n", "\xc3\xa4zz" };
    char          text[32];
    unsigned char bytes[32];
    for (size_t i = 0; i < sizeof PAIRS / sizeof PAIRS[0]; i++) {
        size_t len = strlen(PAIRS[i].bytes);
        check_eq(hob__seal_encode((const unsigned char *)PAIRS[i].bytes, len, text), strlen(PAIRS[i].text));
        check_str(text, PAIRS[i].text);
        check_eq(hob__seal_decode(text, strlen(text), bytes), len);
        check_mem(bytes, PAIRS[i].bytes, len);
    }
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        check_eq(hob__seal_decode(BAD[i], strlen(BAD[i]), bytes), -1);
}

TEST_BARE(session, a_seal_opens_as_it_was_or_not_at_all)
{
    struct seal_key key, other;
    unsigned char   bytes[100], sealed[100 + SEAL_EXTRA], back[100 + SEAL_EXTRA];

    check_ok(hob__seal_derive(NEW_SECRET, 32, "a", &key));
    check_ok(hob__seal_derive(NEW_SECRET, 32, "b", &other));
    check(memcmp(key.sign, key.encrypt, 32) != 0);
    fill(bytes, sizeof bytes, 0, 1);
    for (int encrypts = 0; encrypts <= 1; encrypts++) {
        for (size_t len = 0; len <= sizeof bytes; len++) {
            ssize_t n = check_ok(hob__seal(&key, encrypts, bytes, len, sealed));
            check_le(n, len + SEAL_EXTRA);
            check_eq(memmem(sealed, (size_t)n, bytes, len > 8 ? len : 8) != NULL, !encrypts && len >= 8);
            check_eq(hob__unseal(&key, encrypts, sealed, (size_t)n, back), len);
            check_mem(back, bytes, len);
            check_err(hob__unseal(&other, encrypts, sealed, (size_t)n, back), -EBADMSG);
            check_err(hob__unseal(&key, !encrypts, sealed, (size_t)n, back), -EBADMSG);
            for (size_t cut = 0; cut < (size_t)n; cut += 7)
                check_err(hob__unseal(&key, encrypts, sealed, cut, back), -EBADMSG);
        }
        ssize_t n = check_ok(hob__seal(&key, encrypts, bytes, 20, sealed));
        for (size_t bit = 0; bit < (size_t)n * 8; bit++) {
            sealed[bit / 8] ^= (unsigned char)(1 << bit % 8);
            check_err(hob__unseal(&key, encrypts, sealed, (size_t)n, back), -EBADMSG);
            sealed[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        check_eq(hob__unseal(&key, encrypts, sealed, (size_t)n, back), 20);
    }
    hob__seal_forget(&key);
}

/* ---- a site ---- */

struct desk {
    hob_sessions *sessions;
    char          token[HOB_SESSION_TOKEN]; /* the last that was made */
};

/* Does what the path says: /set/NAME/VALUE, /unset/NAME, /flash/NAME/VALUE, /clear, /token, /check; and tells
 * what is there. */
static int do_it(struct desk *desk, hob_session *session, char *path, char *told, size_t size)
{
    char *save, *verb = strtok_r(path, "/", &save), *name = strtok_r(NULL, "/", &save), *value = strtok_r(NULL, "/", &save);
    int   r = 0;
    if (verb == NULL)
        verb = "";
    if (strcmp(verb, "set") == 0)
        r = hob_session_set(session, name, value);
    else if (strcmp(verb, "unset") == 0)
        r = hob_session_set(session, name, NULL);
    else if (strcmp(verb, "flash") == 0)
        r = hob_session_flash(session, name, value);
    else if (strcmp(verb, "clear") == 0)
        hob_session_clear(session);
    else if (strcmp(verb, "token") == 0)
        check(hob_session_token(session, desk->token) != NULL);
    const char *a = hob_session_get(session, "a"), *f = hob_session_flashed(session, "f");
    snprintf(told, size, "new=%d a=%s f=%s good=%d", hob_session_is_new(session), a != NULL ? a : "-", f != NULL ? f : "-",
             hob_session_token_is_good(session, desk->token));
    return r;
}

static int serve_desk(hob_http_request *req, void *arg)
{
    struct desk *desk = arg;
    hob_session *session;
    char         path[6000], told[6000];

    HOB_TRY(hob_session_open(desk->sessions, req, &session));
    snprintf(path, sizeof path, "%s", hob_http_path(req));
    int r = do_it(desk, session, path, told, sizeof told);
    if (r == 0)
        r = hob_session_save(session, req);
    hob_session_close(session);
    return r < 0 ? r : hob_http_reply_text(req, 200, told);
}

struct visitor {
    struct site site;
    struct desk desk;
    char        cookie[5000]; /* that it keeps; "": none */
    char        got[8000];
    int         set;          /* how many cookies the last answer had set */
};

/* Asks as a browser does, and tells what it was told. */
static const char *visit_desk(struct visitor *v, const char *path)
{
    static char text[16000];
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n%s%s%s\r\n", path, v->cookie[0] != '\0' ? "Cookie: " : "",
             v->cookie, v->cookie[0] != '\0' ? "\r\n" : "");
    if (!expect_ok(ask(&v->site, text, v->got, sizeof v->got)))
        return "";
    v->set = times_in(v->got, "Set-Cookie: ");
    const char *at = strstr(v->got, "Set-Cookie: ");
    if (at != NULL)
        snprintf(v->cookie, sizeof v->cookie, "%.*s", (int)strcspn(at + 12, ";"), at + 12);
    if (at != NULL && strstr(at, "Max-Age=0;") != NULL)
        v->cookie[0] = '\0';
    const char *body = strstr(v->got, "\r\n\r\n");
    return status_in(v->got) == 200 && body != NULL ? body + 4 : "failed";
}

static int open_desk(hob_scope *s, struct visitor *v, const hob_session_opts *opts)
{
    check_ok(hob_sessions_new(opts, &v->desk.sessions));
    v->site.handler = serve_desk;
    v->site.arg = &v->desk;
    return open_site(s, &v->site);
}

#define VISITOR(name)             \
    static struct visitor name;   \
    name = (struct visitor){ 0 }; \
    __attribute__((cleanup(close_sessions_of), unused)) struct visitor *name##_closed = &name

static void close_sessions_of(struct visitor **v)
{
    hob_sessions_free((*v)->desk.sessions);
}

TEST_ON_ALL(session, a_visitor_is_known_again)
{
    VISITOR(v);
    HOB_SCOPE(s);

    check_ok(open_desk(&s, &v, &(hob_session_opts){ .secrets = SECRETS, .secret_count = 1 }));
    check_str(visit_desk(&v, "/"), "new=1 a=- f=- good=0");
    check_eq(v.set, 0);
    check_str(visit_desk(&v, "/set/a/1"), "new=1 a=1 f=- good=0");
    check_has(v.got, "Set-Cookie: __Host-session=");
    check_has(v.got, "; Path=/; Max-Age=1209600; Secure; HttpOnly; SameSite=Lax\r\n");
    check_str(visit_desk(&v, "/"), "new=0 a=1 f=- good=0");
    check_eq(v.set, 0);
    check_str(visit_desk(&v, "/set/a/1"), "new=0 a=1 f=- good=0");
    check_eq(v.set, 0);
    check_str(visit_desk(&v, "/set/b/3"), "new=0 a=1 f=- good=0");
    check_str(visit_desk(&v, "/set/a/22"), "new=0 a=22 f=- good=0");
    check_str(visit_desk(&v, "/unset/a"), "new=0 a=- f=- good=0");
    check_str(visit_desk(&v, "/clear"), "new=0 a=- f=- good=0");
    check_str(v.cookie, "");
    check_has(v.got, "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly");
    check_str(visit_desk(&v, "/clear"), "new=1 a=- f=- good=0");
    check_eq(v.set, 0);
    hob_scope_cancel(&s, "seen");
}

TEST(session, a_flash_is_there_once)
{
    VISITOR(v);
    HOB_SCOPE(s);

    check_ok(open_desk(&s, &v, &(hob_session_opts){ .secrets = SECRETS, .secret_count = 1, .encrypt = 1 }));
    check_str(visit_desk(&v, "/flash/f/saved"), "new=1 a=- f=- good=0");
    check_str(visit_desk(&v, "/set/a/1"), "new=0 a=1 f=saved good=0");
    check_str(visit_desk(&v, "/"), "new=0 a=1 f=- good=0");
    check_str(visit_desk(&v, "/flash/f/1"), "new=0 a=1 f=- good=0");
    check_str(visit_desk(&v, "/flash/f/2"), "new=0 a=1 f=1 good=0");
    check_str(visit_desk(&v, "/"), "new=0 a=1 f=2 good=0");
    check_str(visit_desk(&v, "/"), "new=0 a=1 f=- good=0");
    hob_scope_cancel(&s, "seen");
}

TEST(session, a_token_is_good_in_its_session_alone)
{
    VISITOR(v);
    char first[HOB_SESSION_TOKEN], cookie[5000];
    HOB_SCOPE(s);

    check_ok(open_desk(&s, &v, &(hob_session_opts){ .secrets = SECRETS, .secret_count = 1 }));
    check_str(visit_desk(&v, "/token"), "new=1 a=- f=- good=1");
    check_eq(v.set, 1);
    check_eq(strlen(v.desk.token), HOB_SESSION_TOKEN - 1);
    strcpy(first, v.desk.token);
    check_str(visit_desk(&v, "/"), "new=0 a=- f=- good=1");
    check_str(visit_desk(&v, "/token"), "new=0 a=- f=- good=1");
    check(strcmp(first, v.desk.token) != 0);
    strcpy(v.desk.token, first);
    check_str(visit_desk(&v, "/set/a/1"), "new=0 a=1 f=- good=1");
    for (size_t i = 0; i < strlen(first); i++) {
        strcpy(v.desk.token, first);
        v.desk.token[i] = v.desk.token[i] == 'A' ? 'B' : 'A';
        check_str(visit_desk(&v, "/"), "new=0 a=1 f=- good=0");
    }
    strcpy(v.desk.token, "short");
    check_str(visit_desk(&v, "/"), "new=0 a=1 f=- good=0");

    strcpy(cookie, v.cookie);
    v.cookie[0] = '\0';
    check_str(visit_desk(&v, "/token"), "new=1 a=- f=- good=1");
    strcpy(v.desk.token, first);
    check_str(visit_desk(&v, "/"), "new=0 a=- f=- good=0");
    strcpy(v.cookie, cookie);
    check_str(visit_desk(&v, "/"), "new=0 a=1 f=- good=1");
    check_str(visit_desk(&v, "/clear"), "new=0 a=- f=- good=0");
    hob_scope_cancel(&s, "seen");
}

TEST(session, what_was_changed_is_no_session)
{
    VISITOR(v);
    char whole[4900];
    HOB_SCOPE(s);

    check_ok(open_desk(&s, &v, &(hob_session_opts){ .secrets = SECRETS, .secret_count = 2, .encrypt = hob_test_seed() % 2 }));
    check_str(visit_desk(&v, "/set/a/1"), "new=1 a=1 f=- good=0");
    strcpy(whole, v.cookie);
    size_t from = strlen("__Host-session="), len = strlen(whole);
    for (size_t i = from; i < len; i++) {
        strcpy(v.cookie, whole);
        v.cookie[i] = whole[i] == 'A' ? 'B' : 'A';
        check_str(visit_desk(&v, "/"), "new=1 a=- f=- good=0");
        snprintf(v.cookie, sizeof v.cookie, "%.*s", (int)i, whole);
        check_str(visit_desk(&v, "/"), "new=1 a=- f=- good=0");
    }
    snprintf(v.cookie, sizeof v.cookie, "%sA", whole);
    check_str(visit_desk(&v, "/"), "new=1 a=- f=- good=0");
    memset(v.cookie + from, 'A', 4500);
    v.cookie[from + 4500] = '\0';
    check_str(visit_desk(&v, "/"), "new=1 a=- f=- good=0");

    // One that is ours is found behind others of its name.
    snprintf(v.cookie, sizeof v.cookie, "__Host-session=x; b=c; __Host-session=AAAA; %s", whole);
    check_str(visit_desk(&v, "/"), "new=0 a=1 f=- good=0");
    hob_scope_cancel(&s, "seen");
}

/* Time is the world's. */
TEST(session, it_ends_when_it_said_and_lives_on_when_it_is_used)
{
    VISITOR(v);
    HOB_SCOPE(s);

    check_ok(open_desk(&s, &v, &(hob_session_opts){ .secrets = SECRETS, .secret_count = 1, .lifetime_s = 1000, .until_closed = 1 }));
    check_str(visit_desk(&v, "/set/a/1"), "new=1 a=1 f=- good=0");
    check_eq(times_in(v.got, "Max-Age"), 0);
    check_ok(hob_sleep(50 * HOB_SEC));
    check_str(visit_desk(&v, "/"), "new=0 a=1 f=- good=0");
    check_eq(v.set, 0);
    for (int i = 0; i < 5; i++) {
        check_ok(hob_sleep(900 * HOB_SEC));
        check_str(visit_desk(&v, "/"), "new=0 a=1 f=- good=0");
        check_eq(v.set, 1);
    }
    check_ok(hob_sleep(1001 * HOB_SEC));
    check_str(visit_desk(&v, "/"), "new=1 a=- f=- good=0");
    hob_scope_cancel(&s, "seen");
}

TEST(session, a_new_secret_is_put_before_the_old_one)
{
    VISITOR(v);
    hob_sessions *old = NULL, *both = NULL, *only_new = NULL;
    HOB_SCOPE(s);

    check_ok(open_desk(&s, &v, &(hob_session_opts){ .secrets = SECRETS + 1, .secret_count = 1 }));
    check_str(visit_desk(&v, "/set/a/1"), "new=1 a=1 f=- good=0");
    old = v.desk.sessions;
    int r = hob_sessions_new(&(hob_session_opts){ .secrets = SECRETS, .secret_count = 2 }, &both);
    if (r == 0)
        r = hob_sessions_new(&(hob_session_opts){ .secrets = SECRETS, .secret_count = 1 }, &only_new);
    expect_ok(r);
    v.desk.sessions = only_new;
    HOB_EXPECT_STR(visit_desk(&v, "/"), "new=1 a=- f=- good=0");
    v.desk.sessions = both;
    HOB_EXPECT_STR(visit_desk(&v, "/"), "new=0 a=1 f=- good=0");
    expect_eq(v.set, 1); // sealed by the new one
    v.desk.sessions = only_new;
    HOB_EXPECT_STR(visit_desk(&v, "/"), "new=0 a=1 f=- good=0");
    v.desk.sessions = old;
    HOB_EXPECT_STR(visit_desk(&v, "/"), "new=1 a=- f=- good=0");
    hob_sessions_free(both);
    hob_sessions_free(only_new);
    hob_scope_cancel(&s, "seen");
}

TEST(session, what_is_too_much_is_refused_and_what_just_fits_comes_back)
{
    VISITOR(v);
    char path[6000], want[6000];
    HOB_SCOPE(s);

    check_ok(open_desk(&s, &v, &(hob_session_opts){ .secrets = SECRETS, .secret_count = 1, .encrypt = hob_test_seed() % 2 }));
    int len = snprintf(path, sizeof path, "/set/a/");
    memset(path + len, 'x', sizeof path - (size_t)len);
    path[len + HOB_SESSION_BYTES_MAX - 4 + 1] = '\0';
    check_str(visit_desk(&v, path), "failed");
    path[len + HOB_SESSION_BYTES_MAX - 4] = '\0';
    snprintf(want, sizeof want, "new=1 a=%s f=- good=0", path + len);
    check_str(visit_desk(&v, path), want);
    want[4] = '0';
    check_le(strlen(v.cookie), 4096);
    check_str(visit_desk(&v, "/"), want);
    check_str(visit_desk(&v, "/set/b/1"), "failed");
    check_str(visit_desk(&v, "/set/a/1"), "new=0 a=1 f=- good=0");
    hob_scope_cancel(&s, "seen");
}

TEST_BARE(session, what_cannot_be_is_told)
{
    hob_sessions *sessions;
    check_err(hob_sessions_new(NULL, &sessions), -EINVAL);
    check_err(hob_sessions_new(&(hob_session_opts){ 0 }, &sessions), -EINVAL);
    check_err(hob_sessions_new(&(hob_session_opts){ .secrets = &(hob_session_secret){ "short", 5 }, .secret_count = 1 }, &sessions),
              -EINVAL);
    check_err(hob_sessions_new(&(hob_session_opts){ .secrets = SECRETS, .secret_count = 1, .name = "a b" }, &sessions), -EINVAL);
    check_err(hob_sessions_new(&(hob_session_opts){ .secrets = SECRETS, .secret_count = 1, .name = "__Host-a", .insecure = 1 },
                               &sessions), -EINVAL);
    for (int at = 1; at <= 2; at++) {
        hob__site_fail_at = at;
        check_err(hob_sessions_new(&(hob_session_opts){ .secrets = SECRETS, .secret_count = 1 }, &sessions), -ENOMEM);
    }
    hob_sessions_free(NULL);
    hob_session_close(NULL);
}

/* A plain map beside a session, over many requests. */
static int random_steps(hob_http_request *req, void *arg)
{
    struct desk *desk = arg;
    static char  values[4][40];
    static struct rand rand;
    hob_session *session;

    if (strcmp(hob_http_path(req), "/begin") == 0) {
        rand = (struct rand){ hob_test_seed() };
        memset(values, 0, sizeof values);
    }
    HOB_TRY(hob_session_open(desk->sessions, req, &session));
    bool is_right = true;
    for (int step = 0; step < 20; step++) {
        char     name[] = { 'n', (char)('0' + rand_below(&rand, 4)), '\0' };
        char    *value = values[name[1] - '0'];
        unsigned what = (unsigned)rand_below(&rand, 20);
        if (what == 0) {
            hob_session_clear(session);
            memset(values, 0, sizeof values);
        } else if (what < 6) {
            is_right &= hob_session_set(session, name, NULL) == 0;
            value[0] = '\0';
        } else {
            snprintf(value, sizeof values[0], "%.*s", 1 + (int)rand_below(&rand, 30), &"0123456789abcdefghijklmnopqrstuvwxyz"[rand_below(&rand, 5)]);
            is_right &= hob_session_set(session, name, value) == 0;
        }
        for (int i = 0; i < 4; i++) {
            const char *there = hob_session_get(session, (char[]){ 'n', (char)('0' + i), '\0' });
            is_right &= values[i][0] != '\0' ? there != NULL && strcmp(there, values[i]) == 0 : there == NULL;
        }
    }
    int r = hob_session_save(session, req);
    hob_session_close(session);
    return r < 0 ? r : hob_http_reply_text(req, 200, is_right ? "right" : "wrong");
}

TEST(session, it_holds_what_a_map_would)
{
    VISITOR(v);
    HOB_SCOPE(s);

    check_ok(hob_sessions_new(&(hob_session_opts){ .secrets = SECRETS, .secret_count = 1 }, &v.desk.sessions));
    v.site.handler = random_steps;
    v.site.arg = &v.desk;
    check_ok(open_site(&s, &v.site));
    check_str(visit_desk(&v, "/begin"), "right");
    for (int i = 0; i < 30; i++)
        check_str(visit_desk(&v, "/"), "right");
    hob_scope_cancel(&s, "seen");
}
