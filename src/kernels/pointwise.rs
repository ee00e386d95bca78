//! 1×1 convolution, dense layer, and their gradients: matrix products whose every element is one chain.
//!
//! `y[r, c] = start[c]`, then `fma(x[r, k], w[k, c], ·)` over ascending k. Weights are packed in panels of two
//! vectors so that a tile of rows × panel stays in registers; the rest of the last panel is zeros that are
//! computed and thrown away.

use std::ops::Range;

use super::lanes::Lanes;
use super::level::at_level;
use super::{Level, lanes};

/// Vectors in a panel.
const PANEL_VECTORS: usize = 2;
/// Widest panel, values.
const PANEL_MAX: usize = 32;
/// Values of x in a block of rows, so that it stays in the second-level cache.
const BLOCK_VALUES: usize = 24 * 1024;

/// Weights `[k][n]` in panels.
#[derive(Clone, Debug)]
pub struct PackedWeights {
    k: usize,
    n: usize,
    panel: usize,
    values: Vec<f32>,
}

impl PackedWeights {
    /// Room for `[k][n]` weights at a level; zeros until packed.
    pub fn new(level: Level, k: usize, n: usize) -> Self {
        let panel = PANEL_VECTORS * lanes_of(level);
        Self {
            k,
            n,
            panel,
            values: vec![0.0; n.div_ceil(panel) * k * panel],
        }
    }

    /// Packs row-major `[k][n]` weights.
    ///
    /// # Panics
    /// If the length does not fit.
    pub fn pack(&mut self, w: &[f32]) {
        assert_eq!(w.len(), self.k * self.n);
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
        assert_eq!(w.len(), self.k * self.n);
        let (k, n, width) = (self.k, self.n, self.panel);
        for (panel, values) in self.values.chunks_exact_mut(k * width).enumerate() {
            let first = panel * width;
            let used = width.min(n - first);
            for column in 0..used {
                let source = &w[(first + column) * k..][..k];
                for (row, &value) in source.iter().enumerate() {
                    values[row * width + column] = value;
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

/// `y[rows][n] = epilogue(start + x[rows][k] · w[k][n])`, each element one chain over ascending k.
/// Without `start` the chain begins at +0.
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
    assert_eq!(weights.panel, PANEL_VECTORS * lanes_of(level));
    assert!(start.is_none_or(|start| start.len() == weights.n));
    assert!(epilogue.addend.is_none_or(|addend| addend.len() == y.len()));
    assert!(epilogue.mask.is_none_or(|mask| mask.len() == y.len()));
    run_forward(level, rows, x, weights, start, epilogue, y);
}

at_level!(
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
    let block = (BLOCK_VALUES / k.max(1)).max(2 * L::ROWS) / L::ROWS * L::ROWS;
    let mut first_row = 0;
    while first_row < rows {
        let end_row = rows.min(first_row + block);
        for (panel, values) in weights.values.chunks_exact(k * weights.panel).enumerate() {
            let column = panel * weights.panel;
            let width = weights.panel.min(n - column);
            let mut first = [0.0; PANEL_MAX];
            if let Some(start) = start {
                first[..width].copy_from_slice(&start[column..][..width]);
            }
            let tile = Tile {
                k,
                n,
                width,
                x: x.as_ptr(),
                w: values.as_ptr(),
                first: first.as_ptr(),
                addend: epilogue.addend.map(<[f32]>::as_ptr),
                mask: epilogue.mask.map(<[f32]>::as_ptr),
                relu6: epilogue.relu6,
                y: y.as_mut_ptr(),
            };
            let mut row = first_row;
            while row < end_row {
                // Equal tiles instead of a full one and a crumb.
                let left = end_row - row;
                let count = left.div_ceil(left.div_ceil(L::ROWS));
                // SAFETY: rows row..row+count and columns column..column+width lie inside x, w and y.
                unsafe { tile.rows::<L>(count, row, column) };
                row += count;
            }
        }
        first_row = end_row;
    }
}

/// A panel of the product, with what its tiles share.
struct Tile {
    k: usize,
    n: usize,
    width: usize,
    x: *const f32,
    w: *const f32,
    first: *const f32,
    addend: Option<*const f32>,
    mask: Option<*const f32>,
    relu6: bool,
    y: *mut f32,
}

impl Tile {
    #[inline(always)]
    unsafe fn rows<L: Lanes>(&self, count: usize, row: usize, column: usize) {
        macro_rules! choose {
            ($($rows:literal)*) => {
                match count {
                    // SAFETY: the caller's contract.
                    $($rows => unsafe { self.run::<L, $rows>(row, column) },)*
                    _ => unreachable!("a tile has 1 to {} rows", L::ROWS),
                }
            };
        }
        if L::ROWS <= 6 {
            choose!(1 2 3 4 5 6);
        } else {
            choose!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
        }
    }

    #[inline(always)]
    unsafe fn run<L: Lanes, const ROWS: usize>(&self, row: usize, column: usize) {
        // SAFETY: the tile's rows and columns lie inside the slices; panels are whole.
        unsafe {
            let x = self.x.add(row * self.k);
            let first = [L::load(self.first), L::load(self.first.add(L::N))];
            let mut sums = [first; ROWS];
            let mut w = self.w;
            for at in 0..self.k {
                let low = L::load(w);
                let high = L::load(w.add(L::N));
                w = w.add(PANEL_VECTORS * L::N);
                for (place, sum) in sums.iter_mut().enumerate() {
                    let value = L::splat(*x.add(place * self.k + at));
                    sum[0] = value.fma(low, sum[0]);
                    sum[1] = value.fma(high, sum[1]);
                }
            }
            for (place, sum) in sums.iter().enumerate() {
                let offset = (row + place) * self.n + column;
                if self.width == PANEL_VECTORS * L::N {
                    self.finish(sum[0], offset);
                    self.finish(sum[1], offset + L::N);
                } else {
                    let mut values = [0.0; PANEL_MAX];
                    sum[0].store(values.as_mut_ptr());
                    sum[1].store(values.as_mut_ptr().add(L::N));
                    for (at, &value) in values[..self.width].iter().enumerate() {
                        self.finish::<f32>(value, offset + at);
                    }
                }
            }
        }
    }

    #[inline(always)]
    unsafe fn finish<L: Lanes>(&self, mut value: L, offset: usize) {
        // SAFETY: `offset` and the lanes after it lie inside y and what has its shape.
        unsafe {
            if let Some(addend) = self.addend {
                value = value.add(L::load(addend.add(offset)));
            }
            if self.relu6 {
                value = value.relu6();
            }
            if let Some(mask) = self.mask {
                value = value.where_active(L::load(mask.add(offset)));
            }
            value.store(self.y.add(offset));
        }
    }
}

/// Rows `inputs` of `x[rows][k]ᵀ · dz[rows][n]`: per slice of `slice_rows` rows one chain from +0, slices
/// added in order. `out` is `[inputs.len()][n]`.
///
/// # Panics
/// If lengths do not fit.
pub fn weight_gradient(
    level: Level,
    x: &[f32],
    dz: &[f32],
    k: usize,
    n: usize,
    slice_rows: usize,
    inputs: Range<usize>,
    out: &mut [f32],
) {
    let rows = dz.len() / n;
    assert_eq!(dz.len(), rows * n);
    assert_eq!(x.len(), rows * k);
    assert!(inputs.end <= k && slice_rows > 0);
    assert_eq!(out.len(), inputs.len() * n);
    if rows == 0 {
        out.fill(0.0);
    }
    run_weight_gradient(level, rows, x, dz, k, n, slice_rows, inputs, out);
}

at_level!(
    fn run_weight_gradient(
        rows: usize,
        x: &[f32],
        dz: &[f32],
        k: usize,
        n: usize,
        slice_rows: usize,
        inputs: Range<usize>,
        out: &mut [f32],
    ) = weight_gradient_body
);

#[inline(always)]
unsafe fn weight_gradient_body<L: Lanes>(
    rows: usize,
    x: &[f32],
    dz: &[f32],
    k: usize,
    n: usize,
    slice_rows: usize,
    inputs: Range<usize>,
    out: &mut [f32],
) {
    let mut first_row = 0;
    while first_row < rows {
        let slice = GradientSlice {
            rows: slice_rows.min(rows - first_row),
            k,
            n,
            x: x[first_row * k + inputs.start..].as_ptr(),
            dz: dz[first_row * n..].as_ptr(),
            out: out.as_mut_ptr(),
            is_first: first_row == 0,
        };
        let mut column = 0;
        // SAFETY: inputs and columns lie inside x, dz and out for all rows of the slice.
        unsafe {
            while column + 2 * L::N <= n {
                slice.panel::<L, 2>(inputs.len(), column);
                column += 2 * L::N;
            }
            while column + L::N <= n {
                slice.panel::<L, 1>(inputs.len(), column);
                column += L::N;
            }
            while column < n {
                slice.panel::<f32, 1>(inputs.len(), column);
                column += 1;
            }
        }
        first_row += slice_rows;
    }
}

/// One slice of rows of the weight gradient.
struct GradientSlice {
    rows: usize,
    k: usize,
    n: usize,
    x: *const f32,
    dz: *const f32,
    out: *mut f32,
    is_first: bool,
}

impl GradientSlice {
    #[inline(always)]
    unsafe fn panel<L: Lanes, const VECTORS: usize>(&self, inputs: usize, column: usize) {
        let mut input = 0;
        // SAFETY: the caller's contract.
        unsafe {
            if L::ROWS > 6 {
                while input + 12 <= inputs {
                    self.run::<L, VECTORS, 12>(input, column);
                    input += 12;
                }
            }
            while input + 6 <= inputs {
                self.run::<L, VECTORS, 6>(input, column);
                input += 6;
            }
            while input < inputs {
                self.run::<L, VECTORS, 1>(input, column);
                input += 1;
            }
        }
    }

    #[inline(always)]
    unsafe fn run<L: Lanes, const VECTORS: usize, const INPUTS: usize>(
        &self,
        input: usize,
        column: usize,
    ) {
        // SAFETY: the caller's contract.
        unsafe {
            let mut sums = [[L::splat(0.0); VECTORS]; INPUTS];
            let mut x = self.x.add(input);
            let mut dz = self.dz.add(column);
            for _ in 0..self.rows {
                let mut gradient = [L::splat(0.0); VECTORS];
                for (vector, value) in gradient.iter_mut().enumerate() {
                    *value = L::load(dz.add(vector * L::N));
                }
                for (place, sum) in sums.iter_mut().enumerate() {
                    let value = L::splat(*x.add(place));
                    for vector in 0..VECTORS {
                        sum[vector] = value.fma(gradient[vector], sum[vector]);
                    }
                }
                x = x.add(self.k);
                dz = dz.add(self.n);
            }
            for (place, sum) in sums.iter().enumerate() {
                for (vector, &value) in sum.iter().enumerate() {
                    let at = self
                        .out
                        .add((input + place) * self.n + column + vector * L::N);
                    let total = if self.is_first {
                        value
                    } else {
                        L::load(at).add(value)
                    };
                    total.store(at);
                }
            }
        }
    }
}

/// Sum of `dz[rows][n]` over rows: per slice a chain of additions from +0, slices added in order.
///
/// # Panics
/// If lengths do not fit.
pub fn bias_gradient(level: Level, dz: &[f32], n: usize, slice_rows: usize, out: &mut [f32]) {
    assert_eq!(dz.len() % n, 0);
    assert_eq!(out.len(), n);
    assert!(slice_rows > 0);
    out.fill(0.0);
    run_bias_gradient(level, dz, n, slice_rows, out);
}

at_level!(
    fn run_bias_gradient(dz: &[f32], n: usize, slice_rows: usize, out: &mut [f32]) =
        bias_gradient_body
);

#[inline(always)]
unsafe fn bias_gradient_body<L: Lanes>(dz: &[f32], n: usize, slice_rows: usize, out: &mut [f32]) {
    #[inline(always)]
    unsafe fn column<L: Lanes>(
        place: usize,
        dz: &[f32],
        n: usize,
        slice_rows: usize,
        out: &mut [f32],
    ) {
        // SAFETY: `place` and the lanes after it lie inside a row.
        unsafe {
            let mut total = L::splat(0.0);
            for (number, slice) in dz.chunks(slice_rows * n).enumerate() {
                let mut sum = L::splat(0.0);
                for row in slice.chunks_exact(n) {
                    sum = sum.add(L::load(row.as_ptr().add(place)));
                }
                total = if number == 0 { sum } else { total.add(sum) };
            }
            total.store(out.as_mut_ptr().add(place));
        }
    }
    // SAFETY: places lie inside 0..n.
    unsafe { lanes::over_lanes!(L, 0..n, column(dz, n, slice_rows, out)) }
}
