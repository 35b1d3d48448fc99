/* SPDX-License-Identifier: MIT */
/*
 * Assertions and type tags.
 *
 * They stay on in release builds. A failed one prints its sentence, who was
 * running, and aborts.
 */
#ifndef HOB_BASE_CHECK_H
#define HOB_BASE_CHECK_H

#include <stdint.h>

#define hob_likely(x)   __builtin_expect(!!(x), 1)
#define hob_unlikely(x) __builtin_expect(!!(x), 0)

/* A bug of ours. */
#define hob_assert(cond)                                     \
    do {                                                     \
        if (hob_unlikely(!(cond)))                           \
            hob__assert_failed(#cond, __FILE__, __LINE__);   \
    } while (0)

/* The same, for checks that walk things: on in debug and sanitizer builds. */
#ifdef HOB_SLOW_CHECKS
#define hob_assert_slow(cond) hob_assert(cond)
#else
#define hob_assert_slow(cond) ((void)sizeof(cond))
#endif

/* A mistake of the user. The sentence names the function that was called and says what to do. */
#define hob_require(cond, sentence)                          \
    do {                                                     \
        if (hob_unlikely(!(cond)))                           \
            hob__misuse(sentence);                           \
    } while (0)

#define hob_unreachable(sentence) hob__assert_failed(sentence, __FILE__, __LINE__)

__attribute__((noreturn, cold)) void hob__assert_failed(const char *what, const char *file, int line);
__attribute__((noreturn, cold)) void hob__misuse(const char *sentence);

__attribute__((noreturn, cold)) void hob__misuse_of(const char *function, const char *sentence);

/* Set by the core: writes who is running on this thread to `fd`. May be NULL. */
extern void (*hob__check_who)(int fd);

/* Set by the core, once nothing of Hob may be used any more: the sentence for all checks
 * that fail from then on, whatever they were about. */
extern const char *hob__check_instead;

/* Set by whoever has something to give back before a signal ends the process; for handlers, too.
 * May be NULL. */
extern void (*hob__last_act)(void);

/* Set by the log: writes what it still has, since the process is about to end by a signal. For
 * handlers, too. May be NULL. */
extern void (*hob__last_lines)(void);

/* Long-lived objects begin with a tag; a freed one's is wiped. */
enum hob__tag {
    TAG_FREED = 0x0DEAD0DE,
    TAG_TASK = 0x4B534154,
    TAG_SCOPE = 0x504F4353,
    TAG_FUTURE = 0x55544546,
    TAG_FLIGHTS = 0x54474C46,
    TAG_CACHE = 0x48434143,
    TAG_SIGNALS = 0x4C4E4753,
    TAG_PROMISE = 0x4D4F5250,
    TAG_CHAN = 0x4E414843,
    TAG_LATEST = 0x5354414C,
    TAG_BROADCAST = 0x44414F52,
    TAG_POOL = 0x4C4F4F50,
    TAG_PORTAL = 0x54524F50,
    TAG_WORKER = 0x4B524F57,
    TAG_TCP = 0x00504354,
    TAG_LISTENER = 0x4E54534C,
    TAG_UDP = 0x00504455,
    TAG_UNIX = 0x58494E55,
    TAG_PIPE = 0x45504950,
    TAG_RATES = 0x45544152,
    TAG_FILE = 0x454C4946,
    TAG_FLOW = 0x574F4C46,
    TAG_PROCESS = 0x434F5250,
    TAG_TERMINAL = 0x4D524554,
    TAG_DIR = 0x00524944,
    TAG_WALK = 0x4B4C4157,
    TAG_REPLACE = 0x4C504552,
    TAG_WATCH = 0x48435457,
};

#endif
