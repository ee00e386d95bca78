//! How one thing is timed.

use std::time::{Duration, Instant};

use goldrun::kernels::Level;
use rayon::ThreadPool;

use crate::machine;

/// A trial repeats its work for at least so long.
const TRIAL: Duration = Duration::from_millis(2);
/// Trials go on for so long …
const BUDGET: Duration = Duration::from_millis(250);
/// … and are at least so many.
const FEWEST: usize = 15;
/// Trials come in rounds of as many repeats; more would let a round outlive the budget.
const MOST_REPEATS: u128 = 1 << 16;

/// What trials gave.
#[derive(Clone, Copy)]
pub struct Timing {
    /// Threads of the pool.
    pub threads: usize,
    /// Nanoseconds of one call, the best trial.
    pub best: f64,
    /// The median trial.
    pub median: f64,
    /// The FMA peak between the trials, GF/s of all threads: the best.
    pub peak: f64,
}

/// Times `work` in each of the pools, in turn, so that what disturbs one disturbs the others.
pub fn in_turn(level: Level, pools: &[ThreadPool], mut work: impl FnMut() + Send) -> Vec<Timing> {
    let started = Instant::now();
    let repeats: Vec<u32> = pools
        .iter()
        .map(|pool| pool.install(|| repeats(&mut work)))
        .collect();
    let mut times = vec![Vec::new(); pools.len()];
    let mut peaks = vec![0.0_f64; pools.len()];
    while started.elapsed() < BUDGET || times[0].len() < FEWEST {
        for (place, pool) in pools.iter().enumerate() {
            pool.install(|| {
                let before = machine::peak(level);
                times[place].push(trial(repeats[place], &mut work));
                let after = machine::peak(level);
                for peak in [before, after] {
                    if peak > peaks[place] {
                        peaks[place] = peak;
                    }
                }
            });
        }
    }
    let timings = pools.iter().zip(times).zip(peaks);
    timings
        .map(|((pool, mut times), peak)| {
            times.sort_by(f64::total_cmp);
            Timing {
                threads: pool.current_num_threads(),
                best: times[0],
                median: times[times.len() / 2],
                peak,
            }
        })
        .collect()
}

/// How often `work` fits into a trial, after it was done once to warm up.
fn repeats(work: &mut impl FnMut()) -> u32 {
    work();
    let once = Instant::now();
    work();
    let nanoseconds = once.elapsed().as_nanos().max(1);
    TRIAL.as_nanos().div_ceil(nanoseconds).min(MOST_REPEATS) as u32
}

/// Nanoseconds of one call.
fn trial(repeats: u32, work: &mut impl FnMut()) -> f64 {
    let started = Instant::now();
    for _ in 0..repeats {
        work();
    }
    started.elapsed().as_nanos() as f64 / f64::from(repeats)
}
