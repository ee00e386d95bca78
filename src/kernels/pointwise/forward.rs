//! `y = epilogue(start + x · w)` in register tiles.

use std::ops::Range;

use super::super::Level;
use super::super::dispatch::lanes_at_level;
use super::super::lanes::{Lanes, MOST_LANES};
use super::super::tiles::Tiles;
use super::finish::Finish;
use super::tile::{Ahead, Panel};
use super::{MOST_COLUMNS, MOST_ROWS, PackedWeights};

/// Values of x in a block of rows, so that it stays in the second-level cache.
const BLOCK_VALUES: usize = 24 * 1024;

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
    run_forward(level, x, weights, 0..weights.n, start, epilogue, None, y);
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
    run_forward(level, x, weights, columns, start, epilogue, Some(next), y);
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
    fn run_forward(
        x: Tiles<'_>,
        weights: &PackedWeights,
        columns: Range<usize>,
        start: Option<&[f32]>,
        epilogue: Epilogue<'_>,
        next: Option<&[f32]>,
        y: &mut [f32],
    ) = near_or_far
);

/// Far where there is something to ask for ahead.
#[inline(always)]
unsafe fn near_or_far<L: Lanes>(
    x: Tiles<'_>,
    weights: &PackedWeights,
    columns: Range<usize>,
    start: Option<&[f32]>,
    epilogue: Epilogue<'_>,
    next: Option<&[f32]>,
    y: &mut [f32],
) {
    // SAFETY: the caller's contract.
    unsafe {
        match next {
            Some(next) => {
                forward_body::<L, true>(x, weights, columns, start, epilogue, next, y);
            }
            None => forward_body::<L, false>(x, weights, columns, start, epilogue, &[], y),
        }
    }
}

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
    // An address that is no memory's costs a walk through the page table each time.
    let at = if next.is_empty() {
        weights.values.as_ptr()
    } else {
        next.as_ptr()
    };
    let mut next = Ahead {
        at,
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
            let finish = Finish {
                n: columns.len(),
                column: from - columns.start,
                width,
                addend: epilogue.addend.map(<[f32]>::as_ptr),
                mask: epilogue.mask.map(<[f32]>::as_ptr),
                relu6: epilogue.relu6,
                y: y.as_mut_ptr(),
            };
            let panel = Panel {
                stride: weights.panel,
                x,
                w: weights.values[number * k * weights.panel + offset..].as_ptr(),
                first: first.as_ptr(),
                finish,
            };
            // SAFETY: the rows lie inside x and y, the panel's columns inside w and y; where a panel does not
            // begin with its first column, one vector is left of it.
            unsafe { panel.rows_of_width::<L, FAR>(first_row, end_row, &mut next) }
            from += width;
        }
        first_row = end_row;
    }
}
