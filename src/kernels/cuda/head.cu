// Global average pool, dropout, losses.
#include "port.h"

// Means over the pixels of an image. Grid (channels, images).
extern "C" __global__ void __launch_bounds__(256) pool(
    const float* __restrict__ x,
    float* __restrict__ y,
    int pixels,
    int channels
) {
    const int channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= channels) {
        return;
    }
    const int image = blockIdx.y;
    const float* from = x + (size_t)image * pixels * channels + channel;
    float sum = 0.0f;
    UNROLL_8
    for (int pixel = 0; pixel < pixels; ++pixel) {
        sum = __fadd_rn(sum, *from);
        from += channels;
    }
    y[(size_t)image * channels + channel] = __fdiv_rn(sum, (float)pixels);
}

// g / pixels to each pixel, kept where 0 < mask < 6. Grid (channels, pixels, images).
extern "C" __global__ void __launch_bounds__(256) pool_gradient(
    const float* __restrict__ g,
    const float* __restrict__ mask,
    float* __restrict__ dx,
    int pixels,
    int channels
) {
    const int channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= channels) {
        return;
    }
    const int pixel = blockIdx.y;
    const int image = blockIdx.z;
    const float share = __fdiv_rn(g[(size_t)image * channels + channel], (float)pixels);
    const size_t at = ((size_t)image * pixels + pixel) * channels + channel;
    dx[at] = mask ? where_active(share, mask[at]) : share;
}

constexpr int ROUNDS = 10;

// Philox4x32-10 (Salmon et al. 2011): four words of a counter and a key.
__device__ __forceinline__ void philox(unsigned (&counter)[4], unsigned key_low, unsigned key_high) {
    UNROLL
    for (int round = 0; round < ROUNDS; ++round) {
        const unsigned low_a = 0xD2511F53u * counter[0];
        const unsigned high_a = __umulhi(0xD2511F53u, counter[0]);
        const unsigned low_b = 0xCD9E8D57u * counter[2];
        const unsigned high_b = __umulhi(0xCD9E8D57u, counter[2]);
        counter[0] = high_b ^ counter[1] ^ key_low;
        counter[1] = low_b;
        counter[2] = high_a ^ counter[3] ^ key_high;
        counter[3] = low_a;
        key_low += 0x9E3779B9u;
        key_high += 0xBB67AE85u;
    }
}

// Inverted dropout of rows of `inputs` values. A thread has the four values of a block of the generator; x and y
// may be the same. Grid (blocks of four, images).
extern "C" __global__ void __launch_bounds__(256) dropout(
    const float* x,
    float* y,
    const unsigned* __restrict__ indices,
    const unsigned* __restrict__ when,
    int inputs,
    unsigned threshold,
    float scale,
    unsigned key_low,
    unsigned key_high,
    unsigned what
) {
    const int block = blockIdx.x * blockDim.x + threadIdx.x;
    if (block * 4 >= inputs) {
        return;
    }
    const int image = blockIdx.y;
    unsigned words[4] = {(unsigned)block, indices[image], *when, what};
    philox(words, key_low, key_high);
    const size_t at = (size_t)image * inputs + block * 4;
    UNROLL
    for (int e = 0; e < 4; ++e) {
        if (block * 4 + e < inputs) {
            const bool is_kept = (words[e] >> 8) >= threshold;
            y[at + e] = is_kept ? __fmul_rn(x[at + e], scale) : 0.0f;
        }
    }
}

// 2^e, for normal results.
__device__ __forceinline__ float power_of_two(int e) {
    return __int_as_float((e + 127) << 23);
}

// e^x for x <= 0 (docs/arithmetic.md).
__device__ __forceinline__ float exp_neg(float x) {
    constexpr float ROUNDER = 12582912.0f;
    x = x > -104.0f ? x : -104.0f;
    const float t = __fmaf_rn(x, __uint_as_float(0x3FB8AA3Bu), ROUNDER);
    const float n = __fsub_rn(t, ROUNDER);
    float r = __fmaf_rn(n, -__uint_as_float(0x3F317218u), x);
    r = __fmaf_rn(n, -__uint_as_float(0xB102E308u), r);
    float p = __uint_as_float(0x3AB568B0u);
    p = __fmaf_rn(p, r, __uint_as_float(0x3C091F98u));
    p = __fmaf_rn(p, r, __uint_as_float(0x3D2AAC27u));
    p = __fmaf_rn(p, r, __uint_as_float(0x3E2AAA45u));
    p = __fmaf_rn(p, r, __uint_as_float(0x3EFFFFFEu));
    const float y = __fadd_rn(__fmaf_rn(__fmul_rn(r, r), p, r), 1.0f);
    const int k = __float_as_int(t) - 0x4B400000;
    // Two factors, so that subnormal results are rounded once.
    const int a = k >> 1;
    const int b = k - a;
    return __fmul_rn(__fmul_rn(y, power_of_two(a)), power_of_two(b));
}

// ln(1 + t) for 0 <= t < 2^100.
__device__ __forceinline__ float log1p_of(float t) {
    const float u = __fadd_rn(t, 1.0f);
    const int k = (__float_as_int(u) - 0x3F3504F3) >> 23;
    const float h = power_of_two(-k);
    const float f = __fmaf_rn(t, h, __fsub_rn(h, 1.0f));
    float p = __uint_as_float(0x3D9021BBu);
    p = __fmaf_rn(p, f, __uint_as_float(0xBDEBD1B8u));
    p = __fmaf_rn(p, f, __uint_as_float(0x3DEF251Au));
    p = __fmaf_rn(p, f, __uint_as_float(0xBDFE5D4Fu));
    p = __fmaf_rn(p, f, __uint_as_float(0x3E11E9BFu));
    p = __fmaf_rn(p, f, __uint_as_float(0xBE2AAE50u));
    p = __fmaf_rn(p, f, __uint_as_float(0x3E4CCEACu));
    p = __fmaf_rn(p, f, __uint_as_float(0xBE7FFFFCu));
    p = __fmaf_rn(p, f, __uint_as_float(0x3EAAAAAAu));
    const float q = __fmaf_rn(p, f, -0.5f);
    const float y = __fmaf_rn(__fmul_rn(f, f), q, __fmul_rn((float)k, __uint_as_float(0xB102E308u)));
    return __fmaf_rn((float)k, __uint_as_float(0x3F317218u), __fadd_rn(f, y));
}

// Binary cross-entropy on logits and its gradient for the mean over n images; a thread an image.
extern "C" __global__ void __launch_bounds__(256) binary_loss(
    const float* __restrict__ logits,
    const unsigned* __restrict__ labels,
    float* __restrict__ losses,
    float* __restrict__ dlogits,
    int images,
    int n
) {
    const int image = blockIdx.x * blockDim.x + threadIdx.x;
    if (image >= images) {
        return;
    }
    const float x = logits[image];
    const bool is_one = labels[image] == 1;
    const float z = is_one ? 1.0f : 0.0f;
    // The sign bit is set: |x| with another sign.
    const float t = exp_neg(__uint_as_float(__float_as_uint(x) | 0x80000000u));
    const float positive = x > 0.0f ? x : 0.0f;
    losses[image] = __fadd_rn(__fsub_rn(positive, __fmul_rn(x, z)), log1p_of(t));
    const float whole = __fadd_rn(1.0f, t);
    const float u = __fdiv_rn(1.0f, whole);
    const float v = __fdiv_rn(t, whole);
    const float p = x >= 0.0f ? u : v;
    const float q = x >= 0.0f ? v : u;
    // -q and not p - 1, which cancels.
    dlogits[image] = __fdiv_rn(is_one ? -q : p, (float)n);
}

// Softmax cross-entropy on k logits an image.
extern "C" __global__ void __launch_bounds__(256) softmax_loss(
    const float* __restrict__ logits,
    const unsigned* __restrict__ labels,
    float* __restrict__ losses,
    float* __restrict__ dlogits,
    int images,
    int k,
    int n
) {
    const int image = blockIdx.x * blockDim.x + threadIdx.x;
    if (image >= images) {
        return;
    }
    const float* x = logits + (size_t)image * k;
    float* d = dlogits + (size_t)image * k;
    const int label = (int)labels[image];
    int largest = 0;
    for (int j = 1; j < k; ++j) {
        if (x[j] > x[largest]) {
            largest = j;
        }
    }
    float rest = 0.0f;
    for (int j = 0; j < k; ++j) {
        const float e = exp_neg(__fsub_rn(x[j], x[largest]));
        d[j] = e;
        if (j != largest) {
            rest = __fadd_rn(rest, e);
        }
    }
    losses[image] = __fsub_rn(log1p_of(rest), __fsub_rn(x[label], x[largest]));
    const float whole = __fadd_rn(1.0f, rest);
    for (int j = 0; j < k; ++j) {
        float gradient;
        if (j != label) {
            gradient = __fdiv_rn(d[j], whole);
        } else if (label == largest) {
            gradient = -__fdiv_rn(rest, whole);
        } else {
            gradient = __fsub_rn(__fdiv_rn(d[j], whole), 1.0f);
        }
        d[j] = __fdiv_rn(gradient, (float)n);
    }
}
