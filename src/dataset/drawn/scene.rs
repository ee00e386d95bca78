//! Everything about one picture that is drawn at random, and the picture made of it.

use super::background::Background;
use super::draws::{Color, Draws, SIDE, cosine, position, sine};
use super::figures::{Paint, Part};
use super::shapes::{Bounds, Kind, Shape};
use super::{BYTES, SIZE, Style};

/// Sub-pixels of a pixel along one side; they lie 2/8 pixel apart, the first at 1/8.
const SUB: usize = 4;

/// Steps of a figure's local coordinates per unit of its table.
const LOCAL: i64 = 16;

/// Least ellipse radius and stroke width after jitter, so that no part vanishes.
const LEAST_RADIUS: i64 = 3 * LOCAL;

/// A shape of one colour beside the figure.
struct Distractor {
    shape: Shape,
    color: Color,
}

/// Where the figure stands and how it is distorted.
struct Placement {
    center: [i64; 2],
    /// Half the figure's reach: nothing is drawn from twice this away.
    reach: i64,
    cos: i64,
    sin: i64,
    /// 2^20 over the half-width and the half-height.
    inverse_scale: [i64; 2],
    flip: bool,
    shear: i64,
}

/// One picture before it is painted.
pub(super) struct Scene {
    background: Background,
    palette: [Color; 2],
    placement: Placement,
    /// In drawing order, in local coordinates.
    figure: Vec<Part>,
    under: Vec<Distractor>,
    over: Vec<Distractor>,
    noise: i64,
    /// Stands before the first draw of noise.
    draws: Draws,
}

impl Scene {
    /// Draws all that is random but the noise. The order of the draws is the specification.
    pub(super) fn new(seed: u64, slot: u32, number: u32, figure: Vec<Part>, style: &Style) -> Self {
        let mut draws = Draws::new(seed, slot, number);
        let background = Background::draw(&mut draws);
        let body = contrasting(&mut draws, background.colors[0], style);
        let detail = contrasting(&mut draws, body, style);
        let placement = Placement::draw(&mut draws, style);
        let mut figure = figure;
        for part in &mut figure {
            jitter(&mut draws, &mut part.shape, style);
        }
        let under_count = draws.below(i64::from(style.under) + 1);
        let over_count = draws.below(i64::from(style.over) + 1);
        let under = (0..under_count)
            .map(|_| {
                let kind = match draws.below(3) {
                    0 => Kind::Ellipse,
                    1 => Kind::Stroke,
                    _ => Kind::Triangle,
                };
                Distractor::draw(&mut draws, kind)
            })
            .collect();
        // Strokes only: a face under a large shape could not be told.
        let over = (0..over_count)
            .map(|_| Distractor::draw(&mut draws, Kind::Stroke))
            .collect();
        let noise = draws.below(i64::from(style.noise) + 1);
        Self {
            background,
            palette: [body, detail],
            placement,
            figure,
            under,
            over,
            noise,
            draws,
        }
    }

    /// The picture: the mean of 4 × 4 sub-pixels, rounded, plus noise.
    pub(super) fn render(mut self) -> Box<[u8]> {
        let mut picture = vec![0; BYTES].into_boxed_slice();
        let parts: Vec<(Part, Bounds)> = self
            .figure
            .iter()
            .map(|&part| (part, part.shape.bounds()))
            .collect();
        let mut line = vec![[0; 3]; SIZE * SUB];
        for (row, pixels) in picture.chunks_exact_mut(SIZE * 3).enumerate() {
            let mut sums = [[0; 3]; SIZE];
            for sub in 0..SUB {
                let y = position(row * SUB + sub);
                self.background.paint(y, &mut line);
                paint_over(&self.under, y, &mut line);
                self.placement.paint(&parts, self.palette, y, &mut line);
                paint_over(&self.over, y, &mut line);
                for (sum, colors) in sums.iter_mut().zip(line.chunks_exact(SUB)) {
                    for color in colors {
                        for c in 0..3 {
                            sum[c] += color[c];
                        }
                    }
                }
            }
            for (channel, sum) in pixels.iter_mut().zip(sums.as_flattened()) {
                let noise = self.draws.around(self.noise);
                *channel = (((sum + 8) >> 4) + noise).clamp(0, 255) as u8;
            }
        }
        picture
    }
}

/// A colour that differs from `color` in every channel.
fn contrasting(draws: &mut Draws, color: Color, style: &Style) -> Color {
    color.map(|c| (c + style.contrast + draws.below(257 - 2 * style.contrast)) & 255)
}

/// Takes a shape to local coordinates and shifts each of its arguments.
fn jitter(draws: &mut Draws, shape: &mut Shape, style: &Style) {
    for argument in &mut shape.arguments[..shape.kind.arguments()] {
        *argument = LOCAL * *argument + draws.around(LOCAL * style.jitter);
    }
    let radii = match shape.kind {
        Kind::Ellipse => 2..4,
        Kind::Stroke => 4..5,
        Kind::Triangle | Kind::Quad => 0..0,
    };
    for radius in &mut shape.arguments[radii] {
        *radius = LEAST_RADIUS.max(*radius);
    }
}

impl Distractor {
    fn draw(draws: &mut Draws, kind: Kind) -> Self {
        let x = draws.below(SIDE);
        let y = draws.below(SIDE);
        let shape = match kind {
            Kind::Ellipse => {
                let radius_x = 16 + draws.below(65);
                let radius_y = 16 + draws.below(65);
                Shape::new(kind, [x, y, radius_x, radius_y])
            }
            Kind::Stroke => {
                let to_x = x + draws.around(128);
                let to_y = y + draws.around(128);
                let radius = 8 + draws.below(17);
                Shape::new(kind, [x, y, to_x, to_y, radius])
            }
            Kind::Triangle => {
                let second = [x + draws.around(96), y + draws.around(96)];
                let third = [x + draws.around(96), y + draws.around(96)];
                Shape::new(kind, [x, y, second[0], second[1], third[0], third[1]])
            }
            Kind::Quad => unreachable!("distractors are ellipses, strokes and triangles"),
        };
        let color = draws.color();
        Self { shape, color }
    }
}

/// Paints distractors in drawing order into the row of sub-pixels at `y`.
fn paint_over(distractors: &[Distractor], y: i64, line: &mut [Color]) {
    for Distractor { shape, color } in distractors {
        let bounds = shape.bounds();
        if !bounds.contains_y(y) {
            continue;
        }
        // Places whose positions 2·place + 1 lie in the box, and one more at each end at most.
        let first = (bounds.low[0] / 2 - 1).clamp(0, line.len() as i64) as usize;
        let end = (bounds.high[0] / 2 + 1).clamp(first as i64, line.len() as i64) as usize;
        for (i, pixel) in line[first..end].iter_mut().enumerate() {
            if shape.contains(position(first + i), y) {
                *pixel = *color;
            }
        }
    }
}

impl Placement {
    fn draw(draws: &mut Draws, style: &Style) -> Self {
        let [least, greatest] = style.scale;
        let half_width = 8 * (least + draws.below(greatest - least + 1));
        let half_height = (half_width * (104 + draws.below(49))) >> 7;
        let reach = half_width.max(half_height);
        let margin = 3 * reach / 4;
        let center = [(); 2].map(|()| margin + draws.below(SIDE + 1 - 2 * margin));
        let angle = draws.around(64);
        let flip = draws.below(2) == 1;
        let shear = draws.around(48);
        Self {
            center,
            reach,
            cos: cosine(angle),
            sin: sine(angle),
            inverse_scale: [(1 << 20) / half_width, (1 << 20) / half_height],
            flip,
            shear,
        }
    }

    /// Local coordinates of a point given relative to the centre.
    #[inline]
    fn local(&self, dx: i64, dy: i64) -> [i64; 2] {
        let x = ((self.cos * dx + self.sin * dy) * self.inverse_scale[0]) >> 24;
        let y = ((self.cos * dy - self.sin * dx) * self.inverse_scale[1]) >> 24;
        let x = if self.flip { -x } else { x };
        [x + ((y * self.shear) >> 8), y]
    }

    /// Paints the figure into the row of sub-pixels at `y`.
    fn paint(&self, parts: &[(Part, Bounds)], palette: [Color; 2], y: i64, line: &mut [Color]) {
        let dy = y - self.center[1];
        if dy.abs() >= 2 * self.reach {
            return;
        }
        let all = parts
            .iter()
            .fold(Bounds::EMPTY, |all, (_, bounds)| all.joined(*bounds));
        for (place, pixel) in line.iter_mut().enumerate() {
            let dx = position(place) - self.center[0];
            if dx.abs() >= 2 * self.reach {
                continue;
            }
            let [x, y] = self.local(dx, dy);
            if !all.contains(x, y) {
                continue;
            }
            let top = parts
                .iter()
                .rev()
                .find(|(part, bounds)| bounds.contains(x, y) && part.shape.contains(x, y));
            match top.map(|(part, _)| part.paint) {
                Some(Paint::Body) => *pixel = palette[0],
                Some(Paint::Detail) => *pixel = palette[1],
                Some(Paint::Hole) | None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::drawn::background::Texture;
    use crate::dataset::drawn::{CLASSES, EASY, HARD, TARGET, THINGS, figures};

    /// The colour at a point straight from the specification: no boxes, no rows, no 32-bit numbers.
    fn color_at(scene: &Scene, x: i64, y: i64) -> Color {
        let on_top = |distractors: &[Distractor]| {
            let hit = distractors.iter().rev().find(|d| d.shape.contains(x, y));
            hit.map(|d| d.color)
        };
        if let Some(color) = on_top(&scene.over) {
            return color;
        }
        let place = &scene.placement;
        let (dx, dy) = (x - place.center[0], y - place.center[1]);
        if dx.abs() < 2 * place.reach && dy.abs() < 2 * place.reach {
            let [x, y] = place.local(dx, dy);
            let top = scene
                .figure
                .iter()
                .rev()
                .find(|part| part.shape.contains(x, y));
            match top.map(|part| part.paint) {
                Some(Paint::Body) => return scene.palette[0],
                Some(Paint::Detail) => return scene.palette[1],
                Some(Paint::Hole) | None => {}
            }
        }
        if let Some(color) = on_top(&scene.under) {
            return color;
        }
        let ground = &scene.background;
        let u = ((ground.cos * x + ground.sin * y) >> 14) + ground.phase;
        let v = ((ground.cos * y - ground.sin * x) >> 14) + ground.phase;
        let period = ground.period;
        let weight = match ground.texture {
            Texture::Gradient => 64 * y / 512 + 64 * x / 512,
            Texture::Stripes => 128 * (u.div_euclid(period) & 1),
            Texture::Checks => 128 * ((u.div_euclid(period) + v.div_euclid(period)) & 1),
            Texture::Dots => {
                let a = 2 * u.rem_euclid(period) - period;
                let b = 2 * v.rem_euclid(period) - period;
                128 * i64::from(3 * (a * a + b * b) < period * period)
            }
        };
        let [first, second] = ground.colors;
        [0, 1, 2].map(|c| first[c] + (((second[c] - first[c]) * weight) >> 7))
    }

    fn plain(scene: &mut Scene) -> Vec<u8> {
        let mut picture = Vec::new();
        for py in 0..64 {
            for px in 0..64 {
                let mut sum = [0; 3];
                for j in 0..4 {
                    for i in 0..4 {
                        let color = color_at(scene, 8 * px + 2 * i + 1, 8 * py + 2 * j + 1);
                        sum = [0, 1, 2].map(|c| sum[c] + color[c]);
                    }
                }
                for value in sum {
                    let noise = scene.draws.below(2 * scene.noise + 1) - scene.noise;
                    picture.push((((value + 8) >> 4) + noise).clamp(0, 255) as u8);
                }
            }
        }
        picture
    }

    #[test]
    fn painting_by_rows_equals_the_specification() {
        for number in 0..25 {
            let label = number % CLASSES.len() as u32;
            let scene = || Scene::new(7, 2, number, figures::head(label), &TARGET);
            assert_eq!(
                *scene().render(),
                *plain(&mut scene()),
                "test picture {number}"
            );
        }
        for number in 0..36 {
            let label = number % THINGS.len() as u32;
            let scene = || Scene::new(u64::MAX, 9, number, figures::thing(label), &HARD);
            assert_eq!(
                *scene().render(),
                *plain(&mut scene()),
                "hard picture {number}"
            );
            let scene = || Scene::new(7, 8, number, figures::thing(label), &EASY);
            assert_eq!(
                *scene().render(),
                *plain(&mut scene()),
                "easy picture {number}"
            );
        }
    }
}
