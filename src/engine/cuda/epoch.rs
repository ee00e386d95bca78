//! An epoch of training, put into streams as a whole.

use std::ops::Range;

use super::host::{Coming, OutputsOf};
use super::pictures::Source;
use super::room::PhaseRoom;
use super::stretch::Crossing;
use super::tail::Batch;
use super::{CudaEngine, Phase, Streams, chunks};
use crate::dataset::batch::TrainingEpoch;
use crate::engine::Error;
use crate::kernels::cuda::head::Mask;
use crate::kernels::cuda::pixels::Pass;
use crate::kernels::cuda::{self, Graph};
use crate::random;
use crate::record::Observer;

impl CudaEngine {
    pub(super) fn train(
        &mut self,
        phase: &mut Phase,
        epoch: &TrainingEpoch<'_>,
        dropout: &random::Stream,
        observer: &Observer<'_>,
    ) -> Result<Coming, Error> {
        let kept = if epoch.is_augmented() {
            None
        } else {
            self.kept_features(phase, epoch.split(), observer)?
        };
        let rates = phase.update.rates(epoch.steps());
        self.state.steps += epoch.steps() as u64;
        let Streams {
            main,
            ahead,
            inputs,
            ..
        } = &self.streams;
        // What was computed before, in the other stream.
        ahead.wait_for(main, inputs)?;
        phase.inputs.upload(ahead, epoch, dropout, &rates)?;
        main.wait_for(ahead, inputs)?;
        let mask = mask(self.dropout, dropout);
        let outputs = self.work.outputs;
        for (number, positions) in phase.inputs.sizes().each_chunk().enumerate() {
            if observer.interrupted() {
                return Err(Error::Interrupted);
            }
            let images = positions.len();
            let at = number % 2;
            self.streams.ahead.wait(&self.streams.read[at])?;
            let border = phase.room.borders[at].clone();
            self.chunk_ahead(
                phase,
                epoch,
                positions.clone(),
                &border,
                kept.as_ref(),
                observer,
            )?;
            self.streams.ready[at].record(&self.streams.ahead)?;
            self.streams.main.wait(&self.streams.ready[at])?;
            phase.inputs.begin_chunk(&self.streams.main, number)?;
            self.chunk_steps(phase, at, images, mask)?;
            let main = &self.streams.main;
            let Range { start, end } = positions.clone();
            let logits = start * outputs..end * outputs;
            let PhaseRoom {
                losses: chunk_losses,
                logits: chunk_logits,
                ..
            } = phase.room;
            main.copy(
                chunk_losses.first(images),
                self.whole.losses.part(positions),
            )?;
            main.copy(
                chunk_logits.first(logits.len()),
                self.whole.logits.part(logits),
            )?;
            self.streams.read[at].record(main)?;
        }
        self.ask_for_parameters(phase)?;
        Ok(self.ask_for_outputs(OutputsOf::Training, epoch.len())?)
    }

    /// What crosses the border for a chunk of an epoch, ahead of its steps.
    pub(super) fn chunk_ahead(
        &mut self,
        phase: &Phase,
        epoch: &TrainingEpoch<'_>,
        positions: Range<usize>,
        border: &Crossing,
        kept: Option<&Crossing>,
        observer: &Observer<'_>,
    ) -> Result<(), Error> {
        let (images, stream) = (positions.len(), &self.streams.ahead);
        let inputs = &phase.inputs;
        let places = inputs.places(positions.clone());
        if let Some(features) = kept {
            for ((from, len), (to, _)) in features.parts().zip(border.parts()) {
                let to = to.first(images * len);
                self.kernels.pixels.gather(stream, from, places, to, len)?;
            }
            return Ok(());
        }
        let first = positions.start;
        let place = |image| epoch.place(first + image);
        let source = self
            .pictures
            .obtain(epoch.split(), stream, images, place, observer)?;
        let (from, places) = match source {
            Source::Split(all) => (all, Some(places)),
            Source::Some { values, .. } => (values, None),
        };
        let prefix = &phase.room.prefix;
        let input = phase.room.input_of(border);
        let to = input.values(None, images);
        let between = phase.room.between;
        let passes = inputs.sizes().passes;
        let rotations = rotations(epoch);
        let mut pass = Pass {
            from,
            places,
            changes: None,
            to,
            size: self.work.size,
            rotates: false,
            scaled: true,
        };
        if passes == 0 {
            self.kernels.pixels.change(stream, &pass)?;
        }
        for number in 0..passes {
            // The last one ends in `to`, those before it go back and forth.
            let is_in_place = (passes - number) % 2 == 1;
            pass.to = if is_in_place {
                to
            } else {
                between.first(to.len())
            };
            pass.changes = Some(inputs.changes(number, positions.clone()));
            pass.rotates = number < rotations;
            pass.scaled = number + 1 == passes;
            self.kernels.pixels.change(stream, &pass)?;
            pass.from = pass.to;
            pass.places = None;
        }
        self.pictures.consumed(source, stream)?;
        let work = (&self.kernels, stream, &self.whole.layers[..]);
        Ok(prefix.forward(work, images, phase.room.workspace, input, border)?)
    }

    /// Puts the steps of a chunk into the stream, recorded once where graphs are used.
    pub(super) fn chunk_steps(
        &self,
        phase: &mut Phase,
        border: usize,
        images: usize,
        mask: Mask,
    ) -> Result<(), cuda::Error> {
        let main = &self.streams.main;
        if !self.has_graphs {
            return self.steps(phase, border, images, mask);
        }
        if let Some(graph) = phase.graphs.get(&(border, images)) {
            return graph.launch(main);
        }
        let graph = Graph::record(&self.device, main, || {
            self.steps(phase, border, images, mask)
        })?;
        graph.launch(main)?;
        phase.graphs.insert((border, images), graph);
        Ok(())
    }

    pub(super) fn steps(
        &self,
        phase: &Phase,
        border: usize,
        images: usize,
        mask: Mask,
    ) -> Result<(), cuda::Error> {
        let PhaseRoom {
            tail,
            borders,
            losses,
            logits,
            ..
        } = &phase.room;
        let outputs = self.work.outputs;
        let lanes = self.streams.lanes(&self.kernels);
        for (step, positions) in chunks(images, self.work.batch).enumerate() {
            let Range { start, end } = positions.clone();
            let batch = Batch {
                images: positions.len(),
                below: borders[border].images(positions.clone()),
                labels: phase.inputs.labels(positions.clone()),
                indices: phase.inputs.indices(positions.clone()),
                when: phase.inputs.when(),
                rates: phase.inputs.rates(),
                step,
                losses: losses.part(positions),
                logits: logits.part(start * outputs..end * outputs),
            };
            tail.step(
                lanes,
                &self.whole.layers,
                phase.table,
                phase.rule,
                mask,
                &batch,
            )?;
        }
        Ok(())
    }
}

/// Passes of an epoch that rotate; they come first.
fn rotations(epoch: &TrainingEpoch<'_>) -> usize {
    epoch
        .passes(0)
        .filter(|pass| pass.rotation.is_some())
        .count()
}

/// What draws the dropout masks of an epoch.
fn mask(rate: f64, dropout: &random::Stream) -> Mask {
    Mask {
        threshold: random::dropout_threshold(rate),
        scale: random::dropout_scale(rate),
        key: dropout.seed(),
        what: dropout.what(),
    }
}
