//! `just reproduce` on a stand-in for the network: the photos and another weight file from a server on
//! loopback, and one epoch a phase.

use std::sync::Arc;

use fs_err as fs;

use crate::server::{Answer, Server};
use crate::support::{PHOTOS, Project, WEIGHTS, artifact};

#[test]
#[ignore = "trains the tutorial: just slow"]
fn the_tutorial_is_downloaded_trained_and_judged() {
    let test = "the_tutorial_is_downloaded_trained_and_judged";
    let (Some(photos), Some(weights)) = (artifact(test, PHOTOS), artifact(test, WEIGHTS)) else {
        return;
    };
    let photos = Arc::new(fs::read(photos).unwrap());
    let weights = Arc::new(fs::read(weights).unwrap());
    let size = weights.len();
    let server = Server::start(move |request| match request.target.as_str() {
        "/photos.zip" => Answer::whole(&photos).etag("\"photos\"").ranges(),
        "/weights.h5" => Answer::whole(&weights).etag("\"weights\"").ranges(),
        _ => Answer::status(404),
    });
    let photos_url = format!("artifact.photos.urls=[\"{}\"]", server.url("/photos.zip"));
    let weights_url = format!("artifact.weights.urls=[\"{}\"]", server.url("/weights.h5"));
    let weights_size = format!("artifact.weights.size={size}");

    // Without leave to use weights that nobody pinned there is no verdict, and nothing is trained.
    let project = Project::empty();
    let set: Vec<&str> = [
        photos_url.as_str(),
        &weights_url,
        &weights_size,
        "phase.0.epochs=1",
        "phase.1.epochs=1",
    ]
    .into_iter()
    .flat_map(|set| ["--set", set])
    .collect();
    let refused = [&["check", "tutorial"][..], &set].concat();
    project
        .goldrun(&refused)
        .exits(3)
        .warns("no pin for weights");
    assert!(server.requests().is_empty());

    // What `just reproduce` runs.
    let check = [&["check", "tutorial", "--allow-unpinned"][..], &set].concat();
    let ran = project.goldrun(&check);
    let asked: Vec<String> = server
        .requests()
        .iter()
        .map(|request| request.target.clone())
        .collect();
    assert_eq!(asked, ["/photos.zip", "/weights.h5"]);
    let ran = ran
        .warns("downloading photos (68.6 MB)")
        .warns("downloaded photos in ")
        .warns("extracted photos in ")
        .warns("downloading weights (9.4 MB)")
        .warns("phase 0: feature extraction, 1 epoch, 1,281 trainable parameters")
        .warns("epoch 1/1  loss ")
        .warns("phase 1: fine-tuning, 1 epoch, 1,862,721 trainable parameters")
        .warns("epoch 10/10  loss ")
        .says("unpinned weights")
        .says("goldrun pin tutorial")
        .says("t1:ooaR8tCL4AtyLxwmweEi3DW+I3UV+lg4DS0YenzFJ8I=");

    // The verdict is that of other weights than the recipe names, so only its being there is asserted.
    for figure in ["phase.0.epoch.0.val_accuracy", "test.accuracy"] {
        assert!(ran.stdout.contains(figure), "{ran:#?}");
    }
    // Nothing is asked again: the second command finds all in the cache.
    let fetch = [&["fetch", "tutorial"][..], &set].concat();
    project.goldrun(&fetch).exits(0);
    assert_eq!(server.requests().len(), 2);
}
