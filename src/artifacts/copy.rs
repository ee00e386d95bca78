//! A verified artifact copied to where it is found by its name: into a folder of artifacts.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use fs_err::File;

use super::pin::{CHUNK, HashingWriter};
use super::progress::Progress;
use super::{Error, Location, Obtained, source};
use crate::digest;
use crate::recipe::Artifact;
use crate::record::{Observer, Stage};

/// A file that was copied.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Copied {
    /// Relative to the folder, with `/`.
    pub path: String,
    /// Hex sha256 of its bytes, the same as when they were verified.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

/// The name that [`copy`] gives a copy: what it is found by.
pub fn copied_name(role: &str, artifact: &Artifact) -> Result<String, Error> {
    let first = source::names(&artifact.source).and_then(|names| {
        let first = names.into_iter().next();
        first.ok_or(Error::Nameless)
    });
    first.map_err(|error| error.about(role))
}

/// Copies an artifact as it was verified into `folder`, where [`super::obtain()`] finds it; gives its files.
///
/// An archive stays one; of a folder only the pictures that its content digest covers are copied.
pub fn copy(
    role: &str,
    artifact: &Artifact,
    obtained: &Obtained,
    folder: &Path,
    observer: &Observer<'_>,
) -> Result<Vec<Copied>, Error> {
    let name = &copied_name(role, artifact)?;
    let copied = || -> Result<Vec<Copied>, Error> {
        match (&obtained.file, &obtained.location) {
            (None, Location::Shipped(bytes)) => {
                fs_err::write(folder.join(name), bytes)?;
                Ok(vec![Copied {
                    path: name.clone(),
                    sha256: digest::of(bytes),
                    size: bytes.len() as u64,
                }])
            }
            (None, Location::Folder(from)) => {
                let files = obtained.manifest.iter().filter_map(|line| {
                    let (sha256, path) = line.split_once("  ")?;
                    Some((from.join(path), format!("{name}/{path}"), sha256))
                });
                files_to(role, folder, files.collect(), observer)
            }
            (Some(from), _) | (None, Location::File(from)) => {
                let sha256 = obtained.sha256.as_deref().unwrap_or_default();
                let file = (from.clone(), name.clone(), sha256);
                files_to(role, folder, vec![file], observer)
            }
        }
    };
    copied().map_err(|error| error.about(role))
}

/// Copies files to their paths in `folder`; one that has not its digest any more is an error.
fn files_to(
    role: &str,
    folder: &Path,
    files: Vec<(PathBuf, String, &str)>,
    observer: &Observer<'_>,
) -> Result<Vec<Copied>, Error> {
    let mut total = 0;
    for (from, _, _) in &files {
        total += fs_err::metadata(from)?.len();
    }
    let mut progress = Progress::begin(observer, Stage::Copy(role.to_owned()), Some(total));
    let mut copied = Vec::with_capacity(files.len());
    for (from, path, sha256) in files {
        let to = folder.join(&path);
        if let Some(parent) = to.parent() {
            fs_err::create_dir_all(parent)?;
        }
        let mut reader = File::open(&from)?;
        let mut writer = HashingWriter::new(File::create_new(&to)?);
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = reader.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            writer.write_all(&chunk[..count])?;
            progress.advance(count as u64)?;
        }
        let size = writer.count();
        let (_, got) = writer.finish();
        if got != sha256 {
            return Err(Error::Changed {
                from: from.display().to_string(),
                expected: sha256.to_owned(),
                got,
            });
        }
        copied.push(Copied {
            path,
            sha256: got,
            size,
        });
    }
    progress.finish();
    Ok(copied)
}
