/* SPDX-License-Identifier: MIT */
/*
 * Orders as JSON: a struct is described once, and is then parsed, checked, written and explained.
 *
 *     examples/43_json               # two orders, one of them wrong
 *     examples/43_json schema        # what an order must look like, for others
 *     examples/43_json 'page=2&tag=red&tag=big'    # a query becomes a struct, too
 *     examples/43_json - < FILE      # JSON Lines: each line is an order
 */
#include <errno.h>
#include <string.h>

#include <hob.h>
#include <hob/json.h>
#include <jansson.h>

enum state { OPEN, PAID, SENT };

static const hob_json_name states[] = { { "open", OPEN }, { "paid", PAID }, { "sent", SENT } };

struct item {
    char sku[16];
    int  quantity;
};

struct order {
    int64_t      id;
    char        *customer;
    enum state   state;
    struct item *items;
    size_t       item_count;
    double       discount;
    bool         has_discount;
};

static HOB_JSON_TABLE_WITH(item_json, struct item, HOB_JSON_ABOUT(.called = "Item"),
    HOB_JSON_FIELD(sku, .len_min = 1, .about = "What the warehouse calls it", .example = "POT-24"),
    HOB_JSON_FIELD(quantity, .range = HOB_JSON_RANGE(1, 1000)));

static HOB_JSON_TABLE_WITH(order_json, struct order, HOB_JSON_ABOUT(.called = "Order"),
    HOB_JSON_FIELD(id, .range = HOB_JSON_MIN(1)),
    HOB_JSON_FIELD(customer, .format = HOB_JSON_EMAIL, .len_max = 254),
    HOB_JSON_ENUM(state, states, .otherwise = "open"),
    HOB_JSON_OBJECTS(items, item_count, item_json, .count_min = 1, .count_max = 50),
    HOB_JSON_FIELD(discount, .has = HOB_JSON_FLAG(has_discount), .range = HOB_JSON_RANGE(0, 0.5)));

static void say_errors(int r, const hob_json_errors *errors)
{
    if (errors->count == 0)
        printf("refused: %s\n", hob_strerror(r));
    for (unsigned i = 0; i < errors->count; i++) {
        const hob_json_error *error = &errors->at[i];
        if (error->line > 0)
            printf("refused: line %u, column %u: %s\n", error->line, error->column, error->words);
        else
            printf("refused: %s: %s\n", error->path, error->words);
    }
}

static int take_order(const char *body, size_t len)
{
    struct order    order;
    hob_json_errors errors;

    int r = hob_json_parse(order_json, body, len, NULL, &errors, &order);
    if (r < 0) {
        say_errors(r, &errors);
        return r;
    }
    printf("order %lld of %s, %zu items\n", (long long)order.id, order.customer, order.item_count);
    order.state = PAID;

    char   *text;
    ssize_t n = hob_json_text(order_json, &order, &(hob_json_opts){ .pretty = 1 }, &errors, &text);
    if (n >= 0) {
        printf("%s\n", text);
        hob_json_release(NULL, text);
    }
    hob_json_free(order_json, NULL, &order);
    return n < 0 ? (int)n : 0;
}

static int show_both(void)
{
    static const char good[] = "{\"id\":7,\"customer\":\"ann@example.org\","
                               "\"items\":[{\"sku\":\"POT-24\",\"quantity\":2}],\"discount\":0.1}";
    static const char bad[] = "{\"id\":7,\"customer\":\"ann\",\"state\":\"lost\","
                              "\"items\":[{\"sku\":\"POT-24\",\"quantity\":0}],\"colour\":\"red\"}";

    HOB_TRY(take_order(good, strlen(good)));
    return take_order(bad, strlen(bad)) == HOB_EJSON ? 0 : -EPROTO;
}

/* ---- the schema ---- */

static int show_schema(void)
{
    struct json_t *schema;
    char          *text;

    HOB_TRY(hob_json_schema(order_json, NULL, &schema));
    ssize_t n = hob_json_value_text(schema, &(hob_json_opts){ .pretty = 1 }, &text);
    json_decref(schema);
    HOB_TRY(n);
    printf("%s\n", text);
    hob_json_release(NULL, text);
    return 0;
}

/* ---- a query ---- */

struct search {
    int    page;
    char **tags;
    size_t tag_count;
};

static HOB_JSON_TABLE(search_json, struct search,
    HOB_JSON_FIELD(page, .range = HOB_JSON_RANGE(1, 100), .otherwise = "1"),
    HOB_JSON_ARRAY(tags, tag_count, .as = "tag", .optional = 1, .count_max = 5, .len_min = 1));

static int take_query(char *query)
{
    hob_json_pair   pairs[16];
    size_t          count = 0;
    struct search   search;
    hob_json_errors errors;

    for (char *pair = strtok(query, "&"); pair != NULL && count < 16; pair = strtok(NULL, "&")) {
        char *equals = strchr(pair, '=');
        if (equals == NULL)
            continue;
        *equals = '\0';
        pairs[count++] = (hob_json_pair){ pair, equals + 1, strlen(equals + 1) };
    }
    int r = hob_json_from_pairs(search_json, pairs, count, NULL, &errors, &search);
    if (r < 0) {
        say_errors(r, &errors);
        return 0;
    }
    printf("page %d", search.page);
    for (size_t i = 0; i < search.tag_count; i++)
        printf(", %s", search.tags[i]);
    printf("\n");
    hob_json_free(search_json, NULL, &search);
    return 0;
}

/* ---- JSON Lines ---- */

static int take_lines(void)
{
    hob_pipe       *in;
    hob_reader      reader;
    struct order    order;
    hob_json_errors errors;
    int             r;

    HOB_TRY(hob_pipe_from_fd(0, &in));
    hob_reader_init(&reader, hob_pipe_stream(in), NULL);
    while ((r = hob_json_read_line(order_json, &reader, NULL, &errors, &order)) != HOB_EOF) {
        if (r == 0) {
            printf("order %lld of %s\n", (long long)order.id, order.customer);
            hob_json_free(order_json, NULL, &order);
        } else if (r == HOB_EJSON || r == -EBADMSG) {
            say_errors(r, &errors); // and on with the next line
        } else {
            break;
        }
    }
    hob_reader_fini(&reader);
    hob_pipe_close(in);
    return r == HOB_EOF ? 0 : r;
}

static int run(void *arg)
{
    char *what = arg;

    if (what == NULL)
        return show_both();
    if (strcmp(what, "schema") == 0)
        return show_schema();
    if (strcmp(what, "-") == 0)
        return take_lines();
    return take_query(what);
}

int main(int argc, char **argv)
{
    return hob_run(run, argc > 1 ? argv[1] : NULL);
}
