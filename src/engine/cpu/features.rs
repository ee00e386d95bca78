//! Features of the frozen prefix, kept in a scratch file: computed once, read at every epoch.
//!
//! A file and not memory, so that a data set larger than memory costs disk only; what fits stays in the
//! system's page cache.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::engine::Error;

/// Bytes that are turned into values at a time.
const BLOCK: usize = 1 << 16;

/// Rows of f32, one an image.
pub(super) struct FeatureStore {
    file: File,
    row: usize,
    folder: String,
}

impl FeatureStore {
    /// An empty store for rows of `row` values, in a nameless file in `folder`.
    pub(super) fn new(folder: &Path, row: usize) -> Result<Self, Error> {
        let named = folder.display().to_string();
        let file = fs_err::create_dir_all(folder)
            .and_then(|()| tempfile::tempfile_in(folder))
            .map_err(|source| Error::Features {
                folder: named.clone(),
                source,
            })?;
        Ok(Self {
            file,
            row,
            folder: named,
        })
    }

    /// Writes whole rows from that of image `first` on.
    pub(super) fn write(&mut self, first: usize, rows: &[f32]) -> Result<(), Error> {
        self.at(first, |file| {
            let mut bytes = Vec::with_capacity(BLOCK);
            for values in rows.chunks(BLOCK / size_of::<f32>()) {
                bytes.clear();
                bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
                file.write_all(&bytes)?;
            }
            Ok(())
        })
    }

    /// Reads whole rows from that of image `first` on.
    pub(super) fn read(&mut self, first: usize, rows: &mut [f32]) -> Result<(), Error> {
        self.at(first, |file| {
            let mut block = vec![0; BLOCK];
            for values in rows.chunks_mut(BLOCK / size_of::<f32>()) {
                let bytes = &mut block[..size_of_val(values)];
                file.read_exact(bytes)?;
                for (value, bytes) in values.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *value = f32::from_le_bytes(*bytes);
                }
            }
            Ok(())
        })
    }

    // The file has one place to read and write at, so that calls must not overlap.
    fn at(
        &mut self,
        first: usize,
        act: impl FnOnce(&mut File) -> std::io::Result<()>,
    ) -> Result<(), Error> {
        let file = &mut self.file;
        let offset = first as u64 * self.row as u64 * size_of::<f32>() as u64;
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| act(file))
            .map_err(|source| Error::Features {
                folder: self.folder.clone(),
                source,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_went() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = FeatureStore::new(folder.path(), 3).unwrap();
        store
            .write(0, &[1.0, -0.0, f32::MIN_POSITIVE / 2.0])
            .unwrap();
        store.write(1, &[4.0; 6]).unwrap();
        let mut rows = [0.0; 6];
        store.read(0, &mut rows).unwrap();
        assert_eq!(rows[1].to_bits(), 0x8000_0000);
        assert_eq!(rows[2], f32::MIN_POSITIVE / 2.0);
        assert_eq!(rows[3..], [4.0; 3]);
        assert!(store.read(2, &mut rows).is_err(), "past the end");
    }
}
