/* SPDX-License-Identifier: MIT */
/*
 * The simulated world: virtual time, a network and a disk in memory.
 *
 * Under the sim backend a program's whole outside is made from a seed: the order
 * in which ready tasks run, how long the network takes, how reads and writes
 * are cut. The same seed gives the same run, event by event. These functions
 * set the world up; outside sim they return -ENOTSUP.
 */
#ifndef HOB_SIM_H
#define HOB_SIM_H

#include "hob/error.h"

HOB_BEGIN_DECLS

/* What the world does. All zero: everything at once, whole, and in order. */
typedef struct hob_sim_world {
    int64_t  latency_min_ns;   /* each network step takes at least this ...          */
    int64_t  latency_max_ns;   /* ... and at most this, drawn from the seed          */
    int64_t  disk_min_ns;      /* the same for each file operation                   */
    int64_t  disk_max_ns;
    uint32_t short_io_percent; /* reads and writes of streams cut short this often   */
    uint32_t reset_percent;    /* stream operations that find the connection reset   */
    uint32_t loss_percent;     /* datagrams that vanish, and pieces of TCP streams that are
                                  sent again, 200 ms later each time                 */
    uint32_t disk_error_percent; /* file operations that give -EIO                   */
    uint32_t stream_bytes;     /* buffered in each direction of a stream; 0: 64 KiB  */
    uint32_t datagrams;        /* queued on a datagram socket; 0: 64                 */
    uint32_t disk_bytes;       /* room on the disk, then -ENOSPC; 0: no limit        */
    uint32_t descriptors;      /* open at once, then -EMFILE; 0: no limit. Those that
                                  are open already stay so                           */
    uint32_t tcp_bytes_per_s;  /* that a TCP connection carries each way; 0: no limit */
    int32_t  disk_full_error;  /* what a full disk says, such as -EDQUOT; 0: -ENOSPC  */
    int32_t  disk_write_error; /* what every write to the disk and every opening to
                                  write says, such as -EROFS or -EIO; 0: they work   */
    int64_t  offload_min_ns;   /* each function that a pool is to call (hob/offload.h), or
                                  each piece of a loop, takes at least this ...      */
    int64_t  offload_max_ns;   /* ... and at most this, drawn from the seed          */
} hob_sim_world;

/* Replaces what the world does from now on. Does not wait. Returns 0 or -ENOTSUP. */
HOB_API HOB_MUST_USE int hob_sim_set_world(const hob_sim_world *world);

/* Puts a file on the simulated disk, or replaces it. Folders need not be made.
 * Returns 0, -ENOTSUP, -ENOMEM. */
HOB_API HOB_MUST_USE int hob_sim_put_file(const char *path, const void *data, size_t len);

/* A signal comes to all who wait for it by hob/signal.h, on all workers. Does not wait.
 * Returns 0, -ENOTSUP, -EINVAL. */
HOB_API HOB_MUST_USE int hob_sim_raise(int signal);

HOB_END_DECLS

#endif
