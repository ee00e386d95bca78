//! Weights in the order in which tiles read them.

use std::array;
use std::ops::Range;

use super::super::{Buffer, Level, lanes, zeros};
use super::MOST_VECTORS;
use lanes::{LINE, Lanes, prefetch};

/// Weights `[k][n]` in panels: `[⌈n ÷ panel⌉][k][panel]`, the last one filled up with zeros.
#[derive(Clone, Debug)]
pub struct PackedWeights {
    pub(super) k: usize,
    pub(super) n: usize,
    /// Columns of a panel.
    pub(super) panel: usize,
    pub(super) level: Level,
    pub(super) values: Buffer,
}

impl PackedWeights {
    /// Room for `[k][n]` weights at a level; zeros until packed.
    ///
    /// # Panics
    /// If k or n is zero.
    pub fn new(level: Level, k: usize, n: usize) -> Self {
        assert!(k > 0 && n > 0, "weights without elements");
        let lanes = lanes_of(level);
        let panel = if n <= lanes {
            lanes
        } else {
            MOST_VECTORS * lanes
        };
        Self {
            k,
            n,
            panel,
            level,
            values: zeros(n.div_ceil(panel) * k * panel),
        }
    }

    /// Packs row-major `[k][n]` weights.
    ///
    /// # Panics
    /// If the length does not fit.
    pub fn pack(&mut self, w: &[f32]) {
        assert_eq!(w.len(), self.k * self.n, "weights of another shape");
        self.pack_rows(0, w);
    }

    /// Packs some rows of row-major `[k][n]` weights, from row `first` on.
    ///
    /// # Panics
    /// If they do not fit.
    pub fn pack_rows(&mut self, first: usize, rows: &[f32]) {
        let (k, n, width) = (self.k, self.n, self.panel);
        let count = rows.len() / n;
        assert!(
            rows.len() == count * n && first + count <= k,
            "rows of another shape"
        );
        for (panel, values) in self.values.chunks_exact_mut(k * width).enumerate() {
            let column = panel * width;
            let used = width.min(n - column);
            let targets = values[first * width..].chunks_exact_mut(width);
            for (row, target) in rows.chunks_exact(n).zip(targets) {
                for line in (0..width).step_by(LINE) {
                    // The same lines for the next rows.
                    prefetch(target.as_ptr().wrapping_add(count * width + line));
                }
                target[..used].copy_from_slice(&row[column..][..used]);
            }
        }
    }

    /// Packs the transpose of `rows`, which are `[n][k]`.
    ///
    /// # Panics
    /// If they are of another shape.
    pub fn transpose(&mut self, rows: &Self) {
        for panel in 0..self.panels() {
            self.transpose_panel(panel, rows);
        }
    }

    /// Panels of columns.
    pub fn panels(&self) -> usize {
        self.n.div_ceil(self.panel)
    }

    /// Rows of the transpose that are columns of panel `panel`.
    pub fn columns_of(&self, panel: usize) -> Range<usize> {
        let first = panel * self.panel;
        first..self.n.min(first + self.panel)
    }

    /// Packs panel `panel` of the transpose of `rows`, which are `[n][k]`.
    ///
    /// # Panics
    /// If they are of another shape, or there is no such panel.
    pub fn transpose_panel(&mut self, panel: usize, rows: &Self) {
        assert!(
            (rows.k, rows.n) == (self.n, self.k),
            "weights of another shape"
        );
        let columns = self.columns_of(panel);
        let width = self.panel;
        let values = &mut self.values[panel * self.k * width..][..self.k * width];
        // Rows and columns of a panel lie side by side here and there, so that both stay in the first-level cache.
        for (number, target) in values.chunks_mut(rows.panel * width).enumerate() {
            let first = (number * rows.k + columns.start) * rows.panel;
            let source = &rows.values[first..][..columns.len() * rows.panel];
            transpose(source, rows.panel, target, width);
        }
    }
}

/// Rows and columns that are transposed in registers.
const SQUARE: usize = 4;

/// Writes as many columns of `source`, rows of `width` values, as `target` has rows of `target_width` values.
fn transpose(source: &[f32], width: usize, target: &mut [f32], target_width: usize) {
    let rows = source.len() / width;
    for (number, lines) in target.chunks_mut(SQUARE * target_width).enumerate() {
        let column = number * SQUARE;
        let count = lines.len() / target_width;
        for line in (0..lines.len()).step_by(LINE) {
            // The same lines of the next block.
            prefetch(lines.as_ptr().wrapping_add(width * target_width + line));
        }
        let squares = if count == SQUARE { rows / SQUARE } else { 0 };
        for (number, rows) in source
            .chunks_exact(SQUARE * width)
            .take(squares)
            .enumerate()
        {
            let [a, b, c, d]: [&[f32]; SQUARE] =
                array::from_fn(|row| &rows[row * width + column..][..SQUARE]);
            for (lane, line) in lines.chunks_exact_mut(target_width).enumerate() {
                let target = &mut line[number * SQUARE..][..SQUARE];
                target.copy_from_slice(&[a[lane], b[lane], c[lane], d[lane]]);
            }
        }
        for row in squares * SQUARE..rows {
            for lane in 0..count {
                lines[lane * target_width + row] = source[row * width + column + lane];
            }
        }
    }
}

fn lanes_of(level: Level) -> usize {
    match level {
        Level::Scalar => lanes::Plain::N,
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => lanes::Avx2::N,
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => lanes::Avx512::N,
        #[cfg(not(target_arch = "x86_64"))]
        _ => lanes::Plain::N,
    }
}
