/* SPDX-License-Identifier: MIT */
/*
 * Logs.
 *
 *     HOB_LOG(INFO, "order paid", "order", order->id, "user", order->user, "total", 9.5);
 *
 * says a message and fields, each a name and a value. It becomes a line, for people
 *
 *     2026-11-27T20:03:15.123456Z INFO  order paid order=41 user=ann total=9.5 task=3 worker=0 at=shop.c:12
 *
 * or for machines (RFC 8259)
 *
 *     {"time":"2026-11-27T20:03:15.123456Z","level":"info","message":"order paid","order":41,...}
 *
 * Values.  Numbers, texts (NULL is `null`), pointers (void *), and addresses (hob_addr *) go as they
 *   are; anything else does not compile. hob_log_error(r) is an error by its name, hob_log_bytes(p,
 *   len) a text without a NUL. A char is a number. Their arguments are evaluated only if the level is
 *   on; otherwise a call is a load and a comparison.
 * What is added.  The time (in sim the virtual one), the task and its name, the worker, and task-locals
 *   whose key has is_logged set.
 * Safe lines.  A line is one line, whatever is in it: control characters are escaped, also those that
 *   a terminal obeys, and bytes that are not UTF-8 become U+FFFD. It has at most 4096 bytes: longer
 *   values are cut, what then has no room is left out, and the field `cut` says so.
 * Never in the way.  In a run the line is put into a buffer that a thread of its own writes from;
 *   no call here waits, whatever becomes of the disk or of who reads the pipe. A full buffer drops new
 *   lines, and a line says how many, as soon as there is room. What cannot be written is tried again.
 *   A place in the source that says more than 1000 lines a second is cut short, and a line says so.
 *   The end of a run, exit(3), a failed assertion, and a crash (SIGSEGV, SIGBUS, SIGABRT, SIGFPE,
 *   SIGILL) write what is still buffered, and wait at most a second or so for who does not take it.
 * Where it goes.  To standard error at first, from level INFO on; hob_log_setup says otherwise. The
 *   environment wins: HOB_LOG_LEVEL=debug, HOB_LOG_FORM=json.
 * Threads.  Any thread may log, of Hob or not, also before and after a run; then it writes by itself,
 *   and may block. Not in signal handlers.
 * sim.  Lines for standard error and for a function of yours are given at once; those for a file are
 *   written to the simulated disk by a task of the run (a root scope named "log"), in virtual time.
 * Tests.  hob_test_log_text() of hob/test.h has what was logged.
 */
#ifndef HOB_LOG_H
#define HOB_LOG_H

#include "hob/addr.h"

HOB_BEGIN_DECLS

/* How important. The numbers are those of syslog (RFC 5424), which has no TRACE. */
enum hob_log_level {
    HOB_LOG_OFF = 1,     /* as a limit: nothing at all                        */
    HOB_LOG_ERROR = 3,   /* something was not done                            */
    HOB_LOG_WARNING = 4, /* it was done, but somebody should look             */
    HOB_LOG_NOTICE = 5,  /* rare and normal: started, reloaded, stopping      */
    HOB_LOG_INFO = 6,    /* what happens                                      */
    HOB_LOG_DEBUG = 7,   /* how it happens                                    */
    HOB_LOG_TRACE = 8    /* every step                                        */
};

/* Says a message with up to 16 fields: HOB_LOG(INFO, message, name, value, name, value ...). The
 * message and the names are texts of the program; what comes from outside belongs into values. A
 * name that Hob uses itself (time, level, message, task, task_name, worker, at, cut) gets a _ at its
 * end. Does not wait. */
#define HOB_LOG(level, ...) HOB_LOG_AT(HOB_LOG_##level, __VA_ARGS__)

/* The same with a level that is only known at run time. */
#define HOB_LOG_AT(level, ...)                                                    \
    do {                                                                          \
        const int hob_log_level_ = (level);                                       \
        if (HOB_LOG_IS_ON(hob_log_level_)) {                                      \
            static hob_log_site hob_log_site_ = HOB_LOG_SITE;                     \
            const hob_log_field hob_log_fields_[] = { HOB_LOG_FIELDS(__VA_ARGS__) \
                                                          HOB_LOG_NO_FIELD };     \
            hob_log_write(&hob_log_site_, hob_log_level_, HOB_LOG_FIRST(__VA_ARGS__, 0), \
                          hob_log_fields_,                                        \
                          sizeof hob_log_fields_ / sizeof hob_log_fields_[0] - 1); \
        }                                                                         \
    } while (0)

/* A message made as by printf, without fields; cut at 2047 bytes. Does not wait. */
#define HOB_LOGF(level, ...)                                                      \
    do {                                                                          \
        if (HOB_LOG_IS_ON(HOB_LOG_##level)) {                                     \
            static hob_log_site hob_log_site_ = HOB_LOG_SITE;                     \
            hob_log_printf(&hob_log_site_, HOB_LOG_##level, __VA_ARGS__);         \
        }                                                                         \
    } while (0)

/* Is the level on? For what is costly to find out only for a line. */
#define HOB_LOG_IS_ON(level) ((level) <= __atomic_load_n(&hob_log_limit, __ATOMIC_RELAXED))

/* ---- values ---- */

/* A value of a field. Texts, bytes and addresses in it are lent until the line was said. */
typedef struct hob_log_value {
    int kind;
    unsigned len;
    union {
        long long          i;
        unsigned long long u;
        double             f;
        const void        *p;
    } as;
} hob_log_value;

HOB_API hob_log_value hob_log_error(int error); /* ECONNREFUSED; of >= 0, and what is none that Hob
                                                   or the system knows, the number */
HOB_API hob_log_value hob_log_bytes(const void *bytes, size_t len);
HOB_API hob_log_value hob_log_bool(int value);  /* true or false */
HOB_API hob_log_value hob_log_int(long long value);
HOB_API hob_log_value hob_log_uint(unsigned long long value);
HOB_API hob_log_value hob_log_double(double value); /* not a number, or infinite: null in JSON */
HOB_API hob_log_value hob_log_text(const char *text);
HOB_API hob_log_value hob_log_pointer(const void *pointer);
HOB_API hob_log_value hob_log_addr(const hob_addr *addr);
HOB_API hob_log_value hob_log_itself(hob_log_value value);

/* ---- where it goes ---- */

enum hob_log_form {
    HOB_LOG_FORM_AUTO,    /* JOURNAL if that is where standard error goes (JOURNAL_STREAM of
                             systemd.exec(5)), and TEXT otherwise                           */
    HOB_LOG_FORM_TEXT,
    HOB_LOG_FORM_JSON,
    HOB_LOG_FORM_JOURNAL  /* TEXT, with <6> of sd-daemon(3) in the place of time and level  */
};

/* All zero, or NULL, means the defaults. */
typedef struct hob_log_opts {
    int               level;        /* up to this one; 0: HOB_LOG_INFO                         */
    enum hob_log_form form;
    const char       *path;         /* a file that is added to, made with mode 0640; copied;
                                       NULL: standard error                                    */
    int64_t           rotate_bytes; /* before the file gets longer it becomes PATH.1, what was
                                       that PATH.2, and so on; 0: never. For one program alone */
    uint32_t          rotate_keep;  /* so many older ones are kept; 0: 5; at most 1000         */
    uint32_t          buffer_bytes; /* lines that are not written yet; 0: 256 KiB; at least 16 KiB */
    int32_t           site_per_s;   /* lines a second of one place in the source; 0: 1000;
                                       < 0: any number                                         */

    /* Takes the lines instead: one or more, each with its newline. One call at a time, on the thread
     * of the log (in sim, and outside of a run: of who logs). It must not log, nor call what needs
     * a run. 0; or a negative error, and the same lines come again later. */
    int (*write)(void *arg, const char *lines, size_t len);
    void *write_arg;
} hob_log_opts;

/* From now on like this; what was logged before is written as it was to be, for up to a second.
 * Returns 0, and all is as before after -ENAMETOOLONG or what open(2) says of the file. Opens the
 * file at once, which may block: for the beginning of a program. In a run of sim it is called in a
 * task, waits, and gives -ECANCELED and -ETIMEDOUT too. */
HOB_API HOB_MUST_USE int hob_log_setup(const hob_log_opts *opts);

/* The limit alone; at any time, on any thread. Does not wait. */
HOB_API void hob_log_set_level(int level);
HOB_API int  hob_log_level(void);

/* The file is opened anew by its name before the next line: for logrotate(8), when SIGHUP comes.
 * If that fails the old one is written on. Any thread; does not wait. */
HOB_API void hob_log_reopen(void);

/* Waits until what was logged so far is written, at most `limit_ns`. In a task others run meanwhile;
 * elsewhere the thread sleeps. Not in callbacks of a run. Returns 0, -ECANCELED, -ETIMEDOUT. */
HOB_API HOB_MUST_USE int hob_log_flush(int64_t limit_ns);

typedef struct hob_log_stats {
    uint64_t lines;      /* that were taken                                             */
    uint64_t dropped;    /* because the buffer was full, memory or threads ran out, or the
                            end came before they could be written                       */
    uint64_t suppressed; /* because their place said too many                           */
    uint64_t failures;   /* of opening, writing and renaming                            */
    uint64_t rotations;
    int      last_error; /* of the last of these; 0: none                               */
} hob_log_stats;

/* What the process has counted since it began. Any thread; does not wait. */
HOB_API void hob_log_stats_get(hob_log_stats *ret_stats);

/* Sends what Hob reports (failures, deadlocks, slow tasks) to the log, as warnings:
 *     hob_run_with(&(hob_run_opts){ .report = hob_log_report }, serve, NULL) */
HOB_API void hob_log_report(void *arg, const char *text);

/* ---- what the macros are made of ---- */

/* A place in the source. All but the first two members are Hob's. */
typedef struct hob_log_site {
    const char *file;
    int         line;
    HOB_OPAQUE(4);
} hob_log_site;

typedef struct hob_log_field {
    const char   *name;
    hob_log_value value;
} hob_log_field;

#define HOB_LOG_SITE     { __FILE__, __LINE__, { 0 } }
#define HOB_LOG_NO_FIELD { 0, { 0, 0, { 0 } } }

/* The level up to which lines are taken; more than TRACE before anybody asked. To be read only. */
HOB_API extern int hob_log_limit;

HOB_API void hob_log_write(hob_log_site *site, int level, const char *message,
                           const hob_log_field *fields, size_t count);
HOB_API void hob_log_printf(hob_log_site *site, int level, const char *format, ...)
    HOB_PRINTF(3, 4);

hob_log_field hob_log_unpaired(void)
    __attribute__((error("HOB_LOG: after the message, each field is a name and a value")));

#ifdef __cplusplus
HOB_END_DECLS
static inline hob_log_value hob_log_value_of(bool v) { return hob_log_bool(v); }
static inline hob_log_value hob_log_value_of(char v) { return hob_log_int(v); }
static inline hob_log_value hob_log_value_of(signed char v) { return hob_log_int(v); }
static inline hob_log_value hob_log_value_of(short v) { return hob_log_int(v); }
static inline hob_log_value hob_log_value_of(int v) { return hob_log_int(v); }
static inline hob_log_value hob_log_value_of(long v) { return hob_log_int(v); }
static inline hob_log_value hob_log_value_of(long long v) { return hob_log_int(v); }
static inline hob_log_value hob_log_value_of(unsigned char v) { return hob_log_uint(v); }
static inline hob_log_value hob_log_value_of(unsigned short v) { return hob_log_uint(v); }
static inline hob_log_value hob_log_value_of(unsigned v) { return hob_log_uint(v); }
static inline hob_log_value hob_log_value_of(unsigned long v) { return hob_log_uint(v); }
static inline hob_log_value hob_log_value_of(unsigned long long v) { return hob_log_uint(v); }
static inline hob_log_value hob_log_value_of(float v) { return hob_log_double(v); }
static inline hob_log_value hob_log_value_of(double v) { return hob_log_double(v); }
static inline hob_log_value hob_log_value_of(const char *v) { return hob_log_text(v); }
static inline hob_log_value hob_log_value_of(const void *v) { return hob_log_pointer(v); }
static inline hob_log_value hob_log_value_of(const hob_addr *v) { return hob_log_addr(v); }
static inline hob_log_value hob_log_value_of(const hob_log_value &v) { return v; }
HOB_BEGIN_DECLS
#define HOB_LOG_VALUE(v) hob_log_value_of(v)
#else
#define HOB_LOG_VALUE(v)                                                          \
    _Generic((v),                                                                 \
        _Bool: hob_log_bool,                                                      \
        char: hob_log_int, signed char: hob_log_int, short: hob_log_int,          \
        int: hob_log_int, long: hob_log_int, long long: hob_log_int,              \
        unsigned char: hob_log_uint, unsigned short: hob_log_uint,                \
        unsigned: hob_log_uint, unsigned long: hob_log_uint,                      \
        unsigned long long: hob_log_uint,                                         \
        float: hob_log_double, double: hob_log_double,                            \
        char *: hob_log_text, const char *: hob_log_text,                         \
        void *: hob_log_pointer, const void *: hob_log_pointer,                   \
        hob_addr *: hob_log_addr, const hob_addr *: hob_log_addr,                 \
        hob_log_value: hob_log_itself)(v)
#endif

#define HOB_LOG_FIELD(name, value)  { (name), HOB_LOG_VALUE(value) }
#define HOB_LOG_FIRST(message, ...) (message)
#define HOB_LOG_FIELDS(...)                                                       \
    HOB_JOIN(HOB_LOG_FIELDS_, HOB_LOG_COUNT(__VA_ARGS__))(__VA_ARGS__)
#define HOB_LOG_COUNT(...) HOB_LOG_COUNT_(__VA_ARGS__, 33, UNPAIRED, 31,          \
    UNPAIRED, 29, UNPAIRED, 27, UNPAIRED, 25, UNPAIRED, 23, UNPAIRED, 21,         \
    UNPAIRED, 19, UNPAIRED, 17, UNPAIRED, 15, UNPAIRED, 13, UNPAIRED, 11,         \
    UNPAIRED, 9, UNPAIRED, 7, UNPAIRED, 5, UNPAIRED, 3, UNPAIRED, 1, 0)
#define HOB_LOG_COUNT_(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13,    \
    a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28,    \
    a29, a30, a31, a32, a33, n, ...) n
#define HOB_LOG_FIELDS_UNPAIRED(...) hob_log_unpaired(),
#define HOB_LOG_FIELDS_1(m)
#define HOB_LOG_FIELDS_3(m, n, v) HOB_LOG_FIELD(n, v),
#define HOB_LOG_FIELDS_5(m, n, v, ...)                                            \
    HOB_LOG_FIELD(n, v), HOB_LOG_FIELDS_3(m, __VA_ARGS__)
#define HOB_LOG_FIELDS_7(m, n, v, ...)                                            \
    HOB_LOG_FIELD(n, v), HOB_LOG_FIELDS_5(m, __VA_ARGS__)
#define HOB_LOG_FIELDS_9(m, n, v, ...)                                            \
    HOB_LOG_FIELD(n, v), HOB_LOG_FIELDS_7(m, __VA_ARGS__)
#define HOB_LOG_FIELDS_11(m, n, v, ...)                                           \
    HOB_LOG_FIELD(n, v), HOB_LOG_FIELDS_9(m, __VA_ARGS__)
#define HOB_LOG_FIELDS_13(m, n, v, ...)                                           \
    HOB_LOG_FIELD(n, v), HOB_LOG_FIELDS_11(m, __VA_ARGS__)
#define HOB_LOG_FIELDS_15(m, n, v, ...)                                           \
    HOB_LOG_FIELD(n, v), HOB_LOG_FIELDS_13(m, __VA_ARGS__)
#define HOB_LOG_FIELDS_17(m, n, v, ...)                                           \
    HOB_LOG_FIELD(n, v), HOB_LOG_FIELDS_15(m, __VA_ARGS__)
#define HOB_LOG_FIELDS_19(m, n, v, ...)                                           \
    HOB_LOG_FIELD(n, v), HOB_LOG_FIELDS_17(m, __VA_ARGS__)
#define HOB_LOG_FIELDS_21(m, n, v, ...)                                           \
    HOB_LOG_FIELD(n, v), HOB_LOG_FIELDS_19(m, __VA_ARGS__)
#define HOB_LOG_FIELDS_23(m, n, v, ...)                                           \
    HOB_LOG_FIELD(n, v), HOB_LOG_FIELDS_21(m, __VA_ARGS__)
#define HOB_LOG_FIELDS_25(m, n, v, ...)                                           \
    HOB_LOG_FIELD(n, v), HOB_LOG_FIELDS_23(m, __VA_ARGS__)
#define HOB_LOG_FIELDS_27(m, n, v, ...)                                           \
    HOB_LOG_FIELD(n, v), HOB_LOG_FIELDS_25(m, __VA_ARGS__)
#define HOB_LOG_FIELDS_29(m, n, v, ...)                                           \
    HOB_LOG_FIELD(n, v), HOB_LOG_FIELDS_27(m, __VA_ARGS__)
#define HOB_LOG_FIELDS_31(m, n, v, ...)                                           \
    HOB_LOG_FIELD(n, v), HOB_LOG_FIELDS_29(m, __VA_ARGS__)
#define HOB_LOG_FIELDS_33(m, n, v, ...)                                           \
    HOB_LOG_FIELD(n, v), HOB_LOG_FIELDS_31(m, __VA_ARGS__)

HOB_END_DECLS

#endif
