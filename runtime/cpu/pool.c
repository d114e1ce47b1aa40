/* One thread pool per process.
 *
 * The caller is worker 0. Every other worker owns a slot: the caller bumps `start`, the worker
 * sets `claimed` to the same value, runs its range and sets `done`. A worker spins for a while
 * after its last range, because the next one mostly follows within microseconds, and then sleeps.
 * A range that its worker has not claimed when the caller is through with its own, the caller
 * runs: another process may have the worker's CPU for milliseconds.
 *
 * The ranges depend on `count` and `workers` only, so a program computes the same bits whether
 * its ranges run on the pool, or in order on the calling thread because the pool is taken by
 * another caller, because the call is nested, or because threads cannot be created.
 */
#define _GNU_SOURCE
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__) && !defined(NNC_PORTABLE)
#define USE_LINUX 1
#include <linux/futex.h>
#include <sys/syscall.h>
#else
#define USE_LINUX 0
#endif

enum { CACHE_LINES = 128, PAUSES_PER_CHECK = 64 };
enum { WORKER_PATIENCE = 1500000, CALLER_PATIENCE = 300000 }; /* nanoseconds */

typedef struct {
    _Alignas(CACHE_LINES) atomic_uint start; /* written by the caller */
    atomic_uint asleep;
    _Alignas(CACHE_LINES) atomic_uint claimed; /* by the worker, or by the caller in its stead */
    atomic_uint done;                          /* written by the worker */
    atomic_uint awaited;                       /* the caller sleeps until `done` changes */
    atomic_uint ran;
} slot;

typedef struct {
    nnc_task task;
    void *context;
    long count, workers;
} job;

static slot slots[NNC_MAX_WORKERS];
static job current_job;                 /* valid while `taken` */
static atomic_flag taken = ATOMIC_FLAG_INIT;
static long threads;                    /* running besides the callers; guarded by `taken` */
static long cpus;                       /* this process may use; guarded by `taken` */
static atomic_int crowded;              /* more workers than CPUs: spinning would only hurt */

static _Thread_local long call_workers = 1;
static _Thread_local long own_worker;   /* 0 on every thread that the pool did not make */
static _Thread_local long inside = -1;  /* the worker whose range this thread is running */

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#if USE_LINUX
static void sleep_while(atomic_uint *word, unsigned value) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, 0, 0, 0);
}

static void wake(atomic_uint *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0); }

static long cpu_count(void) {
    cpu_set_t mask;
    return sched_getaffinity(0, sizeof mask, &mask) ? 1 : CPU_COUNT(&mask);
}

static int current_cpu(void) { return sched_getcpu(); }

/* Pins worker w to the w-th CPU after `cpu`, the starter's. An unpinned new thread may stay on
   its starter's CPU, where the two spin against each other. The starter itself is never pinned:
   threads that other libraries create later would inherit that. */
static void pin(pthread_t thread, long worker, int cpu) {
    cpu_set_t mask, one;
    if (cpu < 0 || sched_getaffinity(0, sizeof mask, &mask) || worker >= CPU_COUNT(&mask)) return;
    for (long step = 0; step < worker; step++)
        do cpu = (cpu + 1) % CPU_SETSIZE;
        while (!CPU_ISSET(cpu, &mask));
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    pthread_setaffinity_np(thread, sizeof one, &one);
}
#else
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void sleep_while(atomic_uint *word, unsigned value) {
    pthread_mutex_lock(&mutex);
    while (atomic_load(word) == value) pthread_cond_wait(&changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

static void wake(atomic_uint *word) {
    (void)word;
    pthread_mutex_lock(&mutex);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static long cpu_count(void) { return sysconf(_SC_NPROCESSORS_ONLN); }

static int current_cpu(void) { return -1; }

static void pin(pthread_t thread, long worker, int cpu) { (void)thread, (void)worker, (void)cpu; }
#endif

static long nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

/* Waits until `word` is no longer `value`; returns what it is. After `patience` nanoseconds of
   spinning the thread sleeps, and its CPU is free for whoever keeps the other from running. */
static unsigned wait_while(atomic_uint *word, unsigned value, atomic_uint *asleep, long patience) {
    long deadline = nanoseconds() + (atomic_load(&crowded) ? 0 : patience);
    for (;;) {
        for (int i = 0; i < PAUSES_PER_CHECK; i++) {
            unsigned now = atomic_load_explicit(word, memory_order_acquire);
            if (now != value) return now;
            relax();
        }
        if (nanoseconds() < deadline) continue;
        /* `asleep` before the last look at `word`, `word` before the other's look at `asleep`:
           one of the two sees the other. */
        atomic_store(asleep, 1);
        if (atomic_load(word) == value) sleep_while(word, value);
        atomic_store(asleep, 0);
    }
}

static void announce(atomic_uint *word, unsigned value, atomic_uint *asleep) {
    atomic_store(word, value);
    if (atomic_load(asleep)) wake(word);
}

/* Whether the range number `start` of a slot is now this thread's to run. */
static int claim(slot *one, unsigned start) {
    unsigned before = start - 1;
    return atomic_load_explicit(&one->claimed, memory_order_relaxed) == before &&
           atomic_compare_exchange_strong(&one->claimed, &before, start);
}

static void wait_until_done(slot *other, unsigned wanted) {
    unsigned done = atomic_load_explicit(&other->done, memory_order_acquire);
    while (done != wanted)
        done = wait_while(&other->done, done, &other->awaited, CALLER_PATIENCE);
}

static int is_empty(const job *work, long worker) {
    return work->count * worker / work->workers == work->count * (worker + 1) / work->workers;
}

/* A nested range keeps the outer worker's number: the scratch of others is in use. */
static void run_range(const job *work, long worker) {
    if (is_empty(work, worker)) return;
    long outer = inside;
    inside = outer < 0 ? worker : outer;
    atomic_store_explicit(&slots[inside].ran, 1, memory_order_relaxed);
    work->task(work->context, work->count * worker / work->workers,
               work->count * (worker + 1) / work->workers, inside);
    inside = outer;
}

static void *serve(void *argument) {
    own_worker = (long)argument;
    slot *own = &slots[own_worker];
    for (unsigned seen = 0;;) {
        seen = wait_while(&own->start, seen, &own->asleep, WORKER_PATIENCE);
        if (!claim(own, seen)) continue;
        call_workers = current_job.workers;
        run_range(&current_job, own_worker);
        announce(&own->done, seen, &own->awaited);
    }
    return 0;
}

/* Makes threads until there are `wanted`; returns how many of those there are. */
static long start_threads(long wanted) {
    static int starter;
    if (!threads) {
        starter = current_cpu();
        cpus = cpu_count();
    }
    while (threads < wanted) {
        pthread_t thread;
        if (pthread_create(&thread, 0, serve, (void *)(threads + 1))) return threads;
        pin(thread, ++threads, starter);
        pthread_detach(thread);
    }
    return wanted;
}

static void start_range(slot *other) {
    unsigned start = atomic_load_explicit(&other->start, memory_order_relaxed) + 1;
    announce(&other->start, start, &other->asleep);
}

static void finish_range(const job *work, long worker) {
    slot *other = &slots[worker];
    if (is_empty(work, worker)) return;
    unsigned start = atomic_load_explicit(&other->start, memory_order_relaxed);
    if (claim(other, start)) run_range(work, worker);
    else wait_until_done(other, start);
}

static void run_on_pool(const job *work) {
    long helpers = start_threads(work->workers - 1);
    atomic_store_explicit(&crowded, work->workers > cpus, memory_order_relaxed);
    current_job = *work;
    for (long w = 1; w <= helpers; w++)
        if (!is_empty(work, w)) start_range(&slots[w]);
    run_range(work, 0);
    for (long w = helpers + 1; w < work->workers; w++) run_range(work, w);
    for (long w = 1; w <= helpers; w++) finish_range(work, w);
}

static void parallel(long count, nnc_task task, void *context) {
    job work = {task, context, count, call_workers};
    int alone = work.workers == 1 || count <= 1 || inside >= 0;
    if (!alone && !atomic_flag_test_and_set_explicit(&taken, memory_order_acquire)) {
        run_on_pool(&work);
        atomic_flag_clear_explicit(&taken, memory_order_release);
        return;
    }
    for (long w = 0; w < work.workers; w++) run_range(&work, w);
}

int nnc_pool_run(nnc_entry entry, void *const *arguments, char *arena, long workers) {
    nnc_pool pool = {workers, parallel};
    long outer = call_workers;
    call_workers = workers;
    int result = entry(arguments, arena, &pool);
    call_workers = outer;
    return result;
}

long nnc_pool_ran(void) {
    long count = 0;
    for (long w = 0; w < NNC_MAX_WORKERS; w++) count += atomic_load(&slots[w].ran);
    return count;
}

void nnc_pool_reset_ran(void) {
    for (long w = 0; w < NNC_MAX_WORKERS; w++) atomic_store(&slots[w].ran, 0);
}

/* A forked child has none of its parent's workers: it begins with an empty pool. */
static void forget_threads(void) {
    threads = 0;
    atomic_flag_clear(&taken);
    for (long w = 0; w < NNC_MAX_WORKERS; w++) {
        atomic_store(&slots[w].start, 0);
        atomic_store(&slots[w].claimed, 0);
        atomic_store(&slots[w].done, 0);
        atomic_store(&slots[w].asleep, 0);
        atomic_store(&slots[w].awaited, 0);
    }
#if !USE_LINUX
    pthread_mutex_init(&mutex, 0);
    pthread_cond_init(&changed, 0);
#endif
}

__attribute__((constructor)) static void prepare(void) { pthread_atfork(0, 0, forget_threads); }
