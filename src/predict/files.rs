//! Which files are meant: those that are named, and the pictures in folders that are.

use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::dataset::scan;

/// What the lower-case names of pictures end in, beside those of a recipe's.
const MORE_EXTENSIONS: [&str; 1] = [".webp"];

/// Files to look at, and what is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// As they are named; those of a folder sorted by the bytes of their paths.
    pub found: Vec<PathBuf>,
    /// Folders that give nothing, with the reasons.
    pub refused: Vec<(PathBuf, String)>,
}

impl Files {
    /// The files of `named`, in that order. A folder is walked to its ends; a link to a folder in it is not
    /// followed, so that there is an end.
    pub fn find(named: &[PathBuf]) -> Self {
        let mut files = Self::default();
        for path in named {
            if !path.is_dir() {
                // What is not there is said when it is read.
                files.found.push(path.clone());
                continue;
            }
            let mut inside = Vec::new();
            let refused = files.refused.len();
            files.walk(path, &mut inside);
            if inside.is_empty() && files.refused.len() == refused {
                let endings = scan::EXTENSIONS.into_iter().chain(MORE_EXTENSIONS);
                let endings: Vec<&str> = endings.collect();
                let reason = format!("no file in it ends in {}", endings.join(", "));
                files.refused.push((path.clone(), reason));
            }
            inside.sort_unstable_by(|a, b| {
                let bytes = |path: &Path| path.as_os_str().as_encoded_bytes().to_vec();
                bytes(a).cmp(&bytes(b))
            });
            files.found.append(&mut inside);
        }
        files
    }

    fn walk(&mut self, folder: &Path, inside: &mut Vec<PathBuf>) {
        let listed = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = match listed {
            Ok(entries) => entries,
            Err(error) => {
                self.refused.push((folder.to_owned(), error.to_string()));
                return;
            }
        };
        for entry in entries {
            let path = entry.path();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder {
                self.walk(&path, inside);
            } else if is_picture(&path) && !path.is_dir() {
                inside.push(path);
            }
        }
    }
}

fn is_picture(path: &Path) -> bool {
    scan::is_picture(path) || scan::ends_in(path, &MORE_EXTENSIONS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_walked_in_order_and_named_files_are_taken_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("in/deeper")).unwrap();
        fs::create_dir_all(path("bare")).unwrap();
        for name in [
            "in/b.JPG",
            "in/deeper/a.webp",
            "in/a.png",
            "in/notes.txt",
            "odd",
        ] {
            fs::write(path(name), "").unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(path("in"), path("in/deeper/round")).unwrap();
        let named = ["odd", "in", "bare", "nowhere.png"].map(path);
        let files = Files::find(&named);
        let expected = [
            "odd",
            "in/a.png",
            "in/b.JPG",
            "in/deeper/a.webp",
            "nowhere.png",
        ];
        assert_eq!(files.found, expected.map(path));
        let [(refused, reason)] = &files.refused[..] else {
            panic!("{files:?}");
        };
        assert_eq!(*refused, path("bare"));
        assert_eq!(
            reason,
            "no file in it ends in .bmp, .gif, .jpeg, .jpg, .png, .webp"
        );
    }
}
