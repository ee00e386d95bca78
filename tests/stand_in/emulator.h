// CUDA on the CPU: what a kernel's source needs in place of a device's compiler. Each .cu is compiled with this
// file before it.
//
// The threads of a block run one after another; only where one meets a barrier do they become coroutines, which
// take turns at barriers. Copies into shared memory are late on purpose: what they bring is there when the wait
// that covers them returns, and poison until then.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

struct Dim3 {
    unsigned x;
    unsigned y;
    unsigned z;
};

struct alignas(16) float4 {
    float x;
    float y;
    float z;
    float w;
};

inline float4 make_float4(float x, float y, float z, float w) {
    return {x, y, z, w};
}

#define __global__
#define __device__
#define __forceinline__ inline
#define __restrict__
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
// Blocks run on several threads of the host, each with shared memory of its own.
#define __shared__ static thread_local

// Each is of the thread that runs.
extern thread_local Dim3 threadIdx;
extern thread_local Dim3 blockIdx;
extern thread_local Dim3 blockDim;
extern thread_local Dim3 gridDim;

void __syncthreads();

// Copies `count` floats (1 or 4) when they are waited for; zeros where `is_there` is false.
void emu_cp(float* to, const float* from, int count, bool is_there);
void emu_cp_commit();
void emu_cp_wait(int groups_left);

inline float __fmaf_rn(float a, float b, float c) {
    return fmaf(a, b, c);
}

inline float __fadd_rn(float a, float b) {
    return a + b;
}

inline float __fsub_rn(float a, float b) {
    return a - b;
}

inline float __fmul_rn(float a, float b) {
    return a * b;
}

inline float __fdiv_rn(float a, float b) {
    return a / b;
}

inline float __fsqrt_rn(float a) {
    return sqrtf(a);
}

inline unsigned __umulhi(unsigned a, unsigned b) {
    return (unsigned)(((uint64_t)a * b) >> 32);
}

template <class To, class From>
inline To emu_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}

inline int __float_as_int(float x) {
    return emu_bits<int>(x);
}

inline float __int_as_float(int x) {
    return emu_bits<float>(x);
}

inline unsigned __float_as_uint(float x) {
    return emu_bits<unsigned>(x);
}

inline float __uint_as_float(unsigned x) {
    return emu_bits<float>(x);
}

// A kernel that can be launched by its name.
struct Kernel {
    const char* name;
    // Runs one thread with these parameters.
    void (*run)(void** parameters);
    // Bytes of each parameter, and whether it is an address.
    std::vector<size_t> sizes;
    std::vector<bool> is_address;
};

// Kernels of a source file add themselves.
void emu_register(const Kernel& kernel);

// Runs all threads of a grid. `parameters` are those of the launch.
void emu_launch(const Kernel& kernel, Dim3 grid, Dim3 block, void** parameters);

template <auto FUNCTION>
struct Call;

template <class... A, void (*FUNCTION)(A...)>
struct Call<FUNCTION> {
    template <size_t... I>
    static void run_with(void** parameters, std::index_sequence<I...>) {
        FUNCTION(*(A*)parameters[I]...);
    }

    static void run(void** parameters) {
        run_with(parameters, std::index_sequence_for<A...>());
    }

    static Kernel kernel(const char* name) {
        return {name, run, {sizeof(A)...}, {std::is_pointer<A>::value...}};
    }
};

// Registers a kernel.
#define EMU_KERNEL(NAME) \
    static const int registered_##NAME = (emu_register(Call<NAME>::kernel(#NAME)), 0);
