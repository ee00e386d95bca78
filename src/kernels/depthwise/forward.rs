//! The convolution itself.

use std::array;
use std::ops::Range;
use std::ptr;

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
    let (in_row, out_row) = (
        shape.width * shape.channels,
        shape.out_width * shape.channels,
    );
    let mut row = rows.start;
    for y in y.chunks_mut(MOST_ROWS * out_row) {
        let count = y.len() / out_row;
        let mut places = [Row::default(); MOST_ROWS];
        for (place, y) in places.iter_mut().zip(y.chunks_exact_mut(out_row)) {
            let from = shape.read_by(row, shape.height);
            *place = Row {
                from: from.map(|row| row.map(|row| x[row % held * in_row..].as_ptr())),
                to: y.as_mut_ptr(),
            };
            row += 1;
        }
        let rows = &places[..count];
        // SAFETY: channels lie inside 0..c, the rows inside x and y.
        unsafe {
            if shape.stride == 1 {
                over_lanes!(L, 0..shape.channels, column[1](shape, rows, w, bias, relu6));
            } else {
                over_lanes!(L, 0..shape.channels, column[2](shape, rows, w, bias, relu6));
            }
        }
    }
}

/// Rows of the output that a channel goes down before the next one does: what a row reads of the rows that the
/// one above it has read is still in the first-level cache.
const MOST_ROWS: usize = 16;

/// A row of the output.
#[derive(Clone, Copy)]
struct Row {
    /// The row of the input that each tap row reads.
    from: [Option<*const f32>; SIDE],
    to: *mut f32,
}

impl Default for Row {
    fn default() -> Self {
        Self {
            from: [None; SIDE],
            to: ptr::null_mut(),
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

/// Some channels of all rows.
#[inline(always)]
unsafe fn column<L: Lanes, const STRIDE: usize>(
    channel: usize,
    shape: &Shape,
    rows: &[Row],
    w: &[f32],
    bias: &[f32],
    relu6: bool,
) {
    let c = shape.channels;
    let interior = shape.interior(shape.width);
    // SAFETY: every tap that is used lies inside its input line, every output inside the line.
    unsafe {
        let kernel = array::from_fn(|tap| L::load(w.as_ptr().add(tap * c + channel)));
        let start = L::load(bias.as_ptr().add(channel));
        for row in rows {
            let line = Line {
                kernel,
                start,
                relu6,
                from: row.from.map(|line| line.map(|line| line.add(channel))),
                to: row.to.add(channel),
                step: c,
            };
            line.whole::<STRIDE>(shape, &interior);
        }
    }
}

impl<L: Lanes> Line<L> {
    /// All pixels; `interior` are those all of whose tap columns lie inside the image.
    #[inline(always)]
    unsafe fn whole<const STRIDE: usize>(&self, shape: &Shape, interior: &Range<usize>) {
        // SAFETY: the caller's contract.
        unsafe {
            for column in 0..interior.start.min(shape.out_width) {
                self.edge::<STRIDE>(column, shape.overhang(column));
            }
            let mut column = interior.start;
            while column < interior.end {
                let place = column * STRIDE - shape.pad_before;
                column += match interior.end - column {
                    1 => self.run::<STRIDE, 1, 0, 3>(column, place),
                    2 => self.run::<STRIDE, 2, 0, 3>(column, place),
                    3 => self.run::<STRIDE, 3, 0, 3>(column, place),
                    _ => self.run::<STRIDE, PIXELS, 0, 3>(column, place),
                };
            }
            while column < shape.out_width {
                self.edge::<STRIDE>(column, shape.overhang(column));
                column += 1;
            }
        }
    }

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
