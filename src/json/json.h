/* SPDX-License-Identifier: MIT */
/*
 * What the files of libhob-json tell each other.
 *
 *     bytes ──scan.c──▶ bytes with limits ──parse.c, jansson──▶ json_t ──read.c──▶ struct
 *                                               └─ widen.c, for large integers
 *     texts ──text.c──▶ json_t ──read.c──▶ struct
 *     struct ──write.c──▶ emit.c ──▶ a sink: nothing, a buffer, memory, a writer
 *     table ──schema.c──▶ json_t
 *
 * Values are checked in one place, limits.c, whichever way they go.
 *
 * Memory: all of it comes through hob_json_alloc, or is jansson's. Both are looked at by memory.c,
 * which notes when there was none: jansson does not always tell.
 */
#ifndef HOB_JSON_JSON_H
#define HOB_JSON_JSON_H

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "hob/error.h"
#include "hob/json.h"

/* ---- memory.c ---- */

/* Once at the begin of each function that uses jansson or allocates: puts ours in front of its
 * memory, and forgets what this thread noted. `function` is for the words of a mistake. */
void hob__json_begin(const char *function);

/* Whether this thread was refused memory since then. */
bool hob__json_ran_out(void);

/* json_loadb, which is over at once, and leaves nothing, when there is no memory: then NULL, and it ran
 * out. */
json_t *hob__json_loadb(const char *bytes, size_t len, size_t flags, json_error_t *error);

void *hob__json_alloc_zero(const hob_json_memory *memory, size_t size);

/* ---- where we are, and what is wrong (errors.c) ---- */

/* A step towards the value that is looked at; NULL is the document itself. They lie on the stack. */
struct step {
    const struct step *up;
    const char        *name;
    size_t             name_len;
    size_t             index; /* of an item; its name is NULL */
};

/* One walk over a document or a struct. */
struct walk {
    const hob_json_opts *opts; /* never NULL */
    hob_json_errors     *errors;
    const char          *function; /* that was called, for the words of a mistake       */
    bool                 is_wrong; /* something was said                                */
    bool                 is_over;  /* there is no room to say more, so there is no need to look */
    int                  error;    /* one that ends the walk: -ENOMEM, of the writer ...  */
    const json_t        *bad;    /* stands for a value that something was said about already */
    unsigned             depth;
};

/* Says that nothing is wrong; the first error is empty then. NULL is fine. */
void hob__json_errors_none(hob_json_errors *errors);

/* The next one, which is counted, and empty but for where it is. There must be room. */
hob_json_error *hob__json_error_next(hob_json_errors *errors, unsigned line, unsigned column);

void hob__json_walk_begin(struct walk *walk, const char *function, const hob_json_opts *opts,
                          hob_json_errors *errors);

/* 0, or the error of the walk. */
int hob__json_walk_result(const struct walk *walk);

/* Notes what is wrong with the value at `step`. False, always. */
bool hob__json_say(struct walk *walk, const struct step *step, const char *format, ...)
    HOB_PRINTF(3, 4);

/* Ends the walk with an error. False, always. */
bool hob__json_stop(struct walk *walk, int error);

bool hob__json_goes_on(const struct walk *walk);

/* Copies what fits, whole characters, and with a ? for what is no text. */
void hob__json_copy_words(char *to, size_t size, const char *from, size_t len);

/* ---- tables (table.c) ---- */

/* The shape; a mistake in it stops the program. */
const hob_json_shape *hob__json_shape(hob_json_table *table, const char *function);

/* Stops the program with the name of a field in the words. */
__attribute__((noreturn, cold)) void hob__json_mistake_of(const char *function, const char *table,
                                                          const char *field, const char *what);

const char *hob__json_name(const hob_json_field *field);
bool        hob__json_is_optional(const hob_json_field *field);
bool        hob__json_is_nullable(const hob_json_field *field);
bool        hob__json_ignores_unknown(const hob_json_shape *shape, const hob_json_opts *opts);

/* NULL: there is none of that name on that side. */
const hob_json_field *hob__json_find(const hob_json_shape *shape, hob_json_side side,
                                     const char *name);

/* The most items there can be; SIZE_MAX: no limit. */
size_t hob__json_count_max(const hob_json_field *field);

/* Integers and flags where they lie. A member that holds more than int64_t is INT64_MAX, and sets
 * `*ret_is_over`. */
int64_t hob__json_get_int(const void *at, size_t bytes, bool is_signed, bool *ret_is_over);
void    hob__json_set_int(void *at, size_t bytes, int64_t value);
size_t  hob__json_get_count(const hob_json_field *field, const void *obj); /* SIZE_MAX: it is none */
bool    hob__json_get_flag(hob_json_flag flag, const void *obj);
void    hob__json_set_flag(hob_json_flag flag, void *obj, bool value);
double  hob__json_get_real(const void *at, size_t bytes);

/* The range of integers that a member of that kind and size holds. */
void hob__json_int_room(const hob_json_field *field, int64_t *ret_min, int64_t *ret_max);

/* ---- limits (limits.c): say what is wrong, and return whether nothing is ---- */

bool hob__json_fits_int(struct walk *walk, const struct step *step, const hob_json_field *field,
                        int64_t value);
/* Says that an integer is too much, one way or the other, for any integer that there is. */
bool hob__json_say_beyond(struct walk *walk, const struct step *step, const hob_json_field *field,
                          bool is_negative);
bool hob__json_fits_real(struct walk *walk, const struct step *step, const hob_json_field *field,
                         double value);
bool hob__json_fits_text(struct walk *walk, const struct step *step, const hob_json_field *field,
                         const char *text, size_t len);
bool hob__json_fits_count(struct walk *walk, const struct step *step, const hob_json_field *field,
                          size_t count);

/* ---- formats (format.c) ---- */

struct format {
    const char *name;    /* in a schema               */
    const char *words;   /* in "is not ..."           */
    const char *pattern; /* ECMA-262                  */
    bool (*fits)(const char *text, size_t len);
};

const struct format *hob__json_format(hob_json_format format);

/* ---- from text to json_t ---- */

/* Limits that jansson does not have (scan.c). Returns 0 or -EMSGSIZE, with words. */
int hob__json_scan(const char *bytes, size_t len, unsigned depth_max, unsigned values_max,
                   hob_json_errors *errors);

/* Writes the integers that int64_t does not hold, and -0, as reals (widen.c). Returns 1, and the text is to be released;
 * 0: there are none; -ENOMEM. And where a column of such a text was in the one that came. */
int      hob__json_widen(const char *bytes, size_t len, char **ret_bytes, size_t *ret_len);
unsigned hob__json_narrow_column(const char *bytes, size_t len, unsigned line, unsigned column);

/* Whether a real is one that widen.c may have made of an integer: -2^63 is what the first below int64_t becomes. */
static inline bool hob__json_is_beyond(double real)
{
    return real >= 0x1p63 || real <= -0x1p63;
}

/* A text, by jansson (parse.c): as hob__json_loadb, but with integers of any size. */
json_t *hob__json_decode(const char *bytes, size_t len, json_error_t *error);

/* A document (parse.c). */
int hob__json_load(const void *bytes, size_t len, const hob_json_opts *opts,
                   hob_json_errors *errors, json_t **ret_value);

/* What a text means to a field, or to an item of it (text.c). NULL: there is no such value, which was
 * said, or no memory. */
json_t *hob__json_of_text(struct walk *walk, const struct step *step, const hob_json_field *field,
                          const char *text, size_t len);

/* The same of a default or an example of the table's own, also of arrays and structs: one that is
 * wrong is a mistake. NULL: no memory. */
json_t *hob__json_of_own_text(struct walk *walk, const hob_json_field *field, const char *text);

/* ---- json_t to struct (read.c) and away with it (free.c) ---- */

/* One field that is there. What it held is overwritten. On failure it may hold something to free. */
bool hob__json_read_field(struct walk *walk, const struct step *step, const hob_json_field *field,
                          const json_t *value, void *obj);

/* A whole document into a struct, as hob_json_from_value. Returns its result. */
int hob__json_read(struct walk *walk, const hob_json_shape *shape, const json_t *value, void *obj);

void hob__json_free_field(const hob_json_field *field, const hob_json_memory *memory, void *obj);

/* ---- writing JSON (emit.c) ---- */

struct sink {
    /* Takes bytes. 0 or a negative error, which ends it. */
    int (*put)(struct sink *sink, const char *bytes, size_t len);
    char       *buf;
    size_t      len, cap;
    hob_writer *writer;
    const hob_json_memory *memory;
};

struct emit {
    struct sink *sink; /* NULL: only counts */
    size_t       bytes, bytes_max;
    int          error; /* the first; what comes after it is nothing */
    bool         is_pretty;
    bool         is_line;
    bool         is_first; /* nothing stands in the innermost object or array yet */
    unsigned     depth;
};

void hob__json_emit_begin(struct emit *emit, struct sink *sink, const hob_json_opts *opts);
void hob__json_emit_end(struct emit *emit);
void hob__json_emit_open(struct emit *emit, char bracket);
void hob__json_emit_close(struct emit *emit, char bracket);
void hob__json_emit_name(struct emit *emit, const char *name, size_t len);
void hob__json_emit_item(struct emit *emit); /* before each value in an array */
void hob__json_emit_word(struct emit *emit, const char *word);
void hob__json_emit_text(struct emit *emit, const char *text, size_t len);
void hob__json_emit_int(struct emit *emit, int64_t value);
void hob__json_emit_real(struct emit *emit, double value, bool is_float);

/* Any value, down to `depth_max`. NULL, or what is wrong with it. */
const char *hob__json_emit_value(struct emit *emit, const json_t *value, unsigned depth_max);

/* The defaults. */
unsigned hob__json_depth_max(const hob_json_opts *opts, const char *function);
size_t   hob__json_bytes_max(const hob_json_opts *opts);

#endif
