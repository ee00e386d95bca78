//! Pictures and dropout masks on a CUDA device: the bits of the CPU's kernels and of the random streams.

use goldrun::kernels::cuda::head::Mask;
use goldrun::kernels::cuda::pixels::Change;
use goldrun::kernels::rotate::{self, Beside};
use goldrun::kernels::{Level, flip, preprocess};
use goldrun::random::{self, Purpose, Stream};
use proptest::prelude::*;

use super::gpu::gpus;
use super::{bits, on_cuda};
use crate::support::uniform;

/// What the CPU makes of a picture in a pass.
fn on_cpu(
    picture: &[f32],
    size: [usize; 2],
    rotation: Option<[f32; 2]>,
    beside: Beside,
) -> Vec<f32> {
    let level = Level::detect();
    let mut out = picture.to_vec();
    if let Some(sin_cos) = rotation {
        rotate::rotate(level, picture, size, sin_cos, beside, &mut out);
        return out;
    }
    if beside.mirrored {
        flip::horizontal(&mut out, size);
    }
    if beside.scaled {
        preprocess::scale(level, &mut out);
    }
    out
}

fn change_case(size: [usize; 2], words: &[u32], rotates: bool, scaled: bool) {
    let len = size[0] * size[1] * 3;
    let pictures: Vec<f32> = uniform(3, 7, words.len() * len)
        .iter()
        .map(|u| u * 255.0)
        .collect();
    // Some of them, in another order, one twice.
    let places: Vec<u32> = (0..=words.len() as u32)
        .map(|i| (i * 7 + 1) % words.len() as u32)
        .collect();
    let (mut changes, mut expected) = (vec![], vec![]);
    for &place in &places {
        let word = words[place as usize];
        let mirrored = word & 1 == 1;
        let rotation = rotates.then(|| random::rotation(word, 1.0));
        changes.push(match rotation {
            Some(sin_cos) => Change::rotation(size, sin_cos, mirrored),
            None => Change::mirror(mirrored),
        });
        let picture = &pictures[place as usize * len..][..len];
        let beside = Beside { mirrored, scaled };
        expected.extend(on_cpu(picture, size, rotation, beside));
    }
    for gpu in gpus() {
        let how = (rotates, scaled);
        let found = on_cuda::change(gpu, &pictures, &places, &changes, size, how);
        assert!(
            bits(&found) == bits(&expected),
            "{size:?} {words:?} {how:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(super::properties::cases()))]

    #[test]
    fn pictures_are_changed_alike(height in 2_usize..40, width in 2_usize..40, words in prop::collection::vec(any::<u32>(), 1..4), rotates: bool, scaled: bool) {
        change_case([height, width], &words, rotates, scaled);
    }

    #[test]
    fn masks_are_drawn_alike(seed: u64, epoch in 0_u32..1000, rate in 0.0..0.95_f64, inputs in 1_usize..70, indices in prop::collection::vec(any::<u32>(), 1..5)) {
        let stream = Stream::new(seed, Purpose::Dropout, 3).at(5, epoch);
        let x: Vec<f32> = uniform(1, 2, inputs * indices.len()).iter().map(|u| u - 0.5).collect();
        let mask = Mask {
            threshold: random::dropout_threshold(rate),
            scale: (1.0 / (1.0 - rate)) as f32,
            key: stream.seed(),
            what: stream.what(),
        };
        let expected: Vec<f32> = x
            .iter()
            .enumerate()
            .map(|(at, x)| {
                let word = stream.word(indices[at / inputs], (at % inputs) as u32);
                if word >> 8 >= mask.threshold { x * mask.scale } else { 0.0 }
            })
            .collect();
        for gpu in gpus() {
            for found in on_cuda::dropout(gpu, mask, &indices, stream.when(), &x) {
                prop_assert_eq!(bits(&found), bits(&expected));
            }
        }
    }
}
