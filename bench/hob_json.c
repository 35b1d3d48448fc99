/* SPDX-License-Identifier: MIT */
/*
 * A small document (an order of two items, 182 bytes) to a struct and back: by a table, and by jansson
 * with checks written by hand. Instructions, not time: the difference between two runs, by
 *
 *     valgrind --tool=callgrind --callgrind-out-file=/dev/null bench/hob_json table-read 1000
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hob/json.h>
#include <jansson.h>

struct item {
    char sku[16];
    int  quantity;
};

struct order {
    int64_t      id;
    char        *customer, *note;
    struct item *items;
    size_t       item_count;
    bool         is_paid;
    double       discount;
};

static HOB_JSON_TABLE(item_json, struct item,
    HOB_JSON_FIELD(sku, .len_min = 1),
    HOB_JSON_FIELD(quantity, .range = HOB_JSON_RANGE(1, 1000)));

static HOB_JSON_TABLE(order_json, struct order,
    HOB_JSON_FIELD(id, .range = HOB_JSON_MIN(1)),
    HOB_JSON_FIELD(customer, .len_max = 50),
    HOB_JSON_FIELD(note, .optional = 1, .len_max = 200),
    HOB_JSON_OBJECTS(items, item_count, item_json, .count_max = 50),
    HOB_JSON_FIELD(is_paid),
    HOB_JSON_FIELD(discount, .range = HOB_JSON_RANGE(0, 0.5)));

static const char text[] =
    "{\"id\":123456789,\"customer\":\"Ann-Charlotte Example\",\"note\":\"Please ring twice\",\"items\":["
    "{\"sku\":\"POT-24\",\"quantity\":2},{\"sku\":\"SPOON-7\",\"quantity\":12}],\"is_paid\":true,"
    "\"discount\":0.125}";

static void must(int ok)
{
    if (!ok)
        abort();
}

/* ---- by a table ---- */

static void table_read(struct order *order)
{
    hob_json_errors errors;
    must(hob_json_parse(order_json, text, sizeof text - 1, NULL, &errors, order) == 0);
}

static void table_free(struct order *order)
{
    hob_json_free(order_json, NULL, order);
}

static void table_write(const struct order *order)
{
    char *out;
    must(hob_json_text(order_json, order, NULL, NULL, &out) > 0);
    hob_json_release(NULL, out);
}

/* ---- by hand ---- */

static const char *text_of(const json_t *object, const char *name, size_t max)
{
    const json_t *value = json_object_get(object, name);
    bool          fits = json_is_string(value) && json_string_length(value) <= max;
    return fits ? json_string_value(value) : NULL;
}

static json_int_t int_of(const json_t *object, const char *name, json_int_t min, json_int_t max)
{
    const json_t *value = json_object_get(object, name);
    json_int_t    number = json_integer_value(value);
    must(json_is_integer(value) && number >= min && number <= max);
    return number;
}

static void hand_read(struct order *order)
{
    json_t     *value = json_loadb(text, sizeof text - 1, JSON_REJECT_DUPLICATES, NULL);
    const char *customer = text_of(value, "customer", 50), *note = text_of(value, "note", 200);

    must(json_object_size(value) == 6 && customer != NULL && note != NULL);
    order->id = int_of(value, "id", 1, INT64_MAX);
    order->customer = strdup(customer);
    order->note = strdup(note);
    json_t *items = json_object_get(value, "items");
    order->item_count = json_array_size(items);
    must(json_is_array(items) && order->item_count <= 50);
    order->items = calloc(order->item_count, sizeof *order->items);
    must(order->customer != NULL && order->note != NULL && order->items != NULL);
    for (size_t i = 0; i < order->item_count; i++) {
        const json_t *item = json_array_get(items, i);
        const char   *sku = text_of(item, "sku", sizeof order->items[i].sku - 1);
        must(sku != NULL && sku[0] != '\0' && json_object_size(item) == 2);
        strcpy(order->items[i].sku, sku);
        order->items[i].quantity = (int)int_of(item, "quantity", 1, 1000);
    }
    json_t *paid = json_object_get(value, "is_paid"), *discount = json_object_get(value, "discount");
    must(json_is_boolean(paid) && json_is_number(discount));
    order->is_paid = json_is_true(paid);
    order->discount = json_number_value(discount);
    must(order->discount >= 0 && order->discount <= 0.5);
    json_decref(value);
}

static void hand_free(struct order *order)
{
    free(order->customer);
    free(order->note);
    free(order->items);
}

static void hand_write(const struct order *order)
{
    json_t *items = json_array();

    for (size_t i = 0; i < order->item_count; i++)
        json_array_append_new(items, json_pack("{sssi}", "sku", order->items[i].sku, "quantity",
                                               order->items[i].quantity));
    json_t *value = json_pack("{sIsssssosbsf}", "id", (json_int_t)order->id, "customer", order->customer,
                              "note", order->note, "items", items, "is_paid", order->is_paid, "discount",
                              order->discount);
    must(value != NULL);
    char *out = json_dumps(value, JSON_COMPACT);
    must(out != NULL);
    free(out);
    json_decref(value);
}

int main(int argc, char **argv)
{
    const char  *what = argc > 1 ? argv[1] : "table-read";
    long         count = argc > 2 ? atol(argv[2]) : 1000;
    bool         is_table = strncmp(what, "table", 5) == 0, reads = strstr(what, "read") != NULL;
    struct order order;

    if (is_table)
        table_read(&order);
    else
        hand_read(&order);
    for (long i = 0; i < count; i++) {
        struct order another;
        if (is_table && reads) {
            table_read(&another);
            table_free(&another);
        } else if (is_table) {
            table_write(&order);
        } else if (reads) {
            hand_read(&another);
            hand_free(&another);
        } else {
            hand_write(&order);
        }
    }
    if (is_table)
        table_free(&order);
    else
        hand_free(&order);
    return 0;
}
