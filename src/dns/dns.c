/* SPDX-License-Identifier: MIT */
/*
 * hob_dns: what is known, and how it comes to be known.
 *
 *     look-up ──▶ files (view) ──▶ cache ──▶ one question at a time for each name and kind ──▶ servers
 *                   │                              (a task of the resolver's scope)
 *                   └── looked at again every few seconds, by one flight
 *
 * A disk that does not answer holds nobody up who could do without: once the files were read, a look-up
 * waits for the next look a tenth of a second at most, and goes on with what was known.
 *
 * Memory: the resolver is held by the user, by its flights and its cache (which may outlive the user's
 * hob_dns_free for as long as a task of theirs runs), and by each call inside.
 *
 * Threads: one worker. The default resolvers are a list for each thread, since in sim the workers take
 * turns in one; a keeper, a daemon of the root scope "dns", has each, and frees it at the end of the
 * run.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "dns/memory.h"
#include "dns/resolver.h"
#include "hob/cache.h"
#include "hob/flight.h"
#include "hob/runtime.h"
#include "hob/scope.h"
#include "hob/sem.h"
#include "hob/time.h"

enum {
    TAG_DNS = 0x20534E44, TAG_DNS_FREED = 0x0DEAD535,
    KEY_MAX = 2 + HOB_DNS_NAME_MAX,
    BYTES_MAX = 8 << 20, /* of the answers kept */
};

#define LIMIT_DEFAULT    (15 * HOB_SEC)
#define LOOK_DEFAULT     (5 * HOB_SEC)
#define TRY_DEFAULT      (2 * HOB_SEC)
#define TTL_DEFAULT      (24 * HOB_HOUR)
#define NEGATIVE_DEFAULT (15 * HOB_MINUTE)
#define PATIENCE_NS      (100 * HOB_MSEC) /* with the disk, when something is known already */

struct hob_dns {
    unsigned tag;
    uint32_t worker;
    unsigned refs;
    bool     is_freed;

    hob_dns_opts     opts; /* its texts are ours */
    struct dns_files files;
    struct dns_view *view; /* NULL: the files were not read yet */
    int64_t          look_at_ns;
    int              look_error; /* of the last look */
    size_t           first; /* with `rotate`, whom to ask first next time */

    hob_flights  *looks;
    hob_cache    *answers;
    hob_dns_stats stats;
};

/* ---- who may call ---- */

static void must_be_in_a_task(const char *caller)
{
    if (hob_task_id() == 0)
        hob_mistake(caller, "called outside of a task: in a callback, or without hob_run");
}

int hob__dns_checkpoint(const char *caller)
{
    must_be_in_a_task(caller);
    return hob_checkpoint();
}

/* ---- its life ---- */

static void unref(hob_dns *dns)
{
    if (--dns->refs > 0)
        return;
    hob__dns_view_unref(dns->view);
    hob__dns_free((void *)(uintptr_t)dns->opts.hosts_file);
    hob__dns_free((void *)(uintptr_t)dns->opts.resolv_file);
    hob__dns_free(dns);
}

static void has_gone(void *arg)
{
    unref(arg);
}

static hob_dns *dns_from(hob_dns *dns, const char *caller)
{
    if (dns->tag != TAG_DNS)
        hob_mistake(caller, "this is no resolver, or it was freed");
    if (dns->worker != hob_worker_number())
        hob_mistake(caller, "the resolver belongs to another worker; only that one may use it");
    return dns;
}

static void complete(hob_dns_opts *opts)
{
    const struct { int64_t *value, standard; } TIMES[] = {
        { &opts->look_ns, LOOK_DEFAULT },
        { &opts->limit_ns, LIMIT_DEFAULT },
        { &opts->ttl_max_ns, TTL_DEFAULT },
        { &opts->negative_ttl_max_ns, NEGATIVE_DEFAULT },
    };
    for (size_t i = 0; i < sizeof TIMES / sizeof TIMES[0]; i++)
        if (*TIMES[i].value == 0)
            *TIMES[i].value = TIMES[i].standard;
}

static int take_servers(struct dns_files *files, const char *const *servers)
{
    for (size_t i = 0; servers != NULL && servers[i] != NULL; i++) {
        if (i == HOB_DNS_SERVERS_MAX)
            return -EINVAL;
        int r = hob__dns_server_read(servers[i], &files->servers[i]);
        if (r < 0)
            return r;
        files->server_count++;
    }
    return 0;
}

/* Texts of our own. */
static int take_paths(hob_dns *dns, const hob_dns_opts *given)
{
    const char *hosts = given->hosts_file != NULL ? given->hosts_file : "/etc/hosts";
    const char *resolv = given->resolv_file != NULL    ? given->resolv_file
                         : dns->files.server_count > 0 ? ""
                                                       : "/etc/resolv.conf";
    dns->opts.servers = NULL;
    dns->opts.hosts_file = dns->files.hosts.path = hob__dns_strdup(hosts);
    dns->opts.resolv_file = dns->files.resolv.path = hob__dns_strdup(resolv);
    return dns->opts.hosts_file == NULL || dns->opts.resolv_file == NULL ? -ENOMEM : 0;
}

static hob_flight_fn look_at_files;
static hob_cache_fn  ask_servers;
static int           hold_answer(void *to, const void *from);
static void          drop_answer(void *value);
static int           is_answer(void *arg, int error);

static int begin_tasks(hob_dns *dns, hob_scope *scope)
{
    hob_flights_opts looks = { .name = "look at hosts and resolv.conf", .runs_max = 1,
                               .gone = has_gone };
    int r = hob_flights_new(scope, look_at_files, dns, &looks, &dns->looks);
    if (r < 0)
        return r;
    dns->refs++;
    // What is stale is given when a question has failed: before the look-up's own time is over.
    int64_t        load_max = dns->opts.limit_ns / (dns->opts.stale_ns > 0 ? 2 : 1);
    hob_cache_opts answers = {
        .name = "DNS question", .value_bytes = sizeof(struct dns_answer *), .copy = hold_answer,
        .drop = drop_answer, .entries_max = dns->opts.entries_max, .bytes_max = BYTES_MAX,
        .is_answer = is_answer, .jitter_percent = -1, .stale_error_ns = dns->opts.stale_ns,
        .load_max_ns = load_max, .loads_max = dns->opts.questions_max, .gone = has_gone,
    };
    r = hob_cache_new(scope, ask_servers, dns, &answers, &dns->answers);
    dns->refs += r == 0;
    return r;
}

int hob_dns_new(hob_scope *scope, const hob_dns_opts *given, hob_dns **ret_dns)
{
    hob_dns_opts opts = { 0 };
    must_be_in_a_task("hob_dns_new");
    if (scope == NULL)
        hob_mistake("hob_dns_new", "the scope is NULL");
    if (given != NULL)
        opts = *given;
    hob_dns *dns = hob__dns_alloc_zero(sizeof *dns);
    if (dns == NULL)
        return -ENOMEM;
    dns->tag = TAG_DNS;
    dns->worker = hob_worker_number();
    dns->refs = 1;
    dns->opts = opts;
    dns->opts.hosts_file = dns->opts.resolv_file = NULL;
    complete(&dns->opts);
    int r = take_servers(&dns->files, opts.servers);
    if (r == 0)
        r = take_paths(dns, &opts);
    if (r == 0)
        r = begin_tasks(dns, scope);
    if (r < 0) {
        hob_dns_free(dns);
        return r;
    }
    *ret_dns = dns;
    return 0;
}

void hob_dns_free(hob_dns *dns)
{
    if (dns == NULL)
        return;
    dns_from(dns, "hob_dns_free");
    dns->tag = TAG_DNS_FREED;
    dns->is_freed = true;
    hob_cache_free(dns->answers);
    hob_flights_free(dns->looks);
    unref(dns);
}

/* ---- the default ones ---- */

struct standard {
    hob_dns         *dns;
    uint32_t         worker;
    struct standard *next;
};

static _Thread_local struct standard *standards;

static hob_dns *find_standard(void)
{
    for (struct standard *s = standards; s != NULL; s = s->next)
        if (s->worker == hob_worker_number())
            return s->dns;
    return NULL;
}

static void forget_standard(struct standard *gone)
{
    struct standard **link = &standards;
    while (*link != gone)
        link = &(*link)->next;
    *link = gone->next;
}

static void keep_until_the_end(struct standard *kept)
{
    hob_event never = { .name = "the end of the run" };
    kept->next = standards;
    standards = kept;
    hob_ready(NULL);
    (void)!hob_event_wait(&never);
    forget_standard(kept);
}

static int keep_standard(void *arg)
{
    (void)arg;
    struct standard kept = { .worker = hob_worker_number() };
    hob_scope       questions;
    hob_scope_begin(&questions);
    int r = hob_dns_new(&questions, NULL, &kept.dns);
    if (r == 0) {
        if (find_standard() != NULL)
            hob_ready(NULL); // another task was first
        else
            keep_until_the_end(&kept);
        hob_dns_free(kept.dns);
    }
    hob_scope_cancel(&questions, "the resolver is freed");
    (void)!hob_scope_end(&questions); // nothing in it fails that was not told
    return r;
}

static int enter_standard(hob_dns **ret_dns)
{
    hob_dns *dns = find_standard();
    if (dns == NULL) {
        hob_scope    *root = hob_root("dns");
        hob_task_opts keeper = { .name = "keeper of the resolver", .daemon = 1 };
        if (root == NULL)
            return -ENOMEM;
        int r = hob_go_ready(root, keep_standard, NULL, &keeper, NULL);
        if (r < 0)
            return r;
        dns = find_standard();
        if (dns == NULL) // the run has ended meanwhile
            return -ECANCELED;
    }
    dns->refs++;
    *ret_dns = dns;
    return 0;
}

int hob__dns_enter(hob_dns *dns, const char *caller, hob_dns **ret_dns)
{
    int r = hob__dns_checkpoint(caller);
    if (r < 0)
        return r;
    if (dns == NULL)
        return enter_standard(ret_dns);
    dns_from(dns, caller)->refs++;
    *ret_dns = dns;
    return 0;
}

void hob__dns_leave(hob_dns *dns)
{
    unref(dns);
}

int64_t hob__dns_limit_ns(const hob_dns *dns)
{
    return dns->opts.limit_ns;
}

/* ---- the files ---- */

/* A run of dns->looks. */
static int look_at_files(void *arg, const hob_flight *flight, void *ret_result)
{
    hob_dns         *dns = arg;
    struct dns_view *view = NULL;
    (void)flight;
    (void)ret_result;
    int r = dns->look_error = hob__dns_files_look(&dns->files, dns->view, &view);
    if (r <= 0)
        return r;
    dns->look_error = 0;
    dns->stats.loads++;
    hob__dns_view_unref(dns->view);
    dns->view = view;
    if (!dns->is_freed)
        hob_cache_clear(dns->answers); // others may say otherwise
    return 0;
}

/* Waits for a look, which goes on also when nobody waits any more. */
static int wait_for_look(hob_dns *dns)
{
    int r = dns->is_freed ? -ECANCELED : hob_flights_start(dns->looks, "", 0);
    if (r >= 0 && dns->is_freed) // by another task, while this one was begun
        r = -ECANCELED;
    if (r >= 0 && hob_flights_running(dns->looks) > 0) // else it is over already
        r = hob_flights_call(dns->looks, "", 0, NULL);
    return r < 0 ? r : dns->look_error;
}

static void look_again(hob_dns *dns)
{
    dns->look_at_ns = hob_in(dns->opts.look_ns);
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(PATIENCE_NS));
    (void)!wait_for_look(dns); // what was known holds
    (void)!hob_scope_end(&s);
}

static int look_for_the_first_time(hob_dns *dns)
{
    dns->look_at_ns = hob_in(dns->opts.look_ns);
    int r = wait_for_look(dns);
    return dns->view != NULL ? 0 : r < 0 ? r : -ECANCELED;
}

int hob__dns_view(hob_dns *dns, struct dns_view **ret_view)
{
    int r = 0;
    if (dns->is_freed)
        return -ECANCELED;
    if (dns->view == NULL)
        r = look_for_the_first_time(dns);
    else if (hob_now() >= dns->look_at_ns)
        look_again(dns);
    if (r == 0)
        r = hob_cancelled();
    if (r < 0)
        return r;
    *ret_view = hob__dns_view_ref(dns->view);
    return 0;
}

/* ---- the servers, behind the cache ---- */

static int hold_answer(void *to, const void *from)
{
    struct dns_answer *answer;
    memcpy(&answer, from, sizeof answer);
    hob__dns_answer_ref(answer);
    memcpy(to, &answer, sizeof answer);
    return 0;
}

static void drop_answer(void *value)
{
    struct dns_answer *answer;
    memcpy(&answer, value, sizeof answer);
    hob__dns_answer_unref(answer);
}

static int is_answer(void *arg, int error)
{
    (void)arg;
    return error == -ENOENT || error == -ENODATA;
}

static size_t make_key(char key[KEY_MAX], const char *name, uint16_t type)
{
    size_t len = strlen(name);
    memcpy(key, &type, sizeof type);
    memcpy(key + sizeof type, name, len);
    return sizeof type + len;
}

static struct dns_asking how_to_ask(hob_dns *dns, struct dns_view *view)
{
    const struct dns_resolv *resolv = &view->resolv;
    struct dns_asking asking = {
        .servers = view->servers, .count = resolv->server_count,
        .mixes_case = dns->opts.mixed_case, .uses_tcp = dns->opts.by_tcp || resolv->uses_tcp,
        .stats = &dns->stats,
    };
    if (resolv->rotates)
        asking.first = dns->first++ % asking.count;
    asking.doubles = dns->opts.try_ns > 0 || resolv->timeout_s == 0;
    asking.try_ns = dns->opts.try_ns > 0    ? dns->opts.try_ns
                    : resolv->timeout_s > 0 ? (int64_t)resolv->timeout_s * HOB_SEC
                                            : TRY_DEFAULT;
    asking.rounds = dns->opts.rounds > 0 ? dns->opts.rounds : resolv->attempts > 0 ? resolv->attempts : 3;
    return asking;
}

/* What a time to live of the reply means here: 0 there, and < 0 here, is not kept. */
static int64_t ttl_of(uint32_t ttl_s, int64_t max_ns)
{
    if (ttl_s == 0 || max_ns < 0)
        return -1;
    return (int64_t)ttl_s * HOB_SEC < max_ns ? (int64_t)ttl_s * HOB_SEC : max_ns;
}

/* A load of dns->answers. */
static int ask_servers(void *arg, hob_cache_load *load, void *ret_value)
{
    hob_dns           *dns = arg;
    char               name[HOB_DNS_NAME_MAX + 1] = "";
    uint16_t           type;
    uint32_t           ttl_s = 0;
    struct dns_answer *answer = NULL;
    struct dns_view   *view = hob__dns_view_ref(dns->view);

    memcpy(&type, load->key, sizeof type);
    memcpy(name, (const char *)load->key + sizeof type, load->key_len - sizeof type);
    struct dns_asking asking = how_to_ask(dns, view);
    int               r = hob__dns_exchange(&asking, name, type, &answer, &ttl_s);
    hob__dns_view_unref(view);
    if (r == 0) {
        load->bytes = answer->bytes;
        load->ttl_ns = ttl_of(ttl_s, dns->opts.ttl_max_ns);
        memcpy(ret_value, &answer, sizeof answer);
    } else if (is_answer(dns, r)) {
        load->ttl_ns = ttl_of(ttl_s, dns->opts.negative_ttl_max_ns);
    }
    return r;
}

int hob__dns_ask(hob_dns *dns, const struct dns_name *name, uint16_t type,
                 struct dns_answer **ret_answer)
{
    char   key[KEY_MAX];
    size_t len = make_key(key, name->text, type);
    dns->stats.lookups++;
    int r = dns->is_freed ? -ECANCELED : hob_cache_get(dns->answers, key, len, ret_answer);
    return r < 0 ? r : 0;
}

void hob__dns_count_here(hob_dns *dns)
{
    dns->stats.lookups++;
    dns->stats.from_hosts++;
}

/* ---- looking ---- */

void hob_dns_clear(hob_dns *dns)
{
    if (dns != NULL)
        dns_from(dns, "hob_dns_clear");
    else
        dns = find_standard();
    if (dns == NULL)
        return;
    hob_cache_clear(dns->answers);
    dns->files.must_read = true;
    dns->look_at_ns = 0;
}

void hob_dns_stats_get(hob_dns *dns, hob_dns_stats *ret_stats)
{
    if (dns != NULL)
        dns_from(dns, "hob_dns_stats_get");
    else
        dns = find_standard();
    *ret_stats = (hob_dns_stats){ .lookups = 0 };
    if (dns == NULL)
        return;
    hob_cache_stats kept;
    hob_cache_stats_get(dns->answers, &kept);
    *ret_stats = dns->stats;
    ret_stats->from_cache = kept.hits + kept.stale;
    ret_stats->questions = kept.loads;
    ret_stats->entries = kept.entries;
    ret_stats->hosts_error = dns->files.hosts.error;
    ret_stats->resolv_error = dns->files.resolv.error;
}

const char *hob_dns_strerror(int error)
{
    switch (error > 0 ? -error : error) {
    case -ENOENT:
        return "there is no such name";
    case -ENODATA:
        return "the name has nothing of that kind";
    case -EAGAIN:
        return "the name servers could not answer";
    case -ETIMEDOUT:
        return "no name server answered in time";
    case -EBADMSG:
        return "the name servers' answers make no sense";
    case -EMSGSIZE:
        return "the answer of the name servers is too large";
    case -EINVAL:
        return "this can be no name";
    case -ENAMETOOLONG:
        return "the name is too long";
    default:
        return hob_strerror(error);
    }
}
