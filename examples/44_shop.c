/* SPDX-License-Identifier: MIT */
/*
 * A web service: http://localhost:8080/docs shows what it can do, and lets you try it
 * (or another port: 44_shop 9000). Items live in memory; each change needs the token "open-sesame".
 *
 *     curl localhost:8080/items
 *     curl localhost:8080/items -H 'Authorization: Bearer open-sesame' --json '{"name":"pot","price":9.5}'
 *
 * SIGHUP reads the prices anew, as it were; SIGTERM lets the requests that have begun finish.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hob.h>
#include <hob/web.h>

/* ---- what is sold ---- */

struct item {
    int64_t id;
    char   *name;
    double  price;
};

static HOB_JSON_TABLE_WITH(item_json, struct item,
    HOB_JSON_ABOUT(.called = "Item", .text = "Something to cook with"),
    HOB_JSON_FIELD(id, .read_only = 1, .about = "Given by the shop"),
    HOB_JSON_FIELD(name, .len_min = 1, .len_max = 40, .example = "pot"),
    HOB_JSON_FIELD(price, .range = HOB_JSON_RANGE(0, 10000), .example = "9.5"));

struct item_list {
    struct item *items;
    size_t       count;
    size_t       in_all;
};

static HOB_JSON_TABLE_WITH(item_list_json, struct item_list, HOB_JSON_ABOUT(.called = "ItemList"),
    HOB_JSON_OBJECTS(items, count, item_json),
    HOB_JSON_FIELD(in_all, .about = "How many there are on all pages"));

struct item_key {
    int64_t id;
};

static HOB_JSON_TABLE(item_key_json, struct item_key,
    HOB_JSON_FIELD(id, .range = HOB_JSON_MIN(1), .example = "1"));

struct search {
    char *word;
    int   page;
};

static HOB_JSON_TABLE(search_json, struct search,
    HOB_JSON_FIELD(word, .optional = 1, .len_max = 40, .about = "A part of the name"),
    HOB_JSON_FIELD(page, .range = HOB_JSON_RANGE(1, 1000), .otherwise = "1"));

/* Workers share it, so it has a lock. */
struct shop {
    hob_mutex   lock;
    struct item items[100];
    size_t      count;
    int64_t     last_id;
};

/* ---- handlers ---- */

static struct item *find(struct shop *shop, int64_t id)
{
    for (size_t i = 0; i < shop->count; i++) {
        if (shop->items[i].id == id)
            return &shop->items[i];
    }
    return NULL;
}

/* A copy that lives as long as the request: nobody holds the lock while a client reads. */
static int copy_item(hob_http_request *req, const struct item *item, struct item *ret_copy)
{
    char *name = hob_web_printf(req, "%s", item->name);
    if (name == NULL)
        return -ENOMEM;
    *ret_copy = (struct item){ item->id, name, item->price };
    return 0;
}

enum { PAGE = 10 };

static int look_for(struct shop *shop, hob_http_request *req, struct item_list *list)
{
    const struct search *search = hob_web_query(req);
    size_t               skip = (size_t)(search->page - 1) * PAGE;

    HOB_LOCKED(&shop->lock);
    for (size_t i = 0; i < shop->count; i++) {
        if (search->word != NULL && strstr(shop->items[i].name, search->word) == NULL)
            continue;
        if (list->in_all >= skip && list->count < PAGE)
            HOB_TRY(copy_item(req, &shop->items[i], &list->items[list->count++]));
        list->in_all++;
    }
    return 0;
}

static int list_items(hob_http_request *req, void *arg)
{
    struct item      page[PAGE];
    struct item_list list = { .items = page };

    HOB_TRY(look_for(arg, req, &list));
    return hob_web_reply(req, 200, &list);
}

static int look_up(struct shop *shop, hob_http_request *req, int64_t id, struct item *ret_item)
{
    HOB_LOCKED(&shop->lock);
    const struct item *item = find(shop, id);
    return item != NULL ? copy_item(req, item, ret_item) : -ENOENT;
}

static int show_item(hob_http_request *req, void *arg)
{
    const struct item_key *key = hob_web_path(req);
    struct item            item;

    int r = look_up(arg, req, key->id, &item);
    if (r == -ENOENT)
        return hob_web_error(req, 404, "there is no such item");
    HOB_TRY(r);
    return hob_web_reply(req, 200, &item);
}

static int put_in(struct shop *shop, const struct item *wanted, int64_t *ret_id)
{
    HOB_LOCKED(&shop->lock);
    if (shop->count == sizeof shop->items / sizeof shop->items[0])
        return -ENOSPC;
    char *name = strdup(wanted->name); // what came ends with the request
    if (name == NULL)
        return -ENOMEM;
    *ret_id = ++shop->last_id;
    shop->items[shop->count++] = (struct item){ *ret_id, name, wanted->price };
    return 0;
}

static int add_item(hob_http_request *req, void *arg)
{
    struct item *item = hob_web_body(req);

    int r = put_in(arg, item, &item->id);
    if (r == -ENOSPC)
        return hob_web_error(req, 409, "the shelves are full");
    HOB_TRY(r);
    char *where = hob_web_printf(req, "/items/%lld", (long long)item->id);
    if (where == NULL)
        return -ENOMEM;
    HOB_TRY(hob_http_set_header(req, "Location", where));
    return hob_web_reply(req, 201, item);
}

static int take_out(struct shop *shop, int64_t id)
{
    HOB_LOCKED(&shop->lock);
    struct item *item = find(shop, id);
    if (item == NULL)
        return -ENOENT;
    free(item->name);
    *item = shop->items[--shop->count];
    return 0;
}

static int remove_item(hob_http_request *req, void *arg)
{
    const struct item_key *key = hob_web_path(req);

    int r = take_out(arg, key->id);
    if (r == -ENOENT)
        return hob_web_error(req, 404, "there is no such item");
    HOB_TRY(r);
    return hob_http_reply(req, 204, NULL, NULL, 0);
}

static int may_change(hob_http_request *req, void *arg, const char *token)
{
    return hob_web_same("open-sesame", token);
}

/* ---- the service ---- */

static void put_together(hob_web *web, struct shop *shop)
{
    static const int64_t           limit_ns = 5 * HOB_SEC;
    static const hob_web_auth_opts keeper = { .bearer = may_change };
    static const hob_web_other     missing[] = { { 404, "There is no such item", NULL } };
    static const hob_web_other     full[] = { { 409, "The shelves are full", NULL } };

    hob_web_use(web, hob_web_id, NULL);
    hob_web_use(web, hob_web_log, NULL);
    hob_web_use(web, hob_web_timeout, (void *)&limit_ns);
    hob_web_use(web, hob_web_gzip, NULL);
    hob_web_use(web, hob_web_etag, NULL);

    hob_web *open = hob_web_group(web, "/items");
    hob_web_operation(open, "GET", &(hob_web_op){ .query = search_json, .reply = item_list_json,
                      .id = "listItems", .tag = "Items", .summary = "Lists items, ten on a page" },
                      list_items, shop);
    hob_web_operation(open, "GET /{id}", &(hob_web_op){ .path = item_key_json, .reply = item_json,
                      .others = missing, .other_count = 1, .id = "showItem", .tag = "Items",
                      .summary = "Shows an item" }, show_item, shop);

    hob_web *closed = hob_web_group(web, "/items"); // the same paths, for those who may
    hob_web_use(closed, hob_web_auth, (void *)&keeper);
    hob_web_operation(closed, "POST", &(hob_web_op){ .body = item_json, .reply = item_json, .status = 201,
                      .others = full, .other_count = 1, .id = "addItem", .tag = "Items",
                      .auth = "bearer", .summary = "Adds an item" }, add_item, shop);
    hob_web_operation(closed, "DELETE /{id}", &(hob_web_op){ .path = item_key_json, .others = missing,
                      .other_count = 1, .id = "removeItem", .tag = "Items", .auth = "bearer",
                      .summary = "Removes an item" }, remove_item, shop);

    hob_web_add_docs(web);
    hob_web_add_health(web);
    hob_web_add_metrics(web);
}

static void listening(void *arg, const hob_addr *addr)
{
    printf("a shop, on port %u\n", hob_addr_port(addr));
}

static int reload(void *arg)
{
    printf("reloaded\n");
    return 0;
}

static void close_shop(void *arg)
{
    struct shop *shop = arg;
    for (size_t i = 0; i < shop->count; i++)
        free(shop->items[i].name);
}

static void free_web(void *web)
{
    hob_web_free(web);
}

static int serve(void *arg)
{
    const char *port = arg;
    static struct shop shop = { .lock = { .name = "the shelves" } };
    hob_addr    here = hob_addr_loopback((uint16_t)atoi(port));
    hob_web    *web;

    HOB_TRY(hob_web_new(&(hob_web_opts){ .title = "Shop", .version = "1.0.0",
                        .about = "Pots and pans. Changes need the token open-sesame." }, &web));
    HOB_DEFER(free_web, web);
    HOB_DEFER(close_shop, &shop);
    put_together(web, &shop);
    return hob_web_serve(web, &here, &(hob_web_serve_opts){ .listening = listening, .reload = reload,
                         .drain_ns = HOB_SEC });
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    return hob_run(serve, argc > 1 ? argv[1] : "8080");
}
