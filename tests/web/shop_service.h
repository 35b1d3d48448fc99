/* SPDX-License-Identifier: MIT */
/* A service with operations of every kind, for the tests of what is typed and of what documents it. */
#ifndef HOB_TESTS_WEB_SHOP_SERVICE_H
#define HOB_TESTS_WEB_SHOP_SERVICE_H

#include <string.h>

#include <hob.h>
#include <hob/web.h>
#include <jansson.h>

enum colour { RED, GREEN };

__attribute__((unused)) static const hob_json_name colours[] = { { "red", RED }, { "green", GREEN } };

struct item {
    int64_t        id;
    char          *name;
    double         price;
    enum colour    colour;
    struct json_t *extra;
};

struct item_key {
    int64_t id;
};

struct search {
    char  *word;
    int    page;
    char **tags;
    size_t tag_count;
    enum colour colour;
    bool        has_colour;
};

struct found {
    struct item *items;
    size_t       count;
};

static HOB_JSON_TABLE_WITH(item_json, struct item, HOB_JSON_ABOUT(.called = "Item", .text = "What is sold"),
    HOB_JSON_FIELD(id, .read_only = 1),
    HOB_JSON_FIELD(name, .len_min = 1, .len_max = 20, .about = "As on the sign", .example = "pot"),
    HOB_JSON_FIELD(price, .range = HOB_JSON_RANGE(0, 1000)),
    HOB_JSON_ENUM(colour, colours, .otherwise = "red"),
    HOB_JSON_FIELD(extra, .optional = 1));
static HOB_JSON_TABLE(item_key_json, struct item_key,
    HOB_JSON_FIELD(id, .range = HOB_JSON_MIN(1), .about = "The item's number", .example = "7"));
static HOB_JSON_TABLE(search_json, struct search,
    HOB_JSON_FIELD(word, .optional = 1, .len_max = 10),
    HOB_JSON_FIELD(page, .range = HOB_JSON_RANGE(1, 100), .otherwise = "1"),
    HOB_JSON_ARRAY(tags, tag_count, .as = "tag", .optional = 1, .count_max = 3),
    HOB_JSON_ENUM(colour, colours, .has = HOB_JSON_FLAG(has_colour)));
static HOB_JSON_TABLE_WITH(found_json, struct found, HOB_JSON_ABOUT(.called = "Found"),
    HOB_JSON_OBJECTS(items, count, item_json));

static int show_item(hob_http_request *req, void *arg)
{
    const struct item_key *key = hob_web_path(req);
    struct item            item = { .id = key->id, .name = "pot", .price = 9.5 };

    (void)arg;
    if (key->id == 404)
        return hob_web_error(req, 404, "no such item");
    if (key->id == 500)
        item.name = ""; // does not fit its table
    return hob_web_reply(req, 200, &item);
}

static int add_item(hob_http_request *req, void *arg)
{
    struct item *item = hob_web_body(req);

    (void)arg;
    item->id = 8;
    return hob_web_reply(req, 201, item);
}

static int find_items(hob_http_request *req, void *arg)
{
    const struct search *search = hob_web_query(req);
    struct item          item = { .id = search->page, .price = search->has_colour ? 1 : 0, .colour = search->colour,
                                  .name = search->word != NULL ? search->word : "none" };
    struct found found = { &item, search->tag_count == 0 ? 1 : 0 };

    (void)arg;
    return hob_web_reply(req, 200, &found);
}

static int drop_item(hob_http_request *req, void *arg)
{
    (void)arg;
    return hob_http_reply(req, 204, NULL, NULL, 0);
}

static int show_file(hob_http_request *req, void *arg)
{
    (void)arg;
    return hob_http_reply_text(req, 200, hob_web_param(req, "path"));
}

__attribute__((unused)) static void put_shop_together(hob_web *web)
{
    static const hob_web_other missing[] = { { 404, "There is no such item", NULL } };

    hob_web *items = hob_web_group(web, "/items");
    hob_web_operation(items, "GET", &(hob_web_op){ .query = search_json, .reply = found_json, .id = "findItems",
                      .summary = "Finds items", .tag = "Items" }, find_items, NULL);
    hob_web_operation(items, "POST", &(hob_web_op){ .body = item_json, .reply = item_json, .status = 201,
                      .id = "addItem", .summary = "Adds an item", .tag = "Items", .auth = "bearer" }, add_item, NULL);
    hob_web_operation(items, "GET /{id}", &(hob_web_op){ .path = item_key_json, .reply = item_json,
                      .others = missing, .other_count = 1, .summary = "Shows an item", .tag = "Items" }, show_item, NULL);
    hob_web_operation(items, "DELETE /{id}", &(hob_web_op){ .path = item_key_json, .deprecated = 1,
                      .about = "Long words\nabout it", .auth = "basic" }, drop_item, NULL);
    hob_web_operation(web, "GET /files/{path...}", &(hob_web_op){ .summary = "A file" }, show_file, NULL);
    hob_web_operation(web, "GET /hidden", &(hob_web_op){ .hidden = 1 }, show_file, NULL);
    hob_web_handle(web, "GET /plain", show_file, NULL);
    hob_web_add_docs(web);
}

#endif
