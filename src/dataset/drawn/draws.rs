//! The random numbers of a picture, and the integer functions that everything is placed with.

use super::SIZE;
use crate::random::{Purpose, Stream};

/// Height and width of a picture in 1/8 pixel.
pub(super) const SIDE: i64 = 8 * SIZE as i64;

/// Red, green, blue.
pub(super) type Color = [i64; 3];

/// The random numbers of one picture, in order.
pub(super) struct Draws {
    stream: Stream,
    number: u32,
    element: u32,
    block: [u32; 4],
}

impl Draws {
    pub(super) fn new(seed: u64, slot: u32, number: u32) -> Self {
        Self {
            stream: Stream::new(seed, Purpose::Drawing, slot),
            number,
            element: 0,
            block: [0; 4],
        }
    }

    /// The next number in 0..n.
    #[inline]
    pub(super) fn below(&mut self, n: i64) -> i64 {
        let lane = self.element % 4;
        if lane == 0 {
            self.block = self.stream.block(self.number, self.element / 4);
        }
        self.element += 1;
        ((u64::from(self.block[lane as usize]) * n as u64) >> 32) as i64
    }

    /// The next number in −n..=n.
    pub(super) fn around(&mut self, n: i64) -> i64 {
        self.below(2 * n + 1) - n
    }

    pub(super) fn color(&mut self) -> Color {
        [(); 3].map(|()| self.below(256))
    }
}

/// Sine of `angle` / 1024 turns times 2^14, by Bhaskara's formula (0.2 % off, which is specified).
pub(super) fn sine(angle: i64) -> i64 {
    let half = angle & 511;
    let product = half * (512 - half);
    let value = (product << 18) / (1_310_720 - 4 * product);
    if angle & 512 == 0 { value } else { -value }
}

pub(super) fn cosine(angle: i64) -> i64 {
    sine(angle + 256)
}

/// Where the sub-pixel with this place in its row or column lies.
pub(super) fn position(place: usize) -> i64 {
    2 * place as i64 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_keeps_its_sign_and_its_error() {
        for angle in -2048..2048_i64 {
            let exact = libm::sin(angle as f64 / 1024.0 * std::f64::consts::TAU) * 16384.0;
            assert!((sine(angle) as f64 - exact).abs() < 28.0, "angle {angle}");
        }
        assert_eq!(
            [sine(0), sine(256), sine(768), cosine(0)],
            [0, 16384, -16384, 16384]
        );
    }

    #[test]
    fn numbers_below_n_follow_the_stream() {
        let mut draws = Draws::new(123, 0, 0);
        // Words e504b238 609dbfa5 bd9ce5c6 9bc90dc0 of docs/randomness.md, scaled to 256.
        assert_eq!([(); 4].map(|()| draws.below(256)), [0xe5, 0x60, 0xbd, 0x9b]);
        let stream = Stream::new(123, Purpose::Drawing, 0);
        assert_eq!(draws.below(1 << 32), i64::from(stream.word(0, 4)));
    }
}
