//! What happens to the sums of a tile before they are stored.

use super::super::lanes::{Lanes, prefetch_tile};
use super::MOST_COLUMNS;

/// Where sums of a panel go, and what is done with them before: see [`Epilogue`](super::Epilogue).
#[derive(Clone, Copy)]
pub(super) struct Finish {
    /// Columns of y.
    pub(super) n: usize,
    /// First column of the panel in y.
    pub(super) column: usize,
    /// Columns of the panel that exist.
    pub(super) width: usize,
    pub(super) addend: Option<*const f32>,
    pub(super) mask: Option<*const f32>,
    pub(super) relu6: bool,
    pub(super) y: *mut f32,
}

impl Finish {
    /// Asks for what a tile is finished with, so that it arrives while the sums are made.
    #[inline(always)]
    pub(super) unsafe fn prefetch<L: Lanes, const VECTORS: usize, const ROWS: usize>(
        &self,
        row: usize,
    ) {
        let first = row * self.n + self.column;
        for of_shape in [self.addend, self.mask].into_iter().flatten() {
            prefetch_tile::<L, VECTORS, ROWS>(of_shape.wrapping_add(first), self.n);
        }
    }

    /// Finishes a tile.
    #[inline(always)]
    pub(super) unsafe fn tile<L: Lanes, const VECTORS: usize, const ROWS: usize>(
        &self,
        sums: [[L; VECTORS]; ROWS],
        row: usize,
    ) {
        // SAFETY: the caller's contract.
        unsafe {
            if self.width == VECTORS * L::N {
                self.whole(sums, row);
            } else {
                let mut values = [[0.0; MOST_COLUMNS]; ROWS];
                for (place, sum) in sums.iter().enumerate() {
                    for (vector, value) in sum.iter().enumerate() {
                        value.store(values[place][vector * L::N..].as_mut_ptr());
                    }
                }
                self.part(&values, row);
            }
        }
    }

    /// Finishes a tile whose columns all exist. Step by step over the whole tile, so that the sums stay in
    /// registers and nothing is decided for each of them.
    #[inline(always)]
    pub(super) unsafe fn whole<L: Lanes, const VECTORS: usize, const ROWS: usize>(
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

    /// Finishes half a vector in each of two rows, from the panel's column `from` on.
    #[inline(always)]
    pub(super) unsafe fn halves<L: Lanes>(&self, mut value: L, rows: [usize; 2], from: usize) {
        let [low, high] = rows.map(|row| row * self.n + self.column + from);
        // SAFETY: the places lie inside y and what has its shape.
        unsafe {
            if let Some(addend) = self.addend {
                value = value.add(L::load_halves(addend.add(low), addend.add(high)));
            }
            if self.relu6 {
                value = value.relu6();
            }
            if let Some(mask) = self.mask {
                value = value.where_active(L::load_halves(mask.add(low), mask.add(high)));
            }
            value.store_halves(self.y.add(low), self.y.add(high));
        }
    }

    /// Finishes a tile of the last panel, some of whose columns do not exist: value by value, in one function
    /// for all shapes of tiles, because it is rare and long.
    #[inline(never)]
    unsafe fn part(&self, values: &[[f32; MOST_COLUMNS]], row: usize) {
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
