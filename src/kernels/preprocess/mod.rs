//! Scaling pixels to what MobileNetV2 was trained on (`keras/src/applications/imagenet_utils.py`, mode "tf").

use super::Level;
use super::dispatch::loop_at_level;

/// Half of the range of a pixel.
const HALF_RANGE: f32 = 127.5;

/// Replaces each value x in 0..=255 by (x ÷ 127.5) − 1: a division, then a subtraction.
pub fn scale(level: Level, values: &mut [f32]) {
    loop_at_level!(level, body(values: &mut [f32]));
}

/// [`scale`] at the level of the caller.
#[inline(always)]
pub(super) fn body(values: &mut [f32]) {
    for value in values {
        *value = *value / HALF_RANGE - 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_middle_of_the_range() {
        for level in Level::available() {
            let mut values = [0.0, 127.5, 255.0, 1.0, 0.1];
            scale(level, &mut values);
            let bits = values.map(f32::to_bits);
            let expected = [-1.0, 0.0, 1.0, 1.0 / 127.5 - 1.0, 0.1 / 127.5 - 1.0];
            assert_eq!(bits, expected.map(f32::to_bits), "{level:?}");
        }
    }
}
