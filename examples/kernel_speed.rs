//! Speed of the kernels on one core, at every SIMD level, on the shapes of MobileNetV2 at 160 pixels.
//!
//! `cargo run --release --example kernel_speed [LEVEL]`. Each figure is the best of many short trials, so other
//! load on the machine hardly moves it. Next to GF/s stands the share of the FMA peak measured at the same level.

#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use goldrun::kernels::optimizer::RmsProp;
use goldrun::kernels::pointwise::{Epilogue, PackedWeights};
use goldrun::kernels::{Block, Level, Sum, depthwise, first_convolution, pointwise, pool};

/// A trial repeats its work for about so long.
const TRIAL: Duration = Duration::from_millis(4);
const TRIALS: usize = 40;

fn main() {
    let wanted = std::env::args().nth(1);
    for level in Level::available() {
        if wanted.as_deref().is_none_or(|word| word == level.word()) {
            Speed::of(level).all();
        }
    }
}

struct Speed {
    level: Level,
    /// Floating-point operations a nanosecond of independent FMAs.
    peak: f64,
}

impl Speed {
    fn of(level: Level) -> Self {
        let peak = peak(level);
        println!("\n{}: peak {peak:.0} GF/s", level.word());
        Self { level, peak }
    }

    /// Prints what `work` of `operations` floating-point operations takes.
    fn print(&self, what: &str, operations: usize, work: impl FnMut()) {
        let nanoseconds = best(work);
        let speed = operations as f64 / nanoseconds;
        println!(
            "{what:44} {:9.1} µs {speed:7.1} GF/s {:5.1} %",
            nanoseconds / 1e3,
            100.0 * speed / self.peak
        );
    }

    fn all(&self) {
        for (rows, k, n) in [
            (6400, 32, 16),
            (6400, 16, 96),
            (1600, 96, 24),
            (1600, 24, 144),
            (400, 144, 32),
            (400, 32, 192),
            (400, 192, 32),
            (100, 192, 64),
            (100, 64, 384),
            (100, 384, 64),
            (100, 384, 96),
            (100, 96, 576),
            (100, 576, 96),
            (25, 576, 160),
            (25, 160, 960),
            (25, 960, 160),
            (100, 960, 160),
            (25, 960, 320),
            (25, 320, 1280),
            (32, 1280, 1),
        ] {
            self.pointwise(rows, k, n);
        }
        for (rows, k, n, slice) in [
            (800, 576, 96, 200),
            (800, 96, 576, 200),
            (800, 160, 960, 150),
            (800, 960, 160, 150),
            (800, 320, 1280, 150),
            (6400, 24, 144, 1600),
            (32, 1280, 1, 128),
        ] {
            self.pointwise_weights(rows, k, n, slice);
        }
        for (side, c, stride) in [
            (80, 32, 1),
            (80, 96, 2),
            (40, 144, 1),
            (40, 144, 2),
            (20, 192, 1),
            (20, 192, 2),
            (10, 384, 1),
            (10, 576, 1),
            (10, 576, 2),
            (5, 960, 1),
            (16, 24, 1),
        ] {
            self.depthwise(side, c, stride);
        }
        for (side, n) in [(160, 32), (64, 16)] {
            self.first_convolution(side, n);
        }
        self.passes();
    }

    fn pointwise(&self, rows: usize, k: usize, n: usize) {
        let x = values(rows * k);
        let bias = values(n);
        let mut y = vec![0.0; rows * n];
        let mut weights = PackedWeights::new(self.level, k, n);
        weights.pack(&values(k * n));
        self.print(
            &format!("pointwise {rows} × {k} → {n}"),
            2 * rows * k * n,
            || {
                let epilogue = Epilogue {
                    relu6: true,
                    ..Epilogue::default()
                };
                pointwise::forward(self.level, &x, &weights, Some(&bias), epilogue, &mut y);
            },
        );
    }

    fn pointwise_weights(&self, rows: usize, k: usize, n: usize, slice: usize) {
        let (x, dz) = (values(rows * k), values(rows * n));
        let mut out = vec![0.0; k * n];
        self.print(
            &format!("weight gradient {rows} × {k} → {n}, slices of {slice}"),
            2 * rows * k * n,
            || {
                pointwise::weight_gradient(
                    self.level,
                    &x,
                    &dz,
                    k,
                    slice,
                    Sum::New,
                    Block::whole(&mut out, n),
                )
            },
        );
        let mut sums = vec![0.0; n];
        self.print(&format!("bias gradient {rows} × {n}"), rows * n, || {
            pointwise::bias_gradient(self.level, &dz, slice, Sum::New, Block::whole(&mut sums, n));
        });
    }

    fn depthwise(&self, side: usize, c: usize, stride: usize) {
        const IMAGES: usize = 8;
        let shape = depthwise::Shape::keras(side, side, c, stride);
        let x = values(IMAGES * shape.input_len());
        let dz = values(IMAGES * shape.output_len());
        let (w, bias) = (values(9 * c), values(c));
        let mut y = vec![0.0; shape.output_len()];
        let mut dx = vec![0.0; shape.input_len()];
        let one = &x[..shape.input_len()];
        let what = format!("{side} × {side} × {c}, stride {stride}");
        let operations = 18 * shape.output_len();
        self.print(&format!("depthwise {what}"), operations, || {
            depthwise::forward(self.level, &shape, one, &w, &bias, true, &mut y);
        });
        self.print("  its input gradient", operations, || {
            let dz = &dz[..shape.output_len()];
            depthwise::input_gradient(self.level, &shape, dz, &w, Some(one), &mut dx);
        });
        let slice = 128_usize.div_ceil(shape.out_height * shape.out_width);
        let mut out = vec![0.0; 10 * c];
        self.print(
            "  its weight gradient, 8 images",
            IMAGES * operations,
            || {
                depthwise::weight_gradient(
                    self.level,
                    &shape,
                    IMAGES,
                    &x,
                    &dz,
                    slice,
                    Sum::New,
                    Block::whole(&mut out, c),
                );
            },
        );
    }

    fn first_convolution(&self, side: usize, n: usize) {
        let shape = first_convolution::Shape::keras(side, side, n);
        let x = values(shape.input_len());
        let (w, bias) = (values(27 * n), values(n));
        let mut y = vec![0.0; shape.output_len()];
        let operations = 54 * shape.output_len();
        self.print(
            &format!("first convolution {side} × {side} → {n}"),
            operations,
            || {
                first_convolution::forward(self.level, &shape, &x, &w, &bias, &mut y);
            },
        );
        let dz = values(shape.output_len());
        let mut out = vec![0.0; 27 * n];
        self.print("  its weight gradient", operations, || {
            first_convolution::weight_gradient(
                self.level,
                &shape,
                1,
                &x,
                &dz,
                1,
                Sum::New,
                Block::whole(&mut out, n),
            );
        });
    }

    /// Passes without reuse: bound by the caches.
    fn passes(&self) {
        let (k, c) = (320, 1280);
        let w = values(k * c);
        let mut folded = vec![0.0; k * c];
        let mut weights = PackedWeights::new(self.level, k, c);
        self.print("pack 320 × 1280", k * c, || weights.pack(&w));
        let mut transposed = PackedWeights::new(self.level, c, k);
        self.print("pack transposed 320 × 1280", k * c, || {
            transposed.pack_transposed(&w);
        });
        let (mut v, mut m) = (vec![0.0; k * c], vec![0.0; k * c]);
        let rmsprop = RmsProp::new(1e-5, 0.9, 0.0, 1e-7);
        self.print("RMSprop 320 × 1280", 8 * k * c, || {
            rmsprop.update(self.level, &mut folded, &w, &mut v, &mut m);
        });
        let x = values(25 * c);
        let mut out = vec![0.0; c];
        self.print("pool 25 × 1280", 25 * c, || {
            pool::forward(self.level, &x, 25, &mut out);
        });
    }
}

/// Reproducible values in ±0.5.
fn values(n: usize) -> Vec<f32> {
    let mut state = 1_u64;
    (0..n)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / 16_777_216.0 - 0.5
        })
        .collect()
}

/// Nanoseconds of one call, best of the trials.
fn best(mut work: impl FnMut()) -> f64 {
    let once = Instant::now();
    work();
    let repeats = (TRIAL.as_nanos() / once.elapsed().as_nanos().max(1)).clamp(1, 10_000) as u32;
    (0..TRIALS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..repeats {
                work();
            }
            start.elapsed().as_nanos() as f64 / f64::from(repeats)
        })
        .fold(f64::INFINITY, |a, b| if b < a { b } else { a })
}

/// GF/s of independent chains of FMAs in registers.
fn peak(level: Level) -> f64 {
    const STEPS: usize = 10_000;
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_set1_ps, _mm512_fmadd_ps, _mm512_set1_ps};
        #[target_feature(enable = "avx512f")]
        fn wide() {
            let (a, b) = (
                _mm512_set1_ps(black_box(0.5)),
                _mm512_set1_ps(black_box(1.0)),
            );
            let mut sums = [_mm512_set1_ps(black_box(1.0)); 24];
            for _ in 0..STEPS {
                for sum in &mut sums {
                    *sum = _mm512_fmadd_ps(*sum, a, b);
                }
            }
            black_box(sums);
        }
        #[target_feature(enable = "avx2,fma")]
        fn narrow() {
            let (a, b) = (
                _mm256_set1_ps(black_box(0.5)),
                _mm256_set1_ps(black_box(1.0)),
            );
            let mut sums = [_mm256_set1_ps(black_box(1.0)); 12];
            for _ in 0..STEPS {
                for sum in &mut sums {
                    *sum = _mm256_fmadd_ps(*sum, a, b);
                }
            }
            black_box(sums);
        }
        if level == Level::Avx512 {
            // SAFETY: the level is available.
            let nanoseconds = best(|| unsafe { wide() });
            return (2 * 24 * 16 * STEPS) as f64 / nanoseconds;
        }
        if Level::Avx2.is_available() {
            // SAFETY: as above.
            let nanoseconds = best(|| unsafe { narrow() });
            return (2 * 12 * 8 * STEPS) as f64 / nanoseconds;
        }
    }
    let _ = level;
    let mut sums = [black_box(1.0_f32); 16];
    let nanoseconds = best(|| {
        for _ in 0..STEPS {
            for sum in &mut sums {
                *sum = sum.mul_add(0.5, 1.0);
            }
        }
        black_box(&sums);
    });
    (2 * 16 * STEPS) as f64 / nanoseconds
}
