//! Mirroring an image: out\[y\]\[x\] = in\[y\]\[W − 1 − x\]. Moves values and computes none.

/// Values of a pixel.
const CHANNELS: usize = 3;

/// Exchanges left and right of `image`, `[height, width]` rows of RGB pixels.
///
/// # Panics
/// If `image` has another length.
pub fn horizontal(image: &mut [f32], [height, width]: [usize; 2]) {
    assert_eq!(image.len(), height * width * CHANNELS, "length of an image");
    let (pixels, _) = image.as_chunks_mut::<CHANNELS>();
    for row in pixels.chunks_exact_mut(width) {
        row.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_move_and_channels_stay() {
        let mut image: Vec<f32> = (0..2 * 3 * 3).map(|value| value as f32).collect();
        horizontal(&mut image, [2, 3]);
        let expected = [6, 7, 8, 3, 4, 5, 0, 1, 2, 15, 16, 17, 12, 13, 14, 9, 10, 11];
        assert_eq!(image, expected.map(|value| value as f32));
        horizontal(&mut image, [2, 3]);
        assert_eq!(image[..3], [0.0, 1.0, 2.0]);
    }
}
