//! Manifests of contents that were seen, by content digest: what a later mismatch is compared with.

use std::path::PathBuf;

use super::Error;
use super::cache::{Bucket, Cache, entry_name};

/// The manifest of the content with digest `content`, if this cache has seen it.
pub(super) fn load(cache: &Cache, content: &str) -> Result<Option<Vec<String>>, Error> {
    let text = fs_err::read_to_string(file(cache, content)?).ok();
    Ok(text.map(|text| text.lines().map(str::to_owned).collect()))
}

/// Keeps the manifest of the content with digest `content`.
pub(super) fn store(cache: &Cache, content: &str, manifest: &[String]) -> Result<(), Error> {
    let target = file(cache, content)?;
    if !target.exists() {
        let temporary = cache.temporary_file()?;
        fs_err::write(&temporary, manifest.join("\n") + "\n")?;
        temporary.persist(target).map_err(|error| error.error)?;
    }
    Ok(())
}

fn file(cache: &Cache, content: &str) -> Result<PathBuf, Error> {
    let folder = cache.folder(Bucket::Manifests)?;
    Ok(folder.join(format!("content-{}.txt", entry_name(content))))
}
