/* SPDX-License-Identifier: MIT */
#include "core/mail.h"

#include "core/crew.h"
#include "core/worker.h"

void hob__mail_post(struct worker *to, struct mail *mail)
{
    struct mailbox *box = &to->box;
    atomic_fetch_add(&to->crew->mails_flying, 1);
    struct mail *newest = atomic_load_explicit(&box->newest, memory_order_relaxed);
    do {
        mail->next = newest;
    } while (!atomic_compare_exchange_weak(&box->newest, &newest, mail));
    // Whoever finds the reader asleep wakes it; those who post until it reads need not.
    if (atomic_exchange(&box->asleep, false))
        to->backend->type->wake(to->backend);
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
    atomic_fetch_sub(&w->crew->mails_flying, count);
    return true;
}

bool hob__mail_fall_asleep(struct mailbox *box)
{
    atomic_store(&box->asleep, true);
    if (!mail_has_come(box))
        return true;
    atomic_store(&box->asleep, false);
    return false;
}

void hob__mail_wake_up(struct mailbox *box)
{
    atomic_store_explicit(&box->asleep, false, memory_order_relaxed);
}
