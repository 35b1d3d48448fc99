/* SPDX-License-Identifier: MIT */
/*
 * Live readings: a heating that listens to a thermometer, but not to each of its whims.
 *
 * The thermometer gives a reading every 5 ms. What came in 50 ms becomes one average; from that comes
 * a level; a level counts when it has stayed for a while; and then the valve is turned, slowly.
 * When another level comes before it is there, the turning stops, and the new one begins.
 *
 *     build/hob run examples/25_heating.c
 */
#include <hob.h>

enum { READINGS_MAX = 16 };

typedef HOB_BATCH(double, READINGS_MAX) readings;

struct house {
    hob_chan *thermometer;
    int64_t   began_ns;
    int       valve, whims;
};

static int at_ms(const struct house *house)
{
    return (int)((hob_now() - house->began_ns) / HOB_MSEC);
}

/* The weather: fine, then in and out of the clouds, then cold, then colder. */
static double degrees_at(int ms)
{
    if (ms < 300)
        return 20;
    if (ms < 700)
        return ms / 50 % 2 == 0 ? 20 : 0;
    return ms < 1000 ? 10 : 0;
}

/* A device does not wait for anybody: what finds no room takes the place of the oldest. */
static int measure(void *arg)
{
    struct house *house = arg;
    HOB_CHAN_SENDER(out, house->thermometer);
    hob_ticker beat;
    hob_ticker_init(&beat, 5 * HOB_MSEC);
    while (at_ms(house) < 1500) {
        double degrees = degrees_at(at_ms(house));
        HOB_TRY(hob_chan_send(out, &degrees));
        HOB_TRY(hob_ticker_wait(&beat));
    }
    return 0;
}

static int is_not_empty(const void *item, void *arg)
{
    return ((const readings *)item)->count > 0;
}

/* How far to open the valve: nothing at 25 degrees and above, 5 at 0. */
static int level_of(void *item, void *arg, void *ret_level)
{
    const readings *window = item;
    double          sum = 0;
    for (size_t i = 0; i < window->count; i++)
        sum += window->items[i];
    *(int *)ret_level = 5 - (int)(sum / (double)window->count / 5 + 0.5);
    return 0;
}

static int count_whim(const void *item, void *arg)
{
    ((struct house *)arg)->whims++;
    return 0;
}

static int turn_valve(void *item, void *arg, void *ret_level)
{
    struct house *house = arg;
    int           level = *(int *)item;
    printf("%4d ms  valve: turning to %d\n", at_ms(house), level);
    int r = hob_sleep(400 * HOB_MSEC);
    if (r < 0) {
        printf("%4d ms  valve: not to %d any more\n", at_ms(house), level);
        return r;
    }
    *(int *)ret_level = level;
    return 0;
}

static int note_valve(void *item, void *arg)
{
    struct house *house = arg;
    house->valve = *(int *)item;
    printf("%4d ms  the valve stands at %d\n", at_ms(house), house->valve);
    return 0;
}

static int heat(struct house *house)
{
    hob_flow *f = hob_flow_from_chan(house->thermometer, sizeof(double));
    hob_flow_window_time(f, READINGS_MAX, 50 * HOB_MSEC); // what came in each 50 ms,
    hob_flow_filter(f, is_not_empty, NULL);
    hob_flow_map(f, sizeof(int), level_of, NULL);         // as one level,
    hob_flow_distinct(f, 0, NULL, NULL);                  // when it changes,
    hob_flow_on_each(f, count_whim, house);
    hob_flow_debounce(f, 120 * HOB_MSEC);                 // and stays;
    hob_flow_latest(f, sizeof(int), turn_valve, house);   // and the newest one counts
    return hob_flow_for_each(f, note_valve, house);
}

static int winter(void *arg)
{
    struct house house = { .began_ns = hob_now() };
    HOB_TRY(hob_chan_new(sizeof(double), 8, HOB_DROP_OLDEST, NULL, &house.thermometer));
    int r;
    {
        HOB_SCOPE(s);
        hob_chan_sender_ref(house.thermometer);
        hob_go(&s, measure, &house);
        r = heat(&house);
        int ended = hob_scope_end(&s);
        r = r < 0 ? r : ended;
    }
    if (r == 0)
        printf("%d levels came, and the valve ended at %d\n", house.whims, house.valve);
    hob_chan_free(house.thermometer);
    return r;
}

int main(void) { return hob_run(winter, NULL); }
