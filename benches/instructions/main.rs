//! `just instructions`: the guard against losing speed. One frozen forward and one fine-tuning step are counted
//! in instructions under valgrind's callgrind and compared with stored counts.
//!
//! Counts are repeatable where times are not: one thread, AVX2 (valgrind knows no AVX-512), and only what
//! happens inside [`counted_work`]. They say nothing of caches; times are `just bench`'s.

// A program for people at a terminal.
#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs)]
// The other benchmark needs more of it.
#![allow(dead_code)]

mod callgrind;
mod stored;
#[path = "../work/mod.rs"]
mod work;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use goldrun::kernels::Level;
use rayon::prelude::*;

use self::stored::Counts;
use self::work::Batch;

/// Counts instructions and compares them with benches/instructions.toml.
#[derive(Parser)]
#[command(bin_name = "just instructions")]
struct Options {
    /// Store what is counted now
    #[arg(long)]
    accept: bool,
    /// Do this and no more: how this program calls itself under valgrind.
    #[arg(long, hide = true)]
    work: Option<Work>,
    /// What cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is counted.
#[derive(Clone, Copy, ValueEnum)]
enum Work {
    /// One image.
    FrozenForward,
    /// A small batch.
    FineTuningStep,
}

impl Work {
    const ALL: [Self; 2] = [Self::FrozenForward, Self::FineTuningStep];

    const fn word(self) -> &'static str {
        match self {
            Self::FrozenForward => "frozen-forward",
            Self::FineTuningStep => "fine-tuning-step",
        }
    }

    /// Does it on the one thread that there is.
    fn run(self) -> anyhow::Result<()> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .use_current_thread()
            .build_global()?;
        let network = work::network(160, 1.0);
        match self {
            Self::FrozenForward => {
                let mut batch = Batch::frozen(Level::Avx2, &network, 1);
                batch.prefix();
                counted_work(&mut || batch.prefix());
            }
            Self::FineTuningStep => {
                let mut batch = Batch::fine_tuned(Level::Avx2, &network, STEP_IMAGES)?;
                counted_work(&mut || batch.step());
            }
        }
        Ok(())
    }
}

/// Images of the step: a whole slice at the end of the network and several further up, few enough for valgrind.
const STEP_IMAGES: usize = 6;

/// Counting begins and ends here: `callgrind` looks for the name.
#[inline(never)]
fn counted_work(work: &mut dyn FnMut()) {
    work();
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    if let Some(work) = options.work {
        return work.run();
    }
    if let Some(why) = callgrind::missing() {
        anyhow::ensure!(
            !is_required("valgrind"),
            "instructions cannot be counted: {why}\nhint: GOLDRUN_REQUIRE says that valgrind must be there"
        );
        println!("skipped: instructions: {why}");
        return Ok(());
    }
    let stored = (!options.accept).then(Counts::stored).transpose()?;
    let mut now = Counts::new()?;
    // Valgrind takes a minute or two, so both at once; neither sees the other.
    let counted: Vec<_> = Work::ALL
        .into_par_iter()
        .map(|work| Ok((work.word().to_owned(), callgrind::count(work.word())?)))
        .collect::<anyhow::Result<_>>()?;
    now.instructions.extend(counted);
    match stored {
        Some(stored) => stored.compare(&now),
        None => now.store(),
    }
}

/// True if `GOLDRUN_REQUIRE`, a list with commas, has this word: its absence is a failure then.
fn is_required(word: &str) -> bool {
    let list = std::env::var("GOLDRUN_REQUIRE").unwrap_or_default();
    list.split(',').any(|required| required.trim() == word)
}
