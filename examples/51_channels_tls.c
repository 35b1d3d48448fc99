/* SPDX-License-Identifier: MIT */
/*
 * Three WebSockets of a page, over TLS, on one connection of HTTP/2 if the browser likes:
 *
 *     51_channels_tls 8443 cert.pem key.pem      and then https://localhost:8443/
 *
 * What is typed goes to a channel, and comes back to everybody in it. Nothing here is about versions:
 * hob/https.h sees to what was agreed upon, and the handlers are as in 47_chat_ws.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hob.h>
#include <hob/https.h>
#include <hob/ws.h>

enum { CHANNELS = 3, LINE_MAX_BYTES = 500 };

static const char *const NAMES[CHANNELS] = { "kitchen", "garden", "roof" };
static hob_ws_topic     *channels[CHANNELS];

static const char PAGE[] =
    "<!doctype html><html lang=en><meta charset=utf-8><title>Hob: channels</title>\n"
    "<meta name=viewport content='width=device-width'>\n"
    "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:50em;margin:2em auto;padding:0 1em;color:#222}\n"
    "main{display:flex;gap:1em}section{flex:1;border:1px solid #ccc;border-radius:8px;padding:.5em 1em}\n"
    "h1,h2{font-size:1.2em}p{margin:.2em 0}.log{height:14em;overflow:auto}\n"
    "input{width:100%;box-sizing:border-box;font:inherit;padding:.3em .5em}</style>\n"
    "<h1>Three channels, one connection</h1><main id=main></main>\n"
    "<script>\n"
    "for(const name of ['kitchen','garden','roof']){\n"
    "  const s=document.createElement('section');\n"
    "  s.innerHTML=`<h2>${name}</h2><div class=log id=${name}></div><input id=say-${name} maxlength=200>`;\n"
    "  document.getElementById('main').append(s);\n"
    "  const ws=new WebSocket((location.protocol=='https:'?'wss://':'ws://')+location.host+'/channel/'+name);\n"
    "  ws.onmessage=e=>{const p=document.createElement('p');p.textContent=e.data;"
    "document.getElementById(name).append(p);p.scrollIntoView()};\n"
    "  document.getElementById('say-'+name).onkeydown=e=>{if(e.key=='Enter'){ws.send(e.target.value);e.target.value=''}};\n"
    "}\n"
    "</script></html>\n";

/* ---- channels ---- */

static int said(hob_ws *ws, void *arg, hob_ws_kind kind, const char *data, size_t len)
{
    if (kind != HOB_WS_TEXT || len > LINE_MAX_BYTES)
        return hob_ws_shutdown(ws, HOB_WS_UNSUPPORTED, "a line of text, please");
    return hob_ws_topic_publish(arg, kind, data, len);
}

static int enter(hob_ws *ws, void *arg)
{
    static const hob_ws_calls CALLS = { said, NULL };

    HOB_TRY(hob_ws_send_text(ws, "welcome"));
    HOB_TRY(hob_ws_topic_join(arg, ws));
    return hob_ws_keep(ws, &CALLS, arg); // from here on: no task, no stack
}

static int handle(hob_http_request *req, void *arg)
{
    const char *path = hob_http_path(req);

    if (strcmp(path, "/") == 0)
        return hob_http_reply(req, 200, "text/html; charset=utf-8", PAGE, sizeof PAGE - 1);
    for (int i = 0; i < CHANNELS; i++) {
        if (strncmp(path, "/channel/", 9) == 0 && strcmp(path + 9, NAMES[i]) == 0)
            return hob_ws_serve(req, NULL, enter, channels[i]);
    }
    return hob_http_reply_text(req, 404, NULL);
}

/* ---- TLS ---- */

static int make_config(char **files, hob_tls_config **ret_config)
{
    hob_tls_identity identity = { .cert_file = files[0], .key_file = files[1] };
    hob_tls_opts     opts = { .identities = &identity, .identity_count = 1 };
    hob_tls_words    words;

    int r = hob_https_config_new(&opts, &words, ret_config);
    if (r < 0)
        fprintf(stderr, "%s\n", words.text);
    return r;
}

/* ---- both ---- */

static void free_config(void *config)
{
    hob_tls_config_free(config);
}

static void close_listener(void *listener)
{
    hob_tcp_listener_close(listener);
}

static int serve_channels(hob_tcp_listener *listener, hob_tls_config *config)
{
    hob_addr here = hob_tcp_listener_addr(listener);
    int      r = 0;

    for (int i = 0; r == 0 && i < CHANNELS; i++)
        r = hob_ws_topic_new(&(hob_ws_topic_opts){ .name = NAMES[i] }, &channels[i]);
    if (r == 0) {
        printf("three channels, on port %u\n", hob_addr_port(&here));
        r = hob_https_serve(listener, config, NULL, handle, NULL);
    }
    for (int i = 0; i < CHANNELS; i++)
        hob_ws_topic_free(channels[i]);
    return r;
}

static int serve(void *arg)
{
    char            **argv = arg;
    hob_addr          here = hob_addr_loopback((uint16_t)atoi(argv[1]));
    hob_tls_config   *config;
    hob_tcp_listener *listener;

    HOB_TRY(make_config(argv + 2, &config));
    HOB_DEFER(free_config, config);
    HOB_TRY(hob_tcp_listen(&here, NULL, &listener));
    HOB_DEFER(close_listener, listener);
    return serve_channels(listener, config);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 4) {
        fprintf(stderr, "usage: %s PORT CERTIFICATE KEY\n", argv[0]);
        return 2;
    }
    return hob_run(serve, argv);
}
