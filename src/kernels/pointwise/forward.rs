//! `y = epilogue(start + x · w)` in register tiles.

use super::super::Level;
use super::super::dispatch::lanes_at_level;
use super::super::lanes::{Lanes, MOST_LANES};
use super::{MOST_ROWS, MOST_VECTORS, PackedWeights, balanced, tile_rows, with_rows};

/// Values of x in a block of rows, so that it stays in the second-level cache.
const BLOCK_VALUES: usize = 24 * 1024;
/// Widest panel.
const MOST_COLUMNS: usize = MOST_VECTORS * MOST_LANES;

/// What happens to a result before it is stored, in this order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// Added to the result; of the result's shape.
    pub addend: Option<&'a [f32]>,
    /// Clamped to 0…6.
    pub relu6: bool,
    /// Kept where 0 < mask < 6, else +0; of the result's shape.
    pub mask: Option<&'a [f32]>,
}

/// `y[rows][n] = epilogue(start + x[rows][k] · w[k][n])`: each element is `start[c]`, then
/// `fma(x[r, i], w[i, c], ·)` over ascending i. Without `start` the chain begins at +0.
///
/// # Panics
/// If lengths do not fit, or the weights were packed for another level.
pub fn forward(
    level: Level,
    x: &[f32],
    weights: &PackedWeights,
    start: Option<&[f32]>,
    epilogue: Epilogue<'_>,
    y: &mut [f32],
) {
    let rows = y.len() / weights.n;
    assert_eq!(y.len(), rows * weights.n);
    assert_eq!(x.len(), rows * weights.k);
    assert_eq!(weights.level, level, "weights packed for another level");
    assert!(start.is_none_or(|start| start.len() == weights.n));
    assert!(epilogue.addend.is_none_or(|addend| addend.len() == y.len()));
    assert!(epilogue.mask.is_none_or(|mask| mask.len() == y.len()));
    run_forward(level, rows, x, weights, start, epilogue, y);
}

lanes_at_level!(
    fn run_forward(
        rows: usize,
        x: &[f32],
        weights: &PackedWeights,
        start: Option<&[f32]>,
        epilogue: Epilogue<'_>,
        y: &mut [f32],
    ) = forward_body
);

#[inline(always)]
unsafe fn forward_body<L: Lanes>(
    rows: usize,
    x: &[f32],
    weights: &PackedWeights,
    start: Option<&[f32]>,
    epilogue: Epilogue<'_>,
    y: &mut [f32],
) {
    let (k, n) = (weights.k, weights.n);
    let block = (BLOCK_VALUES / k.max(1)).max(2 * MOST_ROWS);
    let mut first_row = 0;
    while first_row < rows {
        let end_row = rows.min(first_row + block);
        for (number, values) in weights.values.chunks_exact(k * weights.panel).enumerate() {
            let column = number * weights.panel;
            let width = weights.panel.min(n - column);
            let mut first = [0.0; MOST_COLUMNS];
            if let Some(start) = start {
                first[..width].copy_from_slice(&start[column..][..width]);
            }
            let panel = Panel {
                k,
                n,
                column,
                width,
                stride: weights.panel,
                x: x.as_ptr(),
                w: values.as_ptr(),
                first: first.as_ptr(),
                addend: epilogue.addend.map(<[f32]>::as_ptr),
                mask: epilogue.mask.map(<[f32]>::as_ptr),
                relu6: epilogue.relu6,
                y: y.as_mut_ptr(),
            };
            // SAFETY: the rows lie inside x and y, the panel's columns inside w and y.
            unsafe {
                if width > L::N {
                    panel.rows::<L, 2>(first_row, end_row);
                } else {
                    panel.rows::<L, 1>(first_row, end_row);
                }
            }
        }
        first_row = end_row;
    }
}

/// A panel of the product, with what its tiles share.
struct Panel {
    k: usize,
    n: usize,
    /// First column in y.
    column: usize,
    /// Columns that exist.
    width: usize,
    /// Columns of a packed row.
    stride: usize,
    x: *const f32,
    w: *const f32,
    first: *const f32,
    addend: Option<*const f32>,
    mask: Option<*const f32>,
    relu6: bool,
    y: *mut f32,
}

impl Panel {
    #[inline(always)]
    unsafe fn rows<L: Lanes, const VECTORS: usize>(&self, first_row: usize, end_row: usize) {
        let mut row = first_row;
        while row < end_row {
            let count = balanced(end_row - row, tile_rows::<L>(VECTORS));
            // SAFETY: the caller's contract.
            unsafe {
                with_rows!(count, tile_rows::<L>(VECTORS), self.tile::<L, VECTORS>(row));
            }
            row += count;
        }
    }

    #[inline(always)]
    unsafe fn tile<L: Lanes, const VECTORS: usize, const ROWS: usize>(&self, row: usize) {
        // SAFETY: the tile's rows and columns lie inside the slices; packed rows are whole.
        unsafe {
            let x = self.x.add(row * self.k);
            let mut start = [L::splat(0.0); VECTORS];
            for (vector, value) in start.iter_mut().enumerate() {
                *value = L::load(self.first.add(vector * L::N));
            }
            let mut sums = [start; ROWS];
            let mut w = self.w;
            for at in 0..self.k {
                let mut weights = [L::splat(0.0); VECTORS];
                for (vector, value) in weights.iter_mut().enumerate() {
                    *value = L::load(w.add(vector * L::N));
                }
                w = w.add(self.stride);
                for (place, sum) in sums.iter_mut().enumerate() {
                    let value = L::splat(*x.add(place * self.k + at));
                    for vector in 0..VECTORS {
                        sum[vector] = value.fma(weights[vector], sum[vector]);
                    }
                }
            }
            for (place, sum) in sums.iter().enumerate() {
                let offset = (row + place) * self.n + self.column;
                for (vector, &value) in sum.iter().enumerate() {
                    let left = self.width - vector * L::N;
                    self.finish_up_to(value, left, offset + vector * L::N);
                }
            }
        }
    }

    /// Finishes the first `left` lanes.
    #[inline(always)]
    unsafe fn finish_up_to<L: Lanes>(&self, value: L, left: usize, offset: usize) {
        // SAFETY: the caller's contract; no more lanes are used than exist.
        unsafe {
            if left >= L::N {
                self.finish(value, offset);
                return;
            }
            let mut values = [0.0; MOST_LANES];
            value.store(values.as_mut_ptr());
            let mut lane = 0;
            if L::Half::N <= left {
                self.finish(L::Half::load(values.as_ptr()), offset);
                lane = L::Half::N;
            }
            while lane < left {
                self.finish(values[lane], offset + lane);
                lane += 1;
            }
        }
    }

    #[inline(always)]
    unsafe fn finish<L: Lanes>(&self, mut value: L, offset: usize) {
        // SAFETY: `offset` and the lanes after it lie inside y and what has its shape.
        unsafe {
            if let Some(addend) = self.addend {
                value = value.add(L::load(addend.add(offset)));
            }
            if self.relu6 {
                value = value.relu6();
            }
            if let Some(mask) = self.mask {
                value = value.where_active(L::load(mask.add(offset)));
            }
            value.store(self.y.add(offset));
        }
    }
}
