//! What a command works with: the command line decided against this machine and this project.

use std::path::{Display, Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;

use super::arguments::{DeviceName, EngineName, Global, Simd};
use super::exit::{Exit, Failure};
use super::progress::{Progress, Telling};
use super::{interrupt, output};
use crate::artifacts::{self, Kind};
use crate::golden::store::Store;
use crate::kernels::Level;
use crate::model::layer_names;
use crate::recipe::{self, Dataset, Model, Recipe};
use crate::record::{Event, Observer};
use crate::report::terminal::Style;
use crate::run::{Device, EngineKind, Request};
use crate::vendor;

/// Environment variable with more folders for artifacts, separated as in `PATH`.
const ARTIFACT_FOLDERS: &str = "GOLDRUN_ARTIFACTS";

/// Decided options and the means to talk.
pub struct Session {
    /// Root of the project: has `recipes/`, `golden/` and `runs/`.
    pub root: PathBuf,
    /// Goldens of the project.
    pub goldens: Store,
    /// The options as written.
    pub options: Global,
    /// Where artifacts are kept and looked for.
    pub artifacts: artifacts::Options,
    /// How text on standard output is set.
    pub style: Style,
    /// What a person is told while a command goes on.
    progress: Arc<Progress>,
    /// Hands every event to `progress`.
    sink: Box<dyn Fn(Event) + Sync>,
}

impl Session {
    /// Decides the options.
    pub fn new(options: Global) -> Result<Self, Failure> {
        let here = std::env::current_dir().map_err(Failure::failed)?;
        let root = recipe::project_root(&here);
        let telling = match (options.quiet, output::is_watched()) {
            (true, _) => Telling::Warnings,
            (false, true) => Telling::Bars,
            (false, false) => Telling::Lines,
        };
        let progress = Arc::new(Progress::new(telling));
        let told = Arc::clone(&progress);
        Ok(Self {
            goldens: Store::new(&root),
            artifacts: artifacts::Options {
                cache: artifacts::cache::default_root(),
                folders: artifact_folders(&options, &root)?,
                offline: options.offline,
                fresh: options.fresh,
            },
            style: output::style(),
            progress,
            sink: Box::new(move |event| told.tell(&event)),
            root,
            options,
        })
    }

    /// Who is told what happens, and who hands on Ctrl-C.
    pub fn observer(&self) -> Observer<'_> {
        Observer::new(&*self.sink, interrupt::flag())
    }

    /// Removes the progress bars of what ended early.
    pub fn clear(&self) {
        self.progress.clear();
    }

    /// The recipe of a path or a name, with `--set` and `--seed`.
    pub fn load(&self, written: &str) -> Result<recipe::Loaded, Failure> {
        let request = recipe::Request {
            root: self.root.clone(),
            recipe: written.to_owned(),
            set: self.options.set.clone(),
            seed: self.options.seed,
        };
        Ok(recipe::load(&request, layer_names)?)
    }

    /// The recipe as it is written, without `--set` and `--seed`.
    pub fn load_as_written(&self, written: &str) -> Result<recipe::Loaded, Failure> {
        let request = recipe::Request {
            root: self.root.clone(),
            recipe: written.to_owned(),
            ..recipe::Request::default()
        };
        Ok(recipe::load(&request, layer_names)?)
    }

    /// Refuses options that a command cannot heed.
    pub fn refuse_changes(&self, command: &str, why: &str) -> Result<(), Failure> {
        let option = match (self.options.set.is_empty(), self.options.seed) {
            (false, _) => "--set",
            (true, Some(_)) => "--seed",
            (true, None) => return Ok(()),
        };
        Err(Failure::wrong(anyhow!(
            "`{command}` takes no `{option}`: {why}\nhint: leave it out, or write it into the recipe"
        )))
    }

    /// Refuses to go on with an earlier run where none may be used.
    pub fn check_resume(&self, resume: bool) -> Result<(), Failure> {
        if resume && self.options.fresh {
            return Err(Failure::wrong(anyhow!(
                "`--resume` does not go with `--fresh`, which uses no earlier run\n\
                 hint: leave one of them out"
            )));
        }
        Ok(())
    }

    /// A path as people read it: from the project's root, where it is in there.
    pub fn shown<'a>(&self, path: &'a Path) -> Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }

    /// Folder of all runs.
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// What to run.
    pub fn request(&self, recipe: Recipe) -> Result<Request, Failure> {
        Ok(Request {
            recipe,
            artifacts: self.artifacts.clone(),
            engine: match self.options.engine {
                EngineName::Native => EngineKind::Native,
                EngineName::Candle => EngineKind::Candle,
            },
            threads: self.options.threads,
            level: level(self.options.simd)?,
            device: match self.options.device {
                DeviceName::Auto => Device::Auto,
                DeviceName::Cpu => Device::Cpu,
                DeviceName::Cuda => Device::Cuda,
            },
            resume: false,
            traced: None,
            fault: None,
            runs: self.runs(),
        })
    }

    /// Gets an artifact of a recipe.
    ///
    /// # Panics
    /// If the recipe has no such artifact: roles come from the recipe itself.
    pub fn obtain(
        &self,
        recipe: &Recipe,
        role: &str,
        options: &artifacts::Options,
    ) -> Result<artifacts::Obtained, artifacts::Error> {
        artifacts::obtain(
            role,
            &recipe.artifacts[role],
            kind(recipe, role),
            options,
            &self.observer(),
        )
    }
}

/// What an artifact is used for.
fn kind(recipe: &Recipe, role: &str) -> Kind {
    let Model::MobileNetV2 { weights, .. } = &recipe.model;
    if weights == role {
        Kind::Weights
    } else {
        Kind::Pictures
    }
}

/// The artifact with a recipe's pictures; none where they are drawn.
pub fn pictures(recipe: &Recipe) -> Option<&str> {
    match &recipe.dataset {
        Dataset::Folders(folders) => Some(&folders.artifact),
        Dataset::Drawn(_) => None,
    }
}

/// Roles of the artifacts that have neither a byte pin nor a content pin.
pub fn unpinned(recipe: &Recipe) -> Vec<&str> {
    recipe
        .artifacts
        .iter()
        .filter(|(_, artifact)| artifact.sha256.is_none() && artifact.content.is_none())
        .map(|(role, _)| role.as_str())
        .collect()
}

/// The asked level, if this machine has it; none for the best.
pub fn level(simd: Simd) -> Result<Option<Level>, Failure> {
    let level = match simd {
        Simd::Auto => return Ok(None),
        Simd::Scalar => Level::Scalar,
        Simd::Avx2 => Level::Avx2,
        Simd::Avx512 => Level::Avx512,
    };
    if level.is_available() {
        return Ok(Some(level));
    }
    let available: Vec<&str> = Level::available().into_iter().map(Level::word).collect();
    Err(Failure::failed(anyhow!(
        "SIMD level `{}` is not there: this machine has {}\n\
         hint: leave `--simd` out; no bit depends on it",
        level.word(),
        available.join(", ")
    )))
}

/// Folders of `--artifacts`, which must be there, then those of the environment, then the project's own.
fn artifact_folders(options: &Global, root: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut folders = Vec::new();
    for folder in &options.artifacts {
        if !folder.is_dir() {
            return Err(Failure::new(
                Exit::Wrong,
                anyhow!(
                    "--artifacts {}: no such folder\n\
                     hint: name one that is there, or leave the option out",
                    folder.display()
                ),
            ));
        }
        folders.push(folder.clone());
    }
    let listed = std::env::var_os(ARTIFACT_FOLDERS).unwrap_or_default();
    for folder in std::env::split_paths(&listed).filter(|folder| !folder.as_os_str().is_empty()) {
        if folder.is_dir() {
            folders.push(folder);
        } else {
            output::line(&format!(
                "warning: {ARTIFACT_FOLDERS} names a folder that is not there: {}",
                folder.display()
            ));
        }
    }
    let own = root.join(vendor::ARTIFACTS);
    if own.is_dir() {
        folders.push(own);
    }
    Ok(folders)
}
