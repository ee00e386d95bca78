//! Urls: what a recipe may write, and the file name that a local copy is found under.

use std::path::PathBuf;

use reqwest::Url;

use super::Error;
use crate::recipe::Source;

/// Where a url leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A file on this machine.
    Local(PathBuf),
    /// A server.
    Remote(Url),
}

impl Place {
    /// Reads `http`, `https` and `file` urls and plain paths.
    pub fn parse(written: &str) -> Result<Self, Error> {
        let refused = |problem: &str| Error::Url {
            url: written.to_owned(),
            problem: problem.to_owned(),
        };
        if !written.contains("://") {
            if written.is_empty() {
                return Err(refused("it is empty"));
            }
            return Ok(Self::Local(PathBuf::from(written)));
        }
        let url = Url::parse(written).map_err(|error| refused(&error.to_string()))?;
        match url.scheme() {
            "http" | "https" => Ok(Self::Remote(url)),
            "file" => url
                .to_file_path()
                .map(Self::Local)
                .map_err(|()| refused("a file url needs an absolute path on this machine")),
            other => Err(refused(&format!("scheme `{other}` is not supported"))),
        }
    }

    /// The name of the file: the last part of the path, as it is spelled on a disk.
    ///
    /// None where there is none, or one that would not be a plain name.
    pub fn file_name(&self) -> Option<String> {
        let name = match self {
            Self::Local(path) => path.file_name()?.to_str()?.to_owned(),
            Self::Remote(url) => percent_decoded(url.path_segments()?.next_back()?)?,
        };
        let plain = !name.is_empty()
            && name != "."
            && name != ".."
            && !name
                .chars()
                .any(|letter| letter.is_control() || "/\\:".contains(letter));
        plain.then_some(name)
    }
}

/// `%20` and the like as the bytes they stand for; none if the result is no text.
fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex_digit(*high).zip(hex_digit(*low)),
            _ => None,
        };
        if let Some((high, low)) = escaped {
            decoded.push(high << 4 | low);
            rest = &tail[2..];
        } else {
            decoded.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// The names that a copy of what comes from `source` is found under, in the order of its urls; none where no
/// url and no path ends in a plain name.
pub(super) fn names(source: &Source) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    match source {
        Source::Urls(urls) => {
            for url in urls {
                names.extend(Place::parse(url)?.file_name());
            }
        }
        Source::Path(path) => names.extend(Place::Local(path.clone()).file_name()),
        Source::Shipped(path) => names.extend(Place::Local(path.into()).file_name()),
    }
    names.dedup();
    Ok(names)
}

/// What is called `name` in `folders`.
pub(super) fn find_in(folders: &[PathBuf], name: &str) -> Vec<PathBuf> {
    folders
        .iter()
        .map(|folder| folder.join(name))
        .filter(|path| path.exists())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(url: &str) -> Option<String> {
        Place::parse(url).unwrap().file_name()
    }

    #[test]
    fn urls_and_paths_lead_somewhere() {
        assert_eq!(
            Place::parse("a/b.zip").unwrap(),
            Place::Local("a/b.zip".into())
        );
        assert_eq!(
            Place::parse("file:///a/b%20c.zip").unwrap(),
            Place::Local("/a/b c.zip".into())
        );
        assert!(matches!(
            Place::parse("https://a/b.zip").unwrap(),
            Place::Remote(_)
        ));
        for wrong in ["", "ftp://a/b", "http://", "file://host.example/x"] {
            assert!(
                matches!(Place::parse(wrong), Err(Error::Url { .. })),
                "{wrong}"
            );
        }
    }

    #[test]
    fn the_name_is_the_last_part_of_the_path() {
        assert_eq!(
            name("https://a/b/c.zip?x=/y.zip#z").as_deref(),
            Some("c.zip")
        );
        assert_eq!(name("https://a/b%20c.zip").as_deref(), Some("b c.zip"));
        assert_eq!(name("/data/c.zip").as_deref(), Some("c.zip"));
        assert_eq!(name("https://a/"), None);
        assert_eq!(name("https://a/b%2Fc"), None);
        assert_eq!(name("https://a/%zz%4").as_deref(), Some("%zz%4"));
    }
}
