// Lets g++ compile generated CUDA kernels, to run them on the CPU in tests.
//
// A kernel unit is this header, the generated text, and EMULATE(kernel) for each kernel.
// Compiled with -fsanitize=thread (and linked without its library) every memory access of the
// kernels is checked: bounds, races between threads, shared memory that was never written.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

using std::fma; using std::fabs; using std::sqrt;

struct Index { unsigned x, y, z; };
struct Thread { Index thread, block, block_size, grid_size; };

extern "C" {
extern Thread *emulated_thread;
void emulated_barrier();
}

#define threadIdx (emulated_thread->thread)
#define blockIdx (emulated_thread->block)
#define blockDim (emulated_thread->block_size)
#define gridDim (emulated_thread->grid_size)
#define __global__
#define __device__
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
// All shared variables lie in one section, which the runtime poisons before each block.
#define __shared__ static __attribute__((section("emulated_shared"), aligned(16)))

inline void __syncthreads() { emulated_barrier(); }
inline float __int_as_float(int bits) { float x; memcpy(&x, &bits, sizeof x); return x; }

template <class... Parameters, std::size_t... I>
__attribute__((no_sanitize("thread")))
void emulated_call(void (*kernel)(Parameters...), void **arguments, std::index_sequence<I...>)
{
    kernel(static_cast<Parameters>(arguments[I])...);
}

// Defines `emulated_<kernel>(arguments)`: one thread's run, on pointers.
#define EMULATE(kernel)                                                                          \
    extern "C" __attribute__((no_sanitize("thread"))) void emulated_##kernel(void **arguments)   \
    {                                                                                            \
        emulated_call(kernel, arguments, emulated_indices(kernel));                              \
    }

template <class... Parameters>
constexpr auto emulated_indices(void (*)(Parameters...))
{
    return std::index_sequence_for<Parameters...>{};
}
