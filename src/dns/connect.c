/* SPDX-License-Identifier: MIT */
/*
 * Connecting by name: Happy Eyeballs (RFC 8305).
 *
 *     IPv6 look-up ──▶ addresses ┐            every 250 ms, or when one has failed
 *                                ├─ in turns ──▶ attempt ──▶ the first that is connected wins
 *     IPv4 look-up ──▶ addresses ┘               attempt     the others are cancelled and closed
 *
 * The caller's task begins look-ups and attempts, each in a task of a scope of its own, and is told
 * by an event when one of them has ended. An attempt that was connected when another had won already
 * closes what it has. When the call returns there is no task, and no connection but the winner.
 *
 * Nothing is sent before the IPv6 addresses are known, or IPv4's have waited 50 ms for them.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "dns/resolver.h"
#include "hob/scope.h"
#include "hob/select.h"
#include "hob/time.h"

enum { ADDRS_MAX = 16, ATTEMPTS_MAX = 2 * ADDRS_MAX };

#define LIMIT_DEFAULT (30 * HOB_SEC)
#define NEXT_DEFAULT  (250 * HOB_MSEC)
#define V6_DEFAULT    (50 * HOB_MSEC)

/* The addresses of one family. */
struct side {
    struct race       *race;
    int                family;
    bool               is_known; /* the look-up has ended, or there was none */
    int                r;
    struct dns_answer *answer;
    size_t             next;
};

enum { V6, V4 };

struct race {
    hob_connect_opts opts;
    const char      *host_port;
    struct dns_name  name;
    hob_addr         literal; /* none: it is a name */
    uint16_t         port;
    hob_dns         *dns;
    hob_event        news; /* something has ended */

    struct side sides[2];
    unsigned    turn;      /* whose is the next address, if it has one */
    bool        is_open;   /* attempts may begin                       */
    int64_t     open_at_ns;

    unsigned begun, ended;
    bool     last_has_failed; /* the attempt that was begun last */
    int64_t  next_at_ns;
    int      first_failure;
    hob_tcp *winner;

    hob_connect_words *words;
    size_t             words_len;
};

/* ---- words ---- */

HOB_PRINTF(2, 3) static void say(struct race *race, const char *format, ...)
{
    size_t  room = sizeof race->words->text - race->words_len;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(race->words->text + race->words_len, room, format, args);
    va_end(args);
    race->words_len += len < 0 ? 0 : (size_t)len < room ? (size_t)len : room - 1;
}

/* What the user gave may have come from anywhere: no line of it is ours, and no terminal obeys it. */
static void say_for_whom(struct race *race)
{
    say(race, "%.300s", race->host_port);
    for (char *c = race->words->text; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
}

/* ---- what is asked for ---- */

static int read_port(const char *text, uint16_t *ret_port)
{
    unsigned port = 0;
    if (text[0] == '\0')
        return -EINVAL;
    for (; *text >= '0' && *text <= '9' && port <= UINT16_MAX; text++)
        port = 10 * port + (unsigned)(*text - '0');
    if (*text != '\0' || port == 0 || port > UINT16_MAX)
        return -EINVAL;
    *ret_port = (uint16_t)port;
    return 0;
}

static int refuse(struct race *race, int error, const char *why)
{
    say(race, ": %s", why);
    return error;
}

/* "name:port", "1.2.3.4:port", "[v6]:port". */
static int read_host_port(struct race *race)
{
    const char *colon = strrchr(race->host_port, ':');
    char        host[HOB_DNS_NAME_MAX + 2];
    if (strstr(race->host_port, "://") != NULL)
        return refuse(race, -EINVAL, "this is a URL, not host:port");
    if (colon == NULL)
        return refuse(race, -EINVAL, "this is not host:port");
    size_t len = (size_t)(colon - race->host_port);
    if (len >= sizeof host)
        return refuse(race, -ENAMETOOLONG, hob_dns_strerror(-ENAMETOOLONG));
    memcpy(host, race->host_port, len);
    host[len] = '\0';
    if (strchr(host, ':') != NULL && host[0] != '[')
        return refuse(race, -EINVAL, "this is not host:port, where IPv6 stands in brackets");
    int r = read_port(colon + 1, &race->port);
    if (r < 0)
        return refuse(race, r, "the port is not a number from 1 to 65535");
    if (hob__dns_literal(host, race->port, &race->literal))
        return 0;
    race->literal = (hob_addr){ .len = 0 };
    r = hob__dns_name_read(host, &race->name);
    return r < 0 ? refuse(race, r, hob_dns_strerror(r)) : 0;
}

/* ---- look-ups ---- */

static int look_up(void *arg)
{
    struct side *side = arg;
    side->r = hob__dns_find(side->race->dns, &side->race->name, side->family, &side->answer);
    side->is_known = true;
    hob_event_set(&side->race->news);
    return 0;
}

static void begin_look_ups(struct race *race, hob_scope *scope)
{
    static const char *const NAMES[] = { "IPv6 look-up", "IPv4 look-up" };
    for (int i = V6; i <= V4; i++) {
        struct side *side = &race->sides[i];
        if (side->is_known)
            continue;
        int r = hob_go_with(scope, look_up, side, &(hob_task_opts){ .name = NAMES[i] });
        if (r < 0) {
            side->r = r;
            side->is_known = true;
        }
    }
}

static size_t left_of(const struct side *side)
{
    size_t count = side->answer == NULL ? 0 : side->answer->count;
    count = count < ADDRS_MAX ? count : ADDRS_MAX;
    return count - side->next;
}

/* The next address to try, if there is one now. */
static bool has_next(const struct race *race)
{
    if (race->literal.len > 0)
        return race->begun == 0;
    return left_of(&race->sides[V6]) + left_of(&race->sides[V4]) > 0;
}

static hob_addr take_next(struct race *race)
{
    if (race->literal.len > 0)
        return race->literal;
    struct side *side = &race->sides[race->turn];
    if (left_of(side) == 0)
        side = &race->sides[1 - race->turn];
    race->turn = side->family == AF_INET6 ? V4 : V6;
    return hob__dns_addr_of(side->family, hob__dns_ip(side->answer, side->next++), race->port);
}

/* ---- attempts ---- */

/* What an attempt's task has, on its own stack. */
struct attempt {
    struct race *race;
    hob_addr     peer;
    unsigned     number;
};

static void note_failure(struct race *race, const struct attempt *attempt, int error)
{
    char text[HOB_ADDR_TEXT_MAX];
    race->ended++;
    if (attempt->number == race->begun)
        race->last_has_failed = true;
    if (race->first_failure == 0)
        race->first_failure = error;
    if (race->literal.len > 0) { // it was said already
        say(race, ": %s", hob_strerror(error));
        return;
    }
    say(race, "%s %s: %s", race->ended == 1 ? ":" : ",",
        hob_addr_format(&attempt->peer, text, sizeof text), hob_strerror(error));
}

static int try_one(void *arg)
{
    struct attempt attempt = *(struct attempt *)arg;
    struct race   *race = attempt.race;
    hob_tcp       *conn = NULL;
    int            r = hob_tcp_connect(&attempt.peer, &race->opts.tcp, &conn);
    if (r == 0 && race->winner == NULL)
        race->winner = conn;
    else if (r == 0)
        hob_tcp_close(conn); // another one was first
    else if (race->winner == NULL && hob_cancelled() == 0)
        note_failure(race, &attempt, r);
    hob_event_set(&race->news);
    return 0;
}

static void begin_attempt(struct race *race, hob_scope *scope)
{
    struct attempt attempt = { race, take_next(race), ++race->begun };
    hob_task_opts  opts = { .name = "attempt to connect", .copy_bytes = sizeof attempt };
    race->last_has_failed = false;
    race->next_at_ns = hob_in(race->opts.next_ns);
    int r = hob_go_with(scope, try_one, &attempt, &opts);
    if (r < 0)
        note_failure(race, &attempt, r);
}

/* ---- the race ---- */

/* Whether attempts may begin: RFC 8305, 3. */
static void open_when_due(struct race *race)
{
    const struct side *v6 = &race->sides[V6], *v4 = &race->sides[V4];
    if (v6->is_known)
        race->is_open = true;
    else if (v4->is_known && race->open_at_ns == HOB_FOREVER)
        race->open_at_ns = hob_in(race->opts.v6_ns);
    race->is_open |= hob_now() >= race->open_at_ns;
}

static bool is_due(const struct race *race)
{
    return race->begun == race->ended || race->last_has_failed || hob_now() >= race->next_at_ns;
}

static bool is_over(const struct race *race)
{
    if (race->winner != NULL)
        return true;
    return !has_next(race) && race->begun == race->ended && race->sides[V6].is_known &&
           race->sides[V4].is_known;
}

/* Until one has won, all have failed, or the caller is cancelled: 0, or that code. */
static int run_race(struct race *race, hob_scope *scope)
{
    begin_look_ups(race, scope);
    while (!is_over(race)) {
        open_when_due(race);
        if (race->is_open && has_next(race) && is_due(race)) {
            begin_attempt(race, scope);
            continue;
        }
        int64_t until_ns = !race->is_open ? race->open_at_ns
                           : has_next(race) ? race->next_at_ns
                                            : HOB_FOREVER;
        int r = HOB_SELECT(NULL, HOB_EVENT_WAIT(&race->news), HOB_AT(until_ns));
        if (r < 0)
            return r;
        hob_event_reset(&race->news);
    }
    return 0;
}

/* Nobody has won, and nobody cancelled it. */
static int why_not(struct race *race)
{
    const struct side *v6 = &race->sides[V6], *v4 = &race->sides[V4];
    if (race->first_failure != 0)
        return race->first_failure;
    int r = race->opts.family == AF_INET    ? v4->r
            : race->opts.family == AF_INET6 ? v6->r
                                            : hob__dns_both_failed(v6->r, v4->r);
    say(race, ": %s", hob_dns_strerror(r));
    return r;
}

static int race_for(struct race *race)
{
    HOB_SCOPE(limited);
    hob_scope_deadline(&limited, hob_in(race->opts.limit_ns));
    hob_scope scope;
    hob_scope_begin(&scope);
    hob_scope_policy(&scope, HOB_WAIT_ALL); // what could not be started has failed, and no more
    int r = run_race(race, &scope);
    hob_scope_cancel(&scope, race->winner != NULL ? "another attempt was first" : "it was given up");
    (void)!hob_scope_end(&scope);
    (void)!hob_scope_end(&limited); // the result wins
    if (race->winner != NULL)
        return 0;
    if (r == 0)
        return why_not(race);
    say(race, "%s %s, with %u of %u attempts under way", race->ended == 0 ? ":" : ";",
        r == -ETIMEDOUT ? "the time was up" : "it was cancelled", race->begun - race->ended,
        race->begun);
    return r;
}

static int connect_to(struct race *race)
{
    int r = read_host_port(race);
    if (r < 0)
        return r;
    if (race->literal.len > 0 && race->opts.family != 0 &&
        race->opts.family != race->literal.u.family) {
        say(race, ": %s", hob_dns_strerror(-ENODATA));
        return -ENODATA;
    }
    if (race->literal.len > 0) {
        race->is_open = race->sides[V6].is_known = race->sides[V4].is_known = true;
        return race_for(race);
    }
    r = hob__dns_enter(race->opts.dns, "hob_connect", &race->dns);
    if (r < 0) {
        say(race, ": %s", hob_strerror(r));
        return r;
    }
    r = race_for(race);
    hob__dns_answer_unref(race->sides[V6].answer);
    hob__dns_answer_unref(race->sides[V4].answer);
    hob__dns_leave(race->dns);
    return r;
}

static void complete(hob_connect_opts *opts)
{
    if (opts->limit_ns == 0)
        opts->limit_ns = LIMIT_DEFAULT;
    if (opts->next_ns == 0)
        opts->next_ns = NEXT_DEFAULT;
    if (opts->v6_ns == 0)
        opts->v6_ns = V6_DEFAULT;
}

int hob_connect_with(const char *host_port, const hob_connect_opts *opts,
                     hob_connect_words *ret_words, hob_tcp **ret_conn)
{
    hob_connect_words words = { "" };
    struct race       race = { .host_port = host_port, .words = &words, .open_at_ns = HOB_FOREVER,
                               .news = { .name = "look-ups and attempts" } };
    if (opts != NULL)
        race.opts = *opts;
    complete(&race.opts);
    if (host_port == NULL)
        hob_mistake("hob_connect", "the host and port are NULL");
    if (race.opts.family != 0 && race.opts.family != AF_INET && race.opts.family != AF_INET6)
        hob_mistake("hob_connect_with", "the family is AF_INET, AF_INET6 or 0, please");
    race.sides[V6] = (struct side){ .race = &race, .family = AF_INET6, .r = -ENODATA,
                                    .is_known = race.opts.family == AF_INET };
    race.sides[V4] = (struct side){ .race = &race, .family = AF_INET, .r = -ENODATA,
                                    .is_known = race.opts.family == AF_INET6 };
    say_for_whom(&race);
    int r = hob__dns_checkpoint("hob_connect");
    if (r == 0)
        r = connect_to(&race);
    if (r < 0 && ret_words != NULL)
        *ret_words = words;
    if (r == 0)
        *ret_conn = race.winner;
    return r;
}

int hob_connect(const char *host_port, hob_tcp **ret_conn)
{
    return hob_connect_with(host_port, NULL, NULL, ret_conn);
}
