// Pictures: flip, rotation and preprocessing in one pass, and rows in another order. No multiplication is fused
// with an addition here (docs/imaging.md).
#include "port.h"

constexpr int COLOURS = 3;

// What is done to a picture in a pass.
struct Change {
    float matrix[6];
    int is_mirrored;
    int reserved;
};

// Where an output looks along an axis.
struct Sample {
    // The nearer pixel, and the next one where it counts.
    int near;
    int far;
    float near_weight;
    float far_weight;
};

// Folds a coordinate back into 0 ... len - 1: half-sample symmetric reflection.
__device__ __forceinline__ float reflected(float v, float len) {
    const float period = __fmul_rn(2.0f, len);
    const float last = __fsub_rn(len, 1.0f);
    const float within = __fsub_rn(v, __fmul_rn(period, truncf(__fdiv_rn(v, period))));
    float folded = v;
    if (v < 0.0f) {
        folded = within < -len ? __fadd_rn(within, period) : __fsub_rn(-within, 1.0f);
    } else if (v > last) {
        folded = within >= len ? __fsub_rn(__fsub_rn(period, within), 1.0f) : within;
    }
    folded = folded < 0.0f ? 0.0f : folded;
    return folded > last ? last : folded;
}

__device__ __forceinline__ Sample sample(float v, int len) {
    v = reflected(v, (float)len);
    const float near = floorf(v);
    const float next = __fadd_rn(near, 1.0f);
    Sample sample;
    sample.near = (int)near;
    // Beyond the end it has no weight.
    sample.far = sample.near + 1 < len ? sample.near + 1 : sample.near;
    sample.near_weight = __fsub_rn(next, v);
    sample.far_weight = __fsub_rn(v, near);
    return sample;
}

// a * x + b * y, in separate roundings.
__device__ __forceinline__ float mixed(float a, float x, float b, float y) {
    return __fadd_rn(__fmul_rn(a, x), __fmul_rn(b, y));
}

// A thread has a pixel. Image i is picture places[i]; grid (pixels of a row, rows, images).
extern "C" __global__ void __launch_bounds__(256) change(
    const float* __restrict__ from,
    const unsigned* __restrict__ places,
    const Change* __restrict__ changes,
    float* __restrict__ to,
    int height,
    int width,
    int rotates,
    int is_scaled
) {
    const int x = blockIdx.x * blockDim.x + threadIdx.x;
    if (x >= width) {
        return;
    }
    const int y = blockIdx.y;
    const int image = blockIdx.z;
    const size_t picture_len = (size_t)height * width * COLOURS;
    const float* picture = from + (places ? places[image] : (unsigned)image) * picture_len;
    const bool is_mirrored = changes && changes[image].is_mirrored;
    auto pixel = [&](int row, int column) {
        const int there = is_mirrored ? width - 1 - column : column;
        return picture + ((size_t)row * width + there) * COLOURS;
    };
    float colours[COLOURS];
    if (rotates) {
        const float* m = changes[image].matrix;
        const float fx = (float)x;
        const float fy = (float)y;
        const Sample across = sample(__fadd_rn(mixed(m[0], fx, m[1], fy), m[2]), width);
        const Sample down = sample(__fadd_rn(mixed(m[3], fx, m[4], fy), m[5]), height);
        const float* top_near = pixel(down.near, across.near);
        const float* top_far = pixel(down.near, across.far);
        const float* bottom_near = pixel(down.far, across.near);
        const float* bottom_far = pixel(down.far, across.far);
        UNROLL
        for (int c = 0; c < COLOURS; ++c) {
            const float top = mixed(across.near_weight, top_near[c], across.far_weight, top_far[c]);
            const float bottom =
                mixed(across.near_weight, bottom_near[c], across.far_weight, bottom_far[c]);
            colours[c] = mixed(down.near_weight, top, down.far_weight, bottom);
        }
    } else {
        const float* there = pixel(y, x);
        UNROLL
        for (int c = 0; c < COLOURS; ++c) {
            colours[c] = there[c];
        }
    }
    float* out = to + image * picture_len + ((size_t)y * width + x) * COLOURS;
    UNROLL
    for (int c = 0; c < COLOURS; ++c) {
        out[c] = is_scaled ? __fsub_rn(__fdiv_rn(colours[c], 127.5f), 1.0f) : colours[c];
    }
}

// Row i of `to` is row places[i] of `from`. Grid (values, rows).
extern "C" __global__ void __launch_bounds__(256) gather(
    const float* __restrict__ from,
    const unsigned* __restrict__ places,
    float* __restrict__ to,
    int len
) {
    const int at = blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= len) {
        return;
    }
    const size_t row = places[blockIdx.y];
    to[(size_t)blockIdx.y * len + at] = from[row * len + at];
}
