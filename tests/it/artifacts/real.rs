//! The tutorial's own photos and weights, where they are at hand.

use goldrun::artifacts::{Location, weights};
use goldrun::recipe::{Artifact, Source};

use super::{Workplace, artifact, local};
use crate::support::{PHOTOS, WEIGHTS, artifact as real};

#[test]
fn the_photos_hold_their_content_pin() {
    let Some(photos) = real("the_photos_hold_their_content_pin", PHOTOS) else {
        return;
    };
    let mut place = Workplace::new();
    place.options.folders = vec![photos.parent().unwrap().to_owned()];
    place.options.offline = true;
    let url = format!("https://storage.googleapis.com/mledu-datasets/{PHOTOS}");
    let published = "91af24e0be191e9380dafc8710d0933fa826ec8e51f26f85c1fddba4e8018e3f";
    let wanted = Artifact {
        size: Some(68_606_236),
        sha256: Some(published.to_owned()),
        content: Some("h1:dfLqZwUzpnnc+Bjo33xM43a7c8w5V+dZUzV7qeZiDZI=".to_owned()),
        ..artifact(Source::Urls(vec![url]))
    };
    let obtained = place.pictures(&wanted).unwrap();
    let ours = "e41c1499f3ee8f903fbc3ec5bea4cbfd29f7aefe259dc0f83baf1ccb90f29eed";
    assert_eq!(obtained.sha256.as_deref(), Some(ours));
    assert_eq!(obtained.manifest.len(), 3001);
    assert_eq!(obtained.notes.len(), 1, "{:?}", obtained.notes);
    let Location::Folder(root) = obtained.location else {
        panic!()
    };
    assert!(
        root.join("cats_and_dogs_filtered/train/cats/cat.0.jpg")
            .is_file()
    );
}

#[test]
fn the_weights_hold_their_tensor_pin() {
    let Some(weights_file) = real("the_weights_hold_their_tensor_pin", WEIGHTS) else {
        return;
    };
    let place = Workplace::new();
    let wanted = Artifact {
        sha256: Some("17e924b19e09b3d0fb608537461ab1e6fbf9a389f6331db89411122dc2316bbf".to_owned()),
        content: Some("t1:ooaR8tCL4AtyLxwmweEi3DW+I3UV+lg4DS0YenzFJ8I=".to_owned()),
        ..local(&weights_file)
    };
    let obtained = place.weights(&wanted).unwrap();
    let file = weights::read(&obtained.location).unwrap();
    assert_eq!(file.format, weights::Format::KerasH5);
    let parameters: usize = file.tensors.iter().map(|tensor| tensor.values.len()).sum();
    assert_eq!(parameters, 2_257_984);
    assert_eq!(file.tensors.len(), obtained.manifest.len());
    assert_eq!(file.tensors[0].name, "Conv1/kernel");
    assert_eq!(file.tensors[0].shape, [3, 3, 3, 32]);
}

#[test]
fn damaged_weights_are_errors_and_no_panic() {
    let Some(weights_file) = real("damaged_weights_are_errors_and_no_panic", WEIGHTS) else {
        return;
    };
    let place = Workplace::new();
    let whole = fs_err::read(weights_file).unwrap();
    for part in 0..8 {
        let path = place.file("cut.h5", &whole[..whole.len() * part / 8]);
        assert!(
            weights::read(&Location::File(path)).is_err(),
            "{part} eighths"
        );
    }
    // The structure lies at the start. The file is cut, so it is an error whatever the bit does.
    for place_of_flip in (0..4096).step_by(97) {
        let mut flipped = whole[..1 << 20].to_vec();
        flipped[place_of_flip] ^= 1 << (place_of_flip % 8);
        let path = place.file("flipped.h5", &flipped);
        assert!(
            weights::read(&Location::File(path)).is_err(),
            "byte {place_of_flip}"
        );
    }
}
