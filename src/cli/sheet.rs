//! `--sheet FILE.png`: a look at the pictures of a recipe as the network is given them, or at those of
//! `predict` by what they were taken for.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::exit::Failure;
use super::output;
use super::session::Session;
use crate::artifacts::Obtained;
use crate::artifacts::cache::Cache;
use crate::dataset::picture::PictureReader;
use crate::dataset::{self, Data, views};
use crate::kernels::Level;
use crate::recipe::Recipe;
use crate::report::predictions::Prediction;
use crate::report::sheet;
use crate::report::terminal::numbers::count;
use crate::{run, whole};

/// Pictures in a row.
const COLUMNS: usize = 10;
/// Predicted pictures that are shown at most.
const MOST_PREDICTED: usize = 200;
/// Pixels of a predicted picture's longer side.
const LONGER_SIDE: usize = 128;

/// Writes the contact sheet: the first training pictures of each class, then one picture and its augmented
/// views in the first epochs.
pub fn write(
    session: &Session,
    recipe: &Recipe,
    obtained: Option<&Obtained>,
    path: &Path,
) -> Result<(), Failure> {
    let cache = Cache::open(session.artifacts.cache.clone(), session.artifacts.fresh)?;
    let data = dataset::open(
        recipe,
        obtained,
        &cache,
        Level::detect(),
        &session.observer(),
    )
    .map_err(wrong)?;
    let mut rows = classes(&data).map_err(wrong)?;
    let views = views::of_first_picture(recipe, &data, COLUMNS as u32 - 1);
    rows.push(views.map_err(wrong)?);
    let [height, width] = recipe.input.image_size;
    write_png(path, &rows, height, width)?;
    if !session.options.json {
        output::data(&format!(
            "\n{}: a row for each of {}, then one picture and its augmented views\n",
            path.display(),
            data.classes.join(", ")
        ))?;
    }
    Ok(())
}

/// Writes the contact sheet of predicted pictures, whose files are `files`: rows for each class that there
/// is, the surest first. Gives a line that says which rows are whose.
pub fn of_predictions(
    classes: &[String],
    predictions: &[Prediction],
    files: &[PathBuf],
    reader: &PictureReader,
    path: &Path,
) -> Result<String, Failure> {
    let longer = reader.size[0].max(reader.size[1]);
    let reader = PictureReader {
        size: reader.size.map(|side| (side * LONGER_SIDE / longer).max(1)),
        ..*reader
    };
    let shown: Vec<(&Prediction, &PathBuf)> =
        predictions.iter().zip(files).take(MOST_PREDICTED).collect();
    let mut rows: Vec<Vec<Vec<f32>>> = Vec::new();
    let mut told = Vec::new();
    for class in classes {
        let of_class = shown.iter().filter(|(said, _)| said.class == *class);
        let mut of_class: Vec<_> = of_class.collect();
        of_class.sort_by(|(a, _), (b, _)| b.probability.total_cmp(&a.probability));
        let picture = |(_, file): &&(&Prediction, &PathBuf)| {
            let mut picture = vec![0.0; reader.len()];
            // One that is gone by now leaves its place empty.
            let _ = reader.read(file, &mut picture);
            picture
        };
        let first = rows.len() + 1;
        let of_class = of_class.chunks(COLUMNS);
        rows.extend(of_class.map(|row| row.iter().map(picture).collect()));
        if first <= rows.len() {
            told.push(format!("{class} in {}", numbered(first..=rows.len())));
        }
    }
    let [height, width] = reader.size;
    write_png(path, &rows, height as u32, width as u32)?;
    let told = match told.as_slice() {
        [] => "no picture".to_owned(),
        _ => format!("{}, the surest first", told.join(", ")),
    };
    let all = predictions.len();
    let some = match shown.len() {
        shown if shown < all => format!("; {shown} of {} pictures", count(all as u64)),
        _ => String::new(),
    };
    Ok(format!("{}: {told}{some}", path.display()))
}

/// Rows by their numbers.
fn numbered(rows: RangeInclusive<usize>) -> String {
    match rows.into_inner() {
        (first, last) if first == last => format!("row {first}"),
        (first, last) => format!("rows {first} to {last}"),
    }
}

fn write_png(path: &Path, rows: &[Vec<Vec<f32>>], height: u32, width: u32) -> Result<(), Failure> {
    let png = sheet::png(rows, height, width)
        .map_err(|error| Failure::failed(anyhow!("cannot make the contact sheet: {error}")))?;
    whole::write(path, &png).map_err(Failure::failed)
}

fn wrong(error: dataset::Error) -> Failure {
    run::Error::from(error).into()
}

/// The first training pictures of each class, resized.
fn classes(data: &Data) -> Result<Vec<Vec<Vec<f32>>>, dataset::Error> {
    let train = &data.train;
    let of_class = |class: usize| {
        train
            .labels()
            .into_iter()
            .enumerate()
            .filter(move |(_, label)| *label as usize == class)
            .take(COLUMNS)
            .map(|(position, _)| {
                let mut picture = vec![0.0; train.image_len()];
                train.read(position, &mut picture).map(|()| picture)
            })
            .collect()
    };
    (0..data.classes.len()).map(of_class).collect()
}
