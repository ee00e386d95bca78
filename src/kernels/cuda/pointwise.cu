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

// Copies of an operand into shared memory, a stage after another: ROWS rows of LENGTH floats, V neighbouring ones
// at a time. The chains go down its rows, or along them. What lies outside the matrix is zeros, and unused.
template <int ROWS, int LENGTH, int STRIDE, bool IS_CHAIN_DOWN, int V, int THREADS>
struct Copies {
    static constexpr int PIECES = ROWS * LENGTH / V;
    static constexpr int COUNT = (PIECES + THREADS - 1) / THREADS;
    // Steps of the chains in a stage.
    static constexpr int STEPS = IS_CHAIN_DOWN ? ROWS : LENGTH;

    const float* matrix;
    const float* from[COUNT];
    bool is_inside[COUNT];
    int width;

    // The part of a matrix with rows of `width` that begins at this row and column; rows end before `end_row`.
    __device__ __forceinline__ Copies(
        const float* __restrict__ matrix,
        int first_row,
        int first_column,
        int end_row,
        int width
    ) : matrix(matrix), width(width) {
        UNROLL
        for (int i = 0; i < COUNT; ++i) {
            const int row = first_row + row_of(i);
            const int column = first_column + column_of(i);
            is_inside[i] = exists(i) && (IS_CHAIN_DOWN ? column < width : row < end_row);
            from[i] = is_inside[i] ? matrix + (size_t)row * width + column : matrix;
        }
    }

    // Copies the next stage, of which `left` steps are in the matrix.
    __device__ __forceinline__ void next(float* shared, int left) {
        UNROLL
        for (int i = 0; i < COUNT; ++i) {
            if (exists(i)) {
                const int step = IS_CHAIN_DOWN ? row_of(i) : column_of(i);
                const bool is_there = is_inside[i] && step < left;
                float* to = shared + row_of(i) * STRIDE + column_of(i);
                copy_later<V>(to, is_there ? from[i] : matrix, is_there);
            }
            from[i] += IS_CHAIN_DOWN ? (size_t)STEPS * width : STEPS;
        }
    }

    __device__ __forceinline__ static int row_of(int number) {
        return ((int)threadIdx.x + number * THREADS) / (LENGTH / V);
    }

    __device__ __forceinline__ static int column_of(int number) {
        return ((int)threadIdx.x + number * THREADS) % (LENGTH / V) * V;
    }

    __device__ __forceinline__ static bool exists(int number) {
        return PIECES % THREADS == 0 || (int)threadIdx.x + number * THREADS < PIECES;
    }
};

// Goes through the stages: each is copied STAGES - 1 stages before it is computed.
template <int STAGES, class Copy, class Compute>
__device__ __forceinline__ void pipeline(int stages, Copy copy, Compute compute) {
    UNROLL
    for (int stage = 0; stage < STAGES - 1; ++stage) {
        if (stage < stages) {
            copy(stage);
        }
        end_copies();
    }
    NO_UNROLL
    for (int stage = 0; stage < stages; ++stage) {
        wait_for_copies<STAGES - 2>();
        // One barrier a stage: what is copied next goes where everyone has read.
        __syncthreads();
        if (stage + STAGES - 1 < stages) {
            copy(stage + STAGES - 1);
        }
        end_copies();
        compute(stage);
    }
    wait_for_copies<0>();
}

// y[rows][n] = x[rows][k] * w[k][n]. A block has BM x BN outputs and a thread TM x TN of them; BK steps of the
// chain a stage, STAGES stages; V floats are copied together.
template <int BM, int BN, int TM, int TN, int BK, int STAGES, int V>
struct Product {
    using Layout = Threads<BM, BN, TM, TN>;
    // Rows of x in shared memory are longer by a vector, so that rows begin at different banks.
    static constexpr int X_STRIDE = BK + 4;
    using CopiesOfX = Copies<BM, BK, X_STRIDE, false, V, Layout::COUNT>;
    using CopiesOfW = Copies<BK, BN, BN, true, V, Layout::COUNT>;
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

        CopiesOfX copies_of_x(x, first_row, 0, rows, k);
        CopiesOfW copies_of_w(w, 0, first_column, k, n);

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

        auto copy = [&](int stage) {
            const int left = k - stage * BK;
            copies_of_x.next(shared_x[stage % STAGES], left);
            copies_of_w.next(shared_w[stage % STAGES], left);
        };
        auto compute = [&](int stage) {
            const float* xs = &shared_x[stage % STAGES][thread.down * X_STRIDE];
            const float* ws = &shared_w[stage % STAGES][thread.across * 4];
            const int left = k - stage * BK;
            if (left >= BK) {
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
                for (int step = 0; step < left; ++step) {
                    float a[TM][4];
                    UNROLL
                    for (int i = 0; i < TM; ++i) {
                        a[i][0] = xs[i * Layout::DOWN * X_STRIDE + step];
                    }
                    add_step(sum, a, 0, ws + step * BN);
                }
            }
        };
        pipeline<STAGES>(stages, copy, compute);

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
PRODUCT(pointwise_64x32_4x4, 64, 32, 4, 4, 32, 2, 4, 5)
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
    using CopiesOfX = Copies<BK, BM, BM, true, V, Layout::COUNT>;
    using CopiesOfZ = Copies<BK, BN, BN, true, V, Layout::COUNT>;
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

        CopiesOfX copies_of_x(x, first_row, first_input, end_row, k);
        CopiesOfZ copies_of_z(dz, first_row, first_output, end_row, n);

        float sum[TM][TN];
        UNROLL
        for (int i = 0; i < TM; ++i) {
            UNROLL
            for (int j = 0; j < TN; ++j) {
                sum[i][j] = 0.0f;
            }
        }
        auto copy = [&](int stage) {
            const int left = end_row - first_row - stage * BK;
            copies_of_x.next(shared_x[stage % STAGES], left);
            copies_of_z.next(shared_z[stage % STAGES], left);
        };
        auto compute = [&](int stage) {
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
        };
        pipeline<STAGES>(stages, copy, compute);

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
