//! Rotation about the centre, bilinear, filled by reflection, as Keras 3.15's `RandomRotation` computes it
//! on TensorFlow's CPU kernel (`ImageProjectiveTransformV3`).
//!
//! Output pixel (ox, oy) looks at `x = (m0·ox + m1·oy) + m2`, `y = (m3·ox + m4·oy) + m5`, both folded back
//! into the image by half-sample symmetric reflection (d c b a | a b c d | d c b a). With `x0 = floor x`,
//! `x1 = x0 + 1`: `v0 = (x1 − x)·I[y0][x0] + (x − x0)·I[y0][x1]`, the same on y1, and
//! `out = (y1 − y)·v0 + (y − y0)·v1`. Every operation is one f32 operation, in this order, and no
//! multiplication is fused with an addition.

use super::Level;
use super::dispatch::at_level;

/// Values of a pixel.
const CHANNELS: usize = 3;

/// Pixels whose coordinates are computed together.
const LANES: usize = 32;

/// Rotates `image`, rows of RGB pixels of size `[height, width]`, into `out`, by the angle with these
/// sine and cosine; a positive angle turns the picture counter-clockwise.
///
/// # Panics
/// If a side is below 2, or the image has 2^31 values or more, or a length does not fit.
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
    at_level!(
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
                let ox = (block * LANES + lane) as f32;
                x[lane] = (m[0] * ox + m1_oy) + m[2];
                y[lane] = (m[3] * ox + m4_oy) + m[5];
            }
            let x = across.samples(&x);
            let y = down.samples(&y);
            for (lane, out) in out.as_chunks_mut::<CHANNELS>().0.iter_mut().enumerate() {
                let top_left = x.offset[lane] as usize + y.offset[lane] as usize;
                let right = x.step[lane] as usize;
                let below = y.step[lane] as usize;
                let corners = [
                    pixel(image, top_left),
                    pixel(image, top_left + right),
                    pixel(image, top_left + below),
                    pixel(image, top_left + below + right),
                ];
                let [near_x, far_x] = [x.near[lane], x.far[lane]];
                let [near_y, far_y] = [y.near[lane], y.far[lane]];
                let mixed: [f32; PADDED] = std::array::from_fn(|channel| {
                    let [tl, tr, bl, br] = corners.map(|corner| corner[channel]);
                    let v0 = near_x * tl + far_x * tr;
                    let v1 = near_x * bl + far_x * br;
                    near_y * v0 + far_y * v1
                });
                out.copy_from_slice(&mixed[..CHANNELS]);
            }
        }
    }
}

/// Values that are read for a pixel: four make one vector register, the last one is not used.
const PADDED: usize = 4;

#[inline(always)]
fn pixel(image: &[f32], offset: usize) -> [f32; PADDED] {
    match image.get(offset..offset + PADDED) {
        Some(values) => std::array::from_fn(|i| values[i]),
        // The last pixel of the image.
        None => [image[offset], image[offset + 1], image[offset + 2], 0.0],
    }
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
            samples.offset[lane] = near as i32 * self.stride;
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
        let below = self.period * (-v / self.period).trunc() + v;
        let below = if below < -self.len {
            below + self.period
        } else {
            -below - 1.0
        };
        let above = v - self.period * (v / self.period).trunc();
        let above = if above >= self.len {
            (self.period - above) - 1.0
        } else {
            above
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
