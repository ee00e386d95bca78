//! Every kernel that the network needs, alone and on one thread, its data as warm as they stay.

use goldrun::kernels::pointwise::{Epilogue, PackedWeights};
use goldrun::kernels::{Block, Sum, depthwise, first_convolution, pointwise, zeros};
use goldrun::model::operation::Convolution;
use goldrun::model::{Operation, Shape};

use crate::Bench;
use crate::table::{Row, Table};
use crate::trials::{Timing, in_turn};
use crate::work::{fine_tuned, flop, values};

/// What a kernel computes of an operation.
#[derive(Clone, Copy, PartialEq)]
enum Pass {
    /// For one image, as in the frozen prefix.
    Forward,
    /// Of weights and bias, for a batch.
    WeightGradient,
    /// Of what goes in, for a batch; the mask is that of a ReLU6 below.
    InputGradient { masked: bool },
}

impl Pass {
    const fn section(self) -> &'static str {
        match self {
            Self::Forward => "kernels: forward, one image",
            Self::WeightGradient => "kernels: gradient of weights, a batch",
            Self::InputGradient { .. } => "kernels: gradient of inputs, a batch",
        }
    }
}

/// What makes two kernels the same work.
#[derive(PartialEq)]
struct Likeness {
    kind: Convolution,
    input: Shape,
    output: Shape,
    residual: bool,
    relu6: bool,
    pass: Pass,
}

/// A kernel, and how often the network needs it.
struct Kernel {
    operation: Operation,
    pass: Pass,
    count: usize,
}

/// Measures all kernels, and adds up what the network would take if there were nothing else.
pub fn measure(bench: &Bench, table: &mut Table) -> anyhow::Result<()> {
    let operations = bench.network.operations();
    let first = fine_tuned(&bench.network)?.frozen_operations;
    let trained = || operations.iter().skip(first);
    let forward = operations
        .iter()
        .map(|operation| (operation, Pass::Forward));
    let weights = trained().map(|operation| (operation, Pass::WeightGradient));
    let inputs = trained().filter_map(|operation| {
        let below = operation.input.filter(|&input| input >= first)?;
        let masked = operations[below].relu6;
        Some((operation, Pass::InputGradient { masked }))
    });
    for kernels in [distinct(forward), distinct(weights), distinct(inputs)] {
        section(bench, table, &kernels);
    }
    Ok(())
}

/// Kernels of the same work are measured once.
fn distinct<'a>(all: impl Iterator<Item = (&'a Operation, Pass)>) -> Vec<Kernel> {
    let mut kernels: Vec<(Likeness, Kernel)> = Vec::new();
    for (operation, pass) in all {
        let likeness = Likeness {
            kind: operation.kind,
            input: operation.input_shape,
            output: operation.output_shape,
            residual: operation.residual.is_some(),
            relu6: operation.relu6,
            pass,
        };
        if let Some((_, known)) = kernels.iter_mut().find(|(known, _)| *known == likeness) {
            known.count += 1;
        } else {
            let operation = operation.clone();
            kernels.push((
                likeness,
                Kernel {
                    operation,
                    pass,
                    count: 1,
                },
            ));
        }
    }
    kernels.into_iter().map(|(_, kernel)| kernel).collect()
}

fn section(bench: &Bench, table: &mut Table, kernels: &[Kernel]) {
    let mut sum: Option<(Timing, usize)> = None;
    for kernel in kernels {
        let row = Row::new(kernel.pass.section(), kernel.name(), 1);
        if !table.wants(&row) {
            continue;
        }
        let images = if kernel.pass == Pass::Forward {
            1
        } else {
            bench.options.batch
        };
        let timing = in_turn(
            bench.options.level,
            &bench.pools[..1],
            kernel.work(bench, images),
        )[0];
        let flop = flop::of(&kernel.operation);
        table.add(row.timed(timing, images, Some(flop)));

        let times = kernel.count as f64 / images as f64;
        let (so_far, flops) = sum.get_or_insert((
            Timing {
                best: 0.0,
                median: 0.0,
                ..timing
            },
            0,
        ));
        so_far.best += timing.best * times;
        so_far.median += timing.median * times;
        so_far.peak = if timing.peak > so_far.peak {
            timing.peak
        } else {
            so_far.peak
        };
        *flops += flop * kernel.count;
    }
    if let (Some((timing, flops)), Some(kernel)) = (sum, kernels.first()) {
        let row = Row::new(
            kernel.pass.section(),
            "all of these, as often as the network has them",
            1,
        );
        table.add(row.timed(timing, 1, Some(flops)));
    }
}

impl Kernel {
    fn name(&self) -> String {
        let Operation {
            name,
            kind,
            input_shape: x,
            output_shape: y,
            ..
        } = &self.operation;
        let what = match kind {
            Convolution::First => "3×3/2".to_owned(),
            Convolution::Pointwise => "1×1".to_owned(),
            Convolution::Depthwise { stride } => format!("depthwise/{stride}"),
        };
        let name = name
            .replace("expanded_conv", "block_0")
            .replace("block_", "");
        let shape = format!("{}×{} {}→{}", x[0], x[1], x[2], y[2]);
        let times = if self.count > 1 {
            format!(" ×{}", self.count)
        } else {
            String::new()
        };
        format!("{name:13} {what:11} {shape}{times}")
    }

    /// The kernel on made data.
    fn work(&self, bench: &Bench, images: usize) -> Box<dyn FnMut() + Send> {
        match self.operation.kind {
            Convolution::First => self.first_convolution(bench, images),
            Convolution::Pointwise => self.pointwise(bench, images),
            Convolution::Depthwise { stride } => self.depthwise(bench, images, stride),
        }
    }

    fn pointwise(&self, bench: &Bench, images: usize) -> Box<dyn FnMut() + Send> {
        let level = bench.options.level;
        let operation = &self.operation;
        let (k, n) = (operation.input_shape[2], operation.output_shape[2]);
        let x = values(0, images * operation.input_len(), 0.0, 6.0);
        let w = values(1, k * n, -0.1, 0.1);
        let bias = values(2, n, -0.1, 0.1);
        let relu6 = operation.relu6;
        let addend = operation
            .residual
            .map(|_| values(3, images * operation.output_len(), -1.0, 1.0));
        match self.pass {
            Pass::Forward => {
                let mut weights = PackedWeights::new(level, k, n);
                weights.pack(&w);
                let mut y = zeros(images * operation.output_len());
                Box::new(move || {
                    let addend = addend.as_deref();
                    let epilogue = Epilogue {
                        addend,
                        relu6,
                        mask: None,
                    };
                    pointwise::forward(level, &x, &weights, Some(&bias), epilogue, &mut y);
                })
            }
            Pass::WeightGradient => {
                let dz = values(4, images * operation.output_len(), -0.1, 0.1);
                let slice = operation.slice_images() * operation.output_pixels();
                let (mut dw, mut dbias) = (zeros(k * n), bias);
                Box::new(move || {
                    let (dw, dbias) = (Block::whole(&mut dw, n), Block::whole(&mut dbias, n));
                    pointwise::weight_gradient(level, &x, &dz, slice, Sum::New, dw);
                    pointwise::bias_gradient(level, &dz, slice, Sum::New, dbias);
                })
            }
            Pass::InputGradient { masked } => {
                let dz = values(4, images * operation.output_len(), -0.1, 0.1);
                let mut rows = PackedWeights::new(level, k, n);
                rows.pack(&w);
                let mut weights = PackedWeights::new(level, n, k);
                weights.transpose(&rows);
                let mut dx = zeros(x.len());
                Box::new(move || {
                    let mask = masked.then_some(x.as_slice());
                    let epilogue = Epilogue {
                        addend: None,
                        relu6: false,
                        mask,
                    };
                    pointwise::forward(level, &dz, &weights, None, epilogue, &mut dx);
                })
            }
        }
    }

    fn depthwise(&self, bench: &Bench, images: usize, stride: usize) -> Box<dyn FnMut() + Send> {
        let level = bench.options.level;
        let operation = &self.operation;
        let [height, width, channels] = operation.input_shape;
        let shape = depthwise::Shape::keras(height, width, channels, stride);
        let (x_len, y_len) = (operation.input_len(), operation.output_len());
        let x = values(0, images * x_len, 0.0, 6.0);
        let w = values(1, depthwise::TAPS * channels, -0.5, 0.5);
        let bias = values(2, channels, -0.1, 0.1);
        let relu6 = operation.relu6;
        match self.pass {
            Pass::Forward => {
                let mut y = zeros(images * y_len);
                Box::new(move || {
                    for (x, y) in x.chunks_exact(x_len).zip(y.chunks_exact_mut(y_len)) {
                        depthwise::forward(level, &shape, x, &w, &bias, relu6, y);
                    }
                })
            }
            Pass::WeightGradient => {
                let dz = values(4, images * y_len, -0.1, 0.1);
                let slice = operation.slice_images();
                let mut out = zeros((depthwise::TAPS + 1) * channels);
                Box::new(move || {
                    let out = Block::whole(&mut out, channels);
                    depthwise::weight_gradient(
                        level,
                        &shape,
                        images,
                        &x,
                        &dz,
                        slice,
                        Sum::New,
                        out,
                    );
                })
            }
            Pass::InputGradient { masked } => {
                let dz = values(4, images * y_len, -0.1, 0.1);
                let mut dx = zeros(images * x_len);
                Box::new(move || {
                    let images = dz.chunks_exact(y_len).zip(x.chunks_exact(x_len));
                    for ((dz, x), dx) in images.zip(dx.chunks_exact_mut(x_len)) {
                        let mask = masked.then_some(x);
                        depthwise::input_gradient(level, &shape, dz, &w, mask, dx);
                    }
                })
            }
        }
    }

    /// Nothing goes further down from it, and the tutorial does not train it.
    fn first_convolution(&self, bench: &Bench, images: usize) -> Box<dyn FnMut() + Send> {
        let level = bench.options.level;
        let operation = &self.operation;
        let [height, width, colours] = operation.input_shape;
        let channels = operation.output_shape[2];
        let shape = first_convolution::Shape::keras(height, width, channels);
        let x = values(0, images * operation.input_len(), -1.0, 1.0);
        let w = values(1, 9 * colours * channels, -0.5, 0.5);
        let bias = values(2, channels, -0.1, 0.1);
        let mut y = zeros(images * operation.output_len());
        Box::new(move || {
            let images = x.chunks_exact(shape.input_len());
            for (x, y) in images.zip(y.chunks_exact_mut(shape.output_len())) {
                first_convolution::forward(level, &shape, x, &w, &bias, y);
            }
        })
    }
}
