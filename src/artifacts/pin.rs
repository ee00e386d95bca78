//! Pins: digests of bytes, and what an artifact is held to.

use std::io::{self, Read, Write};
use std::path::Path;

use fs_err::File;

use super::Error;
use super::content::{Differences, Scheme};
use super::error::ContentMismatch;
use super::progress::Progress;
use crate::digest::{self, Digest};
use crate::recipe::Artifact;
use crate::record::{Observer, Stage};

/// Bytes that are read at a time.
pub(super) const CHUNK: usize = 1 << 18;

/// Passes bytes on and hashes them on the way.
#[derive(Debug)]
pub(super) struct HashingWriter<W> {
    inner: W,
    digest: Digest,
    count: u64,
}

impl<W: Write> HashingWriter<W> {
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            digest: Digest::default(),
            count: 0,
        }
    }

    /// Bytes so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Hashes bytes that `inner` has already.
    pub fn catch_up(&mut self, bytes: &[u8]) {
        self.digest.add(bytes);
        self.count += bytes.len() as u64;
    }

    /// The writer and the hex sha256 of what went through.
    pub fn finish(self) -> (W, String) {
        (self.inner, self.digest.hex())
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.digest.add(&bytes[..count]);
        self.count += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// What the bytes of a file are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bytes {
    /// Hex sha256.
    pub sha256: String,
    /// How many.
    pub size: u64,
}

impl Bytes {
    /// Of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            sha256: digest::of(bytes),
            size: bytes.len() as u64,
        }
    }

    /// Of a file, as a stage of `role`.
    pub fn of_file(path: &Path, role: &str, observer: &Observer<'_>) -> Result<Self, Error> {
        let mut file = File::open(path)?;
        let total = file.metadata()?.len();
        let mut progress = Progress::begin(observer, Stage::Verify(role.to_owned()), Some(total));
        let mut hashing = HashingWriter::new(io::sink());
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = file.read(&mut chunk)?;
            if count == 0 {
                break;
            }
            hashing.catch_up(&chunk[..count]);
            progress.advance(count as u64)?;
        }
        progress.finish();
        let size = hashing.count();
        let (_, sha256) = hashing.finish();
        Ok(Self { sha256, size })
    }
}

/// Refuses bytes that no content digest can save, before anything reads them.
pub(super) fn check_bytes(artifact: &Artifact, from: &str, bytes: &Bytes) -> Result<(), Error> {
    check_size(artifact, from, bytes.size)?;
    match &artifact.sha256 {
        Some(expected) if artifact.content.is_none() && *expected != bytes.sha256 => {
            Err(Error::Bytes {
                from: from.to_owned(),
                expected: expected.clone(),
                got: bytes.sha256.clone(),
            })
        }
        _ => Ok(()),
    }
}

/// Refuses a size that cannot be right.
pub(super) fn check_size(artifact: &Artifact, from: &str, size: u64) -> Result<(), Error> {
    if size > artifact.max_size {
        return Err(too_large(artifact, from, format!("has {size} bytes")));
    }
    match exact_size(artifact) {
        Some(expected) if expected != size => Err(Error::Size {
            from: from.to_owned(),
            expected,
            got: size.to_string(),
        }),
        _ => Ok(()),
    }
}

/// The size that the bytes must have.
pub(super) fn exact_size(artifact: &Artifact) -> Option<u64> {
    artifact.size.filter(|_| artifact.content.is_none())
}

/// More bytes than the recipe allows.
pub(super) fn too_large(artifact: &Artifact, from: &str, got: String) -> Error {
    Error::TooLarge {
        from: from.to_owned(),
        what: "it",
        got,
        limit: artifact.max_size,
    }
}

/// What was found in an artifact.
pub(super) struct Found<'a> {
    /// Its bytes; none for a folder.
    pub bytes: Option<&'a Bytes>,
    /// Its content digest.
    pub content: &'a str,
    /// The lines of that.
    pub manifest: &'a [String],
}

/// Holds what was found to the pins; returns what is worth noting.
///
/// `known` is the manifest of the pinned content, if it is known.
pub(super) fn check_content(
    artifact: &Artifact,
    from: &str,
    found: &Found<'_>,
    known: Option<&[String]>,
) -> Result<Vec<String>, Error> {
    let Some(expected) = &artifact.content else {
        if artifact.sha256.is_some() && found.bytes.is_none() {
            let content = found.content.to_owned();
            return Err(Error::FolderBytes {
                from: from.to_owned(),
                content,
            });
        }
        return Ok(Vec::new());
    };
    if expected != found.content {
        let differences =
            known.map(|known| Differences::between(known, found.manifest, Scheme::of(expected)));
        return Err(Error::Content(Box::new(ContentMismatch {
            from: from.to_owned(),
            expected: expected.clone(),
            got: found.content.to_owned(),
            differences,
        })));
    }
    let mut notes = Vec::new();
    if let Some(bytes) = found.bytes {
        if artifact
            .sha256
            .as_ref()
            .is_some_and(|pin| *pin != bytes.sha256)
        {
            notes.push(format!(
                "re-packed, same content: {from} has sha256 {}, not the pinned one",
                bytes.sha256
            ));
        }
        if let Some(size) = artifact.size.filter(|&size| size != bytes.size) {
            notes.push(format!(
                "{from} has {} bytes instead of {size}, same content",
                bytes.size
            ));
        }
    }
    Ok(notes)
}
