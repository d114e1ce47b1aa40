/* When each launch of a program begins and ends: stands before the entry of a timed program.
 *
 * Launches are numbered by `__COUNTER__`, in the order of the entry's text. Events are those of
 * the calling thread, so calls from several threads do not meet. */
#include <stdlib.h>
#include <time.h>

typedef struct {
    long long launch, start, end; /* nanoseconds of CLOCK_MONOTONIC */
} nnc_event;

static __thread nnc_event *nnc_events;
static __thread long nnc_count, nnc_room;
enum { NNC_BEFORE = __COUNTER__ };

/* How many events this thread has noted since it was asked last, and where they are. */
long nnc_take_events(nnc_event **events)
{
    long count = nnc_count;
    *events = nnc_events;
    nnc_count = 0;
    return count;
}

static long long nnc_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void nnc_note(long long launch, long long start)
{
    long long end = nnc_now();
    if (nnc_count == nnc_room) {
        long room = 2 * nnc_room + 256;
        nnc_event *larger = realloc(nnc_events, room * sizeof *larger);
        if (!larger) return;
        nnc_events = larger;
        nnc_room = room;
    }
    nnc_events[nnc_count++] = (nnc_event){launch, start, end};
}

#define NNC_TIMED(number, call)                                                                    \
    do {                                                                                           \
        long long nnc_start = nnc_now();                                                           \
        call;                                                                                      \
        nnc_note((number) - NNC_BEFORE - 1, nnc_start);                                            \
    } while (0)

