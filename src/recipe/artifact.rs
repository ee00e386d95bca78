//! Artifacts: the files and folders that a recipe needs, and their pins.

use std::path::{Component, Path, PathBuf};

use schemars::JsonSchema;
use serde_json::json;

use super::syntax::{
    Base, Decode, Form, Inside, Located, Node, Problem, Problems, Range, Reader, Rule, Sources,
    Text,
};

/// Largest download and extracted size where a recipe does not say: 4 GiB.
const MAX_SIZE: u64 = 4 << 30;

const SIZE: Rule<u64> = Rule::number_of("bytes", Range::from(1));
const URL: Rule<String> = Rule::new(
    "a url (http, https, file) or a path",
    Text {
        name: "url",
        forms: &[
            Form::of(r"^(?:https?|file)://[^\u0000-\u001f\u007f-\u009f]*$"),
            Form {
                has: r"^[^\u0000-\u001f\u007f-\u009f]+$",
                lacks: Some("://"),
            },
        ],
    },
);
const PATH: Rule<String> = Rule::new("the path of a file or folder", ON_DISK);
const SHA256: Rule<String> = Rule::new(
    "64 lower-case hexadecimal digits",
    Text {
        name: "64 lower-case hex digits",
        forms: &[Form::of("^[0-9a-f]{64}$")],
    },
);
const CONTENT: Rule<String> = Rule::new(
    "`h1:` (archive, folder) or `t1:` (weight file) and the base64 of 32 bytes",
    Text {
        name: "`h1:…` or `t1:…`",
        // The last of 43 digits has four bits of the 32 bytes, and two that are 0.
        forms: &[Form::of("^[ht]1:[0-9A-Za-z+/]{42}[048AEIMQUYcgkosw]=$")],
    },
);

/// A file or folder that the recipe needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Artifact {
    /// Where to get it.
    pub source: Source,
    /// Exact size in bytes where there is no content pin; with one, another size is a note.
    pub size: Option<u64>,
    /// Largest download and largest extracted size, bytes.
    pub max_size: u64,
    /// Pin of the bytes: 64 lower-case hex digits.
    pub sha256: Option<String>,
    /// Pin of what is in it: `h1:…` (archives, folders) or `t1:…` (weight files).
    pub content: Option<String>,
}

/// Where an artifact comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// Tried in order; `http`, `https`, `file` and plain absolute paths.
    Urls(Vec<String>),
    /// A local file or folder, absolute.
    Path(PathBuf),
    /// A file that is inside the binary, by its path relative to `recipes/` (see [`super::shipped`]).
    Shipped(String),
}

/// What an artifact is used for, and so which content pin it can have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// An archive or a folder of pictures.
    Pictures,
    /// A weight file.
    Weights,
}

impl Use {
    const fn content_prefix(self) -> &'static str {
        match self {
            Self::Pictures => "h1:",
            Self::Weights => "t1:",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Pictures => "an archive or folder of pictures has an `h1:` pin",
            Self::Weights => "a weight file has a `t1:` pin",
        }
    }
}

/// Keys that say where an artifact comes from; one of them is written.
const PLACES: [&str; 2] = ["urls", "path"];

/// A file or folder as written.
#[derive(Debug, JsonSchema)]
#[schemars(
    deny_unknown_fields,
    extend("oneOf" = PLACES.map(|place| json!({ "required": [place] })))
)]
pub(super) struct ArtifactFile {
    /// Places of the same file, tried in order: `https`, `http`, `file`, or a path.
    #[schemars(length(min = 1), transform = Inside("items", &URL))]
    urls: Option<Located<Vec<Located<String>>>>,
    /// A local file or, for pictures, a folder.
    #[schemars(transform = &PATH)]
    path: Option<Located<String>>,
    /// Must be exact, unless there is a `content` pin: then another size is only noted.
    #[schemars(transform = &SIZE)]
    size: Option<Located<u64>>,
    /// Largest download, and largest size once extracted.
    #[schemars(transform = &SIZE, extend("default" = MAX_SIZE, "x-default" = "4294967296 (4 GiB)"))]
    max_size: Option<Located<u64>>,
    /// Pin of the file's bytes. A folder has none.
    #[schemars(transform = &SHA256)]
    sha256: Option<Located<String>>,
    /// Pin of what is in it: `h1:` for pictures, `t1:` for weights.
    #[schemars(transform = &CONTENT)]
    content: Option<Located<String>>,
}

impl Decode for ArtifactFile {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let mut table = Reader::new(node, problems)?;
        let artifact = Self {
            urls: table.values("urls", &URL),
            path: table.value("path", &PATH),
            size: table.value("size", &SIZE),
            max_size: table.value("max_size", &SIZE),
            sha256: table.value("sha256", &SHA256),
            content: table.value("content", &CONTENT),
        };
        table.require_one_of(&PLACES);
        table.finish();
        Some(artifact)
    }
}

impl ArtifactFile {
    /// Checks what one key alone cannot show.
    pub(super) fn check(&self, problems: &mut Problems) {
        if let Some(urls) = self.urls.as_ref().filter(|urls| urls.value.is_empty()) {
            problems.add(Problem::new(
                urls.place,
                "`urls` must name at least one place",
                "this list is empty",
            ));
        }
        if let (Some(size), Some(limit)) = (&self.size, &self.max_size)
            && size.value > limit.value
        {
            problems.add(
                Problem::new(
                    size.place,
                    "`size` is over `max_size`",
                    format!("{} bytes", size.value),
                )
                .other(limit.place, "the limit"),
            );
        }
    }

    /// Checks that the content pin is of the kind that such an artifact has.
    pub(super) fn check_use(&self, used_for: Use, problems: &mut Problems) {
        if let Some(content) = &self.content
            && !content.value.starts_with(used_for.content_prefix())
        {
            problems.add(
                Problem::new(
                    content.place,
                    "this pin is of the wrong kind",
                    "pins something else",
                )
                .help(used_for.words()),
            );
        }
    }

    /// The artifact; `None` where something that it needs is missing or wrong.
    pub(super) fn decide(&self, sources: &Sources, problems: &mut Problems) -> Option<Artifact> {
        let source = match (&self.urls, &self.path) {
            (Some(urls), None) => Source::Urls(
                urls.value
                    .iter()
                    .map(|url| resolve_url(url, sources))
                    .collect(),
            ),
            (None, Some(path)) => resolve_path(path, sources, problems)?,
            _ => return None,
        };
        Some(Artifact {
            source,
            size: self.size.as_ref().map(|size| size.value),
            max_size: self.max_size.as_ref().map_or(MAX_SIZE, |size| size.value),
            sha256: self.sha256.as_ref().map(|pin| pin.value.clone()),
            content: self.content.as_ref().map(|pin| pin.value.clone()),
        })
    }
}

/// A plain path among urls belongs to the file that wrote it, as `path` does.
fn resolve_url(url: &Located<String>, sources: &Sources) -> String {
    if url.value.contains("://") {
        return url.value.clone();
    }
    match &sources.get(url.place.source).base {
        Base::Folder(folder) => normal(&folder.join(&url.value)).display().to_string(),
        Base::Shipped(_) => url.value.clone(),
    }
}

fn resolve_path(
    path: &Located<String>,
    sources: &Sources,
    problems: &mut Problems,
) -> Option<Source> {
    match &sources.get(path.place.source).base {
        Base::Folder(folder) => Some(Source::Path(normal(&folder.join(&path.value)))),
        Base::Shipped(folder) => {
            let inside = normal(&folder.join(&path.value));
            let parts: Vec<&str> = inside.iter().filter_map(|part| part.to_str()).collect();
            if inside.is_absolute() || parts.contains(&"..") {
                problems.add(Problem::new(
                    path.place,
                    "a shipped recipe can only name files beside it",
                    "leads out of `recipes/`",
                ));
                return None;
            }
            Some(Source::Shipped(parts.join("/")))
        }
    }
}

/// The path without `.` and `..`, as far as that goes without looking at the disk.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if normal.file_name().is_some_and(|name| name != "..") => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

/// A folder inside an artifact, relative to its root with `/`; `.` is the root itself.
pub(super) const FOLDER: Rule<String> = Rule::new(
    "a folder inside the artifact: relative, with `/`, without `..`",
    Text {
        name: "folder",
        // Each part has a character that is no dot, or more than two dots.
        forms: &[
            Form::of(r"^\.$"),
            Form {
                has: r"^[^/\\:\u0000-\u001f\u007f-\u009f]+(?:/[^/\\:\u0000-\u001f\u007f-\u009f]+)*$",
                lacks: Some(r"(?:^|/)\.\.?(?:/|$)"),
            },
        ],
    },
);

/// A path and no url.
pub(super) const ON_DISK: Text = Text {
    name: "path",
    forms: &[Form {
        has: r"^[^\u0000]+$",
        lacks: Some("://"),
    }],
};

/// A word that becomes a part of addresses and names of files.
pub(super) const WORD: Text = Text {
    name: "word",
    forms: &[Form::of("^[0-9A-Za-z_-]{1,64}$")],
};

/// The role of an artifact where an element names one.
pub(super) const ROLE: Rule<String> = Rule::new(
    "the role of an artifact: letters, digits, `-` and `_`",
    Text {
        name: "role",
        ..WORD
    },
);

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    /// What the expressions stand for, without expressions.
    fn is_folder(text: &str) -> bool {
        let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
        let clean = !text.contains(['\\', ':']) && !text.contains(char::is_control);
        text == "." || (clean && text.split('/').all(plain))
    }

    fn is_location(text: &str) -> bool {
        let clean = !text.is_empty() && !text.contains(char::is_control);
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        clean && scheme.is_none_or(|scheme| matches!(scheme, "http" | "https" | "file"))
    }

    fn is_content(text: &str) -> bool {
        let digest = text
            .strip_prefix("h1:")
            .or_else(|| text.strip_prefix("t1:"));
        let bytes = digest.and_then(|digest| STANDARD.decode(digest).ok());
        bytes.is_some_and(|bytes| bytes.len() == 32)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn expressions_say_what_is_meant(
            path in "[a./:\\\\ \\x00\\x7f\\u{85}]{0,6}",
            url in "(http|https|file|ftp|)(://|:/|)[a:/ \\n]{0,4}(://)?",
            pin in "[htx]1:[A-Za-z0-9+/]{42,43}[A-P]={0,2}",
        ) {
            prop_assert_eq!(FOLDER.holds(&path), is_folder(&path));
            prop_assert_eq!(URL.holds(&url), is_location(&url));
            prop_assert_eq!(CONTENT.holds(&pin), is_content(&pin));
        }
    }

    #[test]
    fn pins_are_well_formed() {
        let sha256 = "91af24e0be191e9380dafc8710d0933fa826ec8e51f26f85c1fddba4e8018e3f".to_owned();
        assert!(SHA256.holds(&sha256));
        assert!(!SHA256.holds(&sha256.to_uppercase()));
        assert!(!SHA256.holds(&sha256[1..].to_owned()));
        let content = "h1:dfLqZwUzpnnc+Bjo33xM43a7c8w5V+dZUzV7qeZiDZI=".to_owned();
        assert!(CONTENT.holds(&content));
        assert!(!CONTENT.holds(&content.replace("h1:", "h2:")));
        assert!(!CONTENT.holds(&content.replace("h1:df", "h1:")));
        assert!(!CONTENT.holds(&content.replace('=', "")));
    }

    #[test]
    fn folders_stay_inside_their_artifact() {
        for good in [".", "train", "cats_and_dogs_filtered/train", "a b/ü"] {
            assert!(FOLDER.holds(&good.to_owned()), "{good}");
        }
        for bad in [
            "", "/train", "a//b", "a/../b", "..", "a/", "./a", "a\\b", "C:/a",
        ] {
            assert!(!FOLDER.holds(&bad.to_owned()), "{bad}");
        }
    }

    #[test]
    fn only_schemes_that_can_be_fetched_are_urls() {
        for good in [
            "https://a.b/c.zip",
            "http://127.0.0.1:8/c",
            "file:///c.zip",
            "/c.zip",
            "c.zip",
        ] {
            assert!(URL.holds(&good.to_owned()), "{good}");
        }
        for bad in ["", "ftp://a.b/c.zip", "s3://a", "a\nb"] {
            assert!(!URL.holds(&bad.to_owned()), "{bad}");
        }
    }

    #[test]
    fn paths_are_made_plain() {
        assert_eq!(normal(Path::new("/a/./b/../c")), Path::new("/a/c"));
        assert_eq!(normal(Path::new("../a")), Path::new("../a"));
        assert_eq!(normal(Path::new("a/../../b")), Path::new("../b"));
    }
}
