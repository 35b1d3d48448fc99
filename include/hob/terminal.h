/* SPDX-License-Identifier: MIT */
/* Terminals: how large they are. */
#ifndef HOB_TERMINAL_H
#define HOB_TERMINAL_H

#include "hob/base.h"

HOB_BEGIN_DECLS

/* In characters. 0: the terminal does not know. */
typedef struct hob_terminal_size {
    uint16_t rows, columns;
} hob_terminal_size;

HOB_END_DECLS

#endif
