/* SPDX-License-Identifier: MIT */
/* Short words for our own tests. What they mean stands in hob/test.h. */
#ifndef HOB_TESTS_SUPPORT_TEST_H
#define HOB_TESTS_SUPPORT_TEST_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include <hob.h>
#include <hob/test.h>

/* Callbacks and tasks of tests seldom need all that they are given. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* Not by way of HOB_TEST: `unix` and `linux` are macros, and would be expanded on the way. */
#define TEST_AS(area, claim, flags, dies) \
    HOB_TEST_DEFINE(#area, #claim, hob_test_##area##_##claim, flags, dies)

#define TEST(area, claim)                 TEST_AS(area, claim, 0, NULL)
#define TEST_ON_ALL(area, claim)          TEST_AS(area, claim, HOB_TEST_EACH_BACKEND, NULL)
#define TEST_BARE(area, claim)            TEST_AS(area, claim, HOB_TEST_NO_RUNTIME, NULL)
#define TEST_ONCE(area, claim)            TEST_AS(area, claim, HOB_TEST_ONE_SEED, NULL)
#define TEST_DIES(area, claim, sentence)  TEST_AS(area, claim, 0, sentence)
#define TEST_BARE_ON_ALL(area, claim) \
    TEST_AS(area, claim, HOB_TEST_NO_RUNTIME | HOB_TEST_EACH_BACKEND, NULL)

#define check(cond)              HOB_CHECK(cond)
#define check_eq(a, b)           HOB_CHECK_EQ(a, b)
#define check_ne(a, b)           HOB_CHECK_NE(a, b)
#define check_lt(a, b)           HOB_CHECK_LT(a, b)
#define check_le(a, b)           HOB_CHECK_LE(a, b)
#define check_gt(a, b)           HOB_CHECK_GT(a, b)
#define check_ge(a, b)           HOB_CHECK_GE(a, b)
#define check_ok(expr)           HOB_CHECK_OK(expr)
#define check_err(expr, error)   HOB_CHECK_ERR(expr, error)
#define check_str(a, b)          HOB_CHECK_STR(a, b)
#define check_has(text, part)    HOB_CHECK_HAS(text, part)
#define check_mem(a, b, len)     HOB_CHECK_MEM(a, b, len)
#define fail(...)                HOB_FAIL(__VA_ARGS__)
#define skip(...)                HOB_SKIP(__VA_ARGS__)

#define expect(cond)             HOB_EXPECT(cond)
#define expect_eq(a, b)          HOB_EXPECT_EQ(a, b)
#define expect_ok(expr)          HOB_EXPECT_OK(expr)
#define expect_err(expr, error)  HOB_EXPECT_ERR(expr, error)

#define settle()                 hob_test_settle()

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED true
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED false
#endif

/* Whether all is many times slower than it could be: sanitizers, and Valgrind and emulators,
 * which are started with HOB_TEST_TIMEOUT. A test that counts to a million counts less there. */
static inline bool all_is_slow(void)
{
    return IS_SANITIZED || getenv("HOB_TEST_TIMEOUT") != NULL;
}

/* Whether another machine's programs are run here, by qemu-user, which does not carry every
 * system call and message over. tools/test_deep.py says so. */
static inline bool is_emulated(void)
{
    return getenv("HOB_TEST_EMULATED") != NULL;
}

/* Valgrind has descriptors of its own, and books about each byte. */
static inline bool is_in_valgrind(void)
{
    return getenv("HOB_TEST_VALGRIND") != NULL;
}

/* For a child process of a test, so that it is gone when the test was given up. */
static inline void die_with_parent(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* For results that the test knows already, or that do not matter to it. */
static inline void ignore(long long result)
{
    (void)result;
}

#endif
