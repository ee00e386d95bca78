//! What the machine can do at best.

use std::hint::black_box;
use std::time::{Duration, Instant};

use goldrun::kernels::Level;
use rayon::prelude::*;

use crate::Bench;
use crate::table::{Row, Table};

/// Steps of a burst of FMAs: some tens of microseconds.
const STEPS: usize = 8_000;
/// Bursts of a measurement, of which the best counts.
const BURSTS: usize = 6;
/// The peak of the table's head is the best of so long.
const LONG: Duration = Duration::from_millis(500);
/// Values that are read for the bandwidth: 256 MiB, several times the largest caches.
const READ: usize = 32 << 20;
const PASSES: usize = 8;

pub fn measure(bench: &Bench, table: &mut Table) {
    let section = "machine";
    let level = bench.options.level;
    for pool in &bench.pools {
        let threads = pool.current_num_threads();
        let row = Row::new(section, "FMA peak", threads);
        if table.wants(&row) {
            let started = Instant::now();
            let mut best = 0.0;
            while started.elapsed() < LONG {
                let peak = pool.install(|| peak(level));
                best = if peak > best { peak } else { best };
            }
            table.add(Row {
                gflops: Some(best),
                ..row
            });
        }
    }
    for pool in &bench.pools {
        let threads = pool.current_num_threads();
        let row = Row::new(section, "memory, reading", threads);
        if table.wants(&row) {
            let speed = pool.install(|| bandwidth(threads));
            table.add(Row {
                gigabytes: Some(speed),
                ..row
            });
        }
    }
}

/// GF/s of independent FMAs in registers, on all threads of the current pool together.
pub fn peak(level: Level) -> f64 {
    rayon::broadcast(|_| {
        let bursts = (0..BURSTS).map(|_| {
            let started = Instant::now();
            let operations = burst(level);
            operations as f64 / started.elapsed().as_nanos() as f64
        });
        bursts.fold(0.0, |best, speed| if speed > best { speed } else { best })
    })
    .iter()
    .sum()
}

/// GB/s of reading memory that no cache holds, with all threads of the current pool.
fn bandwidth(threads: usize) -> f64 {
    let values = vec![1_u64; READ];
    let share = READ / threads;
    let speeds = (0..PASSES).map(|_| {
        let started = Instant::now();
        let sum: u64 = values
            .par_chunks(share)
            .map(|values| {
                values
                    .iter()
                    .fold(0, |sum: u64, value| sum.wrapping_add(*value))
            })
            .sum();
        black_box(sum);
        size_of_val(values.as_slice()) as f64 / started.elapsed().as_nanos() as f64
    });
    speeds.fold(0.0, |best, speed| if speed > best { speed } else { best })
}

/// A burst of FMAs at a level; how many floating-point operations it was. Plain Rust is measured by what
/// the machine can do at its widest.
fn burst(level: Level) -> usize {
    #[cfg(target_arch = "x86_64")]
    match if level == Level::Scalar {
        Level::detect()
    } else {
        level
    } {
        // SAFETY: options.rs lets through what the machine has, and `detect` gives only that.
        Level::Avx512 => return unsafe { x86::avx512() },
        // SAFETY: as above.
        Level::Avx2 => return unsafe { x86::avx2() },
        Level::Scalar => {}
    }
    let _ = level;
    let mut sums = [black_box(1.0_f32); 32];
    let (a, b) = (black_box(0.5_f32), black_box(1.0_f32));
    for _ in 0..STEPS {
        for sum in &mut sums {
            *sum = sum.mul_add(a, b);
        }
    }
    black_box(&sums);
    2 * sums.len() * STEPS
}

/// More sums than the latency of an FMA times the FMAs of a cycle, and no more than registers.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps, _mm512_fmadd_ps, _mm512_set1_ps};
    use std::hint::black_box;

    use super::STEPS;

    #[target_feature(enable = "avx512f")]
    pub fn avx512() -> usize {
        const SUMS: usize = 24;
        let (a, b) = (
            _mm512_set1_ps(black_box(0.5)),
            _mm512_set1_ps(black_box(1.0)),
        );
        let mut sums = [_mm512_set1_ps(black_box(1.0)); SUMS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, a, b);
            }
        }
        black_box(sums);
        2 * 16 * SUMS * STEPS
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn avx2() -> usize {
        const SUMS: usize = 12;
        let (a, b) = (
            _mm256_set1_ps(black_box(0.5)),
            _mm256_set1_ps(black_box(1.0)),
        );
        let mut sums = [_mm256_set1_ps(black_box(1.0)); SUMS];
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, a, b);
            }
        }
        black_box(sums);
        2 * 8 * SUMS * STEPS
    }
}
