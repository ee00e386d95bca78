//! The native engine on a CUDA device, with the bits of the one on the CPU.
//!
//! An epoch is put into streams as a whole and waited for once. What trains nothing runs for hundreds of
//! images a launch, beside the steps on the images before them; a step is recorded once a phase and done
//! again. All memory is allocated at the start, and what does not fit is done in smaller pieces.

mod epoch;
mod evaluation;
mod gradients;
mod host;
mod inputs;
mod layer;
mod pictures;
mod room;
mod stretch;
mod tail;

use std::collections::HashMap;
use std::ops::Range;

use self::inputs::Inputs;
use self::pictures::Pictures;
use self::room::{Extent, PhaseRoom, Whole, Work};
use self::tail::Lanes;
use super::update::Update;
use super::{Engine, Error, OptimizerState, Outputs};
use crate::dataset::batch::TrainingEpoch;
use crate::dataset::{Data, Split};
use crate::kernels::cuda::Pinned;
use crate::kernels::cuda::memory::{Memory, Plan};
use crate::kernels::cuda::update::{Rule, Table};
use crate::kernels::cuda::{
    self, Device, Event, Graph, Kernels, Loading, MOST_IMAGES, Priority, Stream,
};
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
    /// The optimizer's after the last epoch.
    state: OptimizerState,
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
            state: OptimizerState::default(),
            not_finite: None,
            has_graphs: std::env::var_os(GRAPHS).is_none_or(|value| value != "off"),
            dropout: network.dropout,
            rest_of_memory: plan,
            phase: None,
            pictures: Pictures::new(&device, places, copies)?,
            values: Pinned::new(&device, host::values(&whole))?,
            words: Pinned::new(&device, host::words(&work))?,
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

    /// Folds the batch norm of layers, without changing them.
    fn fold(&self, table: Table) -> Result<(), cuda::Error> {
        let no_rates = self.whole.losses;
        let update = &self.kernels.update;
        update.step(&self.streams.main, table, Rule::NONE, no_rates, 0)
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
}

impl Drop for CudaEngine {
    fn drop(&mut self) {
        // Work may still read what is about to go; where waiting fails the device is lost.
        for stream in [&self.streams.ahead, &self.streams.main] {
            let _ = stream.synchronize();
        }
    }
}

/// Some images at a time.
fn chunks(images: usize, chunk: usize) -> impl Iterator<Item = Range<usize>> {
    (0..images)
        .step_by(chunk)
        .map(move |first| first..images.min(first + chunk))
}

impl Engine for CudaEngine {
    fn features(
        &mut self,
        split: &Split,
        positions: Range<usize>,
        observer: &Observer<'_>,
    ) -> Result<Vec<f32>, Error> {
        self.with_phase(|engine, phase| engine.features_of(phase, split, positions, observer))
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
        self.state = self.fresh_state(&room);
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
        let outputs = self.with_phase(|engine, phase| {
            let coming = engine.train(phase, epoch, dropout, observer)?;
            engine.wait()?;
            engine.take_parameters(phase)?;
            Ok(engine.outputs(coming)?)
        })?;
        step(epoch.steps(), &outputs);
        Ok(outputs)
    }

    fn train_and_evaluate(
        &mut self,
        epoch: &TrainingEpoch<'_>,
        dropout: &random::Stream,
        split: &Split,
        observer: &Observer<'_>,
        step: &mut dyn FnMut(usize, &Outputs),
    ) -> Result<[Outputs; 2], Error> {
        let both = self.with_phase(|engine, phase| {
            let of_training = engine.train(phase, epoch, dropout, observer)?;
            let of_evaluation = engine.evaluate_split(phase, split, observer)?;
            engine.wait()?;
            engine.take_parameters(phase)?;
            Ok([engine.outputs(of_training)?, engine.outputs(of_evaluation)?])
        })?;
        step(epoch.steps(), &both[0]);
        Ok(both)
    }

    fn evaluate(&mut self, split: &Split, observer: &Observer<'_>) -> Result<Outputs, Error> {
        self.with_phase(|engine, phase| {
            let coming = engine.evaluate_split(phase, split, observer)?;
            engine.wait()?;
            Ok(engine.outputs(coming)?)
        })
    }

    fn parameters(&self) -> Result<Parameters, Error> {
        Ok(self.parameters.clone())
    }

    fn gradients(&mut self) -> Result<Vec<(String, Vec<f32>)>, Error> {
        self.with_phase(|engine, phase| Ok(engine.gradients_of(phase)?))
    }

    fn optimizer_state(&self) -> Result<OptimizerState, Error> {
        Ok(self.state.clone())
    }

    fn resume_phase(&mut self, state: &OptimizerState) -> Result<(), Error> {
        self.with_phase(|engine, phase| {
            phase.update.skip(state.steps);
            Ok(engine.upload_state(phase, state)?)
        })
    }

    fn first_non_finite(&self) -> Result<Option<(String, usize)>, Error> {
        Ok(self.not_finite.clone())
    }
}
