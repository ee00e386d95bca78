//! The gradient of the input.

use std::array;

use super::super::Level;
use super::super::dispatch::lanes_at_level;
use super::super::lanes::{Lanes, over_lanes};
use super::{PIXELS, SIDE, Shape, TAPS};

/// Gradient of the input of one image: from +0, `fma(dz, w, ·)` over the taps that reach an output, in order
/// of (ky, kx); then kept where 0 < mask < 6.
///
/// # Panics
/// If lengths do not fit.
pub fn input_gradient(
    level: Level,
    shape: &Shape,
    dz: &[f32],
    w: &[f32],
    mask: Option<&[f32]>,
    dx: &mut [f32],
) {
    shape.check();
    assert_eq!(dz.len(), shape.output_len());
    assert_eq!(dx.len(), shape.input_len());
    assert_eq!(w.len(), TAPS * shape.channels);
    assert!(mask.is_none_or(|mask| mask.len() == dx.len()));
    run_input_gradient(level, shape, dz, w, mask, dx);
}

lanes_at_level!(
    fn run_input_gradient(
        shape: &Shape,
        dz: &[f32],
        w: &[f32],
        mask: Option<&[f32]>,
        dx: &mut [f32],
    ) = input_gradient_body
);

#[inline(always)]
unsafe fn input_gradient_body<L: Lanes>(
    shape: &Shape,
    dz: &[f32],
    w: &[f32],
    mask: Option<&[f32]>,
    dx: &mut [f32],
) {
    // A channel goes down all rows before the next one does, so that what a row reads of gradients that the one
    // above it has read is still in the first-level cache.
    // SAFETY: channels lie inside 0..c.
    unsafe {
        if shape.stride == 1 {
            over_lanes!(L, 0..shape.channels, column[1](shape, dz, w, mask, dx));
        } else {
            over_lanes!(L, 0..shape.channels, column[2](shape, dz, w, mask, dx));
        }
    }
}

/// Some channels of all rows.
#[inline(always)]
unsafe fn column<L: Lanes, const STRIDE: usize>(
    channel: usize,
    shape: &Shape,
    dz: &[f32],
    w: &[f32],
    mask: Option<&[f32]>,
    dx: &mut [f32],
) {
    // SAFETY: the caller's contract.
    unsafe {
        let kernel = array::from_fn(|tap| L::load(w.as_ptr().add(tap * shape.channels + channel)));
        for row in 0..shape.height {
            line::<L, STRIDE>(channel, row, shape, dz, kernel, mask, dx);
        }
    }
}

/// A line of input pixels of some channels.
struct Line<L> {
    kernel: [L; TAPS],
    /// The line of gradients that reads this line by each tap row.
    from: [Option<*const f32>; SIDE],
    mask: Option<*const f32>,
    to: *mut f32,
    /// Values from a pixel to the next.
    step: usize,
}

#[inline(always)]
unsafe fn line<L: Lanes, const STRIDE: usize>(
    channel: usize,
    row: usize,
    shape: &Shape,
    dz: &[f32],
    kernel: [L; TAPS],
    mask: Option<&[f32]>,
    dx: &mut [f32],
) {
    let c = shape.channels;
    let first = row * shape.width * c + channel;
    // SAFETY: the outputs that are read lie inside the output image, the pixels inside the line.
    unsafe {
        let line = Line {
            kernel,
            from: shape.readers_of(row, shape.out_height).map(|place| {
                place.map(|place| dz.as_ptr().add(place * shape.out_width * c + channel))
            }),
            mask: mask.map(|mask| mask.as_ptr().add(first)),
            to: dx.as_mut_ptr().add(first),
            step: c,
        };
        let mut column = 0;
        while column < shape.width {
            // The output that reads the first pixel by tap 0; a run of pixels starts where there is one.
            let output = (column + shape.pad_before) / STRIDE;
            let starts =
                (column + shape.pad_before).is_multiple_of(STRIDE) && output >= (SIDE - 1) / STRIDE;
            let fits = |count: usize| {
                starts
                    && output + (count - 1) / STRIDE < shape.out_width
                    && column + count <= shape.width
            };
            column += if fits(PIXELS) {
                line.inside::<STRIDE, PIXELS>(column, output)
            } else if fits(3) {
                line.inside::<STRIDE, 3>(column, output)
            } else if fits(2) {
                line.inside::<STRIDE, 2>(column, output)
            } else {
                line.edge(column, shape.readers_of(column, shape.out_width))
            };
        }
    }
}

impl<L: Lanes> Line<L> {
    /// `COUNT` neighbouring pixels, whose columns of outputs all exist; `output` reads the first by tap 0.
    /// Returns their number.
    #[inline(always)]
    unsafe fn inside<const STRIDE: usize, const COUNT: usize>(
        &self,
        column: usize,
        output: usize,
    ) -> usize {
        // SAFETY: the caller's contract.
        unsafe {
            let mut sums = [L::splat(0.0); COUNT];
            self.add_taps::<STRIDE, COUNT, 0>(output, &mut sums);
            self.add_taps::<STRIDE, COUNT, 1>(output, &mut sums);
            self.add_taps::<STRIDE, COUNT, 2>(output, &mut sums);
            for (pixel, &sum) in sums.iter().enumerate() {
                self.finish(sum, column + pixel);
            }
        }
        COUNT
    }

    /// Tap row `KY` of neighbouring pixels; `output` reads the first by tap 0.
    #[inline(always)]
    unsafe fn add_taps<const STRIDE: usize, const COUNT: usize, const KY: usize>(
        &self,
        output: usize,
        sums: &mut [L; COUNT],
    ) {
        let Some(from) = self.from[KY] else { return };
        // SAFETY: the caller's contract.
        unsafe {
            let from = from.add((output - (SIDE - 1) / STRIDE) * self.step);
            for (pixel, sum) in sums.iter_mut().enumerate() {
                for kx in 0..SIDE {
                    // Counted from the output that reads the first pixel by the last tap.
                    let offset = pixel + (SIDE - 1) - kx;
                    if offset.is_multiple_of(STRIDE) {
                        let gradient = L::load(from.add(offset / STRIDE * self.step));
                        *sum = gradient.fma(self.kernel[KY * SIDE + kx], *sum);
                    }
                }
            }
        }
    }

    /// One pixel with the outputs that read it. Returns 1.
    #[inline(always)]
    unsafe fn edge(&self, column: usize, outputs: [Option<usize>; SIDE]) -> usize {
        // SAFETY: the caller's contract.
        unsafe {
            let mut sum = L::splat(0.0);
            self.add_edge::<0>(outputs, &mut sum);
            self.add_edge::<1>(outputs, &mut sum);
            self.add_edge::<2>(outputs, &mut sum);
            self.finish(sum, column);
        }
        1
    }

    /// Tap row `KY` of a pixel. Each tap is written out, so that the kernel stays in registers.
    #[inline(always)]
    unsafe fn add_edge<const KY: usize>(&self, outputs: [Option<usize>; SIDE], sum: &mut L) {
        let Some(from) = self.from[KY] else { return };
        let [left, middle, right] = outputs;
        // SAFETY: the caller's contract.
        unsafe {
            if let Some(output) = left {
                let gradient = L::load(from.add(output * self.step));
                *sum = gradient.fma(self.kernel[KY * SIDE], *sum);
            }
            if let Some(output) = middle {
                let gradient = L::load(from.add(output * self.step));
                *sum = gradient.fma(self.kernel[KY * SIDE + 1], *sum);
            }
            if let Some(output) = right {
                let gradient = L::load(from.add(output * self.step));
                *sum = gradient.fma(self.kernel[KY * SIDE + 2], *sum);
            }
        }
    }

    #[inline(always)]
    unsafe fn finish(&self, mut sum: L, column: usize) {
        // SAFETY: the caller's contract.
        unsafe {
            if let Some(mask) = self.mask {
                sum = sum.where_active(L::load(mask.add(column * self.step)));
            }
            sum.store(self.to.add(column * self.step));
        }
    }
}
