// Products of matrices: pointwise convolutions, dense layers, and their gradients.
//
// Blocks and threads divide outputs, never a chain, so that no tile changes a bit. Both operands go through
// shared memory in stages of BK steps of the chain, copied some stages ahead. What lies beyond the last step
// is never part of the chain: fma(0, 0, -0) would be +0.
#include "port.h"

enum Flag { BIAS = 1, ADDEND = 2, RELU6 = 4, MASK = 8 };

// How the threads of a block lie over its outputs: warps of 8 threads across, so that what they read of shared
// memory is read by several at once.
template <int ROWS, int COLUMNS, int THREAD_ROWS, int THREAD_COLUMNS>
struct Threads {
    static constexpr int ACROSS = COLUMNS / THREAD_COLUMNS;
    static constexpr int DOWN = ROWS / THREAD_ROWS;
    static constexpr int COUNT = ACROSS * DOWN;
    static constexpr int WARP_ACROSS = ACROSS < 8 ? ACROSS : 8;
    static constexpr int WARP_DOWN = 32 / WARP_ACROSS;
    static constexpr int WARPS_ACROSS = ACROSS / WARP_ACROSS;
    static_assert(COUNT % 32 == 0 && ACROSS % WARP_ACROSS == 0 && DOWN % WARP_DOWN == 0, "tile");

    int across;
    int down;

    __device__ __forceinline__ Threads() {
        const int lane = threadIdx.x & 31;
        const int warp = threadIdx.x >> 5;
        across = (warp % WARPS_ACROSS) * WARP_ACROSS + lane % WARP_ACROSS;
        down = (warp / WARPS_ACROSS) * WARP_DOWN + lane / WARP_ACROSS;
    }
};

// Copies V neighbouring floats of each of ROWS rows of LENGTH floats into shared memory; a thread has COUNT of
// these pieces. Pieces outside the matrix are zeros.
template <int ROWS, int LENGTH, int STRIDE, int V, int THREADS>
struct Copy {
    static constexpr int PIECES = ROWS * LENGTH / V;
    static constexpr int COUNT = (PIECES + THREADS - 1) / THREADS;

    __device__ __forceinline__ static int row(int number) {
        return ((int)threadIdx.x + number * THREADS) / (LENGTH / V);
    }

    __device__ __forceinline__ static int column(int number) {
        return ((int)threadIdx.x + number * THREADS) % (LENGTH / V) * V;
    }

    __device__ __forceinline__ static bool exists(int number) {
        return PIECES % THREADS == 0 || (int)threadIdx.x + number * THREADS < PIECES;
    }
};

// y[rows][n] = x[rows][k] * w[k][n]. A block has BM x BN outputs and a thread TM x TN of them; BK steps of the
// chain a stage, STAGES stages; V floats are copied together.
template <int BM, int BN, int TM, int TN, int BK, int STAGES, int V>
struct Product {
    using Layout = Threads<BM, BN, TM, TN>;
    // Rows of x in shared memory are longer by a vector, so that rows begin at different banks.
    static constexpr int X_STRIDE = BK + 4;
    using CopyX = Copy<BM, BK, X_STRIDE, V, Layout::COUNT>;
    using CopyW = Copy<BK, BN, BN, V, Layout::COUNT>;
    static_assert(TN % 4 == 0 && BK % 4 == 0, "tile");

    static __device__ __forceinline__ void run(
        const float* __restrict__ x,
        const float* __restrict__ w,
        const float* __restrict__ bias,
        const float* __restrict__ addend,
        const float* __restrict__ mask,
        float* __restrict__ y,
        int rows,
        int k,
        int n,
        int flags
    ) {
        __shared__ __align__(16) float shared_x[STAGES][BM * X_STRIDE];
        __shared__ __align__(16) float shared_w[STAGES][BK * BN];
        const Layout thread;
        const int column_blocks = (n + BN - 1) / BN;
        const int first_row = (int)(blockIdx.x / column_blocks) * BM;
        const int first_column = (int)(blockIdx.x % column_blocks) * BN;
        const int stages = (k + BK - 1) / BK;

        const float* from_x[CopyX::COUNT];
        bool has_x[CopyX::COUNT];
        UNROLL
        for (int i = 0; i < CopyX::COUNT; ++i) {
            const int row = first_row + CopyX::row(i);
            has_x[i] = CopyX::exists(i) && row < rows;
            from_x[i] = has_x[i] ? x + (size_t)row * k + CopyX::column(i) : x;
        }
        const float* from_w[CopyW::COUNT];
        bool has_w[CopyW::COUNT];
        UNROLL
        for (int i = 0; i < CopyW::COUNT; ++i) {
            const int column = first_column + CopyW::column(i);
            has_w[i] = CopyW::exists(i) && column < n;
            from_w[i] = has_w[i] ? w + (size_t)CopyW::row(i) * n + column : w;
        }
        auto copy_stage = [&](int stage) {
            const int slot = stage % STAGES;
            const int first = stage * BK;
            const bool is_full = first + BK <= k;
            UNROLL
            for (int i = 0; i < CopyX::COUNT; ++i) {
                if (CopyX::exists(i)) {
                    const bool is_there = has_x[i] && (is_full || first + CopyX::column(i) < k);
                    float* to = &shared_x[slot][CopyX::row(i) * X_STRIDE + CopyX::column(i)];
                    copy_later<V>(to, is_there ? from_x[i] : x, is_there);
                }
                from_x[i] += BK;
            }
            UNROLL
            for (int i = 0; i < CopyW::COUNT; ++i) {
                if (CopyW::exists(i)) {
                    const bool is_there = has_w[i] && (is_full || first + CopyW::row(i) < k);
                    float* to = &shared_w[slot][CopyW::row(i) * BN + CopyW::column(i)];
                    copy_later<V>(to, is_there ? from_w[i] : w, is_there);
                }
                from_w[i] += (size_t)BK * n;
            }
        };

        // A thread has groups of four neighbouring columns, ACROSS groups apart.
        float sum[TM][TN];
        UNROLL
        for (int j = 0; j < TN; ++j) {
            const int column = first_column + thread.across * 4 + j / 4 * (Layout::ACROSS * 4) + j % 4;
            const float start = (flags & BIAS) && column < n ? bias[column] : 0.0f;
            UNROLL
            for (int i = 0; i < TM; ++i) {
                sum[i][j] = start;
            }
        }

        UNROLL
        for (int stage = 0; stage < STAGES - 1; ++stage) {
            if (stage < stages) {
                copy_stage(stage);
            }
            end_copies();
        }
        NO_UNROLL
        for (int stage = 0; stage < stages; ++stage) {
            wait_for_copies<STAGES - 2>();
            // One barrier a stage: what is copied next goes where everyone has read.
            __syncthreads();
            if (stage + STAGES - 1 < stages) {
                copy_stage(stage + STAGES - 1);
            }
            end_copies();
            const float* xs = &shared_x[stage % STAGES][thread.down * X_STRIDE];
            const float* ws = &shared_w[stage % STAGES][thread.across * 4];
            if (stage * BK + BK <= k) {
                UNROLL_STEPS
                for (int step = 0; step < BK; step += 4) {
                    float a[TM][4];
                    UNROLL
                    for (int i = 0; i < TM; ++i) {
                        *(float4*)a[i] = *(const float4*)(xs + i * Layout::DOWN * X_STRIDE + step);
                    }
                    UNROLL
                    for (int q = 0; q < 4; ++q) {
                        add_step(sum, a, q, ws + (step + q) * BN);
                    }
                }
            } else {
                NO_UNROLL
                for (int step = 0; step < k - stage * BK; ++step) {
                    float a[TM][4];
                    UNROLL
                    for (int i = 0; i < TM; ++i) {
                        a[i][0] = xs[i * Layout::DOWN * X_STRIDE + step];
                    }
                    add_step(sum, a, 0, ws + step * BN);
                }
            }
        }
        wait_for_copies<0>();

        UNROLL
        for (int i = 0; i < TM; ++i) {
            const int row = first_row + thread.down + i * Layout::DOWN;
            if (row >= rows) {
                continue;
            }
            UNROLL
            for (int j = 0; j < TN; j += 4) {
                const int column = first_column + thread.across * 4 + j * Layout::ACROSS;
                if (column < n) {
                    finish(&sum[i][j], addend, mask, y, (size_t)row * n + column, n - column, flags);
                }
            }
        }
    }

    // One step of all chains of the thread; `ws` is its part of the row of w.
    static __device__ __forceinline__ void add_step(
        float (&sum)[TM][TN],
        const float (&a)[TM][4],
        int q,
        const float* ws
    ) {
        float b[TN];
        UNROLL
        for (int j = 0; j < TN; j += 4) {
            *(float4*)(b + j) = *(const float4*)(ws + j * Layout::ACROSS);
        }
        UNROLL
        for (int i = 0; i < TM; ++i) {
            UNROLL
            for (int j = 0; j < TN; ++j) {
                sum[i][j] = __fmaf_rn(a[i][q], b[j], sum[i][j]);
            }
        }
    }

    // What is done to four results, of which `left` lie in the matrix.
    static __device__ __forceinline__ void finish(
        const float* sums,
        const float* __restrict__ addend,
        const float* __restrict__ mask,
        float* __restrict__ y,
        size_t at,
        int left,
        int flags
    ) {
        float result[4];
        float other[4];
        UNROLL
        for (int q = 0; q < 4; ++q) {
            result[q] = sums[q];
        }
        if (flags & ADDEND) {
            load(other, addend + at, left);
            UNROLL
            for (int q = 0; q < 4; ++q) {
                result[q] = __fadd_rn(result[q], other[q]);
            }
        }
        if (flags & RELU6) {
            UNROLL
            for (int q = 0; q < 4; ++q) {
                result[q] = relu6(result[q]);
            }
        }
        if (flags & MASK) {
            load(other, mask + at, left);
            UNROLL
            for (int q = 0; q < 4; ++q) {
                result[q] = where_active(result[q], other[q]);
            }
        }
        if (V == 4) {
            *(float4*)(y + at) = *(float4*)result;
        } else {
            UNROLL
            for (int q = 0; q < 4; ++q) {
                if (q < left) {
                    y[at + q] = result[q];
                }
            }
        }
    }

    static __device__ __forceinline__ void load(float* to, const float* __restrict__ from, int left) {
        if (V == 4) {
            *(float4*)to = *(const float4*)from;
        } else {
            UNROLL
            for (int q = 0; q < 4; ++q) {
                to[q] = q < left ? from[q] : 0.0f;
            }
        }
    }
};

#define PRODUCT(NAME, BM, BN, TM, TN, BK, STAGES, V, BLOCKS) \
    extern "C" __global__ void __launch_bounds__((BM / TM) * (BN / TN), BLOCKS) NAME( \
        const float* __restrict__ x, \
        const float* __restrict__ w, \
        const float* __restrict__ bias, \
        const float* __restrict__ addend, \
        const float* __restrict__ mask, \
        float* __restrict__ y, \
        int rows, \
        int k, \
        int n, \
        int flags \
    ) { \
        Product<BM, BN, TM, TN, BK, STAGES, V>::run(x, w, bias, addend, mask, y, rows, k, n, flags); \
    }

PRODUCT(pointwise_128x64_8x8, 128, 64, 8, 8, 16, 3, 4, 3)
PRODUCT(pointwise_128x32_8x4, 128, 32, 8, 4, 16, 3, 4, 4)
PRODUCT(pointwise_64x32_4x4, 64, 32, 4, 4, 32, 2, 4, 6)
PRODUCT(pointwise_32x32_2x4, 32, 32, 2, 4, 32, 3, 4, 6)
PRODUCT(pointwise_any, 32, 32, 4, 4, 16, 2, 1, 6)
#ifdef ALL_TILES
PRODUCT(pointwise_80x32_5x4, 80, 32, 5, 4, 32, 2, 4, 4)
PRODUCT(pointwise_64x48_4x12, 64, 48, 4, 12, 16, 3, 4, 6)
PRODUCT(pointwise_128x24_8x12, 128, 24, 8, 12, 16, 3, 4, 8)
PRODUCT(pointwise_128x16_4x4, 128, 16, 4, 4, 16, 3, 4, 4)
#endif

// sums[slice][k][n]: the weight gradient of rows of a slice, each element a chain from +0 over rows ascending.
// BM inputs and BN outputs a block, BK rows a stage.
template <int BM, int BN, int TM, int TN, int BK, int STAGES, int V>
struct Slices {
    using Layout = Threads<BM, BN, TM, TN>;
    using CopyX = Copy<BK, BM, BM, V, Layout::COUNT>;
    using CopyZ = Copy<BK, BN, BN, V, Layout::COUNT>;
    static_assert(TM % 4 == 0 && TN % 4 == 0, "tile");

    static __device__ __forceinline__ void run(
        const float* __restrict__ x,
        const float* __restrict__ dz,
        float* __restrict__ sums,
        int rows,
        int k,
        int n,
        int slice_rows
    ) {
        __shared__ __align__(16) float shared_x[STAGES][BK * BM];
        __shared__ __align__(16) float shared_z[STAGES][BK * BN];
        const Layout thread;
        const int column_blocks = (n + BN - 1) / BN;
        const int first_input = (int)(blockIdx.x / column_blocks) * BM;
        const int first_output = (int)(blockIdx.x % column_blocks) * BN;
        const int first_row = (int)blockIdx.y * slice_rows;
        const int end_row = first_row + slice_rows < rows ? first_row + slice_rows : rows;
        const int stages = (end_row - first_row + BK - 1) / BK;

        const float* from_x[CopyX::COUNT];
        bool has_x[CopyX::COUNT];
        UNROLL
        for (int i = 0; i < CopyX::COUNT; ++i) {
            const int input = first_input + CopyX::column(i);
            has_x[i] = CopyX::exists(i) && input < k;
            from_x[i] = has_x[i] ? x + (size_t)(first_row + CopyX::row(i)) * k + input : x;
        }
        const float* from_z[CopyZ::COUNT];
        bool has_z[CopyZ::COUNT];
        UNROLL
        for (int i = 0; i < CopyZ::COUNT; ++i) {
            const int output = first_output + CopyZ::column(i);
            has_z[i] = CopyZ::exists(i) && output < n;
            from_z[i] = has_z[i] ? dz + (size_t)(first_row + CopyZ::row(i)) * n + output : dz;
        }
        auto copy_stage = [&](int stage) {
            const int slot = stage % STAGES;
            const int first = first_row + stage * BK;
            const bool is_full = first + BK <= end_row;
            UNROLL
            for (int i = 0; i < CopyX::COUNT; ++i) {
                if (CopyX::exists(i)) {
                    const bool is_there = has_x[i] && (is_full || first + CopyX::row(i) < end_row);
                    float* to = &shared_x[slot][CopyX::row(i) * BM + CopyX::column(i)];
                    copy_later<V>(to, is_there ? from_x[i] : x, is_there);
                }
                from_x[i] += (size_t)BK * k;
            }
            UNROLL
            for (int i = 0; i < CopyZ::COUNT; ++i) {
                if (CopyZ::exists(i)) {
                    const bool is_there = has_z[i] && (is_full || first + CopyZ::row(i) < end_row);
                    float* to = &shared_z[slot][CopyZ::row(i) * BN + CopyZ::column(i)];
                    copy_later<V>(to, is_there ? from_z[i] : dz, is_there);
                }
                from_z[i] += (size_t)BK * n;
            }
        };

        float sum[TM][TN];
        UNROLL
        for (int i = 0; i < TM; ++i) {
            UNROLL
            for (int j = 0; j < TN; ++j) {
                sum[i][j] = 0.0f;
            }
        }
        UNROLL
        for (int stage = 0; stage < STAGES - 1; ++stage) {
            if (stage < stages) {
                copy_stage(stage);
            }
            end_copies();
        }
        NO_UNROLL
        for (int stage = 0; stage < stages; ++stage) {
            wait_for_copies<STAGES - 2>();
            __syncthreads();
            if (stage + STAGES - 1 < stages) {
                copy_stage(stage + STAGES - 1);
            }
            end_copies();
            const float* xs = &shared_x[stage % STAGES][thread.down * 4];
            const float* zs = &shared_z[stage % STAGES][thread.across * 4];
            const int left = end_row - first_row - stage * BK;
            if (left >= BK) {
                UNROLL_STEPS
                for (int row = 0; row < BK; ++row) {
                    add_row(sum, xs + row * BM, zs + row * BN);
                }
            } else {
                NO_UNROLL
                for (int row = 0; row < left; ++row) {
                    add_row(sum, xs + row * BM, zs + row * BN);
                }
            }
        }
        wait_for_copies<0>();

        float* slice = sums + (size_t)blockIdx.y * k * n;
        UNROLL
        for (int i = 0; i < TM; ++i) {
            const int input = first_input + thread.down * 4 + i / 4 * (Layout::DOWN * 4) + i % 4;
            if (input >= k) {
                continue;
            }
            UNROLL
            for (int j = 0; j < TN; j += 4) {
                const int output = first_output + thread.across * 4 + j * Layout::ACROSS;
                if (output >= n) {
                    continue;
                }
                float* to = slice + (size_t)input * n + output;
                if (V == 4) {
                    *(float4*)to = make_float4(sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]);
                } else {
                    UNROLL
                    for (int q = 0; q < 4; ++q) {
                        if (output + q < n) {
                            to[q] = sum[i][j + q];
                        }
                    }
                }
            }
        }
    }

    // One step of all chains of the thread.
    static __device__ __forceinline__ void add_row(float (&sum)[TM][TN], const float* xs, const float* zs) {
        float a[TM];
        float b[TN];
        UNROLL
        for (int i = 0; i < TM; i += 4) {
            *(float4*)(a + i) = *(const float4*)(xs + i * Layout::DOWN);
        }
        UNROLL
        for (int j = 0; j < TN; j += 4) {
            *(float4*)(b + j) = *(const float4*)(zs + j * Layout::ACROSS);
        }
        UNROLL
        for (int i = 0; i < TM; ++i) {
            UNROLL
            for (int j = 0; j < TN; ++j) {
                sum[i][j] = __fmaf_rn(a[i], b[j], sum[i][j]);
            }
        }
    }
};

#define SLICES(NAME, BM, BN, TM, TN, BK, STAGES, V, BLOCKS) \
    extern "C" __global__ void __launch_bounds__((BM / TM) * (BN / TN), BLOCKS) NAME( \
        const float* __restrict__ x, \
        const float* __restrict__ dz, \
        float* __restrict__ sums, \
        int rows, \
        int k, \
        int n, \
        int slice_rows \
    ) { \
        Slices<BM, BN, TM, TN, BK, STAGES, V>::run(x, dz, sums, rows, k, n, slice_rows); \
    }

SLICES(pointwise_slices_32x32_4x4, 32, 32, 4, 4, 16, 3, 4, 8)
SLICES(pointwise_slices_32x64_4x8, 32, 64, 4, 8, 16, 3, 4, 8)
SLICES(pointwise_slices_64x64_8x4, 64, 64, 8, 4, 10, 3, 4, 4)
SLICES(pointwise_slices_any, 32, 32, 4, 4, 8, 2, 1, 8)
#ifdef ALL_TILES
SLICES(pointwise_slices_96x32_12x4, 96, 32, 12, 4, 8, 3, 4, 6)
#endif

// sums[slice][n]: sums of the columns of dz by slices of rows. Grid (channels, slices).
extern "C" __global__ void __launch_bounds__(256) column_slices(
    const float* __restrict__ dz,
    float* __restrict__ sums,
    int rows,
    int n,
    int slice_rows
) {
    const int channel = blockIdx.x * blockDim.x + threadIdx.x;
    if (channel >= n) {
        return;
    }
    const int first_row = (int)blockIdx.y * slice_rows;
    const int end_row = first_row + slice_rows < rows ? first_row + slice_rows : rows;
    const float* from = dz + (size_t)first_row * n + channel;
    float sum = 0.0f;
    UNROLL_8
    for (int row = first_row; row < end_row; ++row) {
        sum = __fadd_rn(sum, *from);
        from += n;
    }
    sums[(size_t)blockIdx.y * n + channel] = sum;
}
