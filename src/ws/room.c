/* SPDX-License-Identifier: MIT */
/*
 * Room for what comes: 16 KiB that a connection has while it has something in it.
 *
 * A connection without a task takes it and gives it back with each message, and with many of them at once
 * the C library would give pages back to the kernel and ask for them again, which costs more than the
 * message. So some are kept, for all workers: 1 MiB at most, for as long as the program runs.
 */
#include <pthread.h>
#include <stdlib.h>

#include "ws/ws.h"

enum {
#if defined(__SANITIZE_ADDRESS__)
    SPARES_MAX = 0, // so that the use of one that was given back is seen
#else
    SPARES_MAX = 64,
#endif
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for moments */
static char           *spares[SPARES_MAX + 1];
static int             spare_count;

char *hob__ws_room_take(void)
{
    char *room = NULL;

    if (hob__ws_fails())
        return NULL;
    pthread_mutex_lock(&lock);
    if (spare_count > 0)
        room = spares[--spare_count];
    pthread_mutex_unlock(&lock);
    return room != NULL ? room : malloc(ROOM_BYTES);
}

void hob__ws_room_give(char *room)
{
    if (room == NULL)
        return;
    pthread_mutex_lock(&lock);
    if (spare_count < SPARES_MAX) {
        spares[spare_count++] = room;
        room = NULL;
    }
    pthread_mutex_unlock(&lock);
    free(room);
}
