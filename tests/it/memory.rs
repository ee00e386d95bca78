//! Memory does not grow with the number of pictures: they are read from the cache's files, a batch at a time.

use crate::support::{Project, skipped};

/// Bytes of a decoded picture of 160 × 160.
const PICTURE: u64 = 160 * 160 * 3 * 4;

/// The pixel file is written in two chunks of 24 MiB that take turns, so that these have both.
const FEW: u64 = 170;

/// The same, and so many more.
const MORE: u64 = 200;

/// Peak MiB of a run on so many pictures to train on and as many for validation; none where the system does
/// not tell.
fn peak(project: &Project, pictures: u64) -> Option<u64> {
    let counts = ["train", "validation"].map(|split| format!("dataset.drawn.{split}={pictures}"));
    let run = project
        .goldrun(&[
            "run",
            "small",
            "--json",
            "--threads",
            "2",
            "--set",
            &counts[0],
            "--set",
            &counts[1],
            "--set",
            "input.image_size=[160, 160]",
        ])
        .exits(0);
    run.json()["made"]["peak_mib_training"].as_u64()
}

/// Runs of which the least peak counts.
const TRIES: usize = 3;

#[test]
fn more_pictures_take_disk_and_not_memory() {
    let project = Project::small();
    let Some(few) = peak(&project, FEW) else {
        skipped(
            "more_pictures_take_disk_and_not_memory",
            "no peak of memory",
        );
        return;
    };
    // A busy machine only adds to a peak: what is held is in the least of some.
    let many = (0..TRIES).filter_map(|_| peak(&project, FEW + MORE)).min();
    let many = many.unwrap();
    println!("{few} MiB, and {many} MiB with {MORE} pictures more of each split");
    // Held, those of one split would take 58 MiB.
    let growth = many.saturating_sub(few) << 20;
    assert!(
        growth < MORE * PICTURE / 10,
        "{few} MiB became {many} MiB with {MORE} pictures more"
    );
}
