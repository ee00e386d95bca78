//! A derived entry of rows: equally long, written by appending, read by number from any thread.
//!
//! ```text
//! row 0 | row 1 | … | description (JSON) | its sha256 | its length (u64, LE)
//! ```
//!
//! The description holds a checksum of every row, and a row is held to it whenever it is read, so that no
//! flipped bit of a disk is ever taken for another arithmetic. Rows are read from the file, which the system
//! keeps in memory as long as there is room: no split and no part of one is held by this process.

use std::io::Write;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Cache, Derived, DerivedFile};
use crate::artifacts::Error;
use crate::digest::Digest;
use crate::record::Observer;

/// Bytes of a sha256.
const DIGEST_BYTES: usize = 32;

/// Bytes of the length at the end.
const LENGTH_BYTES: usize = 8;

/// Bytes behind the description.
const END_BYTES: u64 = (DIGEST_BYTES + LENGTH_BYTES) as u64;

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    /// Little-endian f32.
    F32,
    /// Whole numbers from 0 to 255.
    U8,
}

/// What every row of a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Values of a row.
    pub values: usize,
    /// How they are stored.
    pub element: Element,
}

impl Layout {
    /// Bytes of a row.
    pub fn bytes(self) -> usize {
        self.values
            * match self.element {
                Element::F32 => size_of::<f32>(),
                Element::U8 => 1,
            }
    }
}

/// What stands behind the rows.
#[derive(Serialize, Deserialize)]
struct Description<T> {
    layout: Layout,
    /// CRC-32 of each row's bytes.
    checksums: Vec<u32>,
    /// What else its maker knows.
    about: T,
}

/// A file of rows that is being written.
pub struct RowWriter {
    file: fs_err::File,
    layout: Layout,
    checksums: Vec<u32>,
    bytes: Vec<u8>,
}

impl RowWriter {
    fn create(path: &Path, layout: Layout) -> Result<Self, Error> {
        Ok(Self {
            file: fs_err::File::create(path)?,
            layout,
            checksums: Vec::new(),
            bytes: Vec::new(),
        })
    }

    /// What every row is.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Adds a row as it is stored.
    ///
    /// # Panics
    /// If it has another length than a row.
    pub fn append(&mut self, row: &[u8]) -> Result<(), Error> {
        assert_eq!(row.len(), self.layout.bytes(), "length of a row");
        self.file.write_all(row)?;
        self.checksums.push(crc32fast::hash(row));
        Ok(())
    }

    /// Adds whole rows of f32.
    ///
    /// # Panics
    /// If rows are stored otherwise, or these are not whole.
    pub fn append_values(&mut self, rows: &[f32]) -> Result<(), Error> {
        assert_eq!(self.layout.element, Element::F32, "values of a row");
        assert_eq!(rows.len() % self.layout.values, 0, "length of the rows");
        let mut bytes = std::mem::take(&mut self.bytes);
        for row in rows.chunks_exact(self.layout.values) {
            bytes.clear();
            bytes.extend(row.iter().flat_map(|value| value.to_le_bytes()));
            self.append(&bytes)?;
        }
        self.bytes = bytes;
        Ok(())
    }

    /// Adds the description.
    fn finish<T: Serialize>(mut self, about: T) -> Result<(), Error> {
        let description = Description {
            layout: self.layout,
            checksums: self.checksums,
            about,
        };
        let text = serde_json::to_vec(&description).map_err(std::io::Error::from)?;
        self.file.write_all(&text)?;
        self.file.write_all(&digest_of(&text))?;
        self.file.write_all(&(text.len() as u64).to_le_bytes())?;
        Ok(())
    }
}

/// Rows, open for reading; `T` is what their maker said about them.
pub struct Rows<T> {
    file: fs_err::File,
    kind: &'static str,
    description: Description<T>,
    /// Removes the file when a run uses no cache.
    _guard: Option<DerivedFile>,
}

impl Cache {
    /// An entry of rows (see [`Cache::derived`] for `kind` and `key`); `make` fills it where it is missing,
    /// and returns what is to be known about it.
    pub fn rows<T, E>(
        &self,
        kind: &'static str,
        key: &str,
        layout: Layout,
        observer: &Observer<'_>,
        make: impl FnOnce(&mut RowWriter) -> Result<T, E>,
    ) -> Result<Rows<T>, E>
    where
        T: Serialize + DeserializeOwned,
        E: From<Error>,
    {
        match self.derived(kind, key, observer)? {
            Derived::Ready(path) => Ok(Rows::open(&path, kind, layout, None)?),
            Derived::Missing(writer) => {
                let mut rows = RowWriter::create(writer.path(), layout)?;
                let about = make(&mut rows)?;
                rows.finish(about)?;
                let file = writer.commit()?;
                let path = file.path.clone();
                Ok(Rows::open(&path, kind, layout, Some(file))?)
            }
        }
    }
}

impl<T: DeserializeOwned> Rows<T> {
    /// Opens a file whose description is whole and fits its length.
    fn open(
        path: &Path,
        kind: &'static str,
        layout: Layout,
        guard: Option<DerivedFile>,
    ) -> Result<Self, Error> {
        let wrong = |what: &str| damaged(kind, path, what.to_owned());
        let file = fs_err::File::open(path)?;
        let length = file.metadata()?.len();
        let description_end = length
            .checked_sub(END_BYTES)
            .ok_or_else(|| wrong("the file is too short"))?;
        let mut digest = [0; DIGEST_BYTES];
        read_at(&file, &mut digest, description_end)?;
        let mut bytes = [0; LENGTH_BYTES];
        read_at(&file, &mut bytes, description_end + DIGEST_BYTES as u64)?;
        let rows_end = description_end
            .checked_sub(u64::from_le_bytes(bytes))
            .ok_or_else(|| wrong("its end is not the one that was written"))?;
        let mut text = vec![0; (description_end - rows_end) as usize];
        read_at(&file, &mut text, rows_end)?;
        if digest_of(&text) != digest {
            return Err(wrong("its description is not the one that was written"));
        }
        let description: Description<T> =
            serde_json::from_slice(&text).map_err(|_| wrong("its description cannot be read"))?;
        if description.layout != layout {
            let what = format!("rows of {:?} instead of {layout:?}", description.layout);
            return Err(damaged(kind, path, what));
        }
        let expected = description.checksums.len() as u64 * layout.bytes() as u64;
        if expected != rows_end {
            let what = format!("{rows_end} bytes of rows instead of {expected}");
            return Err(damaged(kind, path, what));
        }
        Ok(Self {
            file,
            kind,
            description,
            _guard: guard,
        })
    }
}

impl<T> Rows<T> {
    /// Number of rows.
    #[expect(
        clippy::len_without_is_empty,
        reason = "whoever makes rows makes at least one"
    )]
    pub fn len(&self) -> usize {
        self.description.checksums.len()
    }

    /// What their maker said about them.
    pub fn about(&self) -> &T {
        &self.description.about
    }

    /// The error of a file that is not what was written.
    pub fn damaged(&self, what: String) -> Error {
        damaged(self.kind, self.file.path(), what)
    }

    /// Reads a row, and holds it to its checksum.
    ///
    /// # Panics
    /// If there is no such row or `out` has another length.
    pub fn read(&self, row: usize, out: &mut [f32]) -> Result<(), Error> {
        let Layout { values, element } = self.description.layout;
        assert_eq!(out.len(), values, "length of a row");
        let len = self.description.layout.bytes();
        let offset = row as u64 * len as u64;
        let expected = self.description.checksums[row];
        let out_bytes: &mut [u8] = bytemuck::cast_slice_mut(out);
        // Bytes of whole numbers wait at the end, where no value is written before its byte is read.
        let start = out_bytes.len() - len;
        let bytes = &mut out_bytes[start..];
        read_at(&self.file, bytes, offset)?;
        if crc32fast::hash(bytes) != expected {
            return Err(self.damaged(format!("row {row} is not the one that was written")));
        }
        match element {
            Element::F32 => {
                for value in out {
                    *value = f32::from_bits(u32::from_le(value.to_bits()));
                }
            }
            Element::U8 => {
                for place in 0..values {
                    let value = f32::from(out_bytes[start + place]);
                    out_bytes[4 * place..][..4].copy_from_slice(&value.to_ne_bytes());
                }
            }
        }
        Ok(())
    }
}

fn digest_of(text: &[u8]) -> [u8; DIGEST_BYTES] {
    let mut digest = Digest::default();
    digest.add(text);
    digest.bytes()
}

fn damaged(kind: &'static str, path: &Path, what: String) -> Error {
    Error::Damaged {
        kind,
        path: path.to_path_buf(),
        what,
    }
}

/// Fills `bytes` from `offset` on, from any thread, without a position that threads would share.
#[cfg(unix)]
fn read_at(file: &fs_err::File, bytes: &mut [u8], offset: u64) -> std::io::Result<()> {
    use fs_err::os::unix::fs::FileExt;
    file.read_exact_at(bytes, offset)
}

/// Fills `bytes` from `offset` on. The position of the file moves, and nothing relies on it.
#[cfg(windows)]
fn read_at(file: &fs_err::File, mut bytes: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    use fs_err::os::windows::fs::FileExt;
    while !bytes.is_empty() {
        let read = file.seek_read(bytes, offset)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        offset += read as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    static NEVER: AtomicBool = AtomicBool::new(false);

    fn made(layout: Layout, write: impl FnOnce(&mut RowWriter)) -> (tempfile::TempDir, Rows<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open_for(folder.path(), false, "aa").unwrap();
        let observer = Observer::new(&|_| {}, &NEVER);
        let make = |rows: &mut RowWriter| -> Result<u8, Error> {
            write(rows);
            Ok(7)
        };
        let rows = cache.rows("pixels", "k", layout, &observer, make).unwrap();
        (folder, rows)
    }

    #[test]
    fn values_come_back_bit_for_bit() {
        let layout = Layout {
            values: 3,
            element: Element::F32,
        };
        let first = [1.0, -0.0, f32::MIN_POSITIVE / 2.0];
        let (_folder, rows) = made(layout, |rows| {
            rows.append_values(&first).unwrap();
            rows.append_values(&[4.0, 5.0, f32::MAX, 7.0, 8.0, 9.0])
                .unwrap();
        });
        assert_eq!((rows.len(), *rows.about()), (3, 7));
        let mut out = [f32::NAN; 3];
        rows.read(2, &mut out).unwrap();
        assert_eq!(out, [7.0, 8.0, 9.0]);
        rows.read(0, &mut out).unwrap();
        assert_eq!(out.map(f32::to_bits), first.map(f32::to_bits));
        rows.read(1, &mut out).unwrap();
        assert_eq!(out, [4.0, 5.0, f32::MAX]);
    }

    #[test]
    fn bytes_come_back_as_values() {
        let layout = Layout {
            values: 256,
            element: Element::U8,
        };
        let bytes: Vec<u8> = (0..=255).rev().collect();
        let (_folder, rows) = made(layout, |rows| {
            rows.append(&[0; 256]).unwrap();
            rows.append(&bytes).unwrap();
        });
        let mut out = [f32::NAN; 256];
        rows.read(1, &mut out).unwrap();
        assert!(
            out.iter()
                .zip(&bytes)
                .all(|(value, byte)| *value == f32::from(*byte))
        );
    }
}
