//! Matrices whose columns lie tile by tile.

use std::ops::Range;

use super::lanes::{LINE, prefetch};

/// Rows of a matrix that lies in tiles of columns, `[⌈columns ÷ width⌉][height][width]`; the last tile is as
/// wide as what is left. A matrix as it usually lies is one tile of all its columns.
#[derive(Clone, Copy, Debug)]
pub struct Tiles<'a> {
    values: &'a [f32],
    columns: usize,
    width: usize,
    /// Rows of the matrix.
    height: usize,
    /// Rows that are meant: so many from `first` on.
    first: usize,
    count: usize,
}

impl<'a> Tiles<'a> {
    /// All rows of a matrix of `columns` columns in tiles of `width`.
    ///
    /// # Panics
    /// If there are no columns, or the length is no multiple of them.
    pub fn new(values: &'a [f32], columns: usize, width: usize) -> Self {
        assert!(
            columns > 0 && width > 0 && values.len().is_multiple_of(columns),
            "rows of {columns} values"
        );
        let height = values.len() / columns;
        Self {
            values,
            columns,
            width: width.min(columns),
            height,
            first: 0,
            count: height,
        }
    }

    /// A matrix as it usually lies: `[height][columns]`.
    ///
    /// # Panics
    /// As [`Tiles::new`].
    pub fn whole(values: &'a [f32], columns: usize) -> Self {
        Self::new(values, columns, columns)
    }

    /// Some of these rows.
    ///
    /// # Panics
    /// If there are not so many.
    #[must_use]
    pub fn rows(self, rows: Range<usize>) -> Self {
        assert!(rows.start <= rows.end && rows.end <= self.count);
        Self {
            first: self.first + rows.start,
            count: rows.len(),
            ..self
        }
    }

    /// These rows of tile `number`, side by side.
    ///
    /// # Panics
    /// If there is no such tile.
    pub fn tile(self, number: usize) -> &'a [f32] {
        let column = number * self.width;
        assert!(column < self.columns, "tile {number}");
        let width = self.width.min(self.columns - column);
        &self.values[column * self.height + self.first * width..][..self.count * width]
    }

    /// Number of these rows.
    pub fn count(self) -> usize {
        self.count
    }

    /// Columns of the matrix.
    pub fn columns(self) -> usize {
        self.columns
    }

    /// Where row `row` of the tile that begins with column `column` is, and the tile's width: 0 behind the last.
    #[inline(always)]
    pub(super) fn line(self, row: usize, column: usize) -> (*const f32, usize) {
        let width = self.width.min(self.columns - column);
        let offset = column * self.height + (self.first + row) * width;
        (self.values.as_ptr().wrapping_add(offset), width)
    }
}

/// So many rows before they are copied they are asked for.
const ROWS_AHEAD: usize = 16;

/// Copies columns `columns` of a matrix `[rows][stride]` to `tile`, `[rows][columns]`.
///
/// # Panics
/// If lengths do not fit.
pub fn copy_columns(matrix: &[f32], stride: usize, columns: Range<usize>, tile: &mut [f32]) {
    assert!(columns.start < columns.end && columns.end <= stride);
    assert_eq!(matrix.len() / stride, tile.len() / columns.len());
    let targets = tile.chunks_exact_mut(columns.len());
    for (row, target) in matrix.chunks_exact(stride).zip(targets) {
        let row = &row[columns.clone()];
        for line in (0..row.len()).step_by(LINE) {
            // Rows lie far apart: the machine by itself fetches only what lies side by side.
            prefetch(row.as_ptr().wrapping_add(ROWS_AHEAD * stride + line));
        }
        target.copy_from_slice(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_hold_their_columns() {
        // [3][5] in tiles of 2 columns: value 10·row + column.
        let values = [
            0.0, 1.0, 10.0, 11.0, 20.0, 21.0, 2.0, 3.0, 12.0, 13.0, 22.0, 23.0, 4.0, 14.0, 24.0,
        ];
        let tiles = Tiles::new(&values, 5, 2);
        assert_eq!(tiles.count(), 3);
        assert_eq!(tiles.tile(1), [2.0, 3.0, 12.0, 13.0, 22.0, 23.0]);
        let below = tiles.rows(1..3);
        assert_eq!(below.tile(2), [14.0, 24.0]);
        assert_eq!(below.rows(1..2).tile(0), [20.0, 21.0]);
        assert_eq!(Tiles::whole(&values, 5).tile(0), values);
    }

    #[test]
    fn columns_are_copied() {
        let matrix = [0.0, 1.0, 2.0, 10.0, 11.0, 12.0];
        let mut tile = [f32::NAN; 4];
        copy_columns(&matrix, 3, 1..3, &mut tile);
        assert_eq!(tile, [1.0, 2.0, 11.0, 12.0]);
    }
}
