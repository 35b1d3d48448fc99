/* SPDX-License-Identifier: MIT */
/* Prints a document of OpenAPI, or the page and its policy, for test_web_openapi.py. */
#include <stdio.h>

#include "web/shop_service.h"

static int run(void *arg)
{
    hob_web    *web;
    hob_web_got got = { 0 };
    char        policy[500];

    HOB_TRY(hob_web_new(&(hob_web_opts){ .title = "Shop", .version = "1.2", .about = "Sells \"pots\"" }, &web));
    put_shop_together(web);
    int r = hob_web_call(web, "GET", arg, NULL, &got);
    if (r == 0) {
        if (hob_web_got_header(&got, "Content-Security-Policy", policy, sizeof policy) != NULL)
            printf("%s\n", policy);
        printf("%s", got.body);
    }
    hob_web_got_free(&got);
    hob_web_free(web);
    return r;
}

int main(int argc, char **argv)
{
    return hob_run(run, argc > 1 ? argv[1] : "/openapi.json");
}
