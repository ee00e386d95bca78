//! `y = epilogue(start + x · w)` in register tiles.

use std::ops::Range;

use super::super::Level;
use super::super::dispatch::lanes_at_level;
use super::super::lanes::{LINE, Lanes, MOST_LANES, prefetch, prefetch_early};
use super::super::tiles::Tiles;
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
    let x = Tiles::whole(x, weights.k);
    check(level, x, weights, &(0..weights.n), start, epilogue, y);
    run_near(level, x, weights, 0..weights.n, start, epilogue, &[], y);
}

/// Columns `columns` of what [`forward`] computes: y and what has its shape hold these alone, `start` holds all.
/// Operands come from memory; so does `next`, which is asked for meanwhile: what the caller works on then.
///
/// # Panics
/// If lengths do not fit, the weights were packed for another level, or the columns begin inside a vector.
pub fn forward_columns(
    level: Level,
    x: Tiles<'_>,
    weights: &PackedWeights,
    columns: Range<usize>,
    start: Option<&[f32]>,
    epilogue: Epilogue<'_>,
    next: &[f32],
    y: &mut [f32],
) {
    check(level, x, weights, &columns, start, epilogue, y);
    run_far(level, x, weights, columns, start, epilogue, next, y);
}

fn check(
    level: Level,
    x: Tiles<'_>,
    weights: &PackedWeights,
    columns: &Range<usize>,
    start: Option<&[f32]>,
    epilogue: Epilogue<'_>,
    y: &[f32],
) {
    assert_eq!(x.columns(), weights.k);
    assert_eq!(y.len(), x.count() * columns.len());
    assert!(columns.start <= columns.end && columns.end <= weights.n);
    assert!(
        columns.start.is_multiple_of(MOST_LANES),
        "columns from {} on",
        columns.start
    );
    assert_eq!(weights.level, level, "weights packed for another level");
    assert!(start.is_none_or(|start| start.len() == weights.n));
    assert!(epilogue.addend.is_none_or(|addend| addend.len() == y.len()));
    assert!(epilogue.mask.is_none_or(|mask| mask.len() == y.len()));
}

lanes_at_level!(
    fn run_near(
        x: Tiles<'_>,
        weights: &PackedWeights,
        columns: Range<usize>,
        start: Option<&[f32]>,
        epilogue: Epilogue<'_>,
        next: &[f32],
        y: &mut [f32],
    ) = forward_body[false]
);

lanes_at_level!(
    fn run_far(
        x: Tiles<'_>,
        weights: &PackedWeights,
        columns: Range<usize>,
        start: Option<&[f32]>,
        epilogue: Epilogue<'_>,
        next: &[f32],
        y: &mut [f32],
    ) = forward_body[true]
);

/// `FAR`: x and weights come from memory or the last cache. Where they are near, asking for them ahead would
/// cost more than it saves.
#[inline(always)]
unsafe fn forward_body<L: Lanes, const FAR: bool>(
    x: Tiles<'_>,
    weights: &PackedWeights,
    columns: Range<usize>,
    start: Option<&[f32]>,
    epilogue: Epilogue<'_>,
    next: &[f32],
    y: &mut [f32],
) {
    let (k, rows) = (weights.k, x.count());
    let block = (BLOCK_VALUES / k.max(1)).max(2 * MOST_ROWS);
    let products = rows.div_ceil(MOST_ROWS) * columns.len().div_ceil(weights.panel) * k;
    let mut next = Ahead {
        at: next.as_ptr(),
        step: next.len().div_ceil(products.max(1)),
    };
    let mut first_row = 0;
    while first_row < rows {
        let end_row = rows.min(first_row + block);
        let mut from = columns.start;
        while from < columns.end {
            let (number, offset) = (from / weights.panel, from % weights.panel);
            let width = (weights.panel - offset).min(columns.end - from);
            let mut first = [0.0; MOST_COLUMNS];
            if let Some(start) = start {
                first[..width].copy_from_slice(&start[from..][..width]);
            }
            let panel = Panel {
                n: columns.len(),
                column: from - columns.start,
                width,
                stride: weights.panel,
                x,
                w: weights.values[number * k * weights.panel + offset..].as_ptr(),
                first: first.as_ptr(),
                addend: epilogue.addend.map(<[f32]>::as_ptr),
                mask: epilogue.mask.map(<[f32]>::as_ptr),
                relu6: epilogue.relu6,
                y: y.as_mut_ptr(),
            };
            // SAFETY: the rows lie inside x and y, the panel's columns inside w and y; where a panel does not
            // begin with its first column, one vector is left of it.
            unsafe { panel.rows_of_width::<L, FAR>(first_row, end_row, &mut next) }
            from += width;
        }
        first_row = end_row;
    }
}

/// A panel of the product, with what its tiles share.
struct Panel<'a> {
    /// Columns of y.
    n: usize,
    /// First column in y.
    column: usize,
    /// Columns that exist.
    width: usize,
    /// Columns of a packed row.
    stride: usize,
    x: Tiles<'a>,
    w: *const f32,
    first: *const f32,
    addend: Option<*const f32>,
    mask: Option<*const f32>,
    relu6: bool,
    y: *mut f32,
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
struct Ahead {
    at: *const f32,
    step: usize,
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
    unsafe fn rows_of_width<L: Lanes, const FAR: bool>(
        &self,
        first_row: usize,
        end_row: usize,
        next: &mut Ahead,
    ) {
        let has_half = L::Half::N > 1;
        // SAFETY: the caller's contract; the parts lie side by side in the panel.
        unsafe {
            if has_half && self.width <= L::Half::N {
                self.rows::<L::Half, 1, FAR>(first_row, end_row, next);
            } else if self.width <= L::N {
                self.rows::<L, 1, FAR>(first_row, end_row, next);
            } else if has_half && self.width <= L::N + L::Half::N {
                self.part(0, L::N)
                    .rows::<L, 1, FAR>(first_row, end_row, next);
                self.part(L::N, self.width - L::N)
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
                column: self.column + from,
                width,
                w: self.w.add(from),
                first: self.first.add(from),
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

    /// A tile whose x is one tile of all columns.
    #[inline(always)]
    unsafe fn near<L: Lanes, const VECTORS: usize, const ROWS: usize>(&self, row: usize) {
        // SAFETY: the tile's rows and columns lie inside the slices; packed rows are whole.
        unsafe {
            self.prefetch_finish::<L, VECTORS, ROWS>(row);
            let mut sums: [[L; VECTORS]; ROWS] = self.start();
            let (x, width) = self.x.line(row, 0);
            let w = self.w;
            for at in 0..width {
                add_product(&mut sums, x.add(at), width, w.add(at * self.stride));
            }
            self.finish(sums, row);
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
            self.prefetch_finish::<L, VECTORS, ROWS>(row);
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
            self.finish(sums, row);
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

    /// Finishes a tile.
    #[inline(always)]
    unsafe fn finish<L: Lanes, const VECTORS: usize, const ROWS: usize>(
        &self,
        sums: [[L; VECTORS]; ROWS],
        row: usize,
    ) {
        // SAFETY: the caller's contract.
        unsafe {
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
