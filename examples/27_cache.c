/* SPDX-License-Identifier: MIT */
/*
 * A cache in front of a slow directory.
 *
 * The directory takes its time. A hundred who ask for the same name at once are one question to
 * it; that nobody has a name is an answer, too, and is kept; and when an entry is past its time,
 * whoever asks has the old one at once, while a new one is fetched behind.
 *
 *     build/hob run examples/27_cache.c
 */
#include <errno.h>
#include <string.h>

#include <hob.h>

enum { CALLERS = 100 };

struct person {
    char name[16];
    int  room;
};

/* ---- the directory ---- */

static struct person people[] = { { "ann", 12 }, { "bob", 7 } };
static int           questions;

static int look_up(void *arg, hob_cache_load *load, void *ret_value)
{
    struct person *person = ret_value;
    questions++;
    HOB_TRY(hob_sleep(50 * HOB_MSEC));
    for (size_t i = 0; i < sizeof people / sizeof people[0]; i++) {
        if (strlen(people[i].name) == load->key_len &&
            memcmp(people[i].name, load->key, load->key_len) == 0) {
            *person = people[i];
            return 0;
        }
    }
    return -ENOENT;
}

/* ---- those who ask ---- */

static hob_cache *directory;

static int room_of(const char *name, struct person *ret_person)
{
    return hob_cache_get(directory, name, strlen(name), ret_person);
}

static int visit(void *arg)
{
    struct person person;
    HOB_TRY(room_of(arg, &person));
    return 0;
}

static int ask_all_at_once(void)
{
    HOB_SCOPE(visitors);
    for (int i = 0; i < CALLERS; i++)
        HOB_TRY(hob_go(&visitors, visit, "ann"));
    HOB_TRY(hob_scope_end(&visitors));
    printf("%d visitors to ann: %d question\n", CALLERS, questions);
    return 0;
}

static int ask_for_nobody(void)
{
    struct person person;
    int           before = questions;
    int           first = room_of("zoe", &person), second = room_of("zoe", &person);
    printf("zoe: %s, and again: %s; %d question\n", hob_error_name(first), hob_error_name(second),
           questions - before);
    return 0;
}

static int ask_after_a_move(void)
{
    struct person person;
    people[0].room = 31;                    // nobody tells the cache
    HOB_TRY(hob_sleep(250 * HOB_MSEC));     // past its time
    int r = HOB_TRY(room_of("ann", &person));
    printf("ann is in room %d%s\n", person.room, r == HOB_CACHE_STALE ? ", as far as we know" : "");
    while (HOB_TRY(room_of("ann", &person)) == HOB_CACHE_STALE)
        HOB_TRY(hob_sleep(10 * HOB_MSEC));
    printf("ann is in room %d\n", person.room);

    people[0].room = 5;
    hob_cache_forget(directory, "ann", 3);  // this time it is told
    HOB_TRY(room_of("ann", &person));
    printf("ann is in room %d\n", person.room);
    return 0;
}

static void free_cache(void *cache)
{
    hob_cache_free(cache);
}

static int day(void *arg)
{
    static const hob_cache_opts opts = {
        .name = "look up",
        .value_bytes = sizeof(struct person),
        .entries_max = 1000,
        .ttl_ns = 200 * HOB_MSEC,
        .negative_ttl_ns = HOB_MINUTE,
        .stale_ns = HOB_HOUR,
    };
    HOB_SCOPE(s);
    HOB_TRY(hob_cache_new(&s, look_up, NULL, &opts, &directory));
    HOB_DEFER(free_cache, directory);
    HOB_TRY(ask_all_at_once());
    HOB_TRY(ask_for_nobody());
    HOB_TRY(ask_after_a_move());

    hob_cache_stats stats;
    hob_cache_stats_get(directory, &stats);
    printf("%llu entries; %llu gets waited, for %llu loads\n", (unsigned long long)stats.entries,
           (unsigned long long)stats.misses, (unsigned long long)(stats.loads - stats.refreshes));
    return hob_scope_end(&s);
}

int main(void) { return hob_run(day, NULL); }
