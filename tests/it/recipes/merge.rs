//! `extends` and `--set`.

use goldrun::recipe::{
    Amount, Augmentation, Dataset, Metric, Optimizer, Source, SplitName, Threshold, Trainable,
};

use super::Project;

/// `good` with `lines` laid over it by a recipe that extends it.
fn extended(lines: &str) -> goldrun::recipe::Recipe {
    let project = Project::new();
    project.write(
        "over",
        format!("extends = \"good.toml\"\nname = \"over\"\n{lines}"),
    );
    project.good("over", &[])
}

#[test]
fn tables_merge_key_by_key() {
    let base = Project::new().good("good", &[]);
    let over = extended("[input]\nbatch_size = 8\n[model.mobilenet_v2.head]\ndropout = 0.5\n");
    assert_eq!(over.input.batch_size, 8);
    assert_eq!(over.input.image_size, base.input.image_size);
    assert_eq!(over.title, base.title);
    assert_ne!(over.model, base.model);
}

#[test]
fn another_kind_replaces_its_sibling() {
    let sgd = extended("[[phase]]\nname = \"head\"\noptimizer.sgd = { learning_rate = 1 }\n");
    let plain = Optimizer::Sgd {
        learning_rate: 1.0,
        momentum: 0.0,
        nesterov: false,
    };
    assert_eq!(sgd.phases[0].optimizer, plain);

    let batches = extended("[split.test]\nbatches = 3\n");
    let cut = batches.split.test.unwrap();
    assert_eq!(cut.amount, Amount::Batches(3));
    assert_eq!(cut.from, SplitName::Validation);

    let drawn = extended("[dataset.drawn]\ntrain = 10\nvalidation = 20\n");
    assert!(matches!(drawn.dataset, Dataset::Drawn(_)));
    assert!(
        !drawn.artifacts.contains_key("photos"),
        "nothing needs it any more"
    );

    let local = extended("[artifact.photos]\npath = \"photos\"\n");
    assert!(matches!(local.artifacts["photos"].source, Source::Path(_)));
}

#[test]
fn the_same_kind_merges() {
    let adam = extended("[[phase]]\nname = \"head\"\noptimizer.adam.beta_1 = 0.7\n");
    let Optimizer::Adam {
        learning_rate,
        beta_1,
        beta_2,
        ..
    } = adam.phases[0].optimizer
    else {
        panic!("still Adam");
    };
    assert_eq!((learning_rate, beta_1, beta_2), (1e-3, 0.7, 0.99));
}

#[test]
fn phases_merge_by_name_and_new_ones_follow() {
    let over = extended(
        "[[phase]]\nname = \"last\"\nepochs = 9\ntrain = \"all\"\noptimizer.sgd.learning_rate = 1\n\
         [[phase]]\nname = \"top\"\nepochs = 5\n",
    );
    let shape =
        |phase: &goldrun::recipe::Phase| (phase.name.clone(), phase.epochs, phase.first_epoch);
    let shapes: Vec<_> = over.phases.iter().map(shape).collect();
    assert_eq!(
        shapes,
        [
            ("head".to_owned(), 2, 1),
            ("top".to_owned(), 5, 2),
            ("everything".to_owned(), 1, 7),
            ("last".to_owned(), 9, 8),
        ]
    );
    assert_eq!(
        over.phases[1].train,
        Trainable::FromName("block_11_expand_relu".to_owned())
    );
}

#[test]
fn other_arrays_are_replaced_whole() {
    let over = extended("[input]\naugment = [{ rotation = { turn = 0.5 } }]\n");
    assert_eq!(over.input.augment, [Augmentation::Rotation { turn: 0.5 }]);
    let urls = extended("[artifact.photos]\nurls = [\"https://example.org/other.zip\"]\n");
    let wanted = Source::Urls(vec!["https://example.org/other.zip".to_owned()]);
    assert_eq!(urls.artifacts["photos"].source, wanted);
}

#[test]
fn what_a_source_claims_and_how_a_golden_is_held_is_never_inherited() {
    let over = extended("");
    assert!(over.published.is_empty());
    assert!(over.check.tolerances.is_empty());
    assert_eq!(over.name, "over");
}

#[test]
fn a_relative_path_belongs_to_the_file_that_wrote_it() {
    let project = Project::new();
    let deep = project.root().join("recipes/deep");
    fs_err::create_dir_all(&deep).unwrap();
    fs_err::write(
        deep.join("over.toml"),
        "extends = \"../good.toml\"\nname = \"over\"\n[artifact.photos]\nurls = [\"here.zip\"]\n",
    )
    .unwrap();
    let over = project.good(&deep.join("over.toml").display().to_string(), &[]);
    let recipes = project.root().join("recipes");
    assert_eq!(
        over.artifacts["weights"].source,
        Source::Path(recipes.join("weights/good.safetensors"))
    );
    let here = deep.join("here.zip").display().to_string();
    assert_eq!(over.artifacts["photos"].source, Source::Urls(vec![here]));
    let here = std::env::current_dir().unwrap();
    let set = project.good("good", &["artifact.weights.path=w.safetensors"]);
    assert_eq!(
        set.artifacts["weights"].source,
        Source::Path(here.join("w.safetensors"))
    );
}

#[test]
fn extends_goes_on_and_a_long_way_is_a_circle() {
    let project = Project::new();
    let mut last = "good".to_owned();
    for number in 0..20 {
        let name = format!("step{number}");
        project.write(
            &name,
            format!("extends = \"{last}.toml\"\nname = \"{name}\"\n"),
        );
        last = name;
    }
    assert_eq!(project.good("step14", &[]).seed, 7);
    assert!(project.load("step19", &[]).is_err());
}

#[test]
fn arguments_are_typed_and_index_arrays() {
    let project = Project::new();
    let recipe = project.good(
        "good",
        &[
            "phase.0.epochs=5",
            "phase.1.optimizer.adam={ learning_rate = 0.5 }",
            "phase.1.train.from=-54",
            "phase.2.train=head",
            "input.augment.1.rotation.turn=0.25",
            "evaluate.metrics.1.accuracy.probability=0.75",
            "artifact.photos.urls=[\"http://127.0.0.1:1/a.zip\"]",
            "split.test.count=3",
            "seed=9",
        ],
    );
    assert_eq!(recipe.phases[0].epochs, 5);
    assert!(matches!(
        recipe.phases[1].optimizer,
        Optimizer::Adam {
            learning_rate: 0.5,
            ..
        }
    ));
    assert_eq!(recipe.phases[1].train, Trainable::FromIndex(-54));
    assert_eq!(recipe.phases[2].train, Trainable::Head);
    assert_eq!(
        recipe.input.augment[1],
        Augmentation::Rotation { turn: 0.25 }
    );
    let accuracy = Metric::Accuracy {
        threshold: Threshold::Probability(0.75),
    };
    assert_eq!(recipe.metrics[1], accuracy);
    assert_eq!(recipe.split.test.unwrap().amount, Amount::Count(3));
    assert_eq!(recipe.seed, 9);
    assert!(recipe.overridden);
    assert_eq!(
        project.good("good", &["seed=8", "seed=9"]).seed,
        9,
        "later wins"
    );
}

#[test]
fn figures_that_an_argument_takes_away_are_no_mistake() {
    let project = Project::new();
    let figures = |set: &str| -> Vec<String> {
        let published = project.good("good", &[set]).published;
        published.into_iter().map(|one| one.figure).collect()
    };
    let written = ["test.accuracy", "phase.1.epoch.2.loss"];
    for set in [
        "phase.1.epochs=1",
        "phase.1={ epochs = 1 }",
        "evaluate.metrics=[\"loss\"]",
        "evaluate={ metrics = [\"loss\"] }",
    ] {
        assert_eq!(figures(set), written, "{set}");
    }
    project.good("tutorial", &["phase.1.epochs=1"]);
    // One that an argument gives is none either.
    assert_eq!(
        figures("published=[{ source = \"me\", figure = \"phase.0.epoch.1.loss\", value = 1 }]"),
        ["phase.0.epoch.1.loss"]
    );
}

#[test]
fn an_argument_excuses_no_address_that_was_wrong_before() {
    let project = Project::new();
    let text = fs_err::read_to_string(project.path("good")).unwrap();
    project.write(
        "good",
        text.replace("phase.1.epoch.2.loss", "phase.1.epoch.3.loss"),
    );
    let plain = project.bad("good", &[]);
    assert!(plain.contains("phase 1 has 3 epochs, 0 to 2"), "{plain}");
    assert_eq!(project.bad("good", &["title=\"Another\""]), plain);
    project.good("good", &["phase.1.epochs=4"]);
}

#[test]
fn tolerances_keep_their_order_and_arguments_come_first() {
    let project = Project::new();
    let patterns = |set: &[&str]| -> Vec<String> {
        let check = project.good("good", set).check;
        check
            .tolerances
            .into_iter()
            .map(|(pattern, _)| pattern)
            .collect()
    };
    let written = ["phase.*.epoch.*.val_accuracy", "*.loss", "final.val_loss"];
    assert_eq!(patterns(&[]), written);
    let first = patterns(&["check.tolerance.\"test.loss\"={ abs = 1 }"]);
    assert_eq!(first[0], "test.loss");
    assert_eq!(first[1..], written);
}
