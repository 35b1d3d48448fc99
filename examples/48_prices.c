/* SPDX-License-Identifier: MIT */
/*
 * Live prices, with a chart that the browser draws: http://localhost:8080/ (or another port:
 * 48_prices 9000).
 *
 * A task makes prices up, and publishes them to a feed; a browser that was away for a while gets what it
 * missed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hob.h>
#include <hob/sse.h>

static const char PAGE[] =
    "<!doctype html><html lang=en><meta charset=utf-8><title>Hob: prices</title>\n"
    "<meta name=viewport content='width=device-width'>\n"
    "<style>\n"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:44em;margin:2em auto;padding:0 1em;color:#222}\n"
    "h1{font-size:1.3em}#price{font-size:2.2em;font-variant-numeric:tabular-nums;color:#c2410c}\n"
    "svg{width:100%;height:16em;border:1px solid #ccc;border-radius:8px;background:#fffaf5}\n"
    "polyline{fill:none;stroke:#c2410c;stroke-width:2;vector-effect:non-scaling-stroke}\n"
    "button{font:inherit;padding:.4em 1em;border:0;border-radius:6px;background:#444;color:#fff}\n"
    "#status{color:#666}</style>\n"
    "<h1>Live prices</h1><p><span id=price>-</span></p>\n"
    "<svg viewBox='0 0 100 100' preserveAspectRatio=none><polyline id=line points=''/></svg>\n"
    "<p><button id=toggle>Pause</button> <span id=count>0</span> prices, "
    "<span id=status>connecting</span></p>\n"
    "<script>\n"
    "const $=id=>document.getElementById(id);let prices=[],count=0,source;\n"
    "function draw(){\n"
    "  const low=Math.min(...prices),high=Math.max(...prices),span=high-low||1;\n"
    "  $('line').setAttribute('points',prices.map((p,i)=>\n"
    "    (i*100/Math.max(prices.length-1,1)).toFixed(2)+','+(95-90*(p-low)/span).toFixed(2)).join(' '));\n"
    "}\n"
    "function start(){\n"
    "  source=new EventSource('/prices');\n"
    "  source.onopen=()=>$('status').textContent='live';\n"
    "  source.onerror=()=>$('status').textContent='waiting for the server';\n"
    "  source.addEventListener('price',e=>{\n"
    "    const p=JSON.parse(e.data).price;prices.push(p);prices=prices.slice(-100);\n"
    "    $('price').textContent=p.toFixed(2);$('count').textContent=++count;draw()});\n"
    "}\n"
    "$('toggle').onclick=()=>{\n"
    "  if(source.readyState==2){start();$('toggle').textContent='Pause'}\n"
    "  else{source.close();$('status').textContent='paused';$('toggle').textContent='Go on'}};\n"
    "start();\n"
    "</script></html>\n";

static hob_sse_feed *prices;

/* A price that wanders. */
static int make_prices(void *arg)
{
    double     price = 100;
    hob_ticker ticker;

    hob_ticker_init(&ticker, 200 * HOB_MSEC);
    for (;;) {
        char data[64];
        price += ((double)(hob_random() % 2001) - 1000) / 1000 - (price - 100) / 200;
        snprintf(data, sizeof data, "{\"price\":%.2f}", price);
        HOB_TRY(hob_sse_publish(prices, "price", data));
        HOB_TRY(hob_ticker_wait(&ticker));
    }
}

static int handle(hob_http_request *req, void *arg)
{
    static const hob_sse_opts OPTS = { .retry_ns = 1 * HOB_SEC, .replay = 1 };

    if (strcmp(hob_http_path(req), "/") == 0)
        return hob_http_reply(req, 200, "text/html; charset=utf-8", PAGE, sizeof PAGE - 1);
    if (strcmp(hob_http_path(req), "/prices") == 0)
        return hob_sse_serve(req, &OPTS, prices);
    return hob_http_reply_text(req, 404, NULL);
}

static int serve_here(hob_tcp_listener *listener, void *arg)
{
    hob_addr here = hob_tcp_listener_addr(listener);

    if (hob_worker_number() == 0)
        printf("prices, on port %u\n", hob_addr_port(&here));
    return hob_http_serve(listener, NULL, handle, NULL);
}

static int serve(void *arg)
{
    const char *port = arg;
    hob_addr    here = hob_addr_loopback((uint16_t)atoi(port));
    HOB_TRY(hob_sse_feed_new(&(hob_sse_feed_opts){ .name = "prices", .events_max = 100 }, &prices));
    HOB_DEFER((void (*)(void *))hob_sse_feed_free, prices);
    HOB_SCOPE(s);
    hob_go_with(&s, make_prices, NULL, &(hob_task_opts){ .name = "prices", .daemon = 1 });
    HOB_TRY(hob_tcp_serve_sharded(&here, NULL, serve_here, NULL));
    return hob_scope_end(&s);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    return hob_run(serve, argc > 1 ? argv[1] : "8080");
}
