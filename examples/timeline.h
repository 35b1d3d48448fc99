/* SPDX-License-Identifier: MIT */
/*
 * A timeline for the terminal: who was busy from when to when, as bars.
 *
 *     boil the water   ████████
 *     cook the pasta           ██████████
 *
 * Used by the two kitchens. It knows nothing of Hob: the times are numbers.
 */
#ifndef TIMELINE_H
#define TIMELINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TIMELINE_BARS    = 40,
    TIMELINE_LABEL   = 20, /* columns */
    TIMELINE_COLUMNS = 36,
    TIMELINE_NOTE    = 18,
};

enum timeline_colour { PLAIN, GREEN, BLUE, YELLOW, RED };

struct timeline_bar {
    char                 label[48];
    char                 note[48]; /* what stands behind the bar */
    enum timeline_colour colour;
    int64_t              from_ns;
    int64_t              to_ns;
};

struct timeline {
    struct timeline_bar bars[TIMELINE_BARS];
    int                 count;
    bool                ascii; /* '#' instead of blocks */
};

/* The bar with that label, at its old place or below the others. When there
 * are too many it is the last one. */
static struct timeline_bar *timeline_bar(struct timeline *t, const char *label)
{
    for (int i = 0; i < t->count; i++)
        if (strcmp(t->bars[i].label, label) == 0)
            return &t->bars[i];

    if (t->count == TIMELINE_BARS)
        return &t->bars[TIMELINE_BARS - 1];
    struct timeline_bar *bar = &t->bars[t->count++];
    snprintf(bar->label, sizeof bar->label, "%s", label);
    return bar;
}

/* Switches a colour on, and PLAIN switches it off; only where people look. */
static void timeline_set_colour(enum timeline_colour colour)
{
    static const char *const codes[] = { "\033[0m", "\033[32m", "\033[34m", "\033[33m", "\033[31m" };
    if (isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL)
        fputs(codes[colour], stdout);
}

/* Draws from `from` to `to`, in eighths of a column: whole blocks, then one that is cut. */
static void timeline_draw_blocks(int from, int to, bool ascii)
{
    static const char *const cut[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
    if (to <= from)
        to = from + 1; // what took no time was still there
    int column = from / 8;
    printf("%*s", column, "");
    for (; (column + 1) * 8 <= to; column++)
        fputs(ascii ? "#" : "█", stdout);
    if (to % 8 > 0) {
        fputs(ascii ? "#" : cut[to % 8], stdout);
        column++;
    }
    if (column < TIMELINE_COLUMNS)
        printf("%*s", TIMELINE_COLUMNS - column, "");
}

static int timeline_eighths(int64_t ns, int64_t span_ns)
{
    if (ns > span_ns)
        ns = span_ns;
    return (int)(ns * TIMELINE_COLUMNS * 8 / span_ns);
}

/* The scale above the bars: a number of `unit`s (or tenths) every so often. */
static void timeline_draw_scale(int64_t span_ns, int64_t unit_ns, const char *unit)
{
    int64_t step_ns = span_ns < 5 * unit_ns ? unit_ns / 10 : unit_ns;
    while (span_ns / step_ns > 5) {
        step_ns *= 2;
        if (span_ns / step_ns > 5)
            step_ns = step_ns / 2 * 5;
        if (span_ns / step_ns > 5)
            step_ns *= 2;
    }

    char line[TIMELINE_COLUMNS + 32];
    memset(line, ' ', sizeof line);
    int end = 0;
    for (int64_t at_ns = 0; at_ns <= span_ns; at_ns += step_ns) {
        char text[32];
        int  len = snprintf(text, sizeof text, "%g", (double)at_ns / (double)unit_ns);
        int  column = (int)(at_ns * TIMELINE_COLUMNS / span_ns);
        memcpy(line + column, text, (size_t)len);
        end = column + len;
    }
    printf("  %-*s%.*s %s\n", TIMELINE_LABEL, "", end, line, unit);
}

/* Draws all bars; `start_ns` is the left edge, `span_ns` the whole width. */
static void timeline_draw(const struct timeline *t, int64_t start_ns, int64_t span_ns,
                          int64_t unit_ns, const char *unit)
{
    timeline_draw_scale(span_ns, unit_ns, unit);
    for (int i = 0; i < t->count; i++) {
        const struct timeline_bar *bar = &t->bars[i];
        printf("  %-*.*s", TIMELINE_LABEL, TIMELINE_LABEL - 1, bar->label);
        timeline_set_colour(bar->colour);
        timeline_draw_blocks(timeline_eighths(bar->from_ns - start_ns, span_ns) / 8 * 8,
                             timeline_eighths(bar->to_ns - start_ns, span_ns), t->ascii);
        timeline_set_colour(PLAIN);
        printf(" %*s\n", TIMELINE_NOTE, bar->note);
    }
}

#endif
