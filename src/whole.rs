//! Files that are whole or absent: written beside their place, then renamed into it.
//!
//! Errors name the file that is meant, and never the one beside it, whose name says nothing to anybody.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use tempfile::NamedTempFile;

/// Writes a file of these bytes. Its folder must be there.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fill(path, |beside| {
        let file = fs::OpenOptions::new().write(true).open(beside)?;
        file.file()
            .write_all(bytes)
            .map_err(|error| failed(path, &error))
    })
}

/// Writes a file that `write` fills, given the path of an empty one in the same folder.
pub fn fill<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let beside = Beside::create(path)?;
    write(beside.file.path())?;
    Ok(beside.keep()?)
}

/// A file that is being written beside its place; dropped before it is kept, it is gone.
#[derive(Debug)]
pub struct Beside {
    file: NamedTempFile,
    path: PathBuf,
}

impl Beside {
    /// An empty file for `path`, whose folder must be there.
    pub fn create(path: &Path) -> io::Result<Self> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(NEW_FILE));
        let file = builder
            .tempfile_in(folder)
            .map_err(|error| failed(path, &error))?;
        let path = path.to_path_buf();
        Ok(Self { file, path })
    }

    /// Puts the file into its place.
    ///
    /// A file that it replaces leaves its permissions to it; a new one has those of any new file, and not
    /// those of a temporary one, which only its owner may read.
    pub fn keep(self) -> io::Result<()> {
        let Self { file, path } = self;
        let failed = |error| failed(&path, &error);
        if let Ok(replaced) = fs::metadata(&path) {
            let permissions = replaced.permissions();
            file.as_file()
                .set_permissions(permissions)
                .map_err(failed)?;
        }
        // Else a power cut could leave a file of the right name without its bytes.
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

impl io::Write for Beside {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.as_file_mut().write(bytes);
        written.map_err(|error| failed(&self.path, &error))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The error of the file at `path`.
fn failed(path: &Path, error: &io::Error) -> io::Error {
    let cause = error.to_string();
    // The name of a temporary file, which tempfile adds.
    let cause = cause.split(" at path ").next().unwrap_or(&cause);
    let text = format!("cannot write {}: {cause}", path.display());
    io::Error::new(error.kind(), text)
}

/// What the user's umask takes from.
#[cfg(unix)]
const NEW_FILE: u32 = 0o666;

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn what_fails_leaves_the_old_file_and_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("golden.toml");
        write(&path, b"old").unwrap();
        let failed = fill(&path, |beside| {
            fs::write(beside, b"ne")?;
            Err(io::Error::other("disk on fire"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "disk on fire");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["golden.toml"]);
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["golden.toml"]);
    }

    #[test]
    fn errors_name_the_file_that_is_meant() {
        let folder = tempfile::Builder::new().prefix("folder").tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        for path in [folder.path().join("nowhere/golden.toml"), taken] {
            let error = write(&path, b"new").unwrap_err().to_string();
            let named = format!("cannot write {}: ", path.display());
            assert!(error.starts_with(&named), "{error}");
            assert!(!error.contains(".tmp"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_those_of_any_file_and_stay() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let plain = folder.path().join("plain");
        fs::write(&plain, b"").unwrap();
        let path = folder.path().join("whole");
        write(&path, b"1").unwrap();
        assert_eq!(mode(&path), mode(&plain));
        fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        write(&path, b"2").unwrap();
        assert_eq!(mode(&path), 0o640);
    }
}
