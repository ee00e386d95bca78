//! Weights in the order in which tiles read them.

use super::super::{Level, lanes};
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
    pub(super) values: Vec<f32>,
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
            values: vec![0.0; n.div_ceil(panel) * k * panel],
        }
    }

    /// Packs row-major `[k][n]` weights.
    ///
    /// # Panics
    /// If the length does not fit.
    pub fn pack(&mut self, w: &[f32]) {
        assert_eq!(w.len(), self.k * self.n, "weights of another shape");
        let (k, n, width) = (self.k, self.n, self.panel);
        for (panel, values) in self.values.chunks_exact_mut(k * width).enumerate() {
            let first = panel * width;
            let used = width.min(n - first);
            for (row, target) in values.chunks_exact_mut(width).enumerate() {
                target[..used].copy_from_slice(&w[row * n + first..][..used]);
            }
        }
    }

    /// Packs the transpose of row-major `[n][k]` weights.
    ///
    /// # Panics
    /// If the length does not fit.
    pub fn pack_transposed(&mut self, w: &[f32]) {
        assert_eq!(w.len(), self.k * self.n, "weights of another shape");
        let (k, n, width) = (self.k, self.n, self.panel);
        for (panel, values) in self.values.chunks_exact_mut(k * width).enumerate() {
            let first = panel * width;
            let used = width.min(n - first);
            for (block, rows) in values.chunks_mut(BLOCK * width).enumerate() {
                let first_row = block * BLOCK;
                let height = rows.len() / width;
                for column in 0..used {
                    let source = &w[(first + column) * k + first_row..][..height];
                    for (target, &value) in rows[column..].iter_mut().step_by(width).zip(source) {
                        *target = value;
                    }
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
