/* The thread pool that generated programs are given. One per process. */
#ifndef NNC_POOL_H
#define NNC_POOL_H

enum { NNC_MAX_WORKERS = 64 };

typedef void (*nnc_task)(void *context, long begin, long end, long worker);

typedef struct {
    long workers;
    /* Runs `task` on [count * w / workers, count * (w + 1) / workers) for each worker w,
       leaving out empty ranges, and returns when all have ended. */
    void (*parallel)(long count, nnc_task task, void *context);
} nnc_pool;

typedef int (*nnc_entry)(void *const *arguments, char *arena, const nnc_pool *pool);

/* Calls `entry` with a pool of `workers` workers, the calling thread being one of them. */
int nnc_pool_run(nnc_entry entry, void *const *arguments, char *arena, long workers);

/* How many workers' ranges have been run since the last reset, whichever thread ran them. */
long nnc_pool_ran(void);
void nnc_pool_reset_ran(void);

#endif
