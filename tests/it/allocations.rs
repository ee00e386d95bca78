//! Nothing is allocated inside a step once its buffers are warm.
//!
//! Fresh memory costs more than the arithmetic that fills it. The whole test binary allocates through a
//! counter, which counts only on the threads of a pool that a test made for it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};

use goldrun::dataset::batch::TrainingEpoch;
use goldrun::engine::Engine as _;
use goldrun::engine::cpu::CpuEngine;
use goldrun::kernels::Level;
use goldrun::model::{Network, Trained};
use goldrun::random::{Purpose, Stream};
use goldrun::recipe::{Optimizer, Trainable};
use rayon::prelude::*;

use crate::dataset::{Bench, drawn};
use crate::support::made_parameters;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations on counted threads.
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static IS_COUNTED: Cell<bool> = const { Cell::new(false) };
}

struct Counting;

impl Counting {
    fn count() {
        // A thread that ends has no such value any more.
        if IS_COUNTED.try_with(Cell::get).unwrap_or(false) {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// SAFETY: each call goes to the system's allocator as it came, so its promises are kept; counting neither
// allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count();
        // SAFETY: the caller's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::count();
        // SAFETY: the caller's contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count();
        // SAFETY: the caller's contract.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's contract.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Held by the test that counts.
static ONE: Mutex<()> = Mutex::new(());

/// Steps after which buffers are warm.
const WARM: usize = 2;

/// Allocations of each step of an epoch on `threads` threads of their own, when the buffers are warm.
fn allocations(from: &Trainable, is_augmented: bool, threads: usize) -> Vec<usize> {
    // Before the pool: its threads count from the start.
    let _one = ONE.lock();
    let (bench, mut recipe) = (Bench::new(), drawn(34, 1, 1));
    // The last batch is short.
    recipe.input.batch_size = 6;
    if !is_augmented {
        recipe.input.augment.clear();
    }
    let data = bench.data(&recipe);
    let network = Network::of(&recipe, data.classes.len());
    let cache = bench.cache();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .start_handler(|_| IS_COUNTED.set(true))
        .build()
        .unwrap();
    let_all_steal(&pool);
    pool.install(|| {
        let parameters = made_parameters(&network, 1);
        let mut engine = CpuEngine::new(Level::detect(), &network, parameters, 6, cache);
        let adam = Optimizer::Adam {
            learning_rate: 1e-3,
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-7,
        };
        let trained = Trained::of(&network, from).unwrap();
        engine.begin_phase(&trained, &adam).unwrap();
        let epoch = TrainingEpoch::new(&data.train, &recipe.input, 1, 0, 0);
        let dropout = Stream::new(1, Purpose::Dropout, 0);
        let mut counts = Vec::with_capacity(epoch.steps());
        bench.observed(|observer| {
            engine
                .train_epoch(&epoch, &dropout, observer, &mut |_, _| {
                    counts.push(ALLOCATIONS.load(Ordering::Relaxed));
                })
                .unwrap();
        });
        assert_eq!(counts.len(), 6);
        counts[WARM - 1..]
            .windows(2)
            .map(|two| two[1] - two[0])
            .collect()
    })
}

/// Has each thread of a pool take work from another: the first time, rayon's queues allocate for the thread.
fn let_all_steal(pool: &rayon::ThreadPool) {
    let threads = pool.current_num_threads();
    for giver in 0..threads {
        let everyone = Barrier::new(threads);
        pool.broadcast(|context| {
            if context.index() == giver {
                // Whoever waits takes no second piece, so each thread takes one.
                let pieces = (0..threads).into_par_iter().with_max_len(1);
                pieces.for_each(|_| {
                    everyone.wait();
                });
            }
        });
    }
}

fn check(from: &Trainable, threads: usize, is_augmented: bool) {
    let counts = allocations(from, is_augmented, threads);
    assert!(
        counts.iter().all(|&count| count == 0),
        "{from:?}, augmented {is_augmented}, {threads} threads: {counts:?}"
    );
}

#[test]
fn a_warm_step_of_pictures_prefix_and_head_allocates_nothing() {
    check(&Trainable::Head, 1, true);
    check(&Trainable::Head, 1, false);
    check(&Trainable::Head, 3, true);
    check(&Trainable::Head, 3, false);
}

#[test]
fn a_warm_step_of_the_tail_allocates_nothing() {
    for threads in [1, 3] {
        for is_augmented in [true, false] {
            check(&Trainable::FromIndex(100), threads, is_augmented);
        }
    }
}

#[test]
fn what_is_allocated_on_counted_threads_is_counted() {
    let count = |is_counted: bool| {
        IS_COUNTED.set(is_counted);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let allocated = std::hint::black_box(Vec::<u8>::with_capacity(100));
        drop(allocated);
        IS_COUNTED.set(false);
        ALLOCATIONS.load(Ordering::Relaxed) - before
    };
    let _one = ONE.lock();
    assert_eq!([count(true), count(false)], [1, 0]);
}
