//! From a name or a path to a recipe: read it, follow `extends`, lay `--set` over it, decide.

use std::path::{Path, PathBuf};

use super::error::{Error, Report};
use super::file::{EXTENDS, FORMAT, MERGE, NEVER_INHERITED, RecipeFile};
use super::location::{Location, find, resolve};
use super::syntax::{
    Base, Decode, Merger, Node, Origin, Place, Problem, Problems, Sources, Value, parse,
};
use super::{Model, Recipe};

/// Longest chain of `extends`.
const DEEPEST: usize = 16;

/// Which recipe, and what the command line changes in it.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The project: its `recipes/` holds the local recipes.
    pub root: PathBuf,
    /// A path or a name.
    pub recipe: String,
    /// `--set` arguments, `address=value`; later ones win.
    pub set: Vec<String>,
    /// `--seed`: the training seed; splits and drawn pictures keep theirs.
    pub seed: Option<u64>,
}

/// The names of a model's layers by their index: what a backbone is made of is not a recipe's knowledge.
pub type Layers = fn(&Model) -> Vec<String>;

/// A recipe that was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub recipe: Recipe,
    /// Its file; `None` for a recipe inside the binary.
    pub path: Option<PathBuf>,
    /// Its text, without what it extends.
    pub text: String,
    /// The files that it is written in: its own, then what each one extends.
    pub files: Vec<Written>,
}

/// A file that a recipe is written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its name, without a folder.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// Reads a recipe; all its problems come back at once, also that it names layers that `layers` does not.
pub fn load(request: &Request, layers: Layers) -> Result<Loaded, Error> {
    let location = find(&request.root, &request.recipe)?;
    let text = location.read()?;
    let stem = location.stem();
    let shown = location.shown(&request.root);
    let mut loader = Loader {
        root: &request.root,
        sources: Sources::default(),
        problems: Problems::default(),
        chain: Vec::new(),
        files: Vec::new(),
        layers,
    };
    let recipe = loader.recipe(&location, &text, request, &stem);
    let Loader {
        sources,
        problems,
        files,
        ..
    } = loader;
    match recipe {
        Some(mut recipe) if problems.is_empty() => {
            let seed = request.seed.unwrap_or(recipe.seed);
            recipe.overridden = !request.set.is_empty() || seed != recipe.seed;
            recipe.seed = seed;
            Ok(Loaded {
                recipe,
                path: location.into_path(),
                text,
                files,
            })
        }
        _ => Err(Error::Invalid(Box::new(Report::new(
            shown, sources, problems,
        )))),
    }
}

struct Loader<'a> {
    root: &'a Path,
    sources: Sources,
    problems: Problems,
    /// The files that extend one another, the first asked for first.
    chain: Vec<Location>,
    files: Vec<Written>,
    layers: Layers,
}

impl Loader<'_> {
    fn recipe(
        &mut self,
        location: &Location,
        text: &str,
        request: &Request,
        stem: &str,
    ) -> Option<Recipe> {
        let mut tree = self.file(location, text)?;
        // Whatever is wrong with it now is found again below, or an argument puts it right.
        let as_written = RecipeFile::decode(&tree, &mut Problems::default())?.measured();
        for argument in &request.set {
            tree = self.set(tree, argument);
        }
        self.check_seed(request.seed);
        let file = RecipeFile::decode(&tree, &mut self.problems)?;
        file.check(
            stem,
            &as_written,
            self.layers,
            &self.sources,
            &mut self.problems,
        );
        file.decide(&self.sources, &mut self.problems)
    }

    /// The tree of a file, laid over that of the file that it extends.
    fn file(&mut self, location: &Location, text: &str) -> Option<Node> {
        self.chain.push(location.identity());
        self.files.push(Written {
            name: location.file_name(),
            text: text.to_owned(),
        });
        let source = self
            .sources
            .add(location.shown(self.root), text.to_owned(), location.base());
        let mut tree = parse(source, text, &mut self.problems)?;
        let Value::Table(table) = &mut tree.value else {
            return None;
        };
        // Of another format, every key may mean something else: this is all there is to say.
        if let Some(entry) = table.get("format") {
            FORMAT.read("`format`", &entry.node, &mut self.problems)?;
        }
        let tree = match table.remove("extends") {
            None => tree,
            Some(entry) => match self.base(location, &entry.node) {
                None => return None,
                Some(base) => self.merge(base, tree, Origin::File),
            },
        };
        self.chain.pop();
        Some(tree)
    }

    /// The tree that a file extends, without what is never inherited.
    fn base(&mut self, location: &Location, extends: &Node) -> Option<Node> {
        let path = EXTENDS
            .read("`extends`", extends, &mut self.problems)?
            .value;
        let base = resolve(location, &path);
        if self.chain.contains(&base.identity()) || self.chain.len() >= DEEPEST {
            self.problems.add(self.cycle(extends.place, &base));
            return None;
        }
        let text = match base.read() {
            Ok(text) => text,
            Err(error) => {
                let text = error.to_string();
                let (why, hint) = text.split_once("\nhint: ").unwrap_or((&text, ""));
                let mut problem =
                    Problem::new(extends.place, format!("cannot extend {path:?}"), why);
                if !hint.is_empty() {
                    problem = problem.help(hint);
                }
                self.problems.add(problem);
                return None;
            }
        };
        let mut tree = self.file(&base, &text)?;
        if let Value::Table(table) = &mut tree.value {
            table.retain(|key, _| !NEVER_INHERITED.contains(&key.as_str()));
        }
        Some(tree)
    }

    fn cycle(&self, place: Place, base: &Location) -> Problem {
        let names: Vec<String> = self
            .chain
            .iter()
            .chain([&base.identity()])
            .map(|location| location.shown(&fs_err::canonicalize(self.root).unwrap_or_default()))
            .collect();
        let title = "recipes extend each other in a circle";
        Problem::new(place, title, "leads back to where it came from").help(names.join(" → "))
    }

    /// Lays one `--set` argument, which is a TOML document of one line, over the tree.
    fn set(&mut self, tree: Node, argument: &str) -> Node {
        let text = argument_text(argument);
        let folder = std::env::current_dir().unwrap_or_default();
        let base = Base::Folder(folder);
        let source = self.sources.add("--set".to_owned(), text.clone(), base);
        if !text.contains('=') {
            let place = Place {
                source,
                start: 0,
                end: text.len(),
            };
            let problem = Problem::new(place, "`--set` takes `address=value`", "has no `=`")
                .help("for example `--set phase.0.epochs=2`");
            self.problems.add(problem);
            return tree;
        }
        let Some(mut upper) = parse(source, &text, &mut self.problems) else {
            return tree;
        };
        if let Value::Table(table) = &mut upper.value
            && let Some(entry) = table.remove("extends")
        {
            let title = "`extends` cannot be set";
            let label = "a recipe says what it extends";
            self.problems.add(Problem::new(entry.key, title, label));
        }
        self.merge(tree, upper, Origin::Argument)
    }

    fn check_seed(&mut self, seed: Option<u64>) {
        if let Some(seed) = seed.filter(|&seed| i64::try_from(seed).is_err()) {
            let text = seed.to_string();
            let end = text.len();
            let base = Base::Folder(PathBuf::new());
            let source = self.sources.add("--seed".to_owned(), text, base);
            let place = Place {
                source,
                start: 0,
                end,
            };
            let title = "a seed must be a whole number from 0 to 9223372036854775807";
            self.problems.add(Problem::new(place, title, "is larger"));
        }
    }

    fn merge(&mut self, lower: Node, upper: Node, origin: Origin) -> Node {
        let mut merger = Merger {
            rules: &MERGE,
            origin,
            problems: &mut self.problems,
        };
        merger.merge(lower, upper)
    }
}

/// The argument as TOML: a value that is none is taken for a string, so that paths need no quotes.
fn argument_text(argument: &str) -> String {
    let is_toml = |text: &str| toml::de::DeTable::parse(text).is_ok();
    if is_toml(argument) {
        return argument.to_owned();
    }
    if let Some((address, value)) = argument.split_once('=')
        && !value.trim_start().starts_with(['[', '{', '"', '\''])
    {
        let quoted = format!("{address}={}", toml::Value::from(value));
        if is_toml(&quoted) {
            return quoted;
        }
    }
    argument.to_owned()
}
