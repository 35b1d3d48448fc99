/* SPDX-License-Identifier: MIT */
/*
 * libcurl on Hob's loop: what it wants to wait for becomes ops, and what ended is told to it.
 *
 *     CURLMOPT_SOCKETFUNCTION "IN on 7"  ──▶ hob_fd_wait_prep, in the scope of the client's keeper
 *     CURLMOPT_TIMERFUNCTION  "in 5 ms"  ──▶ hob_sleep_prep; "at once": an op that is over, of the same turn
 *     on_ready, on_time, on_at_once      ──▶ curl_multi_socket_action ──▶ who has ended: exchange.c
 *
 * Each socket has a wait for each direction, armed when it is wanted, and again after each event.
 *
 * A socket is closed only when neither wait flies: until then its number is not free for another.
 * So closing it is asked of us (CURLOPT_CLOSESOCKETFUNCTION), and may come later than libcurl thinks.
 * But one that never got connected libcurl 7.88 just closes: that is seen, by its inode, when it is
 * wanted no more, or when its number comes back, and then its waits are asked back before anything
 * else runs. Each socket is `is_closed` for libcurl from one of these moments on, and out of find().
 *
 * A connection that nobody uses is not waited for; whether it still lives is looked at before it is used.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch/client.h"
#include "fetch/exchange.h"
#include "fetch/memory.h"
#include "hob/fd.h"

struct fetch_wait {
    hob_op               op;
    struct fetch_socket *socket;
    bool                 flies, is_asked_back;
};

struct fetch_socket {
    struct fetch_socket *next; /* in its bucket */
    hob_fetch_client    *client;
    int                  fd;
    ino_t                inode;
    bool                 is_closed; /* for libcurl                       */
    bool                 is_gone;   /* it has done so itself             */
    int                  wanted;    /* of CURL_POLL_IN | CURL_POLL_OUT */
    struct fetch_wait    waits[2];  /* IN, OUT */
};

static const struct {
    int   bit, select;
    short events;
} WAYS[2] = {
    { CURL_POLL_IN, CURL_CSELECT_IN, POLLIN },
    { CURL_POLL_OUT, CURL_CSELECT_OUT, POLLOUT },
};

/* ---- sockets that are known ---- */

static struct fetch_socket **bucket_of(hob_fetch_client *client, int fd)
{
    return &client->sockets[(unsigned)fd % FETCH_BUCKETS];
}

static struct fetch_socket *find(hob_fetch_client *client, int fd)
{
    struct fetch_socket *socket = *bucket_of(client, fd);
    while (socket != NULL && (socket->fd != fd || socket->is_closed))
        socket = socket->next;
    return socket;
}

static void forget(struct fetch_socket *socket)
{
    struct fetch_socket **link = bucket_of(socket->client, socket->fd);
    while (*link != socket)
        link = &(*link)->next;
    *link = socket->next;
    if (!socket->is_gone)
        close(socket->fd);
    hob__fetch_free(socket);
}

static bool flies(const struct fetch_socket *socket)
{
    return socket->waits[0].flies || socket->waits[1].flies;
}

/* ---- telling libcurl ---- */

/* Hands over what ended. */
static void harvest(hob_fetch_client *client)
{
    int left;
    for (CURLMsg *msg; (msg = curl_multi_info_read(client->multi, &left)) != NULL;) {
        if (msg->msg == CURLMSG_DONE)
            hob__fetch_ended(msg->easy_handle, msg->data.result);
    }
}

static void act(hob_fetch_client *client, curl_socket_t fd, int events)
{
    int running;
    if (client->is_ended)
        return;
    // It fails for what is no socket of its own any more, which is then nobody's.
    (void)curl_multi_socket_action(client->multi, fd, events, &running);
    harvest(client);
}

/* ---- waits ---- */

static void on_ready(void *arg, ssize_t result);

static void ask_back(struct fetch_wait *wait)
{
    if (wait->flies && !wait->is_asked_back) {
        wait->is_asked_back = true;
        hob_op_cancel(&wait->op);
    }
}

/* Sees to it that what is wanted is waited for, and nothing else. */
static void follow(struct fetch_socket *socket)
{
    for (int way = 0; way < 2; way++) {
        struct fetch_wait *wait = &socket->waits[way];
        if (socket->is_closed || (socket->wanted & WAYS[way].bit) == 0) {
            ask_back(wait);
        } else if (!wait->flies && !socket->client->is_ended) {
            wait->flies = true;
            wait->is_asked_back = false;
            hob_fd_wait_prep(&wait->op, socket->fd, (unsigned)WAYS[way].events);
            hob_op_call(socket->client->ops, &wait->op, on_ready, wait);
        }
    }
}

static int select_of(int way, ssize_t result)
{
    if (result < 0)
        return CURL_CSELECT_ERR;
    return WAYS[way].select | ((result & POLLERR) != 0 ? CURL_CSELECT_ERR : 0);
}

/* A callback of hob_op_call. */
static void on_ready(void *arg, ssize_t result)
{
    struct fetch_wait   *wait = arg;
    struct fetch_socket *socket = wait->socket;
    hob_fetch_client    *client = socket->client;
    int                  way = wait == &socket->waits[1], fd = socket->fd;

    wait->flies = false;
    if (socket->is_closed) {
        if (!flies(socket))
            forget(socket);
        return;
    }
    // What was asked back may be wanted again; then it is only armed again. When the scope is
    // cancelled the keeper is about to end the client.
    bool is_news = result != -ECANCELED && result != -ETIMEDOUT;
    if (is_news && (socket->wanted & WAYS[way].bit) != 0) {
        act(client, fd, select_of(way, result));
        socket = find(client, fd); // it may be gone
    } else if (!is_news && !wait->is_asked_back) {
        return;
    }
    if (socket != NULL)
        follow(socket);
}

/* libcurl has closed it, or wants it to be. */
static void retire(struct fetch_socket *socket, bool is_gone)
{
    socket->is_closed = true;
    socket->is_gone = is_gone;
    socket->client->stats.connections--;
    follow(socket);
    if (!flies(socket))
        forget(socket);
}

static ino_t inode_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* A callback of libcurl. */
static int on_wanted(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct fetch_socket *socket = find(arg, fd);
    (void)easy;
    (void)socket_arg;
    if (socket == NULL) // only those that open_socket made come here
        return what == CURL_POLL_REMOVE ? 0 : -1;
    socket->wanted = what == CURL_POLL_REMOVE ? 0 : what;
    if (what == CURL_POLL_REMOVE && inode_of(fd) != socket->inode)
        retire(socket, true);
    else
        follow(socket);
    return 0;
}

/* ---- time ---- */

/* Most exchanges want to be begun at once, and later to be told that they took too long, which they did
 * not. So these are two ops: the clock is not moved for who begins, nor when what it was for is over. */

enum { AT_ONCE = 0 };

static void on_time(void *arg, ssize_t result);
static void on_at_once(void *arg, ssize_t result);

static void begin_at_once(hob_fetch_client *client)
{
    if (client->at_once_flies)
        return;
    client->at_once_flies = true;
    hob_sleep_prep(&client->at_once, AT_ONCE);
    hob_op_call(client->ops, &client->at_once, on_at_once, client);
}

/* One that comes too early sets the next. */
static void begin_timer(hob_fetch_client *client)
{
    if (client->timer_flies) {
        if (client->due_ns < client->timer_at_ns && !client->timer_asked_back) {
            client->timer_asked_back = true;
            hob_op_cancel(&client->timer);
        }
        return;
    }
    client->timer_flies = true;
    client->timer_asked_back = false;
    client->timer_at_ns = client->due_ns;
    hob_sleep_prep(&client->timer, client->due_ns);
    hob_op_call(client->ops, &client->timer, on_time, client);
}

static void set_clock(hob_fetch_client *client)
{
    if (client->due_ns == HOB_FOREVER || client->is_ended)
        return;
    if (client->due_ns == AT_ONCE)
        begin_at_once(client);
    else
        begin_timer(client);
}

/* A millisecond later than told: libcurl forgets a time when it is called, and what it was for looks
 * whether so many whole milliseconds have passed. ("Expect: 100-continue" then waits for the next time.) */
static int64_t due_in(long ms)
{
    return ms < 0 ? HOB_FOREVER : ms == 0 ? AT_ONCE : hob_in((ms + 1) * HOB_MSEC);
}

/* libcurl tells of a time once; one that was not over for its clock must not be forgotten. */
static void look_again(hob_fetch_client *client)
{
    long ms = -1;
    if (client->due_ns == HOB_FOREVER && curl_multi_timeout(client->multi, &ms) == CURLM_OK)
        client->due_ns = due_in(ms);
}

static void tell_the_time(hob_fetch_client *client)
{
    client->due_ns = HOB_FOREVER;
    act(client, CURL_SOCKET_TIMEOUT, 0);
    look_again(client);
}

/* A callback of hob_op_call. */
static void on_time(void *arg, ssize_t result)
{
    hob_fetch_client *client = arg;
    client->timer_flies = false;
    if (client->is_ended || (result < 0 && !client->timer_asked_back))
        return;
    if (client->due_ns <= hob_now())
        tell_the_time(client);
    set_clock(client);
}

/* A callback of hob_op_call. */
static void on_at_once(void *arg, ssize_t result)
{
    hob_fetch_client *client = arg;
    client->at_once_flies = false;
    if (client->is_ended || result < 0)
        return;
    if (client->due_ns == AT_ONCE)
        tell_the_time(client);
    set_clock(client);
}

/* A callback of libcurl. */
static int on_timer_wanted(CURLM *multi, long ms, void *arg)
{
    hob_fetch_client *client = arg;
    (void)multi;
    client->due_ns = due_in(ms);
    set_clock(client);
    return 0;
}

/* ---- making and closing sockets: callbacks of libcurl ---- */

static int refused(hob_fetch_client *client, const struct curl_sockaddr *to)
{
    hob_addr addr;
    if (client->opts.may_connect == NULL)
        return 0;
    int r = hob_addr_from_sockaddr(&to->addr, to->addrlen, &addr);
    return r < 0 ? r : client->opts.may_connect(client->opts.may_connect_arg, &addr);
}

/* A number that libcurl thinks it waits for already goes on being wanted. */
static int take_over(hob_fetch_client *client, int fd)
{
    struct fetch_socket *old = find(client, fd);
    int                  wanted = old != NULL ? old->wanted : 0;
    if (old != NULL)
        retire(old, true);
    return wanted;
}

static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    hob_fetch_answer *answer = fetch_answer_of(arg);
    hob_fetch_client *client = answer->client;
    (void)purpose;
    int r = refused(client, to);
    if (r < 0) {
        answer->socket_error = r;
        return CURL_SOCKET_BAD;
    }
    struct fetch_socket *made = hob__fetch_alloc(sizeof *made);
    int fd = made != NULL ? socket(to->family, to->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, to->protocol)
                          : -1;
    if (fd < 0) {
        answer->socket_error = made != NULL ? -errno : -ENOMEM;
        hob__fetch_free(made);
        return CURL_SOCKET_BAD;
    }
    made->client = client;
    made->fd = fd;
    made->inode = inode_of(fd);
    made->wanted = take_over(client, fd);
    made->waits[0].socket = made->waits[1].socket = made;
    made->next = *bucket_of(client, fd);
    *bucket_of(client, fd) = made;
    client->stats.connections++;
    client->stats.connected++;
    follow(made);
    return fd;
}

static int close_socket(void *arg, curl_socket_t fd)
{
    struct fetch_socket *socket = find(arg, fd);
    if (socket == NULL) // not one of ours
        return close(fd);
    retire(socket, false);
    return 0;
}

/* ---- setting up ---- */

int hob__fetch_drive_begin(hob_fetch_client *client)
{
    client->due_ns = HOB_FOREVER;
    client->multi = curl_multi_init();
    if (client->multi == NULL)
        return -ENOMEM;
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_wanted);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)client->opts.idle_max);
    return 0;
}

void hob__fetch_drive_socket(hob_fetch_client *client, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, client);
    // Closed when libcurl likes, maybe long after its handle has gone: so not the answer.
}
