//! Odd shapes are first-class: networks of every width, pictures of every size, batches of every length
//! and every boundary of what is trained have the same bits at each SIMD level and on 1, 2 and 3 threads.
//!
//! Ways through the native engine that must agree are held to each other as well: the frozen stretch to the
//! whole backbone layer by layer, an image to its batch, evaluation to the forward pass of training.

use goldrun::digest;
use goldrun::engine::cpu::{CpuNetwork, Examples};
use goldrun::kernels::{Level, pool};
use goldrun::model::backbone::mobilenet_v2;
use goldrun::model::{Network, Parameters, Trained};
use goldrun::random::{Purpose, Stream};
use goldrun::recipe::{Optimizer, Trainable};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rayon::prelude::*;

use crate::support::{made_parameters, uniform};

/// Steps that are taken at least.
const STEPS: usize = 2;

/// A network, what is trained of it, and the pictures of an epoch.
#[derive(Clone, Debug)]
struct Shape {
    alpha: f64,
    size: [usize; 2],
    outputs: usize,
    dropout: f64,
    train: Trainable,
    batch: usize,
    /// Images of the batches before the last one, and of that.
    images: [usize; 2],
    optimizer: Optimizer,
}

impl Shape {
    /// A shape that trains with dropout, for what is not at stake.
    fn new(alpha: f64, size: [usize; 2], train: Trainable) -> Self {
        Self {
            alpha,
            size,
            outputs: 1,
            dropout: 0.2,
            train,
            batch: 1,
            images: [1, 1],
            optimizer: RMSPROP,
        }
    }

    /// One batch after another and a last one of `last` images, in [`STEPS`] steps.
    fn batches(self, batch: usize, last: usize) -> Self {
        self.steps(STEPS, batch, last)
    }

    /// `steps` batches of which the last has `last` images.
    fn steps(self, steps: usize, batch: usize, last: usize) -> Self {
        Self {
            batch,
            images: [(steps - 1) * batch, last],
            ..self
        }
    }
}

const RMSPROP: Optimizer = Optimizer::RmsProp {
    learning_rate: 1e-4,
    rho: 0.9,
    momentum: 0.5,
    epsilon: 1e-7,
};

const ADAM: Optimizer = Optimizer::Adam {
    learning_rate: 1e-3,
    beta_1: 0.9,
    beta_2: 0.999,
    epsilon: 1e-7,
};

/// Named values of a run of the engine, in the order in which they come about.
type Facts = Vec<(String, Vec<f32>)>;

/// What a run of the engine works on.
struct Made {
    shape: Shape,
    network: Network,
    parameters: Parameters,
    trained: Trained,
    pictures: Vec<Vec<f32>>,
    labels: Vec<u32>,
}

impl Made {
    fn of(shape: &Shape) -> Self {
        let [height, width] = shape.size;
        let network = Network {
            layers: mobilenet_v2::layers(height, width, shape.alpha),
            outputs: shape.outputs,
            dropout: shape.dropout,
        };
        let seed = 11;
        let classes = shape.outputs.max(2) as u32;
        let images: usize = shape.images.iter().sum();
        Self {
            parameters: made_parameters(&network, seed),
            trained: Trained::of(&network, &shape.train).unwrap(),
            pictures: (0..images as u32)
                .map(|image| {
                    let values = uniform(seed, 1000 + image, height * width * 3);
                    values.iter().map(|u| 2.0 * u - 1.0).collect()
                })
                .collect(),
            labels: (0..images as u32).map(|image| image % classes).collect(),
            network,
            shape: shape.clone(),
        }
    }

    fn engine(&self, level: Level, batch: usize) -> CpuNetwork {
        let mut engine = CpuNetwork::new(level, &self.network, self.parameters.clone(), batch);
        engine.begin_phase(&self.trained, &self.shape.optimizer);
        engine
    }

    /// The first picture's features.
    fn features(&self, engine: &CpuNetwork) -> Vec<f32> {
        let mut features = vec![f32::NAN; self.network.features().iter().product()];
        engine.features(&self.pictures[0], &mut features);
        features
    }

    /// What crosses the border, on all threads, as the engine does for an epoch.
    fn borders(&self, engine: &CpuNetwork) -> Vec<f32> {
        let row = engine.border_len();
        let mut rows = vec![f32::NAN; self.pictures.len() * row];
        rows.par_chunks_exact_mut(row)
            .zip(&self.pictures)
            .for_each(|(row, picture)| engine.border(picture, row));
        rows
    }

    /// Losses, then logits, of all images.
    fn evaluated(&self, engine: &mut CpuNetwork, batch: usize, rows: &[f32]) -> Vec<f32> {
        let outputs = self.shape.outputs;
        let mut losses = vec![f32::NAN; self.pictures.len()];
        let mut logits = vec![f32::NAN; self.pictures.len() * outputs];
        rows.chunks(batch * engine.border_len())
            .zip(self.labels.chunks(batch))
            .zip(losses.chunks_mut(batch))
            .zip(logits.chunks_mut(batch * outputs))
            .for_each(|(((rows, labels), losses), logits)| {
                engine.evaluate_batch(rows, labels, losses, logits);
            });
        [losses, logits].concat()
    }

    /// Trains an epoch; losses, then logits, of each batch before its step.
    fn train(&self, engine: &mut CpuNetwork, rows: &[f32]) -> Vec<Vec<f32>> {
        let batch = self.shape.batch;
        let dropout = Stream::new(5, Purpose::Dropout, 0).at(1, 3);
        let indices: Vec<u32> = (0..self.pictures.len() as u32).collect();
        rows.chunks(batch * engine.border_len())
            .zip(self.labels.chunks(batch))
            .zip(indices.chunks(batch))
            .map(|((rows, labels), indices)| {
                let mut losses = vec![f32::NAN; labels.len()];
                let mut logits = vec![f32::NAN; labels.len() * self.shape.outputs];
                let examples = Examples {
                    labels,
                    indices,
                    dropout: &dropout,
                };
                engine.train_batch(rows, &examples, &mut losses, &mut logits);
                [losses, logits].concat()
            })
            .collect()
    }

    /// All that a run of the engine gives.
    fn run(&self, level: Level, threads: usize) -> Facts {
        on_threads(threads, || {
            let mut engine = self.engine(level, self.shape.batch);
            let mut facts = vec![("features".to_owned(), self.features(&engine))];
            let rows = self.borders(&engine);
            facts.push(("border".to_owned(), rows.clone()));
            let before = self.evaluated(&mut engine, self.shape.batch, &rows);
            facts.push(("evaluated before".to_owned(), before));
            for (step, outputs) in self.train(&mut engine, &rows).into_iter().enumerate() {
                facts.push((format!("step {step}"), outputs));
            }
            for (name, values) in engine.gradients() {
                facts.push((format!("gradient of {name}"), values));
            }
            let after = self.evaluated(&mut engine, self.shape.batch, &rows);
            facts.push(("evaluated after".to_owned(), after));
            for tensor in engine.parameters().tensors {
                facts.push((tensor.spec.name, tensor.values));
            }
            facts
        })
    }

    /// What a run at the reference's level must agree with, whatever the level.
    fn assert_ways_agree(&self, facts: &Facts) {
        let of = |name: &str| {
            let (_, values) = facts.iter().find(|(known, _)| known == name).unwrap();
            values
        };
        let level = Level::detect();
        let row = of("border").len() / self.pictures.len();
        if self.shape.train == Trainable::Head {
            let [height, width, channels] = self.network.features();
            let mut pooled = vec![f32::NAN; channels];
            pool::forward(level, of("features"), height * width, &mut pooled);
            assert_same("pooled features", &pooled, &of("border")[..row]);
        }
        // One image alone, and the last batch, without the others.
        let mut alone = self.engine(level, 1);
        let each = self.evaluated(&mut alone, 1, of("border"));
        assert_same("images alone", &each, of("evaluated before"));
        if self.shape.dropout == 0.0 {
            let first = self.shape.batch.min(self.pictures.len());
            let logits = &of("evaluated before")[self.pictures.len()..];
            let trained = &of("step 0")[first..];
            assert_same("logits of training", trained, &logits[..trained.len()]);
        }
    }
}

/// Values that say nothing hide differences.
fn assert_meaningful(made: &Made, facts: &Facts) {
    for (name, values) in facts {
        let bad = values.iter().position(|value| !value.is_finite());
        assert_eq!(bad, None, "{name} is not finite");
    }
    let (name, features) = &facts[0];
    let (dead, full) = (0.0, 6.0);
    let between = |value: &&f32| **value > dead && **value < full;
    let share = features.iter().filter(between).count() as f64 / features.len() as f64;
    assert!((0.1..0.9).contains(&share), "{share} of {name} are active");
    let digests = made.parameters.digests().into_iter();
    let start = facts.len() - made.parameters.tensors.len();
    let moved = digests
        .zip(&facts[start..])
        .zip(&made.trained.tensors)
        .filter(|((before, (_, after)), _)| before.1 != digest::of_values(after));
    let (moved, trained): (Vec<_>, Vec<&bool>) = moved.unzip();
    assert_eq!(moved.len() as u64, made.trained.variables, "tensors moved");
    assert!(trained.into_iter().all(|trained| *trained));
}

#[track_caller]
fn assert_same(name: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "length of {name}");
    let differs = |at: &usize| found[*at].to_bits() != expected[*at].to_bits();
    if let Some(at) = (0..found.len()).find(differs) {
        let count = (at..found.len()).filter(differs).count();
        panic!(
            "{name}: element {at} is {:e} and not {:e}; {count} of {} differ",
            found[at],
            expected[at],
            found.len()
        );
    }
}

fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.unwrap().install(work)
}

/// Every level on each of these numbers of threads against plain Rust on one.
fn check(shape: &Shape, threads: &[usize]) {
    println!("{shape:?}");
    let made = Made::of(shape);
    let reference = made.run(Level::Scalar, 1);
    assert_meaningful(&made, &reference);
    for level in Level::available() {
        for &threads in threads {
            if (level, threads) == (Level::Scalar, 1) {
                continue;
            }
            let found = made.run(level, threads);
            assert_eq!(found.len(), reference.len());
            for ((name, found), (_, expected)) in found.iter().zip(&reference) {
                let what = format!("{name} at {level:?} on {threads} threads, {shape:?}");
                assert_same(&what, found, expected);
            }
        }
    }
    made.assert_ways_agree(&reference);
}

/// Widths of Keras' weights: channels are multiples of 8, most not of 16.
fn alphas() -> impl Strategy<Value = f64> {
    prop::sample::select(vec![0.35, 0.5, 0.75, 1.0, 1.3, 1.4])
}

/// Boundaries: nothing, the tutorial's, two inside a block that has a shortcut, everything.
fn trainables() -> impl Strategy<Value = Trainable> {
    prop::sample::select(vec![
        Trainable::Head,
        Trainable::FromIndex(100),
        Trainable::FromName("block_15_depthwise".to_owned()),
        Trainable::FromName("block_8_project_BN".to_owned()),
        Trainable::All,
    ])
}

/// Any shape with a picture whose sides are of these multiples of 32.
fn shapes(
    sides: std::ops::Range<usize>,
    alphas: impl Strategy<Value = f64>,
    batches: Vec<(usize, usize)>,
) -> impl Strategy<Value = Shape> {
    let size = prop::array::uniform2(sides);
    let batches = prop::sample::select(batches);
    let outputs = prop::sample::select(vec![1, 5]);
    let dropout = prop::sample::select(vec![0.0, 0.2]);
    let optimizer = prop::sample::select(vec![RMSPROP, ADAM]);
    let rest = (outputs, dropout, optimizer);
    (alphas, size, trainables(), batches, rest).prop_map(
        |(alpha, size, train, (batch, last), (outputs, dropout, optimizer))| {
            Shape {
                outputs,
                dropout,
                optimizer,
                ..Shape::new(alpha, size.map(|side| 32 * side), train)
            }
            .batches(batch, last)
        },
    )
}

/// So many cases, the same every time.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        rng_seed: RngSeed::Fixed(2),
        max_shrink_iters: 8,
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn small_networks_have_the_same_bits(shape in shapes(1..3, alphas(), vec![(1, 1), (3, 2), (7, 5)])) {
        check(&shape, &[1, 2, 3]);
    }
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    #[ignore = "large pictures: just slow"]
    fn large_pictures_have_the_same_bits(shape in shapes(1..8, alphas(), vec![(1, 1), (2, 1)])) {
        check(&shape, &[1, 3]);
    }

    #[test]
    #[ignore = "large batches: just slow"]
    fn large_batches_have_the_same_bits(shape in shapes(1..4, alphas(), vec![(7, 5), (33, 5)])) {
        check(&shape, &[2, 3]);
    }
}

/// 33 images in batches of 7 leave 5; batches of 33 leave one.
#[test]
fn short_last_batches_have_the_same_bits() {
    let small = |train| Shape::new(0.35, [32, 32], train);
    let five = Shape {
        outputs: 5,
        ..small(Trainable::FromIndex(100))
    };
    check(&five.steps(5, 7, 5), &[1, 2, 3]);
    let head = Shape {
        optimizer: ADAM,
        dropout: 0.0,
        ..small(Trainable::Head)
    };
    check(&head.batches(33, 1), &[1, 2, 3]);
    let all = small(Trainable::All);
    check(&all.batches(33, 1), &[2, 3]);
}

/// Every width with a size from 96 to 224, one image and another.
#[test]
fn every_width_and_size_has_the_same_bits() {
    for (alpha, size, train) in [
        (0.35, [224, 224], Trainable::FromIndex(100)),
        (0.5, [192, 192], Trainable::Head),
        (
            0.75,
            [160, 160],
            Trainable::FromName("block_15_depthwise".to_owned()),
        ),
        (1.0, [128, 128], Trainable::FromIndex(100)),
        (1.3, [96, 96], Trainable::Head),
        (1.4, [96, 96], Trainable::FromIndex(100)),
    ] {
        check(&Shape::new(alpha, size, train), &[3]);
    }
}
