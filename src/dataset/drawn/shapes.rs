//! The four shapes that figures and distractors are made of, in integers.

/// What a shape is; says how its arguments are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Centre x, y, radii x, y.
    Ellipse,
    /// A thick line with round ends: from x, y, to x, y, radius.
    Stroke,
    /// Three corners x, y.
    Triangle,
    /// Four corners x, y, in order around a convex outline.
    Quad,
}

impl Kind {
    /// How many arguments count.
    pub(super) const fn arguments(self) -> usize {
        match self {
            Self::Ellipse => 4,
            Self::Stroke => 5,
            Self::Triangle => 6,
            Self::Quad => 8,
        }
    }
}

/// The most arguments that a shape has.
const MOST_ARGUMENTS: usize = 8;

/// A shape at its place. Arguments that the kind does not have are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) kind: Kind,
    pub(super) arguments: [i64; MOST_ARGUMENTS],
}

impl Shape {
    /// A shape of the first arguments of its kind.
    pub(super) const fn new<const N: usize>(kind: Kind, given: [i64; N]) -> Self {
        assert!(N == kind.arguments(), "arguments do not fit the kind");
        let mut arguments = [0; MOST_ARGUMENTS];
        let mut i = 0;
        while i < N {
            arguments[i] = given[i];
            i += 1;
        }
        Self { kind, arguments }
    }

    /// The shape mirrored in x.
    pub(super) fn mirrored(mut self) -> Self {
        let abscissas: &[usize] = match self.kind {
            Kind::Ellipse => &[0],
            Kind::Stroke => &[0, 2],
            Kind::Triangle => &[0, 2, 4],
            Kind::Quad => &[0, 2, 4, 6],
        };
        for &i in abscissas {
            self.arguments[i] = -self.arguments[i];
        }
        self
    }

    /// Whether a point lies in the shape; its edge belongs to it.
    #[inline]
    pub(super) fn contains(&self, x: i64, y: i64) -> bool {
        let a = &self.arguments;
        match self.kind {
            Kind::Ellipse => {
                let dx = (x - a[0]) * a[3];
                let dy = (y - a[1]) * a[2];
                let r = a[2] * a[3];
                dx * dx + dy * dy <= r * r
            }
            Kind::Stroke => on_stroke([a[0], a[1]], [a[2], a[3]], a[4], [x, y]),
            Kind::Triangle => within_corners(&a[..6], x, y),
            Kind::Quad => within_corners(&a[..8], x, y),
        }
    }

    /// The smallest box that holds the shape.
    pub(super) fn bounds(&self) -> Bounds {
        let a = &self.arguments;
        match self.kind {
            Kind::Ellipse => Bounds {
                low: [a[0] - a[2], a[1] - a[3]],
                high: [a[0] + a[2], a[1] + a[3]],
            },
            Kind::Stroke => {
                let line = Bounds::of_points(&a[..4]);
                Bounds {
                    low: line.low.map(|low| low - a[4]),
                    high: line.high.map(|high| high + a[4]),
                }
            }
            Kind::Triangle => Bounds::of_points(&a[..6]),
            Kind::Quad => Bounds::of_points(&a[..8]),
        }
    }
}

fn on_stroke(from: [i64; 2], to: [i64; 2], radius: i64, point: [i64; 2]) -> bool {
    let squared = |v: [i64; 2]| v[0] * v[0] + v[1] * v[1];
    let d = [to[0] - from[0], to[1] - from[1]];
    let q = [point[0] - from[0], point[1] - from[1]];
    let along = q[0] * d[0] + q[1] * d[1];
    let length = squared(d);
    if along <= 0 {
        squared(q) <= radius * radius
    } else if along >= length {
        squared([point[0] - to[0], point[1] - to[1]]) <= radius * radius
    } else {
        let across = q[0] * d[1] - q[1] * d[0];
        across * across <= radius * radius * length
    }
}

/// Whether the point is on the same side of every edge; `corners` holds x, y in turn.
fn within_corners(corners: &[i64], x: i64, y: i64) -> bool {
    let mut left = true;
    let mut right = true;
    let last = corners.len() - 2;
    let mut from = [corners[last], corners[last + 1]];
    for to in corners.chunks_exact(2) {
        let cross = (to[0] - from[0]) * (y - from[1]) - (to[1] - from[1]) * (x - from[0]);
        left &= cross >= 0;
        right &= cross <= 0;
        from = [to[0], to[1]];
    }
    left || right
}

/// A box with its edges: low ≤ point ≤ high.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) low: [i64; 2],
    pub(super) high: [i64; 2],
}

impl Bounds {
    /// Holds nothing; joined with a box it gives that box.
    pub(super) const EMPTY: Self = Self {
        low: [i64::MAX; 2],
        high: [i64::MIN; 2],
    };

    fn of_points(points: &[i64]) -> Self {
        points.chunks_exact(2).fold(Self::EMPTY, |bounds, point| {
            bounds.joined(Self {
                low: [point[0], point[1]],
                high: [point[0], point[1]],
            })
        })
    }

    /// The smallest box that holds both.
    pub(super) fn joined(self, other: Self) -> Self {
        Self {
            low: [self.low[0].min(other.low[0]), self.low[1].min(other.low[1])],
            high: [
                self.high[0].max(other.high[0]),
                self.high[1].max(other.high[1]),
            ],
        }
    }

    /// Whether a point lies in the box.
    #[inline]
    pub(super) fn contains(&self, x: i64, y: i64) -> bool {
        self.low[0] <= x && x <= self.high[0] && self.contains_y(y)
    }

    /// Whether the row y crosses the box.
    #[inline]
    pub(super) fn contains_y(&self, y: i64) -> bool {
        self.low[1] <= y && y <= self.high[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_belongs_to_every_shape() {
        let ellipse = Shape::new(Kind::Ellipse, [10, 20, 5, 3]);
        assert!(ellipse.contains(15, 20) && ellipse.contains(10, 17));
        assert!(!ellipse.contains(16, 20) && !ellipse.contains(14, 22));
        let stroke = Shape::new(Kind::Stroke, [0, 0, 10, 0, 2]);
        assert!(stroke.contains(-2, 0) && stroke.contains(5, -2) && stroke.contains(12, 0));
        assert!(!stroke.contains(-2, 1) && !stroke.contains(5, 3) && !stroke.contains(12, 1));
        let triangle = Shape::new(Kind::Triangle, [0, 0, 8, 0, 0, 8]);
        assert!(triangle.contains(0, 0) && triangle.contains(4, 4));
        assert!(!triangle.contains(5, 4) && !triangle.contains(-1, 0));
        let quad = Shape::new(Kind::Quad, [0, 0, 8, 0, 8, 8, 0, 8]);
        assert!(quad.contains(8, 8) && quad.contains(4, 0));
        assert!(!quad.contains(9, 8) && !quad.contains(4, -1));
    }

    #[test]
    fn a_stroke_of_no_length_is_a_disc() {
        let dot = Shape::new(Kind::Stroke, [3, 3, 3, 3, 2]);
        assert!(dot.contains(5, 3) && dot.contains(4, 4));
        assert!(!dot.contains(5, 5));
    }

    #[test]
    fn bounds_hold_every_point_of_the_shape() {
        let shapes = [
            Shape::new(Kind::Ellipse, [4, -3, 9, 5]),
            Shape::new(Kind::Stroke, [-7, 2, 8, -6, 4]),
            Shape::new(Kind::Triangle, [-9, 0, 5, 7, 2, -8]),
            Shape::new(Kind::Quad, [-6, -6, 7, -4, 5, 9, -8, 3]),
        ];
        for shape in shapes {
            let mut tight = Bounds::EMPTY;
            for y in -20..20 {
                for x in -20..20 {
                    if shape.contains(x, y) {
                        assert!(shape.bounds().contains(x, y), "{shape:?} at {x}, {y}");
                        tight = tight.joined(Bounds::of_points(&[x, y]));
                    }
                }
            }
            let spare = shape.bounds().high[0] - tight.high[0];
            assert!((0..=1).contains(&spare), "{shape:?} is in a box too wide");
        }
    }
}
