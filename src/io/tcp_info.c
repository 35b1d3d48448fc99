/* SPDX-License-Identifier: MIT */
/*
 * TCP_INFO, in words. A file of its own, since the kernel's header, which has all of its fields,
 * cannot stand beside the C library's, which has few. An older kernel fills in less.
 */
#include "io/tcp_info.h"

#include <errno.h>
#include <linux/tcp.h>

enum { MICROSECOND = 1000, CA_OPEN = 0 };

int hob__tcp_info_get(struct conn *conn, hob_tcp_info *ret_info)
{
    struct tcp_info info = { 0 };

    int r = hob__socket_get(&conn->desc, 6 /* IPPROTO_TCP */, TCP_INFO, &info, sizeof info);
    if (r < 0)
        return r;
    *ret_info = (hob_tcp_info){
        .round_trip_ns = (int64_t)info.tcpi_rtt * MICROSECOND,
        .round_trip_var_ns = (int64_t)info.tcpi_rttvar * MICROSECOND,
        // All ones: nothing was measured yet.
        .round_trip_min_ns = info.tcpi_min_rtt == UINT32_MAX
                                 ? 0 : (int64_t)info.tcpi_min_rtt * MICROSECOND,
        .window_segments = info.tcpi_snd_cwnd,
        .segment_bytes = info.tcpi_snd_mss,
        .unacknowledged = info.tcpi_unacked,
        .lost = info.tcpi_lost,
        .retransmitted = info.tcpi_total_retrans,
        .not_sent_bytes = info.tcpi_notsent_bytes,
        .acknowledged_bytes = info.tcpi_bytes_acked,
        .received_bytes = info.tcpi_bytes_received,
        .delivery_rate = info.tcpi_delivery_rate,
        .busy = info.tcpi_ca_state != CA_OPEN || info.tcpi_retransmits > 0 || info.tcpi_probes > 0,
    };
    return 0;
}
