// The convolution 3x3 with stride 2 on pictures of three colours, with ReLU6, and its weight gradient by slices.
// Taps outside the picture are skipped.
#include "port.h"

constexpr int COLOURS = 3;
constexpr int STRIDE = 2;
constexpr int GROUP = 8;

// A thread has eight channels of an output pixel; n is a multiple of 8.
// Grid (pixels of a row times groups of channels, rows, images).
extern "C" __global__ void __launch_bounds__(256) first_convolution(
    const float* __restrict__ x,
    const float* __restrict__ w,
    const float* __restrict__ bias,
    float* __restrict__ y,
    int height,
    int width,
    int out_height,
    int out_width,
    int n,
    int pad
) {
    const int groups = n / GROUP;
    const int number = blockIdx.x * blockDim.x + threadIdx.x;
    if (number >= out_width * groups) {
        return;
    }
    const int out_x = number / groups;
    const int channel = (number - out_x * groups) * GROUP;
    const int out_y = blockIdx.y;
    const int image = blockIdx.z;
    float sum[GROUP];
    UNROLL
    for (int j = 0; j < GROUP; j += 4) {
        *(float4*)(sum + j) = *(const float4*)(bias + channel + j);
    }
    UNROLL
    for (int ky = 0; ky < 3; ++ky) {
        const int in_y = out_y * STRIDE + ky - pad;
        if (in_y < 0 || in_y >= height) {
            continue;
        }
        UNROLL
        for (int kx = 0; kx < 3; ++kx) {
            const int in_x = out_x * STRIDE + kx - pad;
            if (in_x < 0 || in_x >= width) {
                continue;
            }
            const float* pixel = x + ((size_t)(image * height + in_y) * width + in_x) * COLOURS;
            UNROLL
            for (int colour = 0; colour < COLOURS; ++colour) {
                const float value = pixel[colour];
                const float* taps = w + ((ky * 3 + kx) * COLOURS + colour) * n + channel;
                float tap[GROUP];
                UNROLL
                for (int j = 0; j < GROUP; j += 4) {
                    *(float4*)(tap + j) = *(const float4*)(taps + j);
                }
                UNROLL
                for (int j = 0; j < GROUP; ++j) {
                    sum[j] = __fmaf_rn(value, tap[j], sum[j]);
                }
            }
        }
    }
    UNROLL
    for (int j = 0; j < GROUP; ++j) {
        sum[j] = relu6(sum[j]);
    }
    float* to = y + ((size_t)(image * out_height + out_y) * out_width + out_x) * n + channel;
    UNROLL
    for (int j = 0; j < GROUP; j += 4) {
        *(float4*)(to + j) = *(const float4*)(sum + j);
    }
}

// sums[slice][27][n]: grid (channels, 27, slices).
extern "C" __global__ void __launch_bounds__(256) first_convolution_slices(
    const float* __restrict__ x,
    const float* __restrict__ dz,
    float* __restrict__ sums,
    int images,
    int height,
    int width,
    int out_height,
    int out_width,
    int n,
    int pad,
    int slice_images
) {
    const int channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= n) {
        return;
    }
    const int tap = blockIdx.y;
    const int colour = tap % COLOURS;
    const int kx = tap / COLOURS % 3;
    const int ky = tap / COLOURS / 3;
    const int slice = blockIdx.z;
    const int first_image = slice * slice_images;
    const int end_image = first_image + slice_images < images ? first_image + slice_images : images;
    float sum = 0.0f;
    for (int image = first_image; image < end_image; ++image) {
        for (int out_y = 0; out_y < out_height; ++out_y) {
            const int in_y = out_y * STRIDE + ky - pad;
            if (in_y < 0 || in_y >= height) {
                continue;
            }
            const float* row = x + (size_t)(image * height + in_y) * width * COLOURS + colour;
            const float* from = dz + (size_t)(image * out_height + out_y) * out_width * n + channel;
            for (int out_x = 0; out_x < out_width; ++out_x) {
                const int in_x = out_x * STRIDE + kx - pad;
                if (in_x >= 0 && in_x < width) {
                    sum = __fmaf_rn(row[(size_t)in_x * COLOURS], from[(size_t)out_x * n], sum);
                }
            }
        }
    }
    sums[((size_t)slice * 27 + tap) * n + channel] = sum;
}
