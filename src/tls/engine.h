/* SPDX-License-Identifier: MIT */
/*
 * The contract between a connection (tls.c), its config (config.c), and who does the
 * cryptography (openssl*.c).
 *
 *     plain bytes ◀── engine ◀── wire.in  ◀── tls.c ◀── the stream below
 *     plain bytes ──▶ engine ──▶ wire.out ──▶ tls.c ──▶ the stream below
 *
 * An engine takes bytes and gives bytes. It knows no task and no stream, and it never waits:
 * what it lacks, it says. So all of its state is whole whenever another task may run: one task
 * can read while another writes, a cancelled call has left nothing half done, and the error
 * queue that OpenSSL keeps for each thread is empty between two steps.
 * docs/design/0052-tls-without-waiting-inside.md says why so.
 *
 * Memory comes from the engine's library, so that a test can count all of it, and let each
 * allocation fail, in one place.
 */
#ifndef HOB_TLS_ENGINE_H
#define HOB_TLS_ENGINE_H

#include <stdbool.h>

#include "hob/tls.h"

void *hob__tls_alloc(size_t size); /* NULL when there is none; not cleared */
void *hob__tls_alloc_zero(size_t size);
void *hob__tls_copy(const void *bytes, size_t len); /* with a NUL behind it */
void  hob__tls_free(void *ptr);
void  hob__tls_free_secret(void *ptr, size_t len); /* wiped before */

/* Writes a sentence; what does not fit is cut, and what is not printable ASCII becomes a ?. */
void hob__tls_say(hob_tls_words *words, const char *format, ...) HOB_PRINTF(2, 3);

/* ---- the bytes on the wire ---- */

enum {
    WIRE_IN_SMALL = 512,   /* in the connection itself: for messages, and for who waits long      */
    WIRE_LARGE    = 18432, /* in: a whole record and more, from a full small read to the next small
                              message. Out: a whole record, a key update before it, and a goodbye */
    WIRE_OUT_MORE = 640,   /* what a record and these are larger than the plain bytes, and more    */
    ENGINE_WRITE_MAX = 16384, /* the plain bytes of one record */
};

struct wire_in {
    unsigned char *large; /* NULL: not needed now */
    size_t         begin, end;
    bool           is_in_large;
    bool           is_lent;     /* to who reads the stream below */
    bool           wants_large;
    unsigned char  small[WIRE_IN_SMALL];
};

struct wire_out {
    unsigned char *bytes; /* NULL: nothing waits to be sent */
    size_t         size;
    size_t         begin, end;
};

struct wire {
    struct wire_in  in;
    struct wire_out out;
    bool            no_memory; /* the engine had something to send, and no room for it */
    bool            is_deaf;   /* nothing more is taken: the peer says much, and nothing */
};

void   hob__wire_free(struct wire *wire);

/* Where bytes may be put that come, until hob__wire_in_came says how many did: 0, none. Nothing of
 * before is left there. */
unsigned char *hob__wire_in_room(struct wire *wire, size_t *ret_len);
void           hob__wire_in_came(struct wire *wire, size_t len);
size_t         hob__wire_in_take(struct wire *wire, void *buf, size_t len);
void           hob__wire_in_expect_small(struct wire *wire); /* though what came last was large */

/* Room for a record of so many plain bytes, when nothing waits: 0 or -ENOMEM. */
int    hob__wire_out_reserve(struct wire *wire, size_t plain_len);
size_t hob__wire_out_put(struct wire *wire, const void *buf, size_t len);
void   hob__wire_out_sent(struct wire *wire, size_t len);

static inline size_t wire_in_waits(const struct wire *wire)
{
    return wire->in.end - wire->in.begin;
}

static inline size_t wire_out_waits(const struct wire *wire)
{
    return wire->out.end - wire->out.begin;
}

/* ---- what connections have in common ---- */

struct engine_context;

struct engine_pem {
    const void *bytes;
    size_t      len;
    const char *from; /* for sentences: the file, or "memory" */
};

struct engine_identity {
    struct engine_pem cert, key;
    const char       *password;
};

/* All that a context is made from; lent for the call. */
struct engine_setup {
    struct engine_pem             ca[2]; /* those without bytes are not there */
    const char                   *ca_dir;
    const struct engine_identity *identities;
    size_t                        identity_count;
    hob_tls_ask                   ask_client;
    const unsigned char          *alpn; /* as on the wire: a length, a name, ... */
    size_t                        alpn_len;
    int                           min_version;
    int                           sessions;
};

/* 0, HOB_ETLSCONFIG, -ENOMEM. `before`, which may be NULL, gives its keys of tickets. */
int  hob__engine_context_new(const struct engine_setup *setup, struct engine_context *before,
                             hob_tls_words *ret_words, struct engine_context **ret_context);
struct engine_context *hob__engine_context_ref(struct engine_context *context);
void hob__engine_context_unref(struct engine_context *context);
bool hob__engine_context_can_serve(const struct engine_context *context);

/* ---- one connection ---- */

struct engine;

enum engine_step {
    STEP_DONE,
    STEP_WANTS_INPUT, /* wire.in is empty, and more is needed */
    STEP_WANTS_ROOM,  /* wire.out is full */
    STEP_END,         /* the peer has said goodbye */
    STEP_FAILED,      /* for ever: see hob__engine_error. There may be an alert in wire.out */
};

/* `name`: whom a client wants to talk to, checked and without a last dot; or NULL.
 * Takes a reference of the context of its own. 0 or -ENOMEM. */
int  hob__engine_new(struct engine_context *context, struct wire *wire, bool is_server,
                     const char *name, bool verifies, struct engine **ret_engine);
void hob__engine_free(struct engine *engine);

/* A client's protocols, instead of the context's, as on the wire. Before the handshake. 0 or -ENOMEM. */
int hob__engine_offer(struct engine *engine, const unsigned char *alpn, size_t len);
bool hob__engine_is_client(const struct engine *engine);

/* `wall_s`: the seconds since 1970 by which certificates are valid or not. */
enum engine_step hob__engine_handshake(struct engine *engine, int64_t wall_s);

/* When it is over: whether the other side waits for what is still to be sent. Not for the tickets of a server,
 * which in TLS 1.3 come behind the handshake. */
bool hob__engine_peer_waits(const struct engine *engine);
enum engine_step hob__engine_read(struct engine *engine, void *buf, size_t len, size_t *ret_len);
bool hob__engine_lacks_input(const struct engine *engine); /* nothing of a record is there: a read would want input */
/* After hob__wire_out_reserve with an empty wire.out it does not want room. */
enum engine_step hob__engine_write(struct engine *engine, const void *buf, size_t len,
                                   size_t *ret_len);
enum engine_step hob__engine_goodbye(struct engine *engine);

/* Why the last step failed: HOB_ETLS, HOB_ETLSCERT or -ENOMEM, and in words. */
int hob__engine_error(const struct engine *engine, hob_tls_words *ret_words);

/* 0 or -ENOMEM; the texts are the engine's. */
int hob__engine_facts(struct engine *engine, hob_tls_facts *ret_facts);

#endif
