/* SPDX-License-Identifier: MIT */
/* What a connection takes from its config when it begins. */
#ifndef HOB_TLS_CONFIG_H
#define HOB_TLS_CONFIG_H

#include "tls/engine.h"

struct tls_base {
    struct engine_context *context;
    int64_t                handshake_limit_ns;
    int64_t                shutdown_limit_ns;
    hob_pool              *handshake_pool;
    bool                   skips_verify;
};

/* As it is now, with a reference of the context for the caller. */
struct tls_base hob__tls_config_base(hob_tls_config *config);

/* Names of protocols as they are on the wire. Returns how many bytes; 0: one is empty, or they are too long. */
size_t hob__tls_alpn_write(const char *const *names, unsigned char out[static HOB_TLS_ALPN_MAX]);

#endif
