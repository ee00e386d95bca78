//! What a run shows beside its figures, made at its end.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{self, FilterType};
use image::{ExtendedColorType, RgbImage};

use super::Error;
use super::layers::layers;
use crate::dataset::batch::TrainingEpoch;
use crate::dataset::{Data, Split, views};
use crate::engine::Outputs;
use crate::evaluate::probability;
use crate::model::{Network, Trained};
use crate::recipe::{Phase, Recipe};
use crate::record::exhibits::{Exhibits, Image, Picture, Predicted, ShownPhase, Tested};

/// Training pictures that are kept, and augmented views of one, as the tutorial shows.
const NINE: usize = 9;
/// Pictures of the first test batch that are kept at most.
const FIRST_BATCH: usize = 64;
/// Wrong test pictures that are kept at most.
const WORST: usize = 12;
/// Pixels of a kept picture's longer side at most.
const LONGER_SIDE: u32 = 160;
/// Quality of the JPEG files.
const QUALITY: u8 = 85;

/// All that the run shows; `test` is what came out for the test split.
pub(super) fn of(
    recipe: &Recipe,
    network: &Network,
    data: &Data,
    test: &Outputs,
) -> Result<Exhibits, Error> {
    // A phase that cannot be trained has ended the run already.
    let trained = recipe.phases.iter();
    let trained: Vec<Trained> = trained
        .filter_map(|phase| Trained::of(network, &phase.train).ok())
        .collect();
    let epoch = TrainingEpoch::new(&data.train, &recipe.input, recipe.seed, 0, 0);
    let nine = 0..epoch.len().min(NINE);
    let views = if epoch.is_augmented() {
        views::of_first_picture(recipe, data, NINE as u32)?
    } else {
        vec![]
    };
    let [height, width] = data.train.image_size();
    let views = views.iter().map(|view| encoded(view, height, width));
    Ok(Exhibits {
        recipe: recipe.name.clone(),
        title: recipe.title.clone(),
        phases: recipe.phases.iter().map(shown_phase).collect(),
        classes: data.classes.clone(),
        layers: layers(network, &trained),
        training: nine
            .map(|position| picture(&data.train, epoch.place(position)))
            .collect::<Result<_, _>>()?,
        views: views.collect::<Result<_, _>>()?,
        test: tested(recipe, network, data, test)?,
    })
}

fn shown_phase(phase: &Phase) -> ShownPhase {
    ShownPhase {
        name: phase.name.clone(),
        epochs: phase.epochs,
    }
}

fn tested(
    recipe: &Recipe,
    network: &Network,
    data: &Data,
    outputs: &Outputs,
) -> Result<Tested, Error> {
    let split = &data.test;
    let logits = outputs.logits.chunks_exact(network.outputs);
    let said: Vec<(u32, f64)> = logits.map(probability::likeliest).collect();
    let classes = data.classes.len();
    let mut confusion = vec![vec![0; classes]; classes];
    let mut wrong = Vec::new();
    for (position, (item, &(class, probability))) in split.items.iter().zip(&said).enumerate() {
        confusion[item.label as usize][class as usize] += 1;
        if item.label != class {
            wrong.push((position, probability));
        }
    }
    wrong.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let predicted = |position: usize| -> Result<Predicted, Error> {
        let (class, probability) = said[position];
        Ok(Predicted {
            picture: picture(split, position)?,
            class,
            probability,
        })
    };
    let batch = FIRST_BATCH.min(recipe.input.batch_size as usize);
    Ok(Tested {
        confusion,
        first_batch: (0..said.len().min(batch))
            .map(predicted)
            .collect::<Result<_, _>>()?,
        worst: wrong
            .into_iter()
            .take(WORST)
            .map(|(position, _)| predicted(position))
            .collect::<Result<_, _>>()?,
    })
}

/// The picture at a position of a split, as it is.
fn picture(split: &Split, position: usize) -> Result<Picture, Error> {
    let mut pixels = vec![0.0; split.image_len()];
    split.read(position, &mut pixels)?;
    let [height, width] = split.image_size();
    let item = &split.items[position];
    Ok(Picture {
        path: item.path.clone(),
        label: item.label,
        image: encoded(&pixels, height, width)?,
    })
}

/// A picture `[height][width][3]` with values from 0 to 255 as JPEG, smaller where it is large.
fn encoded(pixels: &[f32], height: usize, width: usize) -> Result<Image, Error> {
    let bytes = pixels.iter().map(|&value| value.round() as u8).collect();
    let (height, width) = (height as u32, width as u32);
    let mut picture = RgbImage::from_raw(width, height, bytes)
        .ok_or_else(|| std::io::Error::other("a picture is not as long as its size says"))?;
    let longer = height.max(width);
    if longer > LONGER_SIDE {
        let shrunk = |side: u32| (side * LONGER_SIDE / longer).max(1);
        let (width, height) = (shrunk(width), shrunk(height));
        picture = imageops::resize(&picture, width, height, FilterType::Triangle);
    }
    let (width, height) = picture.dimensions();
    let mut jpeg = Cursor::new(Vec::new());
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode(&picture, width, height, ExtendedColorType::Rgb8)
        .map_err(std::io::Error::other)?;
    Ok(Image {
        width,
        height,
        jpeg: STANDARD.encode(jpeg.into_inner()),
    })
}
