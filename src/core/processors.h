/* SPDX-License-Identifier: MIT */
#ifndef HOB_CORE_PROCESSORS_H
#define HOB_CORE_PROCESSORS_H

#include <stdbool.h>
#include <stdint.h>

/* At least 1. */
uint32_t hob__processors(void);

#endif
