use super::super::flip;
use super::*;

const VECTORS: &str = include_str!("../../../tests/fixtures/rotation.txt");

/// One made rotation of the 8×8 image 10·y + x.
struct Vector {
    matrix: [u32; 6],
    out: Vec<u32>,
}

fn vectors() -> Vec<Vector> {
    let bits = |text: &str| u32::from_str_radix(text, 16).expect("hex");
    let mut vectors: Vec<Vector> = Vec::new();
    for line in VECTORS.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split(' ').collect();
        if words[0] == "rotation" {
            vectors.push(Vector {
                matrix: std::array::from_fn(|i| bits(words[2 + i])),
                out: Vec::new(),
            });
        } else {
            let vector = vectors.last_mut().expect("a row follows its matrix");
            vector.out.extend(words.iter().map(|word| bits(word)));
        }
    }
    vectors
}

#[test]
fn keras_vectors() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let m = vector.matrix.map(f32::from_bits);
        let made = matrix([8, 8], [m[3], m[0]]);
        assert_eq!(made.map(f32::to_bits), vector.matrix);
        for channel in 0..CHANNELS {
            let mut image = vec![0.0; 8 * 8 * CHANNELS];
            for (i, pixel) in image.chunks_exact_mut(CHANNELS).enumerate() {
                pixel[channel] = (10 * (i / 8) + i % 8) as f32;
            }
            for level in Level::available() {
                let mut out = vec![f32::NAN; image.len()];
                let turn = [m[3], m[0]];
                rotate(level, &image, [8, 8], turn, Beside::default(), &mut out);
                let pixels = out.chunks_exact(CHANNELS);
                let bits: Vec<u32> = pixels.map(|pixel| pixel[channel].to_bits()).collect();
                assert_eq!(bits, vector.out, "{level:?} channel {channel}");
            }
        }
    }
}

/// The formula, pixel by pixel.
fn reference(image: &[f32], [height, width]: [usize; 2], m: [f32; 6]) -> Vec<f32> {
    let read = |y: usize, x: usize, channel: usize| {
        if y < height && x < width {
            image[(y * width + x) * CHANNELS + channel]
        } else {
            0.0
        }
    };
    let mut out = Vec::new();
    for oy in 0..height {
        for ox in 0..width {
            let x = reflected((m[0] * ox as f32 + m[1] * oy as f32) + m[2], width as f32);
            let y = reflected((m[3] * ox as f32 + m[4] * oy as f32) + m[5], height as f32);
            let (x0, y0) = (x.floor(), y.floor());
            let (x1, y1) = (x0 + 1.0, y0 + 1.0);
            let (left, top) = (x0 as usize, y0 as usize);
            for channel in 0..CHANNELS {
                let row = |y: usize| {
                    (x1 - x) * read(y, left, channel) + (x - x0) * read(y, left + 1, channel)
                };
                out.push((y1 - y) * row(top) + (y - y0) * row(top + 1));
            }
        }
    }
    out
}

fn reflected(mut v: f32, n: f32) -> f32 {
    let period = 2.0 * n;
    if v < 0.0 {
        v += period * (-v / period).trunc();
        v = if v < -n { v + period } else { -v - 1.0 };
    } else if v > n - 1.0 {
        v -= period * (v / period).trunc();
        if v >= n {
            v = period - v - 1.0;
        }
    }
    if v < 0.0 {
        0.0
    } else if v > n - 1.0 {
        n - 1.0
    } else {
        v
    }
}

/// Widths beside and at whole blocks; long thin images reflect more than once.
const SIZES: [(usize, usize); 8] = [
    (2, 2),
    (3, 33),
    (32, 32),
    (5, 90),
    (90, 5),
    (64, 31),
    (40, 65),
    (96, 96),
];

#[test]
fn every_level_follows_the_formula() {
    for (height, width) in SIZES {
        let len = height * width * CHANNELS;
        let image: Vec<f32> = (0..len)
            .map(|i| ((i * 7919) % 2551) as f32 / 10.0)
            .collect();
        for step in 0..24 {
            let angle = f64::from(step) * 0.3 - 3.5;
            let angle = [libm::sin(angle) as f32, libm::cos(angle) as f32];
            let expected = reference(&image, [height, width], matrix([height, width], angle));
            for level in Level::available() {
                let mut out = vec![f32::NAN; len];
                let size = [height, width];
                rotate(level, &image, size, angle, Beside::default(), &mut out);
                let same = out
                    .iter()
                    .zip(&expected)
                    .all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{height}×{width} step {step} {level:?}");
            }
        }
    }
}

#[test]
fn no_angle_is_the_same_image_and_a_half_turn_reverses_it() {
    let image: Vec<f32> = (0..4 * 6 * CHANNELS).map(|i| i as f32).collect();
    for level in Level::available() {
        let mut out = vec![f32::NAN; image.len()];
        rotate(
            level,
            &image,
            [4, 6],
            [0.0, 1.0],
            Beside::default(),
            &mut out,
        );
        assert_eq!(out, image);
        rotate(
            level,
            &image,
            [4, 6],
            [0.0, -1.0],
            Beside::default(),
            &mut out,
        );
        let reversed: Vec<f32> = image
            .chunks_exact(CHANNELS)
            .rev()
            .flatten()
            .copied()
            .collect();
        assert_eq!(out, reversed);
    }
}

#[test]
fn what_is_done_beside_it_gives_the_bits_of_three_passes() {
    for (height, width) in SIZES {
        let size = [height, width];
        let len = height * width * CHANNELS;
        let image: Vec<f32> = (0..len)
            .map(|i| ((i * 7919) % 2551) as f32 / 10.0)
            .collect();
        let mut mirror = image.clone();
        flip::horizontal(&mut mirror, size);
        for step in 0..24 {
            let angle = f64::from(step) * 0.3 - 3.5;
            let angle = [libm::sin(angle) as f32, libm::cos(angle) as f32];
            for [mirrored, scaled] in [[true, false], [false, true], [true, true]] {
                let flipped = if mirrored { &mirror } else { &image };
                let mut expected = reference(flipped, size, matrix(size, angle));
                if scaled {
                    preprocess::scale(Level::Scalar, &mut expected);
                }
                for level in Level::available() {
                    let mut out = vec![f32::NAN; len];
                    let beside = Beside { mirrored, scaled };
                    rotate(level, &image, size, angle, beside, &mut out);
                    let mut pairs = out.iter().zip(&expected);
                    let same = pairs.all(|(a, b)| a.to_bits() == b.to_bits());
                    assert!(same, "{height}×{width} step {step} {level:?} {beside:?}");
                }
            }
        }
    }
}
