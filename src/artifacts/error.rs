//! What can go wrong between a recipe's artifact and its verified files.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::content::Differences;

/// An artifact cannot be had, or is not what the recipe pins.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The user asked to stop; whatever was half done can be resumed or is gone.
    #[error("interrupted")]
    Interrupted,

    /// There can be no cache where it should be.
    #[error(
        "the cache {} cannot be used: {error}\n\
         hint: set GOLDRUN_CACHE to a folder that can be written, on a disk with free space",
        root.display()
    )]
    Cache {
        /// The cache's folder.
        root: PathBuf,
        /// Why not.
        error: io::Error,
    },

    /// The file system said no; the message names the path.
    #[error("{error}{hint}", error = .0, hint = full_disk_hint(.0))]
    Io(#[from] io::Error),

    /// A derived file is not what was written.
    #[error(
        "cached {kind} `{path}` are damaged: {what}\n\
         hint: remove that file, or run with --fresh",
        path = path.display()
    )]
    Damaged {
        /// Pixels or features.
        kind: &'static str,
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },

    /// A local file or folder is not there.
    #[error(
        "{path} does not exist\n\
         hint: check the artifact's `path` or url in the recipe; a copy of that name is found with --artifacts DIR",
        path = .0.display()
    )]
    Missing(PathBuf),

    /// No copy of it could be found by a name.
    #[error(
        "none of its urls ends in a file name, and only by that a copy is found\n\
         hint: add one that does to `urls`; a plain path will do"
    )]
    Nameless,

    /// A file is not what it was a moment ago.
    #[error(
        "{from} changed while it was copied\n  verified with sha256 {expected}\n  copied with   sha256 {got}\n\
         hint: run it again when nobody writes there"
    )]
    Changed {
        /// The file.
        from: String,
        /// Hex sha256 that was verified.
        expected: String,
        /// Hex sha256 of what was copied.
        got: String,
    },

    /// A folder where a file is needed, or the other way round.
    #[error("{from} is {found}, expected {expected}")]
    WrongKind {
        /// What was looked at.
        from: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        expected: &'static str,
    },

    /// The recipe names a file that is not inside this binary.
    #[error(
        "this goldrun carries no file `{0}`\nhint: the recipe may be meant for another version"
    )]
    NotShipped(String),

    /// A weight file that cannot be read.
    #[error("{from} is no weight file that goldrun can read: {problem}")]
    Weights {
        /// Which file.
        from: String,
        /// What is wrong with it.
        problem: String,
    },

    /// An archive that cannot be read, or that is not safe to extract.
    #[error("{from} is refused: {problem}")]
    Archive {
        /// Which file.
        from: String,
        /// What is wrong with it.
        problem: Refusal,
    },

    /// Another size than the recipe states, where the content is not pinned.
    #[error("{from} has the wrong size: expected {expected} bytes, got {got}")]
    Size {
        /// Where the bytes are from.
        from: String,
        /// What the recipe says.
        expected: u64,
        /// What it is: a number, or "more".
        got: String,
    },

    /// More bytes than the recipe allows, as sent or as extracted.
    #[error(
        "{from} is too large: {what} {got}, at most {limit} bytes are allowed\n\
         hint: if that is right, raise `max_size` of the artifact in the recipe"
    )]
    TooLarge {
        /// Where the bytes are from.
        from: String,
        /// What is too large.
        what: &'static str,
        /// How large it is.
        got: String,
        /// The recipe's `max_size`.
        limit: u64,
    },

    /// The pin of the bytes fails, and there is no content pin to fall back on.
    #[error(
        "{from} is not the pinned file\n  expected sha256 {expected}\n  got      sha256 {got}\n\
         hint: if it was replaced on purpose, remove the pin from the recipe and run `goldrun pin`"
    )]
    Bytes {
        /// Where the bytes are from.
        from: String,
        /// The pin.
        expected: String,
        /// What was found.
        got: String,
    },

    /// The content pin fails.
    #[error("{0}")]
    Content(Box<ContentMismatch>),

    /// A byte pin on something that has no bytes of its own.
    #[error(
        "folder {from} cannot be held to `sha256`\n\
         hint: pin its files instead: content = \"{content}\""
    )]
    FolderBytes {
        /// The folder.
        from: String,
        /// Its content digest.
        content: String,
    },

    /// A url that nothing can be got from.
    #[error(
        "`{url}` is no usable url: {problem}\nhint: http, https and file urls and plain paths work"
    )]
    Url {
        /// As written.
        url: String,
        /// What is wrong with it.
        problem: String,
    },

    /// The server answered, but not with the file.
    #[error("{url} answered {status}")]
    Status {
        /// Which url.
        url: String,
        /// Code and phrase.
        status: String,
    },

    /// The transfer failed, also when tried again.
    #[error("{url} failed {tries} times, at last because {problem}")]
    Network {
        /// Which url.
        url: String,
        /// How often it was tried.
        tries: usize,
        /// The last fault.
        problem: String,
        /// False if the last try came to no connection.
        is_connected: bool,
    },

    /// The server sends from one url to the next without end.
    #[error("{url} redirects too often")]
    Redirects {
        /// Which url.
        url: String,
    },

    /// No server can be trusted without certificates of authorities.
    #[error(
        "no CA certificates on this machine, so {url} cannot be trusted\n\
         hint: install the package `ca-certificates`, or name a bundle in SSL_CERT_FILE"
    )]
    NoCertificates {
        /// Which url.
        url: String,
    },

    /// The network is needed and not allowed.
    #[error(
        "not in the cache, and --offline forbids the network; it would come from{}\n\
         hint: put {names} into a folder and name it with --artifacts DIR",
        indented(.urls), names = .names.join(" or ")
    )]
    Offline {
        /// Where it could be had.
        urls: Vec<String>,
        /// Names that a local copy is found under.
        names: Vec<String>,
    },

    /// No server gives it.
    #[error(
        "{error}\nhint: put {names} into a folder and name it with --artifacts DIR{proxy}",
        names = .names.join(" or "),
        proxy = proxy_hint(.error)
    )]
    Unserved {
        /// Why nothing would do.
        error: Box<Error>,
        /// Names that a local copy is found under.
        names: Vec<String>,
    },

    /// Every source failed.
    #[error("no source has it:{}", numbered(.0))]
    Exhausted(Vec<Error>),

    /// Any of the above, with the artifact that it is about.
    #[error("artifact `{role}`: {error}")]
    Artifact {
        /// Role in the recipe.
        role: String,
        /// What happened.
        error: Box<Error>,
    },
}

impl Error {
    /// True if the user asked to stop (exit code 130); every other error here is exit code 3.
    pub fn is_interrupted(&self) -> bool {
        match self {
            Self::Interrupted => true,
            Self::Artifact { error, .. } => error.is_interrupted(),
            _ => false,
        }
    }

    /// True if it could still come from the network, which was not asked.
    pub fn needs_network(&self) -> bool {
        match self {
            Self::Offline { .. } => true,
            Self::Exhausted(errors) => errors.iter().any(Self::needs_network),
            Self::Unserved { error, .. } | Self::Artifact { error, .. } => error.needs_network(),
            _ => false,
        }
    }

    /// Says which artifact it is about.
    pub(super) fn about(self, role: &str) -> Self {
        Self::Artifact {
            role: role.to_owned(),
            error: Box::new(self),
        }
    }

    /// True if the fault is in what was got and not in this machine, so that another source may do.
    pub(super) fn is_of_source(&self) -> bool {
        !matches!(
            self,
            Self::Interrupted | Self::Io(_) | Self::Cache { .. } | Self::Damaged { .. }
        )
    }

    /// True if a server was asked for it and did not give it.
    pub(super) fn is_of_server(&self) -> bool {
        matches!(
            self,
            Self::Status { .. }
                | Self::Network { .. }
                | Self::Redirects { .. }
                | Self::NoCertificates { .. }
        )
    }

    /// True if a server could not even be reached.
    fn lacks_connection(&self) -> bool {
        match self {
            Self::Network { is_connected, .. } => !is_connected,
            Self::Exhausted(errors) => errors.iter().any(Self::lacks_connection),
            _ => false,
        }
    }

    /// True if what came is not what is pinned.
    pub(super) fn is_mismatch(&self) -> bool {
        matches!(
            self,
            Self::Bytes { .. }
                | Self::Content(_)
                | Self::Size { .. }
                | Self::Archive { .. }
                | Self::Weights { .. }
        )
    }
}

/// Content that differs from its pin.
#[derive(Debug)]
pub struct ContentMismatch {
    /// Where it is from.
    pub from: String,
    /// The pin.
    pub expected: String,
    /// The digest of what was found.
    pub got: String,
    /// What differs, if goldrun has ever seen the pinned content.
    pub differences: Option<Differences>,
}

impl fmt::Display for ContentMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the content of {} is not what is pinned", self.from)?;
        writeln!(f, "  expected {}", self.expected)?;
        write!(f, "  got      {}", self.got)?;
        match &self.differences {
            Some(differences) => write!(f, "{differences}")?,
            None => write!(
                f,
                "\n  what differs is listed only where the pinned content was seen before"
            )?,
        }
        write!(
            f,
            "\nhint: if it was changed on purpose, remove its pins from the recipe and run `goldrun pin`"
        )
    }
}

/// Why an archive is not extracted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not an archive that goldrun knows.
    #[error("it is neither a zip nor a tar.gz archive")]
    Unknown,
    /// The reader of the format gave up.
    #[error("{0}")]
    Damaged(String),
    /// An absolute path.
    #[error("entry `{0}` has an absolute path")]
    Absolute(String),
    /// A path that climbs.
    #[error("entry `{0}` leads out of the archive by `..`")]
    Parent(String),
    /// A backslash in a path.
    #[error("entry `{0}` has a backslash in its path")]
    Backslash(String),
    /// A Windows drive.
    #[error("entry `{0}` names a drive")]
    Drive(String),
    /// A path without a name, or one that cannot be printed.
    #[error("entry {0:?} has no usable name")]
    Name(String),
    /// A name that is no text, so that no manifest can list it.
    #[error(
        "the name of entry `{0}` is not UTF-8\nhint: rename it; manifests list files by their names"
    )]
    NotUtf8(String),
    /// A symbolic or hard link.
    #[error("entry `{0}` is a link")]
    Link(String),
    /// A device, a pipe, a sparse file.
    #[error("entry `{0}` is no regular file")]
    Special(String),
    /// Encrypted.
    #[error("entry `{0}` is encrypted")]
    Encrypted(String),
    /// Twice the same path.
    #[error("entry `{0}` is there twice")]
    Duplicate(String),
    /// One path that is a file and a folder.
    #[error("entry `{0}` is both a file and a folder")]
    FileAndFolder(String),
    /// Two paths that are one on some file systems.
    #[error("entries `{0}` and `{1}` differ by case only")]
    Case(String, String),
    /// An entry that is longer or shorter than it says.
    #[error("entry `{name}` says that it has {declared} bytes and has {got}")]
    Length {
        /// Which entry.
        name: String,
        /// What its header says.
        declared: u64,
        /// What came: a number, or "more".
        got: String,
    },
}

/// What to do where the disk with the cache is full; empty for every other error.
pub(crate) fn full_disk_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "\nhint: free some space, or set GOLDRUN_CACHE to a folder on another disk"
        }
        _ => "",
    }
}

/// What to do where no connection was made.
fn proxy_hint(error: &Error) -> &'static str {
    if error.lacks_connection() {
        "\nhint: if only a proxy leads out of here, name it in HTTPS_PROXY (for http urls, in HTTP_PROXY)"
    } else {
        ""
    }
}

fn indented(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        text.push_str("\n  ");
        text.push_str(line);
    }
    text
}

fn numbered(errors: &[Error]) -> String {
    let one = |(index, error): (usize, &Error)| {
        format!(
            "{}. {}",
            index + 1,
            error.to_string().replace('\n', "\n     ")
        )
    };
    let lines: Vec<String> = errors.iter().enumerate().map(one).collect();
    indented(&lines)
}
