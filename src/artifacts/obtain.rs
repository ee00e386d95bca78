//! From a recipe's artifact to verified files: where to look, in which order, and what counts.

use std::path::{Path, PathBuf};

use tracing::trace_span;

use super::attempts::Attempts;
use super::cache::{Bucket, Cache, Lock, entry_name};
use super::download::{Entry, Network, Transfer};
use super::extract::{self, Order};
use super::listing::{self, Listing};
use super::pin::{self, Bytes, Found};
use super::source::{self, Place};
use super::{Error, Guard, Kind, Location, Obtained, Options, manifests, weights};
use crate::recipe::{Artifact, Source};
use crate::record::{Event, Observer};

/// Fetches, verifies and unpacks an artifact.
///
/// Looked for, in this order: by file name in the folders of `options`, in the cache, at the urls; a path
/// where it is, then by its last name in the folders. Every
/// error names the artifact; [`Error::is_interrupted`] tells whether the user asked to stop.
pub fn obtain(
    role: &str,
    artifact: &Artifact,
    kind: Kind,
    options: &Options,
    observer: &Observer<'_>,
) -> Result<Obtained, Error> {
    Request::new(role, artifact, kind).obtain(options, observer)
}

/// An artifact that is wanted, and how.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    role: &'a str,
    artifact: &'a Artifact,
    kind: Kind,
    known_manifest: Option<&'a [String]>,
    network: Network,
}

impl<'a> Request<'a> {
    /// A request with the usual patience.
    pub fn new(role: &'a str, artifact: &'a Artifact, kind: Kind) -> Self {
        Self {
            role,
            artifact,
            kind,
            known_manifest: None,
            network: Network::default(),
        }
    }

    /// Names the manifest of the pinned content, so that a mismatch can say what differs even where
    /// this cache has never seen that content.
    #[must_use]
    pub fn known_manifest(mut self, manifest: &'a [String]) -> Self {
        self.known_manifest = Some(manifest);
        self
    }

    /// Sets another patience.
    #[must_use]
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// Does it; see [`obtain`].
    pub fn obtain(&self, options: &Options, observer: &Observer<'_>) -> Result<Obtained, Error> {
        let _span = trace_span!("artifact", artifact = self.role).entered();
        Cache::open(options.cache.clone(), options.fresh)
            .and_then(|cache| {
                Search {
                    request: self,
                    cache,
                    options,
                    observer,
                }
                .run()
            })
            .map_err(|error| error.about(self.role))
    }
}

/// A request that is being served.
struct Search<'a> {
    request: &'a Request<'a>,
    cache: Cache,
    options: &'a Options,
    observer: &'a Observer<'a>,
}

impl Search<'_> {
    fn run(&self) -> Result<Obtained, Error> {
        match &self.request.artifact.source {
            Source::Shipped(path) => self.shipped(path),
            Source::Path(path) if path.exists() => self.local(path),
            Source::Path(path) => self.moved(path),
            Source::Urls(urls) => self.urls(urls),
        }
    }

    fn shipped(&self, path: &str) -> Result<Obtained, Error> {
        let bytes =
            crate::recipe::shipped::file(path).ok_or_else(|| Error::NotShipped(path.to_owned()))?;
        if self.request.kind != Kind::Weights {
            return Err(Error::WrongKind {
                from: format!("the shipped file `{path}`"),
                found: "inside this binary",
                expected: "an archive or a folder",
            });
        }
        let seen = Bytes::of(bytes);
        pin::check_bytes(self.request.artifact, path, &seen)?;
        let weights = weights::parse(bytes, path)?;
        let (content, manifest) = (weights.digest(), weights.manifest());
        self.accepted(
            path,
            Some(seen),
            content,
            manifest,
            Location::Shipped(bytes),
        )
    }

    fn local(&self, path: &Path) -> Result<Obtained, Error> {
        let from = path.display().to_string();
        if path.is_dir() {
            if self.request.kind != Kind::Pictures {
                return Err(Error::WrongKind {
                    from,
                    found: "a folder",
                    expected: "a file",
                });
            }
            let listing = listing::of_folder(path, self.request.role, &self.cache, self.observer)?;
            let (content, manifest) = (listing.digest(), listing.manifest());
            let location = Location::Folder(path.to_path_buf());
            return self.accepted(&from, None, content, manifest, location);
        }
        if !path.exists() {
            return Err(Error::Missing(path.to_path_buf()));
        }
        let bytes = Bytes::of_file(path, self.request.role, self.observer)?;
        self.file(path, &from, bytes)
    }

    /// A copy of a file or folder that is not at its place.
    fn moved(&self, path: &Path) -> Result<Obtained, Error> {
        let mut attempts = Attempts::new(self.observer);
        for name in source::names(&self.request.artifact.source)? {
            for copy in source::find_in(&self.options.folders, &name) {
                if let Some(obtained) = attempts.next(|| self.local(&copy))? {
                    return Ok(obtained);
                }
            }
        }
        Err(match attempts.refused.len() {
            0 => Error::Missing(path.to_path_buf()),
            1 => attempts.refused.remove(0),
            _ => Error::Exhausted(attempts.refused),
        })
    }

    fn urls(&self, urls: &[String]) -> Result<Obtained, Error> {
        let parse = |url: &String| Place::parse(url);
        let places: Vec<Place> = urls.iter().map(parse).collect::<Result<_, _>>()?;
        let mut attempts = Attempts::new(self.observer);
        for path in self.copies()? {
            if let Some(obtained) = attempts.next(|| self.local(&path))? {
                return Ok(obtained);
            }
        }
        for place in &places {
            let Place::Remote(url) = place else { continue };
            let entry = Entry::new(&self.cache, url);
            if entry.file().is_file()
                && let Some(obtained) = attempts.next(|| self.cached(&entry))?
            {
                return Ok(obtained);
            }
        }
        for place in &places {
            let found = match place {
                Place::Local(path) => attempts.next(|| self.local(path))?,
                Place::Remote(_) if self.options.offline => None,
                Place::Remote(url) => attempts.next(|| self.remote(url))?,
            };
            if let Some(obtained) = found {
                return Ok(obtained);
            }
        }
        Err(self.nothing(urls, &places, attempts.refused))
    }

    /// Files with the right name in the folders that are searched.
    fn copies(&self) -> Result<Vec<PathBuf>, Error> {
        let mut copies = Vec::new();
        for name in source::names(&self.request.artifact.source)? {
            for path in source::find_in(&self.options.folders, &name) {
                if path.is_file() && !copies.contains(&path) {
                    copies.push(path);
                }
            }
        }
        Ok(copies)
    }

    /// The error when no source would do.
    fn nothing(&self, urls: &[String], places: &[Place], mut refused: Vec<Error>) -> Error {
        let remote = |place: &Place| matches!(place, Place::Remote(_));
        let mut names: Vec<String> = places.iter().filter_map(Place::file_name).collect();
        names.dedup();
        if self.options.offline && places.iter().any(remote) {
            refused.push(Error::Offline {
                urls: urls.to_vec(),
                names: names.clone(),
            });
        }
        let is_unserved = refused.iter().any(Error::is_of_server);
        let error = if refused.len() == 1 {
            refused.remove(0)
        } else {
            Error::Exhausted(refused)
        };
        if is_unserved && !names.is_empty() {
            let error = Box::new(error);
            Error::Unserved { error, names }
        } else {
            error
        }
    }

    /// The whole file that an earlier download left.
    fn cached(&self, entry: &Entry) -> Result<Obtained, Error> {
        let file = entry.file();
        let from = file.display().to_string();
        let bytes = Bytes::of_file(&file, self.request.role, self.observer)?;
        if let Some(expected) = entry
            .recorded_sha256()
            .filter(|sha256| *sha256 != bytes.sha256)
        {
            return Err(Error::Bytes {
                from,
                expected,
                got: bytes.sha256,
            });
        }
        self.file(&file, &from, bytes)
    }

    fn remote(&self, url: &reqwest::Url) -> Result<Obtained, Error> {
        let entry = Entry::new(&self.cache, url);
        let _lock = entry.lock(url, self.observer)?;
        // Whoever held the lock may have brought it.
        if entry.file().is_file() {
            match self.cached(&entry) {
                Err(error) if error.is_of_source() => {}
                result => return result,
            }
        }
        let transfer = Transfer {
            role: self.request.role,
            artifact: self.request.artifact,
            url,
            entry: &entry,
            network: &self.request.network,
            observer: self.observer,
        };
        let received = transfer.run()?;
        let outcome = self.received(url, &entry, &received.bytes);
        match outcome {
            // The part that was here before may be what is wrong.
            Err(error) if received.resumed && error.is_mismatch() => {
                let received = transfer.run()?;
                self.received(url, &entry, &received.bytes)
            }
            outcome => outcome,
        }
    }

    /// Verifies a download and keeps it, or removes it.
    fn received(
        &self,
        url: &reqwest::Url,
        entry: &Entry,
        bytes: &Bytes,
    ) -> Result<Obtained, Error> {
        match self.file(&entry.partial(), url.as_str(), bytes.clone()) {
            Ok(mut obtained) => {
                entry.keep(bytes)?;
                if matches!(obtained.location, Location::File(_)) {
                    obtained.location = Location::File(entry.file());
                }
                obtained.file = Some(entry.file());
                Ok(obtained)
            }
            Err(error) => {
                if error.is_of_source() {
                    entry.discard_partial()?;
                }
                Err(error)
            }
        }
    }

    /// Verifies a file whose bytes were hashed, and unpacks it if it is an archive.
    fn file(&self, path: &Path, from: &str, bytes: Bytes) -> Result<Obtained, Error> {
        pin::check_bytes(self.request.artifact, from, &bytes)?;
        let obtained = match self.request.kind {
            Kind::Weights => {
                let weights = weights::parse(&fs_err::read(path)?, from)?;
                let (content, manifest) = (weights.digest(), weights.manifest());
                let location = Location::File(path.to_path_buf());
                self.accepted(from, Some(bytes), content, manifest, location)
            }
            Kind::Pictures => self.archive(path, from, bytes),
        }?;
        Ok(Obtained {
            file: Some(path.to_path_buf()),
            ..obtained
        })
    }

    fn archive(&self, path: &Path, from: &str, bytes: Bytes) -> Result<Obtained, Error> {
        let order = Order {
            archive: path,
            from,
            role: self.request.role,
            limit: self.request.artifact.max_size,
        };
        if self.cache.is_fresh() {
            let folder = self.cache.temporary_folder()?;
            let (files, _) = extract::parts(folder.path());
            fs_err::create_dir(&files)?;
            let listing = order.extract_into(&files, self.observer)?;
            let mut obtained = self.unpacked(from, bytes, &listing, files)?;
            obtained.guard = Guard::new(self.cache.lease(), Some(folder));
            return Ok(obtained);
        }
        let bucket = self.cache.folder(Bucket::Extracted)?;
        let name = entry_name(&bytes.sha256);
        let entry = bucket.join(&name);
        let (files, _) = extract::parts(&entry);
        if let Some(listing) = self.extracted(&entry) {
            return self.unpacked(from, bytes, &listing, files);
        }
        let purpose = format!("extracts {from}");
        let _lock = Lock::acquire(
            &bucket.join(format!("{name}.lock")),
            &purpose,
            self.observer,
        )?;
        if let Some(listing) = self.extracted(&entry) {
            return self.unpacked(from, bytes, &listing, files);
        }
        let folder = self.cache.temporary_folder()?;
        let (new_files, new_listing_file) = extract::parts(folder.path());
        fs_err::create_dir(&new_files)?;
        let listing = order.extract_into(&new_files, self.observer)?;
        let obtained = self.unpacked(from, bytes, &listing, files)?;
        listing.save(&new_listing_file)?;
        if entry.exists() {
            // It is there and does not hold what its listing says.
            self.cache.discard(&entry)?;
        }
        fs_err::rename(folder.path(), &entry)?;
        let _ = folder.keep();
        Ok(obtained)
    }

    /// The listing of an extracted archive whose files are as they were written, within the limit.
    fn extracted(&self, entry: &Path) -> Option<Listing> {
        let (files, listing) = extract::parts(entry);
        let listing = Listing::load(&listing)?;
        let fits = listing.size() <= self.request.artifact.max_size;
        (fits && listing.still_holds(&files)).then_some(listing)
    }

    fn unpacked(
        &self,
        from: &str,
        bytes: Bytes,
        listing: &Listing,
        files: PathBuf,
    ) -> Result<Obtained, Error> {
        let (content, manifest) = (listing.digest(), listing.manifest());
        self.accepted(
            from,
            Some(bytes),
            content,
            manifest,
            Location::Folder(files),
        )
    }

    /// Holds what was found to the pins.
    fn accepted(
        &self,
        from: &str,
        bytes: Option<Bytes>,
        content: String,
        manifest: Vec<String>,
        location: Location,
    ) -> Result<Obtained, Error> {
        let artifact = self.request.artifact;
        let found = Found {
            bytes: bytes.as_ref(),
            content: &content,
            manifest: &manifest,
        };
        let stored = match (self.request.known_manifest, &artifact.content) {
            (None, Some(pin)) if *pin != content => manifests::load(self.cache.root(), pin),
            _ => None,
        };
        let known = self.request.known_manifest.or(stored.as_deref());
        let notes = pin::check_content(artifact, from, &found, known)?;
        manifests::store(&self.cache, &content, &manifest)?;
        for note in &notes {
            self.observer.tell(Event::Note(format!(
                "artifact `{}`: {note}",
                self.request.role
            )));
        }
        Ok(Obtained {
            location,
            file: None,
            sha256: bytes.map(|bytes| bytes.sha256),
            content,
            manifest,
            pinned: artifact.sha256.is_some() || artifact.content.is_some(),
            notes,
            guard: Guard::new(self.cache.lease(), None),
        })
    }
}
