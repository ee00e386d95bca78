//! A picture of no recipe, as a network sees it: decoded and resized as a recipe's are.

use std::path::Path;

use tracing::trace_span;

use super::decode::{CHANNELS, decode_any};
use crate::kernels::{Level, preprocess, resize};
use crate::recipe::Orientation;

/// Reads pictures from files of any format and size.
#[derive(Clone, Copy, Debug)]
pub struct PictureReader {
    /// Height and width of what comes out.
    pub size: [usize; 2],
    /// What the EXIF orientation does.
    pub orientation: Orientation,
    /// Instruction set; it changes no bit.
    pub level: Level,
}

impl PictureReader {
    /// Values of one picture: height · width · 3.
    pub fn len(&self) -> usize {
        let [height, width] = self.size;
        height * width * CHANNELS
    }

    /// True if pictures have no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads a picture: resized, 0 to 255, rows of RGB pixels. The error is the reason, for people.
    ///
    /// # Panics
    /// If `out` is not [`len`](Self::len) long.
    pub fn read(&self, path: &Path, out: &mut [f32]) -> Result<(), String> {
        // `std`'s error, which does not repeat the path that stands before the reason.
        #[expect(
            clippy::disallowed_methods,
            reason = "whoever tells the reason names the file"
        )]
        let bytes = trace_span!("read").in_scope(|| std::fs::read(path));
        let bytes = bytes.map_err(|error| error.to_string())?;
        let picture = trace_span!("decode", bytes = bytes.len())
            .in_scope(|| decode_any(&bytes, self.orientation))?;
        let from = [picture.height, picture.width];
        trace_span!("resize")
            .in_scope(|| resize::bilinear(self.level, &picture.rgb, from, self.size, out));
        Ok(())
    }

    /// Reads a picture as the network sees it: x ÷ 127.5 − 1.
    ///
    /// # Panics
    /// As [`read`](Self::read).
    pub fn input(&self, path: &Path, out: &mut [f32]) -> Result<(), String> {
        self.read(path, out)?;
        preprocess::scale(self.level, out);
        Ok(())
    }
}
