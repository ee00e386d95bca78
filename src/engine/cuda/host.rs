//! What goes between the engine and the host: parameters, labels and tables there; outputs and parameters back.

use tracing::trace_span;

use super::room::{self, PhaseRoom, Whole, Work};
use super::{CudaEngine, Phase};
use crate::dataset::Data;
use crate::engine::{Moments, OptimizerState, Outputs};
use crate::kernels::batch_norm;
use crate::kernels::cuda;
use crate::kernels::cuda::memory::Words;
use crate::kernels::cuda::update::{self, Table};
use crate::model::operation::MOVING_VARIANCE;

/// What outputs are of: those of both may be on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputsOf {
    Training,
    Evaluation,
}

/// Outputs on their way to the host: where, and of how many images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Coming {
    first: usize,
    images: usize,
}

/// Where parameters begin among the values that the host takes: after two sets of outputs.
fn first_parameter(whole: &Whole) -> usize {
    2 * (whole.losses.len() + whole.logits.len())
}

/// Where the optimizer's states begin among them.
fn first_state(whole: &Whole) -> usize {
    first_parameter(whole) + whole.parameters.len()
}

impl CudaEngine {
    /// Parameters, what is derived of them once, and labels.
    pub(super) fn upload(&mut self, data: &Data) -> Result<(), cuda::Error> {
        let stream = &self.streams.main;
        let values = self.values.values()?;
        let firsts = room::firsts_of(&self.work.tensors);
        for (first, tensor) in firsts.zip(&self.parameters.tensors) {
            values[first..first + tensor.values.len()].copy_from_slice(&tensor.values);
        }
        self.values.upload(stream, self.whole.parameters)?;
        let values = self.values.values()?;
        let widths = self.work.widths();
        for (first, operation) in room::firsts_of(&widths).zip(&self.work.operations) {
            let variance = self.parameters.values(operation.kernel + MOVING_VARIANCE);
            let inverse = batch_norm::inverse_deviation(variance);
            values[first..first + inverse.len()].copy_from_slice(&inverse);
        }
        self.values.upload(stream, self.whole.inverses)?;
        for (name, labels) in self.whole.labels {
            let split = data.split(name).labels();
            self.words.values()?[..split.len()].copy_from_slice(&split);
            self.words.upload(stream, labels)?;
        }
        let layers: Vec<update::Layer> =
            self.whole.layers.iter().map(|layer| layer.update).collect();
        let table = self.upload_table(&layers, self.whole.table)?;
        self.fold(table)
    }

    pub(super) fn upload_table(
        &mut self,
        layers: &[update::Layer],
        at: Words,
    ) -> Result<Table, cuda::Error> {
        let table = update::write_table(layers, self.words.values()?, at);
        self.words.upload(&self.streams.main, at)?;
        Ok(table)
    }

    /// Asks for the losses and logits of so many images, which work in the main stream makes.
    pub(super) fn ask_for_outputs(
        &mut self,
        of: OutputsOf,
        images: usize,
    ) -> Result<Coming, cuda::Error> {
        let main = &self.streams.main;
        let Whole { losses, logits, .. } = self.whole;
        let first = match of {
            OutputsOf::Training => 0,
            OutputsOf::Evaluation => losses.len() + logits.len(),
        };
        let logits = logits.first(images * self.work.outputs);
        self.values.download_at(main, losses.first(images), first)?;
        self.values.download_at(main, logits, first + images)?;
        Ok(Coming { first, images })
    }

    /// Asks for the parameters and the optimizer's states, and whether they are finite.
    pub(super) fn ask_for_parameters(&mut self, phase: &Phase) -> Result<(), cuda::Error> {
        let main = &self.streams.main;
        let [of_parameters, of_states] = self.whole.found;
        let states = phase.room.tail.states();
        let update = &self.kernels.update;
        update.not_finite(main, self.whole.parameters, of_parameters)?;
        update.not_finite(main, states, of_states)?;
        let first = first_parameter(&self.whole);
        self.values
            .download_at(main, self.whole.parameters, first)?;
        let first = first_state(&self.whole);
        self.values.download_at(main, states, first)?;
        self.words.download(main, of_parameters)?;
        self.words.download_at(main, of_states, update::SEARCHERS)
    }

    /// Waits until what was asked for is there.
    pub(super) fn wait(&self) -> Result<(), cuda::Error> {
        trace_span!("wait for device").in_scope(|| self.streams.main.synchronize())
    }

    /// Outputs that were asked for.
    pub(super) fn outputs(&mut self, coming: Coming) -> Result<Outputs, cuda::Error> {
        let Coming { first, images } = coming;
        let values = &self.values.values()?[first..];
        Ok(Outputs {
            losses: values[..images].to_vec(),
            logits: values[images..][..images * self.work.outputs].to_vec(),
        })
    }

    /// Takes the parameters and the optimizer's states that were asked for.
    pub(super) fn take_parameters(&mut self, phase: &Phase) -> Result<(), cuda::Error> {
        let first = first_parameter(&self.whole);
        let all = self.values.values()?;
        let firsts = room::firsts_of(&self.work.tensors);
        for (first_of_tensor, tensor) in firsts.zip(&mut self.parameters.tensors) {
            let from = &all[first + first_of_tensor..][..tensor.values.len()];
            tensor.values.copy_from_slice(from);
        }
        let states = &all[first_state(&self.whole)..];
        let places = phase.room.tail.moments(&self.whole.layers);
        for (place, moments) in places.zip(&mut self.state.moments) {
            moments.first.copy_from_slice(&states[place.first]);
            moments.second.copy_from_slice(&states[place.second]);
        }
        let found = &self.words.values()?[..2 * update::SEARCHERS];
        if found.contains(&1) {
            self.not_finite = self.search();
        }
        Ok(())
    }

    /// Name and place of the first value that is not finite: of the parameters, then of the optimizer's
    /// states, tensor by tensor.
    fn search(&self) -> Option<(String, usize)> {
        if let Some((name, place)) = self.parameters.first_non_finite() {
            return Some((name.to_owned(), place));
        }
        let bad = |values: &[f32]| values.iter().position(|value| !value.is_finite());
        self.state.moments.iter().find_map(|moments| {
            let place = bad(&moments.first).or_else(|| bad(&moments.second))?;
            let tensor = &self.parameters.tensors[moments.tensor];
            Some((tensor.spec.name.clone(), place))
        })
    }

    /// State before the first step of a phase.
    pub(super) fn fresh_state(&self, room: &PhaseRoom) -> OptimizerState {
        let moments = room.tail.moments(&self.whole.layers).map(|place| Moments {
            tensor: place.tensor,
            first: vec![0.0; place.first.len()],
            second: vec![0.0; place.second.len()],
        });
        OptimizerState {
            steps: 0,
            moments: moments.collect(),
        }
    }

    /// Puts a state in the place of the fresh one.
    ///
    /// # Panics
    /// If it is not of the tensors that the phase trains.
    pub(super) fn upload_state(
        &mut self,
        phase: &Phase,
        state: &OptimizerState,
    ) -> Result<(), cuda::Error> {
        let states = phase.room.tail.states();
        let values = self.values.values()?;
        let places: Vec<_> = phase.room.tail.moments(&self.whole.layers).collect();
        assert_eq!(places.len(), state.moments.len());
        for (place, moments) in places.into_iter().zip(&state.moments) {
            assert_eq!(place.tensor, moments.tensor);
            values[place.first].copy_from_slice(&moments.first);
            values[place.second].copy_from_slice(&moments.second);
        }
        self.values.upload(&self.streams.main, states)?;
        self.state = state.clone();
        Ok(())
    }
}

/// Values that the host takes from the device at most: outputs of two splits, parameters, and both moments of
/// each at most.
pub(super) fn values(whole: &Whole) -> usize {
    first_state(whole) + 2 * whole.parameters.len()
}

/// Words that go between host and device at most.
pub(super) fn words(work: &Work) -> usize {
    let largest = work.splits.iter().map(|(_, images)| *images).max();
    let search = 2 * update::SEARCHERS;
    let table = update::table_len(work.operations.len() + 1);
    search.max(table).max(largest.unwrap_or(0))
}
