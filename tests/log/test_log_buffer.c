/* SPDX-License-Identifier: MIT */
/* log/buffer.c: beside a list of lines, by random steps. */
#include "support/test.h"

#include "base/rand.h"
#include "log/buffer.h"
#include "log/line.h"

enum { CAP = 300, MODEL_MAX = 4096 };

/* All bytes that are to come out, in order: those of `leaving` and those of `filling`. */
struct model {
    char     leaving[MODEL_MAX], filling[MODEL_MAX];
    size_t   left, leaving_len, filling_len;
    uint64_t dropped;
};

static void put(struct log_buffer *b, struct model *m, struct rand *rand, int number)
{
    char   line[128];
    size_t len = (size_t)snprintf(line, sizeof line, "%d%*s\n", number, (int)rand_below(rand, 90), "");
    bool   fits = m->dropped == 0 && m->filling_len + len <= CAP;
    expect_eq(hob__log_buffer_put(b, line, len), fits);
    if (fits) {
        memcpy(m->filling + m->filling_len, line, len);
        m->filling_len += len;
    } else {
        m->dropped++;
    }
}

static void turn(struct log_buffer *b, struct model *m)
{
    char     line[64];
    uint64_t told = hob__log_buffer_dropped(b);
    size_t   len = (size_t)snprintf(line, sizeof line, "dropped %d\n", (int)told);
    expect_eq(told, m->dropped);
    if (told > 0) {
        memcpy(m->filling + m->filling_len, line, len);
        m->filling_len += len;
        m->dropped = 0;
    }
    expect_eq(hob__log_buffer_turn(b, line, len, told), m->filling_len > 0);
    if (m->filling_len == 0)
        return;
    memcpy(m->leaving, m->filling, m->filling_len);
    m->leaving_len = m->filling_len;
    m->left = m->filling_len = 0;
}

static void compare(struct log_buffer *b, const struct model *m)
{
    size_t left = atomic_load(&b->left), len = atomic_load(&b->leaving->len);
    expect_eq(len - left, m->leaving_len - m->left);
    expect(memcmp(b->leaving->text + left, m->leaving + m->left, len - left) == 0);
    expect_eq(atomic_load(&b->filling->len), m->filling_len);
    expect(memcmp(b->filling->text, m->filling, m->filling_len) == 0);
    uint64_t pending = m->leaving_len - m->left + m->filling_len + (m->dropped > 0);
    expect_eq(hob__log_buffer_mark(b) - atomic_load(&b->gone), pending);
}

TEST(buffer, gives_lines_in_order_or_counts_them)
{
    struct rand       rand = { .state = hob_test_seed() };
    struct log_buffer b;
    struct model      m = { .left = 0 };
    check_ok(hob__log_buffer_init(&b, CAP));
    for (int i = 0; i < 20000; i++) {
        size_t rest = m.leaving_len - m.left;
        switch (rand_below(&rand, 10)) {
        case 0: case 1: case 2: case 3: case 4: case 5:
            put(&b, &m, &rand, i);
            break;
        case 6:
            if (rest == 0)
                turn(&b, &m);
            break;
        default:
            if (rest > 0 && rand_below(&rand, 500) > 0) {
                size_t n = 1 + rand_below(&rand, rest);
                hob__log_buffer_advance(&b, n);
                m.left += n;
            } else if (rest > 0) {
                (void)hob__log_buffer_abandon(&b);
                m.left = m.leaving_len;
                m.filling_len = 0;
            }
        }
        compare(&b, &m);
    }
    hob__log_buffer_fini(&b);
}

TEST_BARE(buffer, counts_the_lines_that_are_given_up)
{
    struct log_buffer b;
    check_ok(hob__log_buffer_init(&b, CAP));
    check(hob__log_buffer_put(&b, "one\n", 4));
    check(hob__log_buffer_put(&b, "two\n", 4));
    check(hob__log_buffer_turn(&b, NULL, 0, 0));
    check(hob__log_buffer_put(&b, "three\n", 6));
    uint64_t mark = hob__log_buffer_mark(&b);
    hob__log_buffer_advance(&b, 6); // into the middle of "two": it counts as lost
    check(!hob__log_buffer_is_past(&b, mark));
    check_eq(hob__log_buffer_abandon(&b), 2);
    check(hob__log_buffer_is_past(&b, mark));
    check_eq(hob__log_buffer_abandon(&b), 0);
    hob__log_buffer_fini(&b);
}
