/* SPDX-License-Identifier: MIT */
/* Operations: what comes is checked before a handler sees it, and what documents them. */
#include "web/shop.h"
#include "web/shop_service.h"

#define ITEM "{\"name\":\"pan\",\"price\":3.5,\"colour\":\"green\"}"

TEST(web_typed, path_query_and_body_become_structs_and_a_struct_the_answer)
{
    WEB(web);
    GOT(got);

    put_shop_together(web);
    check_ok(get(web, "/items/7", &got));
    check_eq(got.status, 200);
    check_str(header(&got, "Content-Type"), "application/json");
    check_str(got.body, "{\"id\":7,\"name\":\"pot\",\"price\":9.5,\"colour\":\"red\"}");
    check_ok(send_json(web, "POST", "/items", ITEM, &got));
    check_eq(got.status, 201);
    check_str(got.body, "{\"id\":8,\"name\":\"pan\",\"price\":3.5,\"colour\":\"green\"}");
    check_ok(get(web, "/items?word=a+b%2Bc&colour=green&&", &got));
    check_str(got.body, "{\"items\":[{\"id\":1,\"name\":\"a b+c\",\"price\":1.0,\"colour\":\"green\"}]}");
    check_ok(get(web, "/items?page=3&tag=x&tag=y", &got));
    check_str(got.body, "{\"items\":[]}");
    check_ok(get(web, "/items/404", &got));
    check_eq(got.status, 404);
    check_has(got.body, "\"detail\":\"no such item\"");
    check_ok(ask_with(web, "DELETE", "/items/7", NULL, &got));
    check_eq(got.status, 204);
    check_ok(get(web, "/files/a/b", &got));
    check_str(got.body, "a/b");

    // Values of any kind, which are jansson's, are freed.
    check_ok(send_json(web, "POST", "/items", "{\"name\":\"pan\",\"price\":3,\"extra\":{\"a\":[1]}}", &got));
    check_has(got.body, "\"extra\":{\"a\":[1]}");
}

struct bad {
    const char *method, *target, *type, *body;
    int         status;
    const char *says;
};

TEST(web_typed, what_is_wrong_is_told_field_by_field)
{
    static const struct bad CASES[] = {
        { "GET", "/items/0", NULL, NULL, 422, "{\"in\":\"path\",\"path\":\"id\",\"words\":\"0 is less than 1\"}" },
        { "GET", "/items/x", NULL, NULL, 422, "\"in\":\"path\",\"path\":\"id\"" },
        { "GET", "/items?page=0", NULL, NULL, 422, "{\"in\":\"query\",\"path\":\"page\",\"words\":\"0 is less than 1\"}" },
        { "GET", "/items?page=1&page=2", NULL, NULL, 422, "\"in\":\"query\",\"path\":\"page\"" },
        { "GET", "/items?nothing=1", NULL, NULL, 422, "\"path\":\"nothing\"" },
        { "GET", "/items?word=12345678901", NULL, NULL, 422, "\"path\":\"word\"" },
        { "GET", "/items?word=%", NULL, NULL, 400, "the query is not well-formed" },
        { "GET", "/items?word=%ff", NULL, NULL, 422, "\"path\":\"word\"" },
        { "GET", "/items?wo%00rd=x", NULL, NULL, 400, "the query is not well-formed" },
        { "GET", "/items?word=%00", NULL, NULL, 422, "\"path\":\"word\"" },
        { "POST", "/items", NULL, "{\"name\":\"\",\"price\":-1,\"colour\":\"blue\"}", 422,
          "{\"in\":\"body\",\"path\":\"price\",\"words\":\"-1.0 is less than 0.0\"},{\"in\":\"body\",\"path\":\"colour\"" },
        { "POST", "/items", NULL, "{\"id\":1,\"name\":\"x\",\"price\":1}", 422, "\"path\":\"id\"" },
        { "POST", "/items", NULL, "{\"name\":", 400, "line 1, column" },
        { "POST", "/items", NULL, "[]", 422, "\"in\":\"body\",\"path\":\"\"" },
        { "POST", "/items", "text/plain", ITEM, 415, "application/json" },
        { "POST", "/items", "application/jsonx", ITEM, 415, "application/json" },
        { "POST", "/items", "application/json;charset=utf-8", ITEM, 201, "pan" },
        { "POST", "/items", "Application/Shop+JSON", ITEM, 201, "pan" },
        { "POST", "/items", NULL, NULL, 400, "" },
        { "POST", "/items", "application/json\r\nContent-Encoding: identity", ITEM, 201, "pan" },
        { "POST", "/items", "application/json\r\nContent-Encoding: gzip", ITEM, 415, "without a Content-Encoding" },
        { "POST", "/items", NULL, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 413, "\"detail\":\"this is more than is taken\"" },
    };
    WEB(web);
    GOT(got);

    put_shop_together(web);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const struct bad *c = &CASES[i];
        hob_web_got_free(&got);
        check_ok(hob_web_call(web, c->method, c->target, &(hob_web_call_opts){ .type = c->type, .body = c->body }, &got));
        if (got.status != c->status || strstr(got.body, c->says) == NULL)
            fail("%s %s %s: %d %s", c->method, c->target, c->body, got.status, got.body);
    }
}

TEST(web_typed, a_body_that_is_too_long_is_413)
{
    hob_web *web;
    char     body[300];
    GOT(got);

    check_ok(hob_web_new(&(hob_web_opts){ .body_bytes_max = 100 }, &web));
    put_shop_together(web);
    snprintf(body, sizeof body, "{\"name\":\"x\",\"price\":1%100s}", "");
    check_ok(send_json(web, "POST", "/items", body, &got));
    check_eq(got.status, 413);
    hob_web_free(web);
}

TEST(web_typed, an_answer_that_does_not_fit_its_table_is_500_and_logged)
{
    WEB(web);
    GOT(got);
    put_shop_together(web);
    check_ok(get(web, "/items/500", &got));
    check_eq(got.status, 500);
    check(strstr(got.body, "name") == NULL);
    check_has(hob_test_log_text(), "ERROR an answer does not fit its table pattern=/items/{id} what=\"name: ");
}

TEST(web_typed, the_document_tells_of_all_that_is_not_hidden)
{
    json_t *document;
    WEB(web);
    GOT(got);

    put_shop_together(web);
    check_ok(get(web, "/openapi.json", &got));
    check_eq(got.status, 200);
    document = json_loads(got.body, 0, NULL);
    check(document != NULL);
    json_t *paths = json_object_get(document, "paths");
    check_eq(json_object_size(paths), 3);
    check(json_object_get(json_object_get(paths, "/items"), "post") != NULL);
    check(json_object_get(json_object_get(paths, "/files/{path}"), "get") != NULL);
    check(json_object_get(paths, "/hidden") == NULL);
    json_t *schemas = json_object_get(json_object_get(document, "components"), "schemas");
    check(json_object_get(schemas, "Item") != NULL);
    check(json_object_get(schemas, "Found") != NULL);
    check(json_object_get(schemas, "Problem") != NULL);
    json_decref(document);
    check_has(got.body, "\"operationId\": \"get_items_id\"");
    check_has(got.body, "\"$ref\": \"#/components/schemas/Item\"");
}

TEST(web_typed, the_page_needs_nothing_from_elsewhere)
{
    WEB(web);
    GOT(got);
    hob_web_add_docs(hob_web_group(web, "/api"));
    check_ok(get(web, "/api/docs", &got));
    check_eq(got.status, 200);
    check_str(header(&got, "Content-Type"), "text/html; charset=utf-8");
    check_has(header(&got, "Content-Security-Policy"), "default-src 'none'; script-src 'sha256-");
    check(strstr(got.body, " src=") == NULL);
    check(strstr(got.body, "innerHTML") == NULL);
    check(strstr(got.body, " style=") == NULL);
}

/* Each allocation of ours fails in turn; those of jansson, in torture. */
TEST_ONCE(web_typed, without_memory_there_is_an_answer_or_none_but_nothing_is_left)
{
    static const char *const TARGETS[] = { "/items/7", "/items?tag=a&tag=b&page=9", "/openapi.json", "/items/x" };
    GOT(got);

    for (size_t i = 0; i < sizeof TARGETS / sizeof TARGETS[0]; i++) {
        for (long at = 1; at < 60; at++) {
            WEB(web);
            put_shop_together(web);
            hob__web_fail_at = at;
            int r = get(web, TARGETS[i], &got);
            hob__web_fail_at = 0;
            if (r < 0)
                check_err(r, -ENOMEM);
            else
                check(got.status == 200 || got.status == 500 || got.status == 422);
        }
        check_eq(got.status, i == 3 ? 422 : 200);
    }
    for (long at = 1; at < 150; at++) {
        hob_web *web;
        check_ok(hob_web_new(NULL, &web));
        hob__web_fail_at = at;
        put_shop_together(web);
        hob__web_fail_at = 0;
        if (hob_web_check(web) == 0)
            check_gt(at, 20);
        else
            check_err(hob_web_check(web), -ENOMEM);
        hob_web_free(web);
    }
    hob_test_log_clear();
}

TEST_DIES(web_typed, a_table_that_does_not_fit_its_path_is_a_mistake,
          "*hob_web_operation: \"GET /x/{key}\": the table of its path has no field for the parameter key*")
{
    WEB(web);
    hob_web_operation(web, "GET /x/{key}", &(hob_web_op){ .path = item_key_json }, show_item, NULL);
}

TEST_DIES(web_typed, a_field_without_a_parameter_is_a_mistake,
          "*hob_web_operation: \"GET /x\": the path has no parameter for the field id*")
{
    WEB(web);
    hob_web_operation(web, "GET /x", &(hob_web_op){ .path = item_key_json }, show_item, NULL);
}
