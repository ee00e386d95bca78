//! What a folder's files are: the manifest, with the size and time that each file had when it was
//! hashed, so that an unchanged folder need not be read again.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fs_err::File;
use serde::{Deserialize, Serialize};

use super::cache::Cache;
use super::content::Scheme;
use super::pin::{CHUNK, HashingWriter};
use super::progress::Progress;
use super::{Error, Refusal};
use crate::record::{Observer, Stage};

/// Ends of the names (in lower case) of the files of a folder that count, as for the data set.
const PICTURES: [&str; 5] = [".bmp", ".gif", ".jpeg", ".jpg", ".png"];

/// A file that changed so shortly before it was hashed may change again under the same time.
const TIME_GRAIN: Duration = Duration::from_secs(2);

/// Deeper folders are taken for a loop of links.
const DEEPEST: usize = 64;

/// A file as it was when it was hashed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listed {
    /// Relative to the folder, with `/`.
    pub path: String,
    /// Hex sha256 of its bytes.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970; none if the next look must hash again.
    pub modified: Option<u64>,
}

/// The files of a folder, in byte order of their paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listing {
    /// The files.
    pub files: Vec<Listed>,
}

impl Listing {
    /// A listing of files in any order.
    pub fn new(mut files: Vec<Listed>) -> Self {
        files.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
        Self { files }
    }

    /// The lines of the `h1:` digest.
    pub fn manifest(&self) -> Vec<String> {
        self.files
            .iter()
            .map(|file| format!("{}  {}", file.sha256, file.path))
            .collect()
    }

    /// The `h1:` digest.
    pub fn digest(&self) -> String {
        Scheme::Files.digest(&self.manifest())
    }

    /// Bytes of all files.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// A listing that was stored; none if it is missing or unreadable.
    pub fn load(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs_err::read(path).ok()?).ok()
    }

    /// Stores the listing as a new file, which `path` must not be in use as.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec(self).map_err(std::io::Error::from)?;
        Ok(fs_err::write(path, text)?)
    }

    /// True if the folder's files have the sizes and times that are listed.
    pub fn still_holds(&self, folder: &Path) -> bool {
        self.files.iter().all(|file| {
            fs_err::metadata(folder.join(&file.path)).is_ok_and(|metadata| {
                metadata.is_file()
                    && metadata.len() == file.size
                    && modified(&metadata) == file.modified
            })
        })
    }
}

/// When a file was changed last, nanoseconds since 1970.
pub(super) fn modified(metadata: &Metadata) -> Option<u64> {
    let time = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(time.as_nanos()).ok()
}

/// Lists a local folder's pictures; names that start with `.` are left out. Files that have the size and
/// time of an earlier look are not read again, unless the cache is fresh.
pub(super) fn of_folder(
    folder: &Path,
    role: &str,
    cache: &Cache,
    observer: &Observer<'_>,
) -> Result<Listing, Error> {
    let folder = fs_err::canonicalize(folder)?;
    let memory = cache.remembered_folder(&folder)?;
    let known = if cache.is_fresh() {
        None
    } else {
        Listing::load(&memory)
    };
    let mut paths = Vec::new();
    collect(&folder, "", 0, &mut paths, observer)?;
    paths.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    let total: u64 = paths.iter().map(|(_, metadata)| metadata.len()).sum();
    let mut progress = Progress::begin(observer, Stage::Verify(role.to_owned()), Some(total));
    let mut files = Vec::with_capacity(paths.len());
    for (path, metadata) in paths {
        let same = |file: &&Listed| {
            file.modified.is_some()
                && file.modified == modified(&metadata)
                && file.size == metadata.len()
        };
        let found = known.as_ref().and_then(|known| {
            let by_path = |file: &Listed| file.path.as_bytes().cmp(path.as_bytes());
            known
                .files
                .binary_search_by(by_path)
                .ok()
                .map(|place| &known.files[place])
        });
        if let Some(file) = found.filter(same) {
            progress.advance(file.size)?;
            files.push(file.clone());
        } else {
            files.push(hash(&folder.join(&path), path, &mut progress)?);
        }
    }
    progress.finish();
    let listing = Listing::new(files);
    if known.as_ref() != Some(&listing) {
        let temporary = cache.temporary_file()?;
        listing.save(&temporary)?;
        temporary.persist(&memory).map_err(|error| error.error)?;
    }
    Ok(listing)
}

fn hash(file: &Path, path: String, progress: &mut Progress<'_>) -> Result<Listed, Error> {
    let mut reader = File::open(file)?;
    let metadata = reader.metadata()?;
    let mut hashing = HashingWriter::new(std::io::sink());
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = std::io::Read::read(&mut reader, &mut chunk)?;
        if count == 0 {
            break;
        }
        hashing.catch_up(&chunk[..count]);
        progress.advance(count as u64)?;
    }
    let settled = metadata
        .modified()
        .ok()
        .and_then(|time| SystemTime::now().duration_since(time).ok())
        .is_some_and(|age| age > TIME_GRAIN);
    let size = hashing.count();
    let (_, sha256) = hashing.finish();
    let modified = modified(&metadata).filter(|_| settled && size == metadata.len());
    Ok(Listed {
        path,
        sha256,
        size,
        modified,
    })
}

/// Collects the pictures below `folder` with their paths from the top.
fn collect(
    folder: &Path,
    prefix: &str,
    depth: usize,
    found: &mut Vec<(String, Metadata)>,
    observer: &Observer<'_>,
) -> Result<(), Error> {
    if observer.interrupted() {
        return Err(Error::Interrupted);
    }
    if depth > DEEPEST {
        let problem = Refusal::Damaged(format!("it is more than {DEEPEST} folders deep"));
        return Err(Error::Archive {
            from: folder.display().to_string(),
            problem,
        });
    }
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let name = match entry.file_name().into_string() {
            Ok(name) if !name.chars().any(char::is_control) => name,
            Ok(name) => return Err(refused(folder, Refusal::Name(name))),
            Err(name) => {
                let name = name.to_string_lossy().into_owned();
                return Err(refused(folder, Refusal::NotUtf8(name)));
            }
        };
        if name.starts_with('.') {
            continue;
        }
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}/{name}")
        };
        // Follows links: a class may well be a link to a folder elsewhere.
        let metadata = fs_err::metadata(entry.path())?;
        if metadata.is_dir() {
            collect(&entry.path(), &path, depth + 1, found, observer)?;
        } else if metadata.is_file() && is_picture(&name) {
            found.push((path, metadata));
        }
    }
    Ok(())
}

fn refused(folder: &Path, problem: Refusal) -> Error {
    Error::Archive {
        from: folder.display().to_string(),
        problem,
    }
}

fn is_picture(name: &str) -> bool {
    let name = name.to_lowercase();
    PICTURES.iter().any(|end| name.ends_with(end))
}

impl Cache {
    /// Where the listing of a local folder is kept.
    fn remembered_folder(&self, folder: &Path) -> Result<PathBuf, Error> {
        let name = super::cache::entry_name(&folder.to_string_lossy());
        Ok(self
            .folder(super::cache::Bucket::Manifests)?
            .join(format!("folder-{name}.json")))
    }
}
