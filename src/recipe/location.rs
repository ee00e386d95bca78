//! Where recipes are: local files under `recipes/`, files anywhere, and those inside the binary.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::shipped;
use super::syntax::{Base, nearest};

/// Folder of recipes, under the project's root.
const FOLDER: &str = "recipes";
const EXTENSION: &str = "toml";
/// Largest recipe that is read, bytes: a hundred times the longest that anybody will write.
const LARGEST: u64 = 1 << 20;

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
///
/// A folder `recipes/` that is there and cannot be read is an error.
pub fn list(root: &Path) -> Result<Vec<Found>, Error> {
    let mut found: BTreeMap<String, Option<PathBuf>> = BTreeMap::new();
    for name in shipped::names() {
        found.insert(name.to_owned(), None);
    }
    for path in recipes_in(&root.join(FOLDER))? {
        if let Some(name) = stem(&path) {
            found.insert(name.to_owned(), Some(path));
        }
    }
    Ok(found
        .into_iter()
        .map(|(name, path)| Found { name, path })
        .collect())
}

/// Where a recipe is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// In a file.
    File(PathBuf),
    /// Inside the binary, by its path relative to `recipes/`.
    Shipped(String),
}

impl Location {
    pub(super) fn read(&self) -> Result<String, Error> {
        match self {
            Self::File(path) => read_file(path),
            Self::Shipped(path) => {
                let bytes = shipped::file(path).unwrap_or_default();
                Ok(String::from_utf8_lossy(bytes).into_owned())
            }
        }
    }

    pub(super) fn stem(&self) -> String {
        let stem = self.path().file_stem().unwrap_or_default();
        stem.to_string_lossy().into_owned()
    }

    /// The file's name, without a folder.
    pub(super) fn file_name(&self) -> String {
        let name = self.path().file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    fn path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Shipped(path) => Path::new(path),
        }
    }

    /// As people know it: relative to the project where it lies inside.
    pub(super) fn shown(&self, root: &Path) -> String {
        match self {
            Self::File(path) => path
                .strip_prefix(root)
                .unwrap_or(path)
                .display()
                .to_string(),
            Self::Shipped(path) => format!("{FOLDER}/{path} (inside goldrun)"),
        }
    }

    pub(super) fn base(&self) -> Base {
        match self {
            Self::File(path) => Base::Folder(folder_of(path)),
            Self::Shipped(path) => Base::Shipped(folder_of(Path::new(path))),
        }
    }

    /// The same for two spellings of the same file.
    pub(super) fn identity(&self) -> Self {
        match self {
            Self::File(path) => {
                Self::File(fs_err::canonicalize(path).unwrap_or_else(|_| path.clone()))
            }
            shipped @ Self::Shipped(_) => shipped.clone(),
        }
    }

    pub(super) fn into_path(self) -> Option<PathBuf> {
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
        let line = good.split(|&byte| byte == b'\n').count();
        Error::NotText {
            path: path.to_path_buf(),
            line,
        }
    })
}

/// A path if it looks like one, else a name: a local recipe, then a shipped one.
pub(super) fn find(root: &Path, recipe: &str) -> Result<Location, Error> {
    let path = Path::new(recipe);
    let is_path = path.components().count() > 1 || path.is_absolute() || has_extension(path);
    if is_path {
        let absolute = std::path::absolute(path).map_err(|source| Error::Read {
            path: path.to_path_buf(),
            source,
        })?;
        let name = stem(path).filter(|_| has_extension(path) && !absolute.exists());
        if let Some(name) = name
            && list(root)?.iter().any(|found| found.name == name)
        {
            return Err(Error::Unknown {
                name: recipe.to_owned(),
                hint: format!("did you mean `{name}`?"),
            });
        }
        return Ok(Location::File(absolute));
    }
    let file = format!("{recipe}.{EXTENSION}");
    let local = root.join(FOLDER).join(&file);
    if is_file(&local)? {
        return Ok(Location::File(local));
    }
    if shipped::file(&file).is_some() {
        return Ok(Location::Shipped(file));
    }
    let names: Vec<String> = list(root)?.into_iter().map(|found| found.name).collect();
    let hint = match nearest(recipe, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`? There are: {}", names.join(", ")),
        None => format!("there are: {}", names.join(", ")),
    };
    Err(Error::Unknown {
        name: recipe.to_owned(),
        hint,
    })
}

/// Which recipe `extends = path` means in the recipe at `location`.
pub(super) fn resolve(location: &Location, path: &str) -> Location {
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

/// The recipes of a folder, sorted; none where there is no such folder.
fn recipes_in(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_absence(&error) => return Ok(Vec::new()),
        Err(source) => return Err(Error::Folder { source }),
    };
    let mut recipes = Vec::new();
    for entry in entries {
        let path = entry.map_err(|source| Error::Folder { source })?.path();
        if has_extension(&path) && path.is_file() {
            recipes.push(path);
        }
    }
    recipes.sort();
    Ok(recipes)
}

/// True if the recipe is there; one that nobody may look for is not taken for absent.
fn is_file(path: &Path) -> Result<bool, Error> {
    match fs_err::metadata(path) {
        Ok(metadata) => Ok(metadata.is_file()),
        Err(error) if is_absence(&error) => Ok(false),
        Err(source) => Err(Error::Folder { source }),
    }
}

/// True if there is no such thing, which is not the same as one that cannot be read.
fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn stem(path: &Path) -> Option<&str> {
    path.file_stem()?.to_str()
}

fn has_extension(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == EXTENSION)
}

/// There is no such file; what its folder has instead.
fn missing_file(path: &Path) -> Error {
    let folder = folder_of(path);
    let recipes = recipes_in(&folder).unwrap_or_default();
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
