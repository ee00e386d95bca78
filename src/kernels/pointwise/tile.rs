//! Register tiles of a panel of the product.

use super::super::lanes::{Lanes, prefetch, prefetch_early};
use super::super::tiles::Tiles;
use super::finish::Finish;
use super::{MOST_ROWS, MOST_VECTORS, balanced, tile_rows, with_rows};

/// A panel of the product, with what its tiles share.
pub(super) struct Panel<'a> {
    /// Columns of a packed row.
    pub(super) stride: usize,
    pub(super) x: Tiles<'a>,
    /// Packed weights from the panel's first column on.
    pub(super) w: *const f32,
    /// What each column's chain begins with.
    pub(super) first: *const f32,
    pub(super) finish: Finish,
}

/// Adds the products of a value of each row, `width` values apart, with a row of weights.
#[inline(always)]
unsafe fn add_product<L: Lanes, const VECTORS: usize, const ROWS: usize>(
    sums: &mut [[L; VECTORS]; ROWS],
    x: *const f32,
    width: usize,
    w: *const f32,
) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut weights = [L::splat(0.0); VECTORS];
        for (vector, value) in weights.iter_mut().enumerate() {
            *value = L::load(w.add(vector * L::N));
        }
        for (place, sum) in sums.iter_mut().enumerate() {
            let value = L::splat(*x.add(place * width));
            for vector in 0..VECTORS {
                sum[vector] = value.fma(weights[vector], sum[vector]);
            }
        }
    }
}

/// What arrives in the second-level cache while products are added, a little with each: weights of the next
/// panel, and what the caller works on next.
pub(super) struct Ahead {
    pub(super) at: *const f32,
    pub(super) step: usize,
}

impl Ahead {
    #[inline(always)]
    fn ask(&mut self) {
        prefetch_early(self.at);
        self.at = self.at.wrapping_add(self.step);
    }
}

impl Panel<'_> {
    /// Whole vectors where all columns exist; of the last panel as few lanes as hold what is left.
    #[inline(always)]
    pub(super) unsafe fn rows_of_width<L: Lanes, const FAR: bool>(
        &self,
        first_row: usize,
        end_row: usize,
        next: &mut Ahead,
    ) {
        let has_half = L::Half::N > 1;
        // SAFETY: the caller's contract; the parts lie side by side in the panel.
        unsafe {
            if has_half && self.finish.width <= L::Half::N {
                self.rows::<L::Half, 1, FAR>(first_row, end_row, next);
            } else if self.finish.width <= L::N {
                self.rows::<L, 1, FAR>(first_row, end_row, next);
            } else if has_half && !FAR && self.finish.width == L::N + L::Half::N {
                self.rows_and_half::<L>(first_row, end_row);
            } else if has_half && self.finish.width <= L::N + L::Half::N {
                self.part(0, L::N)
                    .rows::<L, 1, FAR>(first_row, end_row, next);
                self.part(L::N, self.finish.width - L::N)
                    .rows::<L::Half, 1, FAR>(first_row, end_row, next);
            } else {
                self.rows::<L, 2, FAR>(first_row, end_row, next);
            }
        }
    }

    /// `width` columns from the panel's column `from` on.
    #[inline(always)]
    unsafe fn part(&self, from: usize, width: usize) -> Self {
        // SAFETY: the caller's contract.
        unsafe {
            Self {
                w: self.w.add(from),
                first: self.first.add(from),
                finish: Finish {
                    column: self.finish.column + from,
                    width,
                    ..self.finish
                },
                ..*self
            }
        }
    }

    #[inline(always)]
    unsafe fn rows<L: Lanes, const VECTORS: usize, const FAR: bool>(
        &self,
        first_row: usize,
        end_row: usize,
        next: &mut Ahead,
    ) {
        let tiles = (end_row - first_row).div_ceil(tile_rows::<L>(VECTORS));
        let mut weights = Ahead {
            at: self.w.wrapping_add(self.x.columns() * self.stride),
            step: self.stride.div_ceil(tiles),
        };
        let mut row = first_row;
        while row < end_row {
            let count = balanced(end_row - row, tile_rows::<L>(VECTORS));
            // SAFETY: the caller's contract.
            unsafe {
                if FAR {
                    with_rows!(
                        count,
                        tile_rows::<L>(VECTORS),
                        self.far::<L, VECTORS>(row, &mut weights, next)
                    );
                } else {
                    with_rows!(count, tile_rows::<L>(VECTORS), self.near::<L, VECTORS>(row));
                }
            }
            row += count;
        }
    }

    /// Rows of one and a half vectors.
    #[inline(always)]
    unsafe fn rows_and_half<L: Lanes>(&self, first_row: usize, end_row: usize) {
        let mut row = first_row;
        while row < end_row {
            let count = balanced(end_row - row, L::ROWS);
            // SAFETY: the caller's contract.
            unsafe {
                with_rows!(count, L::ROWS, self.near_and_half::<L, 1>(row));
            }
            row += count;
        }
    }

    /// A tile of one and a half vectors a row, whose x is one tile of all columns. The halves of two rows share
    /// a vector, so that nothing is multiplied in vain; the last row of an odd number is its own partner.
    #[inline(always)]
    unsafe fn near_and_half<L: Lanes, const VECTORS: usize, const ROWS: usize>(&self, row: usize) {
        // SAFETY: the tile's rows and columns lie inside the slices; packed rows are whole.
        unsafe {
            self.finish.prefetch::<L, MOST_VECTORS, ROWS>(row);
            let mut sums: [[L; VECTORS]; ROWS] = self.start();
            let half = self.first.add(L::N);
            let mut half_sums = [L::load_halves(half, half); MOST_ROWS / 2];
            let (x, width) = self.x.line(row, 0);
            for at in 0..width {
                let w = self.w.add(at * self.stride);
                let weights = L::load(w);
                let half_weights = L::load_halves(w.add(L::N), w.add(L::N));
                for (pair, half_sum) in half_sums.iter_mut().take(ROWS.div_ceil(2)).enumerate() {
                    let (low, high) = (2 * pair, (2 * pair + 1).min(ROWS - 1));
                    let low_value = L::splat(*x.add(low * width + at));
                    let high_value = L::splat(*x.add(high * width + at));
                    sums[low][0] = low_value.fma(weights, sums[low][0]);
                    if high > low {
                        sums[high][0] = high_value.fma(weights, sums[high][0]);
                    }
                    *half_sum = L::halves(low_value, high_value).fma(half_weights, *half_sum);
                }
            }
            self.finish.whole(sums, row);
            for (pair, &half_sum) in half_sums.iter().take(ROWS.div_ceil(2)).enumerate() {
                let (low, high) = (2 * pair, (2 * pair + 1).min(ROWS - 1));
                self.finish.halves(half_sum, [row + low, row + high], L::N);
            }
        }
    }

    /// A tile whose x is one tile of all columns.
    #[inline(always)]
    unsafe fn near<L: Lanes, const VECTORS: usize, const ROWS: usize>(&self, row: usize) {
        // SAFETY: the tile's rows and columns lie inside the slices; packed rows are whole.
        unsafe {
            self.finish.prefetch::<L, VECTORS, ROWS>(row);
            let mut sums: [[L; VECTORS]; ROWS] = self.start();
            let (x, width) = self.x.line(row, 0);
            let w = self.w;
            for at in 0..width {
                add_product(&mut sums, x.add(at), width, w.add(at * self.stride));
            }
            self.finish.tile(sums, row);
        }
    }

    /// A tile of any x: asks for the next part of x and of the next panel with each product.
    #[inline(always)]
    unsafe fn far<L: Lanes, const VECTORS: usize, const ROWS: usize>(
        &self,
        row: usize,
        weights: &mut Ahead,
        next: &mut Ahead,
    ) {
        // SAFETY: the tile's rows and columns lie inside the slices; packed rows are whole.
        unsafe {
            self.finish.prefetch::<L, VECTORS, ROWS>(row);
            let mut sums: [[L; VECTORS]; ROWS] = self.start();
            let (mut column, mut w) = (0, self.w);
            let (mut x, mut width) = self.x.line(row, 0);
            while width > 0 {
                column += width;
                let (after, after_width) = self.x.line(row, column);
                // These rows of x lie side by side; as many products as they have columns ask for all of them.
                let mut soon = if after_width > 0 {
                    after
                } else {
                    self.x.line(row + ROWS, 0).0
                };
                for at in 0..width {
                    prefetch(soon);
                    soon = soon.wrapping_add(ROWS);
                    weights.ask();
                    next.ask();
                    add_product(&mut sums, x.add(at), width, w);
                    w = w.add(self.stride);
                }
                (x, width) = (after, after_width);
            }
            self.finish.tile(sums, row);
        }
    }

    /// What the chains of a tile begin with.
    #[inline(always)]
    unsafe fn start<L: Lanes, const VECTORS: usize, const ROWS: usize>(
        &self,
    ) -> [[L; VECTORS]; ROWS] {
        let mut start = [unsafe { L::splat(0.0) }; VECTORS];
        for (vector, value) in start.iter_mut().enumerate() {
            // SAFETY: there is a value for every column of a panel.
            unsafe { *value = L::load(self.first.add(vector * L::N)) };
        }
        [start; ROWS]
    }
}
