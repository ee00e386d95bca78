//! What is drawn: five animal heads to be told apart, eighteen things to pre-train on.
//!
//! Figures live in a square of −64..64, y downwards. A later part covers an earlier one.

use super::shapes::{Kind, Shape};

/// The classes of the target set, in label order.
pub const CLASSES: [&str; 5] = ["bear", "cat", "dog", "mouse", "rabbit"];

/// The classes of the pre-training sets, in label order. No animal head is among them.
pub const THINGS: [&str; 18] = [
    "house",
    "boat",
    "tree",
    "fish",
    "key",
    "mug",
    "mushroom",
    "umbrella",
    "car",
    "flower",
    "hammer",
    "bottle",
    "butterfly",
    "rocket",
    "clock",
    "snail",
    "glasses",
    "robot",
];

/// How a part is painted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// The picture's first figure colour.
    Body,
    /// The picture's second figure colour.
    Detail,
    /// What lies under the figure shows.
    Hole,
}

/// A shape of a figure and its paint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) paint: Paint,
    pub(super) shape: Shape,
}

/// The parts of the target class with this label, in drawing order.
pub(super) fn head(label: u32) -> Vec<Part> {
    use Paint::Body;
    let mut parts = match CLASSES[label as usize] {
        "bear" => join([both(ellipse(Body, [30, -22, 15, 15])), face(36, 33)]),
        "cat" => join([both(triangle(Body, [36, 6, 34, -46, 4, -16])), face(36, 33)]),
        "dog" => join([face(36, 33), both(stroke(Body, [28, -16, 46, 22, 11]))]),
        "mouse" => join([both(ellipse(Body, [36, -24, 24, 24])), face(32, 32)]),
        "rabbit" => join([both(stroke(Body, [14, -14, 20, -52, 9])), face(34, 32)]),
        other => unreachable!("no figure for {other}"),
    };
    parts.extend(eyes());
    parts.push(ellipse(Paint::Detail, [0, 24, 8, 6]));
    parts
}

/// The parts of the thing with this label, in drawing order.
#[allow(clippy::too_many_lines)] // One table of eighteen figures.
pub(super) fn thing(label: u32) -> Vec<Part> {
    use Paint::{Body, Detail, Hole};
    match THINGS[label as usize] {
        "house" => vec![
            quad(Body, [-36, -4, 36, -4, 36, 50, -36, 50]),
            triangle(Body, [-50, -4, 0, -54, 50, -4]),
            quad(Detail, [-10, 18, 10, 18, 10, 50, -10, 50]),
        ],
        "boat" => vec![
            quad(Body, [-54, 18, 54, 18, 32, 46, -32, 46]),
            stroke(Body, [0, -54, 0, 20, 4]),
            triangle(Detail, [6, -52, 46, 10, 6, 10]),
        ],
        "tree" => vec![
            stroke(Detail, [0, 20, 0, 54, 8]),
            triangle(Body, [-40, 24, 0, -24, 40, 24]),
            triangle(Body, [-30, -6, 0, -56, 30, -6]),
        ],
        "fish" => vec![
            ellipse(Body, [-10, 0, 42, 25]),
            triangle(Body, [22, 0, 56, -28, 56, 28]),
            ellipse(Detail, [-32, -6, 6, 6]),
        ],
        "key" => vec![
            ellipse(Body, [-32, 0, 24, 24]),
            ellipse(Hole, [-32, 0, 11, 11]),
            stroke(Body, [-8, 0, 52, 0, 7]),
            stroke(Body, [34, 0, 34, 22, 6]),
            stroke(Body, [50, 0, 50, 18, 6]),
        ],
        "mug" => vec![
            ellipse(Body, [28, 6, 24, 24]),
            ellipse(Hole, [28, 6, 12, 12]),
            quad(Body, [-40, -36, 28, -36, 24, 46, -36, 46]),
            stroke(Detail, [-30, -20, 18, -20, 5]),
        ],
        "mushroom" => vec![
            quad(Detail, [-14, 0, 14, 0, 18, 52, -18, 52]),
            ellipse(Body, [0, -10, 50, 32]),
            quad(Detail, [-52, 8, 52, 8, 44, 20, -44, 20]),
        ],
        "umbrella" => vec![
            ellipse(Body, [0, 0, 54, 48]),
            quad(Hole, [-60, 0, 60, 0, 60, 60, -60, 60]),
            stroke(Detail, [0, -4, 0, 48, 5]),
            stroke(Detail, [0, 50, 18, 46, 5]),
        ],
        "car" => join([
            vec![
                quad(Body, [-54, -4, 54, -4, 54, 28, -54, 28]),
                quad(Body, [-24, -34, 22, -34, 38, -2, -36, -2]),
            ],
            both(ellipse(Detail, [30, 30, 15, 15])),
        ]),
        "flower" => join([
            vec![
                stroke(Detail, [0, 0, 0, 58, 5]),
                ellipse(Body, [0, -40, 17, 17]),
                ellipse(Body, [0, 0, 17, 17]),
            ],
            both(ellipse(Body, [20, -20, 17, 17])),
            vec![ellipse(Detail, [0, -20, 12, 12])],
        ]),
        "hammer" => vec![
            stroke(Detail, [0, -30, 0, 56, 7]),
            quad(Body, [-40, -52, 36, -52, 36, -22, -40, -22]),
        ],
        "bottle" => vec![
            quad(Body, [-24, -6, 24, -6, 24, 56, -24, 56]),
            triangle(Body, [-24, -6, 0, -40, 24, -6]),
            stroke(Body, [0, -54, 0, -10, 9]),
            quad(Detail, [-24, 14, 24, 14, 24, 36, -24, 36]),
        ],
        "butterfly" => join([
            both(ellipse(Body, [28, -20, 24, 26])),
            both(ellipse(Body, [22, 28, 18, 18])),
            both(ellipse(Detail, [28, -20, 9, 9])),
            vec![stroke(Detail, [0, -36, 0, 40, 6])],
        ]),
        "rocket" => join([
            vec![
                triangle(Body, [-22, -20, 0, -60, 22, -20]),
                quad(Body, [-22, -20, 22, -20, 22, 36, -22, 36]),
                ellipse(Detail, [0, -6, 11, 11]),
            ],
            both(triangle(Detail, [22, 8, 46, 48, 22, 36])),
        ]),
        "clock" => join([
            vec![
                ellipse(Body, [0, 0, 46, 46]),
                stroke(Detail, [0, 0, 0, -32, 5]),
                stroke(Detail, [0, 0, 22, 10, 5]),
            ],
            both(stroke(Body, [26, 36, 40, 54, 6])),
        ]),
        "snail" => vec![
            stroke(Body, [-50, 42, 46, 42, 10]),
            ellipse(Body, [-4, 8, 36, 36]),
            ellipse(Detail, [-4, 8, 22, 22]),
            ellipse(Body, [-4, 8, 10, 10]),
            stroke(Body, [46, 40, 54, 4, 6]),
        ],
        "glasses" => join([
            vec![stroke(Body, [-20, 0, 20, 0, 5])],
            both(ellipse(Body, [32, 0, 26, 26])),
            both(ellipse(Detail, [32, 0, 15, 15])),
        ]),
        "robot" => join([
            vec![
                quad(Body, [-36, -28, 36, -28, 36, 44, -36, 44]),
                stroke(Body, [0, -54, 0, -26, 5]),
                ellipse(Body, [0, -52, 9, 9]),
            ],
            eyes(),
            vec![stroke(Detail, [-18, 26, 18, 26, 5])],
        ]),
        other => unreachable!("no figure for {other}"),
    }
}

fn face(radius_x: i64, radius_y: i64) -> Vec<Part> {
    vec![ellipse(Paint::Body, [0, 12, radius_x, radius_y])]
}

fn eyes() -> Vec<Part> {
    both(ellipse(Paint::Detail, [15, 2, 6, 6]))
}

fn ellipse(paint: Paint, arguments: [i64; 4]) -> Part {
    let shape = Shape::new(Kind::Ellipse, arguments);
    Part { paint, shape }
}

fn stroke(paint: Paint, arguments: [i64; 5]) -> Part {
    let shape = Shape::new(Kind::Stroke, arguments);
    Part { paint, shape }
}

fn triangle(paint: Paint, arguments: [i64; 6]) -> Part {
    let shape = Shape::new(Kind::Triangle, arguments);
    Part { paint, shape }
}

fn quad(paint: Paint, arguments: [i64; 8]) -> Part {
    let shape = Shape::new(Kind::Quad, arguments);
    Part { paint, shape }
}

/// The part, then the part mirrored in x.
fn both(part: Part) -> Vec<Part> {
    let shape = part.shape.mirrored();
    vec![part, Part { shape, ..part }]
}

#[allow(clippy::needless_pass_by_value)] // The groups are made in the call.
fn join<const N: usize>(groups: [Vec<Part>; N]) -> Vec<Part> {
    groups.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_figure_of_its_own() {
        let heads = (0..CLASSES.len()).map(|label| head(label as u32));
        let things = (0..THINGS.len()).map(|label| thing(label as u32));
        let all: Vec<Vec<Part>> = heads.chain(things).collect();
        for (i, figure) in all.iter().enumerate() {
            assert!(!figure.is_empty());
            assert!(!all[..i].contains(figure), "figure {i} is drawn twice");
        }
    }
}
