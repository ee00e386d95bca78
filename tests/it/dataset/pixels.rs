//! Pictures decoded into a file of pixels.

use std::path::Path;
use std::sync::atomic::Ordering;

use goldrun::artifacts;
use goldrun::dataset::{self, Error};
use goldrun::digest::{self, Digest};
use goldrun::kernels::{Level, resize};
use goldrun::recipe::{Amount, Orientation, SplitName};

use super::{Bench, Photos, cut, drawn, image};

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
        let mut by_path = std::collections::BTreeMap::new();
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
            by_path.insert(item.path.clone(), expected);
        }
        let sorted: Vec<f32> = by_path.into_values().flatten().collect();
        let digest = digest::of_values(&sorted);
        assert_eq!(split.pixels_digest(), digest);
        assert_eq!(split.digest_images().expect("they can be read"), digest);
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
        assert_eq!(first.pixels_digest(), second.pixels_digest());
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
        let mut digest = Digest::default();
        for (position, item) in same_size.split(name).items.iter().enumerate() {
            let (label, picture) = dataset::drawn::picture(5, slot as u32, item.index);
            assert_eq!(label, item.label);
            let expected: Vec<f32> = picture.iter().copied().map(f32::from).collect();
            assert_eq!(image(same_size.split(name), position), expected);
            digest.add_values(&expected);
            let mut smaller = vec![f32::NAN; 32 * 64 * 3];
            resize::bilinear(Level::Scalar, &picture, [64, 64], [32, 64], &mut smaller);
            assert_eq!(image(resized.split(name), position), smaller);
        }
        // Uncut, so evaluation order is sorted order.
        assert_eq!(same_size.split(name).pixels_digest(), digest.hex());
    }
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
    let (_, path) = largest_file(bench.folder.path()).expect("a pixel file");
    let content = fs_err::read(&path).expect("it can be read");
    let open = |content: &[u8]| {
        fs_err::write(&path, content).expect("it can be written");
        bench.open(&Photos::recipe(), Some(&photos))
    };
    let size = content.len();
    let mut damaged: Vec<Vec<u8>> = [size - 1, size - 100, 3]
        .map(|end| content[..end].to_vec())
        .to_vec();
    damaged.push(content[4..].to_vec());
    // A bit of the description, of its digest, of its length.
    damaged.extend([size - 60, size - 20, size - 8].map(|place| flipped(&content, place)));
    for content in damaged {
        let error = open(&content).err().expect("damaged");
        assert!(
            matches!(
                error,
                Error::Cache(artifacts::Error::Damaged { kind: "pixels", .. })
            ),
            "{error}"
        );
    }
    let error = open(&content[4..]).err().expect("damaged");
    insta::assert_snapshot!(
        "damaged",
        error
            .to_string()
            .replace(&path.display().to_string(), "[file]")
    );
}

/// Rows are held to their checksums whenever they are read, and only those that are read.
#[test]
fn a_flipped_bit_of_a_picture_is_seen_when_it_is_read() {
    let photos = Photos::small();
    let bench = Bench::new();
    let data = bench
        .open(&Photos::recipe(), Some(&photos))
        .expect("it opens");
    let (_, path) = largest_file(bench.folder.path()).expect("a pixel file");
    let content = fs_err::read(&path).expect("it can be read");
    let len = data.train.image_len() * 4;
    let mut out = vec![0.0; data.train.image_len()];
    // Train is uncut and all decodable, so that positions are rows.
    for (place, row) in [(0, 0), (len - 1, 0), (len, 1), (6 * len - 1, 5)] {
        fs_err::write(&path, flipped(&content, place)).expect("it can be written");
        let reopened = bench
            .open(&Photos::recipe(), Some(&photos))
            .expect("its end is whole");
        for data in [&data, &reopened] {
            for position in 0..6 {
                let read = data.train.read(position, &mut out);
                assert_eq!(read.is_err(), position == row, "{place}: {position}");
            }
        }
    }
}

fn flipped(content: &[u8], place: usize) -> Vec<u8> {
    let mut flipped = content.to_vec();
    flipped[place] ^= 64;
    flipped
}

/// Size and path of the largest file under `folder`.
pub fn largest_file(folder: &Path) -> Option<(u64, std::path::PathBuf)> {
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
