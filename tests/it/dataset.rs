//! From folders and drawings to batches.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use goldrun::artifacts::cache::Cache;
use goldrun::artifacts::{Guard, Location, Obtained};
use goldrun::dataset::batch::{Scratch, TrainingEpoch};
use goldrun::dataset::{self, Data, Error, Split, SplitList, Survey};
use goldrun::kernels::{Level, resize};
use goldrun::random::{Purpose, Stream};
use goldrun::recipe::{
    Amount, Artifact, Augmentation, Cut, Dataset, Drawn, Folders, Head, Input, Metric, Model,
    Optimizer, Orientation, Phase, Recipe, Source, SplitName, Trainable,
};
use goldrun::record::{Event, Observer, Stage};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::decode::hex;

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

fn drawn(train: u32, validation: u32, test: u32) -> Recipe {
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

/// A cache of its own, and what happened while pictures were opened.
struct Bench {
    folder: TempDir,
    events: Mutex<Vec<Event>>,
    interrupted: AtomicBool,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            events: Mutex::default(),
            interrupted: AtomicBool::new(false),
        }
    }

    fn open(&self, recipe: &Recipe, photos: Option<&Photos>) -> Result<Data, Error> {
        let sink = |event| self.events.lock().expect("no panic").push(event);
        let observer = Observer::new(&sink, &self.interrupted);
        let cache = Cache::open(self.folder.path().to_owned(), false).expect("a cache");
        let obtained = photos.map(Photos::obtained);
        dataset::open(
            recipe,
            obtained.as_ref(),
            &cache,
            Level::detect(),
            &observer,
        )
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

#[test]
fn files_are_found_by_the_rules_of_keras() {
    let photos = Photos::new();
    for name in [
        "one.JPG",
        "sub/three.png",
        "sub/.hidden.gif",
        "two.Jpeg",
        "sub-a.bmp",
        "10.png",
    ] {
        photos.file(&format!("train/b/{name}"), b"not decoded here");
    }
    photos.file("train/a.b/x.png", b"");
    // `-` comes before `/`, but classes are sorted by name and not by path.
    photos.file("train/a/z.png", b"");
    photos.file("train/a/notes.txt", b"");
    photos.file("train/a/png", b"");
    photos.file("train/.git/x.png", b"");
    photos.file("train/README.png", b"");
    for class in ["a", "a.b", "b"] {
        photos.file(&format!("validation/{class}/x.png"), b"");
    }
    let mut recipe = Photos::recipe();
    recipe.split.test = cut(SplitName::Validation, Amount::Count(1));
    let survey = photos.survey(&recipe).expect("it can be scanned");
    assert_eq!(survey.classes, ["a", "a.b", "b"]);
    assert_eq!(
        paths(&survey.splits[0]),
        [
            "a/z.png",
            "a.b/x.png",
            "b/10.png",
            "b/one.JPG",
            "b/sub-a.bmp",
            "b/sub/.hidden.gif",
            "b/sub/three.png",
            "b/two.Jpeg",
        ]
    );
    assert_eq!(survey.splits[0].class_counts(), [1, 1, 6]);
    let indices: Vec<u32> = survey.splits[0]
        .items
        .iter()
        .map(|item| item.index)
        .collect();
    assert_eq!(indices, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_as_keras_follows_them() {
    use std::os::unix::fs::symlink;
    let photos = Photos::small();
    let root = photos.folder.path();
    photos.file("elsewhere/deep/in_a_folder.png", b"");
    photos.file("elsewhere/in_a_class.png", b"");
    symlink(root.join("elsewhere"), root.join("train/linked")).expect("a class");
    symlink(root.join("elsewhere"), root.join("validation/linked")).expect("a class");
    symlink(root.join("elsewhere"), root.join("train/cats/linked")).expect("a folder in a class");
    symlink(
        root.join("elsewhere/in_a_class.png"),
        root.join("train/cats/link.png"),
    )
    .expect("file");
    let survey = photos.survey(&Photos::recipe()).expect("it can be scanned");
    assert_eq!(
        paths(&survey.splits[0]),
        [
            "cats/a.png",
            "cats/b.bmp",
            "cats/c.png",
            "cats/link.png",
            "dogs/a.png",
            "dogs/b.bmp",
            "dogs/c.png",
            "linked/deep/in_a_folder.png",
            "linked/in_a_class.png",
        ]
    );
}

#[test]
fn cuts_follow_one_order() {
    // docs/randomness.md: the order of 8 is 7 0 2 1 4 5 6 3.
    let mut recipe = drawn(8, 0, 0);
    recipe.split.test = cut(SplitName::Train, Amount::Count(3));
    recipe.split.validation = cut(SplitName::Train, Amount::Fraction(0.1875));
    let survey = dataset::survey(&recipe, None).expect("it can be cut");
    let indices =
        |list: &SplitList| -> Vec<u32> { list.items.iter().map(|item| item.index).collect() };
    assert_eq!(indices(&survey.splits[2]), [7, 0, 2]);
    // 0.1875 · 8 = 1.5, and halves go away from zero.
    assert_eq!(indices(&survey.splits[1]), [1, 4]);
    assert_eq!(indices(&survey.splits[0]), [5, 6, 3]);
    assert_eq!(paths(&survey.splits[2]), ["dog/7", "bear/0", "dog/2"]);

    recipe.split.seed = 124;
    let other = dataset::survey(&recipe, None).expect("it can be cut");
    assert_ne!(indices(&other.splits[2]), [7, 0, 2]);
    recipe.split.seed = 123;
    recipe.seed = 124;
    assert_eq!(
        dataset::survey(&recipe, None).expect("it can be cut"),
        survey
    );
}

#[test]
fn the_tutorial_has_192_test_and_808_validation_pictures() {
    let mut recipe = drawn(2000, 1000, 0);
    recipe.split.test = cut(SplitName::Validation, Amount::Batches(6));
    let survey = dataset::survey(&recipe, None).expect("it can be cut");
    let [train, validation, test] = &survey.splits;
    assert_eq!(
        [train.len(), validation.len(), test.len()],
        [2000, 808, 192]
    );
    let order = Stream::new(123, Purpose::SplitOrder, 1).order(1000);
    let both: Vec<u32> = test
        .items
        .iter()
        .chain(&validation.items)
        .map(|item| item.index)
        .collect();
    assert_eq!(both, order);
    // The source of train is not cut: sorted by class, then by path.
    assert_eq!(
        &paths(train)[..4],
        ["bear/0", "bear/10", "bear/100", "bear/1000"]
    );
    assert_eq!(train.class_counts(), [400; 5]);
}

#[test]
fn pixels_are_the_resized_pictures() {
    let photos = Photos::small();
    let recipe = Photos::recipe();
    let bench = Bench::new();
    let data = bench.open(&recipe, Some(&photos)).expect("it opens");
    assert_eq!(data.classes, ["cats", "dogs"]);
    assert_eq!(
        bench.decoded(),
        [
            (SplitName::Train, Some(6)),
            (SplitName::Validation, Some(3)),
            (SplitName::Test, Some(1))
        ]
    );
    for (split, folder) in [(&data.train, "train"), (&data.validation, "validation")] {
        let mut digest_by_path = std::collections::BTreeMap::new();
        for (position, item) in split.items.iter().enumerate() {
            let path = photos.folder.path().join(folder).join(&item.path);
            let picture = image::open(path).expect("a picture").to_rgb8();
            let mut expected = vec![f32::NAN; 32 * 32 * 3];
            let from = [picture.height() as usize, picture.width() as usize];
            resize::bilinear(Level::Scalar, &picture, from, [32, 32], &mut expected);
            assert_eq!(image(split, position), expected, "{}", item.path);

            let mut input = vec![f32::NAN; expected.len()];
            split.input(position, &mut input).expect("it can be read");
            let scaled: Vec<f32> = expected.iter().map(|value| value / 127.5 - 1.0).collect();
            assert_eq!(input, scaled);
            digest_by_path.insert(item.path.clone(), expected);
        }
        let mut digest = Sha256::new();
        for value in digest_by_path.into_values().flatten() {
            digest.update(value.to_le_bytes());
        }
        assert_eq!(split.pixels_digest().expect("it is known"), hex(digest));
    }
}

#[test]
fn a_second_run_decodes_nothing() {
    let photos = Photos::small();
    let recipe = Photos::recipe();
    let bench = Bench::new();
    let first = bench.open(&recipe, Some(&photos)).expect("it opens");
    assert_eq!(bench.decoded().len(), 3);
    let second = bench.open(&recipe, Some(&photos)).expect("it opens");
    assert_eq!(bench.decoded(), []);
    for name in SplitName::ALL {
        let (first, second) = (first.split(name), second.split(name));
        assert_eq!(first.pixels_digest().ok(), second.pixels_digest().ok());
        for position in 0..first.len() {
            assert_eq!(image(first, position), image(second, position));
        }
    }

    let mut larger = recipe.clone();
    larger.input.image_size = [64, 32];
    let larger = bench.open(&larger, Some(&photos)).expect("it opens");
    assert_eq!(bench.decoded().len(), 3);
    assert_eq!(larger.train.image_size(), [64, 32]);

    let mut upright = recipe.clone();
    upright.input.orientation = Orientation::Apply;
    bench.open(&upright, Some(&photos)).expect("it opens");
    assert_eq!(bench.decoded().len(), 3);

    let mut other_cut = recipe;
    other_cut.split.seed = 1;
    other_cut.split.test = cut(SplitName::Validation, Amount::Count(2));
    bench.open(&other_cut, Some(&photos)).expect("it opens");
    let decoded: Vec<SplitName> = bench
        .decoded()
        .into_iter()
        .map(|(split, _)| split)
        .collect();
    assert_eq!(
        decoded,
        [SplitName::Validation, SplitName::Test],
        "train is as before"
    );
}

#[test]
fn drawn_pictures_go_the_same_way() {
    let mut recipe = drawn(7, 3, 2);
    recipe.input.image_size = [64, 64];
    let bench = Bench::new();
    let same_size = bench.open(&recipe, None).expect("it opens");
    recipe.input.image_size = [32, 64];
    let resized = bench.open(&recipe, None).expect("it opens");
    for (slot, name) in SplitName::ALL.into_iter().enumerate() {
        let mut digest = Sha256::new();
        for (position, item) in same_size.split(name).items.iter().enumerate() {
            let (label, picture) = dataset::drawn::picture(5, slot as u32, item.index);
            assert_eq!(label, item.label);
            let expected: Vec<f32> = picture.iter().copied().map(f32::from).collect();
            assert_eq!(image(same_size.split(name), position), expected);
            for value in &expected {
                digest.update(value.to_le_bytes());
            }
            let mut smaller = vec![f32::NAN; 32 * 64 * 3];
            resize::bilinear(Level::Scalar, &picture, [64, 64], [32, 64], &mut smaller);
            assert_eq!(image(resized.split(name), position), smaller);
        }
        // Uncut, so evaluation order is sorted order.
        assert_eq!(
            same_size.split(name).pixels_digest().ok(),
            Some(hex(digest))
        );
    }
}

/// Files that cannot be decoded: with a tolerance they are left out and nothing else moves.
#[test]
fn rejects_are_left_out_and_move_nothing() {
    let photos = Photos::small();
    let mut recipe = Photos::recipe();
    let whole = Bench::new().open(&recipe, Some(&photos)).expect("it opens");
    photos.file("train/cats/b.bmp", b"BM, and nothing more");
    photos.file("validation/dogs/y.gif", b"no picture");

    let bench = Bench::new();
    let error = bench
        .open(&recipe, Some(&photos))
        .err()
        .expect("no rejects are tolerated");
    insta::assert_snapshot!("undecodable", error.to_string());

    let tolerate = |recipe: &mut Recipe, rejects| {
        if let Dataset::Folders(folders) = &mut recipe.dataset {
            folders.rejects = rejects;
        }
    };
    tolerate(&mut recipe, 1);
    let error = bench
        .open(&recipe, Some(&photos))
        .err()
        .expect("one is too few");
    assert!(error.to_string().contains("`dogs/y.gif`"), "{error}");

    tolerate(&mut recipe, 2);
    bench.decoded();
    let data = bench
        .open(&recipe, Some(&photos))
        .expect("two are tolerated");
    insta::assert_snapshot!("rejects", data.rejects.join("\n"));
    for name in SplitName::ALL {
        let (all, left) = (whole.split(name), data.split(name));
        let mut position = 0;
        for (whole_position, item) in all.items.iter().enumerate() {
            if ["cats/b.bmp", "dogs/y.gif"].contains(&item.path.as_str()) {
                continue;
            }
            assert_eq!(
                &left.items[position], item,
                "index, label and order are as before"
            );
            assert_eq!(image(left, position), image(all, whole_position));
            position += 1;
        }
        assert_eq!(left.len(), position);
    }
    assert_eq!(data.train.class_counts(), [2, 3]);

    bench.decoded();
    let warm = bench
        .open(&recipe, Some(&photos))
        .expect("two are tolerated");
    assert_eq!(warm.rejects, data.rejects);
    assert_eq!(bench.decoded(), []);
    tolerate(&mut recipe, 1);
    let error = bench
        .open(&recipe, Some(&photos))
        .err()
        .expect("one is too few");
    assert!(
        matches!(error, Error::Undecodable { .. }),
        "a warm cache hides nothing: {error}"
    );
}

#[test]
fn errors_say_what_to_do() {
    let mut texts = Vec::new();
    let mut expect = |what: &str, result: Result<Survey, Error>| {
        let error = result.err().unwrap_or_else(|| panic!("{what} is an error"));
        texts.push(format!("== {what}\n{error}"));
    };
    let photos = Photos::small();
    let with = |change: &dyn Fn(&mut Folders)| {
        let mut recipe = Photos::recipe();
        if let Dataset::Folders(folders) = &mut recipe.dataset {
            change(folders);
        }
        photos.survey(&recipe)
    };
    expect("no artifact", dataset::survey(&Photos::recipe(), None));
    expect(
        "wrong folder",
        with(&|folders| folders.train = "trian".into()),
    );
    expect(
        "wrong inner folder",
        with(&|folders| folders.train = "train/birds/x".into()),
    );
    expect(
        "a class as a split",
        with(&|folders| folders.train = "train/cats".into()),
    );
    expect(
        "test in two ways",
        with(&|folders| folders.test = Some("validation".into())),
    );

    photos.file("one/class/x.png", b"");
    expect("one class", with(&|folders| folders.train = "one".into()));
    photos.file("others/cats/x.png", b"");
    photos.file("others/wolves/x.png", b"");
    expect(
        "other classes",
        with(&|folders| folders.validation = Some("others".into())),
    );
    photos.file("hollow/cats/x.png", b"");
    photos.file("hollow/dogs/x.txt", b"");
    expect(
        "a class without pictures",
        with(&|folders| folders.train = "hollow".into()),
    );
    photos.file("bare/cats/x.txt", b"");
    photos.file("bare/dogs/x.txt", b"");
    expect(
        "no pictures",
        with(&|folders| folders.validation = Some("bare".into())),
    );

    let cutting = |validation, test, amounts: [Option<Cut>; 2]| {
        let mut recipe = drawn(100, validation, test);
        [recipe.split.validation, recipe.split.test] = amounts;
        dataset::survey(&recipe, None)
    };
    let train = |amount| cut(SplitName::Train, amount);
    expect("no test", cutting(10, 0, [None, None]));
    expect(
        "more than there is",
        cutting(0, 0, [train(Amount::Count(40)), train(Amount::Batches(2))]),
    );
    expect(
        "nothing left",
        cutting(0, 10, [train(Amount::Fraction(1.0)), None]),
    );
    expect(
        "rounded to nothing",
        cutting(0, 10, [train(Amount::Fraction(0.004)), None]),
    );
    expect(
        "cut from a cut",
        cutting(
            0,
            0,
            [
                train(Amount::Count(9)),
                cut(SplitName::Validation, Amount::Count(3)),
            ],
        ),
    );
    insta::assert_snapshot!(texts.join("\n\n"));
}

#[test]
fn a_missing_file_is_named() {
    let photos = Photos::small();
    let gone = photos.folder.path().join("train/dogs/d.png");
    #[cfg(unix)]
    std::os::unix::fs::symlink(photos.folder.path().join("nowhere"), &gone).expect("a link");
    #[cfg(not(unix))]
    return;
    let error = Bench::new()
        .open(&Photos::recipe(), Some(&photos))
        .err()
        .expect("not there");
    assert!(
        error.to_string().contains(&gone.display().to_string()),
        "{error}"
    );
}

#[test]
fn an_interruption_leaves_nothing_behind() {
    let photos = Photos::small();
    let bench = Bench::new();
    bench.interrupted.store(true, Ordering::Relaxed);
    let error = bench
        .open(&Photos::recipe(), Some(&photos))
        .err()
        .expect("interrupted");
    assert!(matches!(error, Error::Interrupted));
    assert!(largest_file(bench.folder.path()).is_none_or(|(size, _)| size < 1000));
    bench.interrupted.store(false, Ordering::Relaxed);
    bench.decoded();
    bench
        .open(&Photos::recipe(), Some(&photos))
        .expect("it opens");
    assert_eq!(bench.decoded().len(), 3);
}

#[test]
fn damaged_pixels_are_an_error() {
    let photos = Photos::small();
    let bench = Bench::new();
    drop(
        bench
            .open(&Photos::recipe(), Some(&photos))
            .expect("it opens"),
    );
    let (size, path) = largest_file(bench.folder.path()).expect("a pixel file");
    for damage in [size - 1, size - 100, 3] {
        let content = fs_err::read(&path).expect("it can be read");
        fs_err::write(&path, &content[..damage as usize]).expect("it can be written");
        let error = bench
            .open(&Photos::recipe(), Some(&photos))
            .err()
            .expect("damaged");
        assert!(matches!(error, Error::DamagedPixels { .. }), "{error}");
        fs_err::write(&path, content).expect("it can be written");
    }
    let content = fs_err::read(&path).expect("it can be read");
    fs_err::write(&path, &content[4..]).expect("it can be written");
    let error = bench
        .open(&Photos::recipe(), Some(&photos))
        .err()
        .expect("damaged");
    assert!(
        error.to_string().contains("hint: remove that file"),
        "{error}"
    );
}

/// Size and path of the largest file under `folder`.
fn largest_file(folder: &Path) -> Option<(u64, std::path::PathBuf)> {
    let entries = fs_err::read_dir(folder).expect("a folder").flatten();
    let files = entries.filter_map(|entry| {
        let path = entry.path();
        if path.is_dir() {
            largest_file(&path)
        } else {
            Some((entry.metadata().ok()?.len(), path))
        }
    });
    files.max()
}

fn epoch_images(data: &Data, input: &Input, epoch: u32) -> Vec<(u32, u32, Vec<u32>)> {
    let epoch = TrainingEpoch::new(&data.train, input, 123, 0, epoch);
    let mut scratch = Scratch::new();
    let mut out = vec![f32::NAN; data.train.image_len()];
    let positions = (0..epoch.steps()).flat_map(|step| epoch.batch(step));
    let images = positions.map(|position| {
        epoch
            .input(position, &mut scratch, &mut out)
            .expect("it can be read");
        let bits = out.iter().map(|value| value.to_bits()).collect();
        (epoch.index(position), epoch.label(position), bits)
    });
    images.collect()
}

#[test]
fn an_epoch_has_the_documented_order_and_changes() {
    let recipe = drawn(8, 1, 1);
    let data = Bench::new().open(&recipe, None).expect("it opens");
    // docs/randomness.md
    let orders = [
        ((0, 0), [0, 4, 6, 1, 7, 2, 3, 5]),
        ((0, 1), [1, 2, 6, 7, 5, 4, 0, 3]),
        ((1, 0), [7, 3, 4, 2, 5, 1, 0, 6]),
    ];
    for ((phase, epoch), order) in orders {
        let epoch = TrainingEpoch::new(&data.train, &recipe.input, 123, phase, epoch);
        let indices: Vec<u32> = (0..epoch.len())
            .map(|position| epoch.index(position))
            .collect();
        assert_eq!(indices, order);
        let mut digest = Sha256::new();
        for index in order {
            digest.update(index.to_le_bytes());
        }
        assert_eq!(epoch.order_digest(), hex(digest));
        for (position, index) in order.into_iter().enumerate() {
            assert_eq!(epoch.label(position), index % 5);
        }
    }

    // Images 1 and 4 of the first eight are mirrored, and without rotation nothing else changes.
    let mut flip_only = recipe.input.clone();
    flip_only.augment.truncate(1);
    let epoch = TrainingEpoch::new(&data.train, &flip_only, 123, 0, 0);
    let mut scratch = Scratch::new();
    for position in 0..epoch.len() {
        let mut out = vec![f32::NAN; data.train.image_len()];
        epoch
            .pixels(position, &mut scratch, &mut out)
            .expect("it can be read");
        let index = epoch.index(position);
        let at = data
            .train
            .items
            .iter()
            .position(|item| item.index == index)
            .expect("it is there");
        let mut expected = image(&data.train, at);
        if "01001001".as_bytes()[index as usize] == b'1' {
            goldrun::kernels::flip::horizontal(&mut expected, [32, 32]);
        }
        assert_eq!(out, expected, "image {index}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn batch_size_and_threads_change_no_pixel(
        pictures in 2_u32..40,
        batch_sizes in [1_u32..50, 1..50],
        threads in 1_usize..6,
        epoch in 0_u32..1000,
    ) {
        let mut recipe = drawn(pictures, 1, 1);
        let mut input = recipe.input.clone();
        input.batch_size = batch_sizes[0];
        let expected = epoch_images(&Bench::new().open(&recipe, None).expect("it opens"), &input, epoch);

        let mut indices: Vec<u32> = expected.iter().map(|(index, ..)| *index).collect();
        indices.sort_unstable();
        prop_assert_eq!(indices, (0..pictures).collect::<Vec<u32>>(), "each picture once");

        recipe.input.batch_size = batch_sizes[1];
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let found = pool.install(|| {
            let data = Bench::new().open(&recipe, None).expect("it opens");
            epoch_images(&data, &recipe.input, epoch)
        });
        prop_assert!(found == expected);
    }

    #[test]
    fn positions_cover_every_picture_once(pictures in 1_u32..300, batch_size in 1_u32..400) {
        let mut recipe = drawn(3 * pictures, 0, 0);
        recipe.input.batch_size = batch_size;
        recipe.split.validation = cut(SplitName::Train, Amount::Count(pictures));
        recipe.split.test = cut(SplitName::Train, Amount::Count(pictures));
        let survey = dataset::survey(&recipe, None).expect("it can be cut");
        let items = survey.splits.iter().flat_map(|list| &list.items);
        let mut indices: Vec<u32> = items.map(|item| item.index).collect();
        indices.sort_unstable();
        prop_assert_eq!(indices, (0..3 * pictures).collect::<Vec<u32>>());
        let sizes = survey.splits.each_ref().map(SplitList::len);
        prop_assert_eq!(sizes, [pictures as usize; 3]);
    }
}

#[test]
fn batches_are_whole_but_the_last() {
    let mut recipe = drawn(10, 1, 1);
    recipe.input.batch_size = 4;
    let data = Bench::new().open(&recipe, None).expect("it opens");
    let epoch = TrainingEpoch::new(&data.train, &recipe.input, 1, 0, 0);
    assert_eq!(epoch.steps(), 3);
    let batches: Vec<_> = (0..epoch.steps()).map(|step| epoch.batch(step)).collect();
    assert_eq!(batches, [0..4, 4..8, 8..10]);
}
