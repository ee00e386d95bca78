//! The gradients of kernel and bias.

use std::ops::Range;

use super::super::Level;
use super::super::block::{Block, Sum};
use super::super::dispatch::lanes_at_level;
use super::super::lanes::{Lanes, over_lanes};
use super::{Overhang, PIXELS, SIDE, Shape, TAPS};

/// Gradients of the kernel and of the bias over `images` images: per slice of whole images one chain from +0
/// over output pixels in order (taps outside skipped), slices added in order.
/// `out` is `[10][c]`, nine taps, then the bias: all rows and some columns of a matrix.
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
    assert_eq!(out.rows(), 0..TAPS + 1);
    assert_eq!(out.columns().len(), shape.channels);
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
        // SAFETY: channels lie inside 0..c.
        unsafe {
            if shape.stride == 1 {
                over_lanes!(
                    L,
                    0..shape.channels,
                    slice_of_images[1](slice.clone(), shape, x, dz, is_first, out)
                );
            } else {
                over_lanes!(
                    L,
                    0..shape.channels,
                    slice_of_images[2](slice.clone(), shape, x, dz, is_first, out)
                );
            }
        }
    }
}

#[inline(always)]
unsafe fn slice_of_images<L: Lanes, const STRIDE: usize>(
    channel: usize,
    images: Range<usize>,
    shape: &Shape,
    x: &[f32],
    dz: &[f32],
    is_first: bool,
    out: &Block<'_>,
) {
    let c = shape.channels;
    let interior = shape.interior(shape.width);
    // SAFETY: every tap that is used lies inside its image.
    unsafe {
        let mut sums = Sums {
            taps: [L::splat(0.0); TAPS],
            bias: L::splat(0.0),
            step: c,
        };
        for image in images {
            let x = x.as_ptr().add(image * shape.input_len() + channel);
            let dz = dz.as_ptr().add(image * shape.output_len() + channel);
            for row in 0..shape.out_height {
                let dz = dz.add(row * shape.out_width * c);
                let from = shape
                    .read_by(row, shape.height)
                    .map(|place| place.map(|place| x.add(place * shape.width * c)));
                for column in 0..interior.start.min(shape.out_width) {
                    sums.edge::<STRIDE>(from, shape.overhang(column), dz.add(column * c));
                }
                let mut column = interior.start;
                while column < interior.end {
                    let place = column * STRIDE - shape.pad_before;
                    let dz = dz.add(column * c);
                    column += match interior.end - column {
                        1 => sums.run::<STRIDE, 1, 0, 3>(from, place, dz),
                        2 => sums.run::<STRIDE, 2, 0, 3>(from, place, dz),
                        3 => sums.run::<STRIDE, 3, 0, 3>(from, place, dz),
                        _ => sums.run::<STRIDE, PIXELS, 0, 3>(from, place, dz),
                    };
                }
                while column < shape.out_width {
                    sums.edge::<STRIDE>(from, shape.overhang(column), dz.add(column * c));
                    column += 1;
                }
            }
        }
        for (tap, &sum) in sums.taps.iter().chain([&sums.bias]).enumerate() {
            let at = out.at(tap, out.columns().start + channel);
            let total = if is_first { sum } else { L::load(at).add(sum) };
            total.store(at);
        }
    }
}

/// The chains of some channels. Indices into `taps` are constants once loops are unrolled, so that the sums stay
/// in registers.
struct Sums<L> {
    taps: [L; TAPS],
    bias: L,
    /// Values from a pixel to the next.
    step: usize,
}

impl<L: Lanes> Sums<L> {
    /// One output pixel at the edge.
    #[inline(always)]
    unsafe fn edge<const STRIDE: usize>(
        &mut self,
        from: [Option<*const f32>; SIDE],
        (over, place): (Overhang, usize),
        dz: *const f32,
    ) {
        // SAFETY: the caller's contract.
        unsafe {
            match over {
                Overhang::Before => self.run::<STRIDE, 1, 1, 3>(from, place, dz),
                Overhang::After => self.run::<STRIDE, 1, 0, 2>(from, place, dz),
                Overhang::Both => self.run::<STRIDE, 1, 1, 2>(from, place, dz),
            };
        }
    }

    /// `COUNT` neighbouring output pixels, whose tap columns `FROM..TO` lie inside the image; that of tap 0 is
    /// input column `place`. Returns their number.
    #[inline(always)]
    unsafe fn run<const STRIDE: usize, const COUNT: usize, const FROM: usize, const TO: usize>(
        &mut self,
        from: [Option<*const f32>; SIDE],
        place: usize,
        dz: *const f32,
    ) -> usize {
        // SAFETY: the caller's contract.
        unsafe {
            let mut gradients = [L::splat(0.0); COUNT];
            for (pixel, gradient) in gradients.iter_mut().enumerate() {
                *gradient = L::load(dz.add(pixel * self.step));
                self.bias = self.bias.add(*gradient);
            }
            self.add_taps::<STRIDE, COUNT, FROM, TO, 0>(from, place, &gradients);
            self.add_taps::<STRIDE, COUNT, FROM, TO, 1>(from, place, &gradients);
            self.add_taps::<STRIDE, COUNT, FROM, TO, 2>(from, place, &gradients);
        }
        COUNT
    }

    /// Tap row `KY` of these pixels.
    #[inline(always)]
    unsafe fn add_taps<
        const STRIDE: usize,
        const COUNT: usize,
        const FROM: usize,
        const TO: usize,
        const KY: usize,
    >(
        &mut self,
        from: [Option<*const f32>; SIDE],
        place: usize,
        gradients: &[L; COUNT],
    ) {
        let Some(from) = from[KY] else { return };
        for (pixel, &gradient) in gradients.iter().enumerate() {
            for kx in FROM..TO {
                let at = place.wrapping_add(pixel * STRIDE + kx);
                let sum = &mut self.taps[KY * SIDE + kx];
                // SAFETY: the caller's contract.
                unsafe {
                    *sum = L::load(from.add(at * self.step)).fma(gradient, *sum);
                }
            }
        }
    }
}
