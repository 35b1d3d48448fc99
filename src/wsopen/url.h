/* SPDX-License-Identifier: MIT */
/* What a client needs to know of the URL of a WebSocket: RFC 6455 3. Bytes only. */
#ifndef HOB_WSOPEN_URL_H
#define HOB_WSOPEN_URL_H

#include <stdbool.h>

enum { WS_HOST_MAX = 255, WS_HOST_PORT_MAX = WS_HOST_MAX + 8 };

struct ws_url {
    bool        is_secure;
    char        host[WS_HOST_MAX + 1];           /* as a certificate has it: without brackets and port */
    char        host_port[WS_HOST_PORT_MAX + 1]; /* as hob_connect takes it: always with a port        */
    char        authority[WS_HOST_PORT_MAX + 1]; /* as it stands there                                 */
    const char *target;                          /* what is behind it, in the text that was given      */
};

/* Returns 0; or -EINVAL, and *ret_why says in a few words what is wrong with it. */
int hob__ws_url_parse(const char *url, struct ws_url *ret_url, const char **ret_why);

/* Whether it can be the path and query of a request: it may be empty, or have no path. */
bool hob__ws_target_is_fine(const char *target);

#endif
