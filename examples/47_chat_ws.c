/* SPDX-License-Identifier: MIT */
/*
 * A chat in the browser: http://localhost:8080/ (or another port: 47_chat_ws 9000).
 *
 * What is said goes to a topic, to which everybody has joined. Nobody has a task while nothing is said:
 * a connection is kept, and `said` is called when a message has come.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hob.h>
#include <hob/ws.h>

enum { NAME_MAX_BYTES = 40, LINE_MAX_BYTES = 500 };

static const char PAGE[] =
    "<!doctype html><html lang=en><meta charset=utf-8><title>Hob: a chat</title>\n"
    "<meta name=viewport content='width=device-width'>\n"
    "<style>\n"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:2em auto;padding:0 1em;color:#222}\n"
    "h1{font-size:1.3em}#log{height:20em;overflow:auto;border:1px solid #ccc;border-radius:8px;"
    "padding:.5em 1em;margin:1em 0}\n"
    "#log p{margin:.2em 0}form{display:flex;gap:.5em}input{flex:1;font:inherit;padding:.4em .6em;"
    "border:1px solid #aaa;border-radius:6px}\n"
    "button{font:inherit;padding:.4em 1em;border:0;border-radius:6px;background:#c2410c;color:#fff}\n"
    "#status{color:#666}</style>\n"
    "<h1>A chat</h1><p id=status>connecting</p><div id=log></div>\n"
    "<form id=form><input id=text autocomplete=off placeholder='Say something' maxlength=200>"
    "<button id=send>Send</button></form>\n"
    "<script>\n"
    "const $=id=>document.getElementById(id),name='guest'+Math.floor(Math.random()*1000);\n"
    "let ws,wait=500;\n"
    "function open(){\n"
    "  ws=new WebSocket((location.protocol=='https:'?'wss://':'ws://')+location.host+'/chat?'+name);\n"
    "  ws.onopen=()=>{wait=500;$('status').textContent='connected as '+name};\n"
    "  ws.onclose=e=>{$('status').textContent='disconnected ('+e.code+')';setTimeout(open,wait);"
    "wait=Math.min(wait*2,10000)};\n"
    "  ws.onmessage=e=>{const p=document.createElement('p');p.textContent=e.data;"
    "$('log').append(p);p.scrollIntoView()};\n"
    "}\n"
    "$('form').onsubmit=e=>{e.preventDefault();const t=$('text');"
    "if(t.value&&ws.readyState==1){ws.send(t.value);t.value=''}};\n"
    "open();\n"
    "</script></html>\n";

static hob_ws_topic *room;

struct guest {
    char name[NAME_MAX_BYTES];
};

static int say(const struct guest *guest, const char *what)
{
    char line[NAME_MAX_BYTES + LINE_MAX_BYTES + 3];
    int  len = snprintf(line, sizeof line, "%s%s", guest->name, what);
    return hob_ws_topic_publish(room, HOB_WS_TEXT, line, (size_t)len);
}

/* A message has come; to who sent it, too, it comes back by the topic. */
static int said(hob_ws *ws, void *arg, hob_ws_kind kind, const char *data, size_t len)
{
    char what[LINE_MAX_BYTES + 3];
    if (kind != HOB_WS_TEXT || len > LINE_MAX_BYTES)
        return hob_ws_shutdown(ws, HOB_WS_UNSUPPORTED, "a line of text, please");
    snprintf(what, sizeof what, ": %s", data);
    return say(arg, what);
}

static void left(hob_ws *ws, void *arg)
{
    (void)!say(arg, " left"); // when the server ends nobody is there to hear it
    free(arg);
}

static int enter(hob_ws *ws, void *arg)
{
    static const hob_ws_calls CALLS = { said, left };
    struct guest *guest = malloc(sizeof *guest);
    if (guest == NULL)
        return -ENOMEM;
    snprintf(guest->name, sizeof guest->name, "%s", (const char *)arg);
    int r = hob_ws_topic_join(room, ws);
    if (r == 0)
        r = say(guest, " joined");
    if (r == 0)
        r = hob_ws_keep(ws, &CALLS, guest);
    if (r < 0)
        free(guest);
    return r;
}

/* Letters and digits only: it is shown to others, and needs no decoding. */
static int check_name(const char *name)
{
    size_t len = strlen(name);
    for (const char *at = name; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at))
            return -EINVAL;
    }
    return len > 0 && len < NAME_MAX_BYTES ? 0 : -EINVAL;
}

static int handle(hob_http_request *req, void *arg)
{
    if (strcmp(hob_http_path(req), "/") == 0)
        return hob_http_reply(req, 200, "text/html; charset=utf-8", PAGE, sizeof PAGE - 1);
    if (strcmp(hob_http_path(req), "/chat") != 0)
        return hob_http_reply_text(req, 404, NULL);
    const char *name = hob_http_query(req);
    if (check_name(name) < 0)
        return hob_http_reply_text(req, 400, "what is your name?\n");
    return hob_ws_serve(req, NULL, enter, (void *)name);
}

/* Once on each worker, with a listener of its own; they share the room. */
static int serve_here(hob_tcp_listener *listener, void *arg)
{
    hob_addr here = hob_tcp_listener_addr(listener);

    if (hob_worker_number() == 0)
        printf("a chat, on port %u\n", hob_addr_port(&here));
    return hob_http_serve(listener, NULL, handle, NULL);
}

static int serve(void *arg)
{
    const char *port = arg;
    hob_addr    here = hob_addr_loopback((uint16_t)atoi(port));

    HOB_TRY(hob_ws_topic_new(&(hob_ws_topic_opts){ .name = "the room" }, &room));
    int r = hob_tcp_serve_sharded(&here, NULL, serve_here, NULL);
    hob_ws_topic_free(room);
    return r;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    return hob_run(serve, argc > 1 ? argv[1] : "8080");
}
