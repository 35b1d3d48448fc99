/* SPDX-License-Identifier: MIT */
/*
 * Which file an address was loaded from, and which function it lies in.
 *
 * Reads /proc/self/maps and the symbol table of the file, also of functions that are not
 * exported. Everything that a file says is checked before it is believed; one that is not
 * understood has no symbols. Nothing is kept, mapped or allocated, so a signal handler may ask.
 * Neither function is for two threads at once: the buffers are static.
 */
#ifndef HOB_INSPECT_ELF_H
#define HOB_INSPECT_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ELF_PATH_MAX = 256, ELF_NAME_MAX = 96 };

/* Where an address was loaded from. */
struct elf_module {
    char     path[ELF_PATH_MAX];
    uint64_t file_offset; /* of the address */
    uint64_t inode;
};

/* False when it is in no file, or in one that cannot be named. */
bool hob__elf_module_of(const void *address, struct elf_module *ret_module);

/* What the file says about the place. */
struct elf_symbol {
    uint64_t vaddr;      /* the address as the file counts; what addr2line wants */
    uint64_t from_start; /* of the function                                      */
    char     name[ELF_NAME_MAX]; /* "" when there is no symbol                   */
};

/* False when the file is not the one that was loaded, or not to be understood. */
bool hob__elf_symbol_of(const struct elf_module *module, struct elf_symbol *ret_symbol);

#endif
