//! Pictures: found, cut into splits, decoded, resized once into a file of pixels, and read from there.
//!
//! Takes a [`Recipe`] and the artifact with its pictures, gives [`Data`]: three [`Split`]s whose images
//! can be read from any thread, and (in [`batch`]) the shuffled, augmented epochs of training.
//! Nothing here depends on the number of threads or on the order in which work is done, and no split is
//! ever held in memory whole. Formulas: docs/imaging.md; random draws: docs/randomness.md.

pub mod augment;
pub mod batch;
pub mod complete;
pub mod decode;
pub mod drawn;
pub mod error;
pub mod list;
pub mod look;
pub mod picture;
pub mod pixels;
pub mod scan;
pub mod split;
pub mod views;

use std::ops::Deref;
use std::sync::Arc;

use tracing::trace_span;

use crate::artifacts::Obtained;
use crate::artifacts::cache::Cache;
use crate::digest::Digest;
use crate::kernels::{Level, preprocess};
use crate::recipe::{Dataset, Recipe, SplitName};
use crate::record::{Event, Observer};

pub use error::Error;
pub use list::{Item, SplitList};

use pixels::Pixels;
use scan::Source;
use split::Part;

/// The pictures of a run, ready to be read.
pub struct Data {
    /// Names of the classes; a label is a place in this list.
    pub classes: Vec<String>,
    /// What is trained on.
    pub train: Split,
    /// What is evaluated after every epoch.
    pub validation: Split,
    /// What is evaluated at the end.
    pub test: Split,
    /// Files that could not be decoded and were left out, as `split: class/file: reason`.
    pub rejects: Vec<String>,
}

impl Data {
    /// The split of this name.
    pub fn split(&self, name: SplitName) -> &Split {
        match name {
            SplitName::Train => &self.train,
            SplitName::Validation => &self.validation,
            SplitName::Test => &self.test,
        }
    }
}

/// A list of pictures with their pixels.
///
/// It reads as its [`SplitList`]: `split.items`, `split.len()`, `split.labels()`.
pub struct Split {
    list: SplitList,
    pixels: Arc<Pixels>,
    /// Place of each item in the pixel file.
    slots: Vec<u32>,
    /// sha256 of all images in sorted order.
    pixels_digest: String,
    level: Level,
}

impl Deref for Split {
    type Target = SplitList;

    fn deref(&self) -> &SplitList {
        &self.list
    }
}

impl Split {
    /// Height and width of every image.
    pub fn image_size(&self) -> [usize; 2] {
        self.pixels.image_size()
    }

    /// Values of one image: height · width · 3.
    pub fn image_len(&self) -> usize {
        self.pixels.image_len()
    }

    /// Instruction set of the kernels that work on these images; it changes no bit.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Reads the image at `position` in evaluation order: resized, 0 to 255, rows of RGB pixels.
    ///
    /// # Panics
    /// If there is no such position or `out` is not [`image_len`](Self::image_len) long.
    pub fn read(&self, position: usize, out: &mut [f32]) -> Result<(), Error> {
        self.pixels.read(self.slots[position], out)
    }

    /// Reads the image at `position` in evaluation order as the network sees it: x ÷ 127.5 − 1.
    ///
    /// # Panics
    /// As [`read`](Self::read).
    pub fn input(&self, position: usize, out: &mut [f32]) -> Result<(), Error> {
        self.read(position, out)?;
        preprocess::scale(self.level, out);
        Ok(())
    }

    /// A text that says which images these are and in which order, for keys of what is derived from them.
    pub fn content(&self) -> String {
        let mut slots = Digest::default();
        for slot in &self.slots {
            slots.add(slot.to_le_bytes());
        }
        format!("pixels {}\norder {}\n", self.pixels.digest(), slots.hex())
    }

    /// sha256, in hex, of all images in sorted order as little-endian f32 values.
    ///
    /// It was taken while the pixels were written; every image is held to a checksum when it is read.
    pub fn pixels_digest(&self) -> &str {
        &self.pixels_digest
    }

    /// Shows the second picture also in the first one's place.
    pub fn replace_first_picture(&mut self) -> Result<(), Error> {
        if let [first, second, ..] = &mut self.slots[..] {
            *first = *second;
        }
        self.pixels_digest = self.digest_images()?;
        Ok(())
    }

    /// [`pixels_digest`](Self::pixels_digest) of the images as they are read now.
    pub fn digest_images(&self) -> Result<String, Error> {
        let mut sorted: Vec<usize> = (0..self.len()).collect();
        sorted.sort_unstable_by_key(|&position| self.items[position].index);
        let mut digest = Digest::default();
        let mut image = vec![0.0; self.image_len()];
        for position in sorted {
            self.read(position, &mut image)?;
            digest.add_values(&image);
        }
        Ok(digest.hex())
    }

    /// Gives every `apart`-th picture the label after its own.
    pub fn flip_labels(&mut self, apart: usize) {
        let classes = self.list.class_counts().len() as u32;
        for item in self.list.items.iter_mut().step_by(apart) {
            item.label = (item.label + 1) % classes;
        }
    }
}

/// What a recipe's splits hold, before anything is decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Train, validation and test, in this order.
    pub splits: [SplitList; 3],
}

/// Scans and cuts, without decoding: a file that turns out undecodable is still counted here.
///
/// `obtained` is the artifact with the pictures, `None` for drawn ones.
pub fn survey(recipe: &Recipe, obtained: Option<&Obtained>) -> Result<Survey, Error> {
    let plan = plan(recipe, obtained)?;
    let list = |part: &Part| {
        let items = &plan.sources.get(part.source).items;
        let items = part
            .places
            .iter()
            .map(|&place| items[place as usize].clone());
        SplitList::new(part.name, plan.classes.len(), items.collect())
    };
    Ok(Survey {
        splits: [
            list(&plan.parts[0]),
            list(&plan.parts[1]),
            list(&plan.parts[2]),
        ],
        classes: plan.classes,
    })
}

/// Scans, cuts, decodes or draws, and resizes; uses the threads of the current rayon pool.
///
/// `obtained` is the artifact with the pictures, `None` for drawn ones.
/// Pixels come from `cache` where an earlier run left them there.
pub fn open(
    recipe: &Recipe,
    obtained: Option<&Obtained>,
    cache: &Cache,
    level: Level,
    observer: &Observer,
) -> Result<Data, Error> {
    let plan = trace_span!("find pictures").in_scope(|| plan(recipe, obtained))?;
    let content = obtained.map_or("", |obtained| obtained.content.as_str());
    let mut tolerance = pixels::Tolerance::new(recipe);
    let mut rejects = Vec::new();
    let mut splits = Vec::with_capacity(plan.parts.len());
    for part in &plan.parts {
        let source = plan.sources.get(part.source);
        let (split, rejected) = open_part(
            part,
            source,
            plan.classes.len(),
            &pixels::Request {
                input: &recipe.input,
                content,
                level,
            },
            cache,
            &mut tolerance,
            observer,
        )?;
        rejects.extend(rejected);
        splits.push(split);
    }
    if !rejects.is_empty() {
        observer.tell(Event::Warning(format!(
            "{} undecodable files are left out, as the recipe tolerates: {}",
            rejects.len(),
            rejects.join("; ")
        )));
    }
    let [train, validation, test] =
        <[Split; 3]>::try_from(splits).unwrap_or_else(|_| unreachable!("there are three parts"));
    Ok(Data {
        classes: plan.classes,
        train,
        validation,
        test,
        rejects,
    })
}

/// Gets the pixels of one split and leaves out what could not be decoded.
fn open_part(
    part: &Part,
    source: &Source,
    classes: usize,
    request: &pixels::Request,
    cache: &Cache,
    tolerance: &mut pixels::Tolerance,
    observer: &Observer,
) -> Result<(Split, Vec<String>), Error> {
    let mut sorted = part.places.clone();
    sorted.sort_unstable();
    let files: Vec<&Item> = sorted
        .iter()
        .map(|&place| &source.items[place as usize])
        .collect();
    let pixels = pixels::obtain(
        part.name, source, &files, request, cache, tolerance, observer,
    )?;

    let mut slot_of_place = vec![None; source.items.len()];
    let mut rejected = pixels.rejects().iter().peekable();
    let mut slot = 0;
    for (number, &place) in sorted.iter().enumerate() {
        if rejected
            .next_if(|reject| reject.number as usize == number)
            .is_none()
        {
            slot_of_place[place as usize] = Some(slot);
            slot += 1;
        }
    }
    let kept = part.places.iter().filter_map(|&place| {
        let slot = slot_of_place[place as usize]?;
        Some((source.items[place as usize].clone(), slot))
    });
    let (items, slots): (Vec<Item>, Vec<u32>) = kept.unzip();
    if items.is_empty() {
        return Err(Error::NothingDecodable {
            split: part.name.word(),
        });
    }
    let rejects = pixels.rejects().iter().map(|reject| {
        let path = &files[reject.number as usize].path;
        format!("{}: {path}: {}", part.name.word(), reject.reason)
    });
    let rejects = rejects.collect();
    let split = Split {
        list: SplitList::new(part.name, classes, items),
        pixels_digest: pixels.digest().to_owned(),
        pixels: Arc::new(pixels),
        slots,
        level: request.level,
    };
    Ok((split, rejects))
}

/// What is to be decoded.
struct Plan {
    classes: Vec<String>,
    sources: scan::Sources,
    parts: [Part; 3],
}

fn plan(recipe: &Recipe, obtained: Option<&Obtained>) -> Result<Plan, Error> {
    let (classes, sources) = match &recipe.dataset {
        Dataset::Folders(folders) => scan::folders(folders, obtained)?,
        Dataset::Drawn(drawn) => scan::drawn(drawn),
    };
    let parts = split::cut(&recipe.split, &sources, recipe.input.batch_size)?;
    Ok(Plan {
        classes,
        sources,
        parts,
    })
}
