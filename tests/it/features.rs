//! Features of the frozen prefix: computed once, kept across runs, and never taken for others.

use std::sync::atomic::{AtomicUsize, Ordering};

use fs_err as fs;
use goldrun::artifacts;
use goldrun::artifacts::cache::Cache;
use goldrun::dataset::batch::TrainingEpoch;
use goldrun::dataset::{self, Data, Split};
use goldrun::engine::cpu::{CpuEngine, CpuNetwork, Examples};
use goldrun::engine::{Engine, Error, Outputs};
use goldrun::kernels::Level;
use goldrun::model::{Network, Parameters, Trained};
use goldrun::random::{Purpose, Stream};
use goldrun::recipe::{Amount, Cut, Dataset, Optimizer, Recipe, SplitName, Trainable};
use goldrun::record::{Event, Observer, Stage};

use crate::dataset::{Bench, drawn};
use crate::support::made_parameters;

const SGD: Optimizer = Optimizer::Sgd {
    learning_rate: 0.01,
    momentum: 0.0,
    nesterov: false,
};

/// 40 pictures to train on without augmentation, 40 to validate on, of 32 pixels.
fn recipe() -> Recipe {
    let mut recipe = drawn(40, 40, 5);
    recipe.input.augment.clear();
    recipe.input.batch_size = 16;
    recipe
}

fn network(recipe: &Recipe) -> Network {
    Network::of(recipe, 5)
}

fn trained(network: &Network, from: &Trainable) -> Trained {
    Trained::of(network, from).unwrap()
}

/// An engine at the start of a phase.
fn engine(network: &Network, parameters: Parameters, from: &Trainable, cache: Cache) -> CpuEngine {
    let mut engine = CpuEngine::new(Level::detect(), network, parameters, 16, cache);
    let trained = trained(network, from);
    engine.begin_phase(&trained, &SGD).unwrap();
    engine
}

/// Splits whose features were computed since the last call.
fn computed(bench: &Bench) -> Vec<SplitName> {
    let events = std::mem::take(&mut *bench.events.lock().unwrap());
    let started = events.into_iter().filter_map(|event| match event {
        Event::StageStarted {
            stage: Stage::Features(split),
            ..
        } => Some(split),
        _ => None,
    });
    started.collect()
}

/// Outputs for a split, and whether its features were computed for it.
fn evaluated(bench: &Bench, engine: &mut CpuEngine, split: &Split) -> (Outputs, bool) {
    let outputs = bench.observed(|observer| engine.evaluate(split, observer).unwrap());
    let was_computed = match computed(bench)[..] {
        [] => false,
        [name] if name == split.name => true,
        ref other => panic!("{other:?}"),
    };
    (outputs, was_computed)
}

const FROM: Trainable = Trainable::FromIndex(100);

/// Files of features in the cache.
fn files(bench: &Bench) -> Vec<std::path::PathBuf> {
    let mut folders = vec![bench.folder.path().to_path_buf()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if (name.starts_with("features-") && !name.contains(".lock"))
                || name.starts_with("file-")
            {
                files.push(path);
            }
        }
    }
    files
}

#[test]
fn a_later_run_computes_none_and_gets_the_same() {
    let (bench, recipe) = (Bench::new(), recipe());
    let (data, network) = (bench.data(&recipe), network(&recipe));
    let parameters = made_parameters(&network, 1);
    let new = |from: &Trainable| engine(&network, parameters.clone(), from, bench.cache());
    for from in [FROM, Trainable::Head] {
        let mut first = new(&from);
        let (outputs, was_computed) = evaluated(&bench, &mut first, &data.validation);
        assert!(was_computed, "{from:?}");
        for mut later in [first, new(&from)] {
            let again = evaluated(&bench, &mut later, &data.validation);
            assert!(again == (outputs.clone(), false), "{from:?}");
        }
    }
    assert_eq!(files(&bench).len(), 2);
}

#[test]
fn whatever_features_depend_on_makes_others() {
    let (bench, recipe) = (Bench::new(), recipe());
    let (data, network) = (bench.data(&recipe), network(&recipe));
    let parameters = made_parameters(&network, 1);
    let is_computed = |parameters: &Parameters, from: &Trainable, split: &Split| {
        let mut engine = engine(&network, parameters.clone(), from, bench.cache());
        let (outputs, was_computed) = evaluated(&bench, &mut engine, split);
        let mut expected = self::engine(&network, parameters.clone(), from, bench.fresh());
        assert!(outputs == evaluated(&bench, &mut expected, split).0);
        was_computed
    };
    assert!(is_computed(&parameters, &FROM, &data.validation));
    assert!(!is_computed(&parameters, &FROM, &data.validation));

    // A parameter below the border, as an earlier phase would leave it; then one above it.
    let operations = network.operations();
    let frozen = trained(&network, &FROM).frozen_operations;
    let changed = |place: usize| {
        let mut parameters = parameters.clone();
        parameters.tensors[place].values[0] += 0.25;
        parameters
    };
    let below = changed(operations[frozen - 1].kernel + 4);
    assert!(is_computed(&below, &FROM, &data.validation));
    let above = changed(operations[frozen].kernel);
    assert!(!is_computed(&above, &FROM, &data.validation));

    // Other layers below the border, other pictures, and the same ones in another order.
    assert!(is_computed(
        &parameters,
        &Trainable::FromIndex(110),
        &data.validation
    ));
    assert!(is_computed(&parameters, &FROM, &data.test));
    for recipe in two_orders_of_the_same() {
        let data = bench.data(&recipe);
        assert!(is_computed(&parameters, &FROM, &data.validation));
    }
}

/// Recipes that validate on the same pictures in another order.
fn two_orders_of_the_same() -> [Recipe; 2] {
    let of_seed = |seed| {
        let mut recipe = drawn(8, 0, 1);
        recipe.split.seed = seed;
        recipe.split.validation = Some(Cut {
            from: SplitName::Train,
            amount: Amount::Count(7),
        });
        let [train, validation, _] = dataset::survey(&recipe, None).unwrap().splits;
        let left_out = train.items[0].index;
        (recipe, left_out, validation.list_digest())
    };
    let (first, left_out, list) = of_seed(0);
    let second = (1..100)
        .map(of_seed)
        .find(|other| other.1 == left_out && other.2 != list);
    [first, second.unwrap().0]
}

#[test]
fn a_fresh_cache_neither_reads_nor_keeps() {
    let (bench, recipe) = (Bench::new(), recipe());
    let (data, network) = (bench.data(&recipe), network(&recipe));
    let parameters = made_parameters(&network, 1);
    let run = |cache: Cache| {
        let mut engine = engine(&network, parameters.clone(), &FROM, cache);
        evaluated(&bench, &mut engine, &data.validation)
    };
    let (outputs, was_computed) = run(bench.fresh());
    assert!(was_computed);
    assert_eq!(files(&bench).len(), 0, "nothing is kept");
    run(bench.cache());
    assert!(
        run(bench.fresh()) == (outputs, true),
        "what is kept is not read"
    );
    assert_eq!(files(&bench).len(), 1);
}

#[test]
fn a_flipped_bit_is_an_error_and_no_figure() {
    let (bench, recipe) = (Bench::new(), recipe());
    let (data, network) = (bench.data(&recipe), network(&recipe));
    let parameters = made_parameters(&network, 1);
    let run = || {
        let mut engine = engine(&network, parameters.clone(), &FROM, bench.cache());
        bench.observed(|observer| engine.evaluate(&data.validation, observer))
    };
    run().unwrap();
    let [path] = &files(&bench)[..] else {
        panic!("one file")
    };
    let whole = fs::read(path).unwrap();
    for place in [0, whole.len() / 2, whole.len() - 1] {
        let mut content = whole.clone();
        content[place] ^= 1;
        fs::write(path, content).unwrap();
        let error = run().unwrap_err();
        assert!(
            matches!(
                error,
                Error::Cache(artifacts::Error::Damaged {
                    kind: "features",
                    ..
                })
            ),
            "{error}"
        );
    }
}

#[test]
fn an_interruption_leaves_no_half() {
    let mut recipe = recipe();
    if let Dataset::Drawn(drawn) = &mut recipe.dataset {
        drawn.validation = 100;
    }
    let bench = Bench::new();
    let (data, network) = (bench.data(&recipe), network(&recipe));
    let mut engine = engine(&network, made_parameters(&network, 1), &FROM, bench.cache());
    // When one of four batches is written.
    let batches = AtomicUsize::new(0);
    let sink = |event| {
        if let Event::StageProgress { .. } = event {
            batches.fetch_add(1, Ordering::Relaxed);
            bench.interrupted.store(true, Ordering::Relaxed);
        }
    };
    let observer = Observer::new(&sink, &bench.interrupted);
    let error = engine.evaluate(&data.validation, &observer).unwrap_err();
    assert!(matches!(error, Error::Interrupted), "{error}");
    assert_eq!(batches.load(Ordering::Relaxed), 1);
    assert_eq!(files(&bench).len(), 0);
}

/// Trains an epoch; what came out, and the parameters after it.
fn epoch(bench: &Bench, engine: &mut CpuEngine, data: &Data, recipe: &Recipe, n: u32) -> Trace {
    let epoch = TrainingEpoch::new(&data.train, &recipe.input, 3, 0, n);
    let dropout = Stream::new(3, Purpose::Dropout, 0).at(0, n);
    let outputs = bench.observed(|observer| {
        engine
            .train_epoch(&epoch, &dropout, observer, &mut |_, _| {})
            .unwrap()
    });
    (outputs, engine.parameters().unwrap().digest())
}

type Trace = (Outputs, String);

/// The same epoch on a bare network, whose prefix sees every picture.
fn plain_epoch(network: &mut CpuNetwork, data: &Data, recipe: &Recipe, n: u32) -> Trace {
    let epoch = TrainingEpoch::new(&data.train, &recipe.input, 3, 0, n);
    let dropout = Stream::new(3, Purpose::Dropout, 0).at(0, n);
    let mut outputs = Outputs::default();
    let mut scratch = goldrun::dataset::batch::Scratch::new();
    for step in 0..epoch.steps() {
        let positions = epoch.batch(step);
        let mut rows = vec![0.0; positions.len() * network.border_len()];
        let mut picture = vec![0.0; data.train.image_len()];
        for (position, row) in positions
            .clone()
            .zip(rows.chunks_exact_mut(network.border_len()))
        {
            epoch.input(position, &mut scratch, &mut picture).unwrap();
            network.border(&picture, row);
        }
        let labels: Vec<u32> = positions.clone().map(|p| epoch.label(p)).collect();
        let indices: Vec<u32> = positions.clone().map(|p| epoch.index(p)).collect();
        let mut losses = vec![0.0; positions.len()];
        let mut logits = vec![0.0; positions.len() * 5];
        let examples = Examples {
            labels: &labels,
            indices: &indices,
            dropout: &dropout,
        };
        network.train_batch(&rows, &examples, &mut losses, &mut logits);
        outputs.losses.extend(losses);
        outputs.logits.extend(logits);
    }
    (outputs, network.parameters().digest())
}

#[test]
fn training_without_augmentation_computes_features_once() {
    let (bench, mut recipe) = (Bench::new(), recipe());
    let (data, network) = (bench.data(&recipe), network(&recipe));
    let parameters = made_parameters(&network, 1);
    // At layer 20 more crosses the border than a picture has.
    for (from, kept) in [
        (FROM, true),
        (Trainable::Head, true),
        (Trainable::FromIndex(20), false),
        (Trainable::All, false),
    ] {
        computed(&bench);
        let mut plain = CpuNetwork::new(Level::detect(), &network, parameters.clone(), 16);
        plain.begin_phase(&trained(&network, &from), &SGD);
        let mut engine = engine(&network, parameters.clone(), &from, bench.cache());
        for number in 0..2 {
            let ours = epoch(&bench, &mut engine, &data, &recipe, number);
            assert!(
                ours == plain_epoch(&mut plain, &data, &recipe, number),
                "{from:?}, epoch {number}"
            );
            let expected: &[SplitName] = if kept && number == 0 {
                &[SplitName::Train]
            } else {
                &[]
            };
            assert_eq!(computed(&bench), expected, "{from:?}, epoch {number}");
        }
        // Validation after it.
        let mut fresh = self::engine(&network, plain.parameters(), &from, bench.fresh());
        let (validated, was_computed) = evaluated(&bench, &mut engine, &data.validation);
        assert_eq!(was_computed, kept, "{from:?}");
        assert!(validated == evaluated(&bench, &mut fresh, &data.validation).0);
    }

    recipe.input.augment = drawn(1, 1, 1).input.augment;
    let mut plain = CpuNetwork::new(Level::detect(), &network, parameters.clone(), 16);
    plain.begin_phase(&trained(&network, &FROM), &SGD);
    let mut engine = engine(&network, parameters, &FROM, bench.cache());
    // Even where the features of the pictures as they are lie at hand.
    evaluated(&bench, &mut engine, &data.train);
    let ours = epoch(&bench, &mut engine, &data, &recipe, 0);
    assert!(ours == plain_epoch(&mut plain, &data, &recipe, 0));
    assert_eq!(computed(&bench), []);
}
