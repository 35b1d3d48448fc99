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

#endif
