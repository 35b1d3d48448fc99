/* SPDX-License-Identifier: MIT */
/* The record of a message to another worker: see core/mail.h. */
#ifndef HOB_BASE_MAIL_H
#define HOB_BASE_MAIL_H

struct worker;

struct mail {
    struct mail *next;
    void       (*open)(struct worker *worker, struct mail *mail);
};

#endif
