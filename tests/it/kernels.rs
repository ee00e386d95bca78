//! Every kernel at every SIMD level against the vectors of docs/arithmetic.md, and against each other.

use goldrun::kernels::optimizer::{Adam, RmsProp, Sgd};
use goldrun::kernels::pointwise::{Epilogue, PackedWeights};
use goldrun::kernels::{
    Level, batch_norm, depthwise, elementary, first_convolution, loss, pointwise, pool,
};
use proptest::prelude::*;

/// The finaliser of splitmix64.
fn splitmix(i: u64) -> u64 {
    let mut z = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    /// Signed, with subnormals and both zeros.
    Signed,
    /// Like activations after ReLU6.
    Activation,
}
use Mode::{Activation, Signed};

/// D(n, seed, mode) of docs/arithmetic.md.
fn data(n: usize, seed: u64, mode: Mode) -> Vec<f32> {
    (0..n as u64)
        .map(|i| {
            let z = splitmix(seed * 1_000_003 + i);
            let f = (z >> 40) as f32 * (1.0 / 16_777_216.0) - 0.5;
            if mode == Activation {
                let x = f * 14.0;
                let positive = if x > 0.0 { x } else { 0.0 };
                return if positive < 6.0 { positive } else { 6.0 };
            }
            match z % 53 {
                0 => f * f32::from_bits(0x0000_4000),
                1 => -0.0,
                2 => 0.0,
                3 => f * f32::from_bits(0x1A00_0000),
                _ => f,
            }
        })
        .collect()
}

/// FNV-1a over the bits.
fn hash(parts: &[&[f32]]) -> u64 {
    parts
        .iter()
        .flat_map(|part| part.iter())
        .fold(0xCBF2_9CE4_8422_2325, |hash, value| {
            (hash ^ u64::from(value.to_bits())).wrapping_mul(0x0100_0000_01B3)
        })
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn packed(level: Level, k: usize, n: usize, w: &[f32]) -> PackedWeights {
    let mut packed = PackedWeights::new(level, k, n);
    packed.pack(w);
    packed
}

#[test]
fn vectors_of_pointwise() {
    let (rows, k, n) = (50, 576, 40);
    let (w, b) = (data(k * n, 2, Signed), data(n, 3, Signed));
    for level in Level::available() {
        let mut y = vec![0.0; rows * n];
        let weights = packed(level, k, n, &w);
        let relu6 = Epilogue {
            relu6: true,
            ..Epilogue::default()
        };
        pointwise::forward(
            level,
            &data(rows * k, 1, Activation),
            &weights,
            Some(&b),
            relu6,
            &mut y,
        );
        assert_eq!(hash(&[&y]), 0x71ed_4897_e292_e13a, "{level:?}");
        let x = data(rows * k, 4, Signed);
        pointwise::forward(level, &x, &weights, Some(&b), Epilogue::default(), &mut y);
        assert_eq!(hash(&[&y]), 0xc52e_6f0f_d2bd_cadd, "{level:?}");
    }
}

#[test]
fn vectors_of_depthwise() {
    let (images, side, c) = (7, 10, 40);
    let expected = [
        (
            1,
            [
                0x3276_798e_0d49_baf3,
                0x6e2e_c01a_6618_9d34,
                0x89ba_04e4_1a34_f5d2,
            ],
        ),
        (
            2,
            [
                0xfbbe_3ebd_ffa2_32c7,
                0xe400_8035_f415_fbab,
                0xb9f1_21aa_bb60_2a64_u64,
            ],
        ),
    ];
    let w = data(9 * c, 6, Signed);
    let b = data(c, 7, Signed);
    for (stride, hashes) in expected {
        let shape = depthwise::Shape::keras(side, side, c, stride);
        let x = data(images * shape.input_len(), 5, Activation);
        for level in Level::available() {
            let mut y = vec![0.0; images * shape.output_len()];
            for (x, y) in x
                .chunks_exact(shape.input_len())
                .zip(y.chunks_exact_mut(shape.output_len()))
            {
                depthwise::forward(level, &shape, x, &w, &b, true, y);
            }
            let mut dz = data(y.len(), 8, Signed);
            for (dz, &y) in dz.iter_mut().zip(&y) {
                *dz = if y > 0.0 && y < 6.0 { *dz } else { 0.0 };
            }
            let mut dx = vec![0.0; x.len()];
            for (dz, dx) in dz
                .chunks_exact(shape.output_len())
                .zip(dx.chunks_exact_mut(shape.input_len()))
            {
                depthwise::input_gradient(level, &shape, dz, &w, None, dx);
            }
            let mut gradient = vec![0.0; 10 * c];
            let slice = 128_usize.div_ceil(shape.out_height * shape.out_width);
            depthwise::weight_gradient(level, &shape, images, &x, &dz, slice, 0..c, &mut gradient);
            assert_eq!(
                [hash(&[&y]), hash(&[&dx]), hash(&[&gradient])],
                hashes,
                "{level:?} {stride}"
            );
        }
    }
}

#[test]
fn vectors_of_weight_and_gamma_gradients() {
    let (images, pixels, k, n) = (17, 25, 200, 40);
    let x = data(images * pixels * k, 9, Activation);
    let dz = data(images * pixels * n, 10, Signed);
    for level in Level::available() {
        let mut folded = vec![0.0; k * n];
        pointwise::weight_gradient(level, &x, &dz, k, n, 6 * pixels, 0..k, &mut folded);
        assert_eq!(hash(&[&folded]), 0xb409_9cf0_17d6_9a0c, "{level:?}");
        let (mut dw, mut dgamma) = (vec![0.0; k * n], vec![0.0; n]);
        batch_norm::gradients(
            level,
            &folded,
            &data(k * n, 11, Signed),
            &data(n, 12, Signed),
            &data(n, 13, Signed),
            &data(n, 14, Activation),
            &data(n, 15, Signed),
            64,
            &mut dw,
            &mut dgamma,
        );
        assert_eq!(hash(&[&dw, &dgamma]), 0xdb19_5124_3c46_c0e5, "{level:?}");
    }
}

#[test]
fn vectors_of_optimizers() {
    let n = 10_007;
    for level in Level::available() {
        let start = || (data(n, 20, Signed), vec![0.0; n], vec![0.0; n]);
        let gradients = || (1..=5).map(|t| data(n, 30 + t, Signed));
        let (mut w, mut m, mut v) = start();
        let mut adam = Adam::new(1e-4, 0.9, 0.999, 1e-7);
        for g in gradients() {
            adam.next_step();
            adam.update(level, &mut w, &g, &mut m, &mut v);
        }
        assert_eq!(hash(&[&w, &m, &v]), 0x0e14_d605_6c93_b091, "adam {level:?}");
        let (mut w, mut m, mut v) = start();
        let rmsprop = RmsProp::new(1e-5, 0.9, 0.0, 1e-7);
        for g in gradients() {
            rmsprop.update(level, &mut w, &g, &mut v, &mut m);
        }
        assert_eq!(
            hash(&[&w, &m, &v]),
            0xe424_1fd6_be55_21c4,
            "rmsprop {level:?}"
        );
        let (mut w, mut m, v) = start();
        let sgd = Sgd::new(1e-2, 0.9, false);
        for g in gradients() {
            sgd.update(level, &mut w, &g, &mut m);
        }
        assert_eq!(hash(&[&w, &m, &v]), 0x88ba_9e7c_b5e2_2f9e, "sgd {level:?}");
    }
}

#[test]
fn vectors_of_losses() {
    let n = 4099;
    let x: Vec<f32> = data(n, 40, Signed).iter().map(|v| v * 260.0).collect();
    let labels: Vec<u32> = (0..n as u64).map(|i| (splitmix(i) & 1) as u32).collect();
    let (mut losses, mut dx) = (vec![0.0; n], vec![0.0; n]);
    loss::binary(&x, &labels, 32, &mut losses, &mut dx);
    assert_eq!(hash(&[&losses, &dx]), 0xca59_b356_b375_af1f);

    let (rows, k) = (500, 7);
    let x: Vec<f32> = data(rows * k, 50, Signed)
        .iter()
        .map(|v| v * 60.0)
        .collect();
    let labels: Vec<u32> = (0..rows as u64)
        .map(|i| (splitmix(i) % k as u64) as u32)
        .collect();
    let (mut losses, mut dx) = (vec![0.0; rows], vec![0.0; rows * k]);
    loss::softmax(&x, k, &labels, 32, &mut losses, &mut dx);
    let by_row: Vec<f32> = losses
        .iter()
        .zip(dx.chunks_exact(k))
        .flat_map(|(loss, d)| std::iter::once(*loss).chain(d.iter().copied()))
        .collect();
    assert_eq!(hash(&[&by_row]), 0xae5b_7fc0_e4c8_091a);
}

#[test]
fn points_of_losses() {
    for (x, z, loss_bits, dx_bits) in [
        (0.75, 1, 0x3EC6_13F5, 0xBC24_42B0_u32),
        (-3.5, 1, 0x4061_E76E, 0xBCF8_7EFE),
        (120.0, 0, 0x42F0_0000, 0x3D00_0000),
        (-0.0, 0, 0x3F31_7218, 0x3C80_0000),
        (16.5, 1, 0x3392_9427, 0xB112_9426),
    ] {
        let (mut losses, mut dx) = ([0.0], [0.0]);
        loss::binary(&[x], &[z], 1, &mut losses, &mut dx);
        assert_eq!(losses[0].to_bits(), loss_bits, "{x}");
        assert_eq!((dx[0] / 32.0).to_bits(), dx_bits, "{x}");
    }
    let (mut losses, mut d) = ([0.0], [0.0; 3]);
    loss::softmax(&[1.5, -0.25, 1.5], 3, &[2], 1, &mut losses, &mut d);
    assert_eq!(losses[0].to_bits(), 0x3F46_C666);
    assert_eq!(bits(&d), [0x3EEB_88FA, 0x3DA3_B82C, 0xBF0A_3B83]);
}

#[test]
fn vectors_of_pool_and_elementary_functions() {
    let (images, pixels, c) = (9, 25, 40);
    let x = data(images * pixels * c, 60, Activation);
    for level in Level::available() {
        let mut y = vec![0.0; images * c];
        for (x, y) in x.chunks_exact(pixels * c).zip(y.chunks_exact_mut(c)) {
            pool::forward(level, x, pixels, y);
        }
        assert_eq!(hash(&[&y]), 0x7322_99d4_236e_ae1e, "{level:?}");
    }
    let sampled = |from: u64, to: u64, f: fn(f32) -> f32| -> Vec<f32> {
        (from..to)
            .step_by(4099 * 16)
            .flat_map(|block| (0..16).map(move |i| f(f32::from_bits((block + i) as u32))))
            .collect()
    };
    let exp = sampled(0x8000_0000, 0xC2E0_0000, elementary::exp_neg);
    assert_eq!(hash(&[&exp]), 0x71c6_b2eb_9049_619a);
    let log = sampled(0, 227 << 23, elementary::log1p);
    assert_eq!(hash(&[&log]), 0xbde7_a153_a734_959d);
}

/// Five wrong kernels pass all vectors: zero padding of k or of a slice, totals started from +0, taps outside
/// the image multiplied by zero. Every element of these results is −0.
#[test]
fn signs_of_zero() {
    let negative_zero = |values: &[f32]| values.iter().all(|v| v.to_bits() == 0x8000_0000);
    for level in Level::available() {
        let (rows, k, n) = (37, 20, 12);
        let weights = packed(level, k, n, &vec![1.0; k * n]);
        let mut y = vec![1.0; rows * n];
        let start = vec![-0.0; n];
        let x = vec![-0.0; rows * k];
        pointwise::forward(
            level,
            &x,
            &weights,
            Some(&start),
            Epilogue::default(),
            &mut y,
        );
        assert!(negative_zero(&y), "pointwise {level:?}");

        let (rows, k, n) = (55, 12, 8);
        let mut dw = vec![1.0; k * n];
        let (x, dz) = (vec![1e-30; rows * k], vec![-1e-30; rows * n]);
        pointwise::weight_gradient(level, &x, &dz, k, n, 20, 0..k, &mut dw);
        assert!(negative_zero(&dw), "weight gradient {level:?}");

        for stride in [1, 2] {
            let shape = depthwise::Shape::keras(8, 8, 8, stride);
            let mut dx = vec![1.0; shape.input_len()];
            let dz = vec![-1e-30; shape.output_len()];
            depthwise::input_gradient(level, &shape, &dz, &[1e-30; 72], None, &mut dx);
            assert!(negative_zero(&dx), "depthwise input {level:?} {stride}");
            let mut gradient = vec![1.0; 80];
            let x = vec![-1e-30; 3 * shape.input_len()];
            let dz = vec![1e-30; 3 * shape.output_len()];
            depthwise::weight_gradient(level, &shape, 3, &x, &dz, 1, 0..8, &mut gradient);
            assert!(
                negative_zero(&gradient[..72]),
                "depthwise weights {level:?} {stride}"
            );
        }
    }
}

/// Runs `kernel` at every level and asserts that all give the scalar level's bits.
fn same_at_all_levels(kernel: impl Fn(Level) -> Vec<f32>) {
    let reference = bits(&kernel(Level::Scalar));
    for level in Level::available() {
        assert_eq!(bits(&kernel(level)), reference, "{level:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn pointwise_has_the_same_bits(rows in 1_usize..41, k in 1_usize..70, n in 1_usize..100, seed in 0_u64..1000) {
        let x = data(rows * k, seed, Signed);
        let w = data(k * n, seed + 1, Signed);
        let b = data(n, seed + 2, Signed);
        let addend = data(rows * n, seed + 3, Signed);
        let mask = data(rows * n, seed + 4, Activation);
        same_at_all_levels(|level| {
            let mut y = vec![0.0; rows * n];
            let epilogue = Epilogue { addend: Some(&addend), relu6: true, mask: Some(&mask) };
            pointwise::forward(level, &x, &packed(level, k, n, &w), Some(&b), epilogue, &mut y);
            let mut transposed = PackedWeights::new(level, n, k);
            transposed.pack_transposed(&w);
            let mut dx = vec![0.0; rows * k];
            pointwise::forward(level, &addend, &transposed, None, Epilogue::default(), &mut dx);
            y.extend(dx);
            y
        });
        // Against the definition, element by element.
        let mut y = vec![0.0; rows * n];
        let level = Level::detect();
        pointwise::forward(level, &x, &packed(level, k, n, &w), Some(&b), Epilogue::default(), &mut y);
        for row in 0..rows {
            for column in 0..n {
                let chain = (0..k).fold(b[column], |sum, at| x[row * k + at].mul_add(w[at * n + column], sum));
                prop_assert_eq!(y[row * n + column].to_bits(), chain.to_bits());
            }
        }
    }

    #[test]
    fn weight_gradient_has_the_same_bits(rows in 1_usize..60, k in 1_usize..50, n in 1_usize..70, slice in 1_usize..30, cut in 0_usize..50) {
        let x = data(rows * k, 1, Signed);
        let dz = data(rows * n, 2, Signed);
        let cut = cut.min(k);
        same_at_all_levels(|level| {
            let mut whole = vec![0.0; k * n];
            pointwise::weight_gradient(level, &x, &dz, k, n, slice, 0..k, &mut whole);
            let mut parts = vec![0.0; k * n];
            let (low, high) = parts.split_at_mut(cut * n);
            pointwise::weight_gradient(level, &x, &dz, k, n, slice, 0..cut, low);
            pointwise::weight_gradient(level, &x, &dz, k, n, slice, cut..k, high);
            assert_eq!(bits(&whole), bits(&parts));
            let mut bias = vec![0.0; n];
            pointwise::bias_gradient(level, &dz, n, slice, &mut bias);
            whole.extend(bias);
            whole
        });
    }

    #[test]
    fn depthwise_has_the_same_bits(side in 1_usize..14, c in 1_usize..50, stride in 1_usize..3, images in 1_usize..4, slice in 1_usize..3, cut in 0_usize..50) {
        let shape = depthwise::Shape::keras(side, side, c, stride);
        let x = data(images * shape.input_len(), 1, Activation);
        let w = data(9 * c, 2, Signed);
        let b = data(c, 3, Signed);
        let dz = data(images * shape.output_len(), 4, Signed);
        let cut = cut.min(c);
        same_at_all_levels(|level| {
            let mut all = vec![0.0; shape.output_len()];
            depthwise::forward(level, &shape, &x[..shape.input_len()], &w, &b, true, &mut all);
            let mut dx = vec![0.0; shape.input_len()];
            let mask = &x[..shape.input_len()];
            depthwise::input_gradient(level, &shape, &dz[..shape.output_len()], &w, Some(mask), &mut dx);
            all.extend(dx);
            for channels in [0..cut, cut..c] {
                let mut out = vec![0.0; 10 * channels.len()];
                depthwise::weight_gradient(level, &shape, images, &x, &dz, slice, channels, &mut out);
                all.extend(out);
            }
            all
        });
    }

    #[test]
    fn first_convolution_has_the_same_bits(height in 1_usize..24, width in 1_usize..24, n in 1_usize..50, images in 1_usize..4) {
        let shape = first_convolution::Shape::keras(height, width, n);
        let x = data(images * shape.input_len(), 1, Signed);
        let w = data(27 * n, 2, Signed);
        let b = data(n, 3, Signed);
        let dz = data(images * shape.output_len(), 4, Signed);
        same_at_all_levels(|level| {
            let mut y = vec![0.0; shape.output_len()];
            first_convolution::forward(level, &shape, &x[..shape.input_len()], &w, &b, &mut y);
            let mut dw = vec![0.0; 27 * n];
            first_convolution::weight_gradient(level, &shape, images, &x, &dz, 2, &mut dw);
            y.extend(dw);
            y
        });
    }

    #[test]
    fn folding_and_updates_have_the_same_bits(k in 1_usize..150, c in 1_usize..40, momentum in 0_usize..2) {
        let of = |len: usize, seed: u64| data(len, seed, Signed);
        let positive = |len: usize, seed: u64| data(len, seed, Activation);
        same_at_all_levels(|level| {
            let (mut folded, mut bias) = (vec![0.0; k * c], vec![0.0; c]);
            batch_norm::fold(level, &of(k * c, 1), &of(c, 2), &of(c, 3), &of(c, 4), &positive(c, 5), &mut folded, &mut bias);
            let (mut dw, mut dgamma) = (vec![0.0; k * c], vec![0.0; c]);
            batch_norm::gradients(level, &of(k * c, 6), &of(k * c, 1), &of(c, 7), &of(c, 4), &positive(c, 5), &of(c, 2), 64, &mut dw, &mut dgamma);
            let mu = momentum as f64 * 0.9;
            let mut state = vec![0.0; k * c];
            for nesterov in [false, true] {
                Sgd::new(0.1, mu, nesterov).update(level, &mut folded, &dw, &mut state);
            }
            let mut squares = vec![0.0; k * c];
            RmsProp::new(0.1, 0.9, mu, 1e-7).update(level, &mut folded, &dw, &mut squares, &mut state);
            [folded, bias, dw, dgamma, state, squares].concat()
        });
    }
}
