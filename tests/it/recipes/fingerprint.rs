//! The canonical form and the fingerprint: what moves them and what does not.

use std::collections::{BTreeMap, BTreeSet};

use goldrun::recipe::Recipe;

use super::Project;

#[test]
fn the_tutorials_canonical_form_is_a_vector() {
    let project = Project::new();
    let recipe = project.good("tutorial", &[]);
    let canonical = [
        "dataset.folders.artifact = \"photos\"",
        "dataset.folders.train = \"cats_and_dogs_filtered/train\"",
        "dataset.folders.validation = \"cats_and_dogs_filtered/validation\"",
        "evaluate.metrics.accuracy.logit = 0.5",
        "input.augment.0.flip = \"horizontal\"",
        "input.augment.1.rotation.turn = 0.2",
        "input.image_size = [160, 160]",
        "model.mobilenet_v2.weights = \"weights\"",
        "phase.0.epochs = 10",
        "phase.0.optimizer.adam.learning_rate = 0.0001",
        "phase.0.train = \"head\"",
        "phase.1.epochs = 11",
        "phase.1.optimizer.rmsprop.learning_rate = 0.00001",
        "phase.1.train.from = 100",
        "split.seed = 123",
        "split.test.batches = 6",
        "split.test.from = \"validation\"",
    ];
    assert_eq!(recipe.canonical(), canonical);
    // `printf '%s\n' LINE... | sha256sum` over the lines above.
    assert_eq!(
        recipe.fingerprint(),
        "7b052f48f7bc5112c963920a29d77ea307eb472e9410e0a67a21d81f53db4cb3"
    );
}

#[test]
fn every_key_that_differs_from_its_default_is_in_the_canonical_form() {
    insta::assert_snapshot!(Project::new().good("good", &[]).canonical().join("\n"));
}

/// Changes of one key each, over a recipe to which some `--set` arguments were given.
struct Group {
    recipe: &'static str,
    given: &'static [&'static str],
    /// Address and another value.
    changes: &'static [(&'static str, &'static str)],
}

/// What can change a bit.
const MOVING: &[Group] = &[
    Group {
        recipe: "good",
        given: &["artifact.other.path=w"],
        changes: &[
            ("dataset.folders.artifact", "\"other\""),
            ("dataset.folders.train", "\"photos/training\""),
            ("dataset.folders.validation", "\"photos/valid\""),
            ("dataset.folders.rejects", "3"),
            ("dataset.folders.rejects", "0"),
            ("input.image_size", "[128, 96]"),
            ("input.image_size", "[96, 96]"),
            ("input.batch_size", "17"),
            ("input.batch_size", "32"),
            ("input.augment", "[]"),
            (
                "input.augment",
                "[{ rotation = { turn = 0.125 } }, { flip = \"horizontal\" }]",
            ),
            ("input.augment.1.flip", "\"horizontal\""),
            ("input.augment.0.rotation.turn", "0.126"),
            ("input.augment.1.rotation.turn", "0.126"),
            ("input.orientation", "\"ignore\""),
            ("split.seed", "12"),
            ("split.test.from", "\"train\""),
            ("split.test.fraction", "0.21"),
            ("split.test.count", "1"),
            ("split.test.batches", "1"),
            ("model.mobilenet_v2.alpha", "0.5"),
            ("model.mobilenet_v2.alpha", "1"),
            ("model.mobilenet_v2.weights", "\"other\""),
            ("model.mobilenet_v2.head.dropout", "0.2"),
            ("model.mobilenet_v2.head.dropout", "0"),
            ("phase.0.epochs", "3"),
            ("phase.0.train", "\"all\""),
            ("phase.0.train.from", "100"),
            ("phase.1.train.from", "\"block_12_expand\""),
            ("phase.0.optimizer.adam.learning_rate", "2e-3"),
            ("phase.0.optimizer.adam.beta_1", "0.9"),
            ("phase.0.optimizer.adam.beta_2", "0.999"),
            ("phase.0.optimizer.adam.epsilon", "1e-7"),
            ("phase.1.optimizer.rmsprop.learning_rate", "2e-4"),
            ("phase.1.optimizer.rmsprop.rho", "0.9"),
            ("phase.1.optimizer.rmsprop.momentum", "0"),
            ("phase.1.optimizer.rmsprop.epsilon", "1e-7"),
            ("phase.2.optimizer.sgd.learning_rate", "2e-5"),
            ("phase.2.optimizer.sgd.momentum", "0.8"),
            ("phase.2.optimizer.sgd.nesterov", "false"),
            ("phase.2.optimizer.adam.learning_rate", "1e-5"),
            ("evaluate.metrics", "[\"loss\"]"),
            ("evaluate.metrics.1.accuracy.logit", "0.25"),
            ("evaluate.metrics.1.accuracy.probability", "0.5"),
            ("evaluate.metrics.1.accuracy.probability", "0.6"),
        ],
    },
    Group {
        recipe: "minimal",
        given: &[],
        changes: &[
            ("dataset.drawn.seed", "4"),
            ("dataset.drawn.train", "11"),
            ("dataset.drawn.validation", "6"),
            ("dataset.drawn.test", "6"),
        ],
    },
    Group {
        recipe: "minimal",
        given: &[
            "artifact.photos.path=p",
            "dataset.folders={ artifact = \"photos\", train = \"a\", validation = \"b\", test = \"c\" }",
        ],
        changes: &[("dataset.folders.test", "\"d\"")],
    },
    Group {
        recipe: "minimal",
        given: &[
            "artifact.photos.path=p",
            "dataset.folders={ artifact = \"photos\", train = \"a\", test = \"b\" }",
            "split.validation={ from = \"train\", fraction = 0.2 }",
        ],
        changes: &[
            ("split.validation.from", "\"test\""),
            ("split.validation.fraction", "0.3"),
            ("split.validation.count", "1"),
            ("split.validation.batches", "1"),
        ],
    },
];

/// What changes no bit.
const STILL: &[Group] = &[
    Group {
        recipe: "good",
        given: &[],
        changes: &[
            ("title", "\"Another\""),
            ("seed", "8"),
            (
                "artifact.photos.urls",
                "[\"https://example.org/photos.zip\", \"https://mirror.example.org/p.zip\"]",
            ),
            ("artifact.photos.path", "\"/photos\""),
            ("artifact.photos.size", "1001"),
            ("artifact.photos.max_size", "200_000"),
            (
                "artifact.photos.sha256",
                "\"0000000000000000000000000000000000000000000000000000000000000000\"",
            ),
            (
                "artifact.photos.content",
                "\"h1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"",
            ),
            ("phase.0.name", "\"first\""),
            ("phase.1.first_epoch", "3"),
            ("published", "[]"),
            ("published.0.source", "\"another paper\""),
            ("published.0.figure", "\"test.loss\""),
            ("published.0.value", "0.8"),
            ("published.0.abs", "0.03"),
            ("published.0.better", "\"lower\""),
            ("check.tolerance.\"test.loss\"", "{ abs = 3 }"),
            ("check.tolerance.\"*.loss\".abs", "3"),
            ("check.tolerance.\"*.loss\".better", "\"lower\""),
            ("check.gate.alpha", "0.05"),
            ("check.gate.seeds", "5"),
            ("check.gate.figure.\"test.loss\".better", "\"lower\""),
            ("check.gate.figure.\"test.loss\".min_effect", "0.25"),
        ],
    },
    Group {
        recipe: "minimal",
        given: &[],
        changes: &[("check.least", "\"statistical\"")],
    },
];

impl Group {
    /// Each change with the recipe before and after it.
    fn each(&self, project: &Project, mut seen: impl FnMut(&str, &Recipe, &Recipe)) {
        let before = project.good(self.recipe, self.given);
        for (address, value) in self.changes {
            let change = format!("{address}={value}");
            let set = [self.given, &[change.as_str()]].concat();
            let mut after = project.good(self.recipe, &set);
            after.overridden = before.overridden;
            seen(&change, &before, &after);
        }
    }
}

#[test]
fn what_can_change_a_bit_changes_the_fingerprint() {
    let project = Project::new();
    let mut seen = BTreeMap::new();
    for group in MOVING {
        group.each(&project, |change, before, after| {
            assert_ne!(before.fingerprint(), after.fingerprint(), "{change}");
            if let Some(other) = seen.insert(after.fingerprint(), change.to_owned()) {
                panic!("{change} and {other} cannot be told apart");
            }
        });
    }
}

#[test]
fn what_changes_no_bit_leaves_the_fingerprint_alone() {
    let project = Project::new();
    for group in STILL {
        group.each(&project, |change, before, after| {
            assert_eq!(before.fingerprint(), after.fingerprint(), "{change}");
            assert_ne!(before, after, "{change} must be another recipe");
        });
    }
    let text = fs_err::read_to_string(project.path("good")).unwrap();
    project.write("renamed", text.replace("\"good\"", "\"renamed\""));
    let (good, renamed) = (project.good("good", &[]), project.good("renamed", &[]));
    assert_eq!(good.fingerprint(), renamed.fingerprint());
}

/// Keys with one value only, and what keeps a second one from coming unseen.
const ONE_VALUE: [(&str, &str); 2] = [
    ("format", "`format` must be 1, the only format"),
    (
        "input.augment.1.rotation.fill",
        "`fill` must be \"reflect\"\n",
    ),
];

/// A new key must be written into one of the lists above.
#[test]
fn the_lists_above_have_every_key_of_a_recipe() {
    let project = Project::new();
    let changes = MOVING.iter().chain(STILL).flat_map(|group| group.changes);
    let mut listed: BTreeSet<String> = changes.map(|(address, _)| general(address)).collect();
    for (address, must_be) in ONE_VALUE {
        let told = project.bad("good", &[&format!("{address}=2")]);
        assert!(told.contains(must_be), "{told}");
        listed.insert(general(address));
    }
    // No key of a recipe that is put together, or one with a test of its own.
    listed.extend(["extends", "name"].map(str::to_owned));

    let mut known = BTreeSet::new();
    for table in [
        "",
        "artifact.photos",
        "check.tolerance.\"*.loss\"",
        "check.gate.figure.\"test.loss\"",
    ] {
        find_keys(&project, table, &mut known);
    }
    // Tables with keys of the recipe's own choice, of which one was looked into.
    for table in ["artifact", "check.tolerance", "check.gate.figure"] {
        assert!(known.remove(table), "{known:?}");
    }
    let missing: Vec<&String> = known.difference(&listed).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(known.len() > 60, "{known:?}");
}

/// Asks the loader itself which keys there are: an unknown one is answered with those that are known.
fn find_keys(project: &Project, address: &str, known: &mut BTreeSet<String>) {
    const UNKNOWN: &str = "zzzzzzzzzzzzzzzz";
    let inside = |key: &str| match address {
        "" => key.to_owned(),
        _ => format!("{address}.{key}"),
    };
    let told = project.bad("good", &[&format!("{}=1", inside(UNKNOWN))]);
    if told.contains(&format!("has no element `{UNKNOWN}`")) {
        return find_keys(project, &inside("0"), known);
    }
    match told.split_once("known keys: ") {
        Some((_, keys)) => {
            let line = keys.lines().next().unwrap();
            for key in line.split(", ") {
                find_keys(project, &inside(key), known);
            }
        }
        None => {
            known.insert(general(address));
        }
    }
}

/// The address with `*` for positions, without those of plain values.
fn general(address: &str) -> String {
    let is_position = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = address
        .split('.')
        .map(|part| if is_position(part) { "*" } else { part });
    let general = parts.collect::<Vec<_>>().join(".");
    general.strip_suffix(".*").unwrap_or(&general).to_owned()
}

#[test]
fn a_key_that_equals_its_default_leaves_the_fingerprint_alone() {
    let project = Project::new();
    let base = project.good("minimal", &[]);
    let defaults = [
        "split.seed=3",
        "dataset.drawn.seed=3",
        "input.batch_size=32",
        "input.augment=[]",
        "input.orientation=\"ignore\"",
        "model.mobilenet_v2.alpha=1",
        "model.mobilenet_v2.alpha=1.0",
        "model.mobilenet_v2.head={ dropout = 0.2 }",
        "phase.0.first_epoch=1",
        "phase.1.first_epoch=2",
        "phase.0.optimizer.adam.beta_1=0.9",
        "phase.0.optimizer.adam.beta_2=0.999",
        "phase.0.optimizer.adam.epsilon=1e-7",
        "phase.1.optimizer.rmsprop.rho=0.9",
        "phase.1.optimizer.rmsprop.momentum=0",
        "phase.1.optimizer.rmsprop.epsilon=1e-7",
        "phase.2.optimizer.sgd.momentum=0.0",
        "phase.2.optimizer.sgd.momentum=-0.0",
        "phase.2.optimizer.sgd.nesterov=false",
        "evaluate.metrics=[\"loss\", \"accuracy\"]",
        "evaluate.metrics=[\"accuracy\"]",
        "evaluate.metrics=[{ accuracy = { probability = 0.5 } }, \"loss\"]",
        "artifact.weights.max_size=4294967296",
        "title=\"minimal\"",
    ];
    for default in defaults {
        let mut written = project.good("minimal", &[default]);
        assert_eq!(written.fingerprint(), base.fingerprint(), "{default}");
        written.overridden = false;
        assert_eq!(written, base, "{default}");
    }
    // Drawn pictures cannot be rejected, so that key has its default among folders.
    let folders = "dataset.folders={ artifact = \"weights\", train = \"a\", validation = \"b\", test = \"c\" }";
    let base = project.good("minimal", &[folders]).fingerprint();
    let written = project.good("minimal", &[folders, "dataset.folders.rejects=0"]);
    assert_eq!(written.fingerprint(), base);
}

#[test]
fn the_training_seed_moves_no_split() {
    let project = Project::new();
    let load = |seed: u64| {
        let request = goldrun::recipe::Request {
            root: project.root(),
            recipe: "quickstart".to_owned(),
            set: Vec::new(),
            seed: Some(seed),
        };
        goldrun::recipe::load(&request, goldrun::model::layer_names)
            .unwrap()
            .recipe
    };
    let (written, other) = (load(123), load(124));
    assert_eq!(other.seed, 124);
    assert_eq!(other.split, written.split);
    assert_eq!(other.dataset, written.dataset);
    assert_eq!(other.fingerprint(), written.fingerprint());
    assert!(other.overridden);
    assert!(!written.overridden, "the recipe's own seed changes nothing");
}
