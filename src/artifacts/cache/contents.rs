//! What lies in a cache, entry by entry, and what of it can go.
//!
//! An entry goes where no process can be using it: entries of an executable while none of its processes runs,
//! downloads and manifests while no goldrun does. Both are seen under the registry's lock, under which every
//! process registers, so nobody begins to use what is just being moved away.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::executable::{self, Trashed};
use super::{Bucket, problem};
use crate::artifacts::Error;

/// End of the names of lock files.
const LOCK: &str = ".lock";

/// What a bucket holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The bucket.
    pub bucket: Bucket,
    /// Things that can be removed by themselves.
    pub entries: usize,
    /// Bytes of all files.
    pub bytes: u64,
}

/// What of a cache stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// What was used last, up to so many bytes of the whole cache.
    Bytes(u64),
    /// What was used since.
    Since(SystemTime),
    /// Nothing.
    Nothing,
}

/// What went, or would go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// By bucket; those of which nothing goes are left out.
    pub gone: Vec<Usage>,
    /// Bytes that stay.
    pub left: u64,
    /// Bytes of these that would have gone, but for a goldrun that runs.
    pub in_use: u64,
}

impl Pruned {
    /// Bytes that go.
    pub fn bytes(&self) -> u64 {
        self.gone.iter().map(|usage| usage.bytes).sum()
    }
}

/// Something that can be removed by itself.
struct Entry {
    bucket: Bucket,
    /// Name of the executable that it belongs to, if it is one's own.
    executable: Option<String>,
    /// What it consists of: itself, and its lock where it has one beside it.
    paths: Vec<PathBuf>,
    bytes: u64,
    /// When it was written or read last, as far as the file system knows.
    used: SystemTime,
}

/// What each bucket of the cache at `root` holds; nothing where there is no cache.
pub fn usage(root: &Path) -> Result<Vec<Usage>, Error> {
    let entries = entries(root)?;
    Ok(Bucket::ALL
        .into_iter()
        .map(|bucket| sum(bucket, entries.iter()))
        .collect())
}

/// Removes what is not to be kept and what no process uses; with `is_dry`, only says what that is.
pub fn prune(root: &Path, keep: Keep, is_dry: bool) -> Result<Pruned, Error> {
    if !root.is_dir() {
        return Ok(Pruned {
            gone: Vec::new(),
            left: 0,
            in_use: 0,
        });
    }
    if let Some(problem) = problem(root) {
        return Err(problem);
    }
    let entries = entries(root)?;
    let mut trashed = Trashed::begin(root)?;
    let (gone, in_use) = chosen(&entries, keep, trashed.running());
    if !is_dry {
        for path in gone.iter().flat_map(|entry| &entry.paths) {
            trashed.add(path)?;
        }
    }
    drop(trashed);
    if !is_dry {
        // Outside the lock, because it may take seconds.
        executable::empty_trash(root);
    }
    let total: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let usage = Bucket::ALL
        .into_iter()
        .map(|bucket| sum(bucket, gone.iter().copied()))
        .filter(|usage| usage.entries > 0);
    let gone: Vec<Usage> = usage.collect();
    Ok(Pruned {
        left: total - gone.iter().map(|usage| usage.bytes).sum::<u64>(),
        gone,
        in_use,
    })
}

/// The entries that go, the one that was used longest ago first, and the bytes of those that would but are
/// in use.
fn chosen<'a>(
    entries: &'a [Entry],
    keep: Keep,
    running: &BTreeSet<String>,
) -> (Vec<&'a Entry>, u64) {
    let mut by_use: Vec<&Entry> = entries.iter().collect();
    by_use.sort_by_key(|entry| (!entry.bucket.is_rest(), entry.used));
    let mut left: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let mut gone = Vec::new();
    let mut in_use = 0;
    for entry in by_use {
        let goes = match (entry.bucket, keep) {
            (Bucket::Executables, _) => false,
            (Bucket::Temporary | Bucket::Trash, _) | (_, Keep::Nothing) => true,
            (Bucket::Manifests, _) => false,
            (_, Keep::Bytes(most)) => left > most,
            (_, Keep::Since(since)) => entry.used < since,
        };
        if !goes {
            continue;
        }
        let is_used = match &entry.executable {
            Some(executable) => running.contains(executable),
            None => entry.bucket != Bucket::Trash && !running.is_empty(),
        };
        if is_used {
            in_use += entry.bytes;
        } else {
            left -= entry.bytes;
            gone.push(entry);
        }
    }
    (gone, in_use)
}

fn sum<'a>(bucket: Bucket, entries: impl Iterator<Item = &'a Entry>) -> Usage {
    let mut usage = Usage {
        bucket,
        entries: 0,
        bytes: 0,
    };
    for entry in entries.filter(|entry| entry.bucket == bucket) {
        usage.entries += 1;
        usage.bytes += entry.bytes;
    }
    usage
}

/// Every entry of the cache at `root`.
fn entries(root: &Path) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    for bucket in Bucket::ALL {
        let folder = bucket.of(root);
        if Bucket::PER_EXECUTABLE.contains(&bucket) {
            for (executable, folder) in children(&folder)? {
                add(&mut entries, bucket, Some(&executable), &folder)?;
            }
        } else {
            add(&mut entries, bucket, None, &folder)?;
        }
    }
    Ok(entries)
}

/// Adds the entries of a folder; lock files belong to the entry that they are named after.
fn add(
    entries: &mut Vec<Entry>,
    bucket: Bucket,
    executable: Option<&str>,
    folder: &Path,
) -> Result<(), Error> {
    for (name, path) in children(folder)? {
        if name.ends_with(LOCK) {
            continue;
        }
        let mut seen = Seen::default();
        seen.add(&path);
        let lock = folder.join(format!("{name}{LOCK}"));
        let mut paths = vec![path];
        paths.extend(Some(lock).filter(|lock| lock.exists()));
        entries.push(Entry {
            bucket,
            executable: executable.map(str::to_owned),
            paths,
            bytes: seen.bytes,
            used: seen.used,
        });
    }
    Ok(())
}

/// Names and paths in a folder, sorted; none where there is no such folder.
fn children(folder: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut children = Vec::new();
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        children.push((name, entry.path()));
    }
    children.sort();
    Ok(children)
}

/// Bytes of all files below a folder, or of a file; what cannot be read does not count.
pub fn size(path: &Path) -> u64 {
    let mut seen = Seen::default();
    seen.add(path);
    seen.bytes
}

/// What was seen of files.
struct Seen {
    bytes: u64,
    used: SystemTime,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            bytes: 0,
            used: SystemTime::UNIX_EPOCH,
        }
    }
}

impl Seen {
    /// Adds a file, or all below a folder. Links are not followed; what goes meanwhile does not count.
    fn add(&mut self, path: &Path) {
        let Ok(metadata) = fs_err::symlink_metadata(path) else {
            return;
        };
        if metadata.is_dir() {
            for (_, child) in children(path).unwrap_or_default() {
                self.add(&child);
            }
        } else if metadata.is_file() {
            self.bytes += metadata.len();
            self.used = self.used.max(last_use(&metadata));
        }
    }
}

/// When a file was read or written last. Most file systems note reads once a day.
fn last_use(metadata: &Metadata) -> SystemTime {
    let times = [metadata.accessed(), metadata.modified()];
    times
        .into_iter()
        .flatten()
        .max()
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The time that is so many days ago.
pub fn days_ago(days: u32) -> SystemTime {
    /// Seconds of a day.
    const DAY: u64 = 24 * 60 * 60;
    SystemTime::now()
        .checked_sub(Duration::from_secs(u64::from(days) * DAY))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::artifacts::cache::{Cache, Derived};
    use crate::record::Observer;

    static NEVER: AtomicBool = AtomicBool::new(false);

    /// A derived file of an executable, of so many bytes, that was used so many days ago.
    fn derived(root: &Path, executable: &str, bytes: usize, days: u32) -> PathBuf {
        let cache = Cache::open_for(root, false, executable).unwrap();
        let key = format!("{bytes} {days}");
        let observer = Observer::new(&|_| {}, &NEVER);
        let Derived::Missing(writer) = cache.derived("pixels", &key, &observer).unwrap() else {
            panic!("it is there already")
        };
        fs_err::write(writer.path(), vec![0; bytes]).unwrap();
        let path = writer.commit().unwrap().path.clone();
        age(&path, days);
        path
    }

    /// A download of so many bytes that was used so many days ago.
    fn download(root: &Path, name: &str, bytes: usize, days: u32) -> PathBuf {
        let folder = Bucket::Downloads.of(root).join(name);
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::write(folder.join("lock"), "").unwrap();
        fs_err::write(folder.join("photos.zip"), vec![0; bytes]).unwrap();
        for file in ["lock", "photos.zip"] {
            age(&folder.join(file), days);
        }
        folder
    }

    fn age(path: &Path, days: u32) {
        let times = std::fs::FileTimes::new()
            .set_accessed(days_ago(days))
            .set_modified(days_ago(days));
        let file = fs_err::OpenOptions::new().write(true).open(path).unwrap();
        file.file().set_times(times).unwrap();
    }

    fn bytes(root: &Path, bucket: Bucket) -> (usize, u64) {
        let usage = usage(root).unwrap();
        let of = usage.iter().find(|usage| usage.bucket == bucket).unwrap();
        (of.entries, of.bytes)
    }

    #[test]
    fn entries_are_counted_without_their_locks() {
        let root = tempfile::tempdir().unwrap();
        derived(root.path(), "aa", 100, 0);
        derived(root.path(), "bb", 50, 0);
        download(root.path(), "one", 30, 0);
        assert_eq!(bytes(root.path(), Bucket::Derived), (2, 150));
        assert_eq!(bytes(root.path(), Bucket::Downloads), (1, 30));
        assert_eq!(bytes(root.path(), Bucket::Executables).0, 2);
        assert_eq!(bytes(root.path(), Bucket::Trash), (0, 0));
        assert!(usage(&root.path().join("nowhere")).unwrap()[0].entries == 0);
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let root = tempfile::tempdir().unwrap();
        let old = derived(root.path(), "aa", 1000, 3);
        let older = download(root.path(), "one", 1000, 9);
        let new = derived(root.path(), "bb", 1000, 1);
        let dry = prune(root.path(), Keep::Bytes(2500), true).unwrap();
        assert!(older.exists());
        assert_eq!(
            dry,
            prune(root.path(), Keep::Bytes(2500), false).unwrap(),
            "a dry run says what would happen"
        );
        assert_eq!(dry.bytes(), 1000);
        assert!(!older.exists() && old.exists() && new.exists());
        prune(root.path(), Keep::Since(days_ago(2)), false).unwrap();
        assert!(!old.exists() && new.exists());
        let lock = PathBuf::from(format!("{}{LOCK}", old.display()));
        assert!(!lock.exists(), "its lock went with it");
        prune(root.path(), Keep::Nothing, false).unwrap();
        assert!(!new.exists());
        assert_eq!(bytes(root.path(), Bucket::Trash), (0, 0));
    }

    #[test]
    fn what_a_process_uses_stays() {
        let root = tempfile::tempdir().unwrap();
        let used = derived(root.path(), "aa", 1000, 9);
        let unused = derived(root.path(), "bb", 10, 1);
        let download = download(root.path(), "one", 100, 9);
        let running = Cache::open_for(root.path(), false, "aa").unwrap();
        let pruned = prune(root.path(), Keep::Nothing, false).unwrap();
        assert!(used.exists(), "its executable runs");
        assert!(download.exists(), "any goldrun may read it");
        assert!(!unused.exists());
        assert_eq!((pruned.bytes(), pruned.in_use), (10, 1100));
        // What cannot go makes no room, so that other things have to.
        let other = derived(root.path(), "bb", 500, 1);
        prune(root.path(), Keep::Bytes(1200), false).unwrap();
        assert!(used.exists() && !other.exists());
        drop(running);
        prune(root.path(), Keep::Nothing, false).unwrap();
        assert!(!used.exists() && !download.exists());
    }
}
