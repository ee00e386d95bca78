//! The command line as it was written: no look at files or at the machine happens here.

// The comments are the help that clap prints, word for word.
#![allow(rustdoc::invalid_html_tags)]

use std::path::{Path, PathBuf};

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::exit::HELP;
use super::seeds::{self, SeedList};
use crate::recipe::MOST_SEEDS;
use crate::record::EpochNumber;
use crate::report::terminal::numbers;

/// Most threads that `--threads` takes: more than the processors of nearly every machine, and far fewer than
/// would keep other programs from starting threads of their own.
const MOST_THREADS: u64 = 1024;

/// Runs declarative ML recipes and holds the result to a golden record.
#[derive(Debug, Parser)]
#[command(name = "goldrun", version, after_help = HELP, subcommand_required = true, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
}

/// What `check --help` says beside its options.
const CHECK_HELP: &str =
    "Every recipe, its golden and its pins are looked at before the first one runs; one that is wrong stops no other.
On GitHub, problems are annotated and the job's summary gets the report by itself.";

/// Where shells look for the script.
const COMPLETIONS_HELP: &str = "To install it:
  bash  goldrun completions bash > ~/.local/share/bash-completion/completions/goldrun
  zsh   goldrun completions zsh > \"${fpath[1]}/_goldrun\"
  fish  goldrun completions fish > ~/.config/fish/completions/goldrun.fish";
/// What `predict --help` says beside its options.
const PREDICT_HELP: &str =
    "A picture that cannot be read is told on standard error, the others are predicted, and the exit code is 3.
Pictures are computed on the CPU, with the bits that they would get in a run on any device.";

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List every recipe with its golden's state
    List,
    /// Show a resolved recipe, its splits, its network and what each phase trains; trains nothing
    Show(Show),
    /// Download, verify and extract the artifacts of recipes; or gather all that they need in one folder
    Fetch(Fetch),
    /// Run a recipe and write runs/<recipe>/<run-id>/
    Run(Run),
    /// Run recipes and hold them to their goldens and published figures
    #[command(after_help = CHECK_HELP)]
    Check(Check),
    /// Make a run the golden of its recipe, after showing what changes
    Accept(Accept),
    /// Compare two runs, or a run and a golden
    Diff(Diff),
    /// Write a run as one page of HTML, with its curves, pictures and verdict; `run` and `check` do by themselves.
    /// Several runs: their curves over each other, and how far their figures spread
    Report(Report),
    /// Say what a run's model takes pictures for
    #[command(after_help = PREDICT_HELP)]
    Predict(Predict),
    /// Write a run's model as safetensors and as ONNX, for other programs
    Export(Export),
    /// Plant faults behind a recipe's back, one at a time, and show what sees them: the golden must
    Selftest(OneRecipe),
    /// Write a recipe to start from: for a folder of photos, over another recipe, or a commented template
    New(New),
    /// Compute the missing pins of a recipe's artifacts and write them into it
    Pin(OneRecipe),
    /// Print the JSON Schema of recipes, for editors and other programs
    Schema(Schema),
    /// Show what the cache holds, or remove of it what is no longer wanted
    Cache(Cache),
    /// Show what this machine has and what would be used
    Doctor,
    /// Write a script that completes goldrun's commands and options in a shell
    #[command(after_help = COMPLETIONS_HELP)]
    Completions(Completions),
}

impl Command {
    /// Where `--trace` wants to have a trace.
    pub fn trace(&self) -> Option<&Path> {
        match self {
            Self::Run(run) => run.trace.file.as_deref(),
            Self::Check(check) => check.trace.file.as_deref(),
            _ => None,
        }
    }
}

/// A command on one recipe.
#[derive(Debug, Args)]
pub struct OneRecipe {
    /// Path or name of a recipe
    pub recipe: String,
}

/// `fetch`.
#[derive(Debug, Args)]
pub struct Fetch {
    /// Paths or names of recipes
    #[arg(required = true, value_name = "RECIPE")]
    pub recipes: Vec<String>,
    /// Also make a folder that runs them on a machine without a network: goldrun, recipes, goldens, artifacts
    #[arg(long, value_name = "DIR")]
    pub vendor: Option<PathBuf>,
}

/// `show`.
#[derive(Debug, Args)]
pub struct Show {
    /// Path or name of a recipe
    pub recipe: String,
    /// Also write a contact sheet: pictures of each class, and one picture's augmented views
    #[arg(long, value_name = "FILE.png")]
    pub sheet: Option<PathBuf>,
    /// Show each layer of the network
    #[arg(long)]
    pub layers: bool,
}

/// `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Path or name of a recipe
    pub recipe: String,
    /// Go on with the newest run of the same recipe, seed and executable that did not end
    #[arg(long)]
    pub resume: bool,
    /// Run up to an epoch, such as phase.0.epoch.3, and go through it step by step: writes a digest of each
    /// picture's outputs and of every gradient and parameter after each step, for `diff` with another machine's
    #[arg(long, value_name = "EPOCH", conflicts_with = "resume")]
    pub trace_digests: Option<EpochNumber>,
    /// A look at what its threads do.
    #[command(flatten)]
    pub trace: TraceFile,
}

/// `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Paths or names of recipes
    #[arg(required = true, value_name = "RECIPE")]
    pub recipes: Vec<String>,
    /// Also run N seeds that the golden does not hold, and judge their figures over seeds
    #[arg(long, value_name = "N",
          value_parser = RangedU64ValueParser::<u32>::new().range(1..=u64::from(MOST_SEEDS)))]
    pub seeds: Option<u32>,
    /// Make the run the golden of a recipe that has none; never over another, and never in CI
    #[arg(long)]
    pub accept_first: bool,
    /// Go on with the newest runs of the same recipes, seeds and executable that did not end
    #[arg(long)]
    pub resume: bool,
    /// Where reports go.
    #[command(flatten)]
    pub reports: ReportFiles,
    /// A look at what its threads do.
    #[command(flatten)]
    pub trace: TraceFile,
}

/// Reports that `check` leaves for CI.
#[derive(Debug, Args)]
pub struct ReportFiles {
    /// Also write a JUnit file, a case a recipe
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Also write a page of Markdown
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

/// `--trace` of the commands that run recipes.
#[derive(Debug, Args)]
pub struct TraceFile {
    /// Where the trace goes.
    #[arg(
        long = "trace",
        value_name = "FILE",
        help = "Also write what each thread does and when, for https://ui.perfetto.dev; changes no bit"
    )]
    pub file: Option<PathBuf>,
}

/// `new`.
#[derive(Debug, Args)]
pub struct New {
    /// Name of the recipe: recipes/NAME.toml is written
    pub name: String,
    /// Folder of photos: of class folders, or of folders train, validation and test with class folders in them
    #[arg(long, value_name = "DIR", conflicts_with = "from")]
    pub images: Option<PathBuf>,
    /// Path or name of a recipe that the new one extends
    #[arg(long, value_name = "RECIPE")]
    pub from: Option<String>,
}

/// `accept`.
#[derive(Debug, Args)]
pub struct Accept {
    /// Path or name of a recipe
    #[arg(required_unless_present = "pending")]
    pub recipe: Option<String>,
    /// The run to accept [default: the latest one]
    #[arg(long, value_name = "ID")]
    pub run: Option<String>,
    /// Run the recipe with these seeds as well, and keep their figures: 1..10 is ten seeds
    #[arg(long, value_name = "SEEDS", conflicts_with = "run", value_parser = seeds::parse)]
    pub seeds: Option<SeedList>,
    /// Walk all records that `check` kept as pending: accept, skip, show, quit
    #[arg(long, conflicts_with_all = ["recipe", "run", "seeds"])]
    pub pending: bool,
    /// Accept without a question
    #[arg(long, short)]
    pub yes: bool,
    /// Accept also in CI, where `CI` is set
    #[arg(long)]
    pub force: bool,
}

/// `diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// A run's folder or id, a record file, a golden file, a recipe's name for its golden, or a file of
    /// `run --trace-digests`
    pub a: String,
    /// The other one
    pub b: String,
}

/// `report`.
#[derive(Debug, Args)]
pub struct Report {
    /// Runs: a folder or an id each, or a recipe's name for its latest run
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    /// Where the page goes [default: report.html in the run's folder; of several runs, in the folder of all runs]
    #[arg(long, value_name = "FILE.html")]
    pub out: Option<PathBuf>,
}

/// `schema`.
#[derive(Debug, Args)]
pub struct Schema {
    /// Print the reference of all keys instead, in Markdown: docs/recipe.md
    #[arg(long)]
    pub markdown: bool,
}

/// `cache`.
#[derive(Debug, Args)]
pub struct Cache {
    /// What to do with it.
    #[command(subcommand)]
    pub command: CacheCommand,
}

/// What is done with the cache.
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// Show what lies there, and what it is for
    Size,
    /// Remove what no goldrun is using; never a run or a golden
    Prune(Prune),
}

/// `cache prune`.
#[derive(Debug, Args)]
pub struct Prune {
    /// What stays.
    #[command(flatten)]
    pub kept: Kept,
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
}

/// What of the cache stays.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Kept {
    /// Keep what was used last, up to this size of the whole cache: 500MB, 2GB
    #[arg(long, value_name = "SIZE", value_parser = numbers::parse_bytes)]
    pub keep: Option<u64>,
    /// Remove downloads, extracted and derived files that were not used for so many days
    #[arg(long, value_name = "DAYS")]
    pub older_than: Option<u32>,
    /// Remove everything
    #[arg(long)]
    pub all: bool,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

/// Which model is meant.
#[derive(Debug, Args)]
pub struct ModelOf {
    /// A run's folder or id, a recipe's name for its latest run, or a model file
    pub run: String,
    /// The model after this phase, from 0 [default: the last one]
    #[arg(long, value_name = "N")]
    pub phase: Option<usize>,
}

/// `predict`.
#[derive(Debug, Args)]
pub struct Predict {
    /// Whose model.
    #[command(flatten)]
    pub model: ModelOf,
    /// Pictures, or folders of pictures, which are walked
    #[arg(required = true, value_name = "IMAGE|DIR")]
    pub pictures: Vec<PathBuf>,
    /// Write the probabilities of all classes as CSV on stdout
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// Also write a contact sheet, the pictures of each class together
    #[arg(long, value_name = "FILE.png")]
    pub sheet: Option<PathBuf>,
}

/// `export`.
#[derive(Debug, Args)]
pub struct Export {
    /// Whose model.
    #[command(flatten)]
    pub model: ModelOf,
    /// Write this format only [default: both]
    #[arg(long, value_enum)]
    pub format: Option<ExportFormat>,
    /// Folder for the files, named after the recipe, or with --format the file [default: the run's folder]
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
}

/// `--format` of `export`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Tensors with Keras' names
    Safetensors,
    /// Pictures in, probabilities out
    Onnx,
}

impl ExportFormat {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Safetensors, Self::Onnx];

    /// What files end in.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Onnx => "onnx",
        }
    }
}

/// Options of every command.
#[derive(Clone, Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Change a key of the recipe, typed as in TOML: --set phase.0.epochs=2 (repeatable)
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Use another training seed; splits and drawn pictures stay
    #[arg(long, global = true, value_name = "N")]
    pub seed: Option<u64>,
    /// Where to compute; changes no bit
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "GOLDRUN_DEVICE",
        hide_env_values = true
    )]
    pub device: DeviceName,
    /// Who computes: our own arithmetic, or stock candle (slow, for comparison)
    #[arg(long, global = true, value_enum, default_value_t)]
    pub engine: EngineName,
    /// Number of threads; changes no bit [default: all]
    #[arg(long, global = true, value_name = "N",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..=MOST_THREADS))]
    pub threads: Option<usize>,
    /// Instruction set of the kernels; changes no bit
    #[arg(long, global = true, value_enum, default_value_t)]
    pub simd: Simd,
    /// Folder to look for artifacts in before the network (repeatable)
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        help = "Folder to look for artifacts in before the network (repeatable) [env: GOLDRUN_ARTIFACTS]; \
                artifacts/ beside recipes/ is searched too"
    )]
    pub artifacts: Vec<PathBuf>,
    /// Never use the network
    #[arg(long, global = true)]
    pub offline: bool,
    /// Use no derived cache and no earlier run
    #[arg(long, global = true)]
    pub fresh: bool,
    /// Check in spite of artifacts without a pin; the verdict is marked with it
    #[arg(long, global = true)]
    pub allow_unpinned: bool,
    /// Write data as JSON on stdout and nothing else there
    #[arg(long, global = true)]
    pub json: bool,
    /// Say only results, warnings and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
}

/// `--device`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DeviceName {
    /// The best that is there
    #[default]
    Auto,
    /// The processor
    Cpu,
    /// An NVIDIA GPU
    Cuda,
}

/// `--engine`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum EngineName {
    /// Our own, with defined arithmetic
    #[default]
    Native,
    /// Stock candle layers
    Candle,
}

/// `--simd`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Simd {
    /// The widest that is there
    #[default]
    Auto,
    /// Plain Rust
    Scalar,
    /// 8 lanes
    Avx2,
    /// 16 lanes
    Avx512,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_or_after_the_command() {
        for line in [
            ["goldrun", "--seed", "7", "run", "quickstart"],
            ["goldrun", "run", "quickstart", "--seed", "7"],
        ] {
            assert_eq!(
                Arguments::try_parse_from(line).unwrap().global.seed,
                Some(7)
            );
        }
    }
}
