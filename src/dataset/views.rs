//! One training picture as it is seen in epoch after epoch.

use super::batch::{Scratch, TrainingEpoch};
use super::{Data, Error};
use crate::recipe::Recipe;

/// The first training picture, resized, with values from 0 to 255; then as the first epochs of the first phase
/// see it, so many of them.
pub fn of_first_picture(recipe: &Recipe, data: &Data, epochs: u32) -> Result<Vec<Vec<f32>>, Error> {
    let train = &data.train;
    let mut picture = vec![0.0; train.image_len()];
    train.read(0, &mut picture)?;
    let index = train.items[0].index;
    let mut views = vec![picture];
    let mut scratch = Scratch::new();
    for number in 0..epochs {
        let epoch = TrainingEpoch::new(train, &recipe.input, recipe.seed, 0, number);
        let Some(position) = (0..epoch.len()).find(|&position| epoch.index(position) == index)
        else {
            continue;
        };
        let mut view = vec![0.0; train.image_len()];
        epoch.pixels(position, &mut scratch, &mut view)?;
        views.push(view);
    }
    Ok(views)
}
