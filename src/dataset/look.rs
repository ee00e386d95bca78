//! A look at a folder of photos before there is a recipe for it: how it is laid out, and what in it will surprise.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rayon::prelude::*;

use super::decode::{self, decode};
use super::scan::{self, Origin, Source, Sources};
use super::{Error, Item};
use crate::artifacts::{Location, Obtained};
use crate::recipe::{Folders, Orientation, Recipe, SplitName};
use crate::record::{Event, Observer, Stage};

/// Folders of a folder that are splits and no classes, in lower case; the first is what Keras' examples call it.
const TRAIN: [&str; 2] = ["train", "training"];
const VALIDATION: [&str; 3] = ["validation", "val", "valid"];
const TEST: [&str; 2] = ["test", "testing"];

/// An archive that was unpacked often leaves a folder around the one that is meant; so many are looked through.
const DEEPEST: usize = 3;

/// What there is to know of the pictures themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Files that cannot be decoded, as path from the artifact's top, with the reason.
    pub unreadable: Vec<(String, String)>,
    /// Files with an EXIF mark that asks for a rotation or a mirror image, as path from the artifact's top.
    pub rotated: Vec<String>,
    /// Files that the rules of [`scan`] pass by, by what their lower-case names end in: `.heic`.
    pub passed_by: BTreeMap<String, Vec<String>>,
    /// Smallest and largest width and height of what can be decoded, pixels; none if nothing can.
    pub sizes: Option<Sizes>,
}

/// Widths and heights of pictures, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Of the picture of the fewest pixels: width and height.
    pub smallest: [usize; 2],
    /// Of the one in the middle.
    pub median: [usize; 2],
    /// Of the one of the most.
    pub largest: [usize; 2],
}

/// Pictures of the same bytes in more than one split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Each as its split and its path from the artifact's top.
    pub files: Vec<(SplitName, String)>,
}

/// How the folder of an artifact is laid out: folders of splits with folders of classes in them, or folders of
/// classes alone. A single folder around either is looked through.
pub fn layout(role: &str, obtained: &Obtained) -> Result<Folders, Error> {
    let Location::Folder(root) = &obtained.location else {
        return Err(Error::NotAFolder {
            role: role.to_owned(),
        });
    };
    let mut inner = String::new();
    for _ in 0..DEEPEST {
        let names = scan::class_names(&root.join(&inner))?;
        let [only] = names.as_slice() else {
            break;
        };
        let is_split = TRAIN.contains(&only.to_lowercase().as_str());
        let below = join(&inner, only);
        let holds_folders = !scan::class_names(&root.join(&below))?.is_empty();
        if is_split || !holds_folders {
            break;
        }
        inner = below;
    }
    let names = scan::class_names(&root.join(&inner))?;
    let named = |words: &[&str]| {
        let is_named = |name: &&String| words.contains(&name.to_lowercase().as_str());
        let name = names.iter().find(is_named)?;
        Some(join(&inner, name))
    };
    let folders = |train: String| Folders {
        artifact: role.to_owned(),
        train,
        validation: None,
        test: None,
        rejects: 0,
    };
    Ok(match named(&TRAIN) {
        Some(train) => Folders {
            validation: named(&VALIDATION),
            test: named(&TEST),
            ..folders(train)
        },
        None if inner.is_empty() => folders(".".to_owned()),
        None => folders(inner),
    })
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

/// Decodes every picture once, on the threads of the current rayon pool; keeps none.
pub fn look(
    folders: &Folders,
    obtained: &Obtained,
    observer: &Observer<'_>,
) -> Result<Looked, Error> {
    let (classes, sources) = scan::folders(folders, Some(obtained))?;
    let mut looked = Looked {
        classes,
        ..Looked::default()
    };
    let mut sizes = Vec::new();
    for name in SplitName::ALL {
        if let Some(source) = sources.find(name) {
            look_at(name, source, &mut looked, &mut sizes, observer)?;
        }
    }
    sizes.sort_by_key(|[width, height]| (width * height, *width));
    if let [smallest, .., largest] | [smallest @ largest] = sizes.as_slice() {
        looked.sizes = Some(Sizes {
            smallest: *smallest,
            median: sizes[sizes.len() / 2],
            largest: *largest,
        });
    }
    if let Location::Folder(root) = &obtained.location {
        let taken = taken(&sources);
        pass_by(root, "", &taken, &mut looked.passed_by)?;
    }
    Ok(looked)
}

/// What a picture turned out to be.
struct Seen {
    /// Width and height, or why it cannot be decoded.
    size: Result<[usize; 2], String>,
    is_rotated: bool,
}

fn look_at(
    name: SplitName,
    source: &Source,
    looked: &mut Looked,
    sizes: &mut Vec<[usize; 2]>,
    observer: &Observer<'_>,
) -> Result<(), Error> {
    let Origin::Folder { root, .. } = &source.origin else {
        return Ok(());
    };
    let started = Instant::now();
    let stage = Stage::Decode(name);
    observer.tell(Event::StageStarted {
        stage: stage.clone(),
        total: Some(source.items.len() as u64),
    });
    let done = AtomicU64::new(0);
    let see = |item: &Item| -> Result<Seen, Error> {
        if observer.interrupted() {
            return Err(Error::Interrupted);
        }
        let bytes = fs_err::read(root.join(&item.path))?;
        let seen = Seen {
            size: decode(&bytes, Orientation::Ignore)
                .map(|picture| [picture.width, picture.height]),
            is_rotated: decode::is_rotated(&bytes),
        };
        observer.tell(Event::StageProgress {
            stage: stage.clone(),
            done: done.fetch_add(1, Ordering::Relaxed) + 1,
        });
        Ok(seen)
    };
    let seen: Vec<Seen> = source
        .items
        .par_iter()
        .map(see)
        .collect::<Result<_, Error>>()?;
    for (item, seen) in source.items.iter().zip(seen) {
        let path = from_the_top(source, item);
        match seen.size {
            Ok(size) => {
                sizes.push(size);
                if seen.is_rotated {
                    looked.rotated.push(path);
                }
            }
            Err(reason) => looked.unreadable.push((path, reason)),
        }
    }
    observer.tell(Event::StageFinished {
        stage,
        seconds: started.elapsed().as_secs_f64(),
    });
    Ok(())
}

/// Path of a picture from the artifact's top.
fn from_the_top(source: &Source, item: &Item) -> String {
    match &source.origin {
        Origin::Folder { inner, .. } if inner != "." => format!("{inner}/{}", item.path),
        _ => item.path.clone(),
    }
}

/// Paths of all pictures of the sources, from the artifact's top.
fn taken(sources: &Sources) -> BTreeSet<String> {
    let sources = SplitName::ALL
        .into_iter()
        .filter_map(|name| sources.find(name));
    sources
        .flat_map(|source| source.items.iter().map(|item| from_the_top(source, item)))
        .collect()
}

/// Files below `folder` that are not taken; those whose names start with `.` are nobody's pictures.
fn pass_by(
    root: &Path,
    folder: &str,
    taken: &BTreeSet<String>,
    passed: &mut BTreeMap<String, Vec<String>>,
) -> Result<(), Error> {
    for entry in fs_err::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = join(folder, &name);
        if entry.file_type()?.is_dir() {
            pass_by(root, &path, taken, passed)?;
        } else if !taken.contains(&path) && !entry.path().is_dir() {
            let ending = Path::new(&name).extension();
            let ending = ending.map_or(String::new(), |ending| {
                format!(".{}", ending.to_string_lossy().to_lowercase())
            });
            passed.entry(ending).or_default().push(path);
        }
    }
    for paths in passed.values_mut() {
        paths.sort_unstable();
    }
    Ok(())
}

/// Pictures of the same bytes in more than one split of a recipe, by the artifact's manifest.
pub fn shared(recipe: &Recipe, obtained: &Obtained) -> Result<Vec<Shared>, Error> {
    let plan = super::plan(recipe, Some(obtained))?;
    let lines = obtained.manifest.iter();
    let digests: BTreeMap<&str, &str> = lines
        .filter_map(|line| line.split_once("  "))
        .map(|(digest, path)| (path, digest))
        .collect();
    let mut by_digest: BTreeMap<&str, Vec<(SplitName, String)>> = BTreeMap::new();
    for part in &plan.parts {
        let source = plan.sources.get(part.source);
        for &place in &part.places {
            let path = from_the_top(source, &source.items[place as usize]);
            if let Some(digest) = digests.get(path.as_str()) {
                let files = by_digest.entry(digest).or_default();
                files.push((part.name, path));
            }
        }
    }
    let is_shared = |files: &Vec<(SplitName, String)>| {
        let splits: BTreeSet<SplitName> = files.iter().map(|(split, _)| *split).collect();
        splits.len() > 1
    };
    let shared = by_digest.into_values().filter(is_shared);
    Ok(shared.map(|files| Shared { files }).collect())
}
