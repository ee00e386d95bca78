//! `y = epilogue(start + x · w)` in register tiles.

use super::super::Level;
use super::super::dispatch::lanes_at_level;
use super::super::lanes::{LINE, Lanes, MOST_LANES, prefetch};
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
            unsafe { panel.rows_of_width::<L>(first_row, end_row) }
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
    /// Whole vectors where all columns exist; of the last panel as few lanes as hold what is left.
    #[inline(always)]
    unsafe fn rows_of_width<L: Lanes>(&self, first_row: usize, end_row: usize) {
        let has_half = L::Half::N > 1;
        // SAFETY: the caller's contract; the parts lie side by side in the panel.
        unsafe {
            if has_half && self.width <= L::Half::N {
                self.rows::<L::Half, 1>(first_row, end_row);
            } else if self.width <= L::N {
                self.rows::<L, 1>(first_row, end_row);
            } else if has_half && self.width <= L::N + L::Half::N {
                self.part(0, L::N).rows::<L, 1>(first_row, end_row);
                self.part(L::N, self.width - L::N)
                    .rows::<L::Half, 1>(first_row, end_row);
            } else {
                self.rows::<L, 2>(first_row, end_row);
            }
        }
    }

    /// `width` columns from the panel's column `from` on.
    #[inline(always)]
    unsafe fn part(&self, from: usize, width: usize) -> Self {
        // SAFETY: the caller's contract.
        unsafe {
            Self {
                column: self.column + from,
                width,
                w: self.w.add(from),
                first: self.first.add(from),
                ..*self
            }
        }
    }

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
            self.prefetch_finish::<L, VECTORS, ROWS>(row);
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
            if self.width == VECTORS * L::N {
                self.finish_tile(sums, row);
            } else {
                let mut values = [[0.0; MOST_COLUMNS]; ROWS];
                for (place, sum) in sums.iter().enumerate() {
                    for (vector, value) in sum.iter().enumerate() {
                        value.store(values[place][vector * L::N..].as_mut_ptr());
                    }
                }
                self.finish_part(&values, row);
            }
        }
    }

    /// Asks for what the tile is finished with, so that it arrives while the sums are made.
    #[inline(always)]
    unsafe fn prefetch_finish<L: Lanes, const VECTORS: usize, const ROWS: usize>(
        &self,
        row: usize,
    ) {
        for of_shape in [self.addend, self.mask].into_iter().flatten() {
            for place in 0..ROWS {
                let first = of_shape.wrapping_add((row + place) * self.n + self.column);
                for line in (0..VECTORS * L::N).step_by(LINE) {
                    prefetch(first.wrapping_add(line));
                }
            }
        }
    }

    /// Finishes a tile whose columns all exist. Step by step over the whole tile, so that the sums stay in
    /// registers and nothing is decided for each of them.
    #[inline(always)]
    unsafe fn finish_tile<L: Lanes, const VECTORS: usize, const ROWS: usize>(
        &self,
        mut sums: [[L; VECTORS]; ROWS],
        row: usize,
    ) {
        let first = row * self.n + self.column;
        // SAFETY: the tile's rows and columns lie inside y and what has its shape.
        unsafe {
            if let Some(addend) = self.addend {
                for (place, sum) in sums.iter_mut().enumerate() {
                    for (vector, value) in sum.iter_mut().enumerate() {
                        let at = first + place * self.n + vector * L::N;
                        *value = value.add(L::load(addend.add(at)));
                    }
                }
            }
            if self.relu6 {
                // Nested, because the compiler unrolls that and no flattened loop.
                for sum in &mut sums {
                    for value in sum {
                        *value = value.relu6();
                    }
                }
            }
            if let Some(mask) = self.mask {
                for (place, sum) in sums.iter_mut().enumerate() {
                    for (vector, value) in sum.iter_mut().enumerate() {
                        let at = first + place * self.n + vector * L::N;
                        *value = value.where_active(L::load(mask.add(at)));
                    }
                }
            }
            for (place, sum) in sums.iter().enumerate() {
                for (vector, value) in sum.iter().enumerate() {
                    value.store(self.y.add(first + place * self.n + vector * L::N));
                }
            }
        }
    }

    /// Finishes a tile of the last panel, some of whose columns do not exist: value by value, in one function
    /// for all shapes of tiles, because it is rare and long.
    #[inline(never)]
    unsafe fn finish_part(&self, values: &[[f32; MOST_COLUMNS]], row: usize) {
        for (place, values) in values.iter().enumerate() {
            let first = (row + place) * self.n + self.column;
            for (column, value) in values[..self.width].iter().enumerate() {
                let at = first + column;
                let mut value = *value;
                // SAFETY: no more columns are used than exist.
                unsafe {
                    if let Some(addend) = self.addend {
                        value = value.add(*addend.add(at));
                    }
                    if self.relu6 {
                        value = value.relu6();
                    }
                    if let Some(mask) = self.mask {
                        value = value.where_active(*mask.add(at));
                    }
                    value.store(self.y.add(at));
                }
            }
        }
    }
}
