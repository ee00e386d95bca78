//! The convolution itself.

use std::array;

use super::super::Level;
use super::super::lanes::{Lanes, over_lanes};
use super::super::level::at_level;
use super::{PIXELS, SIDE, Shape, TAPS};

/// `y = bias`, then `fma(x, w, ·)` over taps in the image in order of (ky, kx); then ReLU6 if asked.
/// One image; `w` is `[9][c]`.
///
/// # Panics
/// If lengths do not fit.
pub fn forward(
    level: Level,
    shape: &Shape,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    relu6: bool,
    y: &mut [f32],
) {
    shape.check();
    assert_eq!(x.len(), shape.input_len());
    assert_eq!(y.len(), shape.output_len());
    assert_eq!(w.len(), TAPS * shape.channels);
    assert_eq!(bias.len(), shape.channels);
    run_forward(level, shape, x, w, bias, relu6, y);
}

at_level!(
    fn run_forward(shape: &Shape, x: &[f32], w: &[f32], bias: &[f32], relu6: bool, y: &mut [f32]) =
        forward_body
);

#[inline(always)]
unsafe fn forward_body<L: Lanes>(
    shape: &Shape,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    relu6: bool,
    y: &mut [f32],
) {
    for row in 0..shape.out_height {
        // SAFETY: channels lie inside 0..c.
        unsafe {
            if shape.stride == 1 {
                over_lanes!(
                    L,
                    0..shape.channels,
                    line[1](row, shape, x, w, bias, relu6, y)
                );
            } else {
                over_lanes!(
                    L,
                    0..shape.channels,
                    line[2](row, shape, x, w, bias, relu6, y)
                );
            }
        }
    }
}

/// A line of output pixels of some channels.
struct Line<L> {
    kernel: [L; TAPS],
    start: L,
    relu6: bool,
    /// The input line that each tap row reads.
    from: [Option<*const f32>; SIDE],
    to: *mut f32,
    /// Values from a pixel to the next.
    step: usize,
}

#[inline(always)]
unsafe fn line<L: Lanes, const STRIDE: usize>(
    channel: usize,
    row: usize,
    shape: &Shape,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    relu6: bool,
    y: &mut [f32],
) {
    let c = shape.channels;
    // SAFETY: every tap that is used lies inside the image, every output inside the line.
    unsafe {
        let line = Line {
            kernel: array::from_fn(|tap| L::load(w.as_ptr().add(tap * c + channel))),
            start: L::load(bias.as_ptr().add(channel)),
            relu6,
            from: shape
                .read_by(row, shape.height)
                .map(|place| place.map(|place| x.as_ptr().add(place * shape.width * c + channel))),
            to: y.as_mut_ptr().add(row * shape.out_width * c + channel),
            step: c,
        };
        let interior = shape.interior(shape.width);
        for column in 0..interior.start.min(shape.out_width) {
            line.edge(column, shape.read_by(column, shape.width));
        }
        let mut column = interior.start;
        while column + PIXELS <= interior.end {
            line.inside::<STRIDE, PIXELS>(column, shape.pad_before);
            column += PIXELS;
        }
        while column < interior.end {
            line.inside::<STRIDE, 1>(column, shape.pad_before);
            column += 1;
        }
        while column < shape.out_width {
            line.edge(column, shape.read_by(column, shape.width));
            column += 1;
        }
    }
}

impl<L: Lanes> Line<L> {
    /// Neighbouring pixels all of whose columns lie inside the image.
    #[inline(always)]
    unsafe fn inside<const STRIDE: usize, const COUNT: usize>(&self, column: usize, pad: usize) {
        // SAFETY: the caller's contract.
        unsafe {
            let mut sums = [self.start; COUNT];
            for ky in 0..SIDE {
                let Some(from) = self.from[ky] else { continue };
                let from = from.add((column * STRIDE - pad) * self.step);
                for kx in 0..SIDE {
                    for (pixel, sum) in sums.iter_mut().enumerate() {
                        let value = L::load(from.add((pixel * STRIDE + kx) * self.step));
                        *sum = value.fma(self.kernel[ky * SIDE + kx], *sum);
                    }
                }
            }
            for (pixel, &sum) in sums.iter().enumerate() {
                self.finish(sum, column + pixel);
            }
        }
    }

    /// One pixel with the columns that its taps read.
    #[inline(always)]
    unsafe fn edge(&self, column: usize, columns: [Option<usize>; SIDE]) {
        // SAFETY: the caller's contract.
        unsafe {
            let mut sum = self.start;
            for ky in 0..SIDE {
                let Some(from) = self.from[ky] else { continue };
                for kx in 0..SIDE {
                    let Some(place) = columns[kx] else { continue };
                    let value = L::load(from.add(place * self.step));
                    sum = value.fma(self.kernel[ky * SIDE + kx], sum);
                }
            }
            self.finish(sum, column);
        }
    }

    #[inline(always)]
    unsafe fn finish(&self, sum: L, column: usize) {
        // SAFETY: the caller's contract.
        unsafe {
            let value = if self.relu6 { sum.relu6() } else { sum };
            value.store(self.to.add(column * self.step));
        }
    }
}
