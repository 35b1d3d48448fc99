/* SPDX-License-Identifier: MIT */
/*
 * Look-ups: what users ask for, out of what resolvers know.
 *
 * All records come as a struct dns_answer, also those that the files or the standards know, so that
 * there is one way to give them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dns/memory.h"
#include "dns/resolver.h"
#include "hob/runtime.h"
#include "hob/scope.h"
#include "hob/time.h"

#define LATE_NS (2 * HOB_SEC) /* when one family was found, the other has no more than that */

/* ---- without asking anybody ---- */

static uint16_t type_of(int family)
{
    return family == AF_INET ? DNS_A : DNS_AAAA;
}

static struct dns_answer *answer_new(int family, size_t count)
{
    size_t             bytes = sizeof(struct dns_answer) + 16 * count;
    struct dns_answer *answer = hob__dns_alloc_zero(bytes);
    if (answer != NULL) {
        answer->refs = 1;
        answer->type = type_of(family);
        answer->bytes = bytes;
    }
    return answer;
}

static int from_hosts(const struct dns_hosts *hosts, const char *name, int family,
                      struct dns_answer **ret_answer)
{
    size_t                  count;
    const struct host_name *names = hob__dns_hosts_find(hosts, name, &count);
    if (count == 0)
        return 0;
    if (count > HOB_DNS_RECORDS_MAX)
        return -EMSGSIZE;
    struct dns_answer *answer = answer_new(family, count);
    if (answer == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct host_addr *addr = &hosts->addrs[names[i].addr];
        if (addr->family == family)
            memcpy(hob__dns_ip(answer, answer->count++), addr->ip, 16);
    }
    if (answer->count > 0) {
        *ret_answer = answer;
        return 1;
    }
    hob__dns_answer_unref(answer);
    return -ENODATA;
}

static int this_machine(int family, struct dns_answer **ret_answer)
{
    static const uint8_t v4[4] = { 127, 0, 0, 1 }, v6[16] = { [15] = 1 };
    struct dns_answer   *answer = answer_new(family, 1);
    if (answer == NULL)
        return -ENOMEM;
    memcpy(hob__dns_ip(answer, 0), family == AF_INET ? v4 : v6, family == AF_INET ? 4 : 16);
    answer->count = 1;
    *ret_answer = answer;
    return 1;
}

static int find_here(const struct dns_view *view, const struct dns_name *name, int family,
                     struct dns_answer **ret_answer)
{
    int r = from_hosts(&view->hosts, name->text, family, ret_answer);
    if (r != 0)
        return r;
    if (hob__dns_name_is_in(name->text, "localhost"))
        return this_machine(family, ret_answer);
    if (hob__dns_name_is_in(name->text, "invalid") || hob__dns_name_is_in(name->text, "onion"))
        return -ENOENT; // RFC 6761, RFC 7686
    return 0;
}

/* ---- along the search list ---- */

/* The names to ask for, one after the other. */
struct candidates {
    const struct dns_view *view;
    const struct dns_name *name;
    size_t                 count, next;
    bool                   is_whole_first;
};

static struct candidates candidates_of(const struct dns_view *view, const struct dns_name *name)
{
    const struct dns_resolv *resolv = &view->resolv;
    return (struct candidates){
        .view = view, .name = name, .count = 1 + (name->is_whole ? 0 : resolv->search_count),
        .is_whole_first = name->is_whole || name->dots >= resolv->ndots,
    };
}

/* False: there is no more. One that would be too long is passed over. */
static bool next_candidate(struct candidates *c, struct dns_name *ret_name)
{
    while (c->next < c->count) {
        size_t index = c->next++;
        bool   is_whole = index == (c->is_whole_first ? 0 : c->count - 1);
        if (is_whole) {
            *ret_name = *c->name;
            return true;
        }
        const struct dns_name *suffix = &c->view->resolv.search[index - c->is_whole_first];
        if (hob__dns_name_join(c->name, suffix->text, ret_name) == 0)
            return true;
    }
    return false;
}

/* The first name that there is: one of which a server says that it is there, but has no such
 * address, ends the search, so that both families come from the same name. So does a failure: what
 * comes later in the list might be somebody else. */
static int find_there(hob_dns *dns, const struct dns_view *view, const struct dns_name *name,
                      int family, struct dns_answer **ret_answer)
{
    struct candidates c = candidates_of(view, name);
    struct dns_name   whole;
    int               r = -ENOENT;
    while (r == -ENOENT && next_candidate(&c, &whole))
        r = hob__dns_ask(dns, &whole, type_of(family), ret_answer);
    return r;
}

int hob__dns_find(hob_dns *dns, const struct dns_name *name, int family,
                  struct dns_answer **ret_answer)
{
    struct dns_view *view;
    int              r = hob__dns_view(dns, &view);
    if (r < 0)
        return r;
    r = find_here(view, name, family, ret_answer);
    if (r == 0)
        r = find_there(dns, view, name, family, ret_answer);
    else
        hob__dns_count_here(dns);
    hob__dns_view_unref(view);
    return r < 0 ? r : 0;
}

/* ---- addresses ---- */

struct finding {
    hob_dns               *dns;
    const struct dns_name *name;
    int                    family;
    hob_scope             *both; /* the scope of this one and another one, or NULL */
    int                    r;
    struct dns_answer     *answer;
};

static int find_one(void *arg)
{
    struct finding *f = arg;
    f->r = hob__dns_find(f->dns, f->name, f->family, &f->answer);
    if (f->r == 0 && f->both != NULL) // there is something: the rest is not worth a long wait
        hob_scope_deadline(f->both, hob_in(LATE_NS));
    return 0;
}

/* Both at once. */
static int find_both(struct finding *v6, struct finding *v4)
{
    HOB_SCOPE(s);
    v6->both = v4->both = &s;
    int r = hob_go_with(&s, find_one, v6, &(hob_task_opts){ .name = "IPv6 look-up" });
    if (r == 0)
        find_one(v4);
    (void)!hob_scope_end(&s); // each has told its own result
    return r;
}

int hob__dns_both_failed(int v6, int v4)
{
    bool is_no4 = v4 == -ENODATA || v4 == -ENOENT, is_no6 = v6 == -ENODATA || v6 == -ENOENT;
    return is_no4 && !is_no6 ? v6 : v4;
}

static size_t give_addrs(const struct finding *v6, const struct finding *v4, uint16_t port,
                         hob_addr *addrs, size_t max)
{
    size_t count = 0, at[2] = { 0, 0 };
    const struct finding *const both[2] = { v6, v4 };
    for (size_t turn = 0;; turn++) {
        const struct finding *f = both[turn % 2];
        size_t               *i = &at[turn % 2];
        bool has_more = f->answer != NULL && *i < f->answer->count;
        if (has_more && count < max)
            addrs[count] = hob__dns_addr_of(f->family, hob__dns_ip(f->answer, *i), port);
        if (has_more) {
            count++;
            ++*i;
            continue;
        }
        const struct finding *other = both[(turn + 1) % 2];
        if (other->answer == NULL || at[(turn + 1) % 2] >= other->answer->count)
            return count;
    }
}

static int find_addrs(hob_dns *dns, const struct dns_name *name, uint16_t port, int family,
                      hob_addr *addrs, size_t max)
{
    struct finding v6 = { dns, name, AF_INET6, NULL, -ENODATA, NULL };
    struct finding v4 = { dns, name, AF_INET, NULL, -ENODATA, NULL };
    int            r = 0;

    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(hob__dns_limit_ns(dns)));
    if (family == AF_UNSPEC)
        r = find_both(&v6, &v4);
    else
        find_one(family == AF_INET ? &v4 : &v6);
    (void)!hob_scope_end(&s); // the result wins
    if (r == 0 && v6.r < 0 && v4.r < 0)
        r = family == AF_UNSPEC ? hob__dns_both_failed(v6.r, v4.r) : family == AF_INET ? v4.r : v6.r;
    if (r == 0)
        r = (int)give_addrs(&v6, &v4, port, addrs, max);
    hob__dns_answer_unref(v6.answer);
    hob__dns_answer_unref(v4.answer);
    return r;
}

static void must_be_given(const char *caller, const char *name)
{
    if (name == NULL)
        hob_mistake(caller, "the name is NULL");
}

int hob_dns_addrs(hob_dns *given, const char *name, uint16_t port, int family, hob_addr *addrs,
                  size_t max)
{
    struct dns_name read;
    hob_addr        literal;
    hob_dns        *dns;

    must_be_given("hob_dns_addrs", name);
    if (family != AF_UNSPEC && family != AF_INET && family != AF_INET6)
        hob_mistake("hob_dns_addrs", "the family is AF_INET, AF_INET6 or AF_UNSPEC, please");
    int r = hob__dns_checkpoint("hob_dns_addrs");
    if (r < 0)
        return r;
    if (hob__dns_literal(name, port, &literal)) {
        if (family != AF_UNSPEC && family != literal.u.family)
            return -ENODATA;
        if (max > 0)
            addrs[0] = literal;
        return 1;
    }
    r = hob__dns_name_read(name, &read);
    if (r == 0)
        r = hob__dns_enter(given, "hob_dns_addrs", &dns);
    if (r < 0)
        return r;
    r = find_addrs(dns, &read, port, family, addrs, max);
    hob__dns_leave(dns);
    return r;
}

/* ---- all other kinds ---- */

/* The records of a whole name; and then the resolver is left again. */
static int ask_whole(hob_dns *given, const char *caller, const struct dns_name *name, uint16_t type,
                     struct dns_answer **ret_answer)
{
    hob_dns         *dns;
    struct dns_view *view;
    int              r = hob__dns_enter(given, caller, &dns);
    if (r < 0)
        return r;
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(hob__dns_limit_ns(dns)));
    r = hob__dns_view(dns, &view);
    if (r == 0) {
        hob__dns_view_unref(view);
        r = hob__dns_ask(dns, name, type, ret_answer);
    }
    (void)!hob_scope_end(&s); // the result wins
    hob__dns_leave(dns);
    return r;
}

/* A random one of those that are left of a priority, by weight; none of weight 0 while there are
 * others, but for one in some turns (RFC 2782). */
static size_t choose(const hob_dns_service *services, size_t count)
{
    uint32_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += services[i].weight;
    uint32_t drawn = (uint32_t)(((unsigned __int128)hob_random() * (total + 1)) >> 64);
    for (size_t i = 0; i < count; i++) {
        if (services[i].weight >= drawn)
            return i;
        drawn -= services[i].weight;
    }
    return count - 1;
}

/* Those of weight 0 come first, so that they have their small chance. */
static int by_priority(const void *a, const void *b)
{
    const hob_dns_service *x = a, *y = b;
    if (x->priority != y->priority)
        return x->priority < y->priority ? -1 : 1;
    return (x->weight != 0) - (y->weight != 0);
}

static void put_in_order(hob_dns_service *services, size_t count)
{
    qsort(services, count, sizeof *services, by_priority);
    for (size_t i = 0; i < count; i++) {
        size_t same = 1;
        while (i + same < count && services[i + same].priority == services[i].priority)
            same++;
        size_t          at = choose(services + i, same);
        hob_dns_service chosen = services[i + at];
        memmove(&services[i + 1], &services[i], at * sizeof chosen);
        services[i] = chosen;
    }
}

/* As many as there is room for. */
static void give(void *to, size_t max, const void *from, size_t count, size_t each)
{
    if (max > 0)
        memcpy(to, from, (count < max ? count : max) * each);
}

int hob_dns_services(hob_dns *given, const char *name, hob_dns_service *services, size_t max)
{
    struct dns_name    read;
    struct dns_answer *answer = NULL;

    must_be_given("hob_dns_services", name);
    int r = hob__dns_name_read(name, &read);
    if (r == 0)
        r = ask_whole(given, "hob_dns_services", &read, DNS_SRV, &answer);
    if (r < 0)
        return r;
    // Another order each time, so it is a copy that is put into it.
    size_t           count = answer->count, bytes = count * sizeof *services;
    hob_dns_service *all = hob__dns_alloc(bytes);
    if (all != NULL) {
        memcpy(all, hob__dns_services(answer), bytes);
        put_in_order(all, count);
        give(services, max, all, count, sizeof *services);
    }
    hob__dns_free(all);
    hob__dns_answer_unref(answer);
    return all != NULL ? (int)count : -ENOMEM;
}

int hob_dns_texts(hob_dns *given, const char *name, hob_dns_text **ret_texts)
{
    struct dns_name    read;
    struct dns_answer *answer = NULL;

    must_be_given("hob_dns_texts", name);
    int r = hob__dns_name_read(name, &read);
    if (r == 0)
        r = ask_whole(given, "hob_dns_texts", &read, DNS_TXT, &answer);
    if (r < 0)
        return r;
    uint32_t      count = answer->count;
    hob_dns_text *texts = hob__dns_malloc(count * sizeof *texts + answer->used); // not ours: the user's
    char         *bytes = (char *)(texts + count);
    for (size_t i = 0, at = 0; texts != NULL && i < count; i++) {
        uint32_t             len;
        const unsigned char *text = hob__dns_text(answer, &at, &len);
        memcpy(bytes, text, len);
        bytes[len] = '\0'; // there is room: each had its length before it
        texts[i] = (hob_dns_text){ len, bytes };
        bytes += len + 1;
    }
    hob__dns_answer_unref(answer);
    if (texts == NULL)
        return -ENOMEM;
    *ret_texts = texts;
    return (int)count;
}

/* ---- names of addresses ---- */

static int names_here(const struct dns_view *view, const hob_addr *addr, hob_dns_name *names,
                      size_t max)
{
    size_t      at = 0;
    int         count = 0;
    const char *name;
    while ((name = hob__dns_hosts_name_of(&view->hosts, addr, &at)) != NULL) {
        if ((size_t)count < max)
            strcpy(names[count].text, name);
        count++;
    }
    return count;
}

static int find_names(hob_dns *dns, const hob_addr *addr, const struct dns_name *reverse,
                      hob_dns_name *names, size_t max)
{
    struct dns_view   *view;
    struct dns_answer *answer = NULL;
    int                r = hob__dns_view(dns, &view);
    if (r < 0)
        return r;
    r = names_here(view, addr, names, max);
    hob__dns_view_unref(view);
    if (r > 0) {
        hob__dns_count_here(dns);
        return r;
    }
    r = hob__dns_ask(dns, reverse, DNS_PTR, &answer);
    if (r < 0)
        return r;
    r = (int)answer->count;
    give(names, max, hob__dns_names(answer), answer->count, sizeof *names);
    hob__dns_answer_unref(answer);
    return r;
}

int hob_dns_names(hob_dns *given, const hob_addr *addr, hob_dns_name *names, size_t max)
{
    struct dns_name reverse;
    hob_dns        *dns;
    int             r = hob__dns_name_of_addr(addr, &reverse);
    if (r == 0)
        r = hob__dns_enter(given, "hob_dns_names", &dns);
    if (r < 0)
        return r;
    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(hob__dns_limit_ns(dns)));
    r = find_names(dns, addr, &reverse, names, max);
    (void)!hob_scope_end(&s); // the result wins
    hob__dns_leave(dns);
    return r;
}
