//! From folders and drawings to batches.

mod epochs;
mod lists;
mod pixels;
mod refused;

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use goldrun::artifacts::cache::Cache;
use goldrun::artifacts::{Guard, Location, Obtained};
use goldrun::dataset::{self, Data, Error, Split, SplitList, Survey};
use goldrun::kernels::Level;
use goldrun::recipe::{
    Amount, Artifact, Augmentation, Cut, Dataset, Drawn, Folders, Head, Input, Metric, Model,
    Optimizer, Orientation, Phase, Recipe, Source, SplitName, Trainable,
};
use goldrun::record::{Event, Observer, Stage};
use tempfile::TempDir;

/// A recipe with these pictures; what follows the pictures plays no role here.
fn recipe(dataset: Dataset) -> Recipe {
    Recipe {
        name: "made".into(),
        title: "Made for a test".into(),
        seed: 123,
        artifacts: [(
            "photos".to_owned(),
            Artifact {
                source: Source::Urls(Vec::new()),
                size: None,
                max_size: 1 << 32,
                sha256: None,
                content: None,
            },
        )]
        .into(),
        dataset,
        input: Input {
            image_size: [32, 32],
            batch_size: 32,
            augment: vec![
                Augmentation::FlipHorizontal,
                Augmentation::Rotation { turn: 0.2 },
            ],
            orientation: Orientation::Ignore,
        },
        split: goldrun::recipe::Split {
            seed: 123,
            validation: None,
            test: None,
        },
        model: Model::MobileNetV2 {
            alpha: 0.35,
            weights: "weights".into(),
            head: Head { dropout: 0.2 },
        },
        phases: vec![Phase {
            name: "only".into(),
            epochs: 1,
            first_epoch: 0,
            train: Trainable::Head,
            optimizer: Optimizer::Sgd {
                learning_rate: 0.01,
                momentum: 0.0,
                nesterov: false,
            },
        }],
        metrics: vec![Metric::Loss],
        published: Vec::new(),
        check: goldrun::recipe::Check::default(),
        overridden: false,
    }
}

/// A recipe with so many drawn pictures of each split.
pub fn drawn(train: u32, validation: u32, test: u32) -> Recipe {
    recipe(Dataset::Drawn(Drawn {
        seed: 5,
        train,
        validation,
        test,
    }))
}

#[expect(clippy::unnecessary_wraps, reason = "recipes hold it so")]
fn cut(from: SplitName, amount: Amount) -> Option<Cut> {
    Some(Cut { from, amount })
}

/// A folder of made pictures.
struct Photos {
    folder: TempDir,
}

impl Photos {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// Three train pictures of each of two classes, two validation ones, of different sizes and formats.
    fn small() -> Self {
        let photos = Self::new();
        for class in ["cats", "dogs"] {
            for (number, name) in ["a.png", "b.bmp", "c.png"].into_iter().enumerate() {
                photos.picture(&format!("train/{class}/{name}"), 30 + 9 * number as u32);
            }
            photos.picture(&format!("validation/{class}/x.png"), 32);
            photos.picture(&format!("validation/{class}/y.gif"), 45);
        }
        photos
    }

    fn file(&self, path: &str, content: &[u8]) {
        let path = self.folder.path().join(path);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        fs_err::write(path, content).expect("it can be written");
    }

    /// A picture `side` high and a little wider; the path decides its colours.
    fn picture(&self, path: &str, side: u32) {
        let shade = path.bytes().map(u32::from).sum::<u32>();
        let picture = image::RgbImage::from_fn(side + 5, side, |x, y| {
            image::Rgb([x * 3 + shade, y * 5, x * y + shade].map(|value| value as u8))
        });
        let format = image::ImageFormat::from_path(path.to_lowercase()).expect("an extension");
        let mut content = std::io::Cursor::new(Vec::new());
        picture
            .write_to(&mut content, format)
            .expect("it can be encoded");
        self.file(path, content.get_ref());
    }

    fn obtained(&self) -> Obtained {
        Obtained {
            location: Location::Folder(self.folder.path().to_owned()),
            file: None,
            sha256: None,
            content: "h1:made".into(),
            manifest: Vec::new(),
            pinned: false,
            notes: Vec::new(),
            guard: Guard::default(),
        }
    }

    fn folders(test: Option<&str>) -> Folders {
        Folders {
            artifact: "photos".into(),
            train: "train".into(),
            validation: Some("validation".into()),
            test: test.map(str::to_owned),
            rejects: 0,
        }
    }

    /// Train and validation folders, one test picture cut from validation.
    fn recipe() -> Recipe {
        let mut recipe = recipe(Dataset::Folders(Self::folders(None)));
        recipe.split.test = cut(SplitName::Validation, Amount::Count(1));
        recipe
    }

    fn survey(&self, recipe: &Recipe) -> Result<Survey, Error> {
        dataset::survey(recipe, Some(&self.obtained()))
    }
}

/// A cache of its own, and what happened since it was last asked.
pub struct Bench {
    pub folder: TempDir,
    pub events: Mutex<Vec<Event>>,
    pub interrupted: AtomicBool,
}

impl Bench {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            events: Mutex::default(),
            interrupted: AtomicBool::new(false),
        }
    }

    /// The cache.
    pub fn cache(&self) -> Cache {
        Cache::open(self.folder.path().to_owned(), false).expect("a cache")
    }

    /// The cache, of which nothing is used.
    pub fn fresh(&self) -> Cache {
        Cache::open(self.folder.path().to_owned(), true).expect("a cache")
    }

    /// Does something that tells what happens.
    pub fn observed<T>(&self, act: impl FnOnce(&Observer<'_>) -> T) -> T {
        let sink = |event| self.events.lock().expect("no panic").push(event);
        act(&Observer::new(&sink, &self.interrupted))
    }

    fn open(&self, recipe: &Recipe, photos: Option<&Photos>) -> Result<Data, Error> {
        let obtained = photos.map(Photos::obtained);
        self.observed(|observer| {
            let cache = self.cache();
            dataset::open(recipe, obtained.as_ref(), &cache, Level::detect(), observer)
        })
    }

    /// Opens drawn pictures.
    pub fn data(&self, recipe: &Recipe) -> Data {
        self.open(recipe, None).expect("it opens")
    }

    /// Splits that were decoded since the last call.
    fn decoded(&self) -> Vec<(SplitName, Option<u64>)> {
        let events = std::mem::take(&mut *self.events.lock().expect("no panic"));
        let started = events.into_iter().filter_map(|event| match event {
            Event::StageStarted {
                stage: Stage::Decode(split),
                total,
            } => Some((split, total)),
            _ => None,
        });
        started.collect()
    }
}

fn paths(list: &SplitList) -> Vec<&str> {
    list.items.iter().map(|item| item.path.as_str()).collect()
}

fn image(split: &Split, position: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; split.image_len()];
    split.read(position, &mut out).expect("it can be read");
    out
}
