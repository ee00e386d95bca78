//! Finding pictures: class folders by Keras' rules, or the numbers of drawn pictures.
//!
//! The rules (`keras/src/utils/dataset_utils.py`, `index_directory`): a class is a folder inside the
//! split's folder whose name does not start with `.`; a picture is a file in it, or in a folder inside it,
//! whose lower-case name ends in one of [`EXTENSIONS`]. A link to a class folder or to a file is followed,
//! a link to a folder inside a class is not. The list is sorted by class, then by the bytes of the path
//! relative to the split's folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::artifacts::{Location, Obtained};
use crate::recipe::{Drawn, Folders, SplitName};

use super::{Error, Item, drawn};

/// What the lower-case name of a picture ends in.
pub const EXTENSIONS: [&str; 5] = [".bmp", ".gif", ".jpeg", ".jpg", ".png"];

/// Where the pictures of a source come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// Files under a folder.
    Folder {
        /// The folder on this machine.
        root: PathBuf,
        /// The folder in the artifact.
        inner: String,
    },
    /// Drawn from a seed.
    Drawn {
        /// The seed.
        seed: u64,
        /// Slot of the random stream.
        slot: u32,
    },
}

/// All pictures of one source, sorted by class, then by the bytes of the path.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// The pictures.
    pub items: Vec<Item>,
    /// Where they are.
    pub origin: Origin,
}

/// The sources of a recipe by the split that they are named after.
#[derive(Clone, Debug, PartialEq)]
pub struct Sources([Option<Source>; 3]);

impl Sources {
    /// Sources of train, validation and test.
    pub fn new(sources: [Option<Source>; 3]) -> Self {
        Self(sources)
    }

    /// The source of this name, if the recipe has one.
    pub fn find(&self, name: SplitName) -> Option<&Source> {
        self.0[name.slot() as usize].as_ref()
    }

    /// The source of this name.
    ///
    /// # Panics
    /// If there is none; parts are only cut from sources that exist.
    pub fn get(&self, name: SplitName) -> &Source {
        self.find(name)
            .expect("parts are cut from sources that exist")
    }
}

/// The numbers of drawn pictures. A source of no pictures is no source.
pub fn drawn(drawn: &Drawn) -> (Vec<String>, Sources) {
    let classes: Vec<String> = drawn::CLASSES.iter().map(ToString::to_string).collect();
    let source = |name: SplitName, count: u32| {
        let mut items: Vec<Item> = (0..count)
            .map(|number| {
                let label = number % classes.len() as u32;
                Item {
                    path: format!("{}/{number}", classes[label as usize]),
                    label,
                    index: number,
                }
            })
            .collect();
        items.sort_by(|a, b| (a.label, &a.path).cmp(&(b.label, &b.path)));
        let origin = Origin::Drawn {
            seed: drawn.seed,
            slot: name.slot(),
        };
        (count > 0).then_some(Source { items, origin })
    };
    let sources = Sources([
        source(SplitName::Train, drawn.train),
        source(SplitName::Validation, drawn.validation),
        source(SplitName::Test, drawn.test),
    ]);
    (classes, sources)
}

/// Scans the folders of a recipe.
pub fn folders(
    folders: &Folders,
    obtained: Option<&Obtained>,
) -> Result<(Vec<String>, Sources), Error> {
    let Some(Location::Folder(root)) = obtained.map(|obtained| &obtained.location) else {
        return Err(Error::NotAFolder {
            role: folders.artifact.clone(),
        });
    };
    let scan = |name: SplitName, inner: &str| scan_source(folders, root, name, inner);
    let (classes, train) = scan(SplitName::Train, &folders.train)?;
    if let Some(label) = (0..classes.len()).find(|&label| count(&train, label) == 0) {
        return Err(Error::EmptyClass {
            class: classes[label].clone(),
            folder: folders.train.clone(),
        });
    }
    let other = |name: SplitName, inner: Option<&String>| -> Result<Option<Source>, Error> {
        let Some(inner) = inner else {
            return Ok(None);
        };
        let (found, source) = scan(name, inner)?;
        if found != classes {
            return Err(classes_differ(folders, name, inner, &classes, &found));
        }
        if source.items.is_empty() {
            return Err(Error::EmptySplit {
                split: name.word(),
                why: format!(
                    "no file in folder `{inner}` ends in {}",
                    EXTENSIONS.join(", ")
                ),
                hint: "put pictures into its class folders, or name another folder",
            });
        }
        Ok(Some(source))
    };
    let validation = other(SplitName::Validation, folders.validation.as_ref())?;
    let test = other(SplitName::Test, folders.test.as_ref())?;
    Ok((classes, Sources([Some(train), validation, test])))
}

fn count(source: &Source, label: usize) -> usize {
    let items = source.items.iter();
    items.filter(|item| item.label as usize == label).count()
}

fn classes_differ(
    folders: &Folders,
    name: SplitName,
    inner: &str,
    train: &[String],
    found: &[String],
) -> Error {
    let only = |these: &[String], those: &[String]| {
        let these: BTreeSet<&str> = these.iter().map(String::as_str).collect();
        let those: BTreeSet<&str> = those.iter().map(String::as_str).collect();
        let only: Vec<&str> = these.difference(&those).copied().collect();
        only.join(", ")
    };
    Error::ClassesDiffer {
        split: name.word(),
        folder: inner.to_owned(),
        train: folders.train.clone(),
        missing: only(train, found),
        extra: only(found, train),
    }
}

/// Scans one split's folder.
fn scan_source(
    folders: &Folders,
    root: &Path,
    name: SplitName,
    inner: &str,
) -> Result<(Vec<String>, Source), Error> {
    let folder = root.join(inner);
    if !folder.is_dir() {
        return Err(Error::MissingFolder {
            split: name.word(),
            folder: inner.to_owned(),
            role: folders.artifact.clone(),
            hint: nearest_folder(root, inner)?,
        });
    }
    let classes = class_names(&folder)?;
    if classes.len() < 2 {
        return Err(Error::FewClasses {
            split: name.word(),
            folder: inner.to_owned(),
            found: match classes.first() {
                None => "no class".to_owned(),
                Some(class) => format!("one class, `{class}`"),
            },
            hint: {
                let parent = inner.trim_end_matches('/').rsplit_once('/');
                let around = nearest_folder(root, parent.map_or("", |(parent, _)| parent))?;
                format!("name the folder that holds the class folders; {around}")
            },
        });
    }
    let mut items = Vec::new();
    for (label, class) in classes.iter().enumerate() {
        let mut paths = Vec::new();
        walk(&folder.join(class), class, &mut paths)?;
        paths.sort_unstable();
        items.extend(paths.into_iter().map(|path| Item {
            path,
            label: label as u32,
            index: 0,
        }));
    }
    if u32::try_from(items.len()).is_err() {
        return Err(Error::TooManyFiles {
            split: name.word(),
            found: items.len(),
        });
    }
    for (index, item) in items.iter_mut().enumerate() {
        item.index = index as u32;
    }
    let origin = Origin::Folder {
        root: folder,
        inner: inner.to_owned(),
    };
    Ok((classes, Source { items, origin }))
}

/// Sorted names of the class folders.
pub(super) fn class_names(folder: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        // Follows links, as `os.path.isdir` does.
        if !path.is_dir() {
            continue;
        }
        let name = utf8_name(&path)?;
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Adds the pictures in `folder`, whose path relative to the split's folder is `relative`.
fn walk(folder: &Path, relative: &str, paths: &mut Vec<String>) -> Result<(), Error> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            walk(&path, &format!("{relative}/{}", utf8_name(&path)?), paths)?;
        } else if is_picture(&path) && !path.is_dir() {
            paths.push(format!("{relative}/{}", utf8_name(&path)?));
        }
    }
    Ok(())
}

/// True of a file that is a picture by its name.
pub fn is_picture(path: &Path) -> bool {
    ends_in(path, &EXTENSIONS)
}

/// True if the lower-case name of a file ends in one of these.
pub fn ends_in(path: &Path, extensions: &[&str]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_lowercase();
    extensions.iter().any(|extension| name.ends_with(extension))
}

fn utf8_name(path: &Path) -> Result<String, Error> {
    match path.file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok(name.to_owned()),
        None => Err(Error::NotUtf8 {
            path: path.display().to_string(),
        }),
    }
}

/// Says what the deepest existing ancestor of `inner` holds.
fn nearest_folder(root: &Path, inner: &str) -> Result<String, Error> {
    let mut shown = String::new();
    let mut folder = root.to_owned();
    for part in inner.split('/').filter(|part| !part.is_empty()) {
        let next = folder.join(part);
        if !next.is_dir() {
            break;
        }
        folder = next;
        shown = if shown.is_empty() {
            part.to_owned()
        } else {
            format!("{shown}/{part}")
        };
    }
    let place = if shown.is_empty() {
        "the artifact's top".to_owned()
    } else {
        format!("`{shown}`")
    };
    let names = class_names(&folder)?;
    Ok(if names.is_empty() {
        format!("{place} holds no folders")
    } else {
        format!("{place} holds the folders {}", names.join(", "))
    })
}
