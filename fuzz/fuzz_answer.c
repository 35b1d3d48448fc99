/* SPDX-License-Identifier: MIT */
/*
 * Answers of HTTP/1.1 from noise, as hob bench reads them. What is said of the bytes must not depend on
 * how they are cut, and what was read of one must be where the next begins.
 *
 * Input: two bytes that choose, then the bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "../cmd/hob/answer.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int cond)
{
    if (!cond)
        abort();
}

/* Feeds `piece` bytes at a time, each in memory of its own. Returns what came of it; *ret_at: up to where. */
static int read_all(struct answer *a, bool to_head, const uint8_t *data, size_t size, size_t piece, size_t *ret_at)
{
    size_t at = 0;
    int    r = ANSWER_MORE;

    answer_begin(a, to_head);
    while (r == ANSWER_MORE && at < size) {
        size_t part = piece < size - at ? piece : size - at, used = 0;
        char  *copy = malloc(part);
        must(copy != NULL);
        memcpy(copy, data + at, part);
        r = answer_feed(a, copy, part, &used);
        free(copy);
        must(used <= part && (r != ANSWER_MORE || used == part));
        at += used;
    }
    *ret_at = at;
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct answer whole, cut;
    size_t               whole_at, cut_at;

    if (size < 2)
        return 0;
    bool   to_head = data[0] & 1;
    size_t piece = 1 + data[1] % 64;
    data += 2;
    size -= 2;
    int r = read_all(&whole, to_head, data, size, size + 1, &whole_at);
    int c = read_all(&cut, to_head, data, size, piece, &cut_at);
    must(r == c && (r == ANSWER_MORE || r == ANSWER_DONE || r == HOB_EHTTP));
    if (r == HOB_EHTTP)
        return 0;
    must(whole_at == cut_at && whole.status == cut.status && whole.body_bytes == cut.body_bytes);
    must(whole.keep_alive == cut.keep_alive && answer_end(&whole) == answer_end(&cut));
    if (r == ANSWER_DONE) {
        must(whole.status >= 200 && whole.status <= 999 && whole.body_bytes <= size);
        must(!to_head || whole.body_bytes == 0);
    }
    return 0;
}
