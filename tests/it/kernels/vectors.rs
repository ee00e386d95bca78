//! The vectors of docs/arithmetic.md, read from there: fixed data through a kernel, the hash of the result's bits.

use goldrun::kernels::cuda::Device;
use goldrun::kernels::cuda::update::Rule;
use goldrun::kernels::cuda::vectors::VECTORS;
use goldrun::kernels::optimizer::{Adam, RmsProp, Sgd};
use goldrun::kernels::pointwise::{Epilogue, PackedWeights};
use goldrun::kernels::vectors::hash;
use goldrun::kernels::{
    Block, Level, Sum, batch_norm, depthwise, elementary, loss, pointwise, pool,
};

use super::Mode::{Activation, Signed};
use super::gpu::{Gpu, gpus, levels};
use super::on_cuda::{self, Host, OnDevice};
use super::{bits, data, splitmix};

/// The hash that docs/arithmetic.md gives for a test.
fn documented(test: &str) -> u64 {
    let page = include_str!("../../../docs/arithmetic.md");
    let row = page
        .lines()
        .find(|line| line.starts_with(&format!("| {test} |")))
        .unwrap_or_else(|| panic!("no test `{test}` in docs/arithmetic.md"));
    let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
    u64::from_str_radix(cells[cells.len() - 1], 16).expect("a hash in the last column")
}

/// The bits that docs/arithmetic.md gives for a function, in order.
fn documented_points(function: &str) -> Vec<u32> {
    let page = include_str!("../../../docs/arithmetic.md");
    let row = page
        .lines()
        .find(|line| line.starts_with(&format!("| {function}")))
        .unwrap_or_else(|| panic!("no function `{function}` in docs/arithmetic.md"));
    row.rsplit('|')
        .nth(1)
        .expect("a column of points")
        .split([' ', ',', ';'])
        .filter(|word| word.len() == 8)
        .map(|word| u32::from_str_radix(word, 16).expect("bits"))
        .collect()
}

fn packed(level: Level, k: usize, n: usize, w: &[f32]) -> PackedWeights {
    let mut packed = PackedWeights::new(level, k, n);
    packed.pack(w);
    packed
}

#[test]
fn the_vectors_of_doctor_are_those_of_the_page() {
    for (test, expected) in VECTORS {
        assert_eq!(expected, documented(test), "{test}");
    }
}

#[test]
fn doctor_finds_all_vectors_equal() {
    let Ok(device) = Device::open() else {
        return;
    };
    let findings = goldrun::kernels::cuda::vectors::check(&device).unwrap();
    assert!(findings.len() > VECTORS.len());
    for finding in findings {
        assert!(finding.is_equal, "{}", finding.name);
    }
}

#[test]
fn vectors_of_pointwise() {
    let (rows, k, n) = (50, 576, 40);
    let (w, b) = (data(k * n, 2, Signed), data(n, 3, Signed));
    for level in levels() {
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
        assert_eq!(hash(&[&y]), documented("pointwise, ReLU6"), "{level:?}");
        let x = data(rows * k, 4, Signed);
        pointwise::forward(level, &x, &weights, Some(&b), Epilogue::default(), &mut y);
        assert_eq!(hash(&[&y]), documented("pointwise, linear"), "{level:?}");
    }
    for (gpu, tile) in gpus().iter().flat_map(Gpu::each_tile) {
        for (test, x, relu6) in [
            ("pointwise, ReLU6", data(rows * k, 1, Activation), true),
            ("pointwise, linear", data(rows * k, 4, Signed), false),
        ] {
            let host = Host {
                x: &x,
                w: &w,
                bias: Some(&b),
                addend: None,
                mask: None,
                relu6,
                k,
            };
            let y = on_cuda::product(gpu, tile, &host);
            assert_eq!(hash(&[&y]), documented(test), "{}", tile.name());
        }
    }
}

#[test]
fn vectors_of_depthwise() {
    let (images, side, c) = (7, 10, 40);
    let w = data(9 * c, 6, Signed);
    let b = data(c, 7, Signed);
    for stride in [1, 2] {
        let hashes = ["y", "dX", "dW', db'"]
            .map(|what| documented(&format!("depthwise, stride {stride}: {what}")));
        let shape = depthwise::Shape::keras(side, side, c, stride);
        let x = data(images * shape.input_len(), 5, Activation);
        for level in levels() {
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
            let out = Block::whole(&mut gradient, c);
            depthwise::weight_gradient(level, &shape, images, &x, &dz, slice, Sum::New, out);
            assert_eq!(
                [hash(&[&y]), hash(&[&dx]), hash(&[&gradient])],
                hashes,
                "{level:?} {stride}"
            );
        }
        for gpu in gpus() {
            let y = on_cuda::depthwise(gpu, &shape, (&x, &w, &b), true);
            let mut dz = data(y.len(), 8, Signed);
            for (dz, &y) in dz.iter_mut().zip(&y) {
                *dz = if y > 0.0 && y < 6.0 { *dz } else { 0.0 };
            }
            let dx = on_cuda::depthwise_input(gpu, &shape, (&dz, &w), None, None);
            let slice = 128_usize.div_ceil(shape.out_height * shape.out_width);
            let gradient = on_cuda::depthwise_weights(gpu, &shape, (&x, &dz), slice);
            let found = [hash(&[&y]), hash(&[&dx]), hash(&[&gradient])];
            assert_eq!(found, hashes, "{:?} {stride}", gpu.threads);
        }
    }
}

#[test]
fn vectors_of_weight_and_gamma_gradients() {
    let (images, pixels, k, n) = (17, 25, 200, 40);
    let x = data(images * pixels * k, 9, Activation);
    let dz = data(images * pixels * n, 10, Signed);
    for level in levels() {
        let mut folded = vec![0.0; k * n];
        let out = Block::whole(&mut folded, n);
        pointwise::weight_gradient(level, &x, &dz, 6 * pixels, Sum::New, out);
        assert_eq!(hash(&[&folded]), documented("pointwise dW'"), "{level:?}");
        let (mut dw, mut dgamma) = (vec![0.0; k * n], vec![0.0; n]);
        let w = data(k * n, 11, Signed);
        let [db, mean, gamma] = [12, 13, 15].map(|seed| data(n, seed, Signed));
        let inverse = data(n, 14, Activation);
        let mut scale = vec![0.0; n];
        batch_norm::scale(&gamma, &inverse, &mut scale);
        batch_norm::scale_rows(level, &folded, &scale, &mut dw);
        let to = &mut dgamma;
        batch_norm::gamma_gradient(level, &folded, &w, &db, &mean, &inverse, 64, to);
        assert_eq!(hash(&[&dw, &dgamma]), documented("dW, dgamma"), "{level:?}");
    }
    for (gpu, tile) in gpus().iter().flat_map(Gpu::each_slices_tile) {
        let found = on_cuda::product_weights(gpu, tile, (&x, &dz), (k, n), 6 * pixels);
        assert_eq!(
            hash(&[&found]),
            documented("pointwise dW'"),
            "{}",
            tile.name()
        );
    }
}

#[test]
fn vectors_of_optimizers() {
    let n = 10_007;
    for level in levels() {
        let start = || (data(n, 20, Signed), vec![0.0; n], vec![0.0; n]);
        let gradients = || (1..=5).map(|t| data(n, 30 + t, Signed));
        let (mut w, mut m, mut v) = start();
        let mut adam = Adam::new(1e-4, 0.9, 0.999, 1e-7);
        for g in gradients() {
            adam.next_step();
            adam.update(level, &mut w, &g, &mut m, &mut v);
        }
        assert_eq!(hash(&[&w, &m, &v]), documented("Adam"), "adam {level:?}");
        let (mut w, mut m, mut v) = start();
        let rmsprop = RmsProp::new(1e-5, 0.9, 0.0, 1e-7);
        for g in gradients() {
            rmsprop.update(level, &mut w, &g, &mut v, &mut m);
        }
        assert_eq!(
            hash(&[&w, &m, &v]),
            documented("RMSprop"),
            "rmsprop {level:?}"
        );
        let (mut w, mut m, v) = start();
        let sgd = Sgd::new(1e-2, 0.9, false);
        for g in gradients() {
            sgd.update(level, &mut w, &g, &mut m);
        }
        assert_eq!(
            hash(&[&w, &m, &v]),
            documented("SGD, momentum 0.9"),
            "sgd {level:?}"
        );
    }
    for gpu in gpus() {
        let mut adam = Adam::new(1e-4, 0.9, 0.999, 1e-7);
        let rmsprop = RmsProp::new(1e-5, 0.9, 0.0, 1e-7);
        let sgd = Sgd::new(1e-2, 0.9, false);
        for (test, rule, is_adam) in [
            ("Adam", Rule::from(&adam), true),
            ("RMSprop", Rule::from(&rmsprop), false),
            ("SGD, momentum 0.9", Rule::from(&sgd), false),
        ] {
            let mut layer = OnDevice::dense(gpu, &data(n, 20, Signed), &[0.0]);
            for t in 1..=5 {
                if is_adam {
                    adam.next_step();
                }
                layer.step(rule, adam.alpha(), Some([&data(n, 30 + t, Signed), &[0.0]]));
            }
            let w = layer.get(layer.layer.kernel);
            // After those of the kernel comes that of the bias.
            let states = layer.states();
            let (m, v) = (&states[..n], &states[n + 1..][..n]);
            assert_eq!(hash(&[&w, m, v]), documented(test), "{test}");
        }
    }
}

#[test]
fn vectors_of_losses() {
    let n = 4099;
    let x: Vec<f32> = data(n, 40, Signed).iter().map(|v| v * 260.0).collect();
    let labels: Vec<u32> = (0..n as u64).map(|i| (splitmix(i) & 1) as u32).collect();
    let (mut losses, mut dx) = (vec![0.0; n], vec![0.0; n]);
    loss::binary(&x, &labels, 32, &mut losses, &mut dx);
    assert_eq!(hash(&[&losses, &dx]), documented("binary loss, dx"));
    for gpu in gpus() {
        let [losses, dx] = on_cuda::loss(gpu, &x, &labels, 32);
        assert_eq!(hash(&[&losses, &dx]), documented("binary loss, dx"));
    }

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
    let by_row = |losses: &[f32], dx: &[f32]| -> Vec<f32> {
        let rows = losses.iter().zip(dx.chunks_exact(k));
        rows.flat_map(|(loss, d)| std::iter::once(*loss).chain(d.iter().copied()))
            .collect()
    };
    let expected = documented("softmax: loss, d by row");
    assert_eq!(hash(&[&by_row(&losses, &dx)]), expected);
    for gpu in gpus() {
        let [losses, dx] = on_cuda::loss(gpu, &x, &labels, 32);
        assert_eq!(hash(&[&by_row(&losses, &dx)]), expected);
    }
}

#[test]
fn points_of_losses() {
    let examples = [(0.75, 1), (-3.5, 1), (120.0, 0), (-0.0, 0), (16.5, 1)];
    let found: Vec<f32> = examples
        .into_iter()
        .flat_map(|(x, z)| {
            let (mut losses, mut dx) = ([0.0], [0.0]);
            loss::binary(&[x], &[z], 32, &mut losses, &mut dx);
            [losses[0], dx[0]]
        })
        .collect();
    assert_eq!(bits(&found), documented_points("binary loss x, z"));
    let (mut losses, mut d) = ([0.0], [0.0; 3]);
    loss::softmax(&[1.5, -0.25, 1.5], 3, &[2], 1, &mut losses, &mut d);
    assert_eq!(
        [bits(&losses), bits(&d)].concat(),
        documented_points("softmax [")
    );
}

#[test]
fn points_of_elementary_functions() {
    let exp = [-0.5, -1.0, -87.5, -100.0, -104.0, f32::NEG_INFINITY].map(elementary::exp_neg);
    assert_eq!(bits(&exp), documented_points("exp_neg"));
    let log = [1e-8, 0.25, 1.0, 9.0, 1e6].map(elementary::log1p);
    assert_eq!(bits(&log), documented_points("log1p"));
}

#[test]
fn points_of_optimizers() {
    for level in levels() {
        let (mut w, mut m, mut v) = ([0.5], [0.0], [0.0]);
        let mut adam = Adam::new(1e-4, 0.9, 0.999, 1e-7);
        adam.next_step();
        adam.update(level, &mut w, &[0.01], &mut m, &mut v);
        assert_eq!(bits(&[w, m, v].concat()), documented_points("Adam w"));
        let (mut w, mut m, mut v) = ([0.5], [0.0], [0.0]);
        RmsProp::new(1e-5, 0.9, 0.0, 1e-7).update(level, &mut w, &[0.01], &mut v, &mut m);
        assert_eq!(bits(&[w, v].concat()), documented_points("RMSprop w"));
    }
}

#[test]
fn vectors_of_pool_and_elementary_functions() {
    let (images, pixels, c) = (9, 25, 40);
    let x = data(images * pixels * c, 60, Activation);
    for level in levels() {
        let mut y = vec![0.0; images * c];
        for (x, y) in x.chunks_exact(pixels * c).zip(y.chunks_exact_mut(c)) {
            pool::forward(level, x, pixels, y);
        }
        assert_eq!(hash(&[&y]), documented("pool"), "{level:?}");
    }
    for gpu in gpus() {
        let y = on_cuda::pool(gpu, &x, pixels, c);
        assert_eq!(hash(&[&y]), documented("pool"), "{:?}", gpu.threads);
    }
    let sampled = |from: u64, to: u64, f: fn(f32) -> f32| -> Vec<f32> {
        (from..to)
            .step_by(4099 * 16)
            .flat_map(|block| (0..16).map(move |i| f(f32::from_bits((block + i) as u32))))
            .collect()
    };
    let exp = sampled(0x8000_0000, 0xC2E0_0000, elementary::exp_neg);
    assert_eq!(hash(&[&exp]), documented("exp_neg, sampled"));
    let log = sampled(0, 227 << 23, elementary::log1p);
    assert_eq!(hash(&[&log]), documented("log1p, sampled"));
}

/// Five wrong kernels pass all vectors: zero padding of k or of a slice, totals started from +0, taps outside
/// the image multiplied by zero. Every element of these results is −0.
#[test]
fn signs_of_zero() {
    let negative_zero = |values: &[f32]| values.iter().all(|v| v.to_bits() == 0x8000_0000);
    for level in levels() {
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
        let out = Block::whole(&mut dw, n);
        pointwise::weight_gradient(level, &x, &dz, 20, Sum::New, out);
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
            let out = Block::whole(&mut gradient, 8);
            depthwise::weight_gradient(level, &shape, 3, &x, &dz, 1, Sum::New, out);
            assert!(
                negative_zero(&gradient[..72]),
                "depthwise weights {level:?} {stride}"
            );
        }
    }
    for gpu in gpus() {
        let (rows, k, n) = (37, 20, 12);
        let host = Host {
            x: &vec![-0.0; rows * k],
            w: &vec![1.0; k * n],
            bias: Some(&vec![-0.0; n]),
            addend: None,
            mask: None,
            relu6: false,
            k,
        };
        for tile in gpu.kernels.pointwise.tiles() {
            let y = on_cuda::product(gpu, tile, &host);
            assert!(negative_zero(&y), "{}", tile.name());
        }
        let (rows, k, n) = (55, 12, 8);
        let (x, dz) = (vec![1e-30; rows * k], vec![-1e-30; rows * n]);
        for tile in gpu.kernels.pointwise.slices_tiles() {
            let dw = on_cuda::product_weights(gpu, tile, (&x, &dz), (k, n), 20);
            assert!(negative_zero(&dw), "{}", tile.name());
        }
        for stride in [1, 2] {
            let shape = depthwise::Shape::keras(8, 8, 8, stride);
            let dz = vec![-1e-30; 3 * shape.output_len()];
            let dx = on_cuda::depthwise_input(gpu, &shape, (&dz, &[1e-30; 72]), None, None);
            assert!(negative_zero(&dx), "depthwise input {stride}");
            let x = vec![-1e-30; 3 * shape.input_len()];
            let dz = vec![1e-30; 3 * shape.output_len()];
            let gradient = on_cuda::depthwise_weights(gpu, &shape, (&x, &dz), 1);
            assert!(negative_zero(&gradient[..72]), "depthwise weights {stride}");
        }
    }
}
