/* SPDX-License-Identifier: MIT */
/*
 * A struct with a field of every kind, and random ones of it: for the tests of libhob-json, its fuzzer,
 * and the program that an independent validator is asked about.
 */
#ifndef HOB_TESTS_JSON_EVERYTHING_H
#define HOB_TESTS_JSON_EVERYTHING_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <hob/json.h>

enum colour { RED, GREEN, BLUE = -7 };

static const hob_json_name colours[] = { { "red", RED }, { "green", GREEN }, { "blue", BLUE } };
static const hob_json_name letters[] = { { "a", 'a' }, { "b", 'b' }, { "\xc3\xa9", 200 } };

struct leaf {
    char    name[12];
    uint8_t weight;
};

struct node {
    int          value;
    struct node *left, *right;
};

struct everything {
    bool     truth;
    int8_t   i8;
    int16_t  i16;
    int32_t  i32;
    int64_t  i64;
    uint8_t  u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    float    f32;
    double   f64;
    double   share;
    char    *text;
    char     inside[16];
    char    *when, *day, *id, *mail, *link;
    enum colour   colour;
    unsigned char letter;

    struct leaf  leaf;
    struct leaf *leaf_at;
    struct node *tree;

    int        numbers[4];
    uint8_t    number_count;
    double    *reals;
    int        real_count;
    char     **texts;
    size_t     text_count;
    char       words[3][8];
    unsigned short word_count;
    struct leaf *leaves;
    long         leaf_count;
    struct leaf *leaf_ats[2];
    int          leaf_at_count;
    enum colour *colours;
    size_t       colour_count;
    bool        *maybe_bools;
    size_t       maybe_bool_count;

    bool    has_number, number_is_null;
    int     number;
    bool    has_list;
    int    *list;
    size_t  list_count;
    char   *nickname;
    int     with_default;
    char   *greeting;
    int    *primes;
    size_t  prime_count;
    json_t *any;

    void *not_in_the_table;
};

static HOB_JSON_TABLE_WITH(leaf_json, struct leaf, HOB_JSON_ABOUT(.called = "Leaf", .text = "Of a tree"),
    HOB_JSON_FIELD(name, .len_min = 1),
    HOB_JSON_FIELD(weight, .range = HOB_JSON_RANGE(1, 200)));

HOB_JSON_DECLARE(node_json, struct node);
HOB_JSON_TABLE_WITH(node_json, struct node, HOB_JSON_ABOUT(.ignore_unknown = 1),
    HOB_JSON_FIELD(value),
    HOB_JSON_OBJECT(left, node_json, .optional = 1),
    HOB_JSON_OBJECT(right, node_json, .nullable = 1));

static HOB_JSON_TABLE(everything_json, struct everything,
    HOB_JSON_FIELD(truth, .about = "Beauty"),
    HOB_JSON_FIELD(i8),
    HOB_JSON_FIELD(i16, .range = HOB_JSON_RANGE(-300, 300)),
    HOB_JSON_FIELD(i32, .range = HOB_JSON_MIN(-5)),
    HOB_JSON_FIELD(i64),
    HOB_JSON_FIELD(u8),
    HOB_JSON_FIELD(u16),
    HOB_JSON_FIELD(u32, .range = HOB_JSON_MAX(4000000000)),
    HOB_JSON_FIELD(u64),
    HOB_JSON_FIELD(f32),
    HOB_JSON_FIELD(f64),
    HOB_JSON_FIELD(share, .range = HOB_JSON_RANGE(0, 1.5), .example = "0.25"),
    HOB_JSON_FIELD(text, .len_min = 2, .len_max = 10),
    HOB_JSON_FIELD(inside, .as = "in side"),
    HOB_JSON_FIELD(when, .format = HOB_JSON_DATE_TIME, .optional = 1),
    HOB_JSON_FIELD(day, .format = HOB_JSON_DATE, .optional = 1),
    HOB_JSON_FIELD(id, .format = HOB_JSON_UUID, .optional = 1),
    HOB_JSON_FIELD(mail, .format = HOB_JSON_EMAIL, .optional = 1),
    HOB_JSON_FIELD(link, .format = HOB_JSON_URI, .optional = 1, .len_max = 40),
    HOB_JSON_ENUM(colour, colours),
    HOB_JSON_ENUM(letter, letters, .otherwise = "b"),
    HOB_JSON_OBJECT(leaf, leaf_json),
    HOB_JSON_OBJECT(leaf_at, leaf_json, .optional = 1, .nullable = 1),
    HOB_JSON_OBJECT(tree, node_json, .optional = 1, .about = "It grows"),
    HOB_JSON_ARRAY(numbers, number_count, .range = HOB_JSON_RANGE(0, 99)),
    HOB_JSON_ARRAY(reals, real_count, .count_min = 1, .count_max = 5),
    HOB_JSON_ARRAY(texts, text_count, .len_max = 6, .optional = 1, .count_max = 4),
    HOB_JSON_ARRAY(words, word_count, .len_min = 1),
    HOB_JSON_OBJECTS(leaves, leaf_count, leaf_json, .count_max = 6),
    HOB_JSON_OBJECTS(leaf_ats, leaf_at_count, leaf_json),
    HOB_JSON_ENUMS(colours, colour_count, colours, .count_max = 5),
    HOB_JSON_ARRAY(maybe_bools, maybe_bool_count, .nullable = 1, .count_max = 5),
    HOB_JSON_FIELD(number, .has = HOB_JSON_FLAG(has_number), .null = HOB_JSON_FLAG(number_is_null)),
    HOB_JSON_ARRAY(list, list_count, .has = HOB_JSON_FLAG(has_list), .count_max = 3),
    HOB_JSON_FIELD(nickname, .nullable = 1, .len_max = 5),
    HOB_JSON_FIELD(with_default, .otherwise = "42", .range = HOB_JSON_RANGE(1, 100)),
    HOB_JSON_FIELD(greeting, .otherwise = "hello"),
    HOB_JSON_ARRAY(primes, prime_count, .otherwise = "[2, 3, 5]", .count_max = 9),
    HOB_JSON_FIELD(any, .optional = 1));

/* ---- random ones ---- */

struct dice {
    uint64_t state;
};

static inline uint64_t roll(struct dice *dice, uint64_t sides)
{
    uint64_t z = dice->state += 0x9e3779b97f4a7c15u; // splitmix64
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return sides == 0 ? z : z % sides;
}

/* A number of at most that many bits, small ones as often as large ones. */
static inline int64_t roll_int(struct dice *dice, unsigned bits)
{
    uint64_t value = roll(dice, 0) >> (64 - bits + roll(dice, bits));
    return roll(dice, 2) ? (int64_t)value : -(int64_t)value;
}

static inline double roll_real(struct dice *dice)
{
    uint64_t bits = roll(dice, 0);
    double   value;

    if (roll(dice, 2))
        return (double)roll_int(dice, 40) / 100;
    memcpy(&value, &bits, sizeof value);
    return isfinite(value) ? value : 0.1;
}

/* Between `min` and `max` characters, in at most `bytes`. */
static inline void roll_text(struct dice *dice, char *to, size_t min, size_t max, size_t bytes)
{
    static const char *const pieces[] = {
        "a", "b", "Z", "0", " ", "\"", "\\", "/", "\n", "\t", "\x01", "\x7f", "\xc3\xa4",
        "\xe2\x82\xac", "\xf0\x9f\x8d\xb2", "<", "\xe2\x80\xa8", "null",
    };
    size_t count = min + roll(dice, max - min + 1), len = 0;

    for (size_t i = 0; i < count; i++) {
        const char *piece = pieces[roll(dice, sizeof pieces / sizeof *pieces - 1)];
        size_t      needed = min > i ? min - i - 1 : 0; // a byte for each that must follow
        if (len + strlen(piece) + needed > bytes)
            piece = "x";
        if (len + strlen(piece) + needed > bytes)
            break;
        memcpy(to + len, piece, strlen(piece));
        len += strlen(piece);
    }
    to[len] = '\0';
}

static inline char *new_text(struct dice *dice, size_t min, size_t max)
{
    char *text = hob_json_alloc(NULL, 4 * max + 1);
    if (text != NULL)
        roll_text(dice, text, min, max, 4 * max);
    return text;
}

static inline char *one_of(struct dice *dice, const char *const *texts, size_t count)
{
    const char *text = texts[roll(dice, count)];
    char       *copy = hob_json_alloc(NULL, strlen(text) + 1);
    return copy == NULL ? NULL : strcpy(copy, text);
}

#define ONE_OF(dice, ...) \
    one_of(dice, (const char *const[]){ __VA_ARGS__ }, \
           sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static inline void *new_zero(size_t size)
{
    void *ptr = hob_json_alloc(NULL, size > 0 ? size : 1);
    return ptr == NULL ? NULL : memset(ptr, 0, size);
}

static inline void roll_leaf(struct dice *dice, struct leaf *leaf)
{
    roll_text(dice, leaf->name, 1, 11, 11);
    leaf->weight = (uint8_t)(1 + roll(dice, 200));
}

static inline struct node *new_tree(struct dice *dice, unsigned depth)
{
    struct node *node = depth == 0 ? NULL : new_zero(sizeof *node);

    if (node == NULL)
        return NULL;
    node->value = (int)roll_int(dice, 31);
    if (roll(dice, 3))
        node->left = new_tree(dice, depth - 1);
    if (roll(dice, 3))
        node->right = new_tree(dice, depth - 1);
    return node;
}

/* One that the table accepts. False: no memory; what there is can be freed. */
static inline bool roll_everything(struct dice *dice, struct everything *e)
{
    *e = (struct everything){
        .truth = roll(dice, 2), .i8 = (int8_t)roll(dice, 0), .i16 = (int16_t)((int)roll(dice, 601) - 300),
        .i32 = (int32_t)roll(dice, 0), .i64 = (int64_t)roll(dice, 0) >> roll(dice, 63),
        .u8 = (uint8_t)roll(dice, 0), .u16 = (uint16_t)roll(dice, 0),
        .u32 = (uint32_t)roll(dice, 4000000001), .u64 = roll(dice, 0) >> (1 + roll(dice, 62)),
        .f64 = roll_real(dice), .share = (double)roll(dice, 1501) / 1000,
        .colour = colours[roll(dice, 3)].value, .letter = (unsigned char)letters[roll(dice, 3)].value,
        .has_number = roll(dice, 2), .number = (int)roll_int(dice, 31),
        .with_default = (int)(1 + roll(dice, 100)),
    };
    if (e->i32 < -5)
        e->i32 = -(e->i32 / 2);
    e->f32 = (float)roll_int(dice, 20) / 128;
    e->text = new_text(dice, 2, 10);
    roll_text(dice, e->inside, 0, 15, 15);
    if (roll(dice, 2))
        e->when = ONE_OF(dice, "2026-02-28T23:59:60Z", "1999-12-31t00:00:00.123456789-23:59");
    if (roll(dice, 2))
        e->day = ONE_OF(dice, "2024-02-29", "0000-01-01", "9999-12-31");
    if (roll(dice, 2))
        e->id = ONE_OF(dice, "00000000-0000-0000-0000-000000000000", "F81D4FAE-7dec-11d0-a765-00a0c91e6bf6");
    if (roll(dice, 2))
        e->mail = ONE_OF(dice, "a@b", "first.last+tag@mail.example.org", "!#$%&'*/=?^_`{|}~-@x-1.y");
    if (roll(dice, 2))
        e->link = ONE_OF(dice, "http://[::1]:80/a?b=c#d", "urn:x", "a+b.c-d:%20(x)");
    roll_leaf(dice, &e->leaf);
    if (roll(dice, 2) && (e->leaf_at = new_zero(sizeof *e->leaf_at)) != NULL)
        roll_leaf(dice, e->leaf_at);
    e->tree = new_tree(dice, (unsigned)roll(dice, 6));
    e->number_count = (uint8_t)roll(dice, 5);
    for (unsigned i = 0; i < e->number_count; i++)
        e->numbers[i] = (int)roll(dice, 100);
    size_t real_count = 1 + roll(dice, 5);
    if ((e->reals = new_zero(real_count * sizeof *e->reals)) != NULL)
        e->real_count = (int)real_count;
    for (int i = 0; i < e->real_count; i++)
        e->reals[i] = roll_real(dice);
    size_t text_count = roll(dice, 5);
    if (text_count > 0 && (e->texts = new_zero(text_count * sizeof *e->texts)) != NULL)
        e->text_count = text_count;
    for (size_t i = 0; i < e->text_count; i++)
        e->texts[i] = new_text(dice, 0, 6);
    e->word_count = (unsigned short)roll(dice, 4);
    for (unsigned i = 0; i < e->word_count; i++)
        roll_text(dice, e->words[i], 1, 7, 7);
    size_t leaf_count = roll(dice, 7);
    if (leaf_count > 0 && (e->leaves = new_zero(leaf_count * sizeof *e->leaves)) != NULL)
        e->leaf_count = (long)leaf_count;
    for (long i = 0; i < e->leaf_count; i++)
        roll_leaf(dice, &e->leaves[i]);
    e->leaf_at_count = (int)roll(dice, 3);
    for (int i = 0; i < e->leaf_at_count; i++)
        if ((e->leaf_ats[i] = new_zero(sizeof *e->leaf_ats[i])) != NULL)
            roll_leaf(dice, e->leaf_ats[i]);
    size_t colour_count = roll(dice, 6);
    if (colour_count > 0 && (e->colours = new_zero(colour_count * sizeof *e->colours)) != NULL)
        e->colour_count = colour_count;
    for (size_t i = 0; i < e->colour_count; i++)
        e->colours[i] = colours[roll(dice, 3)].value;
    if (roll(dice, 2) && (e->maybe_bools = new_zero(5)) != NULL)
        e->maybe_bool_count = roll(dice, 6);
    for (size_t i = 0; i < e->maybe_bool_count; i++)
        e->maybe_bools[i] = roll(dice, 2);
    e->number_is_null = e->has_number && roll(dice, 3) == 0;
    if (e->number_is_null)
        e->number = 0;
    if (!e->has_number)
        e->number = 0;
    e->has_list = roll(dice, 2);
    if (e->has_list && (e->list = new_zero(3 * sizeof *e->list)) != NULL)
        e->list_count = 1 + roll(dice, 3);
    for (size_t i = 0; i < e->list_count; i++)
        e->list[i] = (int)roll_int(dice, 31);
    if (roll(dice, 2))
        e->nickname = new_text(dice, 0, 5);
    e->greeting = new_text(dice, 0, 12);
    if (roll(dice, 2) && (e->primes = new_zero(2 * sizeof *e->primes)) != NULL) {
        e->prime_count = 1;
        e->primes[0] = 7;
    }
    if (roll(dice, 2))
        e->any = json_pack("{s[biso]sfs{}}", "list", 1, -3, "x\"y", json_null(), "pi", 3.25, "empty");
    for (size_t i = 0; i < e->text_count; i++)
        if (e->texts[i] == NULL)
            return false;
    return e->text != NULL && e->greeting != NULL && e->reals != NULL &&
           (e->leaf_at_count < 1 || e->leaf_ats[0] != NULL) &&
           (e->leaf_at_count < 2 || e->leaf_ats[1] != NULL);
}

#endif
