//! Features of the frozen prefix, kept in a scratch file: computed once, read at every epoch.
//!
//! A file and not memory, so that a data set larger than memory costs disk only; what fits stays in the
//! system's page cache.

use std::fs::File;
use std::path::Path;
use std::sync::Mutex;

use crate::engine::Error;

/// Rows of f32, one an image.
pub struct FeatureStore {
    file: Mutex<File>,
    row: usize,
    folder: String,
}

impl FeatureStore {
    /// An empty store for rows of `row` values, in a nameless file in `folder`.
    pub fn new(folder: &Path, row: usize) -> Result<Self, Error> {
        let named = folder.display().to_string();
        let file = fs_err::create_dir_all(folder)
            .and_then(|()| tempfile::tempfile_in(folder))
            .map_err(|source| Error::Features {
                folder: named.clone(),
                source,
            })?;
        Ok(Self {
            file: Mutex::new(file),
            row,
            folder: named,
        })
    }

    /// Writes the row of the image at `position`.
    pub fn write(&self, position: usize, values: &[f32]) -> Result<(), Error> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.at(position, |file| {
            use std::io::Write;
            file.write_all(&bytes)
        })
    }

    /// Reads the row of the image at `position`.
    pub fn read(&self, position: usize, values: &mut [f32]) -> Result<(), Error> {
        let mut bytes = vec![0; self.row * size_of::<f32>()];
        self.at(position, |file| {
            use std::io::Read;
            file.read_exact(&mut bytes)
        })?;
        for (value, bytes) in values.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *value = f32::from_le_bytes(*bytes);
        }
        Ok(())
    }

    fn at(
        &self,
        position: usize,
        act: impl FnOnce(&mut File) -> std::io::Result<()>,
    ) -> Result<(), Error> {
        use std::io::{Seek, SeekFrom};
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let offset = (position as u64) * (self.row as u64) * size_of::<f32>() as u64;
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| act(&mut file))
            .map_err(|source| Error::Features {
                folder: self.folder.clone(),
                source,
            })
    }
}
