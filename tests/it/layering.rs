//! Who may import whom: every `crate::<module>` in `src` against the table of ARCHITECTURE.md.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Module, and what it may import beside itself.
const ALLOWED: [(&str, &[&str]); 19] = [
    ("whole", &[]),
    ("digest", &[]),
    ("recipe", &["whole", "digest"]),
    ("record", &["recipe"]),
    ("random", &[]),
    ("kernels", &[]),
    ("artifacts", &["digest", "recipe", "record"]),
    (
        "dataset",
        &[
            "digest",
            "recipe",
            "record",
            "random",
            "kernels",
            "artifacts",
        ],
    ),
    (
        "model",
        &["whole", "digest", "recipe", "random", "artifacts"],
    ),
    (
        "engine",
        &[
            "digest",
            "recipe",
            "record",
            "random",
            "kernels",
            "artifacts",
            "dataset",
            "model",
        ],
    ),
    ("evaluate", &["recipe", "record"]),
    ("golden", &["whole", "recipe", "record"]),
    (
        "train",
        &[
            "whole", "digest", "recipe", "record", "random", "dataset", "model", "engine",
            "evaluate",
        ],
    ),
    (
        "predict",
        &["record", "kernels", "dataset", "model", "engine"],
    ),
    ("export", &["recipe", "kernels", "model"]),
    ("run", BELOW_CLI.split_at(BELOW_RUN).0),
    (
        "vendor",
        &["digest", "recipe", "record", "artifacts", "golden"],
    ),
    ("report", &["recipe", "record", "golden", "evaluate"]),
    ("cli", &BELOW_CLI),
];

/// How many of [`BELOW_CLI`] `run` may import: all but itself and what is done with runs that are over.
const BELOW_RUN: usize = 13;

/// Everything, from the lowest.
const BELOW_CLI: [&str; 18] = [
    "whole",
    "digest",
    "recipe",
    "record",
    "random",
    "kernels",
    "artifacts",
    "dataset",
    "model",
    "engine",
    "evaluate",
    "golden",
    "train",
    "run",
    "predict",
    "export",
    "vendor",
    "report",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Modules that a text names as `crate::<module>`, also in a brace list.
fn imports(text: &str) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for after in text.split("crate::").skip(1) {
        let items = match after.strip_prefix('{') {
            Some(list) => items(list),
            None => vec![after],
        };
        for item in items {
            let word = item.trim().split(|c: char| !c.is_ascii_lowercase()).next();
            modules.extend(word.filter(|word| !word.is_empty()).map(str::to_owned));
        }
    }
    modules
}

/// The items of a brace list, which goes on to the brace that closes it: items may hold lists of their own.
fn items(list: &str) -> Vec<&str> {
    let mut depth = 0;
    let mut start = 0;
    let mut items = Vec::new();
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth > 0 => {}
            ',' | '}' => {
                items.push(&list[start..at]);
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    items
}

#[test]
fn modules_import_only_what_lies_below() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = 0;
    for (module, allowed) in ALLOWED {
        let mut files = Vec::new();
        let folder = source.join(module);
        if folder.is_dir() {
            sources(&folder, &mut files);
        }
        files.extend(Some(source.join(format!("{module}.rs"))).filter(|file| file.is_file()));
        assert!(!files.is_empty(), "no source of {module}");
        for file in files {
            seen += 1;
            for import in imports(&fs_err::read_to_string(&file).unwrap()) {
                assert!(
                    import == module || allowed.contains(&import.as_str()),
                    "{} imports {import}, which lies above {module}",
                    file.display()
                );
            }
        }
    }
    assert!(seen > 40, "only {seen} files were read");
}

#[test]
fn every_module_is_in_the_table() {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let library = fs_err::read_to_string(library).unwrap();
    let modules: BTreeSet<&str> = library
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    let listed: BTreeSet<&str> = ALLOWED.iter().map(|(module, _)| *module).collect();
    assert_eq!(modules, listed);
}

#[test]
fn imports_are_found() {
    let text = "use crate::{model, recipe::X};\nuse crate::random::Stream; crate::kernels::Level";
    let found: Vec<String> = imports(text).into_iter().collect();
    assert_eq!(found, ["kernels", "model", "random", "recipe"]);
    let nested = "use crate::{\n    a::{b, c::{d}, e},\n    golden,\n};\nfn f() -> {x, y}";
    let found: Vec<String> = imports(nested).into_iter().collect();
    assert_eq!(found, ["a", "golden"], "a list in a list hides nothing");
}
