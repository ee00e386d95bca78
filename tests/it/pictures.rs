//! Drawn pictures as files, and a recipe of two classes on them.

use fs_err as fs;
use goldrun::dataset::drawn;
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};

use crate::support::{Project, SMALL};

/// Seed of the drawn pictures of [`SMALL`].
pub const SEED: u64 = 5;

/// A picture of a split's slot as [`SMALL`] draws it.
pub fn drawn(slot: u32, number: u32) -> RgbImage {
    of_seed(SEED, slot, number)
}

/// A picture of a split's slot as a seed draws it.
pub fn of_seed(seed: u64, slot: u32, number: u32) -> RgbImage {
    let (_, rgb) = drawn::picture(seed, slot, number);
    let side = drawn::SIZE as u32;
    RgbImage::from_raw(side, side, rgb.into_vec()).unwrap()
}

/// A drawn picture made larger, with a grain that no enlarged picture has.
pub fn grained(number: u32, width: u32, height: u32) -> RgbImage {
    let mut picture = imageops::resize(&drawn(0, number), width, height, FilterType::Triangle);
    for (x, y, Rgb(pixel)) in picture.enumerate_pixels_mut() {
        let grain = (x * 7 + y * 13 + number * 29) % 23;
        *pixel = pixel.map(|value| value.saturating_add(grain as u8));
    }
    picture
}

/// Writes a picture into a project, in the format that its name says.
pub fn write(project: &Project, path: &str, picture: &RgbImage) {
    let path = project.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.save(path).unwrap();
}

/// The tutorial's kind of recipe, called `pair`: two classes in folders, pictures of many sizes that become
/// 96 high and 64 wide.
pub fn pair() -> Project {
    let project = Project::small();
    for number in 0..24 {
        // Bears and cats, by turns.
        let (class, drawn) = [("bears", number / 2 * 5), ("cats", number / 2 * 5 + 1)][number % 2];
        let number = number as u32;
        for split in ["train", "validation"] {
            let other = if split == "train" { 0 } else { 200 };
            let picture = grained(drawn as u32 + other, 40 + 5 * number, 90 - 2 * number);
            let path = format!("recipes/photos/{split}/{class}/{number:02}.png");
            write(&project, &path, &picture);
        }
    }
    let drawn = "[dataset.drawn]\ntrain      = 40\nvalidation = 20\ntest       = 20\n";
    let folders = "[artifact.photos]\npath = \"photos\"\n\n[dataset.folders]\nartifact = \"photos\"\n\
                   train = \"train\"\nvalidation = \"validation\"\n\n[split.test]\nfrom = \"validation\"\ncount = 12\n";
    assert!(SMALL.contains(drawn) && SMALL.contains("[32, 32]"));
    let recipe = SMALL
        .replace(drawn, folders)
        .replace("[32, 32]", "[96, 64]")
        .replace("\"small\"", "\"pair\"");
    project.write("recipes/pair.toml", &recipe);
    project.goldrun(&["pin", "pair"]).exits(0);
    project
}
