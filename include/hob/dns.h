/* SPDX-License-Identifier: MIT */
/*
 * Names: connecting by name, and asking the domain name system.
 *
 *     hob_tcp *conn;
 *     HOB_TRY(hob_connect("example.com:80", &conn));
 *
 *     hob_addr addrs[8];
 *     int n = HOB_TRY(hob_dns_addrs(NULL, "example.com", 443, AF_UNSPEC, addrs, 8));
 *
 * A library of its own: not part of hob.h; link libhob-dns (pkg-config). No thread is used, and
 * nothing blocks: the questions are sent and the answers read on the loop, /etc/hosts and
 * /etc/resolv.conf are read by hob/file.h. In sim both are files of the simulated disk, and a name
 * server is a task of the test's: see docs/guide/24-names.md.
 *
 * Names.  Letters, digits, - and _ in labels of 1 to 63 bytes, 253 in all, and one more dot at the
 *   end says that it is the whole name: then the search list of resolv.conf is not used. What
 *   cannot be a name is refused (-EINVAL, -ENAMETOOLONG) and never cut: also `0x7f.1`, `127.1` and
 *   all else whose last label looks like a number, xn-- labels that are no punycode, and names
 *   that are not ASCII. Addresses as text ("10.0.0.1", "::1", "[::1]") are answered at once.
 * Where from.  First /etc/hosts, which has the last word on the names that it has; `localhost` and
 *   names below it are this machine (RFC 6761), those below `invalid` and `onion` are not asked
 *   for; then the name servers.
 * Answers are kept for as long as they say, so are those that say no (RFC 2308). Who asks for the
 *   same thing at the same time shares one question.
 * Errors.  hob_dns_strerror has words for them:
 *   -ENOENT      there is no such name
 *   -ENODATA     the name is there, but has nothing of that kind
 *   -EAGAIN      the name servers could not answer (SERVFAIL, REFUSED), or too much is asked at a time
 *   -ETIMEDOUT   none of them answered in time; or the scope's deadline
 *   -EBADMSG     what they answered makes no sense
 *   -EMSGSIZE    the answer has more than HOB_DNS_RECORDS_MAX records
 *   -ECONNREFUSED, -ENETUNREACH ...  no name server can be reached
 *   -ECANCELED, -ENOMEM, -EMFILE ...
 * Trust.  What name servers say is checked to be the answer to what was asked, from whom it was
 *   asked; but who sits in between can say what he likes. hob/tls.h tells who is at the other end.
 */
#ifndef HOB_DNS_H
#define HOB_DNS_H

#include <sys/socket.h>

#include "hob/task.h"
#include "hob/tcp.h"

HOB_BEGIN_DECLS

/* ---- resolvers ---- */

/* One who looks names up. It belongs to the worker that made it. Where one is asked for, NULL is
 * the default one of the calling worker, which is made when it is first used, with default options,
 * and ends with the run. */
typedef struct hob_dns hob_dns;

enum {
    HOB_DNS_NAME_MAX    = 253, /* bytes of a name                      */
    HOB_DNS_RECORDS_MAX = 256, /* in one answer                        */
    HOB_DNS_SERVERS_MAX = 8,   /* of the options; resolv.conf: three   */
};

/* All zero, or NULL, means the defaults. Texts are copied. */
typedef struct hob_dns_opts {
    const char *hosts_file;   /* NULL: /etc/hosts; "": none. At most 4 MiB and 262144 names: of a
                                 larger one nothing is used                                       */
    const char *resolv_file;  /* NULL: /etc/resolv.conf, unless there are `servers`; "": none. At
                                 most 64 KiB. Without one: the server 127.0.0.1, and no search list */
    const char *const *servers; /* instead of those of the file, with NULL at the end: "10.0.0.1",
                                 "10.0.0.1:5353", "::1", "[::1]:5353"; NULL: none                 */
    int64_t  look_ns;         /* so seldom it looks whether the files have changed; 0: 5 s        */
    int64_t  limit_ns;        /* the longest that a look-up takes; 0: 15 s; HOB_FOREVER: as the
                                 scope says                                                       */
    int64_t  try_ns;          /* so long a server has to answer, at first, and twice as long in each
                                 further round; 0: the `timeout` of resolv.conf, in each round, or
                                 2 s                                                              */
    uint32_t rounds;          /* so often each server is asked; 0: the `attempts` of resolv.conf, or 3 */
    uint32_t entries_max;     /* answers kept; 0: 1024                                            */
    int64_t  ttl_max_ns;      /* the longest that an answer is kept, whatever it says; 0: a day;
                                 < 0: nothing is kept                                             */
    int64_t  negative_ttl_max_ns; /* the same when it says no; 0: 15 minutes; < 0: not            */
    int64_t  stale_ns;        /* an answer is still given so long after its time when no server can
                                 answer within half of limit_ns (RFC 8767); 0: not                */
    uint32_t questions_max;   /* under way at a time; then a look-up gives -EAGAIN; 0: 1024       */
    unsigned mixed_case : 1;  /* asks for eXAmpLe.cOM, and takes only answers that repeat it: harder
                                 to forge, but some servers do not repeat it                      */
    unsigned by_tcp : 1;      /* never by UDP; so does the option use-vc of resolv.conf           */
} hob_dns_opts;

/* Makes a resolver whose questions are tasks of `scope`, or rather of a daemon in it: they do not
 * keep it from ending, and its end cancels them. Waits a moment, for no file and no server. Returns
 * 0, -EINVAL (a server of the options is no address, or they are too many), -ENOMEM, -EAGAIN,
 * -ECANCELED, -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_dns_new(hob_scope *scope, const hob_dns_opts *opts, hob_dns **ret_dns);

/* Frees it; NULL is fine. Who still waits for an answer gets -ECANCELED. Before or after its scope
 * has ended. Does not wait. */
HOB_API void hob_dns_free(hob_dns *dns);

/* Forgets what was answered, and looks at the files when it is asked next. NULL: the default one,
 * if there is one yet. Does not wait. */
HOB_API void hob_dns_clear(hob_dns *dns);

/* ---- look-ups: they wait ---- */

/* The addresses of a name, with `port` in them, in the order to try them: IPv6 and IPv4 in turns.
 * `family`: AF_INET, AF_INET6, or AF_UNSPEC for both, which are asked for at once; if one of the two
 * cannot be had, or comes more than 2 s after the other, the other is the answer. Writes at most `max` to `addrs`. Returns how many there
 * are, at least 1 and maybe more than `max`; or an error. */
HOB_API HOB_MUST_USE int hob_dns_addrs(hob_dns *dns, const char *name, uint16_t port, int family,
                                       hob_addr *addrs, size_t max);

/* A server of a service (RFC 2782). */
typedef struct hob_dns_service {
    uint16_t priority, weight, port;
    char     host[HOB_DNS_NAME_MAX + 1];
} hob_dns_service;

/* The servers of a service, such as "_xmpp-client._tcp.example.com", in the order to try them: by
 * priority, and by chance and weight. The name is taken as the whole one. Writes at most `max`.
 * Returns how many there are, at least 1; -ENODATA also when the service says that it is not
 * offered there; or an error. */
HOB_API HOB_MUST_USE int hob_dns_services(hob_dns *dns, const char *name,
                                          hob_dns_service *services, size_t max);

/* One text: any bytes, with a NUL behind them. */
typedef struct hob_dns_text {
    size_t      len;
    const char *bytes;
} hob_dns_text;

/* The texts of a name (TXT); the pieces of each are put together. The name is taken as the whole
 * one. Returns how many there are, at least 1, and *ret_texts is an array of them, in one piece of
 * memory with the bytes, which is yours to free(3); or an error. */
HOB_API HOB_MUST_USE int hob_dns_texts(hob_dns *dns, const char *name, hob_dns_text **ret_texts);

typedef struct hob_dns_name {
    char text[HOB_DNS_NAME_MAX + 1];
} hob_dns_name;

/* The names of an address (PTR), as those say who own the address: no proof of anything. Its port
 * is of no account. Writes at most `max`. Returns how many there are, at least 1; -EAFNOSUPPORT: an
 * address that is neither IPv4 nor IPv6; or an error. */
HOB_API HOB_MUST_USE int hob_dns_names(hob_dns *dns, const hob_addr *addr, hob_dns_name *names,
                                       size_t max);

/* Words for an error of a look-up: "there is no such name"; for others those of hob_strerror. Never
 * NULL. Does not wait. */
HOB_API const char *hob_dns_strerror(int error);

typedef struct hob_dns_stats {
    uint64_t lookups;       /* of names, for one kind of record each                       */
    uint64_t from_hosts;    /* of these, answered by /etc/hosts, or being this machine     */
    uint64_t from_cache;    /* answered by what was kept, stale or not                     */
    uint64_t questions;     /* for which servers were asked; fewer than the rest: shared   */
    uint64_t sent_udp, sent_tcp; /* queries, each try counts                               */
    uint64_t silent;        /* tries to which nothing came in time                         */
    uint64_t strange;       /* datagrams that were no answer to the question: ignored      */
    uint64_t bad;           /* answers that make no sense                                  */
    uint64_t failed;        /* answers by which a server says that it cannot               */
    uint64_t entries;       /* answers kept now                                            */
    uint64_t loads;         /* times the files were read                                   */
    int      hosts_error;   /* why hosts was not used when it was read last: -ENOENT, -EFBIG ... */
    int      resolv_error;  /* the same of resolv.conf                                     */
} hob_dns_stats;

/* What it has counted. NULL: the default one, or all zero when there is none yet. Does not wait. */
HOB_API void hob_dns_stats_get(hob_dns *dns, hob_dns_stats *ret_stats);

/* ---- connecting ---- */

/* Room for a sentence on what went wrong. */
typedef struct hob_connect_words {
    char text[512];
} hob_connect_words;

/* All zero, or NULL, means the defaults. */
typedef struct hob_connect_opts {
    hob_dns     *dns;      /* NULL: the default one                                         */
    hob_tcp_opts tcp;
    int          family;   /* AF_INET, AF_INET6; 0: both                                    */
    int64_t      limit_ns; /* for all of it; 0: 30 s; HOB_FOREVER: as the scope says        */
    int64_t      next_ns;  /* an attempt has so long before the next address is tried, too;
                              0: 250 ms                                                     */
    int64_t      v6_ns;    /* IPv4 waits so long for the addresses of IPv6; 0: 50 ms        */
} hob_connect_opts;

/* Connects to "host:port": a name, an IPv4 address, or an IPv6 address in brackets; and a port in
 * digits.
 *
 * Waits. All addresses of the name are tried (at most 16 of each family), IPv6 and IPv4 in turns: the
 * next one when an attempt has failed or has taken a quarter of a second, and the first that succeeds
 * wins ("Happy Eyeballs", RFC 8305). The others are cancelled and gone when it returns. So one family
 * that does not work, or one dead server of several, costs little.
 *
 * Returns 0, and *ret_conn is the caller's; or, with *ret_words (unless NULL) saying all of it in one
 * sentence:
 *   -EINVAL, -ENAMETOOLONG           what is given is not host:port
 *   the errors of a look-up          see above
 *   the errors of hob_tcp_connect    when all attempts failed: that of the first
 *   -ETIMEDOUT                       over limit_ns, or the scope's deadline
 *   -ECANCELED                       the scope was cancelled */
HOB_API HOB_MUST_USE int hob_connect(const char *host_port, hob_tcp **ret_conn);
HOB_API HOB_MUST_USE int hob_connect_with(const char *host_port, const hob_connect_opts *opts,
                                          hob_connect_words *ret_words, hob_tcp **ret_conn);

HOB_END_DECLS

#endif
