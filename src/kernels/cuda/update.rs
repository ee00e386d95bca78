//! Optimizer's step and folding of the batch norm on the device, for all layers in three launches.

use super::Error;
use super::launch::{Arguments, launch};
use super::memory::{Floats, Value, View, Words};
use super::module::{Family, Function, Modules};
use super::stream::Stream;
use crate::kernels::optimizer::{Adam, RmsProp, Sgd};

/// Threads of a block that goes along channels.
const CHANNEL_THREADS: usize = 128;
/// Side of a tile of weights.
const TILE: usize = 32;
/// Rows of threads of a block that updates such a tile.
const TILE_ROWS: u32 = 8;
/// Blocks that look for values that are not finite, and threads of each.
const SEARCH: [usize; 2] = [64, 128];
/// Words that a search fills.
pub const SEARCHERS: usize = SEARCH[0] * SEARCH[1];

/// An optimizer's rule, with what does not change from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    kind: u32,
    constants: [f32; 5],
}

impl Rule {
    /// Only folds.
    pub const NONE: Self = Self {
        kind: 0,
        constants: [0.0; 5],
    };

    fn words(self) -> [u32; 6] {
        let [a, b, c, d, e] = self.constants.map(f32::to_bits);
        [self.kind, a, b, c, d, e]
    }
}

impl From<&Adam> for Rule {
    fn from(adam: &Adam) -> Self {
        let [rest_1, rest_2, epsilon] = adam.constants();
        Self {
            kind: 1,
            constants: [rest_1, rest_2, epsilon, 0.0, 0.0],
        }
    }
}

impl From<&RmsProp> for Rule {
    fn from(rule: &RmsProp) -> Self {
        let [rate, rho, rest, epsilon, momentum] = rule.constants();
        Self {
            kind: if momentum == 0.0 { 2 } else { 3 },
            constants: [rate, rho, rest, epsilon, momentum],
        }
    }
}

impl From<&Sgd> for Rule {
    fn from(rule: &Sgd) -> Self {
        let ([rate, momentum], nesterov) = rule.constants();
        Self {
            kind: match (momentum == 0.0, nesterov) {
                (true, _) => 4,
                (false, false) => 5,
                (false, true) => 6,
            },
            constants: [rate, momentum, 0.0, 0.0, 0.0],
        }
    }
}

/// Batch norm of a layer: statistics, parameters, and what is folded of them.
#[derive(Clone, Copy, Debug)]
pub struct BatchNorm {
    /// `[n]`.
    pub gamma: Floats,
    /// `[n]`: moving mean.
    pub mean: Floats,
    /// `[n]`: 1 ÷ √(moving variance + ε).
    pub inverse: Floats,
    /// `[n]`: gamma × inverse.
    pub scale: Floats,
    /// `[n]`: the same before the last step.
    pub old_scale: Floats,
    /// `[n]`: beta − mean × scale.
    pub bias: Floats,
    /// `[k][n]`: kernel × scale.
    pub folded: Floats,
}

/// What a step needs beside the parameters of a layer; empty for one that is only folded.
#[derive(Clone, Copy, Debug)]
pub struct Gradients {
    /// `[slices][k][n]`: sums of the weight gradient.
    pub weight_sums: Floats,
    /// `[slices][n]`: sums of the bias gradient.
    pub bias_sums: Floats,
    /// `[k][n]`.
    pub weight: Floats,
    /// `[n]`.
    pub bias: Floats,
    /// `[pieces][n]`.
    pub pieces: Floats,
    /// First moments of what is trained, then second ones: see [`Layer::states_len`].
    pub states: Floats,
}

/// A layer: a convolution with its batch norm, or a dense layer without.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    /// `[k][n]`, raw.
    pub kernel: Floats,
    /// `[n]`: beta, or the bias of a dense layer.
    pub beta: Floats,
    /// None for a dense layer.
    pub norm: Option<BatchNorm>,
    /// `[n][k]`: the folded kernel transposed, where a gradient goes further down.
    pub transposed: Option<Floats>,
    /// None where nothing is trained.
    pub gradients: Option<Gradients>,
    /// Inputs of an output: rows of the kernel.
    pub k: usize,
    /// Outputs.
    pub n: usize,
    /// Rows of the kernel in a piece of the sum for gamma's gradient.
    pub piece: usize,
    /// Whole images of a slice of the sums.
    pub slice_images: usize,
    /// Kernel, gamma and beta: which are trained.
    pub trained: [bool; 3],
}

impl Layer {
    /// Values of both moments of all that is trained.
    pub fn states_len(&self) -> usize {
        let sizes = [self.k * self.n, self.n, self.n];
        let trained = sizes.iter().zip(self.trained);
        2 * trained
            .map(|(size, is)| if is { *size } else { 0 })
            .sum::<usize>()
    }

    /// Values of the sums of the pieces for gamma's gradient.
    pub fn pieces_len(&self) -> usize {
        self.pieces() * self.n
    }

    fn pieces(&self) -> usize {
        self.k.div_ceil(self.piece)
    }

    /// Blocks of each of the three launches.
    fn blocks(&self) -> [usize; 3] {
        let channels = self.n.div_ceil(CHANNEL_THREADS);
        [
            channels * self.pieces(),
            channels,
            self.k.div_ceil(TILE) * self.n.div_ceil(TILE),
        ]
    }

    /// Asserts that lengths fit.
    fn check(&self) {
        let Self { k, n, .. } = *self;
        assert_eq!((self.kernel.len(), self.beta.len()), (k * n, n));
        if let Some(norm) = &self.norm {
            let BatchNorm {
                gamma,
                mean,
                inverse,
                scale,
                old_scale,
                bias,
                folded,
            } = *norm;
            for values in [gamma, mean, inverse, scale, old_scale, bias] {
                assert_eq!(values.len(), n);
            }
            assert_eq!(folded.len(), k * n);
        }
        assert!(self.transposed.is_none_or(|values| values.len() == k * n));
        if let Some(gradients) = &self.gradients {
            assert_eq!((gradients.weight.len(), gradients.bias.len()), (k * n, n));
            assert_eq!(gradients.pieces.len(), self.pieces_len());
            assert_eq!(gradients.states.len(), self.states_len());
        }
    }

    /// As `struct Layer` of update.cu, after blocks of the layers before it.
    fn words(&self, first_blocks: [usize; 3]) -> [u32; LAYER_WORDS] {
        let norm = |part: fn(&BatchNorm) -> Floats| self.norm.as_ref().map(part);
        let gradient = |part: fn(&Gradients) -> Floats| self.gradients.as_ref().map(part);
        let pointers = [
            Some(self.kernel),
            norm(|norm| norm.gamma),
            Some(self.beta),
            norm(|norm| norm.mean),
            norm(|norm| norm.inverse),
            norm(|norm| norm.scale),
            norm(|norm| norm.old_scale),
            norm(|norm| norm.bias),
            norm(|norm| norm.folded),
            self.transposed,
            gradient(|gradients| gradients.weight_sums),
            gradient(|gradients| gradients.bias_sums),
            gradient(|gradients| gradients.weight),
            gradient(|gradients| gradients.bias),
            gradient(|gradients| gradients.pieces),
            gradient(|gradients| gradients.states),
        ];
        let flags = self.trained.iter().zip([1, 2, 4]);
        let flags = flags.map(|(is, flag)| if *is { flag } else { 0 }).sum();
        let [sums, channels, weights] = first_blocks;
        let numbers = [
            self.k,
            self.n,
            self.piece,
            self.slice_images,
            flags,
            sums,
            channels,
            weights,
        ];
        let mut words = [0; LAYER_WORDS];
        for (pair, pointer) in words.chunks_exact_mut(2).zip(pointers) {
            let address = pointer.map_or(0, View::address);
            pair.copy_from_slice(&[address as u32, (address >> u32::BITS) as u32]);
        }
        for (word, number) in words[2 * pointers.len()..].iter_mut().zip(numbers) {
            *word = number as u32;
        }
        words
    }
}

/// Words of `struct Layer`: 16 pointers, 9 numbers, and one to fill eight bytes.
const LAYER_WORDS: usize = 2 * 16 + 10;

/// Layers that are updated together, as the device reads them.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    words: Words,
    count: usize,
    blocks: [usize; 3],
}

/// Words of a table of so many layers.
pub const fn table_len(layers: usize) -> usize {
    layers * LAYER_WORDS
}

/// Writes layers as the device reads them into `words`; the table will be at `at`.
///
/// # Panics
/// If lengths do not fit.
pub fn write_table(layers: &[Layer], words: &mut [u32], at: Words) -> Table {
    assert_eq!(at.len(), table_len(layers.len()));
    let mut first_blocks = [0; 3];
    for (layer, words) in layers.iter().zip(words.chunks_exact_mut(LAYER_WORDS)) {
        layer.check();
        words.copy_from_slice(&layer.words(first_blocks));
        for (first, blocks) in first_blocks.iter_mut().zip(layer.blocks()) {
            *first += blocks;
        }
    }
    Table {
        words: at,
        count: layers.len(),
        blocks: first_blocks,
    }
}

/// The kernels of this family.
pub struct Update {
    sum_slices: Function,
    channels: Function,
    weights: Function,
    not_finite: Function,
}

impl Update {
    pub(super) fn load(modules: &Modules) -> Result<Self, Error> {
        let function = |name| modules.function(Family::Update, name);
        Ok(Self {
            sum_slices: function("sum_slices")?,
            channels: function("update_channels")?,
            weights: function("update_weights")?,
            not_finite: function("not_finite")?,
        })
    }

    /// Adds the slices of all gradients of a batch of so many images.
    pub fn sum_slices(&self, stream: &Stream, table: Table, images: usize) -> Result<(), Error> {
        let arguments = Arguments::default()
            .view(table.words)
            .int(table.count)
            .int(images);
        let grid = [table.blocks[0], 1, 1];
        launch(stream, &self.sum_slices, grid, CHANNELS_BLOCK, &arguments)
    }

    /// One step of the optimizer for all layers, and folding. `rates[step]` is Adam's rate.
    ///
    /// # Panics
    /// If there is no such rate.
    pub fn step(
        &self,
        stream: &Stream,
        table: Table,
        rule: Rule,
        rates: Floats,
        step: usize,
    ) -> Result<(), Error> {
        assert!(step < rates.len());
        let arguments = || {
            Arguments::default()
                .view(table.words)
                .int(table.count)
                .view(rates)
                .int(step)
                .members(&rule.words())
        };
        let grid = [table.blocks[1], 1, 1];
        launch(stream, &self.channels, grid, CHANNELS_BLOCK, &arguments())?;
        let grid = [table.blocks[2], 1, 1];
        let block = [TILE as u32, TILE_ROWS, 1];
        launch(stream, &self.weights, grid, block, &arguments())
    }

    /// Sets [`SEARCHERS`] words: each is 1 if one of the values that it stands for is not finite, else 0.
    ///
    /// # Panics
    /// If there are not as many words.
    pub fn not_finite<T: Value>(
        &self,
        stream: &Stream,
        values: View<T>,
        found: Words,
    ) -> Result<(), Error> {
        assert_eq!(found.len(), SEARCHERS);
        let arguments = Arguments::default()
            .view(values)
            .long(values.len())
            .view(found);
        let [blocks, threads] = SEARCH;
        launch(
            stream,
            &self.not_finite,
            [blocks, 1, 1],
            [threads as u32, 1, 1],
            &arguments,
        )
    }
}

const CHANNELS_BLOCK: [u32; 3] = [CHANNEL_THREADS as u32, 1, 1];
