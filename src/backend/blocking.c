/* SPDX-License-Identifier: MIT */
/*
 * One lock guards the queue, all clients' finished lists and all job states. It
 * is held for a few list operations and never during a call.
 */
#include "backend/blocking.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include "backend/backend.h"
#include "base/alloc.h"
#include "base/fault.h"
#include "base/sys.h"

enum {
    THREADS_MAX = 64,
    THREAD_STACK_BYTES = 256 * 1024,
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t  work_came;
    struct list     queue;
    int             threads;
    int             threads_max;
    int             idle;   /* threads that wait for work                  */
    int             queued; /* jobs in the queue                           */
    bool            ending;
    pthread_t       thread[THREADS_MAX];
} pool = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .work_came = PTHREAD_COND_INITIALIZER,
    .queue = { { &pool.queue.head, &pool.queue.head } },
};

/* Held while the first client comes or the last one goes; taken before pool.lock. */
static pthread_mutex_t clients_lock = PTHREAD_MUTEX_INITIALIZER;
static int             clients;

static int64_t carry_out(const struct blocking_job *job)
{
    switch (job->call) {
    case BLOCKING_READ:
        return job->offset < 0 ? hob__sys_read(job->fd, job->buf, job->len)
                               : hob__sys_pread(job->fd, job->buf, job->len, job->offset);
    case BLOCKING_WRITE:
        return job->offset < 0 ? hob__sys_write(job->fd, job->buf, job->len)
                               : hob__sys_pwrite(job->fd, job->buf, job->len, job->offset);
    case BLOCKING_SPLICE:
        return hob__sys_splice(job->fd, job->to_fd, job->len);
    case BLOCKING_OPEN:
        return hob__sys_open(job->path, job->flags | O_CLOEXEC, job->mode);
    case BLOCKING_FSYNC:
        return hob__sys_fsync(job->fd);
    case BLOCKING_STAT:
        return job->path != NULL ? hob__sys_stat(job->path, job->stat_out)
                                 : hob__sys_fstat(job->fd, job->stat_out);
    case BLOCKING_FS:
        return hob__fs_carry_out(job->fs, job->fd);
    case BLOCKING_CLOSE:
        hob__sys_close(job->fd);
        return 0;
    }
    hob_unreachable("unknown blocking call");
}

/* With the lock held; lets it go during the call. */
static void work_on(struct blocking_job *job)
{
    job->state = BLOCKING_RUNNING;
    pthread_mutex_unlock(&pool.lock);
    job->result = carry_out(job);
    pthread_mutex_lock(&pool.lock);

    if (job->client == NULL) {
        hob__free(job);
        return;
    }
    job->state = BLOCKING_FINISHED;
    list_push_back(&job->client->finished, &job->link);
    // Still under the lock: afterwards the client may collect the job and be gone.
    job->client->wake(job->client->arg);
}

static void *thread_main(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        while (list_is_empty(&pool.queue) && !pool.ending) {
            pool.idle++;
            pthread_cond_wait(&pool.work_came, &pool.lock);
            pool.idle--;
        }
        struct list_node *node = list_pop_front(&pool.queue);
        if (node == NULL)
            break;
        pool.queued--;
        work_on(container_of(node, struct blocking_job, link));
    }
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

/* With the lock held. On failure there are simply fewer threads. */
static void start_thread(void)
{
    sigset_t       all, before;
    pthread_attr_t attr;

    if (hob__fault() || pthread_attr_init(&attr) != 0)
        return;
    int r = pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    hob_assert(r == 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&pool.thread[pool.threads], &attr, thread_main, NULL) == 0)
        pool.threads++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
}

void hob__blocking_open(struct blocking_client *client, int threads, void (*wake)(void *arg),
                        void *arg)
{
    *client = (struct blocking_client){ .wake = wake, .arg = arg };
    list_init(&client->finished);

    pthread_mutex_lock(&clients_lock);
    pthread_mutex_lock(&pool.lock);
    clients++;
    if (pool.threads_max < threads)
        pool.threads_max = threads < THREADS_MAX ? threads : THREADS_MAX;
    pthread_mutex_unlock(&pool.lock);
    pthread_mutex_unlock(&clients_lock);
}

static void end_threads(void)
{
    pthread_mutex_lock(&pool.lock);
    int threads = pool.threads;
    pool.ending = true;
    pthread_cond_broadcast(&pool.work_came);
    pthread_mutex_unlock(&pool.lock);

    for (int i = 0; i < threads; i++)
        pthread_join(pool.thread[i], NULL);

    pthread_mutex_lock(&pool.lock);
    pool.ending = false;
    pool.threads = pool.threads_max = 0;
    pthread_mutex_unlock(&pool.lock);
}

void hob__blocking_close(struct blocking_client *client)
{
    hob_assert(list_is_empty(&client->finished));
    pthread_mutex_lock(&clients_lock);
    hob_assert(clients > 0);
    if (--clients == 0)
        end_threads();
    pthread_mutex_unlock(&clients_lock);
}

/* With the lock held. */
static void submit(struct blocking_job *job)
{
    if (pool.idle <= pool.queued && pool.threads < pool.threads_max)
        start_thread();
    if (pool.threads == 0) {
        work_on(job);
    } else {
        job->state = BLOCKING_QUEUED;
        list_push_back(&pool.queue, &job->link);
        pool.queued++;
        pthread_cond_signal(&pool.work_came);
    }
}

void hob__blocking_submit(struct blocking_client *client, struct blocking_job *job)
{
    job->client = client;
    pthread_mutex_lock(&pool.lock);
    submit(job);
    pthread_mutex_unlock(&pool.lock);
}

void hob__blocking_close_fd(int fd)
{
    struct blocking_job *job = hob__alloc_zero(sizeof *job);
    if (job == NULL) {
        hob__sys_close(fd);
        return;
    }
    job->call = BLOCKING_CLOSE;
    job->fd = fd;
    pthread_mutex_lock(&pool.lock);
    submit(job);
    pthread_mutex_unlock(&pool.lock);
}

bool hob__blocking_cancel(struct blocking_job *job)
{
    pthread_mutex_lock(&pool.lock);
    bool taken = job->state == BLOCKING_QUEUED;
    if (taken) {
        list_remove(&job->link);
        pool.queued--;
    }
    pthread_mutex_unlock(&pool.lock);
    return taken;
}

void hob__blocking_collect(struct blocking_client *client, struct list *jobs)
{
    pthread_mutex_lock(&pool.lock);
    list_append(jobs, &client->finished);
    pthread_mutex_unlock(&pool.lock);
}
