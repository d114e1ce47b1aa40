// Runs the threads of CUDA blocks as coroutines, and checks their memory accesses.
//
// Never compile this file with -fsanitize: it defines the hooks that -fsanitize=thread calls.
#include <algorithm>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <numeric>
#include <random>
#include <sys/mman.h>
#include <ucontext.h>
#include <vector>

struct Index { unsigned x, y, z; };
struct Thread { Index thread, block, block_size, grid_size; };

// The bounds of the section of shared variables (absent if there are none), and of the library.
extern "C" {
extern __attribute__((weak, visibility("hidden"))) char __start_emulated_shared[];
extern __attribute__((weak, visibility("hidden"))) char __stop_emulated_shared[];
extern __attribute__((visibility("hidden"))) char __ehdr_start[], _end[];
Thread *emulated_thread;
}

namespace {

constexpr size_t STACK = 256 << 10, GUARD = 4096, MOST_THREADS = 1024;

// What is known of the last accesses to one byte; `launch` 0 is never.
struct Access {
    uint64_t launch = 0;
    int block = 0, thread = 0;
    unsigned phase = 0;
};
struct Byte { Access write, read; };
struct Buffer { char *start; size_t size; std::vector<Byte> bytes; };

enum State { READY, WAITING, DONE };
struct Fiber { ucontext_t context; Thread place; State state; };

std::vector<Fiber> fibers;
std::vector<Buffer> buffers;
std::vector<Byte> shared_bytes;
ucontext_t scheduler;
char *stacks;
int current;
unsigned phase;  // Barriers that this block has passed.
uint64_t launch;  // Counts blocks too for shared memory.
int block_number;
void (*kernel)(void **);
void **kernel_arguments;
char message[512];

size_t shared_size() { return __start_emulated_shared ? __stop_emulated_shared - __start_emulated_shared : 0; }

void fail(const char *format, ...)
{
    if (message[0])
        return;
    va_list rest;
    va_start(rest, format);
    int used = vsnprintf(message, sizeof message, format, rest);
    va_end(rest);
    snprintf(message + used, sizeof message - used, " [block %d, thread %d]", block_number, current);
}

void run_thread()
{
    kernel(kernel_arguments);
    fibers[current].state = DONE;
}

void prepare(int thread)
{
    Fiber &fiber = fibers[thread];
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = stacks + thread * (STACK + GUARD) + GUARD;
    fiber.context.uc_stack.ss_size = STACK;
    fiber.context.uc_link = &scheduler;
    makecontext(&fiber.context, run_thread, 0);
    fiber.state = READY;
}

void resume(int thread)
{
    current = thread;
    emulated_thread = &fibers[thread].place;
    fibers[thread].state = READY;
    swapcontext(&scheduler, &fibers[thread].context);
    emulated_thread = nullptr;
}

// Seed 0 is in order, 1 in reverse, others are random.
std::vector<int> order(int count, uint64_t seed, std::mt19937_64 &random)
{
    std::vector<int> numbers(count);
    std::iota(numbers.begin(), numbers.end(), 0);
    if (seed == 1)
        std::reverse(numbers.begin(), numbers.end());
    if (seed > 1)
        std::shuffle(numbers.begin(), numbers.end(), random);
    return numbers;
}

// All threads up to the next barrier or their end, again and again.
void run_block(int threads, uint64_t seed, std::mt19937_64 &random)
{
    for (int thread = 0; thread < threads; thread++)
        prepare(thread);
    for (phase = 0; !message[0]; phase++) {
        for (int thread : order(threads, seed, random))
            if (!message[0])
                resume(thread);
        int done = 0;
        for (int thread = 0; thread < threads; thread++)
            done += fibers[thread].state == DONE;
        if (done == threads)
            return;
        if (done)
            fail("%d of %d threads have exited, the others wait at __syncthreads", done, threads);
    }
}

// Whether an earlier access of another thread is not separated from this one by a barrier.
bool races(const Access &earlier, uint64_t now)
{
    if (earlier.launch != now || earlier.thread == current + block_number * int(MOST_THREADS))
        return false;
    return earlier.block != block_number || earlier.phase == phase;
}

void record(Access &access, uint64_t now, bool merge)
{
    int me = current + block_number * int(MOST_THREADS);
    bool other = merge && access.launch == now && access.phase == phase && access.thread != me;
    bool elsewhere = merge && access.launch == now && access.block != block_number;
    access = {now, elsewhere ? -1 : block_number, other || elsewhere ? -1 : me, phase};
}

void check(std::vector<Byte> &bytes, size_t offset, size_t size, bool write, uint64_t now, const char *where)
{
    for (size_t i = offset; i < offset + size; i++) {
        Byte &byte = bytes[i];
        const char *verb = write ? "writes" : "reads";
        if (races(byte.write, now))
            return fail("race: %s byte %zu of %s, which another thread wrote", verb, i, where);
        if (write && races(byte.read, now))
            return fail("race: writes byte %zu of %s, which another thread read", i, where);
        record(write ? byte.write : byte.read, now, !write);
    }
}

void access(void *pointer, size_t size, bool write)
{
    if (!emulated_thread || buffers.empty())
        return;
    char *p = static_cast<char *>(pointer);
    if (p >= stacks && p < stacks + MOST_THREADS * (STACK + GUARD))
        return;
    size_t offset = p - __start_emulated_shared;
    if (__start_emulated_shared && p >= __start_emulated_shared && offset < shared_size()) {
        uint64_t now = launch * (1 << 20) + block_number + 1;
        for (size_t i = offset; !write && i < offset + size; i++)
            if (shared_bytes[i].write.launch != now)
                return fail("reads byte %zu of shared memory, which nothing wrote", i);
        return check(shared_bytes, offset, size, write, now, "shared memory");
    }
    for (size_t b = 0; b < buffers.size(); b++) {
        Buffer &buffer = buffers[b];
        if (p < buffer.start || p + size > buffer.start + buffer.size)
            continue;
        char where[32];
        snprintf(where, sizeof where, "buffer %zu", b);
        return check(buffer.bytes, p - buffer.start, size, write, launch, where);
    }
    char *thread = reinterpret_cast<char *>(fibers.data());
    bool own = p >= thread && p < thread + fibers.size() * sizeof(Fiber);
    if (!own && (p < __ehdr_start || p >= _end))
        fail("%s %zu bytes outside of every buffer", write ? "writes" : "reads", size);
}

const size_t STACKS = MOST_THREADS * (STACK + GUARD);

void reserve_stacks(size_t threads)
{
    stacks = static_cast<char *>(
        mmap(nullptr, STACKS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    for (size_t thread = 0; thread < threads; thread++)
        mprotect(stacks + thread * (STACK + GUARD), GUARD, PROT_NONE);
}

// A process has only so many mappings, and the guards take two for each thread.
void release_stacks()
{
    munmap(stacks, STACKS);
    stacks = nullptr;
}

}  // namespace

extern "C" {

void emulated_barrier()
{
    fibers[current].state = WAITING;
    swapcontext(&fibers[current].context, &scheduler);
}

// The buffers that kernels may use; none switches the checks off.
void emulated_buffers(int count, char **starts, const size_t *sizes)
{
    buffers.clear();
    for (int i = 0; i < count; i++)
        buffers.push_back({starts[i], sizes[i], std::vector<Byte>(sizes[i])});
}

// Runs a launch; returns what went wrong, or an empty text.
const char *emulated_launch(void (*function)(void **), void **arguments, const unsigned *grid,
                            const unsigned *block, uint64_t seed)
{
    message[0] = 0;
    launch++;
    kernel = function;
    kernel_arguments = arguments;
    unsigned threads = block[0] * block[1] * block[2];
    if (threads == 0 || threads > MOST_THREADS) {
        fail("a block of %u threads", threads);
        return message;
    }
    reserve_stacks(threads);
    fibers.resize(threads);
    shared_bytes.resize(shared_size());
    std::mt19937_64 random(seed);
    for (int number : order(grid[0] * grid[1] * grid[2], seed, random)) {
        block_number = number;
        unsigned n = number;
        Index place = {n % grid[0], n / grid[0] % grid[1], n / grid[0] / grid[1]};
        for (unsigned t = 0; t < threads; t++)
            fibers[t].place = {{t % block[0], t / block[0] % block[1], t / block[0] / block[1]},
                               place, {block[0], block[1], block[2]}, {grid[0], grid[1], grid[2]}};
        if (shared_size())
            memset(__start_emulated_shared, 0xff, shared_size());
        run_block(threads, seed, random);
        if (message[0])
            break;
    }
    release_stacks();
    return message;
}

#define HOOK(size)                                                                               \
    void __tsan_read##size(void *p) { access(p, size, false); }                                  \
    void __tsan_write##size(void *p) { access(p, size, true); }                                  \
    void __tsan_unaligned_read##size(void *p) { access(p, size, false); }                        \
    void __tsan_unaligned_write##size(void *p) { access(p, size, true); }
HOOK(1) HOOK(2) HOOK(4) HOOK(8) HOOK(16)
void __tsan_read_range(void *p, size_t size) { access(p, size, false); }
void __tsan_write_range(void *p, size_t size) { access(p, size, true); }
void __tsan_init() {}
void __tsan_func_entry(void *) {}
void __tsan_func_exit() {}
}
