/* SPDX-License-Identifier: MIT */
/*
 * Pictures that take computing: http://localhost:8080/ shows one, and a click goes deeper
 * (or another port: 45_pictures 9000). A picture is computed on the threads of the CPU pool, so the
 * loop goes on answering meanwhile: /load tells how busy they are. Who goes away, or has waited for
 * ten seconds, gets nothing computed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hob.h>
#include <hob/web.h>

struct view {
    double x, y;   /* the middle                 */
    double width;  /* of what is looked at       */
    int    pixels; /* of the picture, both ways  */
};

static HOB_JSON_TABLE(view_json, struct view,
    HOB_JSON_FIELD(x, .range = HOB_JSON_RANGE(-2.5, 2.5), .otherwise = "-0.6"),
    HOB_JSON_FIELD(y, .range = HOB_JSON_RANGE(-2.5, 2.5), .otherwise = "0"),
    HOB_JSON_FIELD(width, .range = HOB_JSON_RANGE(0.0000000001, 5.0), .otherwise = "3"),
    HOB_JSON_FIELD(pixels, .range = HOB_JSON_RANGE(16, 1000), .otherwise = "500"));

/* ---- computing: an ordinary function, on a thread ---- */

enum { HEAD = 54, TURNS = 1000 };

struct picture {
    const struct view *view;
    unsigned char     *bytes; /* a bitmap: a head, and rows from below */
    size_t             len, row;
};

static int turns_at(double x, double y)
{
    double a = 0, b = 0;
    int    turns = 0;
    while (turns < TURNS && a * a + b * b < 4) {
        double next = a * a - b * b + x;
        b = 2 * a * b + y;
        a = next;
        turns++;
    }
    return turns;
}

static int compute(void *arg)
{
    struct picture    *picture = arg;
    const struct view *view = picture->view;
    double             step = view->width / view->pixels;

    for (int row = 0; row < view->pixels; row++) {
        if (hob_offload_cancelled() != 0)
            return -ECANCELED; // nobody waits for it any more
        unsigned char *to = picture->bytes + HEAD + (size_t)row * picture->row;
        double         y = view->y + (row - view->pixels / 2) * step;
        for (int column = 0; column < view->pixels; column++) {
            int turns = turns_at(view->x + (column - view->pixels / 2) * step, y);
            *to++ = turns == TURNS ? 0 : (unsigned char)(turns * 9);
            *to++ = turns == TURNS ? 0 : (unsigned char)(turns * 5);
            *to++ = turns == TURNS ? 0 : (unsigned char)(turns * 2);
        }
    }
    return 0;
}

/* ---- the handler ---- */

static void put_number(unsigned char *to, size_t number)
{
    for (int i = 0; i < 4; i++)
        to[i] = (unsigned char)(number >> 8 * i);
}

static void put_head(struct picture *picture, size_t pixels)
{
    unsigned char *head = picture->bytes;
    memset(head, 0, HEAD);
    memcpy(head, "BM", 2);
    put_number(head + 2, picture->len);
    put_number(head + 10, HEAD);
    put_number(head + 14, 40);
    put_number(head + 18, pixels);
    put_number(head + 22, pixels);
    head[26] = 1;
    head[28] = 24;
}

static int show_picture(hob_http_request *req, void *arg)
{
    const struct view *view = hob_web_query(req);
    size_t             pixels = (size_t)view->pixels;
    struct picture     picture = { .view = view, .row = (pixels * 3 + 3) / 4 * 4 };

    picture.len = HEAD + pixels * picture.row;
    picture.bytes = hob_web_alloc(req, picture.len);
    if (picture.bytes == NULL)
        return -ENOMEM;
    put_head(&picture, pixels);
    int r = hob_offload(hob_pool_cpu(), compute, &picture); // only this request waits
    if (r == -EAGAIN)
        return hob_web_error(req, 503, "too many pictures are waiting");
    HOB_TRY(r);
    HOB_TRY(hob_http_set_header(req, "Cache-Control", "max-age=3600"));
    return hob_http_reply(req, 200, "image/bmp", picture.bytes, picture.len);
}

static int show_load(hob_http_request *req, void *arg)
{
    hob_pool_stats stats;
    hob_pool_stats_get(hob_pool_cpu(), &stats);
    char *text = hob_web_printf(req, "%llu computing, %llu waiting, %llu done\n",
                                (unsigned long long)stats.running, (unsigned long long)stats.queued,
                                (unsigned long long)stats.done);
    return text != NULL ? hob_http_reply_text(req, 200, text) : -ENOMEM;
}

static int show_page(hob_http_request *req, void *arg)
{
    static const char PAGE[] =
        "<!doctype html><meta charset=utf-8><title>Deeper</title>\n"
        "<h1>Click to go deeper</h1><img id=picture width=500 height=500 alt='the picture'>\n"
        "<p id=where></p><script>\n"
        "let x = -0.6, y = 0, width = 3;\n"
        "const img = document.getElementById('picture');\n"
        "function show() {\n"
        "  img.src = `/picture?x=${x}&y=${y}&width=${width.toFixed(12)}`;\n"
        "  document.getElementById('where').textContent = `${x}, ${y}: ${width}`;\n"
        "}\n"
        "img.onclick = (e) => {\n"
        "  x += (e.offsetX / 500 - 0.5) * width; y -= (e.offsetY / 500 - 0.5) * width;\n"
        "  width = Math.max(width / 2, 1e-9); show();\n"
        "};\n"
        "show();\n</script>\n";
    return hob_http_reply(req, 200, "text/html; charset=utf-8", PAGE, sizeof PAGE - 1);
}

/* ---- the service ---- */

static void listening(void *arg, const hob_addr *addr)
{
    printf("pictures, on port %u\n", hob_addr_port(addr));
}

static void free_web(void *web)
{
    hob_web_free(web);
}

static int serve(void *arg)
{
    static const int64_t limit_ns = 10 * HOB_SEC;
    hob_addr             here = hob_addr_loopback((uint16_t)atoi(arg));
    hob_web             *web;

    HOB_TRY(hob_web_new(&(hob_web_opts){ .title = "Pictures", .request_bytes_max = 8000000 }, &web));
    HOB_DEFER(free_web, web);
    hob_web_use(web, hob_web_timeout, (void *)&limit_ns);
    hob_web_use(web, hob_web_gzip, NULL);
    hob_web_handle(web, "GET /", show_page, NULL);
    hob_web_handle(web, "GET /load", show_load, NULL);
    hob_web_operation(web, "GET /picture", &(hob_web_op){ .query = view_json, .id = "picture",
                      .status = 200, .summary = "A part of the Mandelbrot set" }, show_picture, NULL);
    hob_web_add_docs(web);
    return hob_web_serve(web, &here, &(hob_web_serve_opts){ .listening = listening });
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    return hob_run(serve, argc > 1 ? argv[1] : "8080");
}
