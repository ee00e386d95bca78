//! The folder itself: what may be replaced, and how it comes to its place.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;

use fs_err as fs;
use tempfile::TempDir;

use super::{Error, digest_of};
use crate::artifacts::Copied;

/// A digest of each other file, as sha256sum writes and reads them.
const SUMS: &str = "SHA256SUMS";

/// Refuses a folder that holds something else than what was vendored into it.
pub fn check(folder: &Path) -> Result<(), Error> {
    let occupied = |found: String| Error::Occupied {
        folder: folder.to_path_buf(),
        found,
    };
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(occupied("it is no folder".to_owned())),
    }
    let mut paths = Vec::new();
    collect(folder, "", &mut paths)?;
    if paths.is_empty() {
        return Ok(());
    }
    let sums = fs::read_to_string(folder.join(SUMS)).unwrap_or_default();
    let sums: BTreeMap<String, &str> = sums.lines().filter_map(line_read).collect();
    if sums.is_empty() {
        return Err(occupied(format!(
            "it holds {} and was not made by `goldrun fetch --vendor`",
            paths[0]
        )));
    }
    for path in paths.iter().filter(|path| *path != SUMS) {
        let Some(expected) = sums.get(path) else {
            return Err(occupied(format!(
                "it holds {path}, which `goldrun fetch --vendor` did not put there"
            )));
        };
        let is_link = fs::symlink_metadata(folder.join(path))?.is_symlink();
        if is_link || digest_of(&folder.join(path))?.0 != *expected {
            return Err(occupied(format!(
                "{path} was changed since it was vendored"
            )));
        }
    }
    Ok(())
}

/// A folder that is being made beside its place; dropped before it is placed, it is gone.
pub(super) struct Staging {
    folder: TempDir,
}

impl Staging {
    /// An empty folder beside `path`, which may be replaced.
    pub fn beside(path: &Path) -> Result<Self, Error> {
        check(path)?;
        Ok(Self {
            folder: beside(path)?,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the digests of `files` and puts the folder into its place.
    pub fn place(self, path: &Path, mut files: Vec<Copied>) -> Result<(), Error> {
        files.sort();
        let sums: String = files.iter().map(line).collect();
        fs::write(self.path().join(SUMS), sums)?;
        // Somebody may have put something there meanwhile.
        check(path)?;
        let old = beside(path)?;
        let is_there = path.exists();
        if is_there {
            fs::rename(path, old.path())?;
        }
        if let Err(error) = fs::rename(self.path(), path) {
            if is_there {
                fs::rename(old.path(), path)?;
                let _ = old.keep();
            }
            return Err(error.into());
        }
        let _ = self.folder.keep();
        Ok(())
    }
}

/// An empty folder beside `path`, with the permissions of any new folder.
fn beside(path: &Path) -> io::Result<TempDir> {
    let absolute = std::path::absolute(path)?;
    let parent = absolute.parent().unwrap_or(&absolute);
    let mut builder = tempfile::Builder::new();
    builder.prefix(".goldrun-vendor-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    builder.tempdir_in(parent).map_err(|error| {
        let cause = error.to_string();
        // The name of a temporary folder, which tempfile adds.
        let cause = cause.split(" at path ").next().unwrap_or(&cause);
        let text = format!("cannot make {}: {cause}", path.display());
        io::Error::new(error.kind(), text)
    })
}

/// All files below a folder of `root`, with their digests; none where there is no such folder.
pub(super) fn listed(root: &Path, folder: &str) -> io::Result<Vec<Copied>> {
    let mut paths = Vec::new();
    if root.join(folder).is_dir() {
        collect(&root.join(folder), &format!("{folder}/"), &mut paths)?;
    }
    paths.iter().map(|path| digested(root, path)).collect()
}

/// A file of `root` with its digest.
pub(super) fn digested(root: &Path, path: &str) -> io::Result<Copied> {
    let (sha256, size) = digest_of(&root.join(path))?;
    Ok(Copied {
        path: path.to_owned(),
        sha256,
        size,
    })
}

/// Collects what is below `folder` and no folder, in the order of names.
fn collect(folder: &Path, prefix: &str, found: &mut Vec<String>) -> io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{path}/"), found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// The line of a file. As sha256sum does, one whose name holds a backslash begins with one.
fn line(file: &Copied) -> String {
    let escaped = file.path.replace('\\', "\\\\");
    let mark = if escaped == file.path { "" } else { "\\" };
    format!("{mark}{}  {escaped}\n", file.sha256)
}

/// Path and digest of a line; none where it is no such line.
fn line_read(line: &str) -> Option<(String, &str)> {
    let (sha256, path) = line.split_once("  ")?;
    match sha256.strip_prefix('\\') {
        Some(sha256) => Some((path.replace("\\\\", "\\"), sha256)),
        None => Some((path.to_owned(), sha256)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Copied {
        Copied {
            path: path.to_owned(),
            sha256: crate::digest::of(b"1"),
            size: 1,
        }
    }

    #[test]
    fn lines_are_read_as_they_are_written() {
        for path in ["goldrun", "artifacts/a  b.jpg", "artifacts/a\\b.jpg"] {
            let file = file(path);
            let line = line(&file);
            let read = line_read(line.trim_end_matches('\n'));
            assert_eq!(read, Some((file.path, file.sha256.as_str())));
        }
    }

    #[test]
    fn only_what_was_vendored_may_be_replaced() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("vendored");
        let place = |bytes: &[u8]| {
            let staging = Staging::beside(&path)?;
            fs::write(staging.path().join("goldrun"), bytes)?;
            let files = vec![digested(staging.path(), "goldrun")?];
            staging.place(&path, files)
        };
        place(b"1").unwrap();
        place(b"2").unwrap();
        assert_eq!(fs::read(path.join("goldrun")).unwrap(), b"2");
        // What is there stays until the new one is whole.
        let staging = Staging::beside(&path).unwrap();
        fs::write(path.join("mine"), b"").unwrap();
        let refused = staging.place(&path, vec![]).unwrap_err().to_string();
        assert!(refused.contains("it holds mine, which"), "{refused}");
        fs::remove_file(path.join("mine")).unwrap();
        fs::write(path.join("goldrun"), b"3").unwrap();
        let refused = place(b"4").unwrap_err().to_string();
        assert!(refused.contains("goldrun was changed"), "{refused}");
        fs::remove_file(path.join(SUMS)).unwrap();
        let refused = place(b"4").unwrap_err().to_string();
        assert!(refused.contains("was not made by"), "{refused}");
        assert_eq!(fs::read(path.join("goldrun")).unwrap(), b"3");
        let beside: Vec<_> = fs::read_dir(root.path()).unwrap().collect();
        assert_eq!(beside.len(), 1, "nothing is left beside it");
    }
}
