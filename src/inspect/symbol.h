/* SPDX-License-Identifier: MIT */
/*
 * Names of addresses, for reports: what lies behind hob_describe_address.
 *
 * Any thread may ask, and so may the handler of a fault, also of one that happens in here: it
 * gets the bare number then. What was found out once is remembered.
 */
#ifndef HOB_INSPECT_SYMBOL_H
#define HOB_INSPECT_SYMBOL_H

#include <stdbool.h>
#include <stddef.h>

/* "read_orders": the function that begins or lies there. Asks no other program. */
const char *hob__function_name(const void *address, char *text, size_t size);

/* Whether that thread (gettid) is in here just now. */
bool hob__symbols_are_asked_by(int thread_id);

/* Looks up many at once, which is cheaper; hob_describe_address of each is quick then. */
void hob__symbols_prepare(const void *const *addresses, size_t count);

#endif
