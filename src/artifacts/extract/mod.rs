//! Archives into folders: nothing is written that is not checked before, and every file is hashed on
//! its way to the disk.

mod names;
mod tar_gz;
mod zip;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use fs_err::File;

use self::names::{Names, Role};
use super::listing::{self, Listed, Listing};
use super::pin::{CHUNK, HashingWriter};
use super::progress::Progress;
use super::{Error, Refusal};
use crate::record::{Observer, Stage};

/// First bytes of a zip archive: of its first entry, or of its end where it has none.
const ZIP_SIGNATURES: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// First bytes of a gzip stream.
const GZIP_SIGNATURE: &[u8] = b"\x1f\x8b";

/// What is extracted, for whom and how far.
pub(super) struct Order<'a> {
    /// The archive.
    pub archive: &'a Path,
    /// What it is called in errors.
    pub from: &'a str,
    /// The artifact's role.
    pub role: &'a str,
    /// Largest size of all files together, bytes.
    pub limit: u64,
}

impl Order<'_> {
    /// Extracts the archive (zip or tar.gz, by its content) into an empty folder.
    ///
    /// Folders that hold no file are left out, since the content digest does not see them.
    pub fn extract_into(&self, folder: &Path, observer: &Observer<'_>) -> Result<Listing, Error> {
        let mut file = File::open(self.archive)?;
        let mut start = [0; 4];
        let length = read_up_to(&mut file, &mut start)?;
        let start = &start[..length];
        if ZIP_SIGNATURES.contains(&start) {
            zip::extract(self, folder, observer)
        } else if start.starts_with(GZIP_SIGNATURE) {
            tar_gz::extract(self, folder, observer)
        } else {
            Err(self.refused(Refusal::Unknown))
        }
    }

    fn refused(&self, problem: Refusal) -> Error {
        Error::Archive {
            from: self.from.to_owned(),
            problem,
        }
    }

    fn damaged(&self, problem: impl std::fmt::Display) -> Error {
        self.refused(Refusal::Damaged(format!("it is damaged: {problem}")))
    }

    fn too_large(&self, got: String) -> Error {
        Error::TooLarge {
            from: self.from.to_owned(),
            what: "its files together have",
            got,
            limit: self.limit,
        }
    }

    fn stage(&self) -> Stage {
        Stage::Extract(self.role.to_owned())
    }

    /// Writes an entry that its header gives `declared` bytes, hashing it on the way.
    fn write_file(
        &self,
        folder: &Path,
        path: String,
        declared: u64,
        source: &mut dyn Read,
        progress: &mut Progress<'_>,
    ) -> Result<Listed, Error> {
        let target = folder.join(&path);
        if let Some(parent) = target.parent() {
            fs_err::create_dir_all(parent)?;
        }
        let file = fs_err::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&target)?;
        let mut hashing = HashingWriter::new(file);
        // One byte more than declared is read, to see whether there is one.
        let mut source = source.take(declared.saturating_add(1));
        let mut chunk = vec![0; CHUNK.min(usize::try_from(declared).unwrap_or(CHUNK) + 1)];
        loop {
            let count = match source.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => return Err(self.damaged(format!("entry `{path}`: {error}"))),
            };
            if hashing.count() + count as u64 > declared {
                let got = "more".to_owned();
                return Err(self.refused(Refusal::Length {
                    name: path,
                    declared,
                    got,
                }));
            }
            hashing.write_all(&chunk[..count])?;
            progress.advance(0)?;
        }
        let size = hashing.count();
        if size != declared {
            let got = size.to_string();
            return Err(self.refused(Refusal::Length {
                name: path,
                declared,
                got,
            }));
        }
        let (file, sha256) = hashing.finish();
        let modified = listing::modified(&file.metadata()?);
        progress.advance(1)?;
        Ok(Listed {
            path,
            sha256,
            size,
            modified,
        })
    }
}

/// Fills as much of `buffer` as there is to read.
fn read_up_to(source: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match source.read(&mut buffer[length..])? {
            0 => break,
            count => length += count,
        }
    }
    Ok(length)
}

/// The folder of an extracted archive's files, and of its listing, inside its entry in the cache.
pub(super) fn parts(entry: &Path) -> (PathBuf, PathBuf) {
    (entry.join("files"), entry.join("listing.json"))
}
