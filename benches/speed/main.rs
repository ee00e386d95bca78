//! `just bench`: what this machine can do at best, and how much of it goldrun uses. One table.
//!
//! Everything is the best of many short trials, with the median beside it. The peak that a share is of is
//! measured between the trials of the same row, because clocks drift by several per cent within minutes.

// A program for people at a terminal.
#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs)]

mod epochs;
mod kernels;
mod machine;
mod network;
mod options;
mod pictures;
mod table;
mod trials;
#[path = "../work/mod.rs"]
mod work;

use std::process::ExitCode;

use clap::Parser;

use self::options::Options;
use self::table::Table;

fn main() -> ExitCode {
    match run(Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> anyhow::Result<()> {
    let bench = Bench::new(options)?;
    let mut table = Table::new(&bench);
    machine::measure(&bench, &mut table);
    kernels::measure(&bench, &mut table)?;
    network::measure(&bench, &mut table)?;
    pictures::measure(&bench, &mut table)?;
    epochs::measure(&bench, &mut table)?;
    table.finish()
}

/// What is measured, and on what.
pub struct Bench {
    options: Options,
    network: goldrun::model::Network,
    /// One thread, and all of them where there are more.
    pools: Vec<rayon::ThreadPool>,
}

impl Bench {
    fn new(options: Options) -> anyhow::Result<Self> {
        let all = std::thread::available_parallelism()?.get();
        let mut threads = vec![1, all];
        threads.dedup();
        let pools: Result<_, _> = threads
            .into_iter()
            .map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build())
            .collect();
        Ok(Self {
            network: work::network(options.size, options.alpha),
            pools: pools?,
            options,
        })
    }
}
