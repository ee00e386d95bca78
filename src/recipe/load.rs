//! From a name or a path to a recipe: find it, read it, follow `extends`, lay `--set` over it, decide.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::error::{Error, Report};
use super::file::{FORMAT, MERGE, NEVER_INHERITED, RecipeFile};
use super::syntax::{
    Base, Decode, Merger, Node, Origin, Place, Problem, Problems, Scalar, Sources, Value, nearest,
    parse,
};
use super::{Recipe, shipped};

/// Folder of recipes, under the project's root.
const FOLDER: &str = "recipes";
const EXTENSION: &str = "toml";
/// Largest recipe that is read, bytes: a hundred times the longest that anybody will write.
const LARGEST: u64 = 1 << 20;
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

/// A recipe that was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub recipe: Recipe,
    /// Its file; `None` for a recipe inside the binary.
    pub path: Option<PathBuf>,
    /// Its text, without what it extends.
    pub text: String,
}

/// A recipe that there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Its file; `None` for a recipe inside the binary.
    pub path: Option<PathBuf>,
}

/// The nearest folder at or above `start` that has `recipes/`, else `start`.
pub fn project_root(start: &Path) -> PathBuf {
    start
        .ancestors()
        .find(|folder| folder.join(FOLDER).is_dir())
        .unwrap_or(start)
        .to_path_buf()
}

/// All recipes, local and shipped, by name; a local one hides the shipped one of its name.
pub fn list(root: &Path) -> Vec<Found> {
    let mut found: BTreeMap<String, Option<PathBuf>> = BTreeMap::new();
    for name in shipped::names() {
        found.insert(name.to_owned(), None);
    }
    for path in recipes_in(&root.join(FOLDER)) {
        if let Some(name) = stem(&path) {
            found.insert(name.to_owned(), Some(path));
        }
    }
    found
        .into_iter()
        .map(|(name, path)| Found { name, path })
        .collect()
}

/// The recipes of a folder, sorted.
fn recipes_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(folder).into_iter().flatten();
    let mut recipes: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| has_extension(path) && path.is_file())
        .collect();
    recipes.sort();
    recipes
}

fn stem(path: &Path) -> Option<&str> {
    path.file_stem()?.to_str()
}

fn has_extension(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == EXTENSION)
}

/// Reads a recipe; all its problems come back at once.
pub fn load(request: &Request) -> Result<Loaded, Error> {
    let location = find(&request.root, &request.recipe)?;
    let text = location.read()?;
    let stem = location.stem();
    let shown = location.shown(&request.root);
    let mut loader = Loader {
        root: &request.root,
        sources: Sources::default(),
        problems: Problems::default(),
        chain: Vec::new(),
    };
    let recipe = loader.recipe(&location, &text, request, &stem);
    let Loader {
        sources, problems, ..
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
            })
        }
        _ => Err(Error::Invalid(Box::new(Report::new(
            shown, sources, problems,
        )))),
    }
}

/// Where a recipe is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Location {
    /// In a file.
    File(PathBuf),
    /// Inside the binary, by its path relative to `recipes/`.
    Shipped(String),
}

impl Location {
    fn read(&self) -> Result<String, Error> {
        match self {
            Self::File(path) => read_file(path),
            Self::Shipped(path) => {
                let bytes = shipped::file(path).unwrap_or_default();
                Ok(String::from_utf8_lossy(bytes).into_owned())
            }
        }
    }

    fn stem(&self) -> String {
        let path = match self {
            Self::File(path) => path,
            Self::Shipped(path) => Path::new(path),
        };
        let stem = path.file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    }

    /// As people know it: relative to the project where it lies inside.
    fn shown(&self, root: &Path) -> String {
        match self {
            Self::File(path) => path
                .strip_prefix(root)
                .unwrap_or(path)
                .display()
                .to_string(),
            Self::Shipped(path) => format!("{FOLDER}/{path} (inside goldrun)"),
        }
    }

    fn base(&self) -> Base {
        match self {
            Self::File(path) => Base::Folder(folder_of(path)),
            Self::Shipped(path) => Base::Shipped(folder_of(Path::new(path))),
        }
    }

    /// The same for two spellings of the same file.
    fn identity(&self) -> Self {
        match self {
            Self::File(path) => {
                Self::File(fs_err::canonicalize(path).unwrap_or_else(|_| path.clone()))
            }
            shipped @ Self::Shipped(_) => shipped.clone(),
        }
    }

    fn into_path(self) -> Option<PathBuf> {
        match self {
            Self::File(path) => Some(path),
            Self::Shipped(_) => None,
        }
    }
}

fn folder_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("")).to_path_buf()
}

fn read_file(path: &Path) -> Result<String, Error> {
    let unreadable = |source: io::Error| Error::Read {
        path: path.to_path_buf(),
        source,
    };
    if !path.exists() {
        return Err(missing_file(path));
    }
    let size = fs_err::metadata(path).map_err(unreadable)?.len();
    if size > LARGEST {
        return Err(Error::TooLarge {
            path: path.to_path_buf(),
            size,
            limit: LARGEST,
        });
    }
    let bytes = fs_err::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.split(|&byte| byte == b'\n').count() - 1;
        Error::NotText {
            path: path.to_path_buf(),
            line,
        }
    })
}

/// There is no such file; what its folder has instead.
fn missing_file(path: &Path) -> Error {
    let folder = folder_of(path);
    let recipes = recipes_in(&folder);
    let names: Vec<_> = recipes.iter().filter_map(|file| stem(file)).collect();
    let hint = match stem(path).and_then(|name| nearest(name, names.iter().copied())) {
        Some(near) => format!("did you mean `{near}.{EXTENSION}`?"),
        None if names.is_empty() => "there is no recipe in its folder".to_owned(),
        None => format!("recipes in its folder: {}", names.join(", ")),
    };
    Error::Unknown {
        name: path.display().to_string(),
        hint,
    }
}

/// A path if it looks like one, else a name: a local recipe, then a shipped one.
fn find(root: &Path, recipe: &str) -> Result<Location, Error> {
    let path = Path::new(recipe);
    let is_path = path.components().count() > 1 || path.is_absolute() || has_extension(path);
    if is_path {
        let absolute = std::path::absolute(path).map_err(|source| Error::Read {
            path: path.to_path_buf(),
            source,
        })?;
        return Ok(Location::File(absolute));
    }
    let file = format!("{recipe}.{EXTENSION}");
    let local = root.join(FOLDER).join(&file);
    if local.is_file() {
        return Ok(Location::File(local));
    }
    if shipped::file(&file).is_some() {
        return Ok(Location::Shipped(file));
    }
    let names: Vec<String> = list(root).into_iter().map(|found| found.name).collect();
    let hint = match nearest(recipe, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`? There are: {}", names.join(", ")),
        None => format!("there are: {}", names.join(", ")),
    };
    Err(Error::Unknown {
        name: recipe.to_owned(),
        hint,
    })
}

struct Loader<'a> {
    root: &'a Path,
    sources: Sources,
    problems: Problems,
    /// The files that extend one another, the first asked for first.
    chain: Vec<Location>,
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
        file.check(stem, &as_written, &mut self.problems);
        file.decide(&self.sources, &mut self.problems)
    }

    /// The tree of a file, laid over that of the file that it extends.
    fn file(&mut self, location: &Location, text: &str) -> Option<Node> {
        self.chain.push(location.identity());
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
        let Some(path) = String::read(&extends.value) else {
            let label = format!("found {}", extends.value.words());
            let title = "`extends` must be the path of another recipe";
            self.problems.add(Problem::new(extends.place, title, label));
            return None;
        };
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

/// Which recipe `extends = path` means in the recipe at `location`.
fn resolve(location: &Location, path: &str) -> Location {
    match location.base() {
        Base::Folder(folder) => {
            let file = folder.join(path);
            // An installed goldrun has its recipes inside, where a local one may build on them.
            if !file.exists() && shipped::file(path).is_some() {
                return Location::Shipped(path.to_owned());
            }
            Location::File(file)
        }
        Base::Shipped(folder) => {
            let path = folder.join(path);
            Location::Shipped(path.to_string_lossy().into_owned())
        }
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
