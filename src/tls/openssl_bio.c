/* SPDX-License-Identifier: MIT */
/*
 * The BIO through which OpenSSL reads and writes: the wire of a connection, in memory.
 *
 * It never waits, and never ends: an empty wire means "try again". That the stream below has
 * ended is for tls.c to tell.
 */
#include "tls/openssl.h"

static int wire_read(BIO *bio, char *buf, size_t len, size_t *ret_len)
{
    struct wire *wire = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *ret_len = 0;
    if (wire->is_deaf)
        return 0;
    *ret_len = hob__wire_in_take(wire, buf, len);
    if (*ret_len > 0)
        return 1;
    BIO_set_retry_read(bio);
    return 0;
}

static int wire_write(BIO *bio, const char *buf, size_t len, size_t *ret_len)
{
    struct wire *wire = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *ret_len = hob__wire_out_put(wire, buf, len);
    if (*ret_len > 0)
        return 1;
    if (!wire->no_memory)
        BIO_set_retry_write(bio);
    return 0;
}

static long wire_ctrl(BIO *bio, int what, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return what == BIO_CTRL_FLUSH ? 1 : 0; // tls.c does it; kTLS, and all else, is not there
}

static int wire_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD *hob__openssl_wire_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | 0x70, "hob wire");
    if (method == NULL)
        return NULL;

    BIO_meth_set_read_ex(method, wire_read);
    BIO_meth_set_write_ex(method, wire_write);
    BIO_meth_set_ctrl(method, wire_ctrl);
    BIO_meth_set_create(method, wire_create);
    return method;
}
