//! Which executables use the cache: derived entries belong to one, and die with it.
//!
//! `executables-v1/<digest>` holds the time of its last use in nanoseconds since 1970, and is locked
//! shared by every process of that executable while it runs. Registering and removing happen under one
//! brief lock, so nobody registers with a file that is just being removed.

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use fs_err::File;
use tracing::trace_span;

use super::lock::{self, Lock};
use super::{Bucket, short};
use crate::artifacts::Error;
use crate::digest::{self, Digest};

/// Executables whose entries are kept, the newest ones.
const KEPT: usize = 2;

/// A file that no executable's digest can be.
const BRIEF_LOCK: &str = "registry.lock";

/// Digest of the running executable: hex sha256 of its file.
///
/// If the file cannot be read, a value that no other process has: then nothing derived is shared, which
/// is slow and never wrong.
pub fn executable_digest() -> &'static str {
    static DIGEST: OnceLock<String> = OnceLock::new();
    DIGEST.get_or_init(|| {
        let _span = trace_span!("digest", of = "executable").entered();
        digest_of_executable().unwrap_or_else(|_| unique_digest())
    })
}

fn digest_of_executable() -> std::io::Result<String> {
    // A rebuilt binary replaces the file under the old name; this link still leads to what runs.
    let link = Path::new("/proc/self/exe");
    let mut file = if link.exists() {
        File::open(link)?
    } else {
        File::open(std::env::current_exe()?)?
    };
    let mut digest = Digest::default();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(digest.hex());
        }
        digest.add(&buffer[..count]);
    }
}

fn unique_digest() -> String {
    digest::of(format!("{} {}", std::process::id(), now()))
}

/// Nanoseconds since 1970.
fn now() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_nanos())
}

/// The running executable's registration: while it lives, none of its entries is removed.
#[derive(Debug)]
pub struct Lease {
    _file: File,
}

impl Lease {
    /// Registers the executable with digest `digest` as in use, and removes the entries of executables
    /// other than the newest two that nobody uses.
    pub fn take(root: &Path, digest: &str) -> Result<Self, Error> {
        let registry = Bucket::Executables.of(root);
        fs_err::create_dir_all(&registry)?;
        let own = short(digest);
        let unfinished = Bucket::Temporary.of(root).join(own);
        let lease = {
            let _brief = Lock::acquire_brief(&registry.join(BRIEF_LOCK))?;
            let mut file = lock::open(&registry.join(own))?;
            if lock::try_exclusive(&file)? {
                // Nobody else runs this executable, so what lies there was left by a crash.
                discard(root, &unfinished)?;
                file.file().unlock()?;
            }
            file.file().lock_shared()?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(format!("{:039}\n", now()).as_bytes())?;
            for name in outdated(&registry, own)? {
                let other = lock::open(&registry.join(&name))?;
                if !lock::try_exclusive(&other)? {
                    continue;
                }
                for bucket in Bucket::PER_EXECUTABLE {
                    discard(root, &bucket.of(root).join(&name))?;
                }
                fs_err::remove_file(registry.join(&name))?;
            }
            Self { _file: file }
        };
        // Outside the lock, because it may take seconds.
        empty_trash(root);
        Ok(lease)
    }
}

/// What is moved to where it is removed, while nobody can register as using the cache.
pub(super) struct Trashed {
    folder: PathBuf,
    running: BTreeSet<String>,
    count: usize,
    _brief: Lock,
}

impl Trashed {
    /// Begins; every process that starts meanwhile waits until this is dropped.
    pub fn begin(root: &Path) -> Result<Self, Error> {
        let registry = Bucket::Executables.of(root);
        fs_err::create_dir_all(&registry)?;
        let brief = Lock::acquire_brief(&registry.join(BRIEF_LOCK))?;
        let mut running = BTreeSet::new();
        for name in registered(&registry)? {
            if !lock::try_exclusive(&lock::open(&registry.join(&name))?)? {
                running.insert(name);
            }
        }
        Ok(Self {
            folder: unique_in_trash(root),
            running,
            count: 0,
            _brief: brief,
        })
    }

    /// Names of the executables that run.
    pub fn running(&self) -> &BTreeSet<String> {
        &self.running
    }

    /// Moves a file or folder; one that is gone already is none to move.
    pub fn add(&mut self, path: &Path) -> Result<(), Error> {
        fs_err::create_dir_all(&self.folder)?;
        let to = self.folder.join(self.count.to_string());
        self.count += 1;
        match fs_err::rename(path, to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

/// A folder in the trash that nobody else has.
fn unique_in_trash(root: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{}-{}-{count}", now(), std::process::id());
    Bucket::Trash.of(root).join(name)
}

/// Moves a folder, if it exists, to where it is removed.
pub(super) fn discard(root: &Path, folder: &Path) -> Result<(), Error> {
    if !folder.exists() {
        return Ok(());
    }
    fs_err::create_dir_all(Bucket::Trash.of(root))?;
    // One step, because another process may be emptying that folder.
    fs_err::rename(folder, unique_in_trash(root))?;
    Ok(())
}

/// Removes what was discarded; whatever resists is left to the next process.
pub(super) fn empty_trash(root: &Path) {
    let Ok(entries) = fs_err::read_dir(Bucket::Trash.of(root)) else {
        return;
    };
    for entry in entries.flatten() {
        let _ = fs_err::remove_dir_all(entry.path());
    }
}

/// The executables that used the cache, by their files' names.
fn registered(registry: &Path) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs_err::read_dir(registry)? {
        let name = entry?.file_name().into_string();
        names.extend(name.ok().filter(|name| name != BRIEF_LOCK));
    }
    Ok(names)
}

/// Executables other than `own` that are not among the newest, by their files' names.
fn outdated(registry: &Path, own: &str) -> Result<Vec<String>, Error> {
    let mut others = Vec::new();
    for name in registered(registry)? {
        if name == own {
            continue;
        }
        let used = fs_err::read_to_string(registry.join(&name))?;
        let used: u128 = used.trim().parse().unwrap_or(0);
        others.push((used, name));
    }
    others.sort_by(|a, b| b.cmp(a));
    Ok(others
        .into_iter()
        .skip(KEPT - 1)
        .map(|(_, name)| name)
        .collect())
}
