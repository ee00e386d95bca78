//! From a file to what the network sees.

use std::convert::Infallible;

use goldrun::dataset::augment::{Changing, Scratch, Step};
use goldrun::dataset::decode::{CHANNELS, decode};
use goldrun::kernels::resize;
use goldrun::recipe::{Augmentation, Orientation};
use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

use crate::Bench;
use crate::table::{Row, Table};
use crate::trials::in_turn;
use crate::work::values;

/// Images of a trial: every one has another angle, and half of them are mirrored.
const IMAGES: usize = 64;
/// Height and width of a usual photo of the tutorial.
const PHOTO: [usize; 2] = [375, 500];
const QUALITY: u8 = 90;

pub fn measure(bench: &Bench, table: &mut Table) -> anyhow::Result<()> {
    let level = bench.options.level;
    let size = [bench.options.size; 2];
    let one = &bench.pools[..1];

    let row = Row::new("pictures", "augmented (flip, rotation) and scaled", 1);
    if table.wants(&row) {
        let augment = [
            Augmentation::FlipHorizontal,
            Augmentation::Rotation { turn: 0.2 },
        ];
        let steps = Step::all(&augment, 1, 0, 0);
        let picture = values(0, size[0] * size[1] * CHANNELS, 0.0, 255.0);
        let changing = Changing {
            steps: &steps,
            level,
            size,
            scaled: true,
        };
        let mut scratch = Scratch::new();
        let mut out = picture.clone();
        let timings = in_turn(level, one, || {
            for index in 0..IMAGES as u32 {
                let read = |image: &mut [f32]| {
                    image.copy_from_slice(&picture);
                    Ok::<(), Infallible>(())
                };
                let Ok(()) = changing.image(index, read, &mut scratch, &mut out);
            }
        });
        table.add(row.timed(timings[0], IMAGES, None));
    }

    let [height, width] = PHOTO;
    let row = Row::new(
        "pictures",
        format!("JPEG of {width}×{height} decoded and resized"),
        1,
    );
    if table.wants(&row) {
        let photo = photo()?;
        let mut resized = vec![0.0; size[0] * size[1] * CHANNELS];
        let timings = in_turn(level, one, || {
            if let Ok(picture) = decode(&photo, Orientation::Ignore) {
                let from = [picture.height, picture.width];
                resize::bilinear(level, &picture.rgb, from, size, &mut resized);
            }
        });
        anyhow::ensure!(
            resized.iter().any(|value| *value != 0.0),
            "the made JPEG is not decoded"
        );
        table.add(row.timed(timings[0], 1, None));
    }
    Ok(())
}

/// Soft shapes with grain: a file of about as many bytes as a photo of this size has.
fn photo() -> anyhow::Result<Vec<u8>> {
    let [height, width] = PHOTO;
    let grain = values(1, height * width * CHANNELS, -12.0, 12.0);
    let bytes: Vec<u8> = grain
        .iter()
        .enumerate()
        .map(|(place, grain)| {
            let (pixel, channel) = (place / CHANNELS, place % CHANNELS);
            let (y, x) = ((pixel / width) as f32, (pixel % width) as f32);
            let wave = |period: f32| {
                let phase = (x + y * (1.0 + channel as f32 / 4.0)) / period;
                (phase.fract() - 0.5).abs()
            };
            (60.0 + 180.0 * wave(170.0) + 120.0 * wave(61.0) + grain) as u8
        })
        .collect();
    let mut file = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut file, QUALITY);
    encoder.encode(&bytes, width as u32, height as u32, ExtendedColorType::Rgb8)?;
    Ok(file)
}
