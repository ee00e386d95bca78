//! Gradients of weights and bias: sums over rows, cut into slices of whole images.

use super::super::Level;
use super::super::block::{Block, Sum};
use super::super::dispatch::lanes_at_level;
use super::super::lanes::{Lanes, over_lanes, prefetch, prefetch_tile};
use super::{balanced, with_rows};

/// A block of `xᵀ · dz`: per slice of `slice_rows` rows one chain from +0, slices added in order. `x` is
/// `[rows][k]` with the k inputs that are the block's rows, `dz` is `[rows][n]` with the block's n columns.
///
/// # Panics
/// If lengths do not fit.
pub fn weight_gradient(
    level: Level,
    x: &[f32],
    dz: &[f32],
    slice_rows: usize,
    sum: Sum,
    mut out: Block<'_>,
) {
    let (k, n) = (out.rows().len(), out.columns().len());
    assert!(slice_rows > 0);
    if k == 0 || n == 0 {
        return;
    }
    let rows = dz.len() / n;
    assert_eq!(dz.len(), rows * n);
    assert_eq!(x.len(), rows * k);
    if rows == 0 && sum == Sum::New {
        out.clear();
    }
    run_weight_gradient(level, rows, x, dz, slice_rows, sum, &out);
}

lanes_at_level!(
    fn run_weight_gradient(
        rows: usize,
        x: &[f32],
        dz: &[f32],
        slice_rows: usize,
        sum: Sum,
        out: &Block<'_>,
    ) = weight_gradient_body
);

#[inline(always)]
unsafe fn weight_gradient_body<L: Lanes>(
    rows: usize,
    x: &[f32],
    dz: &[f32],
    slice_rows: usize,
    sum: Sum,
    out: &Block<'_>,
) {
    let (k, n) = (out.rows().len(), out.columns().len());
    for first_row in (0..rows).step_by(slice_rows) {
        let slice = Slice {
            rows: slice_rows.min(rows - first_row),
            k,
            n,
            x: x[first_row * k..].as_ptr(),
            dz: dz[first_row * n..].as_ptr(),
            out: out.at(out.rows().start, out.columns().start),
            stride: out.stride(),
            is_first: first_row == 0 && sum == Sum::New,
        };
        let mut column = 0;
        // SAFETY: inputs and columns lie inside x, dz and out for all rows of the slice.
        unsafe {
            while column + 2 * L::N <= n {
                slice.panel::<L, 2>(column);
                column += 2 * L::N;
            }
            if column + L::N <= n {
                slice.panel::<L, 1>(column);
                column += L::N;
            }
            while column + L::Half::N <= n {
                slice.panel::<L::Half, 1>(column);
                column += L::Half::N;
            }
            while column < n {
                slice.panel::<f32, 1>(column);
                column += 1;
            }
        }
    }
}

/// So many rows before they are used they are asked for.
const ROWS_AHEAD: usize = 32;

/// One slice of rows of the weight gradient.
struct Slice {
    rows: usize,
    k: usize,
    n: usize,
    x: *const f32,
    dz: *const f32,
    /// First element of the block.
    out: *mut f32,
    /// Columns of its matrix.
    stride: usize,
    is_first: bool,
}

/// Inputs of a tile. Not more: what a row reads of x fits a cache line.
const fn tile_inputs<L: Lanes>(vectors: usize) -> usize {
    if L::ROWS > 6 || vectors == 1 { 12 } else { 6 }
}

impl Slice {
    #[inline(always)]
    unsafe fn panel<L: Lanes, const VECTORS: usize>(&self, column: usize) {
        let mut input = 0;
        while input < self.k {
            let count = balanced(self.k - input, tile_inputs::<L>(VECTORS));
            // SAFETY: the caller's contract.
            unsafe {
                with_rows!(
                    count,
                    tile_inputs::<L>(VECTORS),
                    self.tile::<L, VECTORS>(input, column)
                );
            }
            input += count;
        }
    }

    #[inline(always)]
    unsafe fn tile<L: Lanes, const VECTORS: usize, const INPUTS: usize>(
        &self,
        input: usize,
        column: usize,
    ) {
        // SAFETY: the caller's contract.
        unsafe {
            // What the sums are added to arrives while they are made.
            let first = self.out.wrapping_add(input * self.stride + column);
            prefetch_tile::<L, VECTORS, INPUTS>(first, self.stride);
            let mut sums = [[L::splat(0.0); VECTORS]; INPUTS];
            let mut x = self.x.add(input);
            let mut dz = self.dz.add(column);
            for _ in 0..self.rows {
                // Rows lie far apart: the machine by itself fetches only what lies side by side.
                prefetch(x.wrapping_add(ROWS_AHEAD * self.k));
                for vector in 0..VECTORS {
                    prefetch(dz.wrapping_add(ROWS_AHEAD * self.n + vector * L::N));
                }
                let mut gradient = [L::splat(0.0); VECTORS];
                for (vector, value) in gradient.iter_mut().enumerate() {
                    *value = L::load(dz.add(vector * L::N));
                }
                for (place, sum) in sums.iter_mut().enumerate() {
                    let value = L::splat(*x.add(place));
                    for vector in 0..VECTORS {
                        sum[vector] = value.fma(gradient[vector], sum[vector]);
                    }
                }
                x = x.wrapping_add(self.k);
                dz = dz.wrapping_add(self.n);
            }
            for (place, sum) in sums.iter().enumerate() {
                for (vector, &value) in sum.iter().enumerate() {
                    let at = self
                        .out
                        .add((input + place) * self.stride + column + vector * L::N);
                    let total = if self.is_first {
                        value
                    } else {
                        L::load(at).add(value)
                    };
                    total.store(at);
                }
            }
        }
    }
}

/// Sum of `dz[rows][n]` over rows: per slice a chain of additions from +0, slices added in order.
/// `out` is one row of n columns.
///
/// # Panics
/// If lengths do not fit.
pub fn bias_gradient(level: Level, dz: &[f32], slice_rows: usize, sum: Sum, mut out: Block<'_>) {
    assert_eq!(out.rows().len(), 1);
    assert!(slice_rows > 0);
    if out.columns().is_empty() {
        return;
    }
    assert!(dz.len().is_multiple_of(out.columns().len()));
    if dz.is_empty() && sum == Sum::New {
        out.clear();
    }
    run_bias_gradient(level, dz, slice_rows, sum, &out);
}

lanes_at_level!(
    fn run_bias_gradient(dz: &[f32], slice_rows: usize, sum: Sum, out: &Block<'_>) =
        bias_gradient_body
);

#[inline(always)]
unsafe fn bias_gradient_body<L: Lanes>(dz: &[f32], slice_rows: usize, sum: Sum, out: &Block<'_>) {
    #[inline(always)]
    unsafe fn column<L: Lanes>(
        place: usize,
        dz: &[f32],
        slice_rows: usize,
        sum: Sum,
        out: &Block<'_>,
    ) {
        let n = out.columns().len();
        let to = out.at(out.rows().start, out.columns().start + place);
        // SAFETY: `place` and the lanes after it lie inside a row.
        unsafe {
            for (number, slice) in dz.chunks(slice_rows * n).enumerate() {
                let mut rows = L::splat(0.0);
                for row in slice.chunks_exact(n) {
                    rows = rows.add(L::load(row.as_ptr().add(place)));
                }
                let is_first = number == 0 && sum == Sum::New;
                let total = if is_first {
                    rows
                } else {
                    L::load(to).add(rows)
                };
                total.store(to);
            }
        }
    }
    // SAFETY: places lie inside the block.
    unsafe { over_lanes!(L, 0..out.columns().len(), column(dz, slice_rows, sum, out)) }
}
