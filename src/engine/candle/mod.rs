//! The oracle: an engine of stock candle operations and autograd.
//!
//! Independent of our kernels, and slow: a depthwise convolution is a convolution per channel there.
//! Batch norm is not folded and nothing is cached. It shares batches, masks and angles with the native
//! engine. Plain SGD is candle's own; the other rules are ours on candle's gradients, since candle has no
//! momentum, no RMSprop and another epsilon. It promises closeness, not bits.

mod network;

use std::ops::Range;

pub use self::network::{CandleNetwork, Pass};

use super::update::{State, Update};
use super::{Engine, Error, OptimizerState, Outputs, examples};
use crate::dataset::Split;
use crate::dataset::batch::{Scratch, TrainingEpoch};
use crate::kernels::Level;
use crate::model::{Network, Parameters, Trained};
use crate::random::{self, Stream};
use crate::recipe::Optimizer;
use crate::record::Observer;

/// Images evaluated at a time.
const EVALUATION_BATCH: usize = 32;

/// An engine of stock candle operations.
pub struct CandleEngine {
    network: Network,
    candle: CandleNetwork,
    /// Names and shapes; the values are candle's.
    parameters: Parameters,
    picture: usize,
    rule: Rule,
    /// Places of what is trained.
    trained: Vec<usize>,
    /// Steps done in the phase.
    steps: u64,
    /// Those of the last step.
    gradients: Vec<(String, Vec<f32>)>,
}

/// How a phase changes what it trains.
enum Rule {
    /// candle's gradient descent, with this learning rate.
    Candle(f64),
    /// Ours on candle's gradients, with the state of each trained tensor.
    Ours(Update, Vec<State>),
}

impl CandleEngine {
    /// An engine with these parameters.
    pub fn new(network: &Network, parameters: Parameters) -> Result<Self, Error> {
        let nothing = Trained::nothing(network);
        Ok(Self {
            candle: CandleNetwork::new(network, &parameters, &nothing)?,
            network: network.clone(),
            picture: network.layers[0].shape.iter().product(),
            parameters,
            rule: Rule::Candle(0.0),
            trained: vec![],
            steps: 0,
            gradients: vec![],
        })
    }

    /// Pictures at `positions` of a split, as the network sees them.
    fn pictures(&self, split: &Split, positions: Range<usize>) -> Result<Vec<f32>, Error> {
        let mut pictures = vec![0.0; positions.len() * self.picture];
        for (position, picture) in positions.zip(pictures.chunks_exact_mut(self.picture)) {
            split.input(position, picture)?;
        }
        Ok(pictures)
    }

    /// Factors of the pooled features: 0 where dropout takes them, else its scale.
    fn dropout(&self, stream: &Stream, indices: &[u32]) -> Vec<f32> {
        let rate = self.network.dropout;
        let threshold = random::dropout_threshold(rate);
        let scale = (1.0 / (1.0 - rate)) as f32;
        let channels = self.network.features()[2] as u32;
        indices
            .iter()
            .flat_map(|&index| (0..channels).map(move |channel| (index, channel)))
            .map(|(index, channel)| {
                let is_kept = stream.word(index, channel) >> 8 >= threshold;
                if is_kept { scale } else { 0.0 }
            })
            .collect()
    }
}

impl Engine for CandleEngine {
    fn features(
        &mut self,
        split: &Split,
        positions: Range<usize>,
        _observer: &Observer<'_>,
    ) -> Result<Vec<f32>, Error> {
        let pictures = self.pictures(split, positions)?;
        Ok(self.candle.features(&pictures)?)
    }

    fn begin_phase(&mut self, trained: &Trained, optimizer: &Optimizer) -> Result<(), Error> {
        self.parameters = self.parameters()?;
        self.candle = CandleNetwork::new(&self.network, &self.parameters, trained)?;
        let places = trained.tensors.iter().enumerate();
        let places = places.filter(|(_, is_trained)| **is_trained);
        self.trained = places.map(|(place, _)| place).collect();
        self.steps = 0;
        let lens = self
            .trained
            .iter()
            .map(|&place| self.parameters.values(place).len());
        let states = lens.map(State::new);
        self.rule = match *optimizer {
            Optimizer::Sgd {
                learning_rate,
                momentum: 0.0,
                ..
            } => Rule::Candle(learning_rate),
            _ => Rule::Ours(Update::new(optimizer), states.collect()),
        };
        Ok(())
    }

    fn train_epoch(
        &mut self,
        epoch: &TrainingEpoch<'_>,
        dropout: &Stream,
        observer: &Observer<'_>,
        step: &mut dyn FnMut(usize, &Outputs),
    ) -> Result<Outputs, Error> {
        let mut outputs = Outputs::default();
        let mut scratch = Scratch::new();
        let (mut labels, mut indices) = (Vec::new(), Vec::new());
        for number in 0..epoch.steps() {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let positions = epoch.batch(number);
            let mut pictures = vec![0.0; positions.len() * self.picture];
            for (position, picture) in positions
                .clone()
                .zip(pictures.chunks_exact_mut(self.picture))
            {
                epoch.input(position, &mut scratch, picture)?;
            }
            examples(epoch, positions, &mut labels, &mut indices);
            let factors = self.dropout(dropout, &indices);
            self.steps += 1;
            let pass = self.candle.pass(&pictures, &labels, Some(&factors))?;
            match &mut self.rule {
                Rule::Candle(learning_rate) => self.candle.descend(&pass, *learning_rate)?,
                Rule::Ours(update, states) => {
                    update.next_step();
                    self.candle.update(&pass, |place, w, g| {
                        update.apply(Level::detect(), w, g, states[place].whole());
                    })?;
                }
            }
            outputs.losses.extend(pass.losses);
            outputs.logits.extend(pass.logits);
            self.gradients = pass.gradients;
            step(number + 1, &outputs);
        }
        Ok(outputs)
    }

    fn evaluate(&mut self, split: &Split, observer: &Observer<'_>) -> Result<Outputs, Error> {
        let labels = split.labels();
        let mut outputs = Outputs::default();
        for first in (0..split.len()).step_by(EVALUATION_BATCH) {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let positions = first..split.len().min(first + EVALUATION_BATCH);
            let pictures = self.pictures(split, positions.clone())?;
            let (losses, logits) = self.candle.evaluate(&pictures, &labels[positions])?;
            outputs.losses.extend(losses);
            outputs.logits.extend(logits);
        }
        Ok(outputs)
    }

    fn parameters(&self) -> Result<Parameters, Error> {
        let mut parameters = self.parameters.clone();
        for tensor in &mut parameters.tensors {
            tensor.values = self.candle.values(&tensor.spec.name)?;
        }
        Ok(parameters)
    }

    fn gradients(&mut self) -> Result<Vec<(String, Vec<f32>)>, Error> {
        Ok(self.gradients.clone())
    }

    fn optimizer_state(&self) -> Result<OptimizerState, Error> {
        let places = self.trained.iter().enumerate();
        let moments = places.map(|(number, &place)| match &self.rule {
            Rule::Ours(_, states) => states[number].moments(place),
            Rule::Candle(_) => State::new(self.parameters.values(place).len()).moments(place),
        });
        Ok(OptimizerState {
            steps: self.steps,
            moments: moments.collect(),
        })
    }

    fn resume_phase(&mut self, state: &OptimizerState) -> Result<(), Error> {
        let saved: Vec<usize> = state.moments.iter().map(|moments| moments.tensor).collect();
        assert_eq!(saved, self.trained);
        self.steps = state.steps;
        if let Rule::Ours(update, states) = &mut self.rule {
            update.skip(state.steps);
            for (state, moments) in states.iter_mut().zip(&state.moments) {
                state.restore(moments);
            }
        }
        Ok(())
    }

    fn first_non_finite(&self) -> Result<Option<(String, usize)>, Error> {
        let parameters = self.parameters()?;
        let parameter = parameters
            .first_non_finite()
            .map(|(name, place)| (name.to_owned(), place));
        Ok(parameter)
    }
}
