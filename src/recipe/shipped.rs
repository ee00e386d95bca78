//! Files that are inside the binary.

/// The shipped file at `path`, relative to `recipes/`.
pub fn file(_path: &str) -> Option<&'static [u8]> {
    None
}
