/* SPDX-License-Identifier: MIT */
/* Numbers as text, and back: whatever the locale is. */
#ifndef HOB_JSON_NUMBER_H
#define HOB_JSON_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NUMBER_MAX = 32 };

/* The largest float as it is written; it is a little more than FLT_MAX, and becomes it. */
#define FLOAT_LIMIT 3.4028235e+38

/* The shortest text that reads back as the same double (or float): "0.1", "1e+300", "2.0". It has a
 * point or an exponent, so that it stays a real for whoever tells the two apart. The value is finite.
 * Returns its length. */
size_t hob__json_number_of_real(char text[NUMBER_MAX], double value, bool is_float);

/* The number of JSON that is all of the text: 1 an integer, 2 a real, or an integer beyond int64_t; 0 if it
 * is none, or one beyond double. */
int hob__json_number_parse(const char *text, size_t len, int64_t *ret_int, double *ret_real);

#endif
