//! What cannot be used, and what is said of it.

use goldrun::dataset::{self, Error, Survey};
use goldrun::recipe::{Amount, Cut, Dataset, Folders, Recipe, SplitName};

use super::{Bench, Photos, cut, drawn, image};

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
