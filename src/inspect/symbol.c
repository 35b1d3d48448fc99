/* SPDX-License-Identifier: MIT */
/*
 * Names of addresses.
 *
 *     address ── /proc/self/maps ──▶ file, offset ── symbol table ──▶ function
 *                                         └───────── addr2line ─────▶ file.c:42
 *
 * Most addresses that are asked about are where a call returns to, one past the call; its line
 * is the line of the byte before. An address at the very beginning of a function is taken for
 * that function.
 *
 * One thread at a time is in here. The handler of a fault that happened in here must not wait
 * for itself, so the lock knows its owner; and nobody waits longer than LOCK_MS, because the
 * owner may have been lost by a fork.
 *
 * Memory: static, a few hundred places; the oldest finding gives way.
 */
#include "inspect/symbol.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "hob/inspect.h"
#include "inspect/addr2line.h"
#include "inspect/elf.h"

enum { PLACES = 256, MODULES = 32, NO_MODULE = -1, LOCK_MS = 3000 };

struct place {
    const void        *address;
    int                module;      /* in `modules`, or NO_MODULE                     */
    bool               is_entry;    /* the beginning of a function                    */
    bool               line_asked;
    uint64_t           vaddr;
    uint64_t           from_start;
    char               name[ELF_NAME_MAX]; /* of the function, else of the file       */
    bool               has_function;
    struct source_line line;
};

static struct place places[PLACES];
static unsigned     places_used;
static char         modules[MODULES][ELF_PATH_MAX];
static int          modules_used;

/* ---- the lock ---- */

static int owner;      /* a thread id; 0: free    */
static int owner_lost; /* nobody waits any longer */

static bool take_lock(void)
{
    int me = (int)syscall(SYS_gettid);
    for (int i = 0; i < LOCK_MS; i++) {
        int holder = 0;
        if (__atomic_compare_exchange_n(&owner, &holder, me, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return true;
        if (holder == me || __atomic_load_n(&owner_lost, __ATOMIC_RELAXED))
            return false;
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    __atomic_store_n(&owner_lost, 1, __ATOMIC_RELAXED);
    return false;
}

static void give_lock(void)
{
    __atomic_store_n(&owner, 0, __ATOMIC_RELEASE);
}

bool hob__symbols_are_asked_by(int thread_id)
{
    return __atomic_load_n(&owner, __ATOMIC_RELAXED) == thread_id;
}

/* ---- finding out ---- */

static int module_index(const char *path)
{
    for (int i = 0; i < modules_used; i++) {
        if (strcmp(modules[i], path) == 0)
            return i;
    }
    if (modules_used == MODULES)
        return NO_MODULE;
    memcpy(modules[modules_used], path, ELF_PATH_MAX);
    return modules_used++;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* Where the files cannot be looked at, the dynamic linker knows what is exported. */
static void ask_linker(struct place *place)
{
    Dl_info info;
    if (dladdr(place->address, &info) == 0 || info.dli_sname == NULL)
        return;
    snprintf(place->name, sizeof place->name, "%s", info.dli_sname);
    place->from_start = (uint64_t)((const char *)place->address - (const char *)info.dli_saddr);
    place->has_function = true;
}

static void find_function(struct place *place)
{
    static struct elf_module module;
    static struct elf_symbol symbol;
    if (!hob__elf_module_of(place->address, &module)) {
        ask_linker(place);
        return;
    }
    if (!hob__elf_symbol_of(&module, &symbol)) {
        ask_linker(place);
        if (!place->has_function) {
            snprintf(place->name, sizeof place->name, "%.90s", base_name(module.path));
            place->from_start = module.file_offset;
        }
        return;
    }
    place->module = module_index(module.path);
    place->vaddr = symbol.vaddr;
    place->has_function = symbol.name[0] != '\0';
    place->from_start = place->has_function ? symbol.from_start : symbol.vaddr;
    snprintf(place->name, sizeof place->name, "%.90s",
             place->has_function ? symbol.name : base_name(module.path));
}

static struct place *place_of(const void *address)
{
    unsigned known = places_used < PLACES ? places_used : PLACES;
    for (unsigned i = 0; i < known; i++) {
        if (places[i].address == address)
            return &places[i];
    }
    struct place *place = &places[places_used++ % PLACES];
    *place = (struct place){ .address = address, .module = NO_MODULE };
    find_function(place);
    place->is_entry = place->has_function && place->from_start == 0;
    return place;
}

/* Asks for the lines of these addresses that lie in the same file as the first of them that
 * was not asked for yet. False when all were. */
static bool ask_lines_of_one_module(const void *const *addresses, size_t count)
{
    static struct place      *asked[ADDRESSES_PER_QUESTION];
    static uint64_t           vaddrs[ADDRESSES_PER_QUESTION];
    static struct source_line lines[ADDRESSES_PER_QUESTION];
    size_t                    n = 0;
    for (size_t i = 0; i < count && n < ADDRESSES_PER_QUESTION; i++) {
        struct place *place = addresses[i] != NULL ? place_of(addresses[i]) : NULL;
        if (place == NULL || place->line_asked || (n > 0 && place->module != asked[0]->module))
            continue;
        place->line_asked = true;
        asked[n] = place;
        vaddrs[n++] = place->vaddr - (place->is_entry ? 0 : 1);
    }
    if (n > 0 && asked[0]->module != NO_MODULE) {
        hob__addr2line(modules[asked[0]->module], vaddrs, n, lines);
        for (size_t i = 0; i < n; i++)
            asked[i]->line = lines[i];
    }
    return n > 0;
}

static void ask_lines(const void *const *addresses, size_t count)
{
    while (count > 0) { // so few that they do not drive each other out of `places`
        size_t n = count < ADDRESSES_PER_QUESTION ? count : ADDRESSES_PER_QUESTION;
        while (ask_lines_of_one_module(addresses, n))
            ;
        addresses += n;
        count -= n;
    }
}

/* ---- telling ---- */

/* What tells it may be a signal handler. */
static inline void restore_errno(const int *before)
{
    errno = *before;
}

#define KEEP_ERRNO __attribute__((cleanup(restore_errno), unused)) const int errno_before = errno

static void describe(const struct place *place, char *text, size_t size)
{
    const struct source_line *line = &place->line;
    char                      name[ELF_NAME_MAX + 24], inlined[LINE_TEXT_MAX + 16] = "";
    if (place->name[0] == '\0') {
        snprintf(text, size, "%p", place->address);
        return;
    }
    if (!place->has_function && line->outer[0] != '\0')
        snprintf(name, sizeof name, "%s", line->outer);
    else if (place->is_entry)
        snprintf(name, sizeof name, "%s", place->name);
    else
        snprintf(name, sizeof name, "%s+0x%llx", place->name,
                 (unsigned long long)place->from_start);
    if (!place->is_entry && strcmp(line->inlined, line->outer) != 0)
        snprintf(inlined, sizeof inlined, "%s inlined in ", line->inlined);
    bool known = line->text[0] != '\0';
    snprintf(text, size, "%s%s%s%s%s", inlined, name, known ? " (" : "", line->text,
             known ? ")" : "");
}

const char *hob_describe_address(const void *address, char *text, size_t size)
{
    KEEP_ERRNO;
    if (address == NULL || !take_lock()) {
        snprintf(text, size, "%p", address);
        return text;
    }
    ask_lines(&address, 1);
    describe(place_of(address), text, size);
    give_lock();
    return text;
}

const char *hob__function_name(const void *address, char *text, size_t size)
{
    KEEP_ERRNO;
    if (address == NULL || !take_lock()) {
        snprintf(text, size, "%p", address);
        return text;
    }
    const struct place *place = place_of(address);
    if (place->has_function)
        snprintf(text, size, "%s", place->name);
    else
        describe(place, text, size);
    give_lock();
    return text;
}

void hob__symbols_prepare(const void *const *addresses, size_t count)
{
    KEEP_ERRNO;
    if (!take_lock())
        return;
    ask_lines(addresses, count);
    give_lock();
}
