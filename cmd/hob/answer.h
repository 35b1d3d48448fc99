/* SPDX-License-Identifier: MIT */
/*
 * Answers of HTTP/1.1 as their measurer sees them: where each ends, and no more. Bytes only.
 *
 *     bytes, cut anywhere ──▶ answer_feed ──▶ more wanted, or the whole answer, or HOB_EHTTP
 *
 * It keeps nothing of what it was given, but for a line that is not whole yet. What frames an answer is
 * held to RFC 9112 to the letter: a server that frames two ways at once is no server to be measured.
 */
#ifndef HOB_CMD_ANSWER_H
#define HOB_CMD_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ANSWER_LINE_MAX = 8192,  /* bytes of a line, its end not counted         */
    ANSWER_HEAD_MAX = 65536, /* of a head, of all interim ones, of trailers  */
};

enum { ANSWER_MORE = 0, ANSWER_DONE = 1 };

struct answer {
    /* What was found; whole when answer_feed gave DONE. */
    int      status;
    bool     keep_alive; /* the connection can be used again */
    uint64_t body_bytes; /* so far                           */

    /* Where it is. */
    bool     to_head;
    bool     is_chunked, has_length, has_codings, is_asked_to_close, is_asked_to_stay;
    int      minor;
    int      step;
    uint64_t left;     /* of the body, or of the chunk that is read */
    uint32_t head_len; /* so far                                    */
    uint32_t line_len; /* of what is kept of a line                 */
    char     line[ANSWER_LINE_MAX + 2];
};

/* An answer is to come: to a HEAD request, or to another. */
void answer_begin(struct answer *answer, bool to_head);

/* Takes in what came, up to the answer's end; *ret_used tells how much that was. Returns DONE: what
 * follows is of the next answer; MORE: all of it was used; or HOB_EHTTP: this is no answer. */
int answer_feed(struct answer *answer, const char *bytes, size_t len, size_t *ret_used);

/* There is no more: the connection has ended. Returns DONE, when that is how this answer says where it
 * ends; or HOB_EOF: in the middle of it, or before it. */
int answer_end(const struct answer *answer);

/* Nothing of it has come. */
bool answer_is_new(const struct answer *answer);

#endif
