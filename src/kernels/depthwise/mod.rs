//! 3×3 depthwise convolution and its gradients. Taps outside the image are skipped, never multiplied.
//!
//! Where all taps of neighbouring pixels lie inside the image they are computed side by side, so that what
//! they share is loaded once; pixels at the edges are computed alone.

mod forward;
mod input_gradient;
mod weight_gradient;

pub use forward::{forward, forward_rows};
pub use input_gradient::input_gradient;
pub use weight_gradient::weight_gradient;

use std::ops::Range;

/// Taps of the kernel along an axis.
const SIDE: usize = 3;
/// Taps of the kernel.
pub const TAPS: usize = SIDE * SIDE;
/// Pixels that are computed side by side.
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
    /// If the stride is neither 1 nor 2, a size is zero, or stride 2 meets an even height and an odd width or
    /// the reverse.
    pub fn keras(height: usize, width: usize, channels: usize, stride: usize) -> Self {
        assert!(stride == 1 || stride == 2, "stride {stride}");
        assert!(height * width * channels > 0, "an empty image");
        assert!(
            stride == 1 || height % 2 == width % 2,
            "one padding for both axes"
        );
        Self {
            height,
            width,
            channels,
            stride,
            pad_before: if stride == 1 { 1 } else { height % 2 },
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

    /// Rows of the image that rows `rows` of the output read.
    pub fn rows_read_by(&self, rows: &Range<usize>) -> Range<usize> {
        if rows.is_empty() {
            return 0..0;
        }
        let first = (rows.start * self.stride).saturating_sub(self.pad_before);
        let end = (rows.end - 1) * self.stride + SIDE - self.pad_before;
        first..end.min(self.height)
    }

    /// The kernels read and write through pointers computed from a shape: it must be one of Keras'.
    fn check(&self) {
        let keras = Self::keras(self.height, self.width, self.channels, self.stride);
        assert_eq!(*self, keras, "a shape that does not fit itself");
    }

    /// Which end of the kernel hangs over the image at an output column beside the interior, and the input
    /// column of tap 0: one before the image is −1, wrapped.
    #[inline(always)]
    fn overhang(&self, column: usize) -> (Overhang, usize) {
        let place = (column * self.stride).wrapping_sub(self.pad_before);
        let before = place == usize::MAX;
        let after = place.wrapping_add(SIDE) > self.width;
        let overhang = match (before, after) {
            (true, true) => Overhang::Both,
            (true, false) => Overhang::Before,
            (false, _) => Overhang::After,
        };
        (overhang, place)
    }

    /// Rows or columns of the output all of whose taps lie inside an axis of `len`.
    #[inline(always)]
    fn interior(&self, len: usize) -> Range<usize> {
        let first = self.pad_before.div_ceil(self.stride);
        let end = (len + self.pad_before + self.stride)
            .checked_sub(SIDE)
            .map_or(0, |place| place / self.stride);
        first..end.max(first)
    }

    /// For each tap along an axis of `len`, the input that it reads for output `out`, if inside.
    #[inline(always)]
    fn read_by(&self, out: usize, len: usize) -> [Option<usize>; SIDE] {
        std::array::from_fn(|tap| {
            let place = (out * self.stride + tap).checked_sub(self.pad_before)?;
            (place < len).then_some(place)
        })
    }

    /// For each tap along an axis with `outputs` outputs, the output that reads input `place` by it, if any.
    #[inline(always)]
    fn readers_of(&self, place: usize, outputs: usize) -> [Option<usize>; SIDE] {
        std::array::from_fn(|tap| {
            let offset = (place + self.pad_before).checked_sub(tap)?;
            let output = offset / self.stride;
            (offset % self.stride == 0 && output < outputs).then_some(output)
        })
    }
}

/// The ends of the kernel that hang over the image in a column at its edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Overhang {
    /// Tap 0 does.
    Before,
    /// Tap 2 does.
    After,
    /// Both do: the image has one column.
    Both,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interior_outputs_are_those_whose_taps_are_all_inside() {
        for len in 1..20 {
            for stride in [1, 2] {
                let shape = Shape::keras(len, len, 1, stride);
                let whole: Vec<usize> = (0..shape.out_width)
                    .filter(|&out| shape.read_by(out, len).iter().all(Option::is_some))
                    .collect();
                let interior: Vec<usize> = shape.interior(len).collect();
                assert_eq!(interior, whole, "{len} {stride}");
            }
        }
    }

    #[test]
    fn overhang_names_the_taps_outside() {
        for len in 1..20 {
            for stride in [1, 2] {
                let shape = Shape::keras(len, len, 1, stride);
                for out in (0..shape.out_width).filter(|out| !shape.interior(len).contains(out)) {
                    let outside = shape.read_by(out, len).map(|place| place.is_none());
                    let (overhang, place) = shape.overhang(out);
                    let expected = match overhang {
                        Overhang::Before => [true, false, false],
                        Overhang::After => [false, false, true],
                        Overhang::Both => [true, false, true],
                    };
                    assert_eq!(outside, expected, "{len} {stride} {out}");
                    assert_eq!(shape.read_by(out, len)[1], Some(place.wrapping_add(1)));
                }
            }
        }
    }

    #[test]
    fn taps_read_and_are_read_by_each_other() {
        for len in 1..12 {
            for stride in [1, 2] {
                let shape = Shape::keras(len, len, 1, stride);
                for out in 0..shape.out_width {
                    for (tap, place) in shape.read_by(out, len).into_iter().enumerate() {
                        let Some(place) = place else { continue };
                        assert_eq!(shape.readers_of(place, shape.out_width)[tap], Some(out));
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "a shape that does not fit itself")]
    fn a_shape_with_too_many_outputs_is_refused() {
        let shape = Shape {
            out_height: 9,
            ..Shape::keras(8, 8, 1, 1)
        };
        shape.check();
    }
}
