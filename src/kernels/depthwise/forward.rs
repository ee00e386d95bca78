//! The convolution itself.

use std::array;
use std::ops::Range;

use super::super::Level;
use super::super::dispatch::lanes_at_level;
use super::super::lanes::{Lanes, over_lanes};
use super::{Overhang, PIXELS, SIDE, Shape, TAPS};

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
    forward_rows(level, shape, 0..shape.out_height, x, w, bias, relu6, y);
}

/// Rows `rows` of the output of [`forward`], in `y`. `x` is the image, or the last of its rows in a ring:
/// row `r` of the image at place `r` modulo the rows that `x` holds, among them all that are read.
///
/// # Panics
/// If lengths do not fit, or `x` holds fewer rows than are read at once.
pub fn forward_rows(
    level: Level,
    shape: &Shape,
    rows: Range<usize>,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    relu6: bool,
    y: &mut [f32],
) {
    shape.check();
    let held = x.len() / (shape.width * shape.channels);
    assert_eq!(x.len(), held * shape.width * shape.channels);
    assert!(held >= shape.rows_read_by(&rows).len(), "rows of the ring");
    assert!(rows.end <= shape.out_height);
    assert_eq!(y.len(), rows.len() * shape.out_width * shape.channels);
    assert_eq!(w.len(), TAPS * shape.channels);
    assert_eq!(bias.len(), shape.channels);
    run_forward(level, shape, rows, held, x, w, bias, relu6, y);
}

lanes_at_level!(
    fn run_forward(
        shape: &Shape,
        rows: Range<usize>,
        held: usize,
        x: &[f32],
        w: &[f32],
        bias: &[f32],
        relu6: bool,
        y: &mut [f32],
    ) = forward_body
);

#[inline(always)]
unsafe fn forward_body<L: Lanes>(
    shape: &Shape,
    rows: Range<usize>,
    held: usize,
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    relu6: bool,
    y: &mut [f32],
) {
    let lines = y.chunks_exact_mut(shape.out_width * shape.channels);
    for (row, y) in rows.zip(lines) {
        let from = shape
            .read_by(row, shape.height)
            .map(|place| place.map(|place| &x[place % held * shape.width * shape.channels..]));
        // SAFETY: channels lie inside 0..c.
        unsafe {
            if shape.stride == 1 {
                over_lanes!(
                    L,
                    0..shape.channels,
                    line[1](shape, from, w, bias, relu6, y)
                );
            } else {
                over_lanes!(
                    L,
                    0..shape.channels,
                    line[2](shape, from, w, bias, relu6, y)
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
    shape: &Shape,
    from: [Option<&[f32]>; SIDE],
    w: &[f32],
    bias: &[f32],
    relu6: bool,
    y: &mut [f32],
) {
    let c = shape.channels;
    // SAFETY: every tap that is used lies inside its input line, every output inside the line.
    unsafe {
        let line = Line {
            kernel: array::from_fn(|tap| L::load(w.as_ptr().add(tap * c + channel))),
            start: L::load(bias.as_ptr().add(channel)),
            relu6,
            from: from.map(|line| line.map(|line| line.as_ptr().add(channel))),
            to: y.as_mut_ptr().add(channel),
            step: c,
        };
        let interior = shape.interior(shape.width);
        for column in 0..interior.start.min(shape.out_width) {
            line.edge::<STRIDE>(column, shape.overhang(column));
        }
        let mut column = interior.start;
        while column < interior.end {
            let place = column * STRIDE - shape.pad_before;
            column += match interior.end - column {
                1 => line.run::<STRIDE, 1, 0, 3>(column, place),
                2 => line.run::<STRIDE, 2, 0, 3>(column, place),
                3 => line.run::<STRIDE, 3, 0, 3>(column, place),
                _ => line.run::<STRIDE, PIXELS, 0, 3>(column, place),
            };
        }
        while column < shape.out_width {
            line.edge::<STRIDE>(column, shape.overhang(column));
            column += 1;
        }
    }
}

impl<L: Lanes> Line<L> {
    /// One pixel at the edge.
    #[inline(always)]
    unsafe fn edge<const STRIDE: usize>(&self, column: usize, (over, place): (Overhang, usize)) {
        // SAFETY: the caller's contract.
        unsafe {
            match over {
                Overhang::Before => self.run::<STRIDE, 1, 1, 3>(column, place),
                Overhang::After => self.run::<STRIDE, 1, 0, 2>(column, place),
                Overhang::Both => self.run::<STRIDE, 1, 1, 2>(column, place),
            };
        }
    }

    /// `COUNT` neighbouring pixels, whose tap columns `FROM..TO` lie inside the image; that of tap 0 is input
    /// column `place`. Returns their number.
    #[inline(always)]
    unsafe fn run<const STRIDE: usize, const COUNT: usize, const FROM: usize, const TO: usize>(
        &self,
        column: usize,
        place: usize,
    ) -> usize {
        // SAFETY: the caller's contract.
        unsafe {
            let mut sums = [self.start; COUNT];
            self.add_taps::<STRIDE, COUNT, FROM, TO, 0>(place, &mut sums);
            self.add_taps::<STRIDE, COUNT, FROM, TO, 1>(place, &mut sums);
            self.add_taps::<STRIDE, COUNT, FROM, TO, 2>(place, &mut sums);
            for (pixel, &sum) in sums.iter().enumerate() {
                let value = if self.relu6 { sum.relu6() } else { sum };
                value.store(self.to.add((column + pixel) * self.step));
            }
        }
        COUNT
    }

    /// Tap row `KY` of these pixels. Its taps are constants, so that the kernel stays in registers.
    #[inline(always)]
    unsafe fn add_taps<
        const STRIDE: usize,
        const COUNT: usize,
        const FROM: usize,
        const TO: usize,
        const KY: usize,
    >(
        &self,
        place: usize,
        sums: &mut [L; COUNT],
    ) {
        let Some(from) = self.from[KY] else { return };
        for (pixel, sum) in sums.iter_mut().enumerate() {
            for kx in FROM..TO {
                let at = place.wrapping_add(pixel * STRIDE + kx);
                // SAFETY: the caller's contract.
                unsafe {
                    let value = L::load(from.add(at * self.step));
                    *sum = value.fma(self.kernel[KY * SIDE + kx], *sum);
                }
            }
        }
    }
}
