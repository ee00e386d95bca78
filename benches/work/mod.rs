//! The work that is measured: the network of the tutorial, its frozen forward and its fine-tuning step.
//!
//! The only place of the benchmarks that knows how an engine's network is driven.

use goldrun::engine::cpu::{CpuNetwork, Examples};
use goldrun::kernels::{Buffer, Level, zeros};
use goldrun::model::backbone::mobilenet_v2;
use goldrun::model::{Network, Parameters, TensorSpec, Trained};
use goldrun::random::{Purpose, Stream, unit};
use goldrun::recipe::{Optimizer, Trainable};
use rayon::prelude::*;

pub mod flop;

/// The first layer that fine-tuning trains.
const FIRST_TRAINED_LAYER: i64 = 100;

/// MobileNetV2 for square pictures, with the tutorial's head.
pub fn network(size: usize, alpha: f64) -> Network {
    Network {
        layers: mobilenet_v2::layers(size, size, alpha),
        outputs: 1,
        dropout: 0.2,
    }
}

/// What fine-tuning trains.
pub fn fine_tuned(network: &Network) -> anyhow::Result<Trained> {
    let from = Trainable::FromIndex(FIRST_TRAINED_LAYER);
    Ok(Trained::of(network, &from)?)
}

/// Drawn values between `low` and `high`; each slot draws its own.
pub fn values(slot: u32, len: usize, low: f32, high: f32) -> Buffer {
    let stream = Stream::new(1, Purpose::Weights, slot);
    let mut values = zeros(len);
    for (value, element) in values.iter_mut().zip(0..) {
        *value = low + (high - low) * unit(stream.word(element, 0));
    }
    values
}

/// Parameters under which activations stay of the order of one from the first layer to the last.
pub fn parameters(network: &Network) -> Parameters {
    let drawn = |(slot, spec): (u32, &TensorSpec)| {
        let fan_in: usize = spec.shape[..spec.shape.len() - 1].iter().product();
        let bound = (6.0 / fan_in.max(1) as f32).sqrt();
        let (low, high) = match spec.name.rsplit('/').next() {
            Some("kernel") if spec.shape[3] == 1 => (-0.8, 0.8),
            Some("kernel") => (-bound, bound),
            Some("gamma" | "moving_variance") => (0.7, 1.3),
            _ => (-0.2, 0.4),
        };
        values(slot, spec.len(), low, high).to_vec()
    };
    let backbone = (100..)
        .zip(&network.backbone_tensors())
        .map(drawn)
        .collect();
    Parameters::with_new_head(network, backbone, 1)
}

/// A batch of pictures on its way through a network.
pub struct Batch {
    engine: CpuNetwork,
    pictures: Vec<Buffer>,
    rows: Buffer,
    labels: Vec<u32>,
    indices: Vec<u32>,
    losses: Vec<f32>,
    logits: Vec<f32>,
}

impl Batch {
    /// A network of which everything but the head is frozen.
    pub fn frozen(level: Level, network: &Network, images: usize) -> Self {
        let engine = CpuNetwork::new(level, network, parameters(network), images);
        let picture_len = network.layers[0].shape.iter().product();
        let indices: Vec<u32> = (0..images as u32).collect();
        Self {
            rows: zeros(images * engine.border_len()),
            pictures: indices
                .iter()
                .map(|image| values(*image, picture_len, -1.0, 1.0))
                .collect(),
            labels: indices.iter().map(|image| image % 2).collect(),
            losses: vec![0.0; images],
            logits: vec![0.0; images * network.outputs],
            indices,
            engine,
        }
    }

    /// A network that is fine-tuned as in the tutorial.
    pub fn fine_tuned(level: Level, network: &Network, images: usize) -> anyhow::Result<Self> {
        let mut batch = Self::frozen(level, network, images);
        let optimizer = Optimizer::RmsProp {
            learning_rate: 1e-5,
            rho: 0.9,
            momentum: 0.0,
            epsilon: 1e-7,
        };
        batch.engine.begin_phase(&fine_tuned(network)?, &optimizer);
        batch.rows = zeros(images * batch.engine.border_len());
        Ok(batch)
    }

    /// All pictures through what is frozen, one by one on each thread of the current pool.
    pub fn prefix(&mut self) {
        let row = self.engine.border_len();
        self.rows
            .par_chunks_exact_mut(row)
            .zip(&self.pictures)
            .for_each(|(row, picture)| self.engine.border(picture, row));
    }

    /// What is trained, forward and backward, and the optimizer's step.
    pub fn tail(&mut self) {
        let examples = Examples {
            labels: &self.labels,
            indices: &self.indices,
            dropout: &Stream::new(1, Purpose::Dropout, 0).at(1, 0),
        };
        self.engine
            .train_batch(&self.rows, &examples, &mut self.losses, &mut self.logits);
    }

    /// A whole step.
    pub fn step(&mut self) {
        self.prefix();
        self.tail();
    }
}
