/* SPDX-License-Identifier: MIT */
/*
 * Hello: a task that waits.
 *
 * hob_run starts the loop and runs say_hello as the first task. hob_sleep
 * parks that task for a second; were there others, they would run meanwhile.
 *
 *     build/hob run examples/01_hello.c
 */
#include <hob.h>

static int say_hello(void *arg)
{
    HOB_TRY(hob_sleep(1 * HOB_SEC));
    puts("Hello after 1 second");
    return 0;
}

int main(void) { return hob_run(say_hello, NULL); }
