/* SPDX-License-Identifier: MIT */
/* What the tests of libhob-web share: short words for asking a service, and jansson's memory counted. */
#ifndef HOB_TESTS_WEB_SHOP_H
#define HOB_TESTS_WEB_SHOP_H

#include <jansson.h>

#include "support/io.h"

#include "base/alloc.h"
#include "web/web.h"

/* Before anything of jansson's is allocated: what is left over is seen, and torture fails each. */
__attribute__((constructor(101), unused)) static void take_memory_over(void)
{
    json_set_alloc_funcs(hob__alloc, hob__free);
}

static inline void free_web(hob_web **web)
{
    hob_web_free(*web);
}

/* A service that is freed at the end of the block. */
#define WEB(name)                                                                  \
    __attribute__((cleanup(free_web), unused)) hob_web *name = NULL;               \
    check_ok(hob_web_new(NULL, &name))

static inline void free_rates(hob_rates **rates)
{
    hob_rates_free(*rates);
}

#define RATES(name) __attribute__((cleanup(free_rates), unused)) hob_rates *name = NULL

#define GOT(name) __attribute__((cleanup(hob_web_got_free), unused)) hob_web_got name = { 0 }

/* Asks, and has the answer in `got`, whatever was there before. */
static inline int ask_with(hob_web *web, const char *method, const char *target, const char *headers,
                           hob_web_got *got)
{
    hob_web_got_free(got);
    return hob_web_call(web, method, target, &(hob_web_call_opts){ .headers = headers }, got);
}

static inline int get(hob_web *web, const char *target, hob_web_got *got)
{
    return ask_with(web, "GET", target, NULL, got);
}

static inline int send_json(hob_web *web, const char *method, const char *target, const char *body,
                            hob_web_got *got)
{
    hob_web_got_free(got);
    return hob_web_call(web, method, target, &(hob_web_call_opts){ .body = body }, got);
}

/* A header of the answer; "": there is none. Lasts until the next call but three. */
static inline const char *header(const hob_web_got *got, const char *name)
{
    static char bufs[4][2000];
    static int  next;
    char       *buf = bufs[next++ % 4];
    return hob_web_got_header(got, name, buf, 2000) != NULL ? buf : "";
}

#endif
