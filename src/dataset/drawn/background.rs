//! The patterned ground under everything.

use super::draws::{Color, Draws, SIDE, cosine, position, sine};

/// Pattern of the background.
#[derive(Clone, Copy)]
pub(super) enum Texture {
    Gradient,
    Stripes,
    Checks,
    Dots,
}

/// Two colours and how they alternate.
pub(super) struct Background {
    pub(super) colors: [Color; 2],
    pub(super) texture: Texture,
    pub(super) period: i64,
    pub(super) phase: i64,
    pub(super) cos: i64,
    pub(super) sin: i64,
}

impl Background {
    pub(super) fn draw(draws: &mut Draws) -> Self {
        let first = draws.color();
        let second = first.map(|c| (c + draws.around(48)).clamp(0, 255));
        let texture = match draws.below(4) {
            0 => Texture::Gradient,
            1 => Texture::Stripes,
            2 => Texture::Checks,
            _ => Texture::Dots,
        };
        let period = 48 + draws.below(128);
        let angle = draws.below(1024);
        let phase = draws.below(4096);
        Self {
            colors: [first, second],
            texture,
            period,
            phase,
            cos: cosine(angle),
            sin: sine(angle),
        }
    }

    /// The colour `weight` / 128 of the way from the first to the second.
    pub(super) fn blend(&self, weight: i64) -> Color {
        let [first, second] = self.colors;
        [0, 1, 2].map(|c| first[c] + (((second[c] - first[c]) * weight) >> 7))
    }

    /// Paints the row of sub-pixels at `y`.
    pub(super) fn paint(&self, y: i64, line: &mut [Color]) {
        if let Texture::Gradient = self.texture {
            for (place, pixel) in line.iter_mut().enumerate() {
                *pixel = self.blend(64 * y / SIDE + 64 * position(place) / SIDE);
            }
            return;
        }
        // Divisions of 32 bits take half the time of those of 64.
        let period = self.period as i32;
        for (place, pixel) in line.iter_mut().enumerate() {
            let x = position(place);
            let u = (((self.cos * x + self.sin * y) >> 14) + self.phase) as i32;
            let v = (((self.cos * y - self.sin * x) >> 14) + self.phase) as i32;
            let second = match self.texture {
                Texture::Gradient => false,
                Texture::Stripes => u.div_euclid(period) & 1 == 1,
                Texture::Checks => (u.div_euclid(period) + v.div_euclid(period)) & 1 == 1,
                Texture::Dots => {
                    let a = 2 * u.rem_euclid(period) - period;
                    let b = 2 * v.rem_euclid(period) - period;
                    3 * (a * a + b * b) < period * period
                }
            };
            *pixel = self.colors[usize::from(second)];
        }
    }
}
