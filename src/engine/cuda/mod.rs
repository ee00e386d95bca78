//! The native engine on a CUDA device, with the bits of the one on the CPU.
//!
//! An epoch is put into streams as a whole and waited for once. What trains nothing runs for hundreds of
//! images a launch, beside the steps on the images before them; a step is recorded once a phase and done
//! again. All memory is allocated at the start, and what does not fit is done in smaller pieces.

mod inputs;
mod layer;
mod pictures;
mod room;
mod stretch;
mod tail;

use std::collections::HashMap;
use std::ops::Range;

use tracing::trace_span;

use self::inputs::Inputs;
use self::pictures::{Pictures, Source};
use self::room::{Extent, PhaseRoom, Whole, Work};
use self::stretch::Crossing;
use self::tail::{Batch, Lanes};
use super::update::Update;
use super::{Engine, Error, Outputs};
use crate::dataset::batch::TrainingEpoch;
use crate::dataset::{Data, Split};
use crate::kernels::batch_norm;
use crate::kernels::cuda::MOST_IMAGES;
use crate::kernels::cuda::head::Mask;
use crate::kernels::cuda::memory::{Floats, Memory, Pinned, Plan, Words};
use crate::kernels::cuda::pixels::Pass;
use crate::kernels::cuda::update::{self, Rule, Table};
use crate::kernels::cuda::{self, Device, Event, Graph, Kernels, Loading, Priority, Stream};
use crate::model::operation::{MOVING_VARIANCE, OPERATION_TENSORS};
use crate::model::{Network, Parameters, Trained};
use crate::random;
use crate::recipe::{Optimizer, Recipe, SplitName};
use crate::record::Observer;

/// Set to `off`, steps are not recorded as graphs: for looking at what goes wrong. No bit depends on it.
const GRAPHS: &str = "GOLDRUN_CUDA_GRAPHS";

/// The native engine on a CUDA device.
pub struct CudaEngine {
    /// As they are on the device after the last epoch.
    parameters: Parameters,
    /// What was found after the last epoch.
    not_finite: Option<(String, usize)>,
    work: Work,
    extent: Extent,
    has_graphs: bool,
    dropout: f64,
    whole: Whole,
    /// What comes after `whole`, anew in each phase.
    rest_of_memory: Plan,
    phase: Option<Phase>,
    pictures: Pictures,
    values: Pinned<f32>,
    words: Pinned<u32>,
    streams: Streams,
    kernels: Kernels,
    // Last: what is dropped before may wait for work that uses them.
    _memory: Memory,
    device: Device,
}

/// Streams, and events between them.
struct Streams {
    /// Steps, and evaluation.
    main: Stream,
    /// Gradients of weights.
    side: Stream,
    /// What trains nothing, for the chunk after the one whose steps are done.
    ahead: Stream,
    fork: Event,
    join: Event,
    inputs: Event,
    /// For each border: it is there; it was read.
    ready: [Event; 2],
    read: [Event; 2],
}

/// What belongs to a phase.
struct Phase {
    room: PhaseRoom,
    inputs: Inputs,
    update: Update,
    rule: Rule,
    table: Table,
    /// Which features are there.
    kept: Vec<SplitName>,
    /// Steps of a chunk: which border, and how many images.
    graphs: HashMap<(usize, usize), Graph>,
}

impl Streams {
    fn new(device: &Device) -> Result<Self, cuda::Error> {
        let event = || Event::new(device);
        Ok(Self {
            main: Stream::new(device, Priority::Usual)?,
            side: Stream::new(device, Priority::Usual)?,
            ahead: Stream::new(device, Priority::Low)?,
            fork: event()?,
            join: event()?,
            inputs: event()?,
            ready: [event()?, event()?],
            read: [event()?, event()?],
        })
    }

    fn lanes<'a>(&'a self, kernels: &'a Kernels) -> Lanes<'a> {
        Lanes {
            kernels,
            main: &self.main,
            side: &self.side,
            fork: &self.fork,
            join: &self.join,
        }
    }
}

impl CudaEngine {
    /// An engine for the phases of a recipe on these pictures.
    ///
    /// # Panics
    /// If the thread that loads the kernels did.
    pub fn new(
        device: Device,
        kernels: Loading,
        network: &Network,
        parameters: Parameters,
        recipe: &Recipe,
        data: &Data,
    ) -> Result<Self, cuda::Error> {
        device.make_current()?;
        let kernels = kernels.finish()?;
        let splits = [SplitName::Train, SplitName::Validation, SplitName::Test];
        let first_epoch = TrainingEpoch::new(&data.train, &recipe.input, recipe.seed, 0, 0);
        let work = Work {
            operations: network.operations(),
            tensors: Work::tensors(network),
            outputs: network.outputs,
            channels: network.features()[2],
            size: data.train.image_size(),
            batch: (recipe.input.batch_size as usize).min(data.train.len()),
            passes: first_epoch.passes(0).count(),
            splits: splits.map(|name| (name, data.split(name).len())),
            // One that is not there is an error once it begins.
            phases: recipe
                .phases
                .iter()
                .filter_map(|phase| Trained::of(network, &phase.train).ok())
                .collect(),
        };
        if work.batch > MOST_IMAGES {
            return Err(cuda::Error::Batch { images: work.batch });
        }
        let (extent, bytes) = Extent::that_fits(&work, device.free_memory()?)?;
        let memory = Memory::allocate(&device, bytes)?;
        let mut plan = memory.plan();
        let mut whole = Whole::plan(&mut plan, &work, extent);
        let places = whole.pictures.take().expect("they were planned");
        let copies = Stream::new(&device, Priority::Low)?;
        let mut engine = Self {
            not_finite: None,
            has_graphs: std::env::var_os(GRAPHS).is_none_or(|value| value != "off"),
            dropout: network.dropout,
            rest_of_memory: plan,
            phase: None,
            pictures: Pictures::new(&device, places, copies)?,
            values: Pinned::new(&device, host_values(&whole))?,
            words: Pinned::new(&device, host_words(&work))?,
            streams: Streams::new(&device)?,
            parameters,
            work,
            extent,
            whole,
            kernels,
            _memory: memory,
            device,
        };
        engine.upload(data)?;
        Ok(engine)
    }

    /// Parameters, what is derived of them once, and labels.
    fn upload(&mut self, data: &Data) -> Result<(), cuda::Error> {
        let stream = &self.streams.main;
        let values = self.values.values()?;
        let firsts = room::firsts_of(&self.work.tensors);
        for (first, tensor) in firsts.zip(&self.parameters.tensors) {
            values[first..first + tensor.values.len()].copy_from_slice(&tensor.values);
        }
        self.values.upload(stream, self.whole.parameters)?;
        let values = self.values.values()?;
        let mut first = 0;
        for operation in &self.work.operations {
            let variance = self.parameters.values(operation.kernel + MOVING_VARIANCE);
            let inverse = batch_norm::inverse_deviation(variance);
            values[first..first + inverse.len()].copy_from_slice(&inverse);
            first += room::len_of(&[inverse.len()]);
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

    fn upload_table(&mut self, layers: &[update::Layer], at: Words) -> Result<Table, cuda::Error> {
        let table = update::write_table(layers, self.words.values()?, at);
        self.words.upload(&self.streams.main, at)?;
        Ok(table)
    }

    /// Folds the batch norm of layers, without changing them.
    fn fold(&self, table: Table) -> Result<(), cuda::Error> {
        let no_rates = self.whole.losses;
        let update = &self.kernels.update;
        update.step(&self.streams.main, table, Rule::NONE, no_rates, 0)
    }

    /// The pictures at some positions of a split as the network sees them, unchanged, into `input`.
    fn prepare(
        &mut self,
        split: &Split,
        positions: Range<usize>,
        input: &Crossing,
        observer: &Observer<'_>,
    ) -> Result<(), Error> {
        let stream = &self.streams.main;
        let images = positions.len();
        let first = positions.start;
        let position = |image| first + image;
        let source = self
            .pictures
            .obtain(split, stream, images, position, observer)?;
        let picture = self.work.picture();
        let from = match source {
            Source::Split(all) => all.part(first * picture..(first + images) * picture),
            Source::Some { values, .. } => values,
        };
        self.kernels.pixels.change(
            stream,
            &Pass {
                from,
                places: None,
                changes: None,
                to: input.values(None, images),
                size: self.work.size,
                rotates: false,
                scaled: true,
            },
        )?;
        self.pictures.consumed(source, stream)
    }

    /// What crosses the border for some images of a split, unchanged, into `border`.
    fn border(
        &mut self,
        phase: &Phase,
        split: &Split,
        positions: Range<usize>,
        border: &Crossing,
        observer: &Observer<'_>,
    ) -> Result<(), Error> {
        let images = positions.len();
        let is_picture = phase.room.prefix.is_empty();
        let input = if is_picture {
            border
        } else {
            &phase.room.input
        };
        self.prepare(split, positions, input, observer)?;
        let work = (&self.kernels, &self.streams.main, &self.whole.layers[..]);
        let prefix = &phase.room.prefix;
        Ok(prefix.forward(work, images, phase.room.workspace, input, border)?)
    }

    /// The features of a split, computed where they are not there; none if they are not kept.
    fn kept_features(
        &mut self,
        phase: &mut Phase,
        split: &Split,
        observer: &Observer<'_>,
    ) -> Result<Option<Crossing>, Error> {
        let found = phase
            .room
            .features
            .iter()
            .find(|(name, _)| *name == split.name);
        let Some((name, features)) = found.cloned() else {
            return Ok(None);
        };
        if !phase.kept.contains(&name) {
            let _span = trace_span!("features", split = name.word()).entered();
            for positions in chunks(split.len(), self.extent.chunk) {
                let border = features.images(positions.clone());
                self.border(phase, split, positions, &border, observer)?;
            }
            phase.kept.push(name);
        }
        Ok(Some(features))
    }

    /// What crosses the border for a chunk of an epoch, ahead of its steps.
    fn chunk_ahead(
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
        let input = if prefix.is_empty() {
            border
        } else {
            &phase.room.input
        };
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
    fn chunk_steps(
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

    fn steps(
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

    /// Losses and logits of so many images, once all is done; parameters too, if they changed.
    fn outputs(&mut self, phase: &Phase, images: usize, changed: bool) -> Result<Outputs, Error> {
        let main = &self.streams.main;
        let logits = images * self.work.outputs;
        self.values
            .download(main, self.whole.losses.first(images))?;
        self.values
            .download_at(main, self.whole.logits.first(logits), images)?;
        let parameters = images + logits;
        if changed {
            let [of_parameters, of_states] = self.whole.found;
            let update = &self.kernels.update;
            update.not_finite(main, self.whole.parameters, of_parameters)?;
            update.not_finite(main, phase.room.tail.states(), of_states)?;
            self.values
                .download_at(main, self.whole.parameters, parameters)?;
            self.words.download(main, of_parameters)?;
            self.words.download_at(main, of_states, update::SEARCHERS)?;
        }
        trace_span!("wait for device").in_scope(|| main.synchronize())?;
        let values = self.values.values()?;
        let outputs = Outputs {
            losses: values[..images].to_vec(),
            logits: values[images..parameters].to_vec(),
        };
        if changed {
            for (first, tensor) in
                room::firsts_of(&self.work.tensors).zip(&mut self.parameters.tensors)
            {
                let from = &values[parameters + first..][..tensor.values.len()];
                tensor.values.copy_from_slice(from);
            }
            let found = &self.words.values()?[..2 * update::SEARCHERS];
            if found.contains(&1) {
                self.not_finite = self.search(phase)?;
            }
        }
        Ok(outputs)
    }

    /// Name and place of the first value that is not finite: of the parameters, then of the optimizer's
    /// states, tensor by tensor.
    fn search(&mut self, phase: &Phase) -> Result<Option<(String, usize)>, cuda::Error> {
        if let Some((name, place)) = self.parameters.first_non_finite() {
            return Ok(Some((name.to_owned(), place)));
        }
        let states = phase.room.tail.states();
        let mut values = Pinned::new(&self.device, states.len())?;
        values.download(&self.streams.main, states)?;
        let values = values.values()?;
        let (layers, _) = phase.room.tail.updates(&self.whole.layers);
        let head = self.work.operations.len() * OPERATION_TENSORS;
        let frozen = self.whole.layers.len() + 1 - layers.len();
        let mut first = 0;
        for (number, layer) in layers.iter().enumerate() {
            // Of the head there are kernel and bias.
            let kernel = (frozen + number) * OPERATION_TENSORS;
            let is_head = kernel == head;
            let names = [
                kernel,
                kernel + 1,
                if is_head { kernel + 1 } else { kernel + 2 },
            ];
            let half = layer.states_len() / 2;
            let mut offset = first;
            for ((size, is_trained), name) in [layer.k * layer.n, layer.n, layer.n]
                .into_iter()
                .zip(layer.trained)
                .zip(names)
            {
                if !is_trained {
                    continue;
                }
                let moments = [offset, offset + half].map(|at| &values[at..at + size]);
                let bad = moments
                    .iter()
                    .find_map(|values| values.iter().position(|value| !value.is_finite()));
                if let Some(place) = bad {
                    let name = self.parameters.tensors[name].spec.name.clone();
                    return Ok(Some((name, place)));
                }
                offset += size;
            }
            first += 2 * half;
        }
        Ok(None)
    }

    /// Does something with the present phase, which it may change.
    fn with_phase<T>(
        &mut self,
        work: impl FnOnce(&mut Self, &mut Phase) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.device.make_current()?;
        let mut phase = self.phase.take().expect("a phase has begun");
        let done = work(self, &mut phase);
        self.phase = Some(phase);
        done
    }

    fn evaluate_split(
        &mut self,
        phase: &mut Phase,
        split: &Split,
        observer: &Observer<'_>,
    ) -> Result<Outputs, Error> {
        let kept = self.kept_features(phase, split, observer)?;
        let labels = self
            .whole
            .labels
            .iter()
            .find(|(name, _)| *name == split.name);
        let labels = labels
            .map(|(_, labels)| *labels)
            .expect("each split has labels");
        for positions in chunks(split.len(), self.extent.chunk) {
            let images = positions.len();
            let border = match &kept {
                Some(features) => features.images(positions.clone()),
                None => phase.room.borders[0].clone(),
            };
            if kept.is_none() {
                self.border(phase, split, positions.clone(), &border, observer)?;
            }
            let (kernels, main) = (&self.kernels, &self.streams.main);
            let PhaseRoom {
                rest,
                workspace,
                pooled,
                dlogits,
                ..
            } = &phase.room;
            let pooled = if rest.is_empty() {
                border.pooled(images)
            } else {
                let work = (kernels, main, &self.whole.layers[..]);
                rest.forward(work, images, *workspace, &border, pooled)?;
                pooled.pooled(images)
            };
            let outputs = self.work.outputs;
            let range = positions.start * outputs..positions.end * outputs;
            let logits = self.whole.logits.part(range);
            self.whole.dense.logits(kernels, main, pooled, logits)?;
            let losses = self.whole.losses.part(positions.clone());
            let labels = labels.part(positions);
            let unused = dlogits.first(logits.len());
            kernels
                .head
                .loss(main, logits, labels, images, losses, unused)?;
        }
        self.outputs(phase, split.len(), false)
    }

    fn train(
        &mut self,
        phase: &mut Phase,
        epoch: &TrainingEpoch<'_>,
        dropout: &random::Stream,
        observer: &Observer<'_>,
    ) -> Result<Outputs, Error> {
        let kept = if epoch.is_augmented() {
            None
        } else {
            self.kept_features(phase, epoch.split(), observer)?
        };
        let rates = phase.update.rates(epoch.steps());
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
        self.outputs(phase, epoch.len(), true)
    }
}

impl Drop for CudaEngine {
    fn drop(&mut self) {
        // Work may still read what is about to go; where waiting fails the device is lost.
        for stream in [&self.streams.ahead, &self.streams.main] {
            let _ = stream.synchronize();
        }
    }
}

/// Values that the host takes from the device at most: outputs of a split, and parameters.
fn host_values(whole: &Whole) -> usize {
    whole.losses.len() + whole.logits.len() + whole.parameters.len().max(whole.inverses.len())
}

/// Words that go between host and device at most.
fn host_words(work: &Work) -> usize {
    let largest = work.splits.iter().map(|(_, images)| *images).max();
    let search = 2 * update::SEARCHERS;
    let table = update::table_len(work.operations.len() + 1);
    search.max(table).max(largest.unwrap_or(0))
}

/// Some images at a time.
fn chunks(images: usize, chunk: usize) -> impl Iterator<Item = Range<usize>> {
    (0..images)
        .step_by(chunk)
        .map(move |first| first..images.min(first + chunk))
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
        scale: (1.0 / (1.0 - rate)) as f32,
        key: dropout.seed(),
        what: dropout.what(),
    }
}

impl Engine for CudaEngine {
    fn features(
        &mut self,
        split: &Split,
        positions: Range<usize>,
        observer: &Observer<'_>,
    ) -> Result<Vec<f32>, Error> {
        self.with_phase(|engine, phase| {
            let mut features = Vec::new();
            for part in chunks(positions.len(), engine.extent.chunk) {
                let images = part.len();
                let input = phase.room.input.clone();
                let positions = positions.start + part.start..positions.start + part.end;
                engine.prepare(split, positions, &input, observer)?;
                let PhaseRoom {
                    whole, workspace, ..
                } = &phase.room;
                let layers = &engine.whole.layers[..];
                let main = &engine.streams.main;
                let work = (&engine.kernels, main, layers);
                let pooled = &phase.room.pooled;
                whole.forward(work, images, *workspace, &input, pooled)?;
                let last = layers.len() - 1;
                let values: Floats = whole.output(last, images, layers, *workspace, pooled);
                let mut on_host = Pinned::new(&engine.device, values.len())?;
                on_host.download(main, values)?;
                features.extend_from_slice(on_host.values()?);
            }
            Ok(features)
        })
    }

    fn begin_phase(&mut self, trained: &Trained, optimizer: &Optimizer) -> Result<(), Error> {
        self.device.make_current()?;
        self.phase = None;
        let mut plan = self.rest_of_memory.clone();
        let Whole { layers, dense, .. } = &mut self.whole;
        let (room, inputs) =
            PhaseRoom::plan(&mut plan, &self.work, self.extent, layers, *dense, trained);
        let (updates, at) = room.tail.updates(&self.whole.layers);
        let table = self.upload_table(&updates, at)?;
        self.streams.main.clear(room.tail.states())?;
        self.fold(table)?;
        let update = Update::new(optimizer);
        self.phase = Some(Phase {
            inputs: Inputs::new(&self.device, &inputs)?,
            rule: update.rule(),
            room,
            update,
            table,
            kept: vec![],
            graphs: HashMap::new(),
        });
        Ok(())
    }

    fn train_epoch(
        &mut self,
        epoch: &TrainingEpoch<'_>,
        dropout: &random::Stream,
        observer: &Observer<'_>,
        step: &mut dyn FnMut(usize, &Outputs),
    ) -> Result<Outputs, Error> {
        let outputs =
            self.with_phase(|engine, phase| engine.train(phase, epoch, dropout, observer))?;
        step(epoch.steps(), &outputs);
        Ok(outputs)
    }

    fn evaluate(&mut self, split: &Split, observer: &Observer<'_>) -> Result<Outputs, Error> {
        self.with_phase(|engine, phase| engine.evaluate_split(phase, split, observer))
    }

    fn parameters(&self) -> Result<Parameters, Error> {
        Ok(self.parameters.clone())
    }

    fn first_non_finite(&self) -> Result<Option<(String, usize)>, Error> {
        Ok(self.not_finite.clone())
    }
}
