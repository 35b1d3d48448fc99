/* SPDX-License-Identifier: MIT */
/*
 * Random structs by seed. Invariants: what is written is JSON that jansson reads; what is read back
 * writes the same bytes; compact, pretty and line say the same; a document from which anything was
 * taken away or in which anything was changed is taken or refused, and nothing is left; with each
 * allocation failing in turn, a parse gives the same struct or -ENOMEM. Threads do not matter.
 */
#include <pthread.h>

#include "json/counted.h"

/* ---- round trips ---- */

static int write_and_read(struct everything *e)
{
    hob_json_errors     errors;
    const hob_json_opts pretty = { .pretty = 1 };
    struct everything   back;
    EVERYTHING(kept);
    TEXT(text);
    TEXT(again);
    TEXT(indented);

    ssize_t len = check_ok(hob_json_text(everything_json, e, NULL, &errors, &text));
    check_eq(len, strlen(text));
    check_eq(len, hob_json_check(everything_json, e, NULL, &errors));

    int r = hob_json_parse(everything_json, text, (size_t)len, NULL, &errors, &back);
    if (r == HOB_EJSON)
        fail("%s\n%s", all_words(r, &errors), text);
    check_ok(r);
    kept = back;
    check_ok(hob_json_text(everything_json, &kept, NULL, &errors, &again));
    check_str(text, again);
    check(back.i64 == e->i64 && back.u64 == e->u64 && back.f64 == e->f64 && back.f32 == e->f32);
    check(back.share == e->share && back.i8 == e->i8 && back.colour == e->colour);
    check_str(back.text, e->text);
    free_everything(&kept);

    ssize_t indented_len = check_ok(hob_json_text(everything_json, e, &pretty, &errors, &indented));
    check_ok(hob_json_parse(everything_json, indented, (size_t)indented_len, NULL, &errors, &kept));
    free_text(&again);
    again = NULL;
    check_ok(hob_json_text(everything_json, &kept, NULL, &errors, &again));
    check_str(text, again);

    json_t *ours = json_loadb(text, (size_t)len, 0, NULL);
    json_t *theirs = json_loadb(indented, (size_t)indented_len, 0, NULL);
    int     are_equal = ours != NULL && theirs != NULL && json_equal(ours, theirs);
    json_decref(ours);
    json_decref(theirs);
    check(are_equal);
    return 0;
}

static int roll_write_and_read(struct dice *dice)
{
    EVERYTHING(e);
    return roll_everything(dice, &e) ? write_and_read(&e) : -ENOMEM;
}

TEST(json_model, what_is_written_is_read_back_the_same)
{
    check_ok(roll_write_and_read(&(struct dice){ hob_test_seed() }));
}

TEST_ONCE(json_model, and_so_are_hundreds)
{
    struct dice dice = { hob_test_seed() };
    int         rounds = hob_test_is_deep() ? 5000 : all_is_slow() ? 30 : 300;

    for (int i = 0; i < rounds; i++)
        check_ok(roll_write_and_read(&dice));
}

/* ---- several threads ---- */

struct worker {
    pthread_t   thread;
    struct dice dice;
    int         result;
};

static void *write_and_read_often(void *arg)
{
    struct worker *w = arg;

    for (int i = 0; i < 10 && w->result == 0; i++)
        w->result = roll_write_and_read(&w->dice);
    return NULL;
}

TEST_BARE(json_model, threads_do_not_get_in_each_others_way)
{
    struct worker workers[4];
    int           started = 0;

    for (; started < 4; started++) {
        workers[started] = (struct worker){ .dice = { hob_test_seed() + (uint64_t)started } };
        if (pthread_create(&workers[started].thread, NULL, write_and_read_often, &workers[started]) != 0)
            break;
    }
    for (int i = 0; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    check_eq(started, 4);
    for (int i = 0; i < 4; i++)
        check_ok(workers[i].result);
}

/* ---- documents that were changed ---- */

/* A value that is as likely to be wrong as right. */
static json_t *roll_value(struct dice *dice)
{
    switch (roll(dice, 9)) {
    case 0: return json_null();
    case 1: return json_boolean(roll(dice, 2));
    case 2: return json_integer(roll_int(dice, 63));
    case 3: return json_integer((json_int_t)roll(dice, 10));
    case 4: return json_real(roll_real(dice));
    case 5: return json_array();
    case 6: return json_pack("{si}", "value", (int)roll(dice, 3));
    case 7: return json_string("green");
    default: return json_string("2024-02-29");
    }
}

static void change(struct dice *dice, json_t *value, unsigned depth)
{
    size_t count = json_is_object(value) ? json_object_size(value) : json_array_size(value);

    if (json_is_object(value) && count > 0) {
        void *at = json_object_iter(value);
        for (uint64_t n = roll(dice, count); n > 0; n--)
            at = json_object_iter_next(value, at);
        json_t *inner = json_object_iter_value(at);
        bool    goes_in = depth > 0 && (json_is_object(inner) || json_is_array(inner)) && roll(dice, 2);
        if (goes_in)
            change(dice, inner, depth - 1);
        else if (roll(dice, 3) == 0)
            json_object_del(value, json_object_iter_key(at));
        else if (roll(dice, 6) == 0)
            json_object_set_new(value, "surprise", roll_value(dice));
        else
            json_object_iter_set_new(value, at, roll_value(dice));
    } else if (json_is_array(value)) {
        size_t at = count > 0 ? roll(dice, count) : 0;
        if (count == 0 || roll(dice, 3) == 0)
            json_array_insert_new(value, at, roll_value(dice));
        else if (depth > 0 && roll(dice, 2))
            change(dice, json_array_get(value, at), depth - 1);
        else
            json_array_set_new(value, at, roll_value(dice));
    }
}

TEST_ONCE(json_model, a_changed_document_is_taken_whole_or_refused_with_a_path)
{
    struct dice dice = { hob_test_seed() };
    int         rounds = hob_test_is_deep() ? 5000 : all_is_slow() ? 50 : 500;
    unsigned    taken = 0, refused = 0;

    for (int i = 0; i < rounds; i++) {
        hob_json_errors errors;
        EVERYTHING(e);
        EVERYTHING(back);
        TEXT(text);
        check(roll_everything(&dice, &e));
        check_ok(hob_json_text(everything_json, &e, NULL, NULL, &text));
        json_t *value = json_loads(text, 0, NULL);
        for (uint64_t n = roll(&dice, 3); n > 0; n--)
            change(&dice, value, 3);
        int r = hob_json_from_value(everything_json, value, NULL, &errors, &back);
        json_decref(value);
        taken += r == 0;
        refused += r < 0;
        if (r == 0) { // then it can be written, and is the same again
            free_text(&text);
            text = NULL;
            check_ok(hob_json_text(everything_json, &back, NULL, &errors, &text));
        } else {
            check_eq(r, HOB_EJSON);
            check_ge(errors.count, 1);
            check(errors.at[0].path[0] != '\0' && errors.at[0].words[0] != '\0');
        }
    }
    check_gt(taken, (unsigned)rounds / 10);
    check_gt(refused, (unsigned)rounds / 10);
}

/* ---- each allocation fails ---- */

struct failing {
    long calls, fail_at; /* the call that fails; 0: none */
};

static void *maybe_alloc(void *arg, size_t size)
{
    struct failing *f = arg;
    return ++f->calls == f->fail_at ? NULL : hob__alloc(size);
}

static void always_free(void *arg, void *ptr)
{
    hob__free(ptr);
}

TEST_ONCE(json_model, without_memory_a_parse_is_over_and_leaves_nothing)
{
    struct failing        failing = { 0 };
    const hob_json_memory memory = { maybe_alloc, always_free, &failing };
    const hob_json_opts   opts = { .memory = &memory };
    EVERYTHING(e);
    TEXT(text);
    TEXT(again);

    check(roll_everything(&(struct dice){ hob_test_seed() }, &e));
    ssize_t len = check_ok(hob_json_text(everything_json, &e, NULL, NULL, &text));
    for (long at = 1;; at++) {
        struct everything back, zero = { 0 };
        hob_json_errors   errors;
        failing = (struct failing){ .fail_at = at };
        int r = hob_json_parse(everything_json, text, (size_t)len, &opts, &errors, &back);
        if (r == 0) {
            check_lt(failing.calls, at);
            ssize_t again_len = hob_json_text(everything_json, &back, NULL, &errors, &again);
            hob_json_free(everything_json, &memory, &back);
            check_eq(again_len, len);
            check_str(text, again);
            break;
        }
        check_err(r, -ENOMEM);
        check_eq(errors.count, 0);
        check_mem(&back, &zero, sizeof zero);
    }
    check_gt(failing.calls, 5);
}
