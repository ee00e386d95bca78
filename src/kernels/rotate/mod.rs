//! Rotation about the centre, bilinear, filled by reflection, as Keras 3.15's `RandomRotation` computes it
//! on TensorFlow's CPU kernel (`ImageProjectiveTransformV3`).
//!
//! Output pixel (ox, oy) looks at `x = (m0·ox + m1·oy) + m2`, `y = (m3·ox + m4·oy) + m5`, both folded back
//! into the image by half-sample symmetric reflection (d c b a | a b c d | d c b a). With `x0 = floor x`,
//! `x1 = x0 + 1`: `v0 = (x1 − x)·I[y0][x0] + (x − x0)·I[y0][x1]`, the same on y1, and
//! `out = (y1 − y)·v0 + (y − y0)·v1`. Every operation is one f32 operation, in this order, and no
//! multiplication is fused with an addition.

use super::dispatch::loop_at_level;
use super::{Level, preprocess};

/// Values of a pixel.
const CHANNELS: usize = 3;

/// Pixels of a block, whose coordinates are computed together.
const LANES: usize = 32;

/// What is done in the same pass as a rotation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Left and right are exchanged before it, as [`flip::horizontal`](super::flip::horizontal) does.
    pub mirrored: bool,
    /// Values are scaled after it, as [`preprocess::scale`] does.
    pub scaled: bool,
}

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
    beside: Beside,
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
    project(level, image, size, matrix, beside, out);
}

/// The transform from output to input coordinates: m0 … m5.
pub(super) fn matrix([height, width]: [usize; 2], [sin, cos]: [f32; 2]) -> [f32; 6] {
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

fn project(
    level: Level,
    image: &[f32],
    size: [usize; 2],
    matrix: [f32; 6],
    beside: Beside,
    out: &mut [f32],
) {
    loop_at_level!(
        level,
        body(
            image: &[f32],
            size: [usize; 2],
            matrix: [f32; 6],
            beside: Beside,
            out: &mut [f32],
        )
    );
}

#[inline(always)]
fn body(image: &[f32], size: [usize; 2], m: [f32; 6], beside: Beside, out: &mut [f32]) {
    let [height, width] = size;
    let view = View {
        image,
        across: Axis::new(width, CHANNELS),
        down: Axis::new(height, width * CHANNELS),
        mirrored: beside.mirrored,
    };
    for (oy, row) in out.chunks_exact_mut(width * CHANNELS).enumerate() {
        let (m1_oy, m4_oy) = (m[1] * oy as f32, m[4] * oy as f32);
        for start in (0..width).step_by(LANES) {
            // The last block begins earlier instead of being shorter: a pixel may be computed twice.
            let start = start.min(width.saturating_sub(LANES));
            let end = width.min(start + LANES);
            let out = &mut row[start * CHANNELS..end * CHANNELS];
            let mut x = [0.0; LANES];
            let mut y = [0.0; LANES];
            for lane in 0..LANES {
                // Through 32 bits, for which there are vector instructions.
                let ox = (start + lane) as i32 as f32;
                x[lane] = (m[0] * ox + m1_oy) + m[2];
                y[lane] = (m[3] * ox + m4_oy) + m[5];
            }
            // Roundings are monotonic, so that the others lie between the first and the last.
            let last = out.len() / CHANNELS - 1;
            let is_inside =
                view.across.has_next([x[0], x[last]]) && view.down.has_next([y[0], y[last]]);
            if is_inside {
                view.look::<true>(&x, &y, out);
            } else {
                view.look::<false>(&x, &y, out);
            }
        }
        if beside.scaled {
            preprocess::body(row);
        }
    }
}

/// Values of a whole block.
const BLOCK: usize = LANES * CHANNELS;

/// Values that are read for a pixel: four make one vector register, the last one is not used.
const PADDED: usize = 4;

/// An image that is looked at.
#[derive(Clone, Copy)]
struct View<'a> {
    image: &'a [f32],
    across: Axis,
    down: Axis,
    /// Columns count from the right.
    mirrored: bool,
}

impl View<'_> {
    /// Writes the pixels of a block, which look at these coordinates; `INSIDE` if each of them and the next
    /// one on both axes is in the image.
    #[inline(always)]
    fn look<const INSIDE: bool>(&self, x: &[f32; LANES], y: &[f32; LANES], out: &mut [f32]) {
        let mut across = Samples::EMPTY;
        let mut down = Samples::EMPTY;
        self.across.sample::<INSIDE>(x, &mut across);
        self.down.sample::<INSIDE>(y, &mut down);
        let steps = |across: &Samples, down: &Samples, lane: usize| {
            if INSIDE {
                [self.across.stride, self.down.stride]
            } else {
                [across.step[lane], down.step[lane]]
            }
        };
        let last_column = self.across.last_offset();
        let mut offset = [0; LANES];
        let mut furthest = 0;
        for lane in 0..LANES {
            let [right, below] = steps(&across, &down, lane);
            let column = if self.mirrored {
                // What is next is the first of the two in memory.
                last_column.wrapping_sub(across.offset[lane].wrapping_add(right))
            } else {
                across.offset[lane]
            };
            offset[lane] = column.wrapping_add(down.offset[lane]);
            let end = offset[lane].wrapping_add(right).wrapping_add(below);
            furthest = if end > furthest { end } else { furthest };
        }
        let [left, right] = if self.mirrored {
            [&across.far, &across.near]
        } else {
            [&across.near, &across.far]
        };
        let weights = |lane: usize| [left[lane], right[lane], down.near[lane], down.far[lane]];
        let corners_of = |lane: usize| (offset[lane], steps(&across, &down, lane));
        match out.first_chunk_mut::<BLOCK>() {
            Some(out) if furthest as usize + PADDED <= self.image.len() => {
                for lane in 0..LANES {
                    let (offset, steps) = corners_of(lane);
                    // SAFETY: the lane looks into the image, so that offset and steps are not negative, and
                    // four values are there from `furthest` on, which is the largest sum of the three.
                    let corners = unsafe { corners(self.image, offset, steps) };
                    let mixed = mix(corners, weights(lane));
                    if lane + 1 < LANES {
                        // The fourth value is overwritten by the next pixel.
                        out[lane * CHANNELS..][..PADDED].copy_from_slice(&mixed);
                    } else {
                        out[lane * CHANNELS..].copy_from_slice(&mixed[..CHANNELS]);
                    }
                }
            }
            _ => {
                for (lane, out) in out.chunks_exact_mut(CHANNELS).enumerate() {
                    let (offset, steps) = corners_of(lane);
                    let corners = corners_at_the_end(self.image, offset, steps);
                    out.copy_from_slice(&mix(corners, weights(lane))[..CHANNELS]);
                }
            }
        }
    }
}

/// The pixel at `offset`, the one `right` of it, the one `below` it and the one right of that.
///
/// # Safety
/// Offsets are not negative, and four values of the image follow from each.
#[inline(always)]
unsafe fn corners(image: &[f32], offset: i32, [right, below]: [i32; 2]) -> [[f32; PADDED]; 4] {
    let [offset, right, below] = [offset, right, below].map(|steps| steps as usize);
    // SAFETY: the caller's contract; an array is aligned as its elements are.
    let at = |offset: usize| unsafe { *image.as_ptr().add(offset).cast::<[f32; PADDED]>() };
    [
        at(offset),
        at(offset + right),
        at(offset + below),
        at(offset + below + right),
    ]
}

/// As [`corners`], where only three values are there from the last pixel of the image on.
#[inline(always)]
fn corners_at_the_end(image: &[f32], offset: i32, [right, below]: [i32; 2]) -> [[f32; PADDED]; 4] {
    let at = |offset: i32| {
        let pixel = &image[offset as usize..][..CHANNELS];
        [pixel[0], pixel[1], pixel[2], 0.0]
    };
    [
        at(offset),
        at(offset + right),
        at(offset + below),
        at(offset + below + right),
    ]
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

impl Samples {
    const EMPTY: Self = Self {
        offset: [0; LANES],
        step: [0; LANES],
        near: [0.0; LANES],
        far: [0.0; LANES],
    };
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

    /// True if all coordinates between these two lie in the image, and have a next pixel there.
    #[inline(always)]
    fn has_next(self, ends: [f32; 2]) -> bool {
        ends.iter().all(|&end| end >= 0.0 && end < self.last)
    }

    /// Values before the last pixel.
    #[inline(always)]
    fn last_offset(self) -> i32 {
        self.last as i32 * self.stride
    }

    #[inline(always)]
    fn sample<const INSIDE: bool>(self, coordinates: &[f32; LANES], samples: &mut Samples) {
        for (lane, &coordinate) in coordinates.iter().enumerate() {
            let v = if INSIDE {
                coordinate
            } else {
                self.reflect(coordinate)
            };
            let near = v.floor();
            let next = near + 1.0;
            // SAFETY: coordinates are finite, because sine and cosine were found to be at most 1, and below
            // the sum of both sides and a block, which is below 2^31. (`as` has no vector form.)
            let number: i32 = unsafe { near.to_int_unchecked() };
            samples.offset[lane] = number.wrapping_mul(self.stride);
            if !INSIDE {
                samples.step[lane] = if next <= self.last { self.stride } else { 0 };
            }
            samples.near[lane] = next - v;
            samples.far[lane] = v - near;
        }
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
