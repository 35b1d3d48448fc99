/* SPDX-License-Identifier: MIT */
/*
 * How long things took, in little memory whatever the number of them: buckets that are at most 1/64 as wide
 * as what they hold (the idea of HdrHistogram). What is told of the values is at most 1.6 % above them; the
 * largest and the mean are exact.
 */
#ifndef HOB_CMD_HISTOGRAM_H
#define HOB_CMD_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_PARTS = 128, /* of each power of two, the upper half of which is used */
    HISTOGRAM_BUCKETS = (64 - 6) * HISTOGRAM_PARTS / 2 + HISTOGRAM_PARTS / 2,
};

/* All zero to begin with. */
struct histogram {
    uint64_t count;
    int64_t  max;
    double   sum;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, int64_t value); /* less than 0 counts as 0 */

/* What that share of the values (from 0 to 1) is not above; 0 when there are none. */
int64_t  histogram_at(const struct histogram *h, double share);
uint64_t histogram_upto(const struct histogram *h, int64_t value); /* how many are not above it, likewise */
double   histogram_mean(const struct histogram *h);

#endif
