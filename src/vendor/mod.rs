//! A folder that runs recipes on a machine without a network: `goldrun fetch --vendor`.
//!
//! ```text
//! <folder>/
//!   goldrun                   this executable
//!   README.txt                what to type
//!   SHA256SUMS                a digest of each other file, as sha256sum reads them
//!   recipes/<name>.toml       the recipes, and what they extend
//!   golden/<name>.toml        their goldens
//!   artifacts/<file>          what they need, under the names that it is found by
//! ```
//!
//! It is made beside its place, read back, and renamed when it is whole. Nothing in it depends on where it
//! stands: a project's folder `artifacts` is searched by itself.

mod error;
mod folder;
mod readme;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use fs_err as fs;

pub use self::error::Error;
use self::folder::Staging;
pub use self::folder::check;
use crate::artifacts::{self, Copied, Obtained};
use crate::digest::Digest;
use crate::golden::Golden;
use crate::golden::store::Store;
use crate::recipe::{self, Layers, Loaded};
use crate::record::Observer;

/// Folder of the artifacts, here and in every project.
pub const ARTIFACTS: &str = "artifacts";

/// Folder of the recipes.
const RECIPES: &str = "recipes";

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 18;

/// A recipe with all that it needs.
pub struct Item {
    /// The recipe as it is written.
    pub loaded: Loaded,
    /// Its golden, if it has one.
    pub golden: Option<Golden>,
    /// Its artifacts, verified, by role.
    pub artifacts: BTreeMap<String, Obtained>,
}

/// What was put into a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vendored {
    /// Files.
    pub files: usize,
    /// Bytes of them.
    pub bytes: u64,
}

/// Makes the folder at `path`, whole or not at all. One that is there must be empty, or hold what an earlier
/// call put there and nothing else: then it is replaced.
pub fn write(
    path: &Path,
    items: &[Item],
    layers: Layers,
    observer: &Observer<'_>,
) -> Result<Vendored, Error> {
    let staging = Staging::beside(path)?;
    let root = staging.path();
    let mut files = vec![executable(root)?];
    recipes(root, items)?;
    for item in items {
        if let Some(golden) = &item.golden {
            Store::new(root).save(&item.loaded.recipe.name, &golden.record, &golden.seeds)?;
        }
    }
    files.extend(copies(root, items, observer)?);
    fs::write(root.join(readme::FILE), readme::text(items))?;
    for folder in [RECIPES, "golden"] {
        files.extend(folder::listed(root, folder)?);
    }
    files.push(folder::digested(root, readme::FILE)?);
    for item in items {
        check_same(root, item, layers)?;
    }
    let vendored = Vendored {
        files: files.len() + 1,
        bytes: files.iter().map(|file| file.size).sum(),
    };
    staging.place(path, files)?;
    Ok(vendored)
}

/// Copies the running executable.
fn executable(root: &Path) -> Result<Copied, Error> {
    let name = format!("goldrun{}", std::env::consts::EXE_SUFFIX);
    let unreadable = |error| Error::Executable { error };
    // A rebuilt binary replaces the file under the old name; this link still leads to what runs.
    let link = PathBuf::from("/proc/self/exe");
    let from = if link.exists() {
        link
    } else {
        std::env::current_exe().map_err(unreadable)?
    };
    fs::copy(&from, root.join(&name)).map_err(unreadable)?;
    Ok(folder::digested(root, &name)?)
}

/// Writes the recipes and what they extend. What two of them extend is written once.
fn recipes(root: &Path, items: &[Item]) -> Result<(), Error> {
    let folder = root.join(RECIPES);
    fs::create_dir(&folder)?;
    let mut written: BTreeMap<String, String> = BTreeMap::new();
    for item in items {
        for file in recipe::gathered(&item.loaded)? {
            let before = written.insert(file.name.clone(), file.text.clone());
            if before.is_some_and(|before| before != file.text) {
                return Err(Error::SameRecipe { file: file.name });
            }
            fs::write(folder.join(&file.name), &file.text)?;
        }
    }
    Ok(())
}

/// Copies the artifacts. One that two recipes need is copied once.
fn copies(root: &Path, items: &[Item], observer: &Observer<'_>) -> Result<Vec<Copied>, Error> {
    let folder = root.join(ARTIFACTS);
    fs::create_dir(&folder)?;
    let mut copied: BTreeMap<String, (String, &Obtained)> = BTreeMap::new();
    let mut files = Vec::new();
    for item in items {
        for (role, obtained) in &item.artifacts {
            let artifact = &item.loaded.recipe.artifacts[role];
            let name = artifacts::copied_name(role, artifact)?;
            let of = format!("`{role}` of {}", item.loaded.recipe.name);
            match copied.get(&name) {
                Some((_, there)) if is_same(there, obtained) => continue,
                Some((other, _)) => {
                    return Err(Error::SameArtifact {
                        artifacts: [other.clone(), of],
                        name,
                    });
                }
                None => {}
            }
            let new = artifacts::copy(role, artifact, obtained, &folder, observer)?;
            files.extend(new.into_iter().map(|file| Copied {
                path: format!("{ARTIFACTS}/{}", file.path),
                ..file
            }));
            copied.insert(name, (of, obtained));
        }
    }
    Ok(files)
}

fn is_same(a: &Obtained, b: &Obtained) -> bool {
    a.content == b.content && a.sha256 == b.sha256
}

/// Holds what was written to the recipe that was meant: they must have the same fingerprint and pins.
fn check_same(root: &Path, item: &Item, layers: Layers) -> Result<(), Error> {
    let meant = &item.loaded.recipe;
    let request = recipe::Request {
        root: root.to_path_buf(),
        recipe: meant.name.clone(),
        ..recipe::Request::default()
    };
    let written = recipe::load(&request, layers)?.recipe;
    let pins = |recipe: &recipe::Recipe| -> Vec<_> {
        let artifacts = recipe.artifacts.iter();
        artifacts
            .map(|(role, artifact)| {
                let pins = (artifact.sha256.clone(), artifact.content.clone());
                (role.clone(), pins)
            })
            .collect()
    };
    if written.fingerprint() == meant.fingerprint() && pins(&written) == pins(meant) {
        return Ok(());
    }
    Err(Error::Other {
        recipe: meant.name.clone(),
    })
}

/// Hex sha256 and size of a file.
fn digest_of(path: &Path) -> std::io::Result<(String, u64)> {
    let mut file = fs::File::open(path)?;
    let mut digest = Digest::default();
    let mut chunk = vec![0; CHUNK];
    let mut size = 0;
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            return Ok((digest.hex(), size));
        }
        digest.add(&chunk[..count]);
        size += count as u64;
    }
}
