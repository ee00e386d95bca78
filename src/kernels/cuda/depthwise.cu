// Depthwise convolution 3x3, NHWC, channels a multiple of 4: forward, gradient of the input, gradient of the
// weights by slices. Taps outside the image are skipped, never multiplied by zero.
#include "port.h"

__device__ __forceinline__ float4 fma4(float4 a, float4 b, float4 c) {
    return make_float4(
        __fmaf_rn(a.x, b.x, c.x),
        __fmaf_rn(a.y, b.y, c.y),
        __fmaf_rn(a.z, b.z, c.z),
        __fmaf_rn(a.w, b.w, c.w)
    );
}

__device__ __forceinline__ float4 add4(float4 a, float4 b) {
    return make_float4(__fadd_rn(a.x, b.x), __fadd_rn(a.y, b.y), __fadd_rn(a.z, b.z), __fadd_rn(a.w, b.w));
}

__device__ __forceinline__ float4 relu6_4(float4 v) {
    return make_float4(relu6(v.x), relu6(v.y), relu6(v.z), relu6(v.w));
}

__device__ __forceinline__ float4 where_active4(float4 v, float4 y) {
    return make_float4(
        where_active(v.x, y.x),
        where_active(v.y, y.y),
        where_active(v.z, y.z),
        where_active(v.w, y.w)
    );
}

// A thread has four channels of PIXELS neighbouring outputs, which share what they read of the input.
// Grid (strips of pixels times groups of channels, rows, images).
template <int STRIDE, int PIXELS>
__device__ __forceinline__ void forward(
    const float* __restrict__ x,
    const float* __restrict__ w,
    const float* __restrict__ bias,
    float* __restrict__ y,
    int height,
    int width,
    int out_height,
    int out_width,
    int channels,
    int pad,
    int has_relu6
) {
    constexpr int WINDOW = (PIXELS - 1) * STRIDE + 3;
    const int groups = channels / 4;
    const int strips = (out_width + PIXELS - 1) / PIXELS;
    const int number = blockIdx.x * blockDim.x + threadIdx.x;
    if (number >= strips * groups) {
        return;
    }
    const int strip = number / groups;
    const int channel = (number - strip * groups) * 4;
    const int out_x = strip * PIXELS;
    const int out_y = blockIdx.y;
    const int image = blockIdx.z;
    const int first_x = out_x * STRIDE - pad;

    float4 sum[PIXELS];
    UNROLL
    for (int p = 0; p < PIXELS; ++p) {
        sum[p] = *(const float4*)(bias + channel);
    }
    UNROLL
    for (int ky = 0; ky < 3; ++ky) {
        const int in_y = out_y * STRIDE + ky - pad;
        if (in_y < 0 || in_y >= height) {
            continue;
        }
        const float* row = x + ((long long)(image * height + in_y) * width + first_x) * channels + channel;
        float4 window[WINDOW];
        UNROLL
        for (int t = 0; t < WINDOW; ++t) {
            if (first_x + t >= 0 && first_x + t < width) {
                window[t] = *(const float4*)(row + t * channels);
            }
        }
        float4 taps[3];
        UNROLL
        for (int kx = 0; kx < 3; ++kx) {
            taps[kx] = *(const float4*)(w + (ky * 3 + kx) * channels + channel);
        }
        UNROLL
        for (int kx = 0; kx < 3; ++kx) {
            UNROLL
            for (int p = 0; p < PIXELS; ++p) {
                const int in_x = first_x + p * STRIDE + kx;
                if (in_x >= 0 && in_x < width) {
                    sum[p] = fma4(window[p * STRIDE + kx], taps[kx], sum[p]);
                }
            }
        }
    }
    float* to = y + ((size_t)(image * out_height + out_y) * out_width + out_x) * channels + channel;
    UNROLL
    for (int p = 0; p < PIXELS; ++p) {
        if (out_x + p < out_width) {
            *(float4*)(to + p * channels) = has_relu6 ? relu6_4(sum[p]) : sum[p];
        }
    }
}

#define FORWARD(NAME, STRIDE, PIXELS) \
    extern "C" __global__ void __launch_bounds__(256) NAME( \
        const float* __restrict__ x, \
        const float* __restrict__ w, \
        const float* __restrict__ bias, \
        float* __restrict__ y, \
        int height, \
        int width, \
        int out_height, \
        int out_width, \
        int channels, \
        int pad, \
        int has_relu6 \
    ) { \
        forward<STRIDE, PIXELS>( \
            x, w, bias, y, height, width, out_height, out_width, channels, pad, has_relu6 \
        ); \
    }

FORWARD(depthwise_s1, 1, 4)
FORWARD(depthwise_s2, 2, 2)

constexpr int INPUT_PIXELS = 4;

// A thread has four channels of four neighbouring inputs. The first of these is even, so that which tap meets
// which input at stride 2 is known when this is compiled.
template <int STRIDE, int PAD>
__device__ __forceinline__ void input_gradient(
    const float* __restrict__ dz,
    const float* __restrict__ w,
    const float* __restrict__ addend,
    const float* __restrict__ mask,
    float* __restrict__ dx,
    int height,
    int width,
    int out_height,
    int out_width,
    int channels
) {
    // Outputs that the four inputs meet, from the one of the first input on.
    constexpr int LOWEST = STRIDE == 1 ? PAD - 2 : (PAD - 3) / 2;
    constexpr int HIGHEST = (INPUT_PIXELS - 1 + PAD) / STRIDE;
    constexpr int WINDOW = HIGHEST - LOWEST + 1;
    const int groups = channels / 4;
    const int strips = (width + INPUT_PIXELS - 1) / INPUT_PIXELS;
    const int number = blockIdx.x * blockDim.x + threadIdx.x;
    if (number >= strips * groups) {
        return;
    }
    const int strip = number / groups;
    const int channel = (number - strip * groups) * 4;
    const int in_x = strip * INPUT_PIXELS;
    const int in_y = blockIdx.y;
    const int image = blockIdx.z;
    const int first_x = in_x / STRIDE + LOWEST;

    float4 sum[INPUT_PIXELS];
    UNROLL
    for (int p = 0; p < INPUT_PIXELS; ++p) {
        sum[p] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    }
    UNROLL
    for (int ky = 0; ky < 3; ++ky) {
        const int reach = in_y + PAD - ky;
        if (reach < 0 || reach % STRIDE != 0 || reach / STRIDE >= out_height) {
            continue;
        }
        const int out_y = reach / STRIDE;
        const float* row = dz + ((long long)(image * out_height + out_y) * out_width + first_x) * channels + channel;
        float4 window[WINDOW];
        UNROLL
        for (int t = 0; t < WINDOW; ++t) {
            if (first_x + t >= 0 && first_x + t < out_width) {
                window[t] = *(const float4*)(row + t * channels);
            }
        }
        float4 taps[3];
        UNROLL
        for (int kx = 0; kx < 3; ++kx) {
            taps[kx] = *(const float4*)(w + (ky * 3 + kx) * channels + channel);
        }
        UNROLL
        for (int kx = 0; kx < 3; ++kx) {
            UNROLL
            for (int p = 0; p < INPUT_PIXELS; ++p) {
                const int distance = p + PAD - kx;
                if (STRIDE == 2 && distance % 2 != 0) {
                    continue;
                }
                const int t = distance / STRIDE - LOWEST;
                if (first_x + t >= 0 && first_x + t < out_width) {
                    sum[p] = fma4(window[t], taps[kx], sum[p]);
                }
            }
        }
    }
    const size_t at = ((size_t)(image * height + in_y) * width + in_x) * channels + channel;
    UNROLL
    for (int p = 0; p < INPUT_PIXELS; ++p) {
        if (in_x + p >= width) {
            continue;
        }
        const size_t place = at + p * channels;
        float4 result = sum[p];
        if (addend) {
            result = add4(result, *(const float4*)(addend + place));
        }
        if (mask) {
            result = where_active4(result, *(const float4*)(mask + place));
        }
        *(float4*)(dx + place) = result;
    }
}

#define INPUT_GRADIENT(NAME, STRIDE, PAD) \
    extern "C" __global__ void __launch_bounds__(256) NAME( \
        const float* __restrict__ dz, \
        const float* __restrict__ w, \
        const float* __restrict__ addend, \
        const float* __restrict__ mask, \
        float* __restrict__ dx, \
        int height, \
        int width, \
        int out_height, \
        int out_width, \
        int channels \
    ) { \
        input_gradient<STRIDE, PAD>( \
            dz, w, addend, mask, dx, height, width, out_height, out_width, channels \
        ); \
    }

INPUT_GRADIENT(depthwise_input_s1, 1, 1)
INPUT_GRADIENT(depthwise_input_s2, 2, 0)
INPUT_GRADIENT(depthwise_input_s2_odd, 2, 1)

// sums[slice][9][c]. A thread has one channel and the three taps of a row of the kernel; the window slides along
// x in registers. Grid (channels, 3, slices).
template <int STRIDE>
__device__ __forceinline__ void slices(
    const float* __restrict__ x,
    const float* __restrict__ dz,
    float* __restrict__ sums,
    int images,
    int height,
    int width,
    int out_height,
    int out_width,
    int channels,
    int pad,
    int slice_images
) {
    const int channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= channels) {
        return;
    }
    const int ky = blockIdx.y;
    const int slice = blockIdx.z;
    const int first_image = slice * slice_images;
    const int end_image = first_image + slice_images < images ? first_image + slice_images : images;
    float sum0 = 0.0f;
    float sum1 = 0.0f;
    float sum2 = 0.0f;
    for (int image = first_image; image < end_image; ++image) {
        for (int out_y = 0; out_y < out_height; ++out_y) {
            const int in_y = out_y * STRIDE + ky - pad;
            if (in_y < 0 || in_y >= height) {
                continue;
            }
            const float* row = x + (size_t)(image * height + in_y) * width * channels + channel;
            const float* from = dz + (size_t)(image * out_height + out_y) * out_width * channels + channel;
            // What is outside is not used: each sum asks where it is.
            auto input = [&](int in_x) {
                return in_x >= 0 && in_x < width ? row[(size_t)in_x * channels] : 0.0f;
            };
            float x0 = input(-pad);
            float x1 = input(1 - pad);
            for (int out_x = 0; out_x < out_width; ++out_x) {
                const int in_x = out_x * STRIDE - pad;
                const float z = from[(size_t)out_x * channels];
                const float x2 = input(in_x + 2);
                if (in_x >= 0) {
                    sum0 = __fmaf_rn(x0, z, sum0);
                }
                if (in_x + 1 < width) {
                    sum1 = __fmaf_rn(x1, z, sum1);
                }
                if (in_x + 2 < width) {
                    sum2 = __fmaf_rn(x2, z, sum2);
                }
                if (STRIDE == 1) {
                    x0 = x1;
                    x1 = x2;
                } else {
                    x0 = x2;
                    x1 = input(in_x + 3);
                }
            }
        }
    }
    float* to = sums + ((size_t)slice * 9 + ky * 3) * channels + channel;
    to[0] = sum0;
    to[channels] = sum1;
    to[2 * channels] = sum2;
}

#define SLICES(NAME, STRIDE) \
    extern "C" __global__ void __launch_bounds__(256) NAME( \
        const float* __restrict__ x, \
        const float* __restrict__ dz, \
        float* __restrict__ sums, \
        int images, \
        int height, \
        int width, \
        int out_height, \
        int out_width, \
        int channels, \
        int pad, \
        int slice_images \
    ) { \
        slices<STRIDE>( \
            x, dz, sums, images, height, width, out_height, out_width, channels, pad, slice_images \
        ); \
    }

SLICES(depthwise_slices_s1, 1)
SLICES(depthwise_slices_s2, 2)
