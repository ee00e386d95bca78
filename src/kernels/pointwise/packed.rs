//! Weights in the order in which tiles read them.

use super::super::{Buffer, Level, lanes, zeros};
use super::MOST_VECTORS;
use lanes::Lanes;

/// Rows and columns of a block when packing a transpose: a block's lines stay in the first-level cache.
const BLOCK: usize = 16;

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
                target[..used].copy_from_slice(&row[column..][..used]);
            }
        }
    }

    /// Packs the transpose of row-major `[n][k]` weights.
    ///
    /// # Panics
    /// If the length does not fit.
    pub fn pack_transposed(&mut self, w: &[f32]) {
        assert_eq!(w.len(), self.k * self.n, "weights of another shape");
        self.pack_columns(0, w);
    }

    /// Packs the transpose of some rows of row-major `[n][k]` weights, from row `first` on: columns here.
    ///
    /// # Panics
    /// If they do not fit.
    pub fn pack_columns(&mut self, first: usize, rows: &[f32]) {
        let (k, n, width) = (self.k, self.n, self.panel);
        let count = rows.len() / k;
        assert!(
            rows.len() == count * k && first + count <= n,
            "rows of another shape"
        );
        for block in (0..k).step_by(BLOCK) {
            let height = BLOCK.min(k - block);
            for (row, column) in rows.chunks_exact(k).zip(first..) {
                let (panel, lane) = (column / width, column % width);
                let targets = &mut self.values[(panel * k + block) * width + lane..];
                let source = &row[block..][..height];
                for (target, &value) in targets.iter_mut().step_by(width).zip(source) {
                    *target = value;
                }
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
