//! `goldrun show RECIPE --sheet FILE.png`: a look at the pictures as the network is given them.

use std::path::Path;

use anyhow::anyhow;

use super::exit::Failure;
use super::output;
use super::session::Session;
use crate::artifacts::Obtained;
use crate::artifacts::cache::Cache;
use crate::dataset::{self, Data, views};
use crate::kernels::Level;
use crate::recipe::Recipe;
use crate::report::sheet;
use crate::{run, whole};

/// Pictures in a row.
const COLUMNS: usize = 10;

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
    let png = sheet::png(&rows, height, width)
        .map_err(|error| Failure::failed(anyhow!("cannot make the contact sheet: {error}")))?;
    whole::write(path, &png).map_err(Failure::failed)?;
    if !session.options.json {
        output::data(&format!(
            "\n{}: a row for each of {}, then one picture and its augmented views\n",
            path.display(),
            data.classes.join(", ")
        ))?;
    }
    Ok(())
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
