/* SPDX-License-Identifier: MIT */
/*
 * JSON: a struct is described once, and is parsed, checked, written, and explained by a schema.
 *
 *     struct item { char sku[16]; int quantity; };
 *     static HOB_JSON_TABLE(item_json, struct item,
 *         HOB_JSON_FIELD(sku, .len_min = 1),
 *         HOB_JSON_FIELD(quantity, .range = HOB_JSON_RANGE(1, 1000)));
 *
 *     struct order { int64_t id; char *note; struct item *items; size_t item_count; };
 *     static HOB_JSON_TABLE(order_json, struct order,
 *         HOB_JSON_FIELD(id, .range = HOB_JSON_MIN(1)),
 *         HOB_JSON_FIELD(note, .optional = 1, .len_max = 200),
 *         HOB_JSON_OBJECTS(items, item_count, item_json, .count_max = 100));
 *
 *     struct order    order;
 *     hob_json_errors errors;
 *     if (hob_json_parse(order_json, body, len, NULL, &errors, &order) < 0)
 *         ... errors.at[0]: "items[3].quantity", "0 is less than 1" ...
 *     hob_json_free(order_json, NULL, &order);
 *
 * A library of its own: not part of hob.h; link libhob-json (pkg-config). JSON is RFC 8259, the
 * schema is JSON Schema 2020-12, as in OpenAPI 3.1. jansson parses.
 *
 * What a document may hold is said by the C type of a member: bool, any integer, double or float,
 * char * (allocated), char[N] (in the struct), a struct, a pointer to one, `struct json_t *` (any
 * value, of jansson); and arrays of them, in the struct or allocated, with a count beside them.
 * Fields are required unless they say otherwise. The same limits hold for what is parsed and for
 * what is written, so what one program writes the other accepts. Members that the table does not
 * name are zeroed by a parse, and not written.
 *
 * What is refused, always: text that is not JSON or not UTF-8; a name that comes twice; U+0000 in
 * a string, since strings of C end there; numbers beyond double; NaN and infinity. A number with a
 * fraction or an exponent is no integer. Integers are exact within int64_t (so a uint64_t member holds
 * half of its range). One beyond that is the nearest double, where a double or any value is wanted; and
 * -0 has its sign there. (As an integer it is 0, and so is -0.0, the one with a fraction that is let in.)
 *
 * Functions may be called from any thread and need no run, but for those with a reader or a
 * writer. They do not wait unless they say so. They return
 *   -EBADMSG   it is not JSON; errors->at[0] has the line and the column
 *   HOB_EJSON  it does not fit the table; `errors` has where, and why
 *   -EMSGSIZE  more bytes, depth or values than the options allow
 *   -ENOMEM
 */
#ifndef HOB_JSON_H
#define HOB_JSON_H

#include <stdbool.h>

#include "hob/reader.h"
#include "hob/writer.h"

HOB_BEGIN_DECLS

struct json_t; /* of <jansson.h> */

/* ---- describing a struct ---------------------------------------------------- */

typedef struct hob_json_field hob_json_field;
typedef struct hob_json_shape hob_json_shape;

/* A table is a function that returns the description; HOB_JSON_TABLE makes it. */
typedef const hob_json_shape *hob_json_table(void);

/* What a text must look like. Each is checked as the schema's `format` and `pattern` say. */
typedef enum hob_json_format {
    HOB_JSON_ANY_TEXT,
    HOB_JSON_EMAIL,     /* as the e-mail field of a page of HTML (WHATWG): a@b.example     */
    HOB_JSON_UUID,      /* RFC 9562: 32 hexadecimal digits and 4 hyphens                   */
    HOB_JSON_DATE,      /* RFC 3339: 2026-02-28; the day exists                            */
    HOB_JSON_DATE_TIME, /* RFC 3339: 2026-02-28T23:59:59.5+01:00 or Z; a second 60 may be  */
    HOB_JSON_URI,       /* RFC 3986: with a scheme; its characters are looked at           */
} hob_json_format;

/* A value of an enum, and its name in JSON. */
typedef struct hob_json_name {
    const char *name;
    int64_t     value;
} hob_json_name;

/* What a number may be. Made by HOB_JSON_RANGE(1, 10), HOB_JSON_MIN(1), HOB_JSON_MAX(10), both ends
 * allowed; for double and float they may have fractions. */
typedef struct hob_json_range {
    unsigned has_min : 1, has_max : 1, is_real : 1;
    int64_t  min, max;
    double   real_min, real_max;
} hob_json_range;

/* A bool of the struct. Made by HOB_JSON_FLAG(member). */
typedef struct hob_json_flag {
    size_t at_plus_one;
} hob_json_flag;

/* A field. The macros below fill in the first part; the second is what follows the dots in
 * them, and all zero means the defaults. */
struct hob_json_field {
    const char     *member;
    unsigned char   kind;  /* HOB_JSON_KIND_...                                     */
    unsigned char   array; /* HOB_JSON_ONE, _INSIDE, _ALLOCATED                     */
    size_t          at, bytes;   /* where it is; the size of it, or of an item      */
    size_t          room_bytes;  /* of an array inside, as a whole                  */
    size_t          count_at, count_bytes;
    unsigned char   count_kind;
    const hob_json_name *names;
    size_t          name_count;
    hob_json_table *table;

    const char *as; /* its name in JSON; NULL: as the member's */

    /* May it be absent? If so, `otherwise` is taken then: of a text, an enum, a number or a bool as
     * it would be in a query (open, 10, true), of others as JSON. NULL: zero, NULL, nothing. */
    unsigned      optional : 1;
    const char   *otherwise; /* means optional, too                                        */
    hob_json_flag has;       /* means optional, too; is set to whether it was there, and
                                says whether it is written                                 */
    /* May it be null? A pointer is NULL then; what is no pointer needs `null`. */
    unsigned      nullable : 1;
    hob_json_flag null;      /* means nullable, too; is set to whether it was null, and says
                                whether null is written                                    */
    /* For documents that go one way: see hob_json_side. */
    unsigned read_only : 1, write_only : 1;

    hob_json_range  range;     /* of a number, or of each in an array                      */
    size_t          len_min;   /* of a text in code points, or of each in an array         */
    size_t          len_max;   /* 0: no limit but bytes_max, and the room of a char[N]     */
    size_t          bytes_max; /* 0: none                                                  */
    hob_json_format format;
    size_t          count_min; /* of an array                                              */
    size_t          count_max; /* 0: no limit but the room of an array inside              */

    const char *about;   /* for the schema: a description, and an example, */
    const char *example; /* written as `otherwise`                         */
};

/* About a struct as a whole. All zero means the defaults. */
typedef struct hob_json_about {
    const char *called; /* its name among schemas: "Order"; NULL: that of the table */
    const char *text;   /* a description                                            */
    unsigned    ignore_unknown : 1; /* 0: a name that is not in the table is refused */
} hob_json_about;

struct hob_json_shape {
    const char           *name;
    size_t                bytes;
    const hob_json_field *fields;
    size_t                field_count;
    hob_json_about        about;
    unsigned             *was_checked;
};

/* The macros are for C. In C++ the tables of a C file are used: HOB_JSON_DECLARE.
 *
 * Makes a table with the fields that follow. `static` may stand before it, a semicolon does after
 * it. A mistake in a table that the compiler cannot see stops the program when it is used first. */
#define HOB_JSON_TABLE(table_name, type, ...)                                     \
    HOB_JSON_TABLE_WITH(table_name, type, HOB_JSON_ABOUT(.called = NULL), __VA_ARGS__)

/* The same, with HOB_JSON_ABOUT(.called = "Order", .text = "...") before the fields. */
#define HOB_JSON_TABLE_WITH(table_name, type, about_it, ...)                      \
    const hob_json_shape *table_name(void)                                        \
    {                                                                             \
        typedef type hob_json_self;                                               \
        typedef type table_name##_of __attribute__((unused));                     \
        static unsigned was_checked;                                              \
        static const hob_json_field fields[] = { __VA_ARGS__ };                   \
        static const hob_json_shape shape = {                                     \
            #table_name, sizeof(hob_json_self), fields,                           \
            sizeof fields / sizeof fields[0], about_it, &was_checked              \
        };                                                                        \
        return &shape;                                                            \
    }                                                                             \
    typedef type table_name##_of __attribute__((unused))

#define HOB_JSON_ABOUT(...) { __VA_ARGS__ }

/* For a header: there is such a table in some file. */
#define HOB_JSON_DECLARE(table_name, type)                                        \
    typedef type table_name##_of;                                                 \
    hob_json_table table_name

/* A member that is a bool, an integer, a double or float, a text, or any JSON value. */
#define HOB_JSON_FIELD(name, ...)                                                 \
    { HOB_JSON_PLACE_(name), .kind = HOB_JSON_KIND_OF_(HOB_JSON_SELF_(name)),     \
      .bytes = sizeof HOB_JSON_SELF_(name), __VA_ARGS__ }

/* A member that is an integer or an enum, and has names in JSON: an array of hob_json_name. */
#define HOB_JSON_ENUM(name, its_names, ...)                                       \
    { HOB_JSON_PLACE_(name), .kind = HOB_JSON_ENUM_OF_(HOB_JSON_SELF_(name)),     \
      .bytes = sizeof HOB_JSON_SELF_(name), HOB_JSON_NAMES_(its_names), __VA_ARGS__ }

/* A member that is a struct with a table of its own, or a pointer to one, which is allocated; NULL
 * is "absent", or null. A table may stand in itself by a pointer. */
#define HOB_JSON_OBJECT(name, its_table, ...)                                     \
    { HOB_JSON_PLACE_(name),                                                      \
      .kind = HOB_JSON_OBJECT_OF_(HOB_JSON_SELF_(name), its_table),               \
      .bytes = sizeof HOB_JSON_SELF_(name), .table = (its_table), __VA_ARGS__ }

/* Arrays of these. The member is an array in the struct, or a pointer to items that are allocated;
 * `count` is an integer member that has how many there are. What follows the dots is for each item,
 * but for the counts, and for what says whether the array itself may be absent. */
#define HOB_JSON_ARRAY(name, count, ...)                                          \
    { HOB_JSON_PLACE_(name), .kind = HOB_JSON_KIND_OF_(HOB_JSON_SELF_(name)[0]),  \
      HOB_JSON_ITEMS_(name, count), __VA_ARGS__ }
#define HOB_JSON_ENUMS(name, count, its_names, ...)                               \
    { HOB_JSON_PLACE_(name), .kind = HOB_JSON_ENUM_OF_(HOB_JSON_SELF_(name)[0]),  \
      HOB_JSON_ITEMS_(name, count), HOB_JSON_NAMES_(its_names), __VA_ARGS__ }
#define HOB_JSON_OBJECTS(name, count, its_table, ...)                             \
    { HOB_JSON_PLACE_(name),                                                      \
      .kind = HOB_JSON_OBJECT_OF_(HOB_JSON_SELF_(name)[0], its_table),            \
      HOB_JSON_ITEMS_(name, count), .table = (its_table), __VA_ARGS__ }

#define HOB_JSON_RANGE(lo, hi) { 1, 1, HOB_JSON_IS_REAL_(lo) | HOB_JSON_IS_REAL_(hi), \
      HOB_JSON_INT_(lo), HOB_JSON_INT_(hi), (double)(lo), (double)(hi) }
#define HOB_JSON_MIN(lo) { 1, 0, HOB_JSON_IS_REAL_(lo), HOB_JSON_INT_(lo), 0, (double)(lo), 0 }
#define HOB_JSON_MAX(hi) { 0, 1, HOB_JSON_IS_REAL_(hi), 0, HOB_JSON_INT_(hi), 0, (double)(hi) }
#define HOB_JSON_FLAG(name)                                                       \
    { offsetof(hob_json_self, name) + 1 +                                         \
      HOB_JSON_MUST_(HOB_JSON_IS_(HOB_JSON_SELF_(name), _Bool), "a flag is a bool") }

/* ---- documents -------------------------------------------------------------- */

enum {
    HOB_JSON_BYTES  = 1048576, /* the defaults of the options below */
    HOB_JSON_DEPTH  = 32,
    HOB_JSON_VALUES = 100000,

    HOB_JSON_DEPTH_MAX = 1000, /* the most that depth_max may be: see docs/guide/28-json.md
                                  about the stack that a task needs for it */
    HOB_JSON_ERRORS_MAX = 8,
    HOB_JSON_PATH_MAX   = 128,
    HOB_JSON_WORDS_MAX  = 128,
};

/* Which way a document goes. A field that is read_only is not there in a request, one that is
 * write_only is not there in a response: it is no field then, and refused like an unknown one. */
typedef enum hob_json_side {
    HOB_JSON_WHOLE, /* all fields, as in a file */
    HOB_JSON_REQUEST,
    HOB_JSON_RESPONSE,
} hob_json_side;

/* Where the memory of a struct comes from, such as an arena. `free` may be NULL: then it is
 * never called, and hob_json_free is needed only for members that are json_t. */
typedef struct hob_json_memory {
    void *(*alloc)(void *arg, size_t size);
    void (*free)(void *arg, void *ptr);
    void *arg;
} hob_json_memory;

/* All zero, or NULL where a pointer is taken, means the defaults. */
typedef struct hob_json_opts {
    hob_json_side side;
    size_t   bytes_max;  /* of a document. 0: 1 MiB                                         */
    unsigned depth_max;  /* objects and arrays in each other. 0: 32                         */
    unsigned values_max; /* values in a document, which take about 100 times the bytes of the
                            shortest while it is parsed. 0: 100,000                         */
    unsigned ignore_unknown : 1; /* as in hob_json_about, for all tables                    */
    unsigned pretty : 1;         /* written with line ends, and indented by two             */
    unsigned line : 1;           /* in one line, with an LF after it: JSON Lines            */
    const hob_json_memory *memory; /* NULL: that of jansson, which is malloc(3) unless
                                      json_set_alloc_funcs was told otherwise before        */
} hob_json_opts;

/* One thing that is wrong with a document, in words for people. */
typedef struct hob_json_error {
    char     path[HOB_JSON_PATH_MAX];   /* "items[3].quantity"; "" is the document itself. In UTF-8;
                                           what does not fit is cut                         */
    char     words[HOB_JSON_WORDS_MAX]; /* "0 is less than 1"; likewise                     */
    unsigned line, column; /* where it stops to be JSON, in characters from 1; 0: it is JSON */
} hob_json_error;

/* All of them, in the order of the table. A pointer to one may be NULL everywhere. */
typedef struct hob_json_errors {
    unsigned       count;
    bool           more; /* there are more of them than fit here */
    hob_json_error at[HOB_JSON_ERRORS_MAX];
} hob_json_errors;

/* Tables for hob_json_errors, so that a server can send them:
 * {"errors":[{"path":"items[3].quantity","words":"0 is less than 1"}],"more":false} */
HOB_API const hob_json_shape *hob_json_errors_json(void);
HOB_API const hob_json_shape *hob_json_error_json(void);

/* "items[3].quantity: 0 is less than 1" of the first, with what hob_strerror says of `error` if there
 * is none. Gives `buf` back. */
HOB_API const char *hob_json_error_text(int error, const hob_json_errors *errors, char *buf,
                                        size_t size);

/* ---- from a document to a struct -------------------------------------------- */

/* Parses `len` bytes into the struct at `obj`. Whatever was there is overwritten, not freed. On
 * failure nothing is held, and all of it is zero. Returns 0; the struct is freed by hob_json_free
 * then. `errors` is written always. */
HOB_API HOB_MUST_USE int hob_json_parse(hob_json_table *table, const void *bytes, size_t len,
                                        const hob_json_opts *opts, hob_json_errors *errors,
                                        void *obj);

/* The same of a value of jansson's, which stays the caller's. */
HOB_API HOB_MUST_USE int hob_json_from_value(hob_json_table *table, const struct json_t *value,
                                             const hob_json_opts *opts, hob_json_errors *errors,
                                             void *obj);

/* A name and a text, as in a query, a path or a form, already decoded. */
typedef struct hob_json_pair {
    const char *name;
    const char *text;
    size_t      len; /* of the text */
} hob_json_pair;

/* The same of texts: numbers as in JSON, bools as true, false, 1 or 0, null never. A field that is an
 * array takes every pair of its name, another one at most one. Structs and `json_t` cannot come so. */
HOB_API HOB_MUST_USE int hob_json_from_pairs(hob_json_table *table, const hob_json_pair *pairs,
                                             size_t count, const hob_json_opts *opts,
                                             hob_json_errors *errors, void *obj);

/* Sets the one field `name` of a struct, as a pair would, and frees what it held. An array has that
 * one item then. On failure the struct stays as it was. */
HOB_API HOB_MUST_USE int hob_json_from_text(hob_json_table *table, const char *name,
                                            const char *text, size_t len,
                                            const hob_json_opts *opts, hob_json_errors *errors,
                                            void *obj);

/* Reads a line of JSON Lines and parses it: blank ones are skipped. May wait. Returns 0; HOB_EOF at
 * the end; or the errors of hob_reader_json_line and hob_json_parse. After HOB_EJSON, -EBADMSG and
 * -EILSEQ the line was taken, and the next call goes on behind it. */
HOB_API HOB_MUST_USE int hob_json_read_line(hob_json_table *table, hob_reader *in,
                                            const hob_json_opts *opts, hob_json_errors *errors,
                                            void *obj);

/* Frees what a parse allocated, and zeroes the fields of the table. For a struct that is zero it does
 * nothing. `memory` is that of the options. */
HOB_API void hob_json_free(hob_json_table *table, const hob_json_memory *memory, void *obj);

/* Memory from where a parse takes it, so that a member can be replaced by hand; and back. `alloc`
 * gives NULL when there is none; `release` takes NULL. */
HOB_API void *hob_json_alloc(const hob_json_memory *memory, size_t size);
HOB_API void  hob_json_release(const hob_json_memory *memory, void *ptr);

/* ---- from a struct to a document -------------------------------------------- */

/* Integers are exact, doubles as short as reads back the same, texts UTF-8. A pointer that is NULL is
 * null if it may be, else absent if it may be, else an error; an array that is NULL has no items.
 *
 * Looks whether it could be written. Returns how many bytes it would be. */
HOB_API HOB_MUST_USE ssize_t hob_json_check(hob_json_table *table, const void *obj,
                                            const hob_json_opts *opts, hob_json_errors *errors);

/* Writes it into memory that hob_json_release frees, with a NUL behind it. Returns its length. */
HOB_API HOB_MUST_USE ssize_t hob_json_text(hob_json_table *table, const void *obj,
                                           const hob_json_opts *opts, hob_json_errors *errors,
                                           char **ret_text);

/* Writes it into a buffer, with a NUL behind it. Returns its length. -EMSGSIZE also when it does
 * not fit; the buffer has an empty text then, as on every failure. */
HOB_API HOB_MUST_USE ssize_t hob_json_print(hob_json_table *table, const void *obj,
                                            const hob_json_opts *opts, hob_json_errors *errors,
                                            char *buf, size_t size);

/* Writes it through a writer, piece by piece; no memory is taken. May wait, and the struct must not
 * change meanwhile. It is checked before: either nothing is written, or only the writer can fail.
 * Returns its length, or the errors of hob_writer_write; then a part may be written. */
HOB_API HOB_MUST_USE ssize_t hob_json_write(hob_json_table *table, const void *obj,
                                            const hob_json_opts *opts, hob_json_errors *errors,
                                            hob_writer *out);

/* The same of a value of jansson's, whatever is in it. */
HOB_API HOB_MUST_USE ssize_t hob_json_value_text(const struct json_t *value,
                                                 const hob_json_opts *opts, char **ret_text);
HOB_API HOB_MUST_USE ssize_t hob_json_value_write(const struct json_t *value,
                                                  const hob_json_opts *opts, hob_writer *out);

/* ---- schema ----------------------------------------------------------------- */

/* The JSON Schema (2020-12) of a table, on one of the sides, as a value of jansson's that the caller
 * has to json_decref. The tables in it are in its $defs. Returns 0 or -ENOMEM.
 *
 * What the schema accepts the parse accepts, and the other way round, but for what a schema cannot
 * say: bytes instead of code points, days that a month lacks, names that come twice, 1.0 as an
 * integer, and what is always refused. */
HOB_API HOB_MUST_USE int hob_json_schema(hob_json_table *table, const hob_json_opts *opts,
                                         struct json_t **ret_schema);

/* An object with the schema of each of the tables, and of those in them, by name. References begin
 * with `prefix`: "#/components/schemas/" for OpenAPI. Of two tables with one name, the second is
 * called NAME_2. Returns 0 or -ENOMEM. */
HOB_API HOB_MUST_USE int hob_json_schemas(hob_json_table *const *tables, size_t count,
                                          const char *prefix, const hob_json_opts *opts,
                                          struct json_t **ret_schemas);

/* The schema of the one field at `index` of a table, which is no struct: for parameters. Returns 0,
 * -ENOMEM, or -ENOENT: there is no such field, or it is a struct. */
HOB_API HOB_MUST_USE int hob_json_field_schema(hob_json_table *table, size_t index,
                                               struct json_t **ret_schema);

/* Whether a document must have the field; whether the field is there on that side. */
HOB_API int hob_json_field_is_required(const hob_json_field *field);
HOB_API int hob_json_field_is_on(const hob_json_field *field, hob_json_side side);

/* ---- what the macros are made of -------------------------------------------- */

enum {
    HOB_JSON_KIND_WRONG,
    HOB_JSON_KIND_BOOL,
    HOB_JSON_KIND_INT,
    HOB_JSON_KIND_UINT,
    HOB_JSON_KIND_REAL,
    HOB_JSON_KIND_TEXT,      /* char *  */
    HOB_JSON_KIND_TEXT_IN,   /* char[N] */
    HOB_JSON_KIND_ENUM,
    HOB_JSON_KIND_OBJECT,    /* a struct      */
    HOB_JSON_KIND_OBJECT_AT, /* a struct *    */
    HOB_JSON_KIND_RAW,       /* struct json_t * */

    HOB_JSON_ONE = 0,
    HOB_JSON_INSIDE,
    HOB_JSON_ALLOCATED,
};

#ifndef __cplusplus
/* 0, or the compiler says `words`. */
#define HOB_JSON_MUST_(cond, words) \
    (0 * sizeof(struct { _Static_assert(cond, words); char is_fine; }))
#define HOB_JSON_SELF_(name) ((hob_json_self *)0)->name
#define HOB_JSON_IS_(value, type) __builtin_types_compatible_p(__typeof__(value), type)
#define HOB_JSON_PLACE_(name) .member = #name, .at = offsetof(hob_json_self, name)
#define HOB_JSON_NAMES_(its_names) \
    .names = (its_names), .name_count = sizeof(its_names) / sizeof(its_names)[0]

#define HOB_JSON_ANY_KIND_(value)                                                 \
    _Generic((value), _Bool: HOB_JSON_KIND_BOOL, signed char: HOB_JSON_KIND_INT,  \
             short: HOB_JSON_KIND_INT, int: HOB_JSON_KIND_INT, long: HOB_JSON_KIND_INT, \
             long long: HOB_JSON_KIND_INT, unsigned char: HOB_JSON_KIND_UINT,     \
             unsigned short: HOB_JSON_KIND_UINT, unsigned int: HOB_JSON_KIND_UINT, \
             unsigned long: HOB_JSON_KIND_UINT, unsigned long long: HOB_JSON_KIND_UINT, \
             float: HOB_JSON_KIND_REAL, double: HOB_JSON_KIND_REAL,               \
             char *: HOB_JSON_IS_(value, char *) ? HOB_JSON_KIND_TEXT : HOB_JSON_KIND_TEXT_IN, \
             const char *: HOB_JSON_IS_(value, const char *) ? HOB_JSON_KIND_TEXT \
                                                             : HOB_JSON_KIND_WRONG, \
             struct json_t *: HOB_JSON_KIND_RAW, default: HOB_JSON_KIND_WRONG)
#define HOB_JSON_KIND_OF_(value)                                                  \
    HOB_JSON_ANY_KIND_(value) +                                                   \
    HOB_JSON_MUST_(HOB_JSON_ANY_KIND_(value) != HOB_JSON_KIND_WRONG,              \
                   "a field is a bool, an integer, double, float, char *, char[N] or json_t *; " \
                   "a struct is a HOB_JSON_OBJECT, an array of them HOB_JSON_OBJECTS")
#define HOB_JSON_ENUM_OF_(value)                                                  \
    HOB_JSON_KIND_ENUM +                                                          \
    HOB_JSON_MUST_(HOB_JSON_ANY_KIND_(value) == HOB_JSON_KIND_INT ||              \
                   HOB_JSON_ANY_KIND_(value) == HOB_JSON_KIND_UINT,               \
                   "what has names is an integer or an enum")
#define HOB_JSON_OBJECT_OF_(value, its_table)                                     \
    (HOB_JSON_IS_(value, its_table##_of *) ? HOB_JSON_KIND_OBJECT_AT : HOB_JSON_KIND_OBJECT) + \
    HOB_JSON_MUST_(HOB_JSON_IS_(value, its_table##_of *) || HOB_JSON_IS_(value, its_table##_of), \
                   "the member is not of the struct that the table is for")

/* An array decays to another type, a pointer does not. */
#define HOB_JSON_IS_POINTER_(name) \
    HOB_JSON_IS_(HOB_JSON_SELF_(name), __typeof__(&HOB_JSON_SELF_(name)[0]))
#define HOB_JSON_ITEMS_(name, count)                                              \
    .bytes = sizeof HOB_JSON_SELF_(name)[0],                                      \
    .array = HOB_JSON_IS_POINTER_(name) ? HOB_JSON_ALLOCATED : HOB_JSON_INSIDE,   \
    .room_bytes = sizeof HOB_JSON_SELF_(name),                                    \
    .count_at = offsetof(hob_json_self, count) +                                  \
                HOB_JSON_MUST_(HOB_JSON_ANY_KIND_(HOB_JSON_SELF_(count)) == HOB_JSON_KIND_INT || \
                               HOB_JSON_ANY_KIND_(HOB_JSON_SELF_(count)) == HOB_JSON_KIND_UINT, \
                               "a count is an integer"),                          \
    .count_bytes = sizeof HOB_JSON_SELF_(count),                                  \
    .count_kind = HOB_JSON_ANY_KIND_(HOB_JSON_SELF_(count))

#define HOB_JSON_IS_REAL_(value) _Generic((value), double: 1, float: 1, default: 0)
#define HOB_JSON_INT_(value)     _Generic((value), double: 0, float: 0, default: (value))
#endif

HOB_END_DECLS

#endif
