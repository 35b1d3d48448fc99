/* SPDX-License-Identifier: MIT */
/*
 * Links: many WebSockets to one server, over one connection of HTTP/2 (RFC 8441).
 *
 *     hob_ws_link *link;
 *     HOB_TRY(hob_ws_link_open("wss://feeds.example.com", NULL, NULL, &link));
 *     HOB_DEFER(close_link, link);
 *
 *     hob_ws *gold, *silver;
 *     HOB_TRY(hob_ws_open_on(link, "/gold", NULL, NULL, &gold));
 *     HOB_TRY(hob_ws_open_on(link, "/silver", NULL, NULL, &silver));
 *
 * What is opened on a link is a WebSocket as any other, and hob_ws_close closes it and nothing else. In
 * libhob-wsopen, as hob/ws_open.h; without nghttp2 hob_ws_link_open says -EPROTONOSUPPORT.
 *
 * Who waits carries.  A link has no task. A task that waits in a call on the link, or on one of its WebSockets,
 *   reads and writes meanwhile what all of them need, and hands that on when it leaves. So the link is
 *   as alive as a WebSocket with a connection of its own: while somebody receives, or sends and has to wait. What
 *   nobody waits for (a WebSocket that was closed in the middle) is told to the server by the next who waits.
 * Who is slow holds up nobody.  Each WebSocket has its windows. What came and was not received lies in memory, at
 *   most `window_bytes` of it; then the server waits with this one. Who sends waits for the server's window of
 *   this one, or of all.
 * Ends.  An end of one (a goodbye, a reset) is of that one. When the connection ends, all of them end, with the same
 *   error; hob_ws_link_about has the words. When the server takes no more (GOAWAY), those that are open go on, and
 *   who wants another gets -EAGAIN: time for another link.
 *
 * What a server sends can end the link, and nothing else; frames that carry nothing have a budget.
 *
 * A link belongs to the worker that opened it; any of its tasks may use it.
 */
#ifndef HOB_WS_LINK_H
#define HOB_WS_LINK_H

#include "hob/ws_open.h"

HOB_BEGIN_DECLS

typedef struct hob_ws_link hob_ws_link;

/* All zero, or NULL, means the defaults. Everything is lent for the call. */
typedef struct hob_ws_link_opts {
    hob_connect_opts connect;  /* as in hob_ws_open_opts                                               */
    hob_tls_config  *tls;      /* as there                                                             */
    int64_t          limit_ns; /* to open the link; 0: 30 s; HOB_FOREVER: as the scope says            */
    uint32_t window_bytes; /* of a WebSocket, that come before they are received; 0: 64 KiB; 1 KiB to 16 MiB */
    uint32_t open_max;     /* at once, if the server takes as many; 0: 10,000                          */
    uint32_t waiting_max;  /* who wait until there are fewer; 0: 1,000                                 */
} hob_ws_link_opts;

/* Opens a connection to the server of "wss://host[:port]", or of ws://, which then is known to speak HTTP/2.
 *
 * Waits, also until the server has said that it has WebSockets there. Returns 0, and *ret_link is the caller's; or
 * a negative error as hob_ws_open_with, with *ret_words (unless NULL) saying why:
 *   -EINVAL           the URL is none, or has a path
 *   -EPROTONOSUPPORT  the server speaks no HTTP/2, or has no WebSockets there (SETTINGS_ENABLE_CONNECT_PROTOCOL)
 *   -EPROTO           what it speaks is not HTTP/2
 *   -ETIMEDOUT, -ECANCELED, -ENOMEM, -ECONNRESET; of names, TCP and TLS ... */
HOB_API HOB_MUST_USE int hob_ws_link_open(const char *url, const hob_ws_link_opts *opts,
                                          hob_ws_open_words *ret_words, hob_ws_link **ret_link);

/* Opens a WebSocket on the link: `target` is "/path?query". When as many are open as the server takes at once, or
 * open_max, it waits for its turn, after those who came before.
 *
 * Waits, up to opts->handshake_ns, the turn included. Returns 0, and *ret_ws is the caller's; or
 *   -EINVAL    the target, a protocol or a header is none, or a header is one of HTTP/1.1's own
 *   HOB_EWS    the server does not want to: opts->ret_status
 *   -EAGAIN    the server has not looked at it: it takes no more on this link, or has refused the stream seven times
 *              in 0.6 s. On another link it may be asked again
 *   -EBUSY     waiting_max wait already
 *   -ETIMEDOUT, -ECANCELED, -ENOMEM; or why the link has ended */
HOB_API HOB_MUST_USE int hob_ws_open_on(hob_ws_link *link, const char *target, const hob_ws_opts *opts,
                                        hob_ws_open_words *ret_words, hob_ws **ret_ws);

/* Ends the link in good order: no more are opened (-EAGAIN, also to those who wait for their turn); waits until
 * those who have WebSockets on it have closed them; and says goodbye (GOAWAY). It is closed by hob_ws_link_close. In a
 * cancelled scope use HOB_SHIELD. Returns 0, also the second time; -ECANCELED, -ETIMEDOUT: another call may go on;
 * or why the link has ended. */
HOB_API HOB_MUST_USE int hob_ws_link_shutdown(hob_ws_link *link);

/* Closes the link; NULL is fine. Calls that wait on it, and on WebSockets that are still on it, return
 * -ECONNRESET; each of these is still to be closed by whoever has it. Does not wait. */
HOB_API void hob_ws_link_close(hob_ws_link *link);

typedef struct hob_ws_link_facts {
    uint32_t    open;     /* WebSockets on it, those included that the server has not let go yet        */
    uint32_t    open_max; /* that it may have at once: the smaller of ours and the server's             */
    uint32_t    waiting;  /* who wait for their turn                                                    */
    int         leaves;   /* 1: no more are opened                                                      */
    int         error;    /* why it has ended; 0: it has not                                            */
    const char *words;    /* the same in a sentence, or why it leaves; "". As long as the link          */
} hob_ws_link_facts;

/* Does not wait. */
HOB_API void hob_ws_link_about(const hob_ws_link *link, hob_ws_link_facts *ret_facts);

HOB_END_DECLS

#endif
