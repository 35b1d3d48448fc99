/* SPDX-License-Identifier: MIT */
/*
 * Groups in the simulated world: who hears what is sent to one.
 *
 *     a membership hears:  everybody  ── a source joins, none was named ──▶  those it names
 *                              ▲                                                  │
 *                              └── joined again ──  (gone)  ◀── the last one left ┘
 *
 * The answers are Linux's. There is one interface, number 1, and every member is on this machine.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "backend/sim.h"
#include "base/alloc.h"

enum {
    INTERFACE = 1,
    MEMBERSHIPS_MAX = 20,
    SOURCES_MAX = 10,
};

struct membership {
    struct list_node link; /* in the node's groups               */
    hob_addr         group;
    unsigned         source_count; /* 0: it hears everybody      */
    hob_addr         sources[SOURCES_MAX];
};

bool hob__sim_is_group(const hob_addr *addr)
{
    if (addr->u.family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, addr->u.raw, sizeof in);
        return IN_MULTICAST(ntohl(in.sin_addr.s_addr));
    }
    if (addr->u.family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, addr->u.raw, sizeof in6);
        return IN6_IS_ADDR_MULTICAST(&in6.sin6_addr);
    }
    return false;
}

static struct membership *find_membership(const struct node *node, const hob_addr *group)
{
    list_for_each (link, &node->groups) {
        struct membership *m = container_of(link, struct membership, link);
        if (hob__sim_same_ip(&m->group, group))
            return m;
    }
    return NULL;
}

static unsigned find_source(const struct membership *m, const hob_addr *source)
{
    unsigned i = 0;
    while (i < m->source_count && !hob__sim_same_ip(&m->sources[i], source))
        i++;
    return i;
}

bool hob__sim_is_member(const struct node *node, const hob_addr *group, const hob_addr *source)
{
    const struct membership *m = find_membership(node, group);
    if (m == NULL)
        return false;
    return m->source_count == 0 || find_source(m, source) < m->source_count;
}

static void end_membership(struct membership *m)
{
    list_remove(&m->link);
    hob__free(m);
}

void hob__sim_leave_all(struct node *node)
{
    struct list_node *link;
    while ((link = list_first(&node->groups)) != NULL)
        end_membership(container_of(link, struct membership, link));
}

/* ---- joining and leaving ---- */

static int begin_membership(struct node *node, const hob_addr *group,
                            struct membership **ret_membership)
{
    unsigned count = 0;
    list_for_each (link, &node->groups)
        count++;
    if (count == MEMBERSHIPS_MAX)
        return -ENOBUFS;
    struct membership *m = hob__alloc_zero(sizeof *m);
    if (m == NULL)
        return -ENOMEM;
    m->group = *group;
    list_push_back(&node->groups, &m->link);
    *ret_membership = m;
    return 0;
}

static int join(struct node *node, const hob_addr *group)
{
    struct membership *m;
    return find_membership(node, group) != NULL ? -EADDRINUSE : begin_membership(node, group, &m);
}

static int leave(struct node *node, const hob_addr *group)
{
    struct membership *m = find_membership(node, group);
    if (m == NULL)
        return -EADDRNOTAVAIL;
    end_membership(m);
    return 0;
}

static int join_source(struct node *node, const hob_addr *group, const hob_addr *source)
{
    struct membership *m = find_membership(node, group);
    int                r = m != NULL ? 0 : begin_membership(node, group, &m);
    if (r < 0)
        return r;
    if (find_source(m, source) < m->source_count)
        return -EADDRNOTAVAIL;
    if (m->source_count == SOURCES_MAX)
        return -ENOBUFS;
    m->sources[m->source_count++] = *source;
    return 0;
}

static int leave_source(struct node *node, const hob_addr *group, const hob_addr *source)
{
    struct membership *m = find_membership(node, group);
    if (m == NULL || m->source_count == 0)
        return -EINVAL;
    unsigned at = find_source(m, source);
    if (at == m->source_count)
        return -EADDRNOTAVAIL;
    m->sources[at] = m->sources[--m->source_count];
    if (m->source_count == 0)
        end_membership(m);
    return 0;
}

/* ---- as options ---- */

bool hob__sim_is_group_option(int level, int name)
{
    if (level == IPPROTO_IPV6 && name == IPV6_MULTICAST_IF)
        return true;
    if (level == IPPROTO_IP && name == IP_MULTICAST_IF)
        return true;
    return (level == IPPROTO_IP || level == IPPROTO_IPV6)
        && (name == MCAST_JOIN_GROUP || name == MCAST_LEAVE_GROUP
            || name == MCAST_JOIN_SOURCE_GROUP || name == MCAST_LEAVE_SOURCE_GROUP);
}

static hob_addr addr_from(const struct sockaddr_storage *from)
{
    hob_addr addr = { .len = from->ss_family == AF_INET ? sizeof(struct sockaddr_in)
                                                        : sizeof(struct sockaddr_in6) };
    memcpy(addr.u.raw, from, addr.len);
    return addr;
}

static int check_group(const struct node *node, int level, uint32_t interface,
                       const hob_addr *group)
{
    int domain = level == IPPROTO_IP ? AF_INET : AF_INET6;
    if (node->domain != domain)
        return -ENOPROTOOPT;
    if (group->u.family != domain || !hob__sim_is_group(group))
        return -EINVAL;
    return interface > INTERFACE ? -ENODEV : 0;
}

static int change_group(struct node *node, const struct op *op)
{
    struct group_req req;
    if (op->setopt.data == NULL || op->setopt.len < sizeof req)
        return -EINVAL;
    memcpy(&req, op->setopt.data, sizeof req);
    hob_addr group = addr_from(&req.gr_group);
    int      r = check_group(node, op->setopt.level, req.gr_interface, &group);
    if (r < 0)
        return r;
    return op->setopt.name == MCAST_JOIN_GROUP ? join(node, &group) : leave(node, &group);
}

static int change_source(struct node *node, const struct op *op)
{
    struct group_source_req req;
    if (op->setopt.data == NULL || op->setopt.len < sizeof req)
        return -EINVAL;
    memcpy(&req, op->setopt.data, sizeof req);
    hob_addr group = addr_from(&req.gsr_group), source = addr_from(&req.gsr_source);
    int      r = check_group(node, op->setopt.level, req.gsr_interface, &group);
    if (r < 0)
        return r;
    return op->setopt.name == MCAST_JOIN_SOURCE_GROUP ? join_source(node, &group, &source)
                                                      : leave_source(node, &group, &source);
}

/* There is only one to choose. */
static int choose_interface(const struct node *node, const struct op *op)
{
    struct ip_mreqn by;
    if (op->setopt.level == IPPROTO_IPV6) {
        if (node->domain != AF_INET6)
            return -ENOPROTOOPT;
        return op->setopt.value < 0 || op->setopt.value > INTERFACE ? -ENODEV : 0;
    }
    if (op->setopt.data == NULL || op->setopt.len < sizeof by)
        return -EINVAL;
    memcpy(&by, op->setopt.data, sizeof by);
    return by.imr_ifindex < 0 || by.imr_ifindex > INTERFACE ? -EADDRNOTAVAIL : 0;
}

int hob__sim_group_option(struct node *node, const struct op *op)
{
    switch (op->setopt.name) {
    case MCAST_JOIN_GROUP:
    case MCAST_LEAVE_GROUP:
        return change_group(node, op);
    case MCAST_JOIN_SOURCE_GROUP:
    case MCAST_LEAVE_SOURCE_GROUP:
        return change_source(node, op);
    default:
        return choose_interface(node, op);
    }
}
