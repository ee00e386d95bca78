//! The cache: versioned buckets under one root, safe for several processes at once.
//!
//! ```text
//! <root>/
//!   downloads-v1/<url>/          a file as a server sent it, its facts, or the part that came so far
//!   extracted-v1/<executable>/   an archive's files
//!   derived-v1/<executable>/     decoded pixels, features
//!   manifests-v1/                what was seen in an artifact, by content pin or by local folder
//!   executables-v1/              who uses the cache, and when last
//!   temporary-v1/<executable>/   what is being made
//!   trash-v1/                    what is being removed
//! ```
//!
//! Everything appears under its final name by a rename, when it is whole. A bucket whose layout changes
//! gets the next version; nothing is migrated.

mod contents;
mod executable;
mod lock;
pub mod rows;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tempfile::TempPath;

pub use self::contents::{Keep, Pruned, Usage, days_ago, prune, size, usage};
pub use self::executable::{Lease, executable_digest};
pub use self::lock::Lock;
use super::{Error, full_disk_hint};
use crate::digest;
use crate::record::Observer;

/// Environment variable that names the cache's root.
pub const ROOT_VARIABLE: &str = "GOLDRUN_CACHE";

/// Hex digits of a digest that name an entry: 128 bits.
const NAME_DIGITS: usize = 32;

/// A part of the cache with a layout of its own; the folder's name carries the layout's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// Files as servers sent them.
    Downloads,
    /// Archives' files.
    Extracted,
    /// Decoded pixels, features.
    Derived,
    /// What was seen in artifacts.
    Manifests,
    /// Who uses the cache.
    Executables,
    /// What is being made.
    Temporary,
    /// What is being removed.
    Trash,
}

impl Bucket {
    /// Buckets with a folder per executable.
    const PER_EXECUTABLE: [Self; 3] = [Self::Extracted, Self::Derived, Self::Temporary];

    /// All, in the order in which they are filled.
    pub const ALL: [Self; 7] = [
        Self::Downloads,
        Self::Extracted,
        Self::Derived,
        Self::Manifests,
        Self::Executables,
        Self::Temporary,
        Self::Trash,
    ];

    /// True for what nobody will use.
    const fn is_rest(self) -> bool {
        matches!(self, Self::Temporary | Self::Trash)
    }

    /// Name of the folder without its version.
    pub fn word(self) -> &'static str {
        let name = self.name();
        name.split_once('-').map_or(name, |(word, _)| word)
    }

    /// Name of the folder.
    const fn name(self) -> &'static str {
        match self {
            Self::Downloads => "downloads-v1",
            Self::Extracted => "extracted-v1",
            Self::Derived => "derived-v1",
            Self::Manifests => "manifests-v1",
            Self::Executables => "executables-v1",
            Self::Temporary => "temporary-v1",
            Self::Trash => "trash-v1",
        }
    }

    /// The bucket's folder in the cache at `root`.
    pub fn of(self, root: &Path) -> PathBuf {
        root.join(self.name())
    }
}

/// Where the cache is unless told otherwise: `GOLDRUN_CACHE`, else `goldrun` in the user's cache folder.
pub fn default_root() -> PathBuf {
    match std::env::var_os(ROOT_VARIABLE) {
        Some(root) if !root.is_empty() => PathBuf::from(root),
        _ => dirs::cache_dir()
            .unwrap_or_else(std::env::temp_dir)
            .join("goldrun"),
    }
}

/// Why there can be no cache at `root`; none if there can. Makes nothing.
pub fn problem(root: &Path) -> Option<Error> {
    let absolute = match std::path::absolute(root) {
        Ok(absolute) => absolute,
        Err(error) => return Some(unusable(root, error)),
    };
    let there = absolute.ancestors().find(|folder| folder.exists())?;
    let error = if there.is_dir() {
        let error = tempfile::tempfile_in(there).err()?;
        let why = format!(
            "no file can be made in `{}`: {}",
            there.display(),
            error.kind()
        );
        io::Error::new(error.kind(), why)
    } else {
        let why = format!("`{}` is no folder", there.display());
        io::Error::new(io::ErrorKind::NotADirectory, why)
    };
    Some(unusable(root, error))
}

fn unusable(root: &Path, error: io::Error) -> Error {
    // A full disk has a hint of its own.
    if full_disk_hint(&error).is_empty() {
        let root = root.to_path_buf();
        Error::Cache { root, error }
    } else {
        Error::Io(error)
    }
}

/// The first digits of a hex digest, enough to name an entry.
fn short(digest: &str) -> &str {
    digest.get(..NAME_DIGITS).unwrap_or(digest)
}

/// The name of the entry for `key`.
pub fn entry_name(key: &str) -> String {
    short(&digest::of(key)).to_owned()
}

/// An open cache. While it (or a clone) lives, no other process removes this executable's entries.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
    fresh: bool,
    executable: String,
    lease: Arc<Lease>,
    /// True once a wait for a derived file was told: a run that waits for one split waits for the others.
    told_of_wait: Arc<AtomicBool>,
}

impl Cache {
    /// Opens the cache at `root`, making it where it is missing, and removes what outdated executables
    /// derived. With `fresh`, nothing derived is read or kept.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "callers have no further use for it"
    )]
    pub fn open(root: PathBuf, fresh: bool) -> Result<Self, Error> {
        Self::open_for(&root, fresh, executable_digest())
    }

    /// [`Cache::open`] for the executable with digest `executable`.
    pub(crate) fn open_for(root: &Path, fresh: bool, executable: &str) -> Result<Self, Error> {
        let taken = || -> Result<(PathBuf, Lease), Error> {
            fs_err::create_dir_all(root)?;
            let root = fs_err::canonicalize(root)?;
            let lease = Lease::take(&root, executable)?;
            Ok((root, lease))
        };
        let (root, lease) = taken().map_err(|error| match error {
            Error::Io(error) => problem(root).unwrap_or_else(|| unusable(root, error)),
            other => other,
        })?;
        let lease = Arc::new(lease);
        Ok(Self {
            root,
            fresh,
            executable: short(executable).to_owned(),
            lease,
            told_of_wait: Arc::default(),
        })
    }

    /// The root, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// True if nothing derived is read or kept.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// The registration of this executable.
    pub(crate) fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    /// A folder in a bucket, which exists; this executable's own where the bucket has one per executable.
    pub(crate) fn folder(&self, bucket: Bucket) -> Result<PathBuf, Error> {
        let mut folder = bucket.of(&self.root);
        if Bucket::PER_EXECUTABLE.contains(&bucket) {
            folder.push(&self.executable);
        }
        fs_err::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Moves a folder of the cache to where the next process removes it.
    pub(crate) fn discard(&self, folder: &Path) -> Result<(), Error> {
        executable::discard(&self.root, folder)
    }

    /// An empty file in the cache that is removed unless it is renamed.
    pub(crate) fn temporary_file(&self) -> Result<TempPath, Error> {
        let folder = self.folder(Bucket::Temporary)?;
        Ok(tempfile::Builder::new()
            .prefix("file-")
            .tempfile_in(folder)?
            .into_temp_path())
    }

    /// An empty folder in the cache that is removed unless it is renamed.
    pub(crate) fn temporary_folder(&self) -> Result<tempfile::TempDir, Error> {
        let folder = self.folder(Bucket::Temporary)?;
        Ok(tempfile::Builder::new()
            .prefix("folder-")
            .tempdir_in(folder)?)
    }

    /// A file that is derived from what `key` says and from this executable.
    ///
    /// `kind` is a short word for the file's name (`pixels`, `features`), `key` holds everything that the
    /// content depends on but the code. If the file is missing, the caller fills the writer's path and
    /// commits it; other callers wait meanwhile, here and in other processes. A writer that is dropped
    /// leaves nothing behind. In a fresh cache it is always missing, and gone after use.
    pub fn derived(
        &self,
        kind: &str,
        key: &str,
        observer: &Observer<'_>,
    ) -> Result<Derived, Error> {
        if self.fresh {
            let temporary = self.temporary_file()?;
            return Ok(Derived::Missing(DerivedWriter {
                temporary,
                place: None,
                lease: Arc::clone(&self.lease),
            }));
        }
        let folder = self.folder(Bucket::Derived)?;
        let name = format!("{kind}-{}", entry_name(&format!("{kind}\n{key}")));
        let target = folder.join(&name);
        if target.exists() {
            return Ok(Derived::Ready(target));
        }
        let lock = Lock::acquire_one_of(
            &folder.join(format!("{name}.lock")),
            &format!("makes {kind}"),
            &self.told_of_wait,
            observer,
        )?;
        if target.exists() {
            return Ok(Derived::Ready(target));
        }
        let temporary = self.temporary_file()?;
        Ok(Derived::Missing(DerivedWriter {
            temporary,
            place: Some(Place {
                target,
                _lock: lock,
            }),
            lease: Arc::clone(&self.lease),
        }))
    }
}

/// What [`Cache::derived`] found.
#[derive(Debug)]
pub enum Derived {
    /// The whole file.
    Ready(PathBuf),
    /// Nothing yet: the caller makes it.
    Missing(DerivedWriter),
}

/// A derived file that is being made.
#[derive(Debug)]
pub struct DerivedWriter {
    // Before the lock, so that it is gone before the next one may begin.
    temporary: TempPath,
    place: Option<Place>,
    lease: Arc<Lease>,
}

/// Where a derived file goes, and the lock on that place.
#[derive(Debug)]
struct Place {
    target: PathBuf,
    _lock: Lock,
}

impl DerivedWriter {
    /// The file to fill; it exists and is empty.
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Gives the file its name in the cache; in a fresh cache, hands it over until it is dropped.
    pub fn commit(self) -> Result<DerivedFile, Error> {
        let Some(place) = self.place else {
            let path = self.temporary.to_path_buf();
            return Ok(DerivedFile {
                path,
                _temporary: Some(self.temporary),
                _lease: self.lease,
            });
        };
        // Else a power cut could leave a file of the right name and size without its bytes.
        fs_err::OpenOptions::new()
            .write(true)
            .open(&self.temporary)?
            .sync_data()?;
        self.temporary
            .persist(&place.target)
            .map_err(|error| error.error)?;
        Ok(DerivedFile {
            path: place.target,
            _temporary: None,
            _lease: self.lease,
        })
    }
}

/// A derived file that can be read for as long as this value lives.
#[derive(Debug)]
pub struct DerivedFile {
    /// Where it is.
    pub path: PathBuf,
    _temporary: Option<TempPath>,
    _lease: Arc<Lease>,
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicBool;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::record::Event;

    const QUIET: &(dyn Fn(Event) + Sync) = &|_| {};
    static NEVER: AtomicBool = AtomicBool::new(false);

    fn quiet() -> Observer<'static> {
        Observer::new(QUIET, &NEVER)
    }

    fn make(cache: &Cache, key: &str, text: &str) -> DerivedFile {
        match cache.derived("pixels", key, &quiet()).unwrap() {
            Derived::Missing(writer) => {
                fs_err::write(writer.path(), text).unwrap();
                writer.commit().unwrap()
            }
            Derived::Ready(path) => panic!("{} is there already", path.display()),
        }
    }

    fn is_ready(cache: &Cache, key: &str) -> bool {
        matches!(
            cache.derived("pixels", key, &quiet()).unwrap(),
            Derived::Ready(_)
        )
    }

    #[test]
    fn a_derived_file_is_made_once_per_key_and_executable() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::open_for(&root.path().join("cache"), false, "aa").unwrap();
        let made = make(&cache, "one", "1");
        assert_eq!(fs_err::read_to_string(&made.path).unwrap(), "1");
        assert!(is_ready(&cache, "one"));
        assert!(!is_ready(&cache, "two"));
        let other = Cache::open_for(&root.path().join("cache"), false, "bb").unwrap();
        assert!(!is_ready(&other, "one"));
    }

    #[test]
    fn a_dropped_writer_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::open_for(root.path(), false, "aa").unwrap();
        let Derived::Missing(writer) = cache.derived("pixels", "k", &quiet()).unwrap() else {
            panic!("nothing was made")
        };
        let path = writer.path().to_path_buf();
        fs_err::write(&path, "half").unwrap();
        drop(writer);
        assert!(!path.exists());
        assert!(!is_ready(&cache, "k"));
    }

    #[test]
    fn a_fresh_cache_reads_nothing_and_keeps_nothing() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::open_for(root.path(), false, "aa").unwrap();
        make(&cache, "k", "kept");
        let fresh = Cache::open_for(root.path(), true, "aa").unwrap();
        let made = make(&fresh, "k", "fresh");
        assert_eq!(fs_err::read_to_string(&made.path).unwrap(), "fresh");
        let path = made.path.clone();
        drop(made);
        assert!(!path.exists());
        assert!(is_ready(&cache, "k"));
    }

    #[test]
    fn a_second_caller_waits_with_a_note_and_then_finds_the_file() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::open_for(root.path(), false, "aa").unwrap();
        let Derived::Missing(writer) = cache.derived("pixels", "k", &quiet()).unwrap() else {
            panic!("nothing was made")
        };
        let notes = Mutex::new(Vec::new());
        let sink = |event| notes.lock().unwrap().push(event);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let observer = Observer::new(&sink, &NEVER);
                matches!(
                    cache.derived("pixels", "k", &observer).unwrap(),
                    Derived::Ready(_)
                )
            });
            while notes.lock().unwrap().is_empty() {
                std::thread::sleep(Duration::from_millis(5));
            }
            writer.commit().unwrap();
            assert!(waiting.join().unwrap());
        });
        // Whoever waits for one split waits for the others, too.
        let Derived::Missing(writer) = cache.derived("pixels", "other", &quiet()).unwrap() else {
            panic!("nothing was made")
        };
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let observer = Observer::new(&sink, &NEVER);
                cache.derived("pixels", "other", &observer).unwrap()
            });
            std::thread::sleep(Duration::from_millis(200));
            writer.commit().unwrap();
            waiting.join().unwrap();
        });
        let expected = Event::Note("waiting for another goldrun that makes pixels".to_owned());
        assert_eq!(*notes.lock().unwrap(), [expected]);
    }

    #[test]
    fn waiting_ends_when_interrupted() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::open_for(root.path(), false, "aa").unwrap();
        let _held = cache.derived("pixels", "k", &quiet()).unwrap();
        let interrupted = AtomicBool::new(true);
        let started = Instant::now();
        let error = cache
            .derived("pixels", "k", &Observer::new(QUIET, &interrupted))
            .unwrap_err();
        assert!(error.is_interrupted());
        assert!(started.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn entries_of_all_but_the_last_two_executables_go_unless_they_are_in_use() {
        let root = tempfile::tempdir().unwrap();
        let open = |name| Cache::open_for(root.path(), false, name).unwrap();
        let first = open("aa");
        let first_file = make(&first, "k", "first").path;
        let second_file = make(&open("bb"), "k", "second").path;
        let third_file = make(&open("cc"), "k", "third").path;
        drop(open("dd"));
        assert!(first_file.exists(), "it is in use");
        assert!(!second_file.exists());
        assert!(third_file.exists());
        drop(first);
        drop(open("dd"));
        assert!(!first_file.exists());
        assert!(third_file.exists());
        assert!(is_ready(&open("cc"), "k"));
    }

    #[test]
    fn what_a_crash_left_is_removed_by_the_next_process() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::open_for(root.path(), false, "aa").unwrap();
        let left = cache.temporary_file().unwrap().keep().unwrap();
        let second = Cache::open_for(root.path(), false, "aa").unwrap();
        assert!(left.exists(), "the first one still runs");
        drop((cache, second));
        Cache::open_for(root.path(), false, "aa").unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn the_executable_has_a_digest() {
        assert_eq!(executable_digest().len(), 64);
        assert_eq!(executable_digest(), executable_digest());
    }
}
