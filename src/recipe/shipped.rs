//! The recipes inside the binary, so that an installed goldrun works anywhere.

/// A file of `recipes/`: its path there, and its bytes.
type File = (&'static str, &'static [u8]);

macro_rules! files {
    ($($path:literal)*) => {
        &[$(($path, include_bytes!(concat!("../../recipes/", $path)))),*]
    };
}

// A constant of this size is put into the binary wherever it is used.
static FILES: &[File] = files! {
    "head-only.toml"
    "quickstart.toml"
    "stepwise.toml"
    "tutorial-224.toml"
    "tutorial.toml"
    "weights/quickstart.safetensors"
};

/// A shipped file, by its path relative to `recipes/`, with `/`.
pub fn file(path: &str) -> Option<&'static [u8]> {
    let (_, bytes) = FILES.iter().find(|(shipped, _)| *shipped == path)?;
    Some(bytes)
}

/// The names of the shipped recipes.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES
        .iter()
        .filter_map(|(path, _)| path.strip_suffix(".toml"))
}
