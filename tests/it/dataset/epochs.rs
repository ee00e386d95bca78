//! The order and the changes of an epoch's pictures.

use goldrun::dataset::Data;
use goldrun::dataset::batch::{Scratch, TrainingEpoch};
use goldrun::digest;
use goldrun::recipe::Input;
use proptest::prelude::*;

use super::{Bench, drawn, image};

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
        let digest = digest::of(order.map(u32::to_le_bytes).as_flattened());
        assert_eq!(epoch.order_digest(), digest);
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
