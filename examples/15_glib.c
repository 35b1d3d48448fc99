/* SPDX-License-Identifier: MIT */
/*
 * Hob as a guest in a GLib main loop, as a GTK program has one.
 *
 * GLib keeps the thread. It is told of one descriptor, that of hob_poll_fd, and when
 * that is readable it lets Hob go on for at most 2 ms. The window's side, here a clock
 * that ticks sixty times a second, does not notice how much goes on beside it; and it
 * talks to tasks by what does not wait: a promise is resolved between two steps.
 */
#include <glib-unix.h>
#include <stdio.h>

#include <hob.h>

enum { GUESTS = 1000, TICKS = 30 };

struct app {
    GMainLoop   *main_loop;
    hob_loop    *loop;
    hob_promise *closing; /* resolved by the window */
    int          ticks;
    int          served;
};

/* ---- in Hob ---- */

static int serve_guest(void *arg)
{
    struct app *app = arg;
    for (int course = 0; course < 3; course++)
        HOB_TRY(hob_sleep(100 * HOB_MSEC));
    app->served++;
    return 0;
}

static int open_house(void *arg)
{
    struct app *app = arg;
    HOB_SCOPE(s);
    for (int i = 0; i < GUESTS; i++)
        hob_go(&s, serve_guest, app);
    HOB_TRY(hob_scope_end(&s));
    printf("%d guests were served\n", app->served);
    return hob_promise_await(app->closing, NULL);
}

static int run_house(void *arg)
{
    struct app *app = arg;
    HOB_TRY(hob_promise_new(&app->closing));
    int r = open_house(app);
    hob_promise_free(app->closing);
    return r;
}

/* ---- in GLib ---- */

static void let_hob_go_on(struct app *app)
{
    if (hob_step(app->loop, 2 * HOB_MSEC) == HOB_STEP_ENDED)
        g_main_loop_quit(app->main_loop);
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer user_data)
{
    let_hob_go_on(user_data);
    return G_SOURCE_CONTINUE;
}

static gboolean on_tick(gpointer user_data)
{
    struct app *app = user_data;
    if (++app->ticks < TICKS)
        return G_SOURCE_CONTINUE;
    printf("the window ticked %d times, and closes\n", app->ticks);
    if (hob_promise_resolve(app->closing, NULL) == 0)
        let_hob_go_on(app); // what a host did between steps needs one
    return G_SOURCE_REMOVE;
}

int main(void)
{
    struct app app = { .main_loop = g_main_loop_new(NULL, FALSE) };
    int        r = hob_begin(NULL, run_house, &app, &app.loop);
    if (r == 0) {
        let_hob_go_on(&app); // the tasks begin: the promise is there
        int fd = hob_poll_fd(app.loop);
        if (fd >= 0) {
            guint readable = g_unix_fd_add(fd, G_IO_IN, on_readable, &app);
            g_timeout_add(1000 / 60, on_tick, &app);
            g_main_loop_run(app.main_loop);
            g_source_remove(readable);
        }
        r = hob_finish(app.loop);
        r = fd < 0 ? fd : r;
    }
    g_main_loop_unref(app.main_loop);
    return r;
}
