/* SPDX-License-Identifier: MIT */
/*
 * Tests.
 *
 *     #include <hob/test.h>
 *
 *     HOB_TEST(chat, a_message_reaches_everybody)
 *     {
 *         HOB_SCOPE(s);
 *         hob_go(&s, ann, room);
 *         hob_go(&s, bob, room);
 *         hob_test_settle();                     // everybody waits for something now
 *
 *         HOB_CHECK_OK(say(room, "hello"));
 *         HOB_CHECK_OK(hob_scope_end(&s));
 *         HOB_CHECK_EQ(room->heard, 2);
 *     }
 *
 * Link with libhob-test, which has main(). A test registers itself; its name is
 * its claim, so that a failure reads as a sentence. Its body is the main task of
 * a run of its own, in virtual time, with a seeded order of everything, and it
 * runs once for each of several seeds. A failing run prints the command that
 * repeats it.
 *
 * A test ends clean. After it the runner looks for open descriptors, threads
 * and memory of Hob, and for reports that the test did not ask for; each fails
 * it. A test that hangs shows what every task waits for.
 *
 * Checks come in two kinds, with the same names otherwise:
 *   HOB_CHECK…   leaves the function it stands in when it fails: a test's body,
 *                or a function returning int, which then returns HOB_ECHECK by
 *                hob_fail. So it works like HOB_TRY: scopes are left, siblings
 *                are cancelled, and the test ends.
 *   HOB_EXPECT…  notes the failure, goes on, and is 1 or 0: for callbacks, for
 *                functions of other types, and for seeing more than one failure.
 * Both work in every task and thread. Every argument is evaluated once. What a
 * test has open it holds in a HOB_SCOPE or gives back with HOB_DEFER, so that a
 * failed check leaves nothing behind.
 */
#ifndef HOB_TEST_H
#define HOB_TEST_H

#include "hob/runtime.h"
#include "hob/time.h"

HOB_BEGIN_DECLS

/* A test that runs in the simulated world. The body follows, as of a function
 * without a result: HOB_TEST(area, the_claim) { ... } */
#define HOB_TEST(area, claim)                                                     \
    HOB_TEST_DEFINE(#area, #claim, hob_test_##area##_##claim, 0, (const char *)0)

/* A test that runs once on each backend: sim, epoll, uring. One that this system
 * does not have is skipped. */
#define HOB_TEST_ON_ALL(area, claim)                                              \
    HOB_TEST_DEFINE(#area, #claim, hob_test_##area##_##claim, HOB_TEST_EACH_BACKEND, \
                    (const char *)0)

/* A test without a runtime around it, run once. It may call hob_run itself. */
#define HOB_TEST_BARE(area, claim)                                                \
    HOB_TEST_DEFINE(#area, #claim, hob_test_##area##_##claim, HOB_TEST_NO_RUNTIME, \
                    (const char *)0)

/* A test whose body must stop the program, with `sentence` on standard error; a *
 * in it stands for any text. It runs in a child process, in the simulated world. */
#define HOB_TEST_DIES(area, claim, sentence)                                      \
    HOB_TEST_DEFINE(#area, #claim, hob_test_##area##_##claim, 0, (sentence))

/* What the forms above are made of; flags can be joined with |. */
enum {
    HOB_TEST_EACH_BACKEND = 1, /* not only on sim                                  */
    HOB_TEST_NO_RUNTIME   = 2, /* the body is called outside of hob_run            */
    HOB_TEST_ONE_SEED     = 4, /* long or loud: one seed is enough, and no torture */
};

typedef struct hob_test_body hob_test_body;
typedef void hob_test_fn(hob_test_body *hob_test_frame);

typedef struct hob_test {
    const char      *area, *claim, *file;
    int              line;
    unsigned         flags;
    const char      *dies; /* the sentence it dies with, or NULL */
    hob_test_fn     *fn;
    struct hob_test *next;
} hob_test;

HOB_API void hob_test_register(hob_test *test);

#define HOB_TEST_DEFINE(area, claim, name, flags, dies)                           \
    static hob_test_fn name;                                                      \
    static hob_test    HOB_JOIN(name, _entry) = { (area),  (claim), __FILE__, __LINE__, \
                                                  (flags), (dies),  name,     0 };   \
    __attribute__((constructor)) static void HOB_JOIN(name, _register)(void)      \
    {                                                                             \
        hob_test_register(&HOB_JOIN(name, _entry));                               \
    }                                                                             \
    static void name(__attribute__((unused)) hob_test_body *hob_test_frame)

/* ---- checks ----------------------------------------------------------------- */

/* `cond` is true. */
#define HOB_CHECK(cond)  HOB_TEST_OR_LEAVE(HOB_EXPECT(cond))
#define HOB_EXPECT(cond) hob_test_is_true(!!(cond), __FILE__, __LINE__, #cond)

/* Two integers, or two pointers, are equal (not equal, less ...) as numbers, whatever
 * their types: -1 is less than 1u here. */
#define HOB_CHECK_EQ(a, b)  HOB_TEST_OR_LEAVE(HOB_EXPECT_EQ(a, b))
#define HOB_CHECK_NE(a, b)  HOB_TEST_OR_LEAVE(HOB_EXPECT_NE(a, b))
#define HOB_CHECK_LT(a, b)  HOB_TEST_OR_LEAVE(HOB_EXPECT_LT(a, b))
#define HOB_CHECK_LE(a, b)  HOB_TEST_OR_LEAVE(HOB_EXPECT_LE(a, b))
#define HOB_CHECK_GT(a, b)  HOB_TEST_OR_LEAVE(HOB_EXPECT_GT(a, b))
#define HOB_CHECK_GE(a, b)  HOB_TEST_OR_LEAVE(HOB_EXPECT_GE(a, b))
#define HOB_EXPECT_EQ(a, b) HOB_TEST_COMPARE(a, b, "==")
#define HOB_EXPECT_NE(a, b) HOB_TEST_COMPARE(a, b, "!=")
#define HOB_EXPECT_LT(a, b) HOB_TEST_COMPARE(a, b, "<")
#define HOB_EXPECT_LE(a, b) HOB_TEST_COMPARE(a, b, "<=")
#define HOB_EXPECT_GT(a, b) HOB_TEST_COMPARE(a, b, ">")
#define HOB_EXPECT_GE(a, b) HOB_TEST_COMPARE(a, b, ">=")

/* `expr` is not negative. HOB_CHECK_OK has the value of `expr`:
 *     ssize_t n = HOB_CHECK_OK(hob_tcp_read(conn, buf, sizeof buf)); */
#define HOB_CHECK_OK(expr)                                                        \
    (HOB_TEST_OR_LEAVE(HOB_EXPECT_OK(expr)), (__typeof__(expr))hob_test_last_value())
#define HOB_EXPECT_OK(expr) hob_test_is_ok((long long)(expr), __FILE__, __LINE__, #expr)

/* `expr` fails with just this code, such as -ECANCELED or HOB_EOF. */
#define HOB_CHECK_ERR(expr, error) HOB_TEST_OR_LEAVE(HOB_EXPECT_ERR(expr, error))
#define HOB_EXPECT_ERR(expr, error)                                               \
    hob_test_is_error((long long)(expr), (long long)(error), __FILE__, __LINE__, #expr)

/* Two texts are equal (NULL equals NULL); the text `part` is somewhere in `text`. */
#define HOB_CHECK_STR(a, b)         HOB_TEST_OR_LEAVE(HOB_EXPECT_STR(a, b))
#define HOB_CHECK_HAS(text, part)   HOB_TEST_OR_LEAVE(HOB_EXPECT_HAS(text, part))
#define HOB_EXPECT_STR(a, b)        hob_test_is_str((a), (b), __FILE__, __LINE__, #a, #b)
#define HOB_EXPECT_HAS(text, part)  hob_test_has((text), (part), __FILE__, __LINE__, #text)

/* `len` bytes at `a` and `b` are equal. */
#define HOB_CHECK_MEM(a, b, len)  HOB_TEST_OR_LEAVE(HOB_EXPECT_MEM(a, b, len))
#define HOB_EXPECT_MEM(a, b, len) hob_test_is_mem((a), (b), (len), __FILE__, __LINE__, #a, #b)

/* Fails with words of your own, as printf. */
#define HOB_FAIL(...)        HOB_TEST_OR_LEAVE(HOB_EXPECT_NOT(__VA_ARGS__))
#define HOB_EXPECT_NOT(...)  hob_test_failed(__FILE__, __LINE__, __VA_ARGS__)

/* Leaves the test with a reason for not running it here. */
#define HOB_SKIP(...)        HOB_TEST_OR_LEAVE((hob_test_skipped(__VA_ARGS__), 0))

/* ---- the world of a test ---------------------------------------------------- */

/* Lets everybody run until every other task waits for something that only time,
 * a peer or the caller can give. Virtual time does not move. On a real backend
 * what the kernel has still to do is not waited for: wait for the event there. */
HOB_API void hob_test_settle(void);

/* The seed of this run, to make random things from: the same seed, the same run. */
HOB_API uint64_t hob_test_seed(void);

/* The backend of this run: "sim", "epoll" or "uring". Also in a bare test. */
HOB_API const char *hob_test_backend(void);

/* A folder for the files of this test, without a slash at its end; it is removed
 * with all that is in it when the test ended. In sim it is on the simulated disk; but that
 * of a bare test is on the real one, and a run in sim has to make it on its own. */
HOB_API const char *hob_test_scratch(void);

/* What the runtime reported since the test began, or since hob_test_report_clear.
 * The test looked at it then, so it is no longer a failure. The text lasts until
 * the next report. */
HOB_API const char *hob_test_report_text(void);
HOB_API void        hob_test_report_clear(void);

/* What was logged (hob/log.h) since the test began, or since hob_test_log_clear: a line each, such as
 *     INFO  order paid order=41 user=ann
 * with task-locals, and without what differs between runs. The newest megabyte of it. Nothing goes
 * to standard error then, unless the test fails; where hob_log_setup says, it goes. The text lasts
 * until the next call. What a test set up for the log ends with it. */
HOB_API const char *hob_test_log_text(void);
HOB_API void        hob_test_log_clear(void);

/* For bare tests: fills in options for hob_run_with such that reports reach
 * hob_test_report_text, the backend is this run's and its seed too. */
HOB_API void hob_test_run_opts(hob_run_opts *ret_opts);

/* The same and hob_run_with in one: runs fn(arg) as a program would. */
HOB_API int hob_test_run(hob_task_fn *fn, void *arg);

/* How long a test may take in real time, in seconds. Tests that bring a lot of
 * work call it first. Sanitizers, Valgrind and HOB_TEST_TIMEOUT stretch it. */
HOB_API void hob_test_timeout(unsigned seconds);

/* 1 in a long run (--deep), where a test may try more. */
HOB_API int hob_test_is_deep(void);

/* ---- what the macros call --------------------------------------------------- */

HOB_API int hob_test_is_true(int ok, const char *file, int line, const char *what);
HOB_API int hob_test_is_ok(long long value, const char *file, int line, const char *what);
HOB_API int hob_test_is_error(long long value, long long error, const char *file, int line,
                              const char *what);
HOB_API int hob_test_is_str(const char *a, const char *b, const char *file, int line,
                            const char *a_text, const char *b_text);
HOB_API int hob_test_has(const char *text, const char *part, const char *file, int line,
                         const char *what);
HOB_API int hob_test_is_mem(const void *a, const void *b, size_t len, const char *file, int line,
                            const char *a_text, const char *b_text);
HOB_API int  hob_test_failed(const char *file, int line, const char *format, ...) HOB_PRINTF(3, 4);
HOB_API void hob_test_skipped(const char *format, ...) HOB_PRINTF(1, 2);

/* The value that hob_test_is_ok was asked about last, in this thread. */
HOB_API long long hob_test_last_value(void);

/* A number of any type: its bits, and whether they are to be read as unsigned. */
typedef struct hob_test_number {
    unsigned long long bits;
    int                is_unsigned;
    const char        *text;
} hob_test_number;

HOB_API int hob_test_compare(hob_test_number a, hob_test_number b, const char *how,
                             const char *file, int line);

#define HOB_TEST_COMPARE(a, b, how)                                               \
    hob_test_compare(HOB_TEST_NUMBER(a), HOB_TEST_NUMBER(b), how, __FILE__, __LINE__)

#ifdef __cplusplus
HOB_END_DECLS
template <typename T> static inline hob_test_number hob_test_number_of(T value, const char *text)
{
    hob_test_number number = { (unsigned long long)value, (T)-1 > (T)1, text };
    return number;
}
HOB_BEGIN_DECLS
#define HOB_TEST_NUMBER(expr) hob_test_number_of((expr), #expr)
#else
HOB_API hob_test_number hob_test_number_of(unsigned long long bits, int is_unsigned,
                                           const char *text);
#define HOB_TEST_NUMBER(expr)                                                     \
    hob_test_number_of((unsigned long long)(expr),                                \
                       (__typeof__(1 ? (expr) : (expr)))-1 > (__typeof__(1 ? (expr) : (expr)))1, \
                       #expr)
#endif

/* Returns from the function unless `ok`. In the body of a test, where a parameter
 * hides this declaration, without a value; elsewhere with HOB_ECHECK. */
extern const int hob_test_frame;

HOB_API int  hob_test_leave(void);
HOB_API void hob_test_leave_body(void);

#ifdef __cplusplus
HOB_END_DECLS
static inline int hob_test_leave_from(const int &)
{
    return hob_test_leave();
}
static inline void hob_test_leave_from(hob_test_body *)
{
    hob_test_leave_body();
}
HOB_BEGIN_DECLS
#define HOB_TEST_LEAVE() hob_test_leave_from(hob_test_frame)
#else
#define HOB_TEST_LEAVE()                                                          \
    __builtin_choose_expr(                                                        \
        __builtin_types_compatible_p(__typeof__(hob_test_frame), hob_test_body *), \
        hob_test_leave_body(), hob_test_leave())
#endif

/* What is checked is evaluated outside of the block, so that a compound literal in
 * it lives as long as it would without the check. */
#define HOB_TEST_OR_LEAVE(ok) ((ok) ? (void)0 : __extension__({ return HOB_TEST_LEAVE(); }))

HOB_END_DECLS

#endif
