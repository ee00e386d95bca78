//! The 3×3 convolution with stride 2 on a picture of three channels, and its weight gradient.
//! Taps outside the image are skipped.

use std::ops::Range;

use super::Level;
use super::block::{Block, Sum};
use super::dispatch::lanes_at_level;
use super::lanes::{LINE, Lanes, over_lanes, prefetch};

const SIDE: usize = 3;
const STRIDE: usize = 2;
/// Channels of a picture.
const COLOURS: usize = 3;
/// Weights of an output channel.
pub const TAPS: usize = SIDE * SIDE * COLOURS;

/// Sizes of the first convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows of the picture.
    pub height: usize,
    /// Columns of the picture.
    pub width: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Rows of the output.
    pub out_height: usize,
    /// Columns of the output.
    pub out_width: usize,
}

impl Shape {
    /// Padding "same" as TensorFlow has it: for even sizes 0 before and 1 after, for odd ones 1 and 1.
    pub fn keras(height: usize, width: usize, out_channels: usize) -> Self {
        Self {
            height,
            width,
            out_channels,
            out_height: height.div_ceil(STRIDE),
            out_width: width.div_ceil(STRIDE),
        }
    }

    /// The kernels read and write through pointers computed from a shape: it must be one of Keras'.
    fn check(&self) {
        assert!(
            self.height * self.width * self.out_channels > 0,
            "an empty picture"
        );
        let keras = Self::keras(self.height, self.width, self.out_channels);
        assert_eq!(*self, keras, "a shape that does not fit itself");
    }

    /// Rows and columns of padding before the picture.
    ///
    /// # Panics
    /// If they differ.
    pub fn pad_before(&self) -> usize {
        assert_eq!(
            self.height % STRIDE,
            self.width % STRIDE,
            "one padding for both axes"
        );
        self.height % STRIDE
    }

    /// Values of a picture.
    pub fn input_len(&self) -> usize {
        self.height * self.width * COLOURS
    }

    /// Values of its output.
    pub fn output_len(&self) -> usize {
        self.out_height * self.out_width * self.out_channels
    }

    /// Taps along an axis of `len` that meet the picture at output `out`, and the input of tap 0.
    #[inline(always)]
    fn taps(out: usize, len: usize) -> (Range<usize>, isize) {
        let origin = (out * STRIDE) as isize - (len % 2) as isize;
        let first = usize::from(origin < 0);
        (first..SIDE.min((len as isize - origin) as usize), origin)
    }
}

/// `y = bias`, then `fma(x, w, ·)` over taps in the picture in order of (ky, kx, colour); then ReLU6.
/// One picture; `w` is `[27][n]`.
///
/// # Panics
/// If lengths do not fit.
pub fn forward(level: Level, shape: &Shape, x: &[f32], w: &[f32], bias: &[f32], y: &mut [f32]) {
    forward_rows(level, shape, 0..shape.out_height, x, w, bias, y);
}

/// Rows `rows` of the output of [`forward`], in `y`.
///
/// # Panics
/// If lengths do not fit.
pub fn forward_rows(
    level: Level,
    shape: &Shape,
    rows: Range<usize>,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    y: &mut [f32],
) {
    shape.check();
    assert_eq!(x.len(), shape.input_len());
    assert!(rows.end <= shape.out_height);
    assert_eq!(y.len(), rows.len() * shape.out_width * shape.out_channels);
    assert_eq!(w.len(), TAPS * shape.out_channels);
    assert_eq!(bias.len(), shape.out_channels);
    run_forward(level, shape, rows, x, w, bias, y);
}

lanes_at_level!(
    fn run_forward(
        shape: &Shape,
        rows: Range<usize>,
        x: &[f32],
        w: &[f32],
        bias: &[f32],
        y: &mut [f32],
    ) = forward_body
);

#[inline(always)]
unsafe fn forward_body<L: Lanes>(
    shape: &Shape,
    rows: Range<usize>,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    y: &mut [f32],
) {
    let n = shape.out_channels;
    for (row, y) in rows.zip(y.chunks_exact_mut(shape.out_width * n)) {
        let (taps, origin) = Shape::taps(row, shape.height);
        let line = Line {
            shape,
            taps,
            origin,
            x: x.as_ptr(),
            w: w.as_ptr(),
            bias: bias.as_ptr(),
            y: y.as_mut_ptr(),
        };
        let mut channel = 0;
        // SAFETY: channels lie inside 0..n, the row inside the output.
        unsafe {
            while channel + 2 * L::N <= n {
                // As many sums as registers hold beside the operands.
                if L::ROWS > 6 {
                    line.pixels::<L, 2, 10>(channel);
                } else {
                    line.pixels::<L, 2, 6>(channel);
                }
                channel += 2 * L::N;
            }
            over_lanes!(L, channel..n, pixels_of(&line));
        }
    }
}

#[inline(always)]
unsafe fn pixels_of<L: Lanes>(channel: usize, line: &Line<'_>) {
    // SAFETY: the caller's contract.
    unsafe { line.pixels::<L, 1, 8>(channel) }
}

/// So many rows of the output before it is read a picture is asked for: it comes from memory.
const ROWS_AHEAD: usize = 4;

/// A row of the output.
struct Line<'a> {
    shape: &'a Shape,
    /// Tap rows that meet the picture.
    taps: Range<usize>,
    /// Row of the picture that tap 0 reads.
    origin: isize,
    x: *const f32,
    w: *const f32,
    bias: *const f32,
    y: *mut f32,
}

impl Line<'_> {
    /// All pixels of `VECTORS` vectors of channels from `channel` on, `PIXELS` side by side.
    #[inline(always)]
    unsafe fn pixels<L: Lanes, const VECTORS: usize, const PIXELS: usize>(&self, channel: usize) {
        let width = self.shape.width;
        let is_inside = |column: usize| Shape::taps(column, width).0.len() == SIDE;
        let mut column = 0;
        while column < self.shape.out_width {
            let end = column + PIXELS;
            // SAFETY: the caller's contract; the taps that are passed meet the picture.
            unsafe {
                if end <= self.shape.out_width && is_inside(column) && is_inside(end - 1) {
                    self.tile::<L, VECTORS, PIXELS>(channel, column, 0..SIDE);
                    column = end;
                } else {
                    self.tile::<L, VECTORS, 1>(channel, column, Shape::taps(column, width).0);
                    column += 1;
                }
            }
        }
    }

    /// Asks for `len` values of the rows of the picture that a row of the output further down reads first.
    #[inline(always)]
    fn prefetch(&self, column: isize, len: usize) {
        let first = self.origin + (ROWS_AHEAD * STRIDE) as isize;
        for row in first..first + STRIDE as isize {
            let at = (row * self.shape.width as isize + column) * COLOURS as isize;
            for line in (0..len).step_by(LINE) {
                prefetch(self.x.wrapping_offset(at + line as isize));
            }
        }
    }

    /// `COUNT` neighbouring pixels, of all of which tap columns `columns` meet the picture.
    #[inline(always)]
    unsafe fn tile<L: Lanes, const VECTORS: usize, const COUNT: usize>(
        &self,
        channel: usize,
        column: usize,
        columns: Range<usize>,
    ) {
        let n = self.shape.out_channels;
        let (_, origin_x) = Shape::taps(column, self.shape.width);
        // SAFETY: the caller's contract.
        unsafe {
            self.prefetch(origin_x, COUNT * STRIDE * COLOURS);
            let start: [L; VECTORS] =
                std::array::from_fn(|vector| L::load(self.bias.add(channel + vector * L::N)));
            let mut sums = [start; COUNT];
            for ky in self.taps.clone() {
                let line = (self.origin + ky as isize) as usize * self.shape.width;
                for kx in columns.clone() {
                    let at = (line + (origin_x + kx as isize) as usize) * COLOURS;
                    for colour in 0..COLOURS {
                        let tap = (ky * SIDE + kx) * COLOURS + colour;
                        let w = self.w.add(tap * n + channel);
                        let weights: [L; VECTORS] =
                            std::array::from_fn(|vector| L::load(w.add(vector * L::N)));
                        let from = self.x.add(at + colour);
                        for (pixel, sums) in sums.iter_mut().enumerate() {
                            let value = L::splat(*from.add(pixel * STRIDE * COLOURS));
                            for (sum, weight) in sums.iter_mut().zip(weights) {
                                *sum = value.fma(weight, *sum);
                            }
                        }
                    }
                }
            }
            for (pixel, sums) in sums.iter().enumerate() {
                for (vector, sum) in sums.iter().enumerate() {
                    let at = (column + pixel) * n + channel + vector * L::N;
                    sum.relu6().store(self.y.add(at));
                }
            }
        }
    }
}

/// Gradient of the kernel over `images` pictures: per slice of whole images one chain from +0 over output
/// pixels in order (taps outside skipped), slices added in order. `out` is `[27][n]`: all rows and some columns
/// of a matrix.
///
/// # Panics
/// If lengths do not fit.
pub fn weight_gradient(
    level: Level,
    shape: &Shape,
    images: usize,
    x: &[f32],
    dz: &[f32],
    slice_images: usize,
    sum: Sum,
    mut out: Block<'_>,
) {
    shape.check();
    assert_eq!(x.len(), images * shape.input_len());
    assert_eq!(dz.len(), images * shape.output_len());
    assert_eq!(out.rows(), 0..TAPS);
    assert_eq!(out.columns().len(), shape.out_channels);
    assert!(slice_images > 0);
    if images == 0 && sum == Sum::New {
        out.clear();
    }
    run_weight_gradient(level, shape, images, x, dz, slice_images, sum, &out);
}

lanes_at_level!(
    fn run_weight_gradient(
        shape: &Shape,
        images: usize,
        x: &[f32],
        dz: &[f32],
        slice_images: usize,
        sum: Sum,
        out: &Block<'_>,
    ) = weight_gradient_body
);

#[inline(always)]
unsafe fn weight_gradient_body<L: Lanes>(
    shape: &Shape,
    images: usize,
    x: &[f32],
    dz: &[f32],
    slice_images: usize,
    sum: Sum,
    out: &Block<'_>,
) {
    for image in (0..images).step_by(slice_images) {
        let slice = image..images.min(image + slice_images);
        let is_first = image == 0 && sum == Sum::New;
        for ky in 0..SIDE {
            // SAFETY: channels lie inside 0..n.
            unsafe {
                over_lanes!(
                    L,
                    0..shape.out_channels,
                    weight_gradient_slice(ky, slice.clone(), shape, x, dz, is_first, out)
                );
            }
        }
    }
}

#[inline(always)]
unsafe fn weight_gradient_slice<L: Lanes>(
    channel: usize,
    ky: usize,
    images: Range<usize>,
    shape: &Shape,
    x: &[f32],
    dz: &[f32],
    is_first: bool,
    out: &Block<'_>,
) {
    let n = shape.out_channels;
    // SAFETY: every tap that is used lies inside its picture.
    unsafe {
        let mut sums = [L::splat(0.0); SIDE * COLOURS];
        for image in images {
            let x = x.as_ptr().add(image * shape.input_len());
            let dz = dz.as_ptr().add(image * shape.output_len() + channel);
            for row in 0..shape.out_height {
                let (rows, origin_y) = Shape::taps(row, shape.height);
                if !rows.contains(&ky) {
                    continue;
                }
                let line = (origin_y + ky as isize) as usize * shape.width;
                for column in 0..shape.out_width {
                    let (columns, origin_x) = Shape::taps(column, shape.width);
                    let gradient = L::load(dz.add((row * shape.out_width + column) * n));
                    for kx in columns {
                        let at = (line + (origin_x + kx as isize) as usize) * COLOURS;
                        for colour in 0..COLOURS {
                            let sum = &mut sums[kx * COLOURS + colour];
                            *sum = L::splat(*x.add(at + colour)).fma(gradient, *sum);
                        }
                    }
                }
            }
        }
        for (tap, &sum) in sums.iter().enumerate() {
            let at = out.at(ky * SIDE * COLOURS + tap, out.columns().start + channel);
            let total = if is_first { sum } else { L::load(at).add(sum) };
            total.store(at);
        }
    }
}
