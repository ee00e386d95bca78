//! A url's folder in the cache.
//!
//! ```text
//! downloads-v1/<url>/
//!   lock            held while somebody downloads
//!   url             the url, for people who look
//!   <file name>     the whole, verified file
//!   sha256          its digest, to see damage
//!   partial         what came so far
//!   partial.json    what it is a part of, if it can be resumed
//! ```

use std::io::Write as _;
use std::path::{Path, PathBuf};

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::artifacts::Error;
use crate::artifacts::cache::{Bucket, Cache, Lock, entry_name};
use crate::artifacts::pin::Bytes;
use crate::artifacts::source::Place;
use crate::record::Observer;

/// The file's name where the url has none that is plain.
const NAMELESS: &str = "file";

/// Names in the folder that no download may have.
const RESERVED: [&str; 5] = ["lock", "url", "sha256", "partial", "partial.json"];

/// The folder of a url.
#[derive(Debug)]
pub(in crate::artifacts) struct Entry {
    folder: PathBuf,
    name: String,
}

/// What a partial file is a part of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Part {
    /// Where it came from.
    pub url: String,
    /// The server's strong name for these bytes.
    pub etag: String,
    /// Bytes of the whole, where the server said so.
    pub total: Option<u64>,
}

impl Entry {
    /// The folder of `url`, whether or not it exists.
    pub fn new(cache: &Cache, url: &Url) -> Self {
        let name = Place::Remote(url.clone()).file_name().unwrap_or_default();
        let name = if name.is_empty() || RESERVED.contains(&name.as_str()) {
            NAMELESS.to_owned()
        } else {
            name
        };
        let folder = Bucket::Downloads
            .of(cache.root())
            .join(entry_name(url.as_str()));
        Self { folder, name }
    }

    /// The whole file, if it is there.
    pub fn file(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// The digest that the whole file had when it was verified.
    pub fn recorded_sha256(&self) -> Option<String> {
        fs_err::read_to_string(self.folder.join("sha256")).ok()
    }

    /// Waits until nobody else downloads this url.
    pub fn lock(&self, url: &Url, observer: &Observer<'_>) -> Result<Lock, Error> {
        fs_err::create_dir_all(&self.folder)?;
        let lock = Lock::acquire(
            &self.folder.join("lock"),
            &format!("downloads {url}"),
            observer,
        )?;
        fs_err::write(self.folder.join("url"), format!("{url}\n"))?;
        Ok(lock)
    }

    /// What came so far.
    pub fn partial(&self) -> PathBuf {
        self.folder.join("partial")
    }

    /// What the partial file is a part of; none if it cannot be resumed from `url`.
    pub(super) fn part(&self, url: &Url) -> Option<Part> {
        let part = fs_err::read(self.folder.join("partial.json")).ok()?;
        let part: Part = serde_json::from_slice(&part).ok()?;
        (part.url == url.as_str() && self.partial().is_file()).then_some(part)
    }

    /// Says what the partial file, which is empty yet, will be a part of.
    pub(super) fn set_part(&self, part: Option<&Part>) -> Result<(), Error> {
        let path = self.folder.join("partial.json");
        match part {
            Some(part) => {
                let text = serde_json::to_vec(part).map_err(std::io::Error::from)?;
                Ok(self.replace(&path, &text)?)
            }
            None => remove(&path),
        }
    }

    /// Removes the partial file.
    pub fn discard_partial(&self) -> Result<(), Error> {
        remove(&self.folder.join("partial.json"))?;
        remove(&self.partial())
    }

    /// Gives the partial file, which is verified, its name.
    pub fn keep(&self, bytes: &Bytes) -> Result<(), Error> {
        // Else a power cut could leave a file of the right name and size without its bytes.
        fs_err::OpenOptions::new()
            .write(true)
            .open(self.partial())?
            .sync_data()?;
        remove(&self.folder.join("sha256"))?;
        fs_err::rename(self.partial(), self.file())?;
        self.replace(&self.folder.join("sha256"), bytes.sha256.as_bytes())?;
        remove(&self.folder.join("partial.json"))
    }

    fn replace(&self, path: &Path, text: &[u8]) -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(text)?;
        file.persist(path)?;
        Ok(())
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
