// The optimizer's step and folding of the batch norm, for all trained layers in one launch each.
#include "port.h"

// A layer, as update.rs writes it. A dense layer has no gamma, mean, inverse, scale, bias and folded kernel; its
// bias is `beta`.
struct Layer {
    float* kernel;
    float* gamma;
    float* beta;
    const float* mean;
    const float* inverse;
    float* scale;
    float* old_scale;
    float* bias;
    float* folded;
    float* transposed;
    const float* weight_sums;
    const float* bias_sums;
    float* weight_gradient;
    float* bias_gradient;
    float* piece_sums;
    float* states;
    int k;
    int n;
    int piece;
    int slice_images;
    int trained;
    int first_sums_block;
    int first_channels_block;
    int first_weights_block;
    int reserved;
};

enum Trained { KERNEL = 1, GAMMA = 2, BETA = 4 };

// The optimizer's rule and its constants.
struct Rule {
    int kind;
    float a;
    float b;
    float c;
    float d;
    float e;
};

enum Kind { NONE, ADAM, RMSPROP, RMSPROP_MOMENTUM, SGD, SGD_MOMENTUM, NESTEROV };

// The value after a step along gradient g; the moments are changed in place.
__device__ __forceinline__ float stepped(
    const Rule& rule,
    float rate,
    float w,
    float g,
    float* __restrict__ first,
    float* __restrict__ second
) {
    switch (rule.kind) {
        case ADAM: {
            const float m = __fmaf_rn(__fsub_rn(g, *first), rule.a, *first);
            const float v = __fmaf_rn(__fsub_rn(__fmul_rn(g, g), *second), rule.b, *second);
            *first = m;
            *second = v;
            return __fsub_rn(w, __fdiv_rn(__fmul_rn(m, rate), __fadd_rn(__fsqrt_rn(v), rule.c)));
        }
        case RMSPROP:
        case RMSPROP_MOMENTUM: {
            const float v = __fmaf_rn(rule.c, __fmul_rn(g, g), __fmul_rn(rule.b, *second));
            *second = v;
            float step = __fdiv_rn(__fmul_rn(rule.a, g), __fsqrt_rn(__fadd_rn(v, rule.d)));
            if (rule.kind == RMSPROP_MOMENTUM) {
                step = __fmaf_rn(rule.e, *first, step);
                *first = step;
            }
            return __fsub_rn(w, step);
        }
        case SGD:
            return __fsub_rn(w, __fmul_rn(g, rule.a));
        case SGD_MOMENTUM:
        case NESTEROV: {
            const float step = __fmul_rn(g, rule.a);
            const float velocity = __fsub_rn(__fmul_rn(rule.b, *first), step);
            *first = velocity;
            if (rule.kind == SGD_MOMENTUM) {
                return __fadd_rn(w, velocity);
            }
            return __fadd_rn(w, __fsub_rn(__fmul_rn(rule.b, velocity), step));
        }
        default:
            return w;
    }
}

// Elements of a layer that are trained: half of its states.
__device__ __forceinline__ int trained_elements(const Layer& layer) {
    const int kernel = layer.trained & KERNEL ? layer.k * layer.n : 0;
    const int gamma = layer.trained & GAMMA ? layer.n : 0;
    const int beta = layer.trained & BETA ? layer.n : 0;
    return kernel + gamma + beta;
}

// The layer whose blocks this one is among, by a member that says where they begin.
__device__ __forceinline__ const Layer& layer_of_block(
    const Layer* __restrict__ layers,
    int count,
    int Layer::*first_block
) {
    int number = 0;
    while (number + 1 < count && (int)blockIdx.x >= layers[number + 1].*first_block) {
        ++number;
    }
    return layers[number];
}

constexpr int CHANNELS = 128;

// Adds the slices of the weight gradient of a piece of the kernel's rows, and of the bias gradient; and the
// piece's chain for gamma's gradient.
extern "C" __global__ void __launch_bounds__(CHANNELS) sum_slices(
    const Layer* __restrict__ layers,
    int count,
    int images
) {
    const Layer& layer = layer_of_block(layers, count, &Layer::first_sums_block);
    const int block = (int)blockIdx.x - layer.first_sums_block;
    const int n = layer.n;
    const int channel_blocks = (n + CHANNELS - 1) / CHANNELS;
    const int piece = block / channel_blocks;
    const int channel = block % channel_blocks * CHANNELS + (int)threadIdx.x;
    if (channel >= n) {
        return;
    }
    const int slices = (images + layer.slice_images - 1) / layer.slice_images;
    if (layer.trained & (KERNEL | GAMMA)) {
        const int first = piece * layer.piece;
        const int end = first + layer.piece < layer.k ? first + layer.piece : layer.k;
        const size_t slice_len = (size_t)layer.k * n;
        float chain = 0.0f;
        for (int row = first; row < end; ++row) {
            const size_t at = (size_t)row * n + channel;
            float total = layer.weight_sums[at];
            for (int slice = 1; slice < slices; ++slice) {
                total = __fadd_rn(total, layer.weight_sums[slice * slice_len + at]);
            }
            layer.weight_gradient[at] = total;
            if (layer.trained & GAMMA) {
                chain = __fmaf_rn(total, layer.kernel[at], chain);
            }
        }
        if (layer.trained & GAMMA) {
            layer.piece_sums[(size_t)piece * n + channel] = chain;
        }
    }
    if (piece == 0 && layer.trained & (GAMMA | BETA)) {
        float total = layer.bias_sums[channel];
        for (int slice = 1; slice < slices; ++slice) {
            total = __fadd_rn(total, layer.bias_sums[(size_t)slice * n + channel]);
        }
        layer.bias_gradient[channel] = total;
    }
}

// Gamma and beta, and what is folded of them. The kernel's gradient needs the scale as it was: it is kept.
extern "C" __global__ void __launch_bounds__(CHANNELS) update_channels(
    const Layer* __restrict__ layers,
    int count,
    const float* __restrict__ rates,
    int step,
    Rule rule
) {
    const Layer& layer = layer_of_block(layers, count, &Layer::first_channels_block);
    const int channel = ((int)blockIdx.x - layer.first_channels_block) * CHANNELS + (int)threadIdx.x;
    if (channel >= layer.n) {
        return;
    }
    const float rate = rates[step];
    const int elements = trained_elements(layer);
    float* first = layer.states + (layer.trained & KERNEL ? (size_t)layer.k * layer.n : 0) + channel;
    if (rule.kind != NONE && layer.trained & GAMMA) {
        const int pieces = (layer.k + layer.piece - 1) / layer.piece;
        float total = layer.piece_sums[channel];
        for (int piece = 1; piece < pieces; ++piece) {
            total = __fadd_rn(total, layer.piece_sums[(size_t)piece * layer.n + channel]);
        }
        const float through_bias = __fmaf_rn(-layer.mean[channel], layer.bias_gradient[channel], total);
        const float gradient = __fmul_rn(through_bias, layer.inverse[channel]);
        layer.gamma[channel] =
            stepped(rule, rate, layer.gamma[channel], gradient, first, first + elements);
        first += layer.n;
    }
    if (rule.kind != NONE && layer.trained & BETA) {
        layer.beta[channel] = stepped(
            rule, rate, layer.beta[channel], layer.bias_gradient[channel], first, first + elements
        );
    }
    if (layer.gamma) {
        const float scale = __fmul_rn(layer.gamma[channel], layer.inverse[channel]);
        if (rule.kind != NONE) {
            layer.old_scale[channel] = layer.scale[channel];
        }
        layer.scale[channel] = scale;
        layer.bias[channel] = __fmaf_rn(-layer.mean[channel], scale, layer.beta[channel]);
    }
}

constexpr int TILE = 32;
constexpr int TILE_ROWS = 8;

// The kernel, folded and transposed: a block has a tile of 32 x 32 weights, a thread four of them.
extern "C" __global__ void __launch_bounds__(TILE * TILE_ROWS) update_weights(
    const Layer* __restrict__ layers,
    int count,
    const float* __restrict__ rates,
    int step,
    Rule rule
) {
    // A column more, so that neighbours of a column lie in different banks.
    __shared__ float tile[TILE][TILE + 1];
    const Layer& layer = layer_of_block(layers, count, &Layer::first_weights_block);
    const int block = (int)blockIdx.x - layer.first_weights_block;
    const int n = layer.n;
    const int column_tiles = (n + TILE - 1) / TILE;
    const int first_row = block / column_tiles * TILE;
    const int first_column = block % column_tiles * TILE;
    const int column = first_column + (int)threadIdx.x;
    const float rate = rates[step];
    const int elements = trained_elements(layer);
    for (int i = threadIdx.y; i < TILE; i += TILE_ROWS) {
        const int row = first_row + i;
        if (row >= layer.k || column >= n) {
            continue;
        }
        const size_t at = (size_t)row * n + column;
        float w = layer.kernel[at];
        if (rule.kind != NONE && layer.trained & KERNEL) {
            float gradient = layer.weight_gradient[at];
            if (layer.gamma) {
                gradient = __fmul_rn(gradient, layer.old_scale[column]);
            }
            w = stepped(rule, rate, w, gradient, layer.states + at, layer.states + elements + at);
            layer.kernel[at] = w;
        }
        if (layer.gamma) {
            w = __fmul_rn(w, layer.scale[column]);
            layer.folded[at] = w;
        }
        tile[i][threadIdx.x] = w;
    }
    // The same for all threads of the block.
    if (!layer.transposed) {
        return;
    }
    __syncthreads();
    const int row = first_row + (int)threadIdx.x;
    for (int i = threadIdx.y; i < TILE; i += TILE_ROWS) {
        if (first_column + i < n && row < layer.k) {
            layer.transposed[(size_t)(first_column + i) * layer.k + row] = tile[threadIdx.x][i];
        }
    }
}

// found[thread] = 1 if one of the thread's values is not finite, else 0.
extern "C" __global__ void __launch_bounds__(256) not_finite(
    const float* __restrict__ values,
    long long count,
    unsigned* __restrict__ found
) {
    constexpr unsigned EXPONENT = 0x7F800000u;
    const long long threads = (long long)gridDim.x * blockDim.x;
    const long long number = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    unsigned is_found = 0;
    for (long long at = number; at < count; at += threads) {
        if ((__float_as_uint(values[at]) & EXPONENT) == EXPONENT) {
            is_found = 1;
        }
    }
    found[number] = is_found;
}
