/* SPDX-License-Identifier: MIT */
/*
 * The simulated world, as its own files see it.
 *
 *     sim.c         the backend: ops, descriptors, events, virtual time
 *     sim_net.c     names: bind, listen, connect, accept, addresses
 *     sim_stream.c  bytes in order: TCP, Unix streams, pipes
 *     sim_dgram.c   datagrams: UDP, Unix
 *     sim_sockopt.c options of sockets
 *     sim_group.c   who is in which group: multicast
 *     sim_disk.c    files and folders, with its parts in sim_disk.h
 *
 * A node is what a descriptor number stands for. An op that cannot go on waits
 * in its descriptor's list; whatever changes a node calls hob__sim_touch, and
 * then, before the backend is left, the node's waiting ops are tried again.
 * Nothing here calls another node's code directly, so nothing recurses.
 *
 * What decides is only the order of calls, the seed, and the world's knobs; no
 * address, clock or hash of an address. So a run can be repeated.
 */
#ifndef HOB_BACKEND_SIM_H
#define HOB_BACKEND_SIM_H

#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "backend/backend.h"
#include "base/heap.h"
#include "base/map.h"
#include "base/rand.h"
#include "hob/addr.h"
#include "hob/sim.h"

struct sim;
struct node;
struct inode;
struct name;

/* What an attempt returns that has to wait. Never the result of an op. */
enum { SIM_WAIT = -EAGAIN };

static const int64_t SIM_NEVER = INT64_MAX;
static const int64_t SIM_WALL_AT_0_NS = INT64_C(1767225600) * 1000000000; /* 2026-01-01, UTC */

/* Something that will happen by itself. */
struct event {
    struct heap_node node; /* key: when */
    void (*fire)(struct sim *sim, struct event *event);
};

/* Descriptor numbers that ride on a message, opaque. */
struct rights {
    struct list_node link;
    uint64_t         pos;   /* in a stream: the byte that they ride on */
    unsigned         count;
    int              fds[];
};

/* These bytes arrive then. */
struct arrival {
    int64_t  due_ns;
    uint64_t pos;
};

/* Bytes on their way to one end of a stream: taken <= arrived <= written. */
struct wire {
    uint8_t        *ring;
    size_t          ring_bytes; /* a power of two, or 0                          */
    uint64_t        written;    /* positions, counted from the stream's begin    */
    uint64_t        arrived;
    uint64_t        taken;
    struct arrival *arrivals;   /* a ring too: what has not arrived, in order    */
    uint32_t        arrivals_cap, arrivals_head, arrivals_count;
    int64_t         last_due_ns;  /* nothing sent later arrives before this      */
    int64_t         line_free_ns; /* when the line has carried what was sent     */
    int64_t         end_due_ns;   /* when the end of the stream arrives          */
    int64_t         reset_due_ns; /* when the news of a reset arrives            */
    bool            ended;
    bool            reset;
    struct list     rights;
    struct event    event;        /* the next arrival                            */
};

struct datagram {
    struct list_node link; /* in a node's queue, or among those that fly */
    struct event     event;
    hob_addr         from, to;
    int              sender_fd;
    uint64_t         sender_id;
    struct rights   *rights;
    size_t           len;
    uint8_t          bytes[];
};

enum node_kind {
    NODE_STREAM,
    NODE_DGRAM,
    NODE_PIPE_READER,
    NODE_PIPE_WRITER,
    NODE_FILE,  /* also a folder                    */
    NODE_WATCH, /* of files and folders, as inotify */
};

enum { SIM_OPTIONS_MAX = 32 };

enum node_state {
    NODE_FRESH, /* datagram sockets and files stay so */
    NODE_LISTENING,
    NODE_CONNECTING,
    NODE_CONNECTED,
};

struct node {
    enum node_kind   kind;
    enum node_state  state;
    int              fd;     /* -1: waits to be accepted                           */
    uint64_t         id;     /* never used twice                                   */
    struct desc     *desc;   /* the ops that wait are in its list; NULL: none yet  */
    struct list      polls;  /* OP_POLLs                                           */
    struct list_node dirty;  /* in sim->dirty                                      */
    int              error;  /* the connection's, told once; positive              */

    /* Sockets. */
    int              domain;
    bool             reuse_addr, reuse_port, v6_only;
    bool             reset_on_close;
    int              options[SIM_OPTIONS_MAX]; /* in the order of sim_sockopt.c; and which were set */
    uint64_t         options_set;
    bool             bound;      /* `local` was asked for, or chosen              */
    hob_addr         local, peer_addr;
    struct map_node  in_ports;   /* sim->ports, by port                           */
    bool             has_port;
    struct name     *name;       /* the abstract one; NULL: none                  */
    struct inode    *inode;      /* a file's, a folder's, a Unix socket's; or NULL */
    struct list      blocked;    /* nodes that wait for room in this one's queue  */
    struct list_node blocked_link;

    /* Streams and pipes. */
    struct wire      in;
    struct node     *peer;       /* NULL: gone, or never was                      */
    bool             write_shut;
    size_t           unanswered; /* bytes sent to a peer that is gone             */

    /* Listeners. */
    struct list      pending;    /* nodes to accept, by pending_link              */
    struct list_node pending_link;
    uint32_t         pending_count, backlog;

    /* Connecting. */
    struct event     connect_event;
    unsigned         connect_tries;

    /* Datagram sockets. */
    struct list      queue;
    uint32_t         queued;
    struct list      groups;
    int              peer_fd;    /* connected: to this node; -1: by address, or not */
    uint64_t         peer_id;

    /* Files. */
    int              flags;      /* of open(2)                                    */
    int64_t          position;
    int64_t          read_due_ns, write_due_ns; /* keep them in order             */
    uint64_t         cookie;     /* a folder's entries were told up to this one   */
    bool             was_written;

    /* Watches: their records wait in `queue`. */
    struct list      marks;
    int              marks_made;
};

/* An op on the disk, between its submission and its effect. */
struct delayed {
    struct event event;
    struct op   *op; /* NULL: this one is free */
    uint32_t     next_free;
};

/* A queue of descriptors; `last` counts only if there is a first. */
struct leaving {
    struct desc *first, *last;
};

enum { SIM_VIEWS_MAX = 256 };

/* What one worker has of the world: ops come back to the worker that submitted them. */
struct sim_view {
    struct backend base;
    struct sim    *sim;
    unsigned       number;    /* in sim->views                                */
    struct list    done;      /* finished; poll() hands them over             */
    struct leaving leaving;   /* released, but their ops wait for poll()      */
    struct leaving may_leave; /* their ops were handed over                   */
    uint64_t       in_flight;
    atomic_bool    woken;
};

struct sim {
    struct sim_view     *views[SIM_VIEWS_MAX];
    unsigned             views_open;
    struct rand          rand;
    struct hob_sim_world world;
    int64_t              now_ns;
    uint64_t             events_made; /* orders events of the same time                */
    struct heap          events;
    struct list          loose;       /* ops in flight that have no descriptor         */
    struct list          dirty;       /* nodes whose waiting ops may go on             */
    struct op           *submitting;  /* if it finishes, submit() returns it           */
    uint64_t             trace;

    struct node        **table;       /* by descriptor number, less FD_FIRST           */
    uint32_t             table_count, table_cap;
    uint32_t            *free_fds;    /* room for table_cap                            */
    uint32_t             free_count;
    uint64_t             nodes_made;

    struct map           ports;       /* bound Internet sockets                        */
    uint16_t             port_last;
    struct map           names;       /* abstract Unix names                           */
    uint64_t             names_made;
    struct list          flying;      /* datagrams that are in no queue                */

    struct inode        *root;
    struct list          inodes;      /* all of the disk                               */
    struct map           names_on_disk;
    uint64_t             inodes_made;
    uint64_t             cookies;     /* of names                                      */
    uint32_t             renames;     /* that were told                                */
    char                 walk_text[2 * 4096]; /* of the path that is being walked      */
    uint64_t             disk_used;
    struct delayed     **delayed;     /* by op->slot, less 1                           */
    uint32_t             delayed_count, delayed_cap, delayed_free;
};

/* --- sim.c --- */

void hob__sim_finish(struct sim *sim, struct op *op, int64_t result);
void hob__sim_touch(struct sim *sim, struct node *node);
void hob__sim_at(struct sim *sim, struct event *event, int64_t when_ns);
void hob__sim_not(struct sim *sim, struct event *event); /* also if it is not set */
bool hob__sim_chance(struct sim *sim, uint32_t percent);

/* A new node without a number; NULL: no memory. */
struct node *hob__sim_node_new(struct sim *sim, enum node_kind kind, int domain);

/* Gives it a number, which is returned; or -ENOMEM, -EMFILE. */
int          hob__sim_node_number(struct sim *sim, struct node *node);
struct node *hob__sim_node_at(struct sim *sim, int fd); /* NULL: -EBADF */
void         hob__sim_node_close(struct sim *sim, struct node *node);

/* The first op in flight on the node that is of this kind; NULL: none. */
struct op *hob__sim_waiting(struct node *node, enum op_kind kind);

/* --- sim_net.c --- */

int     hob__sim_socket(struct sim *sim, int domain, int type);
int     hob__sim_socketpair(struct sim *sim, int domain, int type, int *fds);
int     hob__sim_bind(struct sim *sim, struct node *node, const hob_addr *addr,
                      uint64_t *ret_file);
int     hob__sim_unlink(struct sim *sim, const hob_addr *addr, uint64_t file);
int     hob__sim_listen(struct sim *sim, struct node *node, int backlog);
int     hob__sim_sockname(struct node *node, hob_addr *ret_addr);
int     hob__sim_peername(struct node *node, hob_addr *ret_addr);
int64_t hob__sim_accept(struct sim *sim, struct node *node);
void    hob__sim_net_close(struct sim *sim, struct node *node);
void    hob__sim_net_fini(struct sim *sim);

/* Begins to connect: 0 or a negative error. Then _go says how far it is: SIM_WAIT
 * or the result. _stop takes the attempt back, if there is one. */
int     hob__sim_connect(struct sim *sim, struct node *node, const hob_addr *addr);
int64_t hob__sim_connect_go(struct sim *sim, struct node *node);
void    hob__sim_connect_stop(struct sim *sim, struct node *node);

/* `node` waits until there is room in the queue of `on`; and: there is. */
void hob__sim_block(struct node *node, struct node *on);
void hob__sim_unblock(struct sim *sim, struct node *on);

bool    hob__sim_is_inet(const struct node *node);
int64_t hob__sim_latency_ns(struct sim *sim, const struct node *node);
int     hob__sim_bind_any(struct sim *sim, struct node *node); /* if it is not bound yet */

/* Numbers two new nodes, either of which may be NULL; on failure, -ENOMEM or -EMFILE, both
 * are gone. */
int hob__sim_number_two(struct sim *sim, struct node *a, struct node *b, int *fds);

/* Where something sent to `addr` goes; where it comes from; the address as a
 * socket of the node's family tells it. */
int      hob__sim_aim(const struct node *node, const hob_addr *addr, hob_addr *ret_to);
hob_addr hob__sim_source(const struct node *node, const hob_addr *to, int domain);
hob_addr hob__sim_as_seen_by(const struct node *node, const hob_addr *addr);

/* Who takes what comes for this address: 0 and the node, or a negative error.
 * Connected datagram sockets hear only the one that they are connected to. */
int hob__sim_find_inet(struct sim *sim, enum node_kind kind, const hob_addr *addr,
                       const hob_addr *from, struct node **ret_node);
/* The members of the group `addr` that have its port, one by one; begin with NULL. */
struct node *hob__sim_next_member(struct sim *sim, struct node *node, const hob_addr *addr,
                                  const hob_addr *from);
bool         hob__sim_same_ip(const hob_addr *a, const hob_addr *b);
int hob__sim_find_unix(struct sim *sim, enum node_kind kind, const hob_addr *addr,
                       struct node **ret_node);

/* --- sim_stream.c --- */

int      hob__sim_pipe(struct sim *sim, int *fds);
void     hob__sim_link(struct node *a, struct node *b);
int64_t  hob__sim_stream_look(const struct node *node);
int64_t  hob__sim_stream_recv(struct sim *sim, struct node *node, struct msghdr *msg);
int64_t  hob__sim_stream_send(struct sim *sim, struct node *node, const struct msghdr *msg);
int      hob__sim_stream_shutdown(struct sim *sim, struct node *node);
void     hob__sim_stream_abort(struct sim *sim, struct node *node);
void     hob__sim_stream_close(struct sim *sim, struct node *node, bool reset);
unsigned hob__sim_stream_ready(struct sim *sim, const struct node *node);
void     hob__sim_wire_init(struct wire *wire);

/* A SPLICE of a stream or pipe; and for files: how many bytes the pipe takes now (there is memory
 * for them then), and the two moves. A peek leaves the bytes; drop takes them. */
int64_t hob__sim_splice(struct sim *sim, struct node *node, const struct op *op);
size_t  hob__sim_pipe_room(struct sim *sim, int fd, size_t len);
void    hob__sim_pipe_put(struct sim *sim, int fd, const void *bytes, size_t len);
size_t  hob__sim_pipe_peek(struct sim *sim, int fd, void *bytes, size_t len);
void    hob__sim_pipe_drop(struct sim *sim, int fd, size_t len);

/* --- sim_dgram.c --- */

int64_t  hob__sim_dgram_recv(struct sim *sim, struct node *node, struct msghdr *msg, int flags);
int64_t  hob__sim_dgram_send(struct sim *sim, struct node *node, const struct msghdr *msg);
int64_t  hob__sim_dgram_many(struct sim *sim, struct node *node, const struct op *op);
int      hob__sim_dgram_connect(struct sim *sim, struct node *node, const hob_addr *addr);
void     hob__sim_dgram_close(struct sim *sim, struct node *node);
unsigned hob__sim_dgram_ready(const struct node *node);
void     hob__sim_datagram_free(struct sim *sim, struct datagram *datagram);

/* Messages of every kind of socket. */
size_t hob__sim_msg_len(const struct msghdr *msg);
void   hob__sim_msg_copy_out(const struct msghdr *msg, size_t at, void *to, size_t len);
void   hob__sim_msg_copy_in(struct msghdr *msg, size_t at, const void *from, size_t len);
int    hob__sim_msg_take_rights(const struct msghdr *msg, struct rights **ret_rights);
void   hob__sim_msg_put_rights(struct msghdr *msg, const struct rights *rights); /* or NULL */

/* --- sim_sockopt.c --- */

int  hob__sim_setopt(struct node *node, const struct op *op);
int  hob__sim_getopt(struct node *node, const struct op *op); /* how many bytes, or an error */
int  hob__sim_option(const struct node *node, int level, int name); /* one of the table */
void hob__sim_inherit_options(struct node *node, const struct node *listener);

/* --- sim_group.c --- */

bool hob__sim_is_group_option(int level, int name);
int  hob__sim_group_option(struct node *node, const struct op *op);
bool hob__sim_is_group(const hob_addr *addr);
bool hob__sim_is_member(const struct node *node, const hob_addr *group, const hob_addr *source);
void hob__sim_leave_all(struct node *node);

/* --- sim_disk.c; the disk itself is in sim_disk.h --- */

int  hob__sim_disk_init(struct sim *sim);
void hob__sim_disk_fini(struct sim *sim);

/* Carries the op out, at once or later; _stop takes one back that has op->slot. */
void hob__sim_disk_submit(struct sim *sim, struct op *op, struct node *node);
void hob__sim_disk_stop(struct sim *sim, struct op *op);
void hob__sim_disk_close(struct sim *sim, struct node *node); /* a file, a folder, a watch */

/* From outside of the world: folders need not be made. */
int  hob__sim_disk_put(struct sim *sim, const char *path, const void *data, size_t len);
int  hob__sim_disk_put_folder(struct sim *sim, const char *path);

/* The files of Unix sockets. */
int      hob__sim_disk_bind(struct sim *sim, const char *path, struct node *node);
void     hob__sim_disk_unbind(struct inode *inode); /* its node is gone; the file stays */
uint64_t hob__sim_disk_number(const struct inode *inode);
int      hob__sim_disk_find_socket(struct sim *sim, const char *path, struct node **ret_node);
int      hob__sim_disk_unlink_socket(struct sim *sim, const char *path, uint64_t id); /* 0: any */

/* What waits to be read of a watch. */
int64_t hob__sim_watch_read(struct node *node, const struct msghdr *msg);

#endif
