//! From the bytes of a file to RGB pixels.
//!
//! The format is guessed from the content, never from the name. Grey, palette, 16-bit and CMYK pictures
//! become 8-bit RGB as `image::DynamicImage::to_rgb8` has it; alpha is dropped, not blended; of an
//! animation the first frame is taken. A file that is cut short is an error, for every format.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use crate::recipe::Orientation;

use super::complete::jpeg_is_complete;

/// Red, green, blue.
pub const CHANNELS: usize = 3;

/// A decoded picture: 8-bit RGB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// height · width pixels, row by row.
    pub rgb: Vec<u8>,
}

/// Formats that a recipe's pictures are in, as in Keras.
const OF_RECIPES: [ImageFormat; 4] = [
    ImageFormat::Bmp,
    ImageFormat::Gif,
    ImageFormat::Jpeg,
    ImageFormat::Png,
];

/// Decodes a file of a recipe's pictures; the error is the reason, for people.
pub fn decode(bytes: &[u8], orientation: Orientation) -> Result<Picture, String> {
    let format = image::guess_format(bytes);
    match format.ok().filter(|format| OF_RECIPES.contains(format)) {
        Some(format) => decode_format(bytes, format, orientation),
        None => Err("it is none of BMP, GIF, JPEG and PNG".to_owned()),
    }
}

/// Decodes a file in any format that can be read; the error is the reason, for people.
pub fn decode_any(bytes: &[u8], orientation: Orientation) -> Result<Picture, String> {
    let format = image::guess_format(bytes);
    match format.ok().filter(ImageFormat::reading_enabled) {
        Some(format) => decode_format(bytes, format, orientation),
        None => Err("it is none of BMP, GIF, JPEG, PNG and WebP".to_owned()),
    }
}

fn decode_format(
    bytes: &[u8],
    format: ImageFormat,
    orientation: Orientation,
) -> Result<Picture, String> {
    if format == ImageFormat::Jpeg && !jpeg_is_complete(bytes) {
        return Err(
            "the JPEG data is incomplete: no end-of-image marker after the last scan".into(),
        );
    }
    let picture = decode_as(bytes, format, orientation).map_err(|error| error.to_string())?;
    if picture.height == 0 || picture.width == 0 {
        return Err("it has no pixels".to_owned());
    }
    Ok(picture)
}

/// True if a file has an EXIF mark that asks for a rotation or a mirror image; false where it cannot be read.
pub fn is_rotated(bytes: &[u8]) -> bool {
    let mark = || {
        let format = image::guess_format(bytes).ok()?;
        let reader = ImageReader::with_format(Cursor::new(bytes), format);
        reader.into_decoder().ok()?.orientation().ok()
    };
    mark().is_some_and(|mark| mark != image::metadata::Orientation::NoTransforms)
}

fn decode_as(
    bytes: &[u8],
    format: ImageFormat,
    orientation: Orientation,
) -> Result<Picture, image::ImageError> {
    let mut decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder()?;
    let mark = match orientation {
        Orientation::Ignore => image::metadata::Orientation::NoTransforms,
        Orientation::Apply => decoder.orientation()?,
    };
    let mut decoded = DynamicImage::from_decoder(decoder)?;
    decoded.apply_orientation(mark);
    let rgb = decoded.into_rgb8();
    Ok(Picture {
        height: rgb.height() as usize,
        width: rgb.width() as usize,
        rgb: rgb.into_raw(),
    })
}
