//! Manifests of contents that were seen, by content digest: what a later mismatch is compared with.

use std::path::{Path, PathBuf};

use super::cache::{Bucket, Cache, entry_name};
use super::{Differences, Error, Scheme};

/// The manifest of the content with digest `content`, if the cache at `root` has seen it.
pub(super) fn load(root: &Path, content: &str) -> Option<Vec<String>> {
    let text = fs_err::read_to_string(file(root, content)).ok()?;
    Some(text.lines().map(str::to_owned).collect())
}

/// What it takes to come from the content with digest `was` to the one with digest `is`; none where the cache
/// at `root` has not seen both.
pub fn differences(root: &Path, was: &str, is: &str) -> Option<Differences> {
    let scheme = Scheme::of(is);
    if Scheme::of(was) != scheme {
        return None;
    }
    let (was, is) = (load(root, was)?, load(root, is)?);
    Some(Differences::between(&was, &is, scheme))
}

/// Keeps the manifest of the content with digest `content`.
pub(super) fn store(cache: &Cache, content: &str, manifest: &[String]) -> Result<(), Error> {
    let target = file(cache.root(), content);
    if !target.exists() {
        cache.folder(Bucket::Manifests)?;
        let temporary = cache.temporary_file()?;
        fs_err::write(&temporary, manifest.join("\n") + "\n")?;
        temporary.persist(target).map_err(|error| error.error)?;
    }
    Ok(())
}

fn file(root: &Path, content: &str) -> PathBuf {
    let folder = Bucket::Manifests.of(root);
    folder.join(format!("content-{}.txt", entry_name(content)))
}
