//! Backward of a part of a batch, block by block: adds to the gradients of the layers.

use rayon::prelude::*;
use tracing::trace_span;

use super::bottleneck::Bottleneck;
use super::pieces::{channels_of, optional, tiles_mut};
use super::wide::{Pieces, Step, Wide};
use super::{Part, Tail, layout, put_back, take, task_rows, tile_width};
use crate::engine::cpu::layer::Layer;
use crate::kernels::pointwise::Epilogue;
use crate::kernels::{Block, Buffer, Sum, Tiles, pool};

impl Tail {
    /// Backward of a part from the gradient of its pooled features.
    pub(in crate::engine::cpu) fn backward(&mut self, part: &Part<'_>, dpooled: &[f32], sum: Sum) {
        self.spread(part, dpooled);
        for at in (0..self.blocks.len()).rev() {
            let block = self.blocks[at];
            let gradient = block
                .places()
                .last()
                .and_then(|last| self.gradients[last - self.frozen].take());
            if let Some(dz) = gradient {
                self.block(part, block, dz, sum);
            }
        }
    }

    /// Gradient of the last operation's output from that of its mean over pixels.
    fn spread(&mut self, part: &Part<'_>, dpooled: &[f32]) {
        let Some(last) = part.layers.last() else {
            return;
        };
        let mut gradient = self.buffer();
        let operation = &last.operation;
        let (pixels, channels) = (operation.output_pixels(), operation.output_shape[2]);
        let width = layout(operation);
        let y = self.activation(part, Some(part.layers.len() - 1));
        let rows = part.rows(Some(last));
        gradient[..rows * channels]
            .par_chunks_mut(rows * width)
            .enumerate()
            .for_each(|(tile, gradient)| {
                let used = channels_of(tile, width, channels);
                let g = dpooled.chunks_exact(channels).map(|g| &g[used.clone()]);
                let len = pixels * used.len();
                for (image, (g, out)) in g.zip(gradient.chunks_exact_mut(len)).enumerate() {
                    let y = y.rows(image * pixels..(image + 1) * pixels).tile(tile);
                    let mask = operation.relu6.then_some(y);
                    pool::backward(part.level, g, pixels, mask, out);
                }
            });
        if let Some(slot) = self.gradients.last_mut() {
            *slot = Some(gradient);
        }
    }

    /// Backward of a block from the gradient of its output.
    fn block(&mut self, part: &Part<'_>, block: Bottleneck, dz: Buffer, sum: Sum) {
        let (expand, project) = (part.layer(block.expand), part.layer(block.project));
        let mut dexpanded = (project.is_some() && expand.is_some()).then(|| self.buffer());
        self.wide(part, block, &dz, dexpanded.as_deref_mut(), sum);
        if let Some(project) = project {
            let shortcut = project.operation.residual;
            match shortcut.filter(|&source| source >= self.frozen) {
                Some(source) => self.gradients[source - self.frozen] = Some(dz),
                None => self.free.push(dz),
            }
        } else {
            // What nothing narrows is the block's output.
            dexpanded = Some(dz);
        }
        if let (Some(expand), Some(dexpanded)) = (expand, &dexpanded) {
            self.narrow_gradient(part, expand, dexpanded);
        }
        self.free.extend(dexpanded);
    }

    /// All gradients that tiles of a block's wide channels give, a tile a task, and that of the bias of what
    /// narrows them.
    fn wide(
        &mut self,
        part: &Part<'_>,
        block: Bottleneck,
        dz: &[f32],
        dexpanded: Option<&mut [f32]>,
        sum: Sum,
    ) {
        let places = [block.expand, block.depthwise, block.project].map(|place| self.place(place));
        let [mut expand_sums, mut depthwise_sums, mut project_sums] =
            places.map(|place| take(&mut self.sums, place));
        let Some(wide) = self.tasks(part, block, dz, sum) else {
            return;
        };
        let (channels, width) = (wide.channels, wide.width);
        let out_channels = wide.dz.columns();
        let tiles = channels.div_ceil(width);
        let expand = expand_sums.as_mut().map(|sums| {
            let kernel_len = sums.len() - channels;
            let (kernel, bias) = sums.split_at_mut(kernel_len);
            let [kernel, bias] = [kernel, bias].map(|sums| Block::whole(sums, channels));
            kernel.par_columns(width).zip(bias.par_columns(width))
        });
        let depthwise = depthwise_sums
            .as_mut()
            .map(|sums| Block::whole(sums, channels).par_columns(width));
        let (project_kernel, project_bias) = project_sums
            .as_mut()
            .map(|sums| sums.split_at_mut(channels * out_channels))
            .unzip();
        let project = project_kernel.map(|sums| Block::whole(sums, out_channels).par_rows(width));
        let expanded_rows = part.rows(part.layer(block.expand));
        let pieces = (
            tiles_mut(dexpanded, expanded_rows, channels, width),
            optional(expand, tiles),
            optional(depthwise, tiles),
            optional(project, tiles),
        );
        let tasks = || {
            let block = part.layer(block.places().next());
            let name = block.map_or("", |layer| &layer.operation.name);
            pieces.into_par_iter().enumerate().with_max_len(1).for_each(
                |(tile, (dexpanded, expand, depthwise, project))| {
                    let pieces = Pieces {
                        dexpanded,
                        expand,
                        depthwise,
                        project,
                    };
                    let _span = trace_span!("gradients", layer = name).entered();
                    let mut room = self.take_scratch();
                    wide.backward(tile, pieces, &mut room);
                    self.return_scratch(room);
                },
            );
        };
        let bias = || {
            if let (Some(step), Some(bias)) = (wide.project, project_bias) {
                let bias = Block::whole(bias, out_channels);
                step.layer
                    .accumulate_bias(part.level, wide.dz.tile(0), sum, bias);
            }
        };
        rayon::join(tasks, bias);
        for (place, sums) in places
            .into_iter()
            .zip([expand_sums, depthwise_sums, project_sums])
        {
            put_back(&mut self.sums, place, sums);
        }
    }

    /// What the tasks of a block read.
    fn tasks<'a>(
        &'a self,
        part: &Part<'a>,
        block: Bottleneck,
        dz: &'a [f32],
        sum: Sum,
    ) -> Option<Wide<'a>> {
        let step = |place| {
            part.layer(place).map(|layer| Step {
                layer,
                x: self.activation(part, layer.operation.input),
            })
        };
        let last = part.layer(block.places().last())?;
        let channels = part.wide_channels(block)?;
        let out_channels = last.operation.output_shape[2];
        Some(Wide {
            level: part.level,
            images: part.images,
            sum,
            expand: step(block.expand),
            depthwise: step(block.depthwise),
            project: step(block.project),
            dz: Tiles::new(
                &dz[..part.rows(Some(last)) * out_channels],
                out_channels,
                layout(&last.operation),
            ),
            channels,
            width: tile_width(channels, rayon::current_num_threads()),
        })
    }

    /// Gradient of the narrow activation that a block begins with, if it is in the tail.
    fn narrow_gradient(&mut self, part: &Part<'_>, expand: &Layer, dexpanded: &[f32]) {
        let operation = &expand.operation;
        let Some(below) = operation.input.filter(|&below| below >= self.frozen) else {
            return;
        };
        let _span = trace_span!("input gradients", layer = operation.name).entered();
        let shortcut = self.gradients[below - self.frozen].take();
        let mut gradient = self.buffer();
        let rows = part.rows(Some(expand));
        let [_, _, channels] = operation.input_shape;
        let [_, _, wide_channels] = operation.output_shape;
        let dz = Tiles::new(
            &dexpanded[..rows * wide_channels],
            wide_channels,
            layout(operation),
        );
        let task = task_rows(rows);
        gradient[..rows * channels]
            .par_chunks_mut(task * channels)
            .enumerate()
            .for_each(|(number, dx)| {
                let first = number * task;
                let dz = dz.rows(first..first + dx.len() / channels);
                let shortcut = shortcut.as_deref();
                let epilogue = Epilogue {
                    addend: shortcut.map(|values| &values[first * channels..][..dx.len()]),
                    ..Epilogue::default()
                };
                expand.input_gradient_columns(part.level, dz, 0..channels, epilogue, &[], dx);
            });
        self.free.extend(shortcut);
        self.gradients[below - self.frozen] = Some(gradient);
    }
}
