//! Bilinear resizing, bit for bit `tf.image.resize(method="bilinear", antialias=False)`.
//!
//! Per axis, with `scale = in / out`: output i looks at `x = (i + 0.5) · scale − 0.5`, between
//! `lo = max(floor x, 0)` and `hi = min(ceil x, in − 1)`, with weight `t = x − floor x`. Then
//! `top = tl + (tr − tl) · tx`, `bottom = bl + (br − bl) · tx`, `out = top + (bottom − top) · ty`.
//! Every operation is one f32 operation, and no multiplication is fused with an addition.

use super::Level;
use super::dispatch::loop_at_level;

/// Values of a pixel.
const CHANNELS: usize = 3;

/// Where one output row or column looks.
#[derive(Clone, Copy)]
struct Tap {
    low: usize,
    high: usize,
    t: f32,
}

/// Resizes `picture`, rows of RGB pixels of size `from` = \[height, width\], to size `to`; `out` gets
/// values from 0 to 255 in the same layout.
///
/// # Panics
/// If a side is 0 or a length does not fit its size.
pub fn bilinear(level: Level, picture: &[u8], from: [usize; 2], to: [usize; 2], out: &mut [f32]) {
    assert!(from.iter().chain(&to).all(|&side| side > 0), "a side is 0");
    assert_eq!(
        picture.len(),
        from[0] * from[1] * CHANNELS,
        "length of the picture"
    );
    assert_eq!(out.len(), to[0] * to[1] * CHANNELS, "length of the result");
    loop_at_level!(
        level,
        body(picture: &[u8], from: [usize; 2], to: [usize; 2], out: &mut [f32])
    );
}

#[inline(always)]
fn body(picture: &[u8], from: [usize; 2], to: [usize; 2], out: &mut [f32]) {
    let rows = taps(from[0], to[0]);
    let columns = taps(from[1], to[1]);
    let stride = from[1] * CHANNELS;
    let mut top = StretchedRow::new(to[1]);
    let mut bottom = StretchedRow::new(to[1]);
    for (out, row) in out.chunks_exact_mut(to[1] * CHANNELS).zip(&rows) {
        // Enlarging looks at the same rows again and again, and at the lower one as the next upper one.
        if bottom.holds == Some(row.low) {
            std::mem::swap(&mut top, &mut bottom);
        }
        top.fill(row.low, &picture[row.low * stride..][..stride], &columns);
        bottom.fill(row.high, &picture[row.high * stride..][..stride], &columns);
        for ((out, &top), &bottom) in out.iter_mut().zip(&top.values).zip(&bottom.values) {
            *out = top + (bottom - top) * row.t;
        }
    }
}

/// A row of the picture, resized horizontally.
struct StretchedRow {
    values: Vec<f32>,
    /// Which row.
    holds: Option<usize>,
}

impl StretchedRow {
    fn new(width: usize) -> Self {
        Self {
            values: vec![0.0; width * CHANNELS],
            holds: None,
        }
    }

    #[inline(always)]
    fn fill(&mut self, number: usize, row: &[u8], columns: &[Tap]) {
        if self.holds == Some(number) {
            return;
        }
        self.holds = Some(number);
        let (pixels, _) = row.as_chunks::<CHANNELS>();
        let (out, _) = self.values.as_chunks_mut::<CHANNELS>();
        for (out, column) in out.iter_mut().zip(columns) {
            let left = pixels[column.low].map(f32::from);
            let right = pixels[column.high].map(f32::from);
            for channel in 0..CHANNELS {
                out[channel] = left[channel] + (right[channel] - left[channel]) * column.t;
            }
        }
    }
}

#[inline(always)]
fn taps(from: usize, to: usize) -> Vec<Tap> {
    let scale = from as f32 / to as f32;
    let tap = |i: usize| {
        let x = (i as f32 + 0.5) * scale - 0.5;
        let floor = x.floor();
        Tap {
            // Converting to an integer turns what is below 0 into 0.
            low: (floor as usize).min(from - 1),
            high: (x.ceil() as usize).min(from - 1),
            // A fault for the test that wants to see one behind a warm cache.
            t: if cfg!(planted_fault) { 0.0 } else { x - floor },
        }
    };
    (0..to).map(tap).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One channel of a result, as bits.
    fn resized(level: Level, from: [usize; 2], to: [usize; 2], grey: &[u8]) -> Vec<u32> {
        let picture: Vec<u8> = grey
            .iter()
            .flat_map(|&value| [value, 255 - value, 7])
            .collect();
        let mut out = vec![f32::NAN; to[0] * to[1] * CHANNELS];
        bilinear(level, &picture, from, to, &mut out);
        out.chunks_exact(CHANNELS)
            .map(|pixel| pixel[0].to_bits())
            .collect()
    }

    #[test]
    fn tensorflow_vector() {
        let grey: Vec<u8> = (0..5 * 7).map(|i| 50 * (i / 7) + 7 * (i % 7)).collect();
        for level in Level::available() {
            assert_eq!(
                resized(level, [5, 7], [3, 3], &grey),
                [
                    0x41aa_aaaa,
                    0x4216_aaaa,
                    0x4257_ffff,
                    0x42d1_5555,
                    0x42f2_0000,
                    0x4309_5555,
                    0x433c_0000,
                    0x434c_5555,
                    0x435c_aaaa
                ],
                "{level:?}"
            );
        }
    }

    #[test]
    fn enlarging_reuses_rows_without_a_trace() {
        let grey = [0, 100, 200, 50];
        for level in Level::available() {
            let values = resized(level, [2, 2], [4, 4], &grey);
            let rows: Vec<Vec<f32>> = values
                .chunks(4)
                .map(|row| row.iter().map(|&bits| f32::from_bits(bits)).collect())
                .collect();
            // Weights at the ends are computed from outside the picture: 3/4 between equal pixels.
            assert_eq!(rows[0], [0.0, 25.0, 75.0, 100.0]);
            assert_eq!(rows[1], [50.0, 59.375, 78.125, 87.5]);
            assert_eq!(rows[3], [200.0, 162.5, 87.5, 50.0]);
        }
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        let grey: Vec<u8> = (0..9 * 4).map(|i| (i * 37 % 256) as u8).collect();
        let expected: Vec<u32> = grey
            .iter()
            .map(|&value| f32::from(value).to_bits())
            .collect();
        for level in Level::available() {
            assert_eq!(resized(level, [9, 4], [9, 4], &grey), expected, "{level:?}");
        }
    }
}
