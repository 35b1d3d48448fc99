/* SPDX-License-Identifier: MIT */
/*
 * Names in the simulated world: addresses, bind, listen, connect, accept.
 *
 * Every Internet address is here, so nothing is ever out of reach: a connect
 * finds a listener or is refused. 0.0.0.0 and :: take what comes for any
 * address of their family; :: takes IPv4 too, unless it is told not to.
 *
 * A TCP connect takes one latency to the listener. A full queue loses it there,
 * and it is sent again after 1, 2, 4 ... 32 s, as the kernel does; a Unix one
 * waits. Closing a listener resets what nobody accepted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/un.h>

#include "backend/sim.h"
#include "base/alloc.h"

enum {
    PORT_FIRST = 49152, /* of those that are chosen */
    PORT_LAST = 65535,
    BACKLOG_MAX = 4096,
    CONNECT_TRIES = 7,
};

static const int64_t CONNECT_AGAIN_NS = INT64_C(1000000000);

/* --- addresses ----------------------------------------------------------- */

/* An Internet address without its family: IPv4 is mapped into IPv6. */
struct place {
    uint8_t  ip[16];
    uint16_t port;
};

static const uint8_t V4_PREFIX[12] = { [10] = 0xFF, [11] = 0xFF };
static const uint8_t ANY_V4[16] = { [10] = 0xFF, [11] = 0xFF };
static const uint8_t ANY_V6[16] = { 0 };
static const uint8_t LOOPBACK_V4[16] = { [10] = 0xFF, [11] = 0xFF, [12] = 127, [15] = 1 };
static const uint8_t LOOPBACK_V6[16] = { [15] = 1 };
static const uint8_t OURS_V4[16] = { [10] = 0xFF, [11] = 0xFF, [12] = 10, [15] = 1 };
static const uint8_t OURS_V6[16] = { [0] = 0xFD, [15] = 1 };

static bool is_v4(const uint8_t ip[16])
{
    return memcmp(ip, V4_PREFIX, sizeof V4_PREFIX) == 0;
}

static bool is_any(const uint8_t ip[16])
{
    return memcmp(ip, ANY_V4, 16) == 0 || memcmp(ip, ANY_V6, 16) == 0;
}

static int place_of(const hob_addr *addr, struct place *ret_place)
{
    if (addr->u.family == AF_INET && addr->len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, addr->u.raw, sizeof in);
        memcpy(ret_place->ip, V4_PREFIX, sizeof V4_PREFIX);
        memcpy(ret_place->ip + 12, &in.sin_addr, 4);
        ret_place->port = ntohs(in.sin_port);
        return 0;
    }
    if (addr->u.family == AF_INET6 && addr->len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, addr->u.raw, sizeof in6);
        memcpy(ret_place->ip, &in6.sin6_addr, 16);
        ret_place->port = ntohs(in6.sin6_port);
        return 0;
    }
    return addr->u.family == AF_INET || addr->u.family == AF_INET6 ? -EINVAL : -EAFNOSUPPORT;
}

/* Of an address that was looked at before: a socket's own. */
static struct place own_place(const hob_addr *addr)
{
    struct place place = { .port = 0 };
    int rc = place_of(addr, &place);
    hob_assert(rc == 0);
    return place;
}

/* The same, as a socket of this family tells it. */
static hob_addr addr_of(int domain, const struct place *place)
{
    hob_addr addr = { .len = 0 };
    if (domain == AF_INET) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(place->port) };
        memcpy(&in.sin_addr, place->ip + 12, 4);
        memcpy(addr.u.raw, &in, sizeof in);
        addr.len = sizeof in;
    } else {
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(place->port) };
        memcpy(&in6.sin6_addr, place->ip, 16);
        memcpy(addr.u.raw, &in6, sizeof in6);
        addr.len = sizeof in6;
    }
    return addr;
}

static hob_addr addr_unnamed(void)
{
    return (hob_addr){ .len = sizeof(sa_family_t), .u.family = AF_UNIX };
}

/* Can a socket of this family mean that place? */
static int check_family(const struct node *node, const struct place *place)
{
    if (node->domain == AF_INET)
        return is_v4(place->ip) ? 0 : -EAFNOSUPPORT;
    return is_v4(place->ip) && node->v6_only ? -ENETUNREACH : 0;
}

/* Where a packet to "any address" goes. */
static void aim(struct place *to)
{
    if (is_any(to->ip))
        memcpy(to->ip, is_v4(to->ip) ? LOOPBACK_V4 : LOOPBACK_V6, 16);
}

/* Which of our addresses a packet to there comes from. */
static const uint8_t *source_ip(const uint8_t to[16])
{
    if (is_v4(to))
        return to[12] == 127 ? LOOPBACK_V4 : OURS_V4;
    return memcmp(to, LOOPBACK_V6, 16) == 0 ? LOOPBACK_V6 : OURS_V6;
}

bool hob__sim_is_inet(const struct node *node)
{
    return node->domain == AF_INET || node->domain == AF_INET6;
}

int64_t hob__sim_latency_ns(struct sim *sim, const struct node *node)
{
    if (!hob__sim_is_inet(node) || sim->world.latency_max_ns <= 0)
        return hob__sim_is_inet(node) && sim->world.latency_min_ns > 0
             ? sim->world.latency_min_ns : 0;
    int64_t min = sim->world.latency_min_ns > 0 ? sim->world.latency_min_ns : 0;
    return rand_between(&sim->rand, min, sim->world.latency_max_ns);
}

int hob__sim_aim(const struct node *node, const hob_addr *addr, hob_addr *ret_to)
{
    struct place to;
    int rc = place_of(addr, &to);
    if (rc == 0)
        rc = check_family(node, &to);
    if (rc < 0)
        return rc;
    aim(&to);
    *ret_to = addr_of(is_v4(to.ip) ? AF_INET : AF_INET6, &to);
    return 0;
}

hob_addr hob__sim_source(const struct node *node, const hob_addr *to, int domain)
{
    struct place from = own_place(&node->local), there = own_place(to);
    if (is_any(from.ip))
        memcpy(from.ip, source_ip(there.ip), 16);
    return addr_of(domain, &from);
}

static bool same_place(const hob_addr *a, const hob_addr *b)
{
    struct place pa, pb;
    return place_of(a, &pa) == 0 && place_of(b, &pb) == 0 && pa.port == pb.port
        && memcmp(pa.ip, pb.ip, 16) == 0;
}

hob_addr hob__sim_as_seen_by(const struct node *node, const hob_addr *addr)
{
    struct place place;
    if (addr->u.family == AF_UNIX || place_of(addr, &place) < 0)
        return *addr;
    return addr_of(node->domain, &place);
}

/* --- ports --------------------------------------------------------------- */

/* No two have the same, so what has the hash has the port. */
static uint64_t port_hash(enum node_kind kind, uint16_t port)
{
    return hash_u64((uint64_t)kind << 16 | port);
}

/* The sockets of this kind that have the port, on any address; then the next. */
static struct node *first_at_port(const struct sim *sim, enum node_kind kind, uint16_t port)
{
    struct map_node *link = hob__map_first(&sim->ports, port_hash(kind, port));
    return link != NULL ? container_of(link, struct node, in_ports) : NULL;
}

static struct node *next_at_port(const struct node *node)
{
    struct map_node *link = hob__map_next(&node->in_ports);
    return link != NULL ? container_of(link, struct node, in_ports) : NULL;
}

static bool overlaps(const struct node *a, const struct place *pa, const struct node *b,
                     const struct place *pb)
{
    if (memcmp(pa->ip, pb->ip, 16) == 0)
        return true;
    bool a_takes_b = is_any(pa->ip) && (is_v4(pa->ip) == is_v4(pb->ip)
                                        || (a->domain == AF_INET6 && !is_v4(pa->ip) && !a->v6_only));
    bool b_takes_a = is_any(pb->ip) && (is_v4(pa->ip) == is_v4(pb->ip)
                                        || (b->domain == AF_INET6 && !is_v4(pb->ip) && !b->v6_only));
    return a_takes_b || b_takes_a;
}

/* May the node have this place, beside those that are there? */
static bool place_is_free(struct sim *sim, const struct node *node, const struct place *place,
                          bool to_listen)
{
    for (const struct node *other = first_at_port(sim, node->kind, place->port); other != NULL;
         other = next_at_port(other)) {
        struct place theirs = own_place(&other->local);
        if (other == node || !overlaps(node, place, other, &theirs))
            continue;
        if (node->reuse_port && other->reuse_port)
            continue;
        if (node->kind == NODE_STREAM && to_listen && other->state != NODE_LISTENING)
            continue;
        if (!to_listen && node->reuse_addr && other->reuse_addr
            && other->state != NODE_LISTENING)
            continue;
        return false;
    }
    return true;
}

static int choose_port(struct sim *sim, const struct node *node, struct place *place)
{
    for (int i = 0; i <= PORT_LAST - PORT_FIRST; i++) {
        sim->port_last = sim->port_last < PORT_FIRST || sim->port_last == PORT_LAST
                       ? PORT_FIRST : sim->port_last + 1;
        place->port = sim->port_last;
        if (first_at_port(sim, node->kind, place->port) == NULL)
            return 0;
    }
    return -EADDRINUSE;
}

static int bind_inet(struct sim *sim, struct node *node, const hob_addr *addr)
{
    struct place place;
    int rc = place_of(addr, &place);
    if (rc == 0 && (addr->u.family != node->domain))
        rc = -EAFNOSUPPORT;
    if (rc == 0 && node->bound)
        rc = -EINVAL;
    if (rc < 0)
        return rc;

    if (place.port == 0)
        rc = choose_port(sim, node, &place);
    else if (!place_is_free(sim, node, &place, false))
        rc = -EADDRINUSE;
    if (rc == 0)
        rc = hob__map_add(&sim->ports, &node->in_ports, port_hash(node->kind, place.port));
    if (rc < 0)
        return rc;
    node->has_port = node->bound = true;
    node->local = addr_of(node->domain, &place);
    if (!is_any(place.ip) && !is_v4(place.ip))
        node->v6_only = true; // as the kernel has it: that address alone
    return 0;
}

int hob__sim_bind_any(struct sim *sim, struct node *node)
{
    if (node->bound)
        return 0;
    struct place any = { .port = 0 };
    memcpy(any.ip, node->domain == AF_INET ? ANY_V4 : ANY_V6, 16);
    hob_addr addr = addr_of(node->domain, &any);
    return bind_inet(sim, node, &addr);
}

int hob__sim_find_inet(struct sim *sim, enum node_kind kind, const hob_addr *addr,
                       const hob_addr *from, struct node **ret_node)
{
    struct place to;
    int rc = place_of(addr, &to);
    if (rc < 0)
        return rc;

    struct node *best = NULL;
    int best_score = 0;
    uint64_t ties = 0;
    for (struct node *node = first_at_port(sim, kind, to.port); node != NULL;
         node = next_at_port(node)) {
        struct place theirs = own_place(&node->local);
        int score = memcmp(theirs.ip, to.ip, 16) == 0 ? 3
                  : !is_any(theirs.ip) ? 0
                  : is_v4(theirs.ip) == is_v4(to.ip) ? 2
                  : node->domain == AF_INET6 && !node->v6_only ? 1 : 0;
        if (score == 0 || (kind == NODE_STREAM && node->state != NODE_LISTENING))
            continue;
        if (kind == NODE_DGRAM && node->peer_addr.len != 0) {
            if (!same_place(&node->peer_addr, from))
                continue;
            score += 4;
        }
        if (score > best_score) {
            best = node;
            best_score = score;
            ties = 1;
        } else if (score == best_score && rand_below(&sim->rand, ++ties) == 0) {
            best = node; // sockets that share a port share what comes
        }
    }
    *ret_node = best;
    return best != NULL ? 0 : -ECONNREFUSED;
}

bool hob__sim_same_ip(const hob_addr *a, const hob_addr *b)
{
    struct place pa, pb;
    return place_of(a, &pa) == 0 && place_of(b, &pb) == 0 && memcmp(pa.ip, pb.ip, 16) == 0;
}

static bool hears_group(const struct node *node, const hob_addr *group, const hob_addr *from)
{
    struct place here = own_place(&node->local), there = own_place(group);
    if (!is_any(here.ip) && memcmp(here.ip, there.ip, 16) != 0)
        return false;
    if (node->peer_addr.len != 0 && !same_place(&node->peer_addr, from))
        return false;
    return hob__sim_is_member(node, group, from);
}

struct node *hob__sim_next_member(struct sim *sim, struct node *node, const hob_addr *group,
                                  const hob_addr *from)
{
    node = node == NULL ? first_at_port(sim, NODE_DGRAM, own_place(group).port)
                        : next_at_port(node);
    while (node != NULL && !hears_group(node, group, from))
        node = next_at_port(node);
    return node;
}

/* --- Unix names ---------------------------------------------------------- */

/* An abstract name. The node has it as long as it lives. */
struct name {
    struct map_node in_names;
    struct node    *node;
    size_t          len;
    uint8_t         bytes[];
};

enum { UNIX_HEAD = offsetof(struct sockaddr_un, sun_path) };

static size_t name_len(const hob_addr *addr)
{
    return addr->len > UNIX_HEAD ? addr->len - UNIX_HEAD : 0;
}

static bool is_abstract(const hob_addr *addr)
{
    return addr->u.raw[UNIX_HEAD] == 0;
}

/* The path of an address, with its NUL. */
struct unix_path {
    char text[sizeof(struct sockaddr_un)];
};

static struct unix_path path_of(const hob_addr *addr)
{
    struct unix_path path = { .text = "" };
    size_t len = name_len(addr);
    if (len > sizeof path.text - 1)
        len = sizeof path.text - 1;
    memcpy(path.text, addr->u.raw + UNIX_HEAD, len);
    return path;
}

static struct name *find_name(struct sim *sim, const hob_addr *addr)
{
    const uint8_t *bytes = addr->u.raw + UNIX_HEAD;
    size_t len = name_len(addr);
    for (struct map_node *link = hob__map_first(&sim->names, hob__hash_bytes(bytes, len));
         link != NULL; link = hob__map_next(link)) {
        struct name *name = container_of(link, struct name, in_names);
        if (name->len == len && memcmp(name->bytes, bytes, len) == 0)
            return name;
    }
    return NULL;
}

static int add_name(struct sim *sim, struct node *node, const hob_addr *addr)
{
    if (find_name(sim, addr) != NULL)
        return -EADDRINUSE;
    size_t len = name_len(addr);
    struct name *name = hob__alloc(sizeof *name + len);
    if (name == NULL)
        return -ENOMEM;
    name->node = node;
    name->len = len;
    memcpy(name->bytes, addr->u.raw + UNIX_HEAD, len);
    int rc = hob__map_add(&sim->names, &name->in_names, hob__hash_bytes(name->bytes, len));
    if (rc < 0) {
        hob__free(name);
        return rc;
    }
    node->name = name;
    return 0;
}

/* bind() without a name chooses an abstract one of five digits. */
static hob_addr choose_name(struct sim *sim)
{
    static const char digits[] = "0123456789abcdef";
    hob_addr addr = addr_unnamed();
    addr.len = UNIX_HEAD + 6;
    do {
        uint64_t n = ++sim->names_made;
        for (int i = 5; i >= 1; i--, n >>= 4)
            addr.u.raw[UNIX_HEAD + i] = (uint8_t)digits[n & 15];
    } while (find_name(sim, &addr) != NULL);
    return addr;
}

static int bind_unix(struct sim *sim, struct node *node, const hob_addr *addr,
                     uint64_t *ret_file)
{
    if (addr->u.family != AF_UNIX || node->bound)
        return -EINVAL;
    hob_addr chosen = name_len(addr) == 0 ? choose_name(sim) : *addr;
    int rc;
    if (is_abstract(&chosen)) {
        rc = add_name(sim, node, &chosen);
    } else {
        struct unix_path path = path_of(&chosen);
        rc = hob__sim_disk_bind(sim, path.text, node);
        if (rc == 0 && ret_file != NULL)
            *ret_file = hob__sim_disk_number(node->inode);
    }
    if (rc < 0)
        return rc;
    node->bound = true;
    node->local = chosen;
    return 0;
}

int hob__sim_find_unix(struct sim *sim, enum node_kind kind, const hob_addr *addr,
                       struct node **ret_node)
{
    if (addr->u.family != AF_UNIX || name_len(addr) == 0)
        return -EINVAL;
    struct node *node = NULL;
    if (is_abstract(addr)) {
        struct name *name = find_name(sim, addr);
        node = name != NULL ? name->node : NULL;
    } else {
        struct unix_path path = path_of(addr);
        int rc = hob__sim_disk_find_socket(sim, path.text, &node);
        if (rc < 0)
            return rc;
    }
    if (node == NULL)
        return -ECONNREFUSED;
    if (node->kind != kind)
        return -EPROTOTYPE;
    *ret_node = node;
    return 0;
}

int hob__sim_unlink(struct sim *sim, const hob_addr *addr, uint64_t file)
{
    if (addr->u.family != AF_UNIX || name_len(addr) == 0 || is_abstract(addr))
        return -EINVAL;
    struct unix_path path = path_of(addr);
    return hob__sim_disk_unlink_socket(sim, path.text, file);
}

static void give_names_back(struct sim *sim, struct node *node)
{
    if (node->has_port)
        hob__map_remove(&sim->ports, &node->in_ports);
    node->has_port = false;
    if (node->inode != NULL)
        hob__sim_disk_unbind(node->inode);
    node->inode = NULL;
    if (node->name != NULL) {
        hob__map_remove(&sim->names, &node->name->in_names);
        hob__free(node->name);
    }
    node->name = NULL;
}

/* --- making sockets ------------------------------------------------------ */

static int new_socket(struct sim *sim, int domain, int type, struct node **ret_node)
{
    type &= ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (domain != AF_INET && domain != AF_INET6 && domain != AF_UNIX)
        return -EAFNOSUPPORT;
    if (type != SOCK_STREAM && type != SOCK_DGRAM)
        return -ESOCKTNOSUPPORT;

    struct node *node =
        hob__sim_node_new(sim, type == SOCK_STREAM ? NODE_STREAM : NODE_DGRAM, domain);
    if (node == NULL)
        return -ENOMEM;
    if (domain == AF_UNIX) {
        node->local = addr_unnamed();
    } else {
        struct place none = { .port = 0 };
        memcpy(none.ip, domain == AF_INET ? ANY_V4 : ANY_V6, 16);
        node->local = addr_of(domain, &none);
    }
    *ret_node = node;
    return 0;
}

int hob__sim_number_two(struct sim *sim, struct node *a, struct node *b, int *fds)
{
    fds[0] = a != NULL && b != NULL ? hob__sim_node_number(sim, a) : -ENOMEM;
    fds[1] = fds[0] >= 0 ? hob__sim_node_number(sim, b) : -ENOMEM;
    if (fds[1] >= 0)
        return 0;
    if (a != NULL)
        hob__sim_node_close(sim, a);
    if (b != NULL)
        hob__sim_node_close(sim, b);
    return fds[0] < 0 ? fds[0] : fds[1];
}

int hob__sim_socket(struct sim *sim, int domain, int type)
{
    struct node *node;
    int rc = new_socket(sim, domain, type, &node);
    if (rc < 0)
        return rc;
    int fd = hob__sim_node_number(sim, node);
    if (fd < 0)
        hob__sim_node_close(sim, node);
    return fd;
}

int hob__sim_socketpair(struct sim *sim, int domain, int type, int *fds)
{
    if (domain != AF_UNIX)
        return -EOPNOTSUPP;
    struct node *a = NULL, *b = NULL;
    int rc = new_socket(sim, domain, type, &a);
    if (rc == 0)
        rc = new_socket(sim, domain, type, &b);
    if (rc < 0 && rc != -ENOMEM)
        return rc;
    int numbers[2];
    rc = hob__sim_number_two(sim, a, b, numbers);
    if (rc < 0)
        return rc;

    if (a->kind == NODE_STREAM)
        hob__sim_link(a, b);
    a->peer_addr = b->peer_addr = addr_unnamed();
    a->peer_fd = b->fd;
    a->peer_id = b->id;
    b->peer_fd = a->fd;
    b->peer_id = a->id;
    fds[0] = numbers[0];
    fds[1] = numbers[1];
    return 0;
}

int hob__sim_bind(struct sim *sim, struct node *node, const hob_addr *addr, uint64_t *ret_file)
{
    return node->domain == AF_UNIX ? bind_unix(sim, node, addr, ret_file)
                                   : bind_inet(sim, node, addr);
}

int hob__sim_sockname(struct node *node, hob_addr *ret_addr)
{
    *ret_addr = node->local;
    return 0;
}

int hob__sim_peername(struct node *node, hob_addr *ret_addr)
{
    if (node->peer_addr.len == 0 || (node->kind == NODE_STREAM && node->state != NODE_CONNECTED))
        return -ENOTCONN;
    *ret_addr = node->peer_addr;
    return 0;
}

/* --- listening ----------------------------------------------------------- */

int hob__sim_listen(struct sim *sim, struct node *node, int backlog)
{
    if (node->kind != NODE_STREAM)
        return -EOPNOTSUPP;
    if (node->state != NODE_FRESH && node->state != NODE_LISTENING)
        return -EINVAL;
    if (hob__sim_is_inet(node)) {
        int rc = hob__sim_bind_any(sim, node);
        if (rc < 0)
            return rc;
        struct place place = own_place(&node->local);
        if (!place_is_free(sim, node, &place, true))
            return -EADDRINUSE;
    } else if (!node->bound) {
        return -EINVAL;
    }
    node->state = NODE_LISTENING;
    node->backlog = backlog < 0 || backlog > BACKLOG_MAX ? BACKLOG_MAX : (uint32_t)backlog;
    return 0;
}

/* There is room in the node's queue, or there will never be: let them try again. */
void hob__sim_unblock(struct sim *sim, struct node *node)
{
    struct list_node *link;
    while ((link = list_pop_front(&node->blocked)) != NULL)
        hob__sim_touch(sim, container_of(link, struct node, blocked_link));
}

void hob__sim_block(struct node *node, struct node *on)
{
    list_remove(&node->blocked_link);
    list_push_back(&on->blocked, &node->blocked_link);
}

int64_t hob__sim_accept(struct sim *sim, struct node *node)
{
    if (node->kind != NODE_STREAM)
        return -EOPNOTSUPP;
    if (node->state != NODE_LISTENING)
        return -EINVAL;
    struct list_node *link = list_first(&node->pending);
    if (link == NULL)
        return SIM_WAIT;

    struct node *conn = container_of(link, struct node, pending_link);
    int fd = hob__sim_node_number(sim, conn);
    if (fd < 0)
        return fd;
    list_remove(&conn->pending_link);
    node->pending_count--;
    hob__sim_unblock(sim, node);
    return fd;
}

/* --- connecting ---------------------------------------------------------- */

static void fire_connect(struct sim *sim, struct event *event)
{
    hob__sim_touch(sim, container_of(event, struct node, connect_event));
}

/* Gives a socket that was not bound an address to come from. */
static int choose_source(struct sim *sim, struct node *node)
{
    if (node->bound)
        return 0;
    struct place place = { .port = 0 };
    int rc = choose_port(sim, node, &place);
    if (rc < 0)
        return rc;
    memcpy(place.ip, node->domain == AF_INET ? ANY_V4 : ANY_V6, 16);
    node->local = addr_of(node->domain, &place);
    node->local = hob__sim_source(node, &node->peer_addr, node->domain);
    return 0;
}

int hob__sim_connect(struct sim *sim, struct node *node, const hob_addr *addr)
{
    if (node->kind == NODE_DGRAM)
        return hob__sim_dgram_connect(sim, node, addr);
    if (node->state == NODE_CONNECTING)
        return -EALREADY;
    if (node->state == NODE_CONNECTED)
        return -EISCONN;
    if (node->state == NODE_LISTENING)
        return hob__sim_is_inet(node) ? -EISCONN : -EINVAL;

    hob_addr to = *addr;
    if (hob__sim_is_inet(node)) {
        int rc = hob__sim_aim(node, addr, &to);
        if (rc < 0)
            return rc;
        node->peer_addr = to;
        rc = choose_source(sim, node);
        if (rc < 0)
            return rc;
    }
    node->peer_addr = to;
    node->state = NODE_CONNECTING;
    node->connect_tries = 0;
    node->connect_event.fire = fire_connect;
    int64_t latency_ns = hob__sim_latency_ns(sim, node);
    if (latency_ns > 0)
        hob__sim_at(sim, &node->connect_event, sim->now_ns + latency_ns);
    return 0;
}

void hob__sim_connect_stop(struct sim *sim, struct node *node)
{
    if (node->state != NODE_CONNECTING)
        return;
    hob__sim_not(sim, &node->connect_event);
    list_remove(&node->blocked_link);
    node->state = NODE_FRESH;
}

static int connect_failed(struct node *node, int error)
{
    node->state = NODE_FRESH;
    return error;
}

/* The listener's queue is full. */
static int connect_later(struct sim *sim, struct node *node, struct node *listener)
{
    if (!hob__sim_is_inet(node)) {
        hob__sim_block(node, listener);
        return SIM_WAIT;
    }
    if (++node->connect_tries == CONNECT_TRIES)
        return connect_failed(node, -ETIMEDOUT);
    hob__sim_at(sim, &node->connect_event,
                sim->now_ns + (CONNECT_AGAIN_NS << (node->connect_tries - 1)));
    return SIM_WAIT;
}

int64_t hob__sim_connect_go(struct sim *sim, struct node *node)
{
    if (node->kind == NODE_DGRAM)
        return 0;
    hob_assert(node->state == NODE_CONNECTING);
    if (heap_node_is_in(&node->connect_event.node))
        return SIM_WAIT;

    struct node *listener;
    int rc = hob__sim_is_inet(node)
           ? hob__sim_find_inet(sim, NODE_STREAM, &node->peer_addr, &node->local, &listener)
           : hob__sim_find_unix(sim, NODE_STREAM, &node->peer_addr, &listener);
    if (rc == 0 && listener->state != NODE_LISTENING)
        rc = -ECONNREFUSED;
    if (rc < 0)
        return connect_failed(node, rc);
    if (listener->pending_count > listener->backlog)
        return connect_later(sim, node, listener);

    struct node *conn = hob__sim_node_new(sim, NODE_STREAM, listener->domain);
    if (conn == NULL)
        return connect_failed(node, -ENOMEM);
    conn->local = hob__sim_as_seen_by(listener, &node->peer_addr);
    conn->peer_addr = hob__sim_as_seen_by(listener, &node->local);
    node->peer_addr = hob__sim_as_seen_by(node, &node->peer_addr);
    conn->bound = true;
    hob__sim_inherit_options(conn, listener);
    hob__sim_link(node, conn);
    list_push_back(&listener->pending, &conn->pending_link);
    listener->pending_count++;
    hob__sim_touch(sim, listener);
    return 0;
}

/* --- closing ------------------------------------------------------------- */

void hob__sim_net_close(struct sim *sim, struct node *node)
{
    hob__sim_connect_stop(sim, node);
    give_names_back(sim, node);
    struct list_node *link;
    while ((link = list_pop_front(&node->pending)) != NULL) {
        struct node *conn = container_of(link, struct node, pending_link);
        hob__sim_stream_close(sim, conn, true);
        hob__sim_node_close(sim, conn);
    }
    list_remove(&node->blocked_link);
    hob__sim_unblock(sim, node);
    if (node->kind == NODE_DGRAM)
        hob__sim_dgram_close(sim, node);
    else
        hob__sim_stream_close(sim, node, node->reset_on_close && hob__sim_is_inet(node));
}

void hob__sim_net_fini(struct sim *sim)
{
    struct list_node *link;
    while ((link = list_pop_front(&sim->flying)) != NULL)
        hob__sim_datagram_free(sim, container_of(link, struct datagram, link));
    hob__map_fini(&sim->ports);
    hob__map_fini(&sim->names);
}
