/* SPDX-License-Identifier: MIT */
/* What a resolver is to the files that use it: dns.c keeps it, ask.c asks it, connect.c connects. */
#ifndef HOB_DNS_RESOLVER_H
#define HOB_DNS_RESOLVER_H

#include "dns/files.h"

/* hob_checkpoint; outside of a task it is a mistake of `caller`'s. */
int hob__dns_checkpoint(const char *caller);

/* The resolver, or the default one, held until it is left. A wrong one is a mistake of `caller`'s.
 * May wait. Returns 0, -ENOMEM, -EAGAIN, -ECANCELED, -ETIMEDOUT. */
int  hob__dns_enter(hob_dns *dns, const char *caller, hob_dns **ret_dns);
void hob__dns_leave(hob_dns *dns);

/* How long a look-up may take. */
int64_t hob__dns_limit_ns(const hob_dns *dns);

/* The records of a whole name, from the cache or from servers. */
int hob__dns_ask(hob_dns *dns, const struct dns_name *name, uint16_t type,
                 struct dns_answer **ret_answer);

/* The addresses of one family (as A or AAAA) of a name that was looked at: from the files, or from
 * servers along the search list. */
int hob__dns_find(hob_dns *dns, const struct dns_name *name, int family,
                  struct dns_answer **ret_answer);

/* What to tell when neither family was found. */
int hob__dns_both_failed(int v6, int v4);

/* A look-up that nobody had to be asked for. */
void hob__dns_count_here(hob_dns *dns);

/* What the files say now; the caller's to give back. May wait. */
int hob__dns_view(hob_dns *dns, struct dns_view **ret_view);

#endif
