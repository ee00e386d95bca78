// What the kernels need of a device, or of the emulator of the tests, which is included before this file.
#pragma once

#ifdef __CUDACC__

#define UNROLL _Pragma("unroll")
#define NO_UNROLL _Pragma("unroll 1")
#define UNROLL_8 _Pragma("unroll 8")
// Older devices get fewer tiles, and loops over the steps of a stage: all of it would be more PTX than it is worth.
#if __CUDA_ARCH__ >= 800
#define ALL_TILES
#define UNROLL_STEPS UNROLL
#else
#define UNROLL_STEPS NO_UNROLL
#endif

#if __CUDA_ARCH__ >= 800

// Copies V floats into shared memory while the thread goes on; zeros where `is_there` is false.
template <int V>
__device__ __forceinline__ void copy_later(float* shared, const float* global, bool is_there) {
    const unsigned to = (unsigned)__cvta_generic_to_shared(shared);
    const int bytes = is_there ? 4 * V : 0;
    if (V == 4) {
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(bytes) : "memory");
    } else {
        asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(global), "r"(bytes) : "memory");
    }
}

// Ends a group of copies.
__device__ __forceinline__ void end_copies() {
    asm volatile("cp.async.commit_group;" ::: "memory");
}

// Waits until all but the last N groups of this thread are there.
template <int N>
__device__ __forceinline__ void wait_for_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

#else

// Devices before 8.0 copy at once.
template <int V>
__device__ __forceinline__ void copy_later(float* shared, const float* global, bool is_there) {
    if (V == 4) {
        const float4 zeros = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
        *(float4*)shared = is_there ? *(const float4*)global : zeros;
    } else {
        *shared = is_there ? *global : 0.0f;
    }
}

__device__ __forceinline__ void end_copies() {}

template <int N>
__device__ __forceinline__ void wait_for_copies() {}

#endif

#else

#define UNROLL
#define NO_UNROLL
#define UNROLL_8
#define UNROLL_STEPS
#define ALL_TILES

template <int V>
inline void copy_later(float* shared, const float* global, bool is_there) {
    emu_cp(shared, global, V, is_there);
}

inline void end_copies() {
    emu_cp_commit();
}

template <int N>
inline void wait_for_copies() {
    emu_cp_wait(N);
}

#endif

// min6(max0(x)): +0 for -0 and for NaN.
__device__ __forceinline__ float relu6(float x) {
    const float positive = x > 0.0f ? x : 0.0f;
    return positive < 6.0f ? positive : 6.0f;
}

// `value` where 0 < y < 6, else +0: a select, never a product.
__device__ __forceinline__ float where_active(float value, float y) {
    return y > 0.0f && y < 6.0f ? value : 0.0f;
}
