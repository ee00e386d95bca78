//! Rotation about the centre, bilinear, filled by reflection, as Keras 3.15's `RandomRotation` computes it
//! on TensorFlow's CPU kernel (`ImageProjectiveTransformV3`).
//!
//! Output pixel (ox, oy) looks at `x = (m0·ox + m1·oy) + m2`, `y = (m3·ox + m4·oy) + m5`, both folded back
//! into the image by half-sample symmetric reflection (d c b a | a b c d | d c b a). With `x0 = floor x`,
//! `x1 = x0 + 1`: `v0 = (x1 − x)·I[y0][x0] + (x − x0)·I[y0][x1]`, the same on y1, and
//! `out = (y1 − y)·v0 + (y − y0)·v1`. Every operation is one f32 operation, in this order, and no
//! multiplication is fused with an addition.

use super::Level;
use super::dispatch::loop_at_level;

/// Values of a pixel.
const CHANNELS: usize = 3;

/// Pixels whose coordinates are computed together.
const LANES: usize = 32;

/// Rotates `image`, rows of RGB pixels of size `[height, width]`, into `out`, by the angle with these
/// sine and cosine; a positive angle turns the picture counter-clockwise.
///
/// # Panics
/// If a side is below 2, or the image has 2^31 values or more, or a length does not fit, or sine or
/// cosine are not from −1 to 1.
pub fn rotate(
    level: Level,
    image: &[f32],
    size: [usize; 2],
    [sin, cos]: [f32; 2],
    out: &mut [f32],
) {
    let [height, width] = size;
    assert!(height > 1 && width > 1, "a side is below 2");
    assert_eq!(
        image.len(),
        height * width * CHANNELS,
        "length of the image"
    );
    assert_eq!(out.len(), image.len(), "length of the result");
    assert!(i32::try_from(image.len()).is_ok(), "offsets are 32 bits");
    assert!(
        sin.abs() <= 1.0 && cos.abs() <= 1.0,
        "{sin} and {cos} are no sine and cosine"
    );
    let matrix = matrix(size, [sin, cos]);
    project(level, image, size, matrix, out);
}

/// The transform from output to input coordinates: m0 … m5.
fn matrix([height, width]: [usize; 2], [sin, cos]: [f32; 2]) -> [f32; 6] {
    let cx = 0.5 * (width as f32 - 1.0);
    let cy = 0.5 * (height as f32 - 1.0);
    [
        cos,
        -sin,
        (cx - cx * cos) - cy * -sin,
        sin,
        cos,
        (cy - cx * sin) - cy * cos,
    ]
}

fn project(level: Level, image: &[f32], size: [usize; 2], matrix: [f32; 6], out: &mut [f32]) {
    loop_at_level!(
        level,
        body(image: &[f32], size: [usize; 2], matrix: [f32; 6], out: &mut [f32])
    );
}

#[inline(always)]
fn body(image: &[f32], [height, width]: [usize; 2], m: [f32; 6], out: &mut [f32]) {
    let across = Axis::new(width, CHANNELS);
    let down = Axis::new(height, width * CHANNELS);
    for (oy, row) in out.chunks_exact_mut(width * CHANNELS).enumerate() {
        let (m1_oy, m4_oy) = (m[1] * oy as f32, m[4] * oy as f32);
        for (block, out) in row.chunks_mut(LANES * CHANNELS).enumerate() {
            let mut x = [0.0; LANES];
            let mut y = [0.0; LANES];
            for lane in 0..LANES {
                // Through 32 bits, for which there are vector instructions.
                let ox = (block * LANES + lane) as i32 as f32;
                x[lane] = (m[0] * ox + m1_oy) + m[2];
                y[lane] = (m[3] * ox + m4_oy) + m[5];
            }
            let x = across.samples(&x);
            let y = down.samples(&y);
            for lane in 0..out.len() / CHANNELS {
                let offset = x.offset[lane].wrapping_add(y.offset[lane]);
                let corners = corners(image, offset, x.step[lane], y.step[lane]);
                let weights = [x.near[lane], x.far[lane], y.near[lane], y.far[lane]];
                let mixed = mix(corners, weights);
                let out = &mut out[lane * CHANNELS..];
                match out.first_chunk_mut::<PADDED>() {
                    // The fourth value is overwritten by the next pixel.
                    Some(out) => *out = mixed,
                    None => out.copy_from_slice(&mixed[..CHANNELS]),
                }
            }
        }
    }
}

/// Values that are read for a pixel: four make one vector register, the last one is not used.
const PADDED: usize = 4;

/// The pixel at `offset`, the one `right` of it, the one `below` it and the one right of that.
#[inline(always)]
fn corners(image: &[f32], offset: i32, right: i32, below: i32) -> [[f32; PADDED]; 4] {
    let (offset, right, below) = (offset as usize, right as usize, below as usize);
    let last = offset.wrapping_add(right).wrapping_add(below);
    if last < image.len().saturating_sub(CHANNELS) {
        // SAFETY: steps are not negative, so `last` is the largest of the four offsets, and four values
        // are there from it on; an array is aligned as its elements are.
        let at = |offset: usize| unsafe { *image.as_ptr().add(offset).cast::<[f32; PADDED]>() };
        [at(offset), at(offset + right), at(offset + below), at(last)]
    } else {
        // Only three values are there from the last pixel of the image on.
        let at = |offset: usize| [image[offset], image[offset + 1], image[offset + 2], 0.0];
        [at(offset), at(offset + right), at(offset + below), at(last)]
    }
}

/// The bilinear mean of four pixels.
#[inline(always)]
fn mix(corners: [[f32; PADDED]; 4], [near_x, far_x, near_y, far_y]: [f32; 4]) -> [f32; PADDED] {
    let [tl, tr, bl, br] = corners;
    let mut mixed = [0.0; PADDED];
    for i in 0..PADDED {
        let top = near_x * tl[i] + far_x * tr[i];
        let bottom = near_x * bl[i] + far_x * br[i];
        mixed[i] = near_y * top + far_y * bottom;
    }
    mixed
}

/// One direction of the image.
#[derive(Clone, Copy)]
struct Axis {
    /// Pixels.
    len: f32,
    /// Period of the reflection, 2·len.
    period: f32,
    /// Largest coordinate, len − 1.
    last: f32,
    /// Values from one pixel to the next.
    stride: i32,
}

/// Where output pixels look along one axis.
struct Samples {
    /// Values before the nearer pixel.
    offset: [i32; LANES],
    /// Values from it to the next one; 0 at the end, where the next one would count nothing.
    step: [i32; LANES],
    /// Weight of the nearer pixel.
    near: [f32; LANES],
    /// Weight of the next one.
    far: [f32; LANES],
}

impl Axis {
    fn new(len: usize, stride: usize) -> Self {
        let len = len as f32;
        Self {
            len,
            period: 2.0 * len,
            last: len - 1.0,
            stride: stride as i32,
        }
    }

    #[inline(always)]
    fn samples(self, coordinates: &[f32; LANES]) -> Samples {
        let mut samples = Samples {
            offset: [0; LANES],
            step: [0; LANES],
            near: [0.0; LANES],
            far: [0.0; LANES],
        };
        for (lane, &coordinate) in coordinates.iter().enumerate() {
            let v = self.reflect(coordinate);
            let near = v.floor();
            let next = near + 1.0;
            // SAFETY: coordinates are finite, because sine and cosine were found to be at most 1, and
            // `reflect` keeps them from 0 to `last`, which is below 2^31. (`as` has no vector form.)
            let number: i32 = unsafe { near.to_int_unchecked() };
            samples.offset[lane] = number.wrapping_mul(self.stride);
            samples.step[lane] = if next <= self.last { self.stride } else { 0 };
            samples.near[lane] = next - v;
            samples.far[lane] = v - near;
        }
        samples
    }

    /// Folds a coordinate back into 0 ..= len − 1. Both sides are computed and one is taken, so that the
    /// loop over lanes has no branches.
    #[inline(always)]
    fn reflect(self, v: f32) -> f32 {
        // The formula's 2n · trunc(−v ÷ 2n) + v is the same number: a sign passes through ÷, trunc and ·.
        let within = v - self.period * (v / self.period).trunc();
        let below = if within < -self.len {
            within + self.period
        } else {
            -within - 1.0
        };
        let above = if within >= self.len {
            (self.period - within) - 1.0
        } else {
            within
        };
        let folded = if v < 0.0 {
            below
        } else if v > self.last {
            above
        } else {
            v
        };
        let folded = if folded < 0.0 { 0.0 } else { folded };
        if folded > self.last {
            self.last
        } else {
            folded
        }
    }
}

#[cfg(test)]
mod tests;
