//! Writes a data set of made JPEG pictures and a recipe that trains on it, for `just many`.
//!
//! `cargo run --release --example many -- COUNT FOLDER` makes `FOLDER/{train,validation}/{columns,rows}/`
//! with COUNT pictures in all, every tenth of them for validation, and `FOLDER/many.toml`, which is
//! tutorial-224 with one epoch a phase. A picture is a function of its number: some 320 × 240 pixels,
//! stripes and specks, about as many bytes as a photo of the tutorial.

use std::io::Cursor;
use std::path::Path;

use anyhow::{Context as _, bail};
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use rayon::prelude::*;

const USAGE: &str = "usage: many COUNT FOLDER";

/// Of so many pictures one is for validation.
const VALIDATION: u32 = 10;

/// A class has stripes along this.
const CLASSES: [&str; 2] = ["columns", "rows"];

/// Of 100; of higher quality the files would be larger than photos.
const QUALITY: u8 = 75;

const RECIPE: &str = r#"extends = "tutorial-224.toml"
format  = 1
name    = "many"
title   = "Made pictures, one epoch a phase"

[artifact.made]
path = "."

[dataset.folders]
artifact   = "made"
train      = "train"
validation = "validation"

[split.test]
fraction = 0.2

[[phase]]
name   = "feature extraction"
epochs = 1

[[phase]]
name        = "fine-tuning"
first_epoch = 2
epochs      = 1
"#;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [count, folder] = arguments.as_slice() else {
        bail!(USAGE);
    };
    let count: u32 = count.parse().with_context(|| format!("count {count}"))?;
    let folder = Path::new(folder);
    for split in ["train", "validation"] {
        for class in CLASSES {
            fs_err::create_dir_all(folder.join(split).join(class))?;
        }
    }
    (0..count).into_par_iter().try_for_each(|number| {
        let class = (number % 2) as usize;
        let split = match number / 2 % VALIDATION {
            0 => "validation",
            _ => "train",
        };
        let name = format!("{split}/{}/{number:06}.jpg", CLASSES[class]);
        let mut file = Cursor::new(Vec::new());
        picture(number, class)
            .write_with_encoder(JpegEncoder::new_with_quality(&mut file, QUALITY))?;
        fs_err::write(folder.join(name), file.into_inner())?;
        anyhow::Ok(())
    })?;
    fs_err::write(folder.join("many.toml"), RECIPE)?;
    Ok(())
}

/// Stripes along the class's side with specks, in colours and a size of the number's own.
fn picture(number: u32, class: usize) -> RgbImage {
    let mut state = number.wrapping_mul(0x9E37_79B9) | 1;
    // xorshift32
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    let (width, height) = (256 + next() % 129, 192 + next() % 97);
    let colour = next().to_le_bytes();
    let slope = 1 + next() % 3;
    RgbImage::from_fn(width, height, |x, y| {
        let across = [x, y][class] * slope;
        let speck = next() as u8 & 7;
        Rgb([0, 1, 2].map(|channel| {
            let shade = across as u8 ^ colour[channel];
            shade.wrapping_add((x + y) as u8 / 4).saturating_add(speck)
        }))
    })
}
