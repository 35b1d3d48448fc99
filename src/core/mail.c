/* SPDX-License-Identifier: MIT */
#include "core/mail.h"

#include <sched.h>

#include "core/crew.h"
#include "core/worker.h"

/* Threads that are no workers of the run, and are in hob__mail_post: nothing else keeps a worker
 * from ending as soon as it has read the mail. */
static atomic_uint posting_from_outside;

static void post(struct worker *to, struct mail *mail, atomic_ullong *counter)
{
    struct mailbox *box = &to->box;
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
    struct mail *newest = atomic_load_explicit(&box->newest, memory_order_relaxed);
    do {
        mail->next = newest;
    } while (!atomic_compare_exchange_weak(&box->newest, &newest, mail));
    // Whoever finds the reader asleep wakes it; those who post until it reads need not.
    if (atomic_load(&box->asleep) && atomic_exchange(&box->asleep, false))
        to->backend->type->wake(to->backend);
}

void hob__mail_post(struct worker *to, struct mail *mail)
{
    struct worker *from = hob__worker;
    if (hob_likely(from != NULL && from->crew == to->crew)) {
        post(to, mail, &from->mails_posted);
        return;
    }
    atomic_fetch_add(&posting_from_outside, 1);
    post(to, mail, &to->crew->posted_outside);
    atomic_fetch_sub(&posting_from_outside, 1);
}

void hob__mail_wait_for_posters(void)
{
    while (atomic_load(&posting_from_outside) != 0)
        sched_yield();
}

static struct mail *oldest_first(struct mail *newest)
{
    struct mail *first = NULL;
    while (newest != NULL) {
        struct mail *before = newest->next;
        newest->next = first;
        first = newest;
        newest = before;
    }
    return first;
}

bool hob__mail_read(struct worker *w)
{
    if (hob_likely(!mail_has_come(&w->box)))
        return false;
    struct mail *mail = oldest_first(atomic_exchange(&w->box.newest, NULL));
    hob__crew_not_dry(w);
    uint64_t count = 0;
    while (mail != NULL) {
        struct mail *next = mail->next; // the record may be gone, or on its way again, afterwards
        mail->open(w, mail);
        count++;
        mail = next;
    }
    atomic_fetch_add_explicit(&w->mails_opened, count, memory_order_relaxed);
    return true;
}

/* Each counts on its own: a counter of the crew would go to and fro with each mail. */
bool hob__mails_fly(const struct crew *crew)
{
    unsigned long long posted = atomic_load(&crew->posted_outside), opened = 0;
    for (uint32_t i = 0; i < crew->count; i++) {
        const struct worker *w = crew->workers[i];
        if (w == NULL)
            continue;
        posted += atomic_load_explicit(&w->mails_posted, memory_order_relaxed);
        opened += atomic_load_explicit(&w->mails_opened, memory_order_relaxed);
    }
    return posted != opened;
}

/* The poster writes `newest` and then looks at `asleep`; here it is the other way round, and one of
 * the two must see the other. Only sequential consistency of all four gives that: an acquiring load
 * may be taken before the store. */
bool hob__mail_fall_asleep(struct mailbox *box)
{
    atomic_store(&box->asleep, true);
    box->dozes = atomic_load(&box->newest) == NULL;
    if (box->dozes)
        return true;
    atomic_store(&box->asleep, false);
    return false;
}

void hob__mail_wake_up(struct mailbox *box)
{
    box->dozes = false;
    atomic_store_explicit(&box->asleep, false, memory_order_relaxed);
}

bool hob__mail_was_woken(struct mailbox *box)
{
    return box->dozes && !atomic_load(&box->asleep);
}
