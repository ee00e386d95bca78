//! A contact sheet: rows of equal pictures as one PNG.

use std::io::Cursor;

use image::{ImageError, ImageFormat, RgbImage};

/// Pixels between pictures.
const GAP: u32 = 2;
/// Grey between pictures.
const BACKGROUND: u8 = 32;

/// The sheet of `rows` of pictures, each `[height][width][3]` with values from 0 to 255, as PNG.
///
/// A picture of another length than height × width × 3 is left out.
pub fn png(rows: &[Vec<Vec<f32>>], height: u32, width: u32) -> Result<Vec<u8>, ImageError> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0) as u32;
    let sheet_width = columns * (width + GAP) + GAP;
    let sheet_height = rows.len() as u32 * (height + GAP) + GAP;
    let mut sheet = RgbImage::from_pixel(sheet_width, sheet_height, image::Rgb([BACKGROUND; 3]));
    for (row, pictures) in rows.iter().enumerate() {
        for (column, picture) in pictures.iter().enumerate() {
            let bytes: Vec<u8> = picture.iter().map(|&value| value.round() as u8).collect();
            if let Some(tile) = RgbImage::from_raw(width, height, bytes) {
                let x = GAP + column as u32 * (width + GAP);
                let y = GAP + row as u32 * (height + GAP);
                image::imageops::replace(&mut sheet, &tile, i64::from(x), i64::from(y));
            }
        }
    }
    let mut bytes = Cursor::new(Vec::new());
    sheet.write_to(&mut bytes, ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_lie_in_their_rows() {
        let red: Vec<f32> = [255.0, 0.0, 0.0].repeat(4);
        let blue: Vec<f32> = [0.0, 0.0, 254.6].repeat(4);
        let bytes = png(&[vec![red.clone(), red], vec![blue]], 2, 2).unwrap();
        let sheet = image::load_from_memory(&bytes).unwrap().to_rgb8();
        assert_eq!(sheet.dimensions(), (10, 10));
        assert_eq!(sheet.get_pixel(6, 2).0, [255, 0, 0]);
        assert_eq!(sheet.get_pixel(3, 7).0, [0, 0, 255]);
        assert_eq!(sheet.get_pixel(6, 7).0, [BACKGROUND; 3]);
    }
}
