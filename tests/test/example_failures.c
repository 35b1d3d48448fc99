/* SPDX-License-Identifier: MIT */
/*
 * Tests that fail, each in its way. test_runner.sh runs them one at a time and
 * looks at what the runner makes of them.
 */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "support/test.h"

static int returns_int(void *arg)
{
    (void)arg;
    check_eq(1 + 1, 3);
    puts("never reached");
    return 0;
}

TEST_BARE(fails, a_check_leaves_the_function)
{
    check_err(returns_int(NULL), HOB_ECHECK);
    check_str("left", "right");
    puts("never reached");
}

TEST_BARE(fails, an_expectation_goes_on)
{
    int n = 0;
    n += !HOB_EXPECT_EQ(n, 1);
    n += !HOB_EXPECT_STR("a\n", NULL);
    n += !HOB_EXPECT_MEM("abc", "abd", 3);
    n += !HOB_EXPECT_OK(-ECONNREFUSED);
    n += !HOB_EXPECT_ERR(-EPIPE, -ECANCELED);
    n += !HOB_EXPECT_HAS("haystack", "needle");
    printf("%d failed\n", n);
}

TEST_BARE(fails, a_descriptor_is_left)
{
    check_ok(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

TEST_BARE(fails, it_crashes)
{
    raise(SIGSEGV);
}

TEST_BARE(fails, it_hangs)
{
    for (;;)
        pause();
}

TEST_DIES(fails, it_should_die, "not without these words")
{
    puts("I feel fine");
}

TEST_DIES(fails, it_dies_without_the_words, "not without these words")
{
    fputs("other words\n", stderr);
    abort();
}

TEST_DIES(passes, it_dies_as_it_said, "these words")
{
    fputs("with these words\n", stderr);
    abort();
}

TEST_BARE(skips, it_has_no_wings)
{
    skip("no %s here", "wings");
}
