//! Which paths in an archive are safe, whatever file system they land on.

use std::collections::HashMap;

use crate::artifacts::Refusal;

/// What a path in an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A regular file.
    File,
    /// A folder.
    Folder,
}

/// The paths seen so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// By their lower-case form: as written, and what it is.
    seen: HashMap<String, (String, Role)>,
}

impl Names {
    /// Checks an entry's path and returns it in its plain form: components joined by `/`.
    pub fn admit(&mut self, written: &str, role: Role) -> Result<String, Refusal> {
        let path = plain(written)?;
        let mut end = 0;
        while let Some(length) = path[end..].find('/') {
            self.note(&path[..end + length], Role::Folder, false)?;
            end += length + 1;
        }
        if !path.is_empty() {
            self.note(&path, role, role == Role::File)?;
        }
        Ok(path)
    }

    fn note(&mut self, path: &str, role: Role, once: bool) -> Result<(), Refusal> {
        let Some((before, is)) = self.seen.get(&path.to_lowercase()) else {
            self.seen
                .insert(path.to_lowercase(), (path.to_owned(), role));
            return Ok(());
        };
        if before != path {
            return Err(Refusal::Case(before.clone(), path.to_owned()));
        }
        if *is != role {
            return Err(Refusal::FileAndFolder(path.to_owned()));
        }
        if once {
            return Err(Refusal::Duplicate(path.to_owned()));
        }
        Ok(())
    }
}

/// A path without `.` and empty components; empty for the root itself.
fn plain(written: &str) -> Result<String, Refusal> {
    let refused = |refusal: fn(String) -> Refusal| Err(refusal(written.to_owned()));
    if written.is_empty() || written.chars().any(char::is_control) {
        return refused(Refusal::Name);
    }
    if written.contains('\\') {
        return refused(Refusal::Backslash);
    }
    if written.starts_with('/') {
        return refused(Refusal::Absolute);
    }
    if matches!(written.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic()) {
        return refused(Refusal::Drive);
    }
    let components: Vec<&str> = written
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if components.contains(&"..") {
        return refused(Refusal::Parent);
    }
    Ok(components.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> Result<String, Refusal> {
        Names::default().admit(name, Role::File)
    }

    #[test]
    fn safe_names_are_made_plain() {
        assert_eq!(file("a/b.jpg").unwrap(), "a/b.jpg");
        assert_eq!(file("./a//b.jpg").unwrap(), "a/b.jpg");
        assert_eq!(file("..a/b..").unwrap(), "..a/b..");
        assert_eq!(Names::default().admit("./", Role::Folder).unwrap(), "");
    }

    #[test]
    fn unsafe_names_are_refused() {
        assert!(matches!(file("/etc/passwd"), Err(Refusal::Absolute(_))));
        assert!(matches!(file("../x"), Err(Refusal::Parent(_))));
        assert!(matches!(file("a/../../x"), Err(Refusal::Parent(_))));
        assert!(matches!(file("a/.."), Err(Refusal::Parent(_))));
        assert!(matches!(file("..\\x"), Err(Refusal::Backslash(_))));
        assert!(matches!(file("c:/x"), Err(Refusal::Drive(_))));
        assert!(matches!(file("C:x"), Err(Refusal::Drive(_))));
        assert!(matches!(file(""), Err(Refusal::Name(_))));
        assert!(matches!(file("a\nb"), Err(Refusal::Name(_))));
        assert!(matches!(file("a\0b"), Err(Refusal::Name(_))));
    }

    #[test]
    fn names_that_meet_are_refused() {
        let mut names = Names::default();
        names.admit("Cats/1.jpg", Role::File).unwrap();
        names.admit("Cats/", Role::Folder).unwrap();
        names.admit("Cats/2.jpg", Role::File).unwrap();
        assert!(matches!(
            names.admit("Cats/1.jpg", Role::File),
            Err(Refusal::Duplicate(_))
        ));
        assert!(matches!(
            names.admit("./Cats/1.jpg", Role::File),
            Err(Refusal::Duplicate(_))
        ));
        assert!(matches!(
            names.admit("Cats/1.JPG", Role::File),
            Err(Refusal::Case(..))
        ));
        assert!(matches!(
            names.admit("cats/3.jpg", Role::File),
            Err(Refusal::Case(..))
        ));
        assert!(matches!(
            names.admit("Cats", Role::File),
            Err(Refusal::FileAndFolder(_))
        ));
        assert!(matches!(
            names.admit("Cats/1.jpg/x", Role::File),
            Err(Refusal::FileAndFolder(_))
        ));
    }
}
