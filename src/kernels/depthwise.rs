//! 3×3 depthwise convolution and its gradients. Taps outside the image are skipped, never multiplied.

use std::ops::Range;

use super::Level;
use super::lanes::{Lanes, over_lanes};
use super::level::at_level;

/// Taps of the kernel along an axis.
const SIDE: usize = 3;
/// Taps of the kernel.
pub const TAPS: usize = SIDE * SIDE;
/// Output pixels that are computed side by side.
const PIXELS: usize = 4;

/// Sizes of a depthwise convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Channels.
    pub channels: usize,
    /// 1 or 2.
    pub stride: usize,
    /// Rows and columns of padding before the image.
    pub pad_before: usize,
    /// Rows of the output.
    pub out_height: usize,
    /// Columns of the output.
    pub out_width: usize,
}

impl Shape {
    /// Padding as Keras' MobileNetV2 has it: with stride 1 one on each side; with stride 2
    /// `correct_pad`, 0 before and 1 after for even sizes, 1 and 1 for odd ones (both axes alike).
    ///
    /// # Panics
    /// If stride 2 meets an even height and an odd width or the reverse.
    pub fn keras(height: usize, width: usize, channels: usize, stride: usize) -> Self {
        let pad_before = if stride == 1 { 1 } else { height % 2 };
        assert!(
            stride == 1 || height % 2 == width % 2,
            "one padding for both axes"
        );
        Self {
            height,
            width,
            channels,
            stride,
            pad_before,
            out_height: height.div_ceil(stride),
            out_width: width.div_ceil(stride),
        }
    }

    /// Values of an image.
    pub fn input_len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Values of its output.
    pub fn output_len(&self) -> usize {
        self.out_height * self.out_width * self.channels
    }

    /// Taps along an axis that meet the image at output `out`, and the input of tap 0 (may be −1).
    #[inline(always)]
    fn taps(&self, out: usize, len: usize) -> (Range<usize>, isize) {
        let origin = (out * self.stride) as isize - self.pad_before as isize;
        let first = usize::from(origin < 0);
        let end = SIDE.min((len as isize - origin) as usize);
        (first..end, origin)
    }
}

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
    assert_eq!(x.len(), shape.input_len());
    assert_eq!(y.len(), shape.output_len());
    assert_eq!(
        (w.len(), bias.len()),
        (TAPS * shape.channels, shape.channels)
    );
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
            over_lanes!(
                L,
                0..shape.channels,
                forward_row(row, shape, x, w, bias, relu6, y)
            );
        }
    }
}

#[inline(always)]
unsafe fn forward_row<L: Lanes>(
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
    let (rows, origin_y) = shape.taps(row, shape.height);
    // SAFETY: every tap that is used lies inside the image, every output inside the row.
    unsafe {
        let mut kernel = [L::splat(0.0); TAPS];
        for (tap, value) in kernel.iter_mut().enumerate() {
            *value = L::load(w.as_ptr().add(tap * c + channel));
        }
        let start = L::load(bias.as_ptr().add(channel));
        let finish = |value: L, column: usize, y: &mut [f32]| {
            let value = if relu6 { value.relu6() } else { value };
            let at = (row * shape.out_width + column) * c + channel;
            value.store(y.as_mut_ptr().add(at));
        };
        let line = |ky: usize| {
            let at = (origin_y + ky as isize) as usize * shape.width * c + channel;
            x.as_ptr().add(at)
        };
        let mut column = 0;
        while column < shape.out_width {
            let (columns, origin_x) = shape.taps(column, shape.width);
            let last = column + PIXELS - 1;
            let is_inside = columns.len() == SIDE
                && last < shape.out_width
                && shape.taps(last, shape.width).0.len() == SIDE;
            if is_inside {
                let mut sums = [start; PIXELS];
                for ky in rows.clone() {
                    let line = line(ky).add(origin_x as usize * c);
                    for kx in 0..SIDE {
                        for (pixel, sum) in sums.iter_mut().enumerate() {
                            let value = L::load(line.add((pixel * shape.stride + kx) * c));
                            *sum = value.fma(kernel[ky * SIDE + kx], *sum);
                        }
                    }
                }
                for (pixel, &sum) in sums.iter().enumerate() {
                    finish(sum, column + pixel, y);
                }
                column += PIXELS;
            } else {
                let mut sum = start;
                for ky in rows.clone() {
                    for kx in columns.clone() {
                        let at = (origin_x + kx as isize) as usize * c;
                        sum = L::load(line(ky).add(at)).fma(kernel[ky * SIDE + kx], sum);
                    }
                }
                finish(sum, column, y);
                column += 1;
            }
        }
    }
}

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
    assert_eq!(dz.len(), shape.output_len());
    assert_eq!(dx.len(), shape.input_len());
    assert_eq!(w.len(), TAPS * shape.channels);
    assert!(mask.is_none_or(|mask| mask.len() == dx.len()));
    run_input_gradient(level, shape, dz, w, mask, dx);
}

at_level!(
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
    for y in 0..shape.height {
        let rows = reached(y, shape, shape.out_height);
        for x in 0..shape.width {
            let columns = reached(x, shape, shape.out_width);
            // SAFETY: channels lie inside 0..c.
            unsafe {
                over_lanes!(
                    L,
                    0..shape.channels,
                    input_gradient_pixel(
                        y * shape.width + x,
                        &rows,
                        &columns,
                        shape,
                        dz,
                        w,
                        mask,
                        dx
                    )
                );
            }
        }
    }
}

/// For each tap along an axis, the output that it reaches from input `place`.
#[inline(always)]
fn reached(place: usize, shape: &Shape, outputs: usize) -> [Option<usize>; SIDE] {
    std::array::from_fn(|tap| {
        let offset = (place + shape.pad_before).checked_sub(tap)?;
        let output = offset / shape.stride;
        (offset % shape.stride == 0 && output < outputs).then_some(output)
    })
}

#[inline(always)]
unsafe fn input_gradient_pixel<L: Lanes>(
    channel: usize,
    pixel: usize,
    rows: &[Option<usize>; SIDE],
    columns: &[Option<usize>; SIDE],
    shape: &Shape,
    dz: &[f32],
    w: &[f32],
    mask: Option<&[f32]>,
    dx: &mut [f32],
) {
    let c = shape.channels;
    // SAFETY: the outputs reached lie inside the output image.
    unsafe {
        let mut sum = L::splat(0.0);
        for (ky, row) in rows.iter().enumerate() {
            let Some(row) = row else { continue };
            for (kx, column) in columns.iter().enumerate() {
                let Some(column) = column else { continue };
                let gradient = dz
                    .as_ptr()
                    .add((row * shape.out_width + column) * c + channel);
                let weight = w.as_ptr().add((ky * SIDE + kx) * c + channel);
                sum = L::load(gradient).fma(L::load(weight), sum);
            }
        }
        if let Some(mask) = mask {
            sum = sum.where_active(L::load(mask.as_ptr().add(pixel * c + channel)));
        }
        sum.store(dx.as_mut_ptr().add(pixel * c + channel));
    }
}

/// Gradients of `channels` of the kernel and of the bias over `images` images: per slice of whole images one
/// chain from +0 over output pixels in order (taps outside skipped), slices added in order.
/// `out` is `[10][channels.len()]`: nine taps, then the bias.
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
    channels: Range<usize>,
    out: &mut [f32],
) {
    assert_eq!(x.len(), images * shape.input_len());
    assert_eq!(dz.len(), images * shape.output_len());
    assert_eq!(out.len(), (TAPS + 1) * channels.len());
    assert!(channels.end <= shape.channels && slice_images > 0);
    out.fill(0.0);
    run_weight_gradient(level, shape, images, x, dz, slice_images, channels, out);
}

at_level!(
    fn run_weight_gradient(
        shape: &Shape,
        images: usize,
        x: &[f32],
        dz: &[f32],
        slice_images: usize,
        channels: Range<usize>,
        out: &mut [f32],
    ) = weight_gradient_body
);

#[inline(always)]
unsafe fn weight_gradient_body<L: Lanes>(
    shape: &Shape,
    images: usize,
    x: &[f32],
    dz: &[f32],
    slice_images: usize,
    channels: Range<usize>,
    out: &mut [f32],
) {
    let (first, width) = (channels.start, channels.len());
    let mut image = 0;
    while image < images {
        let slice = image..images.min(image + slice_images);
        // SAFETY: channels lie inside 0..c.
        unsafe {
            over_lanes!(
                L,
                channels.clone(),
                weight_gradient_slice(first, width, slice.clone(), shape, x, dz, out)
            );
        }
        image += slice_images;
    }
}

#[inline(always)]
unsafe fn weight_gradient_slice<L: Lanes>(
    channel: usize,
    first: usize,
    width: usize,
    images: Range<usize>,
    shape: &Shape,
    x: &[f32],
    dz: &[f32],
    out: &mut [f32],
) {
    let c = shape.channels;
    let is_first = images.start == 0;
    // SAFETY: every tap that is used lies inside its image.
    unsafe {
        let mut sums = [L::splat(0.0); TAPS + 1];
        for image in images {
            let x = x.as_ptr().add(image * shape.input_len() + channel);
            let dz = dz.as_ptr().add(image * shape.output_len() + channel);
            for row in 0..shape.out_height {
                let (rows, origin_y) = shape.taps(row, shape.height);
                for column in 0..shape.out_width {
                    let (columns, origin_x) = shape.taps(column, shape.width);
                    let gradient = L::load(dz.add((row * shape.out_width + column) * c));
                    sums[TAPS] = sums[TAPS].add(gradient);
                    if rows.len() == SIDE && columns.len() == SIDE {
                        let corner =
                            x.add((origin_y as usize * shape.width + origin_x as usize) * c);
                        for ky in 0..SIDE {
                            for kx in 0..SIDE {
                                let value = L::load(corner.add((ky * shape.width + kx) * c));
                                let sum = &mut sums[ky * SIDE + kx];
                                *sum = value.fma(gradient, *sum);
                            }
                        }
                    } else {
                        for ky in rows.clone() {
                            for kx in columns.clone() {
                                let y = (origin_y + ky as isize) as usize;
                                let at = y * shape.width + (origin_x + kx as isize) as usize;
                                let sum = &mut sums[ky * SIDE + kx];
                                *sum = L::load(x.add(at * c)).fma(gradient, *sum);
                            }
                        }
                    }
                }
            }
        }
        for (tap, &sum) in sums.iter().enumerate() {
            let at = out.as_mut_ptr().add(tap * width + channel - first);
            let total = if is_first { sum } else { L::load(at).add(sum) };
            total.store(at);
        }
    }
}
