/* SPDX-License-Identifier: MIT */
/* An HTTP client on Hob: a task for each request in flight. HOB_BACKEND chooses the backend. See client.h. */
#include <hob.h>
#include <hob/fetch.h>

#include "client.h"

static hob_fetch_client *fetcher;

static int ask(void *arg)
{
    (void)arg;
    for (int goes_on = 1; goes_on;) {
        hob_fetch_answer *answer;
        int64_t           asked_ns = bench_now_ns();

        HOB_TRY(hob_fetch_with(fetcher, client.url, NULL, NULL, &answer));
        goes_on = client_answered(asked_ns, hob_fetch_status(answer), hob_fetch_body(answer),
                                  hob_fetch_body_len(answer));
        hob_fetch_close(answer);
    }
    client_end();
    return 0;
}

static int run(void *arg)
{
    hob_fetch_client_opts opts = { .requests_per_host_max = (uint32_t)client.connections,
                                   .idle_max = (uint32_t)client.connections };

    (void)arg;
    HOB_SCOPE(s);
    HOB_TRY(hob_fetch_client_new(&s, &opts, &fetcher));
    for (int i = 0; i < client.connections; i++)
        hob_go(&s, ask, NULL);
    return hob_scope_end(&s);
}

int main(int argc, char **argv)
{
    client_begin(argc, argv);
    return hob_run(run, NULL) == 0 ? 0 : 1;
}
