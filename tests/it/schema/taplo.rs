//! taplo, which editors have inside, about our recipes; as `just taplo` installs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::skip_unless_required;

/// Recipes that are wrong in what no schema can see: what other files hold.
const UNSEEN: [(&str, &str); 3] = [
    ("about", "extends a recipe that extends it"),
    ("orphan", "extends a recipe that is not there"),
    ("round", "extends a recipe that extends it"),
];
/// Recipes that are right.
const RIGHT: [&str; 2] = ["good", "minimal"];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where `just taplo` puts it; none where it was not called.
fn taplo(test: &str) -> Option<PathBuf> {
    let folder = repository().join("target/taplo/node_modules/@taplo/cli");
    if folder.is_dir() {
        return Some(folder.join("dist/cli.js"));
    }
    skip_unless_required(test, "taplo", "`just taplo` was not called");
    None
}

/// What taplo says of files; `Err` where it refuses one. Nothing that it would need is on the network.
fn lint(taplo: &Path, options: &[&str], files: &[PathBuf]) -> Result<String, String> {
    let output = Command::new("node")
        .arg(taplo)
        .args(["lint", "--colors", "never", "--no-auto-config"])
        .args(options)
        .args(files)
        .env_remove("TAPLO_CONFIG")
        .env("RUST_LOG", "info")
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!said.contains("failed to load schema"), "{said}");
    if output.status.success() {
        Ok(said)
    } else {
        Err(said)
    }
}

fn recipes_in(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs_err::read_dir(repository().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    files
}

#[test]
fn it_takes_every_recipe_by_the_schema_that_the_recipe_names() {
    let test = "it_takes_every_recipe_by_the_schema_that_the_recipe_names";
    let Some(taplo) = taplo(test) else {
        return;
    };
    let recipes = recipes_in("recipes");
    assert_eq!(recipes.len(), 5, "{recipes:?}");
    let said = lint(&taplo, &[], &recipes).unwrap_or_else(|said| panic!("{said}"));
    assert!(said.contains("found files total=5"), "{said}");
    // That it looked at the schema: beside a broken copy of a recipe it does not pass.
    let temporary = tempfile::tempdir().unwrap();
    for (folder, file) in [
        ("docs", "recipe.schema.json"),
        ("recipes", "tutorial-224.toml"),
    ] {
        fs_err::create_dir(temporary.path().join(folder)).unwrap();
        let path = Path::new(folder).join(file);
        let text = fs_err::read_to_string(repository().join(&path)).unwrap();
        fs_err::write(
            temporary.path().join(&path),
            text.replace("\nname ", "\nnmae "),
        )
        .unwrap();
    }
    let broken = temporary.path().join("recipes/tutorial-224.toml");
    let said = lint(&taplo, &[], &[broken]).unwrap_err();
    assert!(said.contains("'nmae' was unexpected"), "{said}");
    assert!(said.contains("\"name\" is a required property"), "{said}");
}

#[test]
fn it_refuses_what_a_schema_can_see() {
    let test = "it_refuses_what_a_schema_can_see";
    let Some(taplo) = taplo(test) else {
        return;
    };
    let schema = format!(
        "file://{}",
        repository().join("docs/recipe.schema.json").display()
    );
    let mut refused = 0;
    for file in recipes_in("tests/fixtures/recipes") {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let said = lint(&taplo, &["--schema", &schema], std::slice::from_ref(&file));
        let unseen = UNSEEN.iter().find(|(unseen, _)| *unseen == name);
        match (said, unseen) {
            (Ok(_), Some(_)) => {}
            (Ok(_), None) => assert!(
                RIGHT.contains(&name),
                "{name} passes: what is wrong with it is not seen"
            ),
            (Err(said), Some((_, why))) => {
                panic!("{name} is seen after all, though it {why}: {said}")
            }
            (Err(said), None) => {
                assert!(!RIGHT.contains(&name), "{name} is right: {said}");
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 9);
}
