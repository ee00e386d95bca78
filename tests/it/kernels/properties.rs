//! Every kernel at every level has the bits of its definition, on odd shapes and short last slices.

use std::fmt::Debug;
use std::ops::Range;

use goldrun::kernels::cuda::pointwise::{Pointwise, Tile};
use goldrun::kernels::pointwise::{Epilogue, PackedWeights};
use goldrun::kernels::{Block, Level, Sum, Tiles, depthwise, first_convolution, pointwise};
use proptest::prelude::*;

use super::Mode::{Activation, Signed};
use super::definition::{self, Geometry};
use super::gpu::{Gpu, gpus, levels};
use super::on_cuda::{self, Host};
use super::{bits, data};

/// Asserts that `kernel` gives the bits of `expected` at every level.
pub(super) fn check(expected: &[f32], kernel: impl Fn(Level) -> Vec<f32>) {
    for level in levels() {
        assert_same(expected, &kernel(level), level);
    }
}

/// Asserts that `kernel` gives the bits of `expected` on the device, with blocks of each size.
pub(super) fn check_on_cuda(expected: &[f32], kernel: impl Fn(&Gpu) -> Vec<f32>) {
    for gpu in gpus() {
        assert_same(expected, &kernel(gpu), gpu.threads);
    }
}

/// As [`check_on_cuda`], with each tile that fits.
fn check_tiles<I: Iterator<Item = Tile>>(
    expected: &[f32],
    tiles: fn(&'static Pointwise) -> I,
    (k, n): (usize, usize),
    kernel: impl Fn(&Gpu, Tile) -> Vec<f32>,
) {
    for gpu in gpus().iter().take(1) {
        for tile in tiles(&gpu.kernels.pointwise).filter(|tile| tile.fits(k, n)) {
            assert_same(expected, &kernel(gpu, tile), tile.name());
        }
    }
}

fn assert_same(expected: &[f32], found: &[f32], by: impl Debug) {
    assert_eq!(found.len(), expected.len(), "{by:?}");
    let different = bits(expected)
        .into_iter()
        .zip(bits(found))
        .position(|(expected, found)| expected != found);
    if let Some(at) = different {
        panic!(
            "{by:?}: element {at} of {} is {:e}, expected {:e}",
            expected.len(),
            found[at],
            expected[at]
        );
    }
}

/// How many cases of each property to try.
pub(crate) const CASES: &str = "GOLDRUN_CASES";

/// Channels as networks have them, and such as leave every kind of remainder.
pub(super) fn channels() -> impl Strategy<Value = usize> {
    prop_oneof![
        1_usize..50,
        prop::sample::select(vec![1, 3, 5, 8, 16, 17, 24, 32, 40, 48, 56, 72, 96, 112]),
    ]
}

/// Pictures of which stride 2 has one padding for both axes.
fn geometry() -> impl Strategy<Value = Geometry> {
    (1_usize..15, 1_usize..15, 1_usize..3).prop_map(|(height, width, stride)| Geometry {
        height,
        width: if stride == 2 && height % 2 != width % 2 {
            width + 1
        } else {
            width
        },
        stride,
    })
}

/// Cases of each property: fewer where a device is emulated.
pub(super) fn cases() -> u32 {
    let asked = std::env::var(CASES).ok();
    asked.and_then(|cases| cases.parse().ok()).unwrap_or(64)
}

fn packed(level: Level, w: &[f32], k: usize) -> PackedWeights {
    let mut packed = PackedWeights::new(level, k, w.len() / k);
    packed.pack(w);
    packed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn pointwise_forward(rows in 1_usize..41, k in 1_usize..70, n in channels(), width in 1_usize..70, epilogue in 0..8, seed in 0_u64..1000) {
        pointwise_case(rows, k, n, width, epilogue, seed);
    }

    #[test]
    fn pointwise_weights(rows in 1_usize..60, k in channels(), n in channels(), slice in 1_usize..30, cut in 0_usize..112) {
        weights_case(rows, k, n, slice, [cut.min(k), cut.min(n)]);
    }

    #[test]
    fn depthwise_all(geometry in geometry(), c in channels(), images in 1_usize..5, slice in 1_usize..4, cut in 0_usize..112) {
        depthwise_case(geometry, c, images, slice, cut.min(c));
    }

    #[test]
    fn first_convolution_all(height in 1_usize..24, width in 1_usize..24, n in channels(), images in 1_usize..4, slice in 1_usize..3) {
        first_convolution_case(height, width, n, images, slice);
    }
}

fn pointwise_case(rows: usize, k: usize, n: usize, width: usize, epilogue: i32, seed: u64) {
    let x = data(rows * k, seed, Signed);
    let w = data(k * n, seed + 1, Signed);
    let start = data(n, seed + 2, Signed);
    let addend = data(rows * n, seed + 3, Signed);
    let mask = data(rows * n, seed + 4, Activation);
    let epilogue = Epilogue {
        addend: (epilogue & 1 != 0).then_some(&addend),
        relu6: epilogue & 2 != 0,
        mask: (epilogue & 4 != 0).then_some(&mask),
    };
    let mut expected = definition::product(&x, &w, &start, k);
    for (at, value) in expected.iter_mut().enumerate() {
        if epilogue.addend.is_some() {
            *value += addend[at];
        }
        if epilogue.relu6 {
            *value = definition::relu6(*value);
        }
        if epilogue.mask.is_some() {
            *value = definition::where_active(*value, mask[at]);
        }
    }
    check(&expected, |level| {
        let mut y = vec![f32::NAN; rows * n];
        let weights = packed(level, &w, k);
        pointwise::forward(level, &x, &weights, Some(&start), epilogue, &mut y);
        y
    });
    let host = Host {
        x: &x,
        w: &w,
        bias: Some(&start),
        addend: epilogue.addend,
        mask: epilogue.mask,
        relu6: epilogue.relu6,
        k,
    };
    check_tiles(&expected, Pointwise::tiles, (k, n), |gpu, tile| {
        on_cuda::product(gpu, tile, &host)
    });
    // The same from tiles of x, some rows and some columns at a time.
    let x_tiled = tiled(&x, k, width);
    let (middle, cut) = (rows / 2, n / VECTOR / 2 * VECTOR);
    check(&expected, |level| {
        let weights = packed(level, &w, k);
        let mut y = vec![f32::NAN; rows * n];
        for rows in [0..middle, middle..rows] {
            let x = Tiles::new(&x_tiled, k, width).rows(rows.clone());
            for columns in [0..cut, cut..n] {
                let part = |of: Option<&[f32]>| {
                    of.map(|of| columns_of(&of[rows.start * n..rows.end * n], n, columns.clone()))
                };
                let (addend, mask) = (part(epilogue.addend), part(epilogue.mask));
                let epilogue = Epilogue {
                    addend: addend.as_deref(),
                    mask: mask.as_deref(),
                    ..epilogue
                };
                let mut part = vec![f32::NAN; rows.len() * columns.len()];
                let (start, to) = (Some(&start[..]), &mut part);
                pointwise::forward_columns(
                    level,
                    x,
                    &weights,
                    columns.clone(),
                    start,
                    epilogue,
                    &x_tiled,
                    to,
                );
                for (row, values) in rows.clone().zip(part.chunks(columns.len().max(1))) {
                    y[row * n..][columns.clone()].copy_from_slice(values);
                }
            }
        }
        y
    });
    // The way back: the transpose, from +0.
    let transposed = definition::transposed(&w, n);
    let expected = definition::product(&addend, &transposed, &vec![0.0; k], n);
    let host = Host {
        x: &addend,
        w: &transposed,
        bias: None,
        addend: None,
        mask: None,
        relu6: false,
        k: n,
    };
    check_tiles(&expected, Pointwise::tiles, (n, k), |gpu, tile| {
        on_cuda::product(gpu, tile, &host)
    });
    check(&expected, |level| {
        let mut dx = vec![f32::NAN; rows * k];
        let mut weights = PackedWeights::new(level, n, k);
        weights.transpose(&packed(level, &w, k));
        pointwise::forward(level, &addend, &weights, None, Epilogue::default(), &mut dx);
        dx
    });
}

/// A number of whole slices near the half, at least one.
fn halfway(rows: usize, slice: usize) -> usize {
    (rows / 2).max(1).next_multiple_of(slice).min(rows)
}

/// Columns of a product that is computed in parts begin at multiples of this.
const VECTOR: usize = 16;

/// Columns of a matrix with rows of `stride` values.
fn columns_of(matrix: &[f32], stride: usize, columns: Range<usize>) -> Vec<f32> {
    let rows = matrix.chunks_exact(stride);
    rows.flat_map(|row| row[columns.clone()].to_vec()).collect()
}

/// A matrix with rows of `stride` values, in tiles of `width` columns.
fn tiled(matrix: &[f32], stride: usize, width: usize) -> Vec<f32> {
    let tile = |first| columns_of(matrix, stride, first..stride.min(first + width));
    (0..stride).step_by(width).flat_map(tile).collect()
}

/// All four corners of the matrix by tasks of their own, and the slices in two calls.
fn weights_case(rows: usize, k: usize, n: usize, slice: usize, [cut_k, cut_n]: [usize; 2]) {
    let x = data(rows * k, 1, Signed);
    let dz = data(rows * n, 2, Signed);
    let first = halfway(rows, slice);
    let parts = [
        (&x[..first * k], &dz[..first * n], Sum::New),
        (&x[first * k..], &dz[first * n..], Sum::Continued),
    ];
    let expected = definition::product_weights(&x, &dz, k, n, slice);
    check_tiles(&expected, Pointwise::slices_tiles, (k, n), |gpu, tile| {
        on_cuda::product_weights(gpu, tile, (&x, &dz), (k, n), slice)
    });
    check_on_cuda(&definition::column_sums(&dz, n, slice), |gpu| {
        on_cuda::column_sums(gpu, &dz, n, slice)
    });
    check(&expected, |level| {
        let mut matrix = vec![f32::NAN; k * n];
        for (x, dz, sum) in parts {
            let (above, below) = Block::whole(&mut matrix, n).split_rows(cut_k);
            for half in [above, below] {
                let x = columns_of(x, k, half.rows());
                let (left, right) = half.split_columns(cut_n);
                for corner in [left, right] {
                    let dz = columns_of(dz, n, corner.columns());
                    pointwise::weight_gradient(level, &x, &dz, slice, sum, corner);
                }
            }
        }
        matrix
    });
    check(&definition::column_sums(&dz, n, slice), |level| {
        let mut sums = vec![f32::NAN; n];
        for (_, dz, sum) in parts {
            let (left, right) = Block::whole(&mut sums, n).split_columns(cut_n);
            for part in [left, right] {
                let dz = columns_of(dz, n, part.columns());
                pointwise::bias_gradient(level, &dz, slice, sum, part);
            }
        }
        sums
    });
}

fn depthwise_case(geometry: Geometry, c: usize, images: usize, slice: usize, cut: usize) {
    let shape = depthwise::Shape::keras(geometry.height, geometry.width, c, geometry.stride);
    let x = data(images * shape.input_len(), 1, Activation);
    let w = data(9 * c, 2, Signed);
    let bias = data(c, 3, Signed);
    let dz = data(images * shape.output_len(), 4, Signed);
    let image = &x[..shape.input_len()];
    let gradient = &dz[..shape.output_len()];
    for has_relu6 in [false, true] {
        let expected = definition::depthwise(geometry, image, &w, &bias, has_relu6);
        check(&expected, |level| {
            let mut y = vec![f32::NAN; shape.output_len()];
            depthwise::forward(level, &shape, image, &w, &bias, has_relu6, &mut y);
            y
        });
        if c.is_multiple_of(4) {
            let images = x.chunks_exact(shape.input_len());
            let expected: Vec<f32> = images
                .flat_map(|image| definition::depthwise(geometry, image, &w, &bias, has_relu6))
                .collect();
            check_on_cuda(&expected, |gpu| {
                on_cuda::depthwise(gpu, &shape, (&x, &w, &bias), has_relu6)
            });
        }
    }
    let expected = definition::depthwise_input(geometry, gradient, &w, image);
    check(&expected, |level| {
        let mut dx = vec![f32::NAN; shape.input_len()];
        depthwise::input_gradient(level, &shape, gradient, &w, Some(image), &mut dx);
        dx
    });
    if c.is_multiple_of(4) {
        check_on_cuda(&expected, |gpu| {
            on_cuda::depthwise_input(gpu, &shape, (gradient, &w), None, Some(image))
        });
        let plain = vec![1.0; image.len()];
        let sum = definition::depthwise_input(geometry, gradient, &w, &plain);
        let sum: Vec<f32> = sum.iter().zip(image).map(|(dx, x)| dx + x).collect();
        check_on_cuda(&sum, |gpu| {
            on_cuda::depthwise_input(gpu, &shape, (gradient, &w), Some(image), None)
        });
    }
    let expected = definition::depthwise_weights(geometry, c, &x, &dz, slice);
    if c.is_multiple_of(4) {
        check_on_cuda(&expected, |gpu| {
            on_cuda::depthwise_weights(gpu, &shape, (&x, &dz), slice)
        });
    }
    check(&expected, |level| {
        let mut whole = vec![f32::NAN; 10 * c];
        let first = halfway(images, slice);
        for (range, sum) in [(0..first, Sum::New), (first..images, Sum::Continued)] {
            let x = &x[range.start * shape.input_len()..range.end * shape.input_len()];
            let dz = &dz[range.start * shape.output_len()..range.end * shape.output_len()];
            let (left, right) = Block::whole(&mut whole, c).split_columns(cut);
            let parts = [left, right].into_iter();
            for out in parts.filter(|part| !part.columns().is_empty()) {
                let channels = out.columns();
                let shape = depthwise::Shape {
                    channels: channels.len(),
                    ..shape
                };
                let [x, dz] = [x, dz].map(|values| columns_of(values, c, channels.clone()));
                depthwise::weight_gradient(level, &shape, range.len(), &x, &dz, slice, sum, out);
            }
        }
        whole
    });
}

fn first_convolution_case(height: usize, width: usize, n: usize, images: usize, slice: usize) {
    let shape = first_convolution::Shape::keras(height, width, n);
    let geometry = Geometry {
        height,
        width,
        stride: 2,
    };
    let x = data(images * shape.input_len(), 1, Signed);
    let w = data(27 * n, 2, Signed);
    let bias = data(n, 3, Signed);
    let dz = data(images * shape.output_len(), 4, Signed);
    let picture = &x[..shape.input_len()];
    check(
        &definition::first_convolution(geometry, picture, &w, &bias),
        |level| {
            let mut y = vec![f32::NAN; shape.output_len()];
            first_convolution::forward(level, &shape, picture, &w, &bias, &mut y);
            y
        },
    );
    let is_on_cuda = n.is_multiple_of(8) && height % 2 == width % 2;
    if is_on_cuda {
        let pictures = x.chunks_exact(shape.input_len());
        let expected: Vec<f32> = pictures
            .flat_map(|picture| definition::first_convolution(geometry, picture, &w, &bias))
            .collect();
        check_on_cuda(&expected, |gpu| {
            on_cuda::first_convolution(gpu, &shape, (&x, &w, &bias))
        });
    }
    let expected = definition::first_convolution_weights(geometry, n, &x, &dz, slice);
    if is_on_cuda {
        check_on_cuda(&expected, |gpu| {
            on_cuda::first_convolution_weights(gpu, &shape, (&x, &dz), slice)
        });
    }
    check(&expected, |level| {
        let mut dw = vec![f32::NAN; 27 * n];
        let out = Block::whole(&mut dw, n);
        first_convolution::weight_gradient(level, &shape, images, &x, &dz, slice, Sum::New, out);
        dw
    });
}

/// Layers of MobileNetV2 as they are, with more rows than a block and more than one slice.
#[test]
fn real_shapes() {
    pointwise_case(100, 96, 144, 32, 3, 1);
    pointwise_case(57, 576, 24, 32, 5, 2);
    pointwise_case(25, 160, 320, 160, 2, 3);
    pointwise_case(400, 16, 96, 16, 2, 4);
    weights_case(150, 24, 144, 50, [13, 48]);
    depthwise_case(
        Geometry {
            height: 20,
            width: 20,
            stride: 2,
        },
        48,
        3,
        2,
        16,
    );
    first_convolution_case(32, 32, 16, 3, 2);
}

#[test]
#[should_panic(expected = "weights packed for another level")]
fn weights_of_another_level_are_refused() {
    let Some(&other) = Level::available().get(1) else {
        panic!("weights packed for another level: nothing to test with one level");
    };
    let weights = PackedWeights::new(Level::Scalar, 4, 4);
    pointwise::forward(
        other,
        &[0.0; 4],
        &weights,
        None,
        Epilogue::default(),
        &mut [0.0; 4],
    );
}
