//! The whole run, top to bottom: recipe, artifacts, pictures, network, training, record.

mod device;
mod error;
mod exhibits;
mod facts;
mod fault;
mod folder;
mod inputs;
mod layers;
mod provenance;
mod request;
mod resume;

pub use error::Error;
pub use fault::Fault;
pub use folder::id;
pub use layers::layers;
pub use request::{Device, EngineKind, Request};

use std::path::PathBuf;

use rayon::{ThreadPool, ThreadPoolBuilder};
use tracing::trace_span;

use self::folder::Folder;
use self::inputs::Inputs;
use self::provenance::Clock;
use self::resume::Wanted;
use crate::artifacts::cache::{Cache, executable_digest};
use crate::dataset::{self, Data};
use crate::kernels::{Level, environment};
use crate::model::{Network, Parameters};
use crate::record::history::History;
use crate::record::steps::StepDigests;
use crate::record::{Observer, Record};
use crate::train::checkpoint::Computed;
use crate::train::{Done, Training};

/// What a run gives.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it measured; of a run that ends with a traced epoch, what was known before its first step.
    pub record: Record,
    /// Its folder: `record.json`, `history.csv`, what reports show, a model per phase, a digest per tensor and
    /// epoch.
    pub folder: PathBuf,
    /// Artifacts that nothing pins, with what they were.
    pub unpinned: Vec<UnpinnedArtifact>,
    /// The file with the digests of the traced epoch's steps, where one was asked for.
    pub steps: Option<PathBuf>,
}

/// An artifact that nothing pins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnpinnedArtifact {
    /// Its role.
    pub role: String,
    /// Hex sha256 of its bytes; none for a folder.
    pub sha256: Option<String>,
    /// Content digest.
    pub content: String,
}

/// Runs a recipe and writes its folder; `record.json` is the last file, so a folder without it is of a run
/// that did not end.
pub fn run(request: &Request, observer: &Observer<'_>) -> Result<Outcome, Error> {
    let _span = trace_span!("run", recipe = request.recipe.name).entered();
    let level = request.level.unwrap_or_else(Level::detect);
    if !level.is_available() {
        return Err(Error::Level(level));
    }
    pool(request.threads)?.install(|| run_here(request, level, observer))
}

/// The threads of a run, as many as there are cores if not said, all with the floating-point environment that
/// bits hang on.
pub fn pool(threads: Option<usize>) -> Result<ThreadPool, Error> {
    let pool = ThreadPoolBuilder::new()
        .num_threads(threads.unwrap_or(0))
        .thread_name(|number| format!("worker {number}"))
        .build()?;
    environment::check()?;
    pool.broadcast(|_| trace_span!("check environment").in_scope(environment::check))
        .into_iter()
        .collect::<Result<Vec<()>, _>>()?;
    Ok(pool)
}

fn run_here(request: &Request, level: Level, observer: &Observer<'_>) -> Result<Outcome, Error> {
    let mut clock = Clock::start();
    let device = trace_span!("device").in_scope(|| device::choose(request, observer))?;
    let stage = trace_span!("artifacts").entered();
    let cache = Cache::open(request.artifacts.cache.clone(), request.artifacts.fresh)?;
    let inputs = Inputs::obtain(request, observer)?;
    drop(stage);
    clock.lap("artifacts");

    let Start {
        data,
        network,
        parameters,
        mut record,
    } = start(request, &inputs, &cache, level, &mut clock, observer)?;
    let stage = trace_span!("model").entered();
    let request = &fault::computed(request);
    let recipe = &request.recipe;
    let computed = Computed {
        executable: executable_digest().to_owned(),
        engine: request.engine.word().to_owned(),
    };
    let runs = request.runs.join(&recipe.name);
    let wanted = Wanted {
        start: &record,
        recipe,
        network: &network,
        computed: &computed,
    };
    let (folder, checkpoint) = resume::choose(request, &runs, &wanted, observer)?;
    let parameters = match &checkpoint {
        Some(checkpoint) => checkpoint.parameters.clone(),
        None => parameters,
    };
    let making = device::Making {
        request,
        level,
        network: &network,
        data: &data,
        cache: &cache,
        observer,
    };
    let (mut engine, device) = making.engine(device, parameters)?;
    drop(stage);
    clock.lap("model");

    let folder = match folder {
        Some(folder) => folder,
        None => Folder::create(&runs)?,
    };
    let training = Training {
        recipe,
        network: &network,
        data: &data,
        folder: &folder.path,
        computed: &computed,
        tamper: request.fault.and_then(Fault::tamper),
        observer,
    };
    let done = checkpoint.map(|checkpoint| {
        record = checkpoint.record;
        provenance::count_resumed(&mut record);
        Done {
            after: checkpoint.after,
            state: checkpoint.state,
        }
    });
    let done = done.as_ref();
    let stage = trace_span!("training").entered();
    let engine = engine.as_mut();
    let mut traced = None;
    if let Some(epoch) = request.traced {
        let digests = training.steps_of(engine, &mut record, done, epoch)?;
        traced = Some((epoch, digests));
    } else {
        let test = training.run(engine, &mut record, done)?;
        folder.write_exhibits(&exhibits::of(recipe, &network, &data, &test)?)?;
        folder.write_history(&History::of(&record))?;
    }
    drop(stage);
    clock.lap("training");

    let _stage = trace_span!("record").entered();
    record.made.extend(clock.made());
    record
        .made
        .extend(provenance::of(request, level, device.as_ref(), &inputs));
    let mut steps = None;
    if let Some((epoch, digests)) = traced {
        steps = Some(folder.write_steps(&StepDigests {
            epoch,
            record: record.clone(),
            digests,
        })?);
    } else {
        folder.write_record(&record)?;
    }
    Ok(Outcome {
        record,
        folder: folder.path,
        unpinned: inputs.unpinned(),
        steps,
    })
}

/// What training starts from.
struct Start {
    data: Data,
    network: Network,
    parameters: Parameters,
    /// The facts that are known before training.
    record: Record,
}

fn start(
    request: &Request,
    inputs: &Inputs<'_>,
    cache: &Cache,
    level: Level,
    clock: &mut Clock,
    observer: &Observer<'_>,
) -> Result<Start, Error> {
    let recipe = &request.recipe;
    let stage = trace_span!("pictures").entered();
    let pictures = inputs.pictures.as_ref().map(|input| &input.obtained);
    let mut data = dataset::open(recipe, pictures, cache, level, observer)?;
    if let Some(fault) = request.fault {
        fault.plant_in_pictures(&mut data)?;
    }
    drop(stage);
    clock.lap("pictures");

    let _stage = trace_span!("weights").entered();
    let network = Network::of(recipe, data.classes.len());
    let backbone = inputs.weights.backbone(&network)?;
    let mut parameters = Parameters::with_new_head(&network, backbone, recipe.seed);
    if let Some(fault) = request.fault {
        fault.plant_in_weights(&mut parameters);
    }
    let mut record = Record::default();
    facts::state(&mut record, recipe, inputs, &data, &network, &parameters);
    if let Some(fault) = request.fault {
        fault.plant_in_labels(&mut data);
    }
    Ok(Start {
        data,
        network,
        parameters,
        record,
    })
}
