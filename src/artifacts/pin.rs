//! Pins: digests of bytes and of content, and what a mismatch says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fs_err::File;

use super::Error;
use super::error::ContentMismatch;
use super::progress::Progress;
use crate::digest::{self, Digest};
use crate::recipe::Artifact;
use crate::record::{Observer, Stage};

/// Bytes that are read at a time.
pub(super) const CHUNK: usize = 1 << 18;

/// How many names a mismatch lists of each kind.
const LISTED: usize = 8;

/// How a content digest is made from its lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `h1:`, Go's dirhash: files by path.
    Files,
    /// `t1:`: tensors.
    Tensors,
}

impl Scheme {
    /// The digest of a manifest's lines, which come without line ends and in the scheme's order.
    pub fn digest(self, lines: &[String]) -> String {
        let mut digest = Digest::default();
        for line in lines {
            digest.add(line);
            digest.add("\n");
        }
        format!("{}:{}", self.prefix(), STANDARD.encode(digest.bytes()))
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::Files => "h1",
            Self::Tensors => "t1",
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Files => "file",
            Self::Tensors => "tensor",
        }
    }
}

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
            known.map(|known| Differences::between(known, found.manifest, scheme_of(expected)));
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

fn scheme_of(pin: &str) -> Scheme {
    if pin.starts_with("t1:") {
        Scheme::Tensors
    } else {
        Scheme::Files
    }
}

/// What differs between two manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differences {
    noun: &'static str,
    /// In the second only.
    pub added: Vec<String>,
    /// In the first only.
    pub removed: Vec<String>,
    /// In both, with another digest or shape.
    pub changed: Vec<String>,
}

impl Differences {
    /// What it takes to come from the manifest `old` to `new`.
    pub fn between(old: &[String], new: &[String], scheme: Scheme) -> Self {
        let old = named(old, scheme);
        let new = named(new, scheme);
        let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let mut differences = Self {
            noun: scheme.noun(),
            added: Vec::new(),
            removed: Vec::new(),
            changed: Vec::new(),
        };
        for name in names {
            let list = match (old.get(name), new.get(name)) {
                (Some(a), Some(b)) if a == b => continue,
                (Some(_), Some(_)) => &mut differences.changed,
                (Some(_), None) => &mut differences.removed,
                _ => &mut differences.added,
            };
            list.push(name.to_string());
        }
        differences
    }
}

/// Name of a line: a path, a tensor's name, or a tensor's place where it has no name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name<'a> {
    Text(&'a str),
    Place(usize),
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Place(place) => write!(f, "number {place}"),
        }
    }
}

/// Lines by name; the value is what must be equal.
fn named(lines: &[String], scheme: Scheme) -> BTreeMap<Name<'_>, (&str, &str)> {
    let mut entries = BTreeMap::new();
    for (place, line) in lines.iter().enumerate() {
        let (digest, rest) = line.split_once("  ").unwrap_or((line, ""));
        let (name, shape) = match scheme {
            Scheme::Files => (Name::Text(rest), ""),
            Scheme::Tensors => match rest.split_once("  ") {
                Some((shape, name)) => (Name::Text(name), shape),
                None => (Name::Place(place), rest),
            },
        };
        entries.insert(name, (digest, shape));
    }
    entries
}

impl fmt::Display for Differences {
    /// A line for each kind of difference, each after a line end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            ("added", &self.added),
            ("removed", &self.removed),
            ("changed", &self.changed),
        ];
        for (word, names) in kinds {
            if names.is_empty() {
                continue;
            }
            let plural = if names.len() == 1 { "" } else { "s" };
            write!(f, "\n  {} {}{plural} {word}: ", names.len(), self.noun)?;
            let listed: Vec<&str> = names.iter().take(LISTED).map(String::as_str).collect();
            write!(f, "{}", listed.join(", "))?;
            if names.len() > LISTED {
                write!(f, " and {} more", names.len() - LISTED)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[&str]) -> Vec<String> {
        text.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn h1_is_what_go_and_sha256sum_make() {
        // printf hello > a; printf world > b; sha256sum a b | sha256sum
        let manifest = [("a", "hello"), ("b", "world")]
            .map(|(name, text)| format!("{}  {name}", Bytes::of(text.as_bytes()).sha256));
        let expected = "h1:LA9SOxcQFeNs5FFe07rPuwc30I/D1icwPEVtfcsu/QM=";
        assert_eq!(Scheme::Files.digest(&manifest), expected);
    }

    #[test]
    fn differences_are_listed_by_name_and_by_place() {
        let old = lines(&["00  a", "11  b", "22  c d"]);
        let new = lines(&["00  a", "99  b", "33  e"]);
        let files = Differences::between(&old, &new, Scheme::Files).to_string();
        assert_eq!(
            files,
            "\n  1 file added: e\n  1 file removed: c d\n  1 file changed: b"
        );
        let old = lines(&["00  3x3", "11  8"]);
        let new = lines(&["00  3x3", "11  1x8", "22  4"]);
        let tensors = Differences::between(&old, &new, Scheme::Tensors).to_string();
        assert_eq!(
            tensors,
            "\n  1 tensor added: number 2\n  1 tensor changed: number 1"
        );
        let old = lines(&["00  3x3  Conv1/kernel"]);
        let new = lines(&["01  3x3  Conv1/kernel"]);
        let tensors = Differences::between(&old, &new, Scheme::Tensors).to_string();
        assert_eq!(tensors, "\n  1 tensor changed: Conv1/kernel");
    }

    #[test]
    fn a_long_list_is_cut() {
        let new: Vec<String> = (0..20).map(|number| format!("00  f{number:02}")).collect();
        let text = Differences::between(&[], &new, Scheme::Files).to_string();
        assert!(text.starts_with("\n  20 files added: f00, f01,"), "{text}");
        assert!(text.ends_with("f07 and 12 more"), "{text}");
    }
}
