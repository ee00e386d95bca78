//! Which pictures there are, and into which splits they are cut.

use goldrun::dataset::{self, SplitList};
use goldrun::random::{Purpose, Stream};
use goldrun::recipe::{Amount, SplitName};
use proptest::prelude::*;

use super::{Photos, cut, drawn, paths};

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

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

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
