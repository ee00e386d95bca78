//! Gradients of weights and bias: sums over rows, cut into slices of whole images.

use std::ops::Range;

use super::super::Level;
use super::super::dispatch::lanes_at_level;
use super::super::lanes::{Lanes, over_lanes};
use super::{balanced, with_rows};

/// Rows `inputs` of `x[rows][k]ᵀ · dz[rows][n]`: per slice of `slice_rows` rows one chain from +0, slices
/// added in order. `out` is `[inputs.len()][n]`.
///
/// # Panics
/// If lengths do not fit.
pub fn weight_gradient(
    level: Level,
    x: &[f32],
    dz: &[f32],
    k: usize,
    n: usize,
    slice_rows: usize,
    inputs: Range<usize>,
    out: &mut [f32],
) {
    let rows = dz.len() / n;
    assert_eq!(dz.len(), rows * n);
    assert_eq!(x.len(), rows * k);
    assert!(inputs.end <= k && slice_rows > 0);
    assert_eq!(out.len(), inputs.len() * n);
    if rows == 0 {
        out.fill(0.0);
    }
    run_weight_gradient(level, rows, x, dz, k, n, slice_rows, inputs, out);
}

lanes_at_level!(
    fn run_weight_gradient(
        rows: usize,
        x: &[f32],
        dz: &[f32],
        k: usize,
        n: usize,
        slice_rows: usize,
        inputs: Range<usize>,
        out: &mut [f32],
    ) = weight_gradient_body
);

#[inline(always)]
unsafe fn weight_gradient_body<L: Lanes>(
    rows: usize,
    x: &[f32],
    dz: &[f32],
    k: usize,
    n: usize,
    slice_rows: usize,
    inputs: Range<usize>,
    out: &mut [f32],
) {
    if inputs.is_empty() {
        return;
    }
    for first_row in (0..rows).step_by(slice_rows) {
        let slice = Slice {
            rows: slice_rows.min(rows - first_row),
            k,
            n,
            x: x[first_row * k + inputs.start..].as_ptr(),
            dz: dz[first_row * n..].as_ptr(),
            out: out.as_mut_ptr(),
            is_first: first_row == 0,
        };
        let mut column = 0;
        // SAFETY: inputs and columns lie inside x, dz and out for all rows of the slice.
        unsafe {
            while column + 2 * L::N <= n {
                slice.panel::<L, 2>(inputs.len(), column);
                column += 2 * L::N;
            }
            if column + L::N <= n {
                slice.panel::<L, 1>(inputs.len(), column);
                column += L::N;
            }
            while column + L::Half::N <= n {
                slice.panel::<L::Half, 1>(inputs.len(), column);
                column += L::Half::N;
            }
            while column < n {
                slice.panel::<f32, 1>(inputs.len(), column);
                column += 1;
            }
        }
    }
}

/// One slice of rows of the weight gradient.
struct Slice {
    rows: usize,
    k: usize,
    n: usize,
    x: *const f32,
    dz: *const f32,
    out: *mut f32,
    is_first: bool,
}

/// Inputs of a tile. Not more: what a row reads of x fits a cache line.
const fn tile_inputs<L: Lanes>(vectors: usize) -> usize {
    if L::ROWS > 6 || vectors == 1 { 12 } else { 6 }
}

impl Slice {
    #[inline(always)]
    unsafe fn panel<L: Lanes, const VECTORS: usize>(&self, inputs: usize, column: usize) {
        let mut input = 0;
        while input < inputs {
            let count = balanced(inputs - input, tile_inputs::<L>(VECTORS));
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
            let mut sums = [[L::splat(0.0); VECTORS]; INPUTS];
            let mut x = self.x.add(input);
            let mut dz = self.dz.add(column);
            for _ in 0..self.rows {
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
                        .add((input + place) * self.n + column + vector * L::N);
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
///
/// # Panics
/// If lengths do not fit.
pub fn bias_gradient(level: Level, dz: &[f32], n: usize, slice_rows: usize, out: &mut [f32]) {
    assert_eq!(dz.len() % n, 0);
    assert_eq!(out.len(), n);
    assert!(slice_rows > 0);
    run_bias_gradient(level, dz, n, slice_rows, out);
}

lanes_at_level!(
    fn run_bias_gradient(dz: &[f32], n: usize, slice_rows: usize, out: &mut [f32]) =
        bias_gradient_body
);

#[inline(always)]
unsafe fn bias_gradient_body<L: Lanes>(dz: &[f32], n: usize, slice_rows: usize, out: &mut [f32]) {
    #[inline(always)]
    unsafe fn column<L: Lanes>(
        place: usize,
        dz: &[f32],
        n: usize,
        slice_rows: usize,
        out: &mut [f32],
    ) {
        // SAFETY: `place` and the lanes after it lie inside a row.
        unsafe {
            let mut total = L::splat(0.0);
            for (number, slice) in dz.chunks(slice_rows * n).enumerate() {
                let mut sum = L::splat(0.0);
                for row in slice.chunks_exact(n) {
                    sum = sum.add(L::load(row.as_ptr().add(place)));
                }
                total = if number == 0 { sum } else { total.add(sum) };
            }
            total.store(out.as_mut_ptr().add(place));
        }
    }
    // SAFETY: places lie inside 0..n.
    unsafe { over_lanes!(L, 0..n, column(dz, n, slice_rows, out)) }
}
