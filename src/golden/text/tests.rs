//! Goldens as text.

use proptest::prelude::*;

use super::*;
use crate::golden::compare::tests::with;

/// A golden with a fact of each kind, and odd names.
fn golden() -> (Record, Seeds) {
    let class = Address::new("split.train.class");
    let mut record = with(&[
        ("seed", Fact::Integer(u64::MAX)),
        ("final.val_loss", Fact::Figure(-0.0)),
        ("test.logits", Fact::Figures(vec![0.1, -3.0, 1e-300, 1e22])),
        ("initial.parameters", Fact::Text("e777".to_owned())),
    ]);
    for (name, count) in [("cats", 1000), ("chien méchant", 1), ("001.Albatross", 2)] {
        record.facts.insert(class.join(name), Fact::Integer(count));
    }
    let lines = ["a = \"b\\n\"", "phase.0.epochs = 2", "phase.1.epochs = 1"];
    let lines = lines.map(str::to_owned).into();
    record
        .facts
        .insert(Address::new("recipe.canonical"), Fact::Lines(lines));
    record.made = [
        ("dirty".to_owned(), MadeValue::Flag(false)),
        ("threads".to_owned(), MadeValue::Integer(2)),
        ("seconds.decode".to_owned(), MadeValue::Number(1.0)),
        ("cpu".to_owned(), MadeValue::Text("AMD \"EPYC\"".to_owned())),
    ]
    .into();
    let seeds = Seeds {
        figures: ["test.loss", "test.accuracy"].map(Address::new).into(),
        runs: [(7, vec![0.25, 1.0]), (u64::MAX, vec![-0.0, 0.5])].into(),
    };
    (record, seeds)
}

fn text() -> String {
    let (record, seeds) = golden();
    write(&record, &seeds)
}

#[test]
fn reads_well() {
    insta::assert_snapshot!(text());
}

#[test]
fn comes_back() {
    let (record, seeds) = read(&text(), "here").unwrap();
    assert_eq!((record.clone(), seeds.clone()), golden());
    assert_eq!(write(&record, &seeds), text());
    let zero = &record.facts[&Address::new("final.val_loss")];
    assert!(matches!(zero, Fact::Figure(zero) if zero.is_sign_negative()));
}

#[test]
fn what_is_wrong_is_said() {
    let cases = [
        "",
        "format = \"1\"",
        "format = 2\nseed = 1",
        "format = 0",
        "format = 1\nseed = 1\nseed = 2",
        "format = 1\nseed = -1",
        "format = 1\nseed = true",
        "format = 1\ntest.logits = [1.0, \"a\"]",
        "format = 1\nrecipe.canonical = [1]",
        "format = 1\nseed = 2026-01-01",
        "format = 1\n\"a.b\" = 1",
        "format = 1\ntest.acuracy = 0.5",
        "format = 1\ntest.accuracy = nan",
        "format = 1\ntest.accuracy = inf",
        "format = 1\ntest.accuracy = 1",
        "format = 1\nphase.00.epoch.0.loss = 1.0",
        "format = 1\nmade = 1",
        "format = 1\nmade.x = []",
        "format = 1\nseeds = 1",
        "format = 1\nseeds.7 = [1.0]",
        "format = 1\nseeds.figures = [\"test.loss\"]\nseeds.7 = [1.0, 2.0]",
        "format = 1\nseeds.figures = [\"test.loss\"]\nseeds.x = [1.0]",
        "format = 1\n<<<<<<< HEAD",
        "format = 1\nseed = 1\n",
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|text| format!("{text}\n→ {}\n", read(text, "golden/x.toml").unwrap_err()))
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

/// Every line is needed: without one, or cut anywhere, it is no golden.
#[test]
fn a_golden_with_a_line_less_or_cut_off_is_an_error() {
    let (record, _) = golden();
    let text = write(&record, &Seeds::default());
    let facts = text.split_once("\n\n").unwrap().0;
    // Roles of artifacts and names of classes are free.
    let is_free = |line: &str| line.starts_with("artifact.") || line.contains(".class.");
    for (number, line) in facts.lines().enumerate() {
        let rest: Vec<&str> = facts
            .lines()
            .enumerate()
            .filter(|(other, _)| *other != number)
            .map(|(_, line)| line)
            .collect();
        let without = rest.join("\n");
        // A line of the canonical recipe other than the numbers of epochs says nothing about facts.
        if !is_free(line) && !line.contains("a = ") {
            let error = read(&without, "golden/x.toml").map(drop);
            let error = error.expect_err(line).to_string();
            assert!(error.contains("line "), "{line}: {error}");
        }
    }
    let last = facts.rfind('\n').unwrap();
    for end in (0..last).filter(|end| facts.is_char_boundary(*end)) {
        let error = read(&facts[..end], "golden/x.toml").map(drop);
        let error = error.expect_err(&facts[..end]).to_string();
        assert!(error.contains("line "), "{error}");
    }
}

#[test]
fn marks_of_a_merge_are_seen_anywhere() {
    let text = text();
    for number in 0..text.lines().count() {
        for mark in CONFLICT {
            let mut lines: Vec<&str> = text.lines().collect();
            lines.insert(number, mark);
            let error = read(&lines.join("\n"), "golden/x.toml").map(drop);
            let error = error.expect_err(mark).to_string();
            assert!(error.contains("line "), "{error}");
        }
    }
}

fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_0-9]{1,6}",
        any::<String>(),
        Just(String::new()),
        Just("\u{7f}\"\\ \u{85}'#=[\n\r\t]\0".to_owned()),
    ]
}

fn finite() -> impl Strategy<Value = f64> {
    let bits = any::<u64>().prop_map(f64::from_bits);
    bits.prop_filter("finite", |figure| figure.is_finite())
}

proptest! {
    #[test]
    fn any_golden_comes_back(
        classes in prop::collection::vec((part(), any::<u64>()), 0..6),
        figures in prop::collection::vec(finite(), 3),
        logits in prop::collection::vec(finite(), 0..4),
        words in any::<String>(),
        lines in prop::collection::vec(any::<String>(), 0..4),
        seeds in prop::collection::vec((any::<u64>(), finite()), 0..4),
    ) {
        let mut record = golden().0;
        let class = Address::new("split.test.class");
        for (name, count) in classes {
            record.facts.insert(class.join(&name), Fact::Integer(count));
        }
        for (address, figure) in ["test.loss", "initial.val_loss", "phase.0.epoch.1.accuracy"]
            .into_iter()
            .zip(figures)
        {
            record.facts.insert(Address::new(address), Fact::Figure(figure));
        }
        record.facts.insert(Address::new("test.logits"), Fact::Figures(logits));
        record.facts.insert(Address::new("recipe.fingerprint"), Fact::Text(words));
        let canonical = Address::new("recipe.canonical");
        if let Some(Fact::Lines(of_epochs)) = record.facts.get_mut(&canonical) {
            of_epochs.extend(lines.into_iter().filter(|line| !line.contains(".epochs = ")));
        }
        let seeds = Seeds {
            figures: vec![Address::new("test.loss")],
            runs: seeds.into_iter().map(|(seed, figure)| (seed, vec![figure])).collect(),
        };
        let seeds = if seeds.runs.is_empty() { Seeds::default() } else { seeds };
        let text = write(&record, &seeds);
        let (back, seeds_back) = read(&text, "here").unwrap();
        prop_assert_eq!(&back, &record);
        prop_assert_eq!(&seeds_back, &seeds);
        prop_assert_eq!(write(&back, &seeds_back), text);
    }
}
