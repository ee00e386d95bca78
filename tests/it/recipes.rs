//! Recipes as people meet them: the shipped ones load, and mistakes are shown where they are.

use std::path::{Path, PathBuf};

use goldrun::model::layer_names;
use goldrun::recipe::{self, Error, Loaded, Request};

mod fingerprint;
mod merge;
mod never_panics;
mod pin;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A project of its own with all fixtures as its recipes.
pub struct Project(tempfile::TempDir);

impl Project {
    pub fn new() -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        fs_err::create_dir_all(project.root().join("recipes")).unwrap();
        let fixtures = repository().join("tests/fixtures/recipes");
        for entry in fs_err::read_dir(fixtures).unwrap() {
            let path = entry.unwrap().path();
            let text = fs_err::read_to_string(&path).unwrap();
            project.write(path.file_stem().unwrap().to_str().unwrap(), &text);
        }
        project
    }

    fn root(&self) -> PathBuf {
        fs_err::canonicalize(self.0.path()).unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(format!("recipes/{name}.toml"))
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs_err::write(self.path(name), text).unwrap();
    }

    pub fn load(&self, name: &str, set: &[&str]) -> Result<Loaded, Error> {
        let request = Request {
            root: self.root(),
            recipe: name.to_owned(),
            set: set.iter().map(|&argument| argument.to_owned()).collect(),
            seed: None,
        };
        recipe::load(&request, layer_names)
    }

    /// The recipe, which is right.
    fn good(&self, name: &str, set: &[&str]) -> recipe::Recipe {
        match self.load(name, set) {
            Ok(loaded) => loaded.recipe,
            Err(error) => panic!("{error}"),
        }
    }

    /// What a user reads about a recipe that is wrong.
    fn bad(&self, name: &str, set: &[&str]) -> String {
        let error = self.load(name, set).unwrap_err();
        let root = self.root().display().to_string();
        error.to_string().replace(&root, "[project]")
    }
}

#[test]
fn slips_are_all_shown_at_once() {
    insta::assert_snapshot!(Project::new().bad("slips", &[]));
}

#[test]
fn what_does_not_go_together_is_shown_with_both_places() {
    insta::assert_snapshot!(Project::new().bad("crosses", &[]));
}

#[test]
fn syntax_errors_are_all_shown_at_once() {
    insta::assert_snapshot!(Project::new().bad("syntax", &[]));
}

#[test]
fn what_is_written_twice_is_shown_where_it_is_again() {
    insta::assert_snapshot!(Project::new().bad("twice", &[]));
}

#[test]
fn an_empty_file_is_told_what_it_needs() {
    insta::assert_snapshot!(Project::new().bad("empty", &[]));
}

#[test]
fn a_recipe_without_phases_is_refused() {
    insta::assert_snapshot!(Project::new().bad("no_phase", &[]));
}

#[test]
fn problems_of_an_extended_recipe_are_shown_in_its_own_file() {
    insta::assert_snapshot!(Project::new().bad("child", &[]));
}

#[test]
fn a_syntax_error_of_an_extended_recipe_is_shown_in_its_own_file() {
    let project = Project::new();
    project.write("over", "extends = \"syntax.toml\"\nname = \"over\"\n");
    let told = project.bad("over", &[]);
    assert!(told.contains(" --> recipes/syntax.toml:2:15"), "{told}");
    assert!(told.ends_with("recipes/over.toml: 4 problems"), "{told}");
}

#[test]
fn a_missing_key_is_missing_in_the_file_whatever_is_set() {
    let project = Project::new();
    let minimal = fs_err::read_to_string(project.path("minimal")).unwrap();
    project.write("minimal", minimal.replace("seed   = 3\n", "extend = 3\n"));
    insta::assert_snapshot!(project.bad("minimal", &["title=Mine", "phase.0.epochs=3"]));
}

#[test]
fn recipes_that_extend_each_other_in_a_circle_are_refused() {
    insta::assert_snapshot!(Project::new().bad("round", &[]));
}

#[test]
fn an_extended_recipe_that_is_not_there_is_named() {
    insta::assert_snapshot!(Project::new().bad("orphan", &[]));
}

#[test]
fn a_format_of_the_future_is_the_only_problem() {
    insta::assert_snapshot!(Project::new().bad("future", &[]));
}

#[test]
fn arguments_are_shown_where_they_are_wrong() {
    let set = [
        "phase.0.epochs=ten",
        "phase.3.epochs=2",
        "phase.1.optimizer.sgd.learning_rte=0.1",
        "input.image_size=64",
        "input.augment.1.flip=vertical",
        "evaluate",
        "phase..epochs=2",
        "extends=tutorial.toml",
        "input.batch_size=[1",
    ];
    insta::assert_snapshot!(Project::new().bad("good", &set));
}

#[test]
fn a_layer_that_is_not_there_is_shown_with_all_other_problems() {
    let set = [
        "phase.0.train.from=block_99",
        "phase.1.train.from=-154",
        "input.batch_size=0",
        "model.mobilenet_v2.weights=",
    ];
    insta::assert_snapshot!(Project::new().bad("good", &set));
    let project = Project::new();
    assert!(project.load("good", &["phase.1.train.from=-153"]).is_ok());
    assert!(project.load("good", &["phase.1.train.from=0"]).is_err());
    assert!(project.load("good", &["phase.1.train.from=Conv1"]).is_ok());
}

#[test]
fn what_does_not_go_together_is_shown_in_the_argument_that_decides() {
    let project = Project::new();
    let good = fs_err::read_to_string(project.path("good")).unwrap();
    let good = good.replace("validation = \"photos/validation\"\n", "").replace(
        "[split.test]\nfrom     = \"validation\"\n",
        "[split.validation]\nfrom = \"train\"\nfraction = 0.3\n\n[split.test]\nfrom = \"train\"\n",
    );
    project.write("good", good);
    project.good("good", &[]);
    insta::assert_snapshot!(project.bad("good", &["split.test.fraction=0.9"]));
    insta::assert_snapshot!(project.bad("good", &["split.validation.fraction=0.8"]));
}

#[test]
fn a_name_that_is_not_there_comes_with_those_that_are() {
    insta::assert_snapshot!(Project::new().bad("tutoral", &[]));
    insta::assert_snapshot!(Project::new().bad("mnist", &[]));
}

#[test]
fn a_path_that_is_not_there_is_named() {
    let project = Project::new();
    let path = |name: &str| project.path(name).display().to_string();
    insta::assert_snapshot!(project.bad(&path("gone"), &[]));
    insta::assert_snapshot!(project.bad(&path("parnet"), &[]));
}

#[test]
fn what_is_no_text_is_no_recipe() {
    let project = Project::new();
    project.write("picture", b"format = 1\n\xff\xd8\xff\xe0");
    insta::assert_snapshot!(project.bad("picture", &[]));
    project.write("archive", vec![b'a'; 2 << 20]);
    insta::assert_snapshot!(project.bad("archive", &[]));
}

#[test]
fn a_seed_that_toml_cannot_hold_is_refused() {
    let project = Project::new();
    let mut request = Request {
        root: project.root(),
        recipe: "good".to_owned(),
        set: Vec::new(),
        seed: Some(1 << 63),
    };
    insta::assert_snapshot!(recipe::load(&request, layer_names).unwrap_err());
    request.seed = Some((1 << 63) - 1);
    let recipe = recipe::load(&request, layer_names).unwrap().recipe;
    assert_eq!((recipe.seed, recipe.split.seed), ((1 << 63) - 1, 11));
    assert!(recipe.overridden);
}

#[test]
fn color_changes_only_the_look() {
    let error = Project::new().load("future", &[]).unwrap_err();
    let colored = error.render(true);
    assert!(colored.contains("\u{1b}["));
    let plain = error.render(false);
    assert!(!plain.contains('\u{1b}'));
    assert_eq!(plain, error.to_string());
}

#[test]
fn every_recipe_of_the_repository_loads() {
    let mut files = Vec::new();
    collect(&repository().join("recipes"), &mut files);
    files.sort();
    for path in &files {
        let request = Request {
            root: repository().to_path_buf(),
            recipe: path.display().to_string(),
            ..Request::default()
        };
        let loaded = recipe::load(&request, layer_names).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(loaded.path.as_deref(), Some(path.as_path()));
        assert!(!loaded.recipe.overridden);
        assert!(
            loaded
                .text
                .starts_with("#:schema ../docs/recipe.schema.json\n# "),
            "{path:?} opens with its schema and a comment"
        );
        for part in ["# Source ", "# Run ", "# Expected "] {
            assert!(loaded.text.contains(part), "{path:?} says {part:?}");
        }
    }
    assert_eq!(files.len(), 5, "{files:?}");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            files.push(path);
        }
    }
}

#[test]
fn the_shipped_recipes_are_those_of_the_repository() {
    let folder = repository().join("recipes");
    let names: Vec<&str> = recipe::shipped::names().collect();
    let all = [
        "head-only",
        "quickstart",
        "stepwise",
        "tutorial-224",
        "tutorial",
    ];
    assert_eq!(names, all);

    let elsewhere = tempfile::tempdir().unwrap();
    for name in names {
        let request = |root: &Path| Request {
            root: root.to_path_buf(),
            recipe: name.to_owned(),
            ..Request::default()
        };
        let shipped = recipe::load(&request(elsewhere.path()), layer_names).unwrap();
        let local = recipe::load(&request(repository()), layer_names).unwrap();
        assert_eq!(shipped.path, None);
        assert_eq!(local.path, Some(folder.join(format!("{name}.toml"))));
        assert_eq!(shipped.text, local.text);
        assert_eq!(shipped.recipe.fingerprint(), local.recipe.fingerprint());
        for artifact in shipped.recipe.artifacts.values() {
            if let recipe::Source::Shipped(path) = &artifact.source {
                let bytes = recipe::shipped::file(path).unwrap();
                assert_eq!(bytes, fs_err::read(folder.join(path)).unwrap());
            }
        }
    }
}

#[test]
fn a_local_recipe_hides_the_shipped_one_and_may_build_on_it() {
    let project = Project::new();
    project.write(
        "mine",
        "extends = \"quickstart.toml\"\nname = \"mine\"\nsplit.seed = 5\n",
    );
    let mine = project.load("mine", &[]).unwrap();
    assert_eq!(mine.recipe.split.seed, 5);
    assert_eq!(
        mine.recipe.artifacts["weights"].source,
        recipe::Source::Shipped("weights/quickstart.safetensors".to_owned())
    );
    project.write(
        "quickstart",
        "extends = \"good.toml\"\nname = \"quickstart\"\n",
    );
    let local = project.load("quickstart", &[]).unwrap();
    assert_eq!(local.path, Some(project.path("quickstart")));
    assert_eq!(local.recipe.title, "Every key");
    let listed = recipe::list(&project.root()).unwrap();
    let found = |name: &str| listed.iter().find(|found| found.name == name).unwrap();
    assert_eq!(found("quickstart").path, Some(project.path("quickstart")));
    assert_eq!(found("tutorial").path, None);
    assert!(listed.is_sorted_by(|a, b| a.name < b.name));
}

#[test]
fn the_project_is_the_nearest_folder_with_recipes() {
    let project = Project::new();
    let deep = project.root().join("a/b");
    fs_err::create_dir_all(&deep).unwrap();
    assert_eq!(recipe::project_root(&deep), project.root());
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(recipe::project_root(elsewhere.path()), elsewhere.path());
}

#[test]
fn the_tutorial_says_what_the_tutorial_says() {
    let project = Project::new();
    insta::assert_debug_snapshot!(project.good("tutorial", &[]));
    insta::assert_debug_snapshot!(project.good("quickstart", &[]));
}
