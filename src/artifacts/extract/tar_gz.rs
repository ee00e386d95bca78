//! tar.gz archives: read once from start to end, each entry checked before it is written.

use std::io::{BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use fs_err::File;
use tar::{Archive, EntryType};

use super::{Names, Order, Role};
use crate::artifacts::listing::Listing;
use crate::artifacts::progress::Progress;
use crate::artifacts::{Error, Refusal};
use crate::record::Observer;

/// Bytes that a tar may have around its files (headers, long names, padding) in any case; as many as the
/// files may have are allowed on top.
const OVERHEAD: u64 = 64 << 20;

/// Extracts a tar.gz archive.
pub(super) fn extract(
    order: &Order<'_>,
    folder: &Path,
    observer: &Observer<'_>,
) -> Result<Listing, Error> {
    let file = BufReader::new(File::open(order.archive)?);
    let stream_limit = order.limit.saturating_mul(2).saturating_add(OVERHEAD);
    let mut archive = Archive::new(MultiGzDecoder::new(file).take(stream_limit));
    let mut names = Names::default();
    let mut progress = Progress::begin(observer, order.stage(), None);
    let mut files = Vec::new();
    let mut total = 0u64;
    for entry in archive.entries().map_err(|error| order.damaged(error))? {
        let mut entry = entry.map_err(|error| order.damaged(error))?;
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            continue;
        }
        let bytes = entry.path_bytes().into_owned();
        let name = String::from_utf8_lossy(&bytes).into_owned();
        let role = if kind == EntryType::Directory {
            Role::Folder
        } else {
            Role::File
        };
        if std::str::from_utf8(&bytes).is_err() {
            return Err(order.refused(Refusal::NotUtf8(name)));
        }
        let path = names
            .admit(&name, role)
            .map_err(|refusal| order.refused(refusal))?;
        match kind {
            EntryType::Directory => continue,
            EntryType::Regular => {}
            EntryType::Symlink | EntryType::Link => {
                return Err(order.refused(Refusal::Link(name)));
            }
            _ => return Err(order.refused(Refusal::Special(name))),
        }
        if path.is_empty() {
            return Err(order.refused(Refusal::Name(name)));
        }
        let size = entry.size();
        total = total.saturating_add(size);
        if total > order.limit {
            return Err(order.too_large(format!("{total} bytes or more")));
        }
        files.push(order.write_file(folder, path, size, &mut entry, &mut progress)?);
    }
    // What follows the last entry is read too: the stream's own checksum is at its end.
    let mut rest = archive.into_inner();
    std::io::copy(&mut rest, &mut std::io::sink()).map_err(|error| order.damaged(error))?;
    if rest.limit() == 0 {
        return Err(order.too_large(format!("more than {stream_limit} bytes around them")));
    }
    progress.finish();
    Ok(Listing::new(files))
}
