//! Rectangles of a matrix that tasks fill side by side.

use std::marker::PhantomData;
use std::ops::Range;

use rayon::prelude::*;

/// Whether a sum over rows of a batch begins, or goes on from the part before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    /// The first slice is the sum so far.
    New,
    /// Every slice is added to what is there.
    Continued,
}

/// A rectangle of a row-major matrix, to be written by one task while others write theirs.
#[derive(Debug)]
pub struct Block<'a> {
    /// First element of the matrix.
    matrix: *mut f32,
    /// Columns of the matrix.
    stride: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    borrowed: PhantomData<&'a mut [f32]>,
}

// SAFETY: blocks of one matrix never overlap, because they come from splits alone; so each is as good as a
// mutable slice of its own, which can be sent.
unsafe impl Send for Block<'_> {}
// SAFETY: what a shared reference gives away is where the block lies, and pieces in
// [`Block::par_rows`] and [`Block::par_columns`], each once.
unsafe impl Sync for Block<'_> {}

impl<'a> Block<'a> {
    /// All of a matrix with rows of `columns` values.
    ///
    /// # Panics
    /// If the length is no multiple of it.
    pub fn whole(matrix: &'a mut [f32], columns: usize) -> Self {
        assert!(
            columns > 0 && matrix.len().is_multiple_of(columns),
            "rows of {columns} values"
        );
        Self {
            rows: 0..matrix.len() / columns,
            columns: 0..columns,
            stride: columns,
            matrix: matrix.as_mut_ptr(),
            borrowed: PhantomData,
        }
    }

    /// Rows of the matrix that it covers.
    pub fn rows(&self) -> Range<usize> {
        self.rows.clone()
    }

    /// Columns of the matrix that it covers.
    pub fn columns(&self) -> Range<usize> {
        self.columns.clone()
    }

    /// The part above row `row` of the matrix, and the rest.
    ///
    /// # Panics
    /// If the row lies outside.
    pub fn split_rows(self, row: usize) -> (Self, Self) {
        assert!(self.rows.start <= row && row <= self.rows.end);
        let (above, below) = (self.rows.start..row, row..self.rows.end);
        self.split(|block, first| block.rows = if first { above.clone() } else { below.clone() })
    }

    /// The part left of column `column` of the matrix, and the rest.
    ///
    /// # Panics
    /// If the column lies outside.
    pub fn split_columns(self, column: usize) -> (Self, Self) {
        assert!(self.columns.start <= column && column <= self.columns.end);
        let (left, right) = (self.columns.start..column, column..self.columns.end);
        self.split(|block, first| block.columns = if first { left.clone() } else { right.clone() })
    }

    fn split(self, cut: impl Fn(&mut Self, bool)) -> (Self, Self) {
        let mut first = Self {
            rows: self.rows.clone(),
            columns: self.columns.clone(),
            ..self
        };
        let mut second = self;
        cut(&mut first, true);
        cut(&mut second, false);
        (first, second)
    }

    /// The block in pieces of `rows` rows, one task each; the last is what is left.
    ///
    /// # Panics
    /// If `rows` is zero.
    pub fn par_rows(self, rows: usize) -> impl IndexedParallelIterator<Item = Self> {
        let covered = self.rows();
        let pieces = covered.len().div_ceil(rows);
        (0..pieces).into_par_iter().map(move |piece| {
            let first = covered.start + piece * rows;
            // Every index comes once, so that pieces never overlap.
            self.piece(first..covered.end.min(first + rows), self.columns())
        })
    }

    /// The block in pieces of `columns` columns, one task each; the last is what is left.
    ///
    /// # Panics
    /// If `columns` is zero.
    pub fn par_columns(self, columns: usize) -> impl IndexedParallelIterator<Item = Self> {
        let covered = self.columns();
        let pieces = covered.len().div_ceil(columns);
        (0..pieces).into_par_iter().map(move |piece| {
            let first = covered.start + piece * columns;
            // Every index comes once, so that pieces never overlap.
            self.piece(self.rows(), first..covered.end.min(first + columns))
        })
    }

    /// A part of it, which must be given to nobody else.
    fn piece(&self, rows: Range<usize>, columns: Range<usize>) -> Self {
        Self {
            rows,
            columns,
            ..*self
        }
    }

    /// Columns of the matrix.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// Where an element of the matrix is.
    pub(super) fn at(&self, row: usize, column: usize) -> *mut f32 {
        self.matrix.wrapping_add(row * self.stride + column)
    }

    /// Sets every element to zero.
    pub(super) fn clear(&mut self) {
        for row in self.rows() {
            for column in self.columns() {
                // SAFETY: the element is in the block.
                unsafe { *self.at(row, column) = 0.0 };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_cover_a_matrix_without_overlap() {
        let mut matrix: Vec<f32> = vec![1.0; 5 * 7];
        let (above, below) = Block::whole(&mut matrix, 7).split_rows(2);
        let (mut left, right) = below.split_columns(3);
        assert_eq!((above.rows(), above.columns()), (0..2, 0..7));
        assert_eq!((right.rows(), right.columns()), (2..5, 3..7));
        left.clear();
        for (place, &value) in matrix.iter().enumerate() {
            let inside = place / 7 >= 2 && place % 7 < 3;
            assert_eq!(value == 0.0, inside, "element {place}");
        }
    }
}
