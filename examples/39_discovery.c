/* SPDX-License-Identifier: MIT */
/*
 * Who is there? Services are found by a group, and nobody has to know an address.
 *
 *     client ── "who?" ──▶ group ──▶ clock, coffee, printer
 *        ▲                              │
 *        └────── "I am clock" ◀─────────┘   each after a moment of its own, so that they do not
 *                                           all speak at once
 *
 * A name is asked for twice, since datagrams get lost; and all answers that come within a quarter of
 * a second count. On the loopback interface, or on the one that is named:
 *
 *     build/examples/39_discovery eth0
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <hob.h>

enum { SERVICES = 3, TEXT_MAX = 32, ASKED = 2 };

static const char *const names[SERVICES] = { "clock", "coffee", "printer" };

struct network {
    hob_udp_group group;
    hob_addr      here; /* any address, and the port that all services share */
    hob_addr      to;   /* the group, with that port                         */
};

static void close_socket(void *socket)
{
    hob_udp_close(socket);
}

/* ---- a service ---- */

struct service {
    struct network *network;
    const char     *name;
    int64_t         delay_ns;
};

static int open_service(struct network *network, hob_udp **ret_socket)
{
    hob_udp_opts opts = { .reuse_addr = 1 }; // the others are on this machine, too
    HOB_TRY(hob_udp_open_with(&network->here, &opts, ret_socket));
    network->here = hob_udp_local_addr(*ret_socket);
    return hob_udp_join(*ret_socket, &network->group);
}

static int serve(void *arg)
{
    struct service *self = arg;
    hob_udp        *socket = NULL;
    hob_addr        from;
    char            question[8], answer[TEXT_MAX];

    int r = open_service(self->network, &socket);
    HOB_DEFER(close_socket, socket);
    HOB_TRY(r);
    hob_ready(NULL);
    for (;;) {
        ssize_t n = HOB_TRY(hob_udp_recv(socket, question, sizeof question, &from));
        if (n != 4 || memcmp(question, "who?", 4) != 0)
            continue; // anybody may send anything here
        HOB_TRY(hob_sleep(self->delay_ns));
        snprintf(answer, sizeof answer, "I am %s", self->name);
        HOB_TRY(hob_udp_send(socket, answer, strlen(answer), &from));
    }
}

/* ---- the client ---- */

/* Answers that came together are taken together. */
static int collect(hob_udp *socket, int heard[SERVICES])
{
    char        bytes[8][TEXT_MAX];
    hob_udp_msg msgs[8] = { { .buf = NULL } };

    for (int i = 0; i < 8; i++) {
        msgs[i].buf = bytes[i];
        msgs[i].len = TEXT_MAX;
    }
    for (;;) {
        ssize_t n = HOB_TRY(hob_udp_recv_many(socket, msgs, 8));
        for (ssize_t i = 0; i < n; i++)
            for (int s = 0; s < SERVICES; s++)
                if (msgs[i].got == 5 + strlen(names[s]) &&
                    memcmp(bytes[i] + 5, names[s], strlen(names[s])) == 0)
                    heard[s]++;
    }
}

static int ask(struct network *network, int heard[SERVICES])
{
    hob_addr any = network->here;
    hob_udp *socket;

    HOB_TRY(hob_addr_parse("0.0.0.0:0", &any));
    HOB_TRY(hob_udp_open(&any, &socket));
    HOB_DEFER(close_socket, socket);
    HOB_TRY(hob_udp_multicast_by(socket, network->group.interface));
    for (int i = 0; i < ASKED; i++)
        HOB_TRY(hob_udp_send(socket, "who?", 4, &network->to));

    HOB_SCOPE(s);
    hob_scope_deadline(&s, hob_in(250 * HOB_MSEC));
    int r = collect(socket, heard);
    (void)!hob_scope_end(&s);
    return r == -ETIMEDOUT ? 0 : r;
}

static int discover(void *arg)
{
    struct network network = { .group = { .interface = if_nametoindex(arg) } };
    struct service services[SERVICES];
    int            heard[SERVICES] = { 0 };
    char           text[HOB_ADDR_TEXT_MAX];

    HOB_TRY(hob_addr_parse("239.77.0.1:0", &network.group.addr));
    HOB_TRY(hob_addr_parse("0.0.0.0:0", &network.here));
    HOB_SCOPE(s);
    for (int i = 0; i < SERVICES; i++) {
        hob_task_opts opts = { .daemon = 1 };
        services[i] = (struct service){ &network, names[i], (i + 1) * 5 * HOB_MSEC };
        HOB_TRY(hob_go_ready(&s, serve, &services[i], &opts, NULL));
    }
    snprintf(text, sizeof text, "239.77.0.1:%u", (unsigned)hob_addr_port(&network.here));
    HOB_TRY(hob_addr_parse(text, &network.to));

    HOB_TRY(ask(&network, heard));
    for (int i = 0; i < SERVICES; i++)
        printf("%s: %s\n", names[i], heard[i] > 0 ? "here" : "not heard");
    return hob_scope_end(&s);
}

int main(int argc, char **argv)
{
    return hob_run(discover, argc > 1 ? argv[1] : "lo");
}
