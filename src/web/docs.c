/* SPDX-License-Identifier: MIT */
/*
 * The documentation, as a document for programs and as a page for people. The page is docs.html, which
 * embed.py makes a text of C from; nothing in it comes from elsewhere, and its policy allows no more
 * than its own style and script, by their hashes, and calls of this service.
 */
#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "web/docs.h"
#include "web/web.h"

static int show_document(hob_http_request *req, void *arg)
{
    struct web_service *service = arg;
    json_t             *document;
    char               *text;

    HOB_TRY(hob_web_openapi(&service->root, &document));
    ssize_t len = hob_json_value_text(document, &(hob_json_opts){ .pretty = 1, .bytes_max = 64 * 1024 * 1024 }, &text);
    json_decref(document);
    if (len < 0)
        return (int)len;
    int r = hob_http_reply(req, 200, "application/json", text, (size_t)len);
    hob_json_release(NULL, text);
    return r;
}

static int show_page(hob_http_request *req, void *none)
{
    (void)none;
    HOB_TRY(hob_http_set_header(req, "Content-Security-Policy", hob__web_docs_policy));
    HOB_TRY(hob_http_set_header(req, "X-Content-Type-Options", "nosniff"));
    HOB_TRY(hob_http_set_header(req, "Referrer-Policy", "no-referrer"));
    return hob_http_reply(req, 200, "text/html; charset=utf-8", hob__web_docs_page, strlen(hob__web_docs_page));
}

void hob_web_add_docs(hob_web *web)
{
    hob_web_handle(web, "GET /openapi.json", show_document, web->service);
    hob_web_handle(web, "GET /docs", show_page, NULL);
}
