//! The whole run, top to bottom: recipe, artifacts, pictures, network, training, record.

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use crate::artifacts::cache::Cache;
use crate::artifacts::{self, Kind, Obtained, weights};
use crate::dataset::{self, Data};
use crate::engine::candle::CandleEngine;
use crate::engine::cpu::CpuEngine;
use crate::engine::{self, Engine};
use crate::kernels::{Level, environment};
use crate::model::weights::{Assignment, Stored};
use crate::model::{self, Network, Parameters};
use crate::recipe::{Dataset, Model, Recipe, SplitName};
use crate::record::{ARITHMETIC_VERSION, Address, Event, Fact, MadeValue, Observer, Record, made};
use crate::train::{self, Training};
use crate::whole;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The recipe.
    pub recipe: Recipe,
    /// Where artifacts are kept and looked for.
    pub artifacts: artifacts::Options,
    /// Which engine computes.
    pub engine: EngineKind,
    /// Threads; as many as there are cores if not said.
    pub threads: Option<usize>,
    /// SIMD level; the widest that there is if not said.
    pub level: Option<Level>,
    /// Which device computes.
    pub device: Device,
    /// Folder of all runs; this one goes to `<recipe>/<run-id>` in it.
    pub runs: PathBuf,
}

/// Which engine computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// Ours, with defined bits.
    Native,
    /// Stock candle with autograd.
    Candle,
}

impl EngineKind {
    /// The word for it on the command line and in records.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Candle => "candle",
        }
    }
}

/// Which device computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The best that there is.
    Auto,
    /// The CPU.
    Cpu,
    /// A CUDA device.
    Cuda,
}

/// What a run gives.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What it measured.
    pub record: Record,
    /// Its folder: `record.json`, a model per phase, a digest per tensor and epoch.
    pub folder: PathBuf,
    /// Artifacts that nothing pins, with what they were.
    pub unpinned: Vec<UnpinnedArtifact>,
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

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Someone asked for it.
    #[error("interrupted")]
    Interrupted,
    /// An artifact cannot be had.
    #[error(transparent)]
    Artifact(artifacts::Error),
    /// The pictures are not what the recipe says.
    #[error(transparent)]
    Dataset(dataset::Error),
    /// The weights do not fit the network.
    #[error("artifact `{role}`: {source}")]
    Weights {
        /// Role of the artifact.
        role: String,
        /// What does not fit.
        source: model::weights::Error,
    },
    /// Training failed.
    #[error(transparent)]
    Training(Box<train::Error>),
    /// The engine failed before training.
    #[error(transparent)]
    Engine(engine::Error),
    /// The SIMD level is not on this machine.
    #[error("this machine has no {}\nhint: `--simd auto` takes the widest that it has, {}", .0.word(), Level::detect().word())]
    Level(Level),
    /// There is no CUDA engine.
    #[error("this version of goldrun has no CUDA engine\nhint: `--device cpu` gives the same bits")]
    NoCuda,
    /// The floating-point environment is another one.
    #[error(transparent)]
    Environment(#[from] environment::Changed),
    /// Threads cannot be started.
    #[error("cannot start threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// The run folder cannot be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Error {
    /// Exit code of the command: 2 the recipe is wrong, 3 an artifact, 4 the run failed, 130 interrupted.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted => 130,
            Self::Artifact(_) | Self::Dataset(_) | Self::Weights { .. } => 3,
            Self::Training(error) if matches!(**error, train::Error::Boundary { .. }) => 2,
            _ => 4,
        }
    }
}

impl From<artifacts::Error> for Error {
    fn from(error: artifacts::Error) -> Self {
        if error.is_interrupted() {
            Self::Interrupted
        } else {
            Self::Artifact(error)
        }
    }
}

impl From<dataset::Error> for Error {
    fn from(error: dataset::Error) -> Self {
        match error {
            dataset::Error::Interrupted => Self::Interrupted,
            other => Self::Dataset(other),
        }
    }
}

impl From<engine::Error> for Error {
    fn from(error: engine::Error) -> Self {
        match error {
            engine::Error::Interrupted => Self::Interrupted,
            engine::Error::Dataset(error) => error.into(),
            other => Self::Engine(other),
        }
    }
}

impl From<train::Error> for Error {
    fn from(error: train::Error) -> Self {
        match error {
            train::Error::Engine(error) => error.into(),
            other => Self::Training(Box::new(other)),
        }
    }
}

/// Runs a recipe and writes its folder; `record.json` is the last file, so a folder without it is of a run
/// that did not end.
pub fn run(request: &Request, observer: &Observer<'_>) -> Result<Outcome, Error> {
    if request.device == Device::Cuda {
        return Err(Error::NoCuda);
    }
    let level = request.level.unwrap_or_else(Level::detect);
    if !level.is_available() {
        return Err(Error::Level(level));
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(request.threads.unwrap_or(0))
        .build()?;
    environment::check()?;
    pool.broadcast(|_| environment::check())
        .into_iter()
        .collect::<Result<Vec<()>, _>>()?;
    pool.install(|| run_here(request, level, observer))
}

fn run_here(request: &Request, level: Level, observer: &Observer<'_>) -> Result<Outcome, Error> {
    let recipe = &request.recipe;
    let mut clock = Clock::start();
    let cache = Cache::open(request.artifacts.cache.clone(), request.artifacts.fresh)?;
    let Model::MobileNetV2 { weights: role, .. } = &recipe.model;
    let pictures = match &recipe.dataset {
        Dataset::Folders(folders) => Some((folders.artifact.as_str(), Kind::Pictures)),
        Dataset::Drawn(_) => None,
    };
    let mut obtained: Vec<(&str, Obtained)> = Vec::new();
    for (role, kind) in pictures.into_iter().chain([(role.as_str(), Kind::Weights)]) {
        let artifact = &recipe.artifacts[role];
        let got = artifacts::obtain(role, artifact, kind, &request.artifacts, observer)?;
        if !got.pinned {
            observer.tell(Event::Warning(format!(
                "artifact `{role}` is unpinned: nothing says which bytes or which content are meant"
            )));
        }
        obtained.push((role, got));
    }
    clock.lap("artifacts");

    let of_pictures = pictures.and_then(|_| obtained.first()).map(|(_, got)| got);
    let data = dataset::open(recipe, of_pictures, &cache, level, observer)?;
    clock.lap("pictures");

    let network = Network::of(recipe, data.classes.len());
    let backbone = match obtained.last() {
        Some((role, got)) => read_weights(&network, role, got)?,
        None => vec![],
    };
    let parameters = Parameters::with_new_head(&network, backbone, recipe.seed);
    let mut record = Record::default();
    state(&mut record, recipe, &obtained, &data, &network, &parameters)?;
    let mut engine: Box<dyn Engine> = match request.engine {
        EngineKind::Native => Box::new(CpuEngine::new(
            level,
            &network,
            parameters,
            recipe.input.batch_size as usize,
            request.artifacts.cache.join("scratch"),
        )),
        EngineKind::Candle => Box::new(CandleEngine::new(&network, parameters)?),
    };
    clock.lap("model");

    let folder = new_folder(&request.runs.join(&recipe.name))?;
    let training = Training {
        recipe,
        network: &network,
        data: &data,
        folder: &folder,
        observer,
    };
    training.run(engine.as_mut(), &mut record)?;
    clock.lap("training");

    let unpinned = unpinned(&obtained);
    record.made.extend(clock.made());
    record
        .made
        .extend(provenance(request, level, &obtained, &unpinned));
    write_record(&folder, &record)?;
    Ok(Outcome {
        record,
        folder,
        unpinned,
    })
}

fn read_weights(network: &Network, role: &str, got: &Obtained) -> Result<Vec<Vec<f32>>, Error> {
    let file = weights::read(&got.location)?;
    let assignment = match file.format {
        weights::Format::KerasH5 => Assignment::ByOrder,
        weights::Format::Safetensors => Assignment::ByName,
    };
    let stored = file
        .tensors
        .into_iter()
        .map(|tensor| Stored {
            name: tensor.name,
            shape: tensor.shape,
            values: tensor.values,
        })
        .collect();
    model::weights::fit(network, stored, assignment).map_err(|source| Error::Weights {
        role: role.to_owned(),
        source,
    })
}

/// The facts that are known before training.
fn state(
    record: &mut Record,
    recipe: &Recipe,
    obtained: &[(&str, Obtained)],
    data: &Data,
    network: &Network,
    parameters: &Parameters,
) -> Result<(), Error> {
    let mut fact = |address: Address, fact: Fact| record.facts.insert(address, fact);
    let at = |text: &str| Address::new(text);
    fact(at("recipe.fingerprint"), Fact::Text(recipe.fingerprint()));
    fact(at("recipe.canonical"), Fact::Lines(recipe.canonical()));
    fact(at("seed"), Fact::Integer(recipe.seed));
    fact(
        at("arithmetic"),
        Fact::Integer(u64::from(ARITHMETIC_VERSION)),
    );
    for (role, got) in obtained {
        let content = Fact::Text(got.content.clone());
        fact(at("artifact").join(role).join("content"), content);
    }
    for name in SplitName::ALL {
        let split = data.split(name);
        let address = at("split").join(name.word());
        fact(address.join("files"), Fact::Integer(split.len() as u64));
        for (class, count) in data.classes.iter().zip(split.class_counts()) {
            fact(address.join("class").join(class), Fact::Integer(count));
        }
        fact(address.join("list"), Fact::Text(split.list_digest()));
        fact(address.join("pixels"), Fact::Text(split.pixels_digest()?));
    }
    let elements: usize = parameters.tensors.iter().map(|t| t.values.len()).sum();
    fact(
        at("model.layers"),
        Fact::Integer(network.layers.len() as u64),
    );
    fact(at("model.parameters"), Fact::Integer(elements as u64));
    fact(at("initial.parameters"), Fact::Text(parameters.digest()));
    Ok(())
}

fn unpinned(obtained: &[(&str, Obtained)]) -> Vec<UnpinnedArtifact> {
    obtained
        .iter()
        .filter(|(_, got)| !got.pinned)
        .map(|(role, got)| UnpinnedArtifact {
            role: (*role).to_owned(),
            sha256: got.sha256.clone(),
            content: got.content.clone(),
        })
        .collect()
}

/// Seconds of each part of a run.
struct Clock {
    lap: Instant,
    laps: Vec<(&'static str, f64)>,
}

impl Clock {
    fn start() -> Self {
        Self {
            lap: Instant::now(),
            laps: vec![],
        }
    }

    fn lap(&mut self, name: &'static str) {
        self.laps.push((name, self.lap.elapsed().as_secs_f64()));
        self.lap = Instant::now();
    }

    fn made(self) -> impl Iterator<Item = (String, MadeValue)> {
        self.laps
            .into_iter()
            .map(|(name, seconds)| (format!("seconds_{name}"), MadeValue::Number(seconds)))
    }
}

/// Where, with what and how the record was made.
fn provenance(
    request: &Request,
    level: Level,
    obtained: &[(&str, Obtained)],
    unpinned: &[UnpinnedArtifact],
) -> Vec<(String, MadeValue)> {
    let text = |key: &str, value: &str| (key.to_owned(), MadeValue::Text(value.to_owned()));
    let flag = |key: &str, value: bool| (key.to_owned(), MadeValue::Flag(value));
    let mut made = vec![
        text("goldrun", env!("CARGO_PKG_VERSION")),
        text("revision", env!("GOLDRUN_REVISION")),
        flag("dirty", env!("GOLDRUN_DIRTY") == "true"),
        text(made::ENGINE, request.engine.word()),
        text("simd", level.word()),
        text("system", std::env::consts::OS),
        text("architecture", std::env::consts::ARCH),
        (
            "threads".to_owned(),
            MadeValue::Integer(rayon::current_num_threads() as u64),
        ),
        flag(made::OVERRIDDEN, request.recipe.overridden),
        flag(made::UNPINNED, !unpinned.is_empty()),
        flag(made::FINISHED, true),
    ];
    if let Some(cpu) = proc_line("/proc/cpuinfo", "model name") {
        made.push(text("cpu", &cpu));
    }
    if let Some(peak) = proc_line("/proc/self/status", "VmHWM") {
        let kibibytes: Option<u64> = peak
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok());
        made.extend(kibibytes.map(|k| ("peak_mib".to_owned(), MadeValue::Integer(k / 1024))));
    }
    for (role, got) in obtained {
        if let Some(sha256) = &got.sha256 {
            made.push(text(&format!("sha256_{role}"), sha256));
        }
    }
    made
}

/// What follows the colon of the first line with this key; none where there is no such file.
fn proc_line(path: &str, key: &str) -> Option<String> {
    let text = fs_err::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })
}

/// A folder of its own for a run: seconds since 1970 and a number that no other run has.
fn new_folder(runs: &Path) -> Result<PathBuf, Error> {
    fs_err::create_dir_all(runs)?;
    let seconds = SystemTime::UNIX_EPOCH
        .elapsed()
        .map_or(0, |elapsed| elapsed.as_secs());
    for number in 0_u32.. {
        let folder = runs.join(format!("{seconds}-{number}"));
        match fs_err::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.into()),
        }
    }
    unreachable!("one of four thousand million numbers is free")
}

fn write_record(folder: &Path, record: &Record) -> Result<(), Error> {
    let text = serde_json::to_vec_pretty(record).map_err(std::io::Error::from)?;
    Ok(whole::write(&folder.join("record.json"), &text)?)
}
