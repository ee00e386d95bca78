//! The random streams against the vectors of docs/arithmetic.md.

use goldrun::random::{self, Purpose, Stream};

#[test]
fn streams_of_seed_123() {
    let at = |purpose, slot| Stream::new(123, purpose, slot);
    for (stream, index, block, words) in [
        (
            at(Purpose::TrainingOrder, 0),
            0,
            0,
            [0x1c60_50c4, 0x25cd_e6dd, 0x12aa_015c, 0x2fdf_b515],
        ),
        (
            at(Purpose::TrainingOrder, 0).at(1, 0),
            0,
            0,
            [0xc07e_0be6, 0xcd15_1858, 0x6c1b_f9d4, 0xa675_3685],
        ),
        (
            at(Purpose::SplitOrder, 0),
            0,
            0,
            [0xd148_f0a7, 0x361e_7d4e, 0x5604_5527, 0xeee4_83c1],
        ),
        (
            at(Purpose::Flip, 0),
            0,
            0,
            [0x92ef_fa82, 0xd38e_d96c, 0xfe2d_b6ad, 0xfd3d_0cda],
        ),
        (
            at(Purpose::Rotation, 1),
            0,
            0,
            [0x2380_506a, 0x66e7_ad15, 0x7d10_cf8b, 0x7c3a_92f5],
        ),
        (
            at(Purpose::Dropout, 0),
            0,
            0,
            [0x23f9_d5d4, 0x626a_ca19, 0x103b_8b9e, 0xac5f_ad89],
        ),
        (
            at(Purpose::Dropout, 0).at(1, 3),
            7,
            319,
            [0x5a43_fa3c, 0x5b98_b90d, 0x2b31_ae79, 0xeea9_d8fc],
        ),
        (
            at(Purpose::Weights, 0),
            0,
            0,
            [0x3ec2_4a35, 0xc445_2a10, 0x6d82_1fc7, 0xa04f_c244],
        ),
        (
            at(Purpose::Drawing, 0),
            0,
            0,
            [0xe504_b238, 0x609d_bfa5, 0xbd9c_e5c6, 0x9bc9_0dc0],
        ),
        (
            Stream::new((1 << 32) + 1, Purpose::TrainingOrder, 0),
            0,
            0,
            [0x67e9_b92d, 0x4eeb_451e, 0x4433_ffcb, 0xfe44_fe07],
        ),
    ] {
        assert_eq!(stream.block(index, block), words, "{stream:?}");
    }
}

#[test]
fn what_is_made_of_seed_123() {
    let order = |phase, epoch| {
        Stream::new(123, Purpose::TrainingOrder, 0)
            .at(phase, epoch)
            .order(8)
    };
    assert_eq!(order(0, 0), [0, 4, 6, 1, 7, 2, 3, 5]);
    assert_eq!(order(0, 1), [1, 2, 6, 7, 5, 4, 0, 3]);
    assert_eq!(order(1, 0), [7, 3, 4, 2, 5, 1, 0, 6]);
    assert_eq!(
        Stream::new(123, Purpose::SplitOrder, 0).order(8),
        [7, 0, 2, 1, 4, 5, 6, 3]
    );

    let flip = Stream::new(123, Purpose::Flip, 0);
    let flips: String = (0..16)
        .map(|image| {
            if random::bernoulli(flip.word(image, 0), 0.5) {
                '1'
            } else {
                '0'
            }
        })
        .collect();
    assert_eq!(flips, "0100100101101100");

    let rotation = Stream::new(123, Purpose::Rotation, 1);
    let turned = |image| random::rotation(rotation.word(image, 0), 0.2).map(f32::to_bits);
    assert_eq!(turned(0), [0xbf49_d097, 0x3f1d_8070]);
    assert_eq!(turned(1), [0xbe16_6365, 0x3f7d_3961]);

    let threshold = random::dropout_threshold(0.2);
    assert_eq!(threshold, 3_355_443);
    let dropout = Stream::new(123, Purpose::Dropout, 0);
    let kept: String = (0..32)
        .map(|channel| {
            if dropout.word(0, channel) >> 8 >= threshold {
                '1'
            } else {
                '0'
            }
        })
        .collect();
    assert_eq!(kept, "01011111111111110011101111110111");

    let stream = Stream::new(123, Purpose::Weights, 0);
    let weights: Vec<u32> = random::glorot_uniform(&stream, 1280, 1, 4)
        .iter()
        .map(|w| w.to_bits())
        .collect();
    assert_eq!(
        weights,
        [0xbd0e_e154, 0x3d15_8399, 0xbc21_fd70, 0x3c8d_86e0]
    );
}
