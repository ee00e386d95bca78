//! The test vectors of docs/arithmetic.md on a device: seconds, and they see most of what can be wrong.

use super::depthwise::InputGradient;
use super::pointwise::{Product, Slices, Tile};
use super::update::{self, Gradients, Layer, Rule};
use super::workbench::Workbench;
use super::{Device, Error, Kernels};
use crate::kernels::depthwise::{Shape, TAPS};
use crate::kernels::optimizer::{Adam, RmsProp, Sgd};
use crate::kernels::vectors::Mode::{Activation, Signed};
use crate::kernels::vectors::{data, hash, splitmix};

/// Bytes for the arrays of one vector.
const ROOM: u64 = 16 << 20;

/// A test of docs/arithmetic.md, by the name that it has there, and the hash of its result.
pub type Vector = (&'static str, u64);

/// The vectors that a device is held to.
pub const VECTORS: [Vector; 15] = [
    ("pointwise, ReLU6", 0x71ed_4897_e292_e13a),
    ("pointwise, linear", 0xc52e_6f0f_d2bd_cadd),
    ("depthwise, stride 1: y", 0x3276_798e_0d49_baf3),
    ("depthwise, stride 1: dX", 0x6e2e_c01a_6618_9d34),
    ("depthwise, stride 1: dW', db'", 0x89ba_04e4_1a34_f5d2),
    ("depthwise, stride 2: y", 0xfbbe_3ebd_ffa2_32c7),
    ("depthwise, stride 2: dX", 0xe400_8035_f415_fbab),
    ("depthwise, stride 2: dW', db'", 0xb9f1_21aa_bb60_2a64),
    ("pointwise dW'", 0xb409_9cf0_17d6_9a0c),
    ("Adam", 0x0e14_d605_6c93_b091),
    ("RMSprop", 0xe424_1fd6_be55_21c4),
    ("SGD, momentum 0.9", 0x88ba_9e7c_b5e2_2f9e),
    ("binary loss, dx", 0xca59_b356_b375_af1f),
    ("softmax: loss, d by row", 0xae5b_7fc0_e4c8_091a),
    ("pool", 0x7322_99d4_236e_ae1e),
];

/// What a device made of a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The vector's name, and the tile where there are several.
    pub name: String,
    /// It has the bits.
    pub is_equal: bool,
}

/// Runs all vectors on a device, those of products on each tile.
pub fn check(device: &Device) -> Result<Vec<Finding>, Error> {
    let kernels = Kernels::load(device)?;
    let mut findings = vec![];
    let mut find = |vector: &str, by: &str, parts: &[&[f32]]| {
        let expected = VECTORS.iter().find(|(name, _)| *name == vector);
        findings.push(Finding {
            name: format!("{vector}{by}"),
            is_equal: expected.is_some_and(|(_, expected)| *expected == hash(parts)),
        });
    };
    let bench = || Workbench::new(device, ROOM);
    let mut signs = vec![];
    for tile in kernels.pointwise.tiles() {
        for (vector, x, relu6) in [
            ("pointwise, ReLU6", (1, Activation), true),
            ("pointwise, linear", (4, Signed), false),
        ] {
            let y = product(&kernels, bench()?, tile, x, relu6)?;
            find(vector, &format!(" ({})", tile.name()), &[&y]);
        }
        signs.push((tile.name(), signs_of_product(&kernels, bench()?, tile)?));
    }
    for tile in kernels.pointwise.slices_tiles() {
        let gradient = slices(&kernels, bench()?, tile)?;
        find(
            "pointwise dW'",
            &format!(" ({})", tile.name()),
            &[&gradient],
        );
        signs.push((tile.name(), signs_of_slices(&kernels, bench()?, tile)?));
    }
    for stride in [1, 2] {
        let [y, dx, dw] = depthwise(&kernels, bench()?, stride)?;
        for (what, values) in [("y", y), ("dX", dx), ("dW', db'", dw)] {
            find(
                &format!("depthwise, stride {stride}: {what}"),
                "",
                &[&values],
            );
        }
    }
    let mut adam = Adam::new(1e-4, 0.9, 0.999, 1e-7);
    let rule = Rule::from(&adam);
    let rates = [(); 5].map(|()| {
        adam.next_step();
        adam.alpha()
    });
    let rmsprop = Rule::from(&RmsProp::new(1e-5, 0.9, 0.0, 1e-7));
    let sgd = Rule::from(&Sgd::new(1e-2, 0.9, false));
    for (vector, rule) in [
        ("Adam", rule),
        ("RMSprop", rmsprop),
        ("SGD, momentum 0.9", sgd),
    ] {
        let [w, m, v] = trained(&kernels, bench()?, rule, rates)?;
        find(vector, "", &[&w, &m, &v]);
    }
    let [losses, dx] = binary_loss(&kernels, bench()?)?;
    find("binary loss, dx", "", &[&losses, &dx]);
    let by_row = softmax_loss(&kernels, bench()?)?;
    find("softmax: loss, d by row", "", &[&by_row]);
    find("pool", "", &[&pool(&kernels, bench()?)?]);
    for (stride, name) in [(1, "depthwise, stride 1"), (2, "depthwise, stride 2")] {
        signs.push((name, signs_of_depthwise(&kernels, bench()?, stride)?));
    }
    findings.extend(signs.into_iter().map(|(name, values)| {
        Finding {
            name: format!("signs of zero ({name})"),
            is_equal: values
                .iter()
                .all(|value| value.to_bits() == (-0.0_f32).to_bits()),
        }
    }));
    Ok(findings)
}

/// A product of which every result is −0, where nothing is added that is not in its chains.
fn signs_of_product(
    kernels: &Kernels,
    mut bench: Workbench,
    tile: Tile,
) -> Result<Vec<f32>, Error> {
    let (rows, k, n) = (37, 20, 12);
    let product = Product {
        x: bench.put(&vec![-0.0; rows * k])?,
        w: bench.put(&vec![1.0; k * n])?,
        bias: Some(bench.put(&vec![-0.0; n])?),
        addend: None,
        relu6: false,
        mask: None,
        y: bench.array(rows * n),
        k,
        n,
    };
    kernels
        .pointwise
        .product_by(&bench.stream, tile, &product)?;
    bench.get(product.y)
}

/// The same of a weight gradient.
fn signs_of_slices(kernels: &Kernels, mut bench: Workbench, tile: Tile) -> Result<Vec<f32>, Error> {
    let (rows, slice_rows, k, n) = (55_usize, 20, 12, 8);
    let slices = Slices {
        x: bench.put(&vec![1e-30; rows * k])?,
        dz: bench.put(&vec![-1e-30; rows * n])?,
        sums: bench.array(rows.div_ceil(slice_rows) * k * n),
        k,
        n,
        slice_rows,
    };
    kernels.pointwise.slices_by(&bench.stream, tile, &slices)?;
    bench.get(slices.sums)
}

/// The same of both gradients of a depthwise convolution.
fn signs_of_depthwise(
    kernels: &Kernels,
    mut bench: Workbench,
    stride: usize,
) -> Result<Vec<f32>, Error> {
    let (images, side, c) = (3, 8, 8);
    let shape = Shape::keras(side, side, c, stride);
    let small = |bench: &mut Workbench, len: usize, sign: f32| bench.put(&vec![sign * 1e-30; len]);
    let gradient = InputGradient {
        dz: small(&mut bench, images * shape.output_len(), -1.0)?,
        w: small(&mut bench, TAPS * c, 1.0)?,
        addend: None,
        mask: None,
        dx: bench.array(images * shape.input_len()),
    };
    let kernel = &kernels.depthwise;
    kernel.input_gradient(&bench.stream, &shape, &gradient)?;
    // With the signs the other way the product with zero is −0, and hides that it was made.
    let x = small(&mut bench, images * shape.input_len(), -1.0)?;
    let dz = small(&mut bench, images * shape.output_len(), 1.0)?;
    let sums = bench.array(images * TAPS * c);
    kernel.slices(&bench.stream, &shape, x, dz, sums, 1)?;
    Ok([bench.get(gradient.dx)?, bench.get(sums)?].concat())
}

fn product(
    kernels: &Kernels,
    mut bench: Workbench,
    tile: Tile,
    (seed, mode): (u64, crate::kernels::vectors::Mode),
    relu6: bool,
) -> Result<Vec<f32>, Error> {
    let (rows, k, n) = (50, 576, 40);
    let product = Product {
        x: bench.put(&data(rows * k, seed, mode))?,
        w: bench.put(&data(k * n, 2, Signed))?,
        bias: Some(bench.put(&data(n, 3, Signed))?),
        addend: None,
        relu6,
        mask: None,
        y: bench.array(rows * n),
        k,
        n,
    };
    kernels
        .pointwise
        .product_by(&bench.stream, tile, &product)?;
    bench.get(product.y)
}

/// Slices in order.
fn total(sums: &[f32], len: usize) -> Vec<f32> {
    let mut slices = sums.chunks_exact(len);
    let mut total = slices.next().unwrap_or_default().to_vec();
    for slice in slices {
        for (total, slice) in total.iter_mut().zip(slice) {
            *total += slice;
        }
    }
    total
}

fn slices(kernels: &Kernels, mut bench: Workbench, tile: Tile) -> Result<Vec<f32>, Error> {
    let (images, pixels, slice_images, k, n) = (17_usize, 25, 6, 200, 40);
    let slices = Slices {
        x: bench.put(&data(images * pixels * k, 9, Activation))?,
        dz: bench.put(&data(images * pixels * n, 10, Signed))?,
        sums: bench.array(images.div_ceil(slice_images) * k * n),
        k,
        n,
        slice_rows: slice_images * pixels,
    };
    kernels.pointwise.slices_by(&bench.stream, tile, &slices)?;
    Ok(total(&bench.get(slices.sums)?, k * n))
}

fn depthwise(
    kernels: &Kernels,
    mut bench: Workbench,
    stride: usize,
) -> Result<[Vec<f32>; 3], Error> {
    let (images, side, c) = (7_usize, 10, 40);
    let shape = Shape::keras(side, side, c, stride);
    let x = bench.put(&data(images * shape.input_len(), 5, Activation))?;
    let w = bench.put(&data(TAPS * c, 6, Signed))?;
    let bias = bench.put(&data(c, 7, Signed))?;
    let y = bench.array(images * shape.output_len());
    let kernel = &kernels.depthwise;
    kernel.forward(&bench.stream, &shape, x, w, bias, true, y)?;
    let y = bench.get(y)?;
    let mut dz = data(y.len(), 8, Signed);
    for (dz, &y) in dz.iter_mut().zip(&y) {
        *dz = if y > 0.0 && y < 6.0 { *dz } else { 0.0 };
    }
    let dz = bench.put(&dz)?;
    let gradient = InputGradient {
        dz,
        w,
        addend: None,
        mask: None,
        dx: bench.array(x.len()),
    };
    kernel.input_gradient(&bench.stream, &shape, &gradient)?;
    let pixels = shape.out_height * shape.out_width;
    let slice_images = 128_usize.div_ceil(pixels);
    let slices = images.div_ceil(slice_images);
    let sums = bench.array(slices * TAPS * c);
    kernel.slices(&bench.stream, &shape, x, dz, sums, slice_images)?;
    let bias_sums = bench.array(slices * c);
    let rows = slice_images * pixels;
    kernels
        .pointwise
        .column_slices(&bench.stream, dz, bias_sums, c, rows)?;
    let weights = total(&bench.get(sums)?, TAPS * c);
    let bias = total(&bench.get(bias_sums)?, c);
    Ok([y, bench.get(gradient.dx)?, [weights, bias].concat()])
}

/// Weights and moments after five steps.
fn trained(
    kernels: &Kernels,
    mut bench: Workbench,
    rule: Rule,
    rates: [f32; 5],
) -> Result<[Vec<f32>; 3], Error> {
    let n = 10_007;
    let mut layer = Layer {
        kernel: bench.put(&data(n, 20, Signed))?,
        beta: bench.put(&[0.0])?,
        norm: None,
        transposed: None,
        gradients: None,
        k: n,
        n: 1,
        piece: 64,
        slice_images: 1,
        trained: [true, false, false],
    };
    let gradients = Gradients {
        weight_sums: bench.array(n),
        bias_sums: bench.put(&[0.0])?,
        weight: bench.array(n),
        bias: bench.array(1),
        pieces: bench.array(layer.pieces_len()),
        states: bench.put(&vec![0.0; layer.states_len()])?,
    };
    layer.gradients = Some(gradients);
    let mut words = vec![0; update::table_len(1)];
    let at = bench.array(words.len());
    let table = update::write_table(&[layer], &mut words, at);
    bench.set(at, &words)?;
    let rates_there = bench.put(&rates)?;
    for step in 0..rates.len() {
        bench.set(gradients.weight_sums, &data(n, 31 + step as u64, Signed))?;
        kernels.update.sum_slices(&bench.stream, table, 1)?;
        kernels
            .update
            .step(&bench.stream, table, rule, rates_there, step)?;
    }
    let states = bench.get(gradients.states)?;
    let (first, second) = states.split_at(n);
    Ok([bench.get(layer.kernel)?, first.to_vec(), second.to_vec()])
}

fn binary_loss(kernels: &Kernels, mut bench: Workbench) -> Result<[Vec<f32>; 2], Error> {
    let n = 4099;
    let x: Vec<f32> = data(n, 40, Signed).iter().map(|v| v * 260.0).collect();
    let labels: Vec<u32> = (0..n as u64).map(|i| (splitmix(i) & 1) as u32).collect();
    loss(kernels, &mut bench, &x, &labels)
}

fn softmax_loss(kernels: &Kernels, mut bench: Workbench) -> Result<Vec<f32>, Error> {
    let (rows, k) = (500, 7);
    let x: Vec<f32> = data(rows * k, 50, Signed)
        .iter()
        .map(|v| v * 60.0)
        .collect();
    let label = |i| (splitmix(i) % k as u64) as u32;
    let labels: Vec<u32> = (0..rows as u64).map(label).collect();
    let [losses, dx] = loss(kernels, &mut bench, &x, &labels)?;
    let by_row = losses.iter().zip(dx.chunks_exact(k));
    let by_row = by_row.flat_map(|(loss, d)| std::iter::once(*loss).chain(d.iter().copied()));
    Ok(by_row.collect())
}

fn loss(
    kernels: &Kernels,
    bench: &mut Workbench,
    logits: &[f32],
    labels: &[u32],
) -> Result<[Vec<f32>; 2], Error> {
    let losses = bench.array(labels.len());
    let dlogits = bench.array(logits.len());
    let logits = bench.put(logits)?;
    let labels = bench.put(labels)?;
    kernels
        .head
        .loss(&bench.stream, logits, labels, 32, losses, dlogits)?;
    Ok([bench.get(losses)?, bench.get(dlogits)?])
}

fn pool(kernels: &Kernels, mut bench: Workbench) -> Result<Vec<f32>, Error> {
    let (images, pixels, c) = (9, 25, 40);
    let x = bench.put(&data(images * pixels * c, 60, Activation))?;
    let y = bench.array(images * c);
    kernels.head.pool(&bench.stream, x, pixels, c, y)?;
    bench.get(y)
}
