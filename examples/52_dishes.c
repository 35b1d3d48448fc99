/* SPDX-License-Identifier: MIT */
/*
 * The smallest web service: http://localhost:8080/docs shows what it can do, and lets you try it
 * (or another port: 52_dishes 9000).
 *
 *     curl localhost:8080/dishes --json '{"name":"soup","minutes":20}'
 *     curl localhost:8080/dishes --json '{"name":"","minutes":1000}'      # says what is wrong with it
 *
 * 44_shop is a larger one.
 */
#include <stdio.h>
#include <stdlib.h>

#include <hob.h>
#include <hob/web.h>

struct dish {
    char *name;
    int   minutes;
};

static HOB_JSON_TABLE(dish_json, struct dish,
    HOB_JSON_FIELD(name, .len_min = 1, .len_max = 40, .example = "soup"),
    HOB_JSON_FIELD(minutes, .range = HOB_JSON_RANGE(1, 600), .about = "Until it is done"));

/* What comes here fits the table: whatever does not was answered, with the field and its limit. */
static int cook_dish(hob_http_request *req, void *arg)
{
    const struct dish *dish = hob_web_body(req);

    HOB_TRY(hob_sleep(dish->minutes * HOB_MSEC)); // other requests go on meanwhile
    return hob_web_reply(req, 201, dish);
}

static void add_dishes(hob_web *web)
{
    hob_web_operation(web, "POST /dishes", &(hob_web_op){ .body = dish_json, .reply = dish_json,
                      .status = 201, .summary = "Cooks a dish" }, cook_dish, NULL);
    hob_web_add_docs(web); // OpenAPI 3.1 at /openapi.json, and a page at /docs that calls it
}

static void listening(void *arg, const hob_addr *addr)
{
    printf("dishes, on port %u\n", hob_addr_port(addr));
}

static void free_web(void *web)
{
    hob_web_free(web);
}

static int serve(void *arg)
{
    const char *port = arg;
    hob_addr    here = hob_addr_loopback((uint16_t)atoi(port));
    hob_web    *web;

    HOB_TRY(hob_web_new(&(hob_web_opts){ .title = "Dishes" }, &web));
    HOB_DEFER(free_web, web);
    add_dishes(web);
    return hob_web_serve(web, &here, &(hob_web_serve_opts){ .listening = listening });
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    return hob_run(serve, argc > 1 ? argv[1] : "8080");
}
