//! zip archives: everything that the directory at the end says is checked before a file is written.

use std::io::BufReader;
use std::path::Path;

use fs_err::File;
use zip::ZipArchive;

use super::{Names, Order, Role};
use crate::artifacts::listing::Listing;
use crate::artifacts::progress::Progress;
use crate::artifacts::{Error, Refusal};
use crate::record::Observer;

/// The part of a Unix mode that says what a file is.
const TYPE_MASK: u32 = 0o170_000;
/// A regular file.
const TYPE_REGULAR: u32 = 0o100_000;
/// A folder.
const TYPE_FOLDER: u32 = 0o040_000;
/// A symbolic link.
const TYPE_LINK: u32 = 0o120_000;

/// An entry that is to be written.
struct Planned {
    index: usize,
    path: String,
    size: u64,
}

/// Extracts a zip archive.
pub(super) fn extract(
    order: &Order<'_>,
    folder: &Path,
    observer: &Observer<'_>,
) -> Result<Listing, Error> {
    let file = BufReader::new(File::open(order.archive)?);
    let mut archive = ZipArchive::new(file).map_err(|error| order.damaged(error))?;
    let plan = plan(order, &archive)?;
    let mut progress = Progress::begin(observer, order.stage(), Some(plan.len() as u64));
    let mut files = Vec::with_capacity(plan.len());
    for Planned { index, path, size } in plan {
        let mut entry = archive
            .by_index(index)
            .map_err(|error| order.damaged(format!("entry `{path}`: {error}")))?;
        files.push(order.write_file(folder, path, size, &mut entry, &mut progress)?);
    }
    progress.finish();
    Ok(Listing::new(files))
}

fn plan<R: std::io::Read + std::io::Seek>(
    order: &Order<'_>,
    archive: &ZipArchive<R>,
) -> Result<Vec<Planned>, Error> {
    if archive.has_duplicate_names() {
        return Err(order.refused(Refusal::Damaged(
            "two entries have the same path".to_owned(),
        )));
    }
    let mut names = Names::default();
    let mut plan = Vec::new();
    let mut total = 0u64;
    for index in 0..archive.len() {
        let entry = archive
            .by_index_data(index)
            .map_err(|error| order.damaged(error))?;
        let name = entry
            .name()
            .map_err(|error| order.damaged(error))?
            .into_owned();
        let role = if entry.is_dir() {
            Role::Folder
        } else {
            Role::File
        };
        let mode = entry.unix_mode().unwrap_or(0) & TYPE_MASK;
        let path = names
            .admit(&name, role)
            .map_err(|refusal| order.refused(refusal))?;
        if entry.is_symlink() || mode == TYPE_LINK {
            return Err(order.refused(Refusal::Link(name)));
        }
        let plain = match role {
            Role::File => mode == 0 || mode == TYPE_REGULAR,
            Role::Folder => mode == 0 || mode == TYPE_FOLDER,
        };
        if !plain {
            return Err(order.refused(Refusal::Special(name)));
        }
        if entry.encrypted() {
            return Err(order.refused(Refusal::Encrypted(name)));
        }
        if role == Role::Folder {
            continue;
        }
        if path.is_empty() {
            return Err(order.refused(Refusal::Name(name)));
        }
        let size = entry.size();
        total = total.saturating_add(size);
        if total > order.limit {
            return Err(order.too_large(format!("{total} bytes or more")));
        }
        plan.push(Planned { index, path, size });
    }
    Ok(plan)
}
