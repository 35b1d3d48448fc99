/* SPDX-License-Identifier: MIT */
/*
 * Hob: asynchronous programming for C.
 *
 *     #include <hob.h>
 *
 *     static int say_hello(void *arg)
 *     {
 *         HOB_TRY(hob_sleep(1 * HOB_SEC));
 *         puts("Hello after 1 second");
 *         return 0;
 *     }
 *
 *     int main(void) { return hob_run(say_hello, NULL); }
 *
 * What holds for every function:
 *
 * Results.  >= 0 is success; negative is -errno or a code of hob/error.h. Outputs
 *   named ret_… are written only on success. What cannot fail returns void.
 * Waiting.  A function that waits parks the calling task; others run. Its comment
 *   says so. Functions that wait are called from tasks, not from callbacks.
 * Cancelling.  When the scope of a task is cancelled, what it waits for returns
 *   -ECANCELED, or -ETIMEDOUT for a deadline, and so does every later call that
 *   waits, until the scope is left. A call whose effect happened returns its
 *   real result. HOB_SHIELD gives clean-up its time. (HOB_ESTUCK comes in the
 *   place of -ECANCELED when everybody was asleep for ever.)
 * Memory.  A pointer argument is lent for the length of the call; given to a
 *   function that ends in _prep, until the operation ended. What is kept, copied
 *   or given away is said.
 * NULL.  Options and the argument of close and free may be NULL; nothing else,
 *   unless said.
 * Threads.  Functions are called in a task or in a callback, inside of hob_run. A
 *   task never changes its worker. Descriptors (connections, files and so on),
 *   scopes, futures, flights and caches belong to the worker that made them, and
 *   only that one may use them. What tasks tell each other with is for all workers
 *   of the run: channels, promises, locks, latest values, broadcasts, pools; a mutex,
 *   and a promise that is told so, also for threads outside, which call in by
 *   hob/portal.h. So is what guards calls to others: rates, breakers, budgets,
 *   latencies. Logs (hob/log.h), and what only looks at its arguments (hob_strerror, the
 *   functions of hob/addr.h, hob_describe_address), may be called anywhere.
 * Mistakes.  A wrong call stops the program with a sentence that names the
 *   function and the mistake. (NULL where it may not be: with the task that followed
 *   it.) What a peer sends never does.
 */
#ifndef HOB_H
#define HOB_H

#include <stdio.h>

#include "hob/addr.h"
#include "hob/base.h"
#include "hob/breaker.h"
#include "hob/broadcast.h"
#include "hob/cache.h"
#include "hob/chan.h"
#include "hob/copy.h"
#include "hob/dir.h"
#include "hob/error.h"
#include "hob/fd.h"
#include "hob/file.h"
#include "hob/flight.h"
#include "hob/flow.h"
#include "hob/frame.h"
#include "hob/hedge.h"
#include "hob/inherit.h"
#include "hob/inspect.h"
#include "hob/latest.h"
#include "hob/lock.h"
#include "hob/log.h"
#include "hob/loop.h"
#include "hob/mem_pair.h"
#include "hob/offload.h"
#include "hob/op.h"
#include "hob/parallel.h"
#include "hob/path.h"
#include "hob/pipe.h"
#include "hob/portal.h"
#include "hob/process.h"
#include "hob/promise.h"
#include "hob/proxy.h"
#include "hob/rate.h"
#include "hob/reader.h"
#include "hob/replace.h"
#include "hob/retry.h"
#include "hob/runtime.h"
#include "hob/scope.h"
#include "hob/select.h"
#include "hob/sem.h"
#include "hob/signal.h"
#include "hob/sim.h"
#include "hob/sockopt.h"
#include "hob/stop.h"
#include "hob/stream.h"
#include "hob/supervise.h"
#include "hob/suspend.h"
#include "hob/task.h"
#include "hob/tcp.h"
#include "hob/terminal.h"
#include "hob/time.h"
#include "hob/udp.h"
#include "hob/unix.h"
#include "hob/watch.h"
#include "hob/wrap.h"
#include "hob/writer.h"

#endif
