//! docs/randomness.md holds what the generator gives: every vector in it is computed here again.

use std::path::Path;

use goldrun::random::{self, Purpose, Stream};

/// Rows of the tables under the heading `title`, without their head; a cell loses its back-ticks.
fn table(title: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/randomness.md");
    let text = fs_err::read_to_string(path).expect("the document is there");
    let heading = format!("## {title}");
    text.lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with("## "))
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().replace('`', "")).collect()
        })
        .collect()
}

fn hex_words<const N: usize>(text: &str) -> [u32; N] {
    let words: Vec<u32> = text
        .split(' ')
        .map(|word| u32::from_str_radix(word, 16).expect("a word in hex"))
        .collect();
    words.try_into().expect("so many words")
}

fn number<T: std::str::FromStr<Err = std::num::ParseIntError>>(cell: &str) -> T {
    cell.parse().expect("a number")
}

fn purpose(number: &str) -> Purpose {
    let all = [
        Purpose::TrainingOrder,
        Purpose::SplitOrder,
        Purpose::Flip,
        Purpose::Rotation,
        Purpose::Dropout,
        Purpose::Weights,
        Purpose::Drawing,
    ];
    let found = all
        .into_iter()
        .find(|purpose| (*purpose as u32).to_string() == number);
    found.expect("a purpose")
}

#[test]
fn known_answers() {
    let rows = table("Known answers");
    assert_eq!(rows.len(), 3);
    for row in rows {
        let words = random::philox(hex_words(&row[0]), hex_words(&row[1]));
        assert_eq!(words, hex_words(&row[2]), "{row:?}");
    }
}

#[test]
fn every_purpose_is_documented_once() {
    let rows = table("Streams");
    let numbers: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4", "5", "6", "7"]);
    for row in &rows {
        assert_eq!(format!("{:?}", purpose(&row[0])), row[1]);
    }
}

#[test]
fn vectors_of_the_streams() {
    let rows = table("Vectors of the streams");
    for wanted in 1..=7 {
        assert!(
            rows.iter().any(|row| row[0] == wanted.to_string()),
            "purpose {wanted}"
        );
    }
    for row in &rows {
        let stream = Stream::new(number(&row[1]), purpose(&row[0]), number(&row[4]))
            .at(number(&row[2]), number(&row[3]));
        let words = stream.block(number(&row[5]), number(&row[6]));
        assert_eq!(words, hex_words(&row[7]), "{row:?}");
        for (element, &word) in words.iter().enumerate() {
            let element = number::<u32>(&row[6]) * 4 + element as u32;
            assert_eq!(stream.word(number(&row[5]), element), word);
        }
    }
}

const SEED: u64 = 123;

fn stream(purpose: Purpose) -> Stream {
    Stream::new(SEED, purpose, 0)
}

fn listed(numbers: &[u32]) -> String {
    let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    words.join(" ")
}

fn digits(bits: impl Iterator<Item = bool>) -> String {
    bits.map(|bit| if bit { '1' } else { '0' }).collect()
}

/// What a row of the table of derived values should say.
fn derived(name: &str) -> String {
    let order = stream(Purpose::TrainingOrder);
    let rotation = Stream::new(SEED, Purpose::Rotation, 1);
    let turned = |index| {
        let [sin, cos] = random::rotation(rotation.word(index, 0), 0.2);
        format!("{:08x} {:08x}", sin.to_bits(), cos.to_bits())
    };
    match name {
        "order of 8, phase 0, epoch 0" => listed(&order.order(8)),
        "order of 8, phase 0, epoch 1" => listed(&order.at(0, 1).order(8)),
        "order of 8, phase 1, epoch 0" => listed(&order.at(1, 0).order(8)),
        "order of 8 for a split" => listed(&stream(Purpose::SplitOrder).order(8)),
        "flips of images 0 to 15" => {
            let flip = stream(Purpose::Flip);
            digits((0..16).map(|index| random::bernoulli(flip.word(index, 0), 0.5)))
        }
        "rotation, slot 1, turn 0.2, image 0: sine and cosine" => turned(0),
        "rotation, slot 1, turn 0.2, image 1: sine and cosine" => turned(1),
        "dropout 0.2, image 0, kept of channels 0 to 31" => {
            let dropout = stream(Purpose::Dropout);
            let threshold = random::dropout_threshold(0.2);
            digits((0..32).map(|channel| dropout.word(0, channel) >> 8 >= threshold))
        }
        "dropout 0.2, threshold" => random::dropout_threshold(0.2).to_string(),
        "weights of 1280 → 1, elements 0 to 3" => {
            let weights = random::glorot_uniform(&stream(Purpose::Weights), 1280, 1, 4);
            let bits: Vec<String> = weights
                .iter()
                .map(|weight| format!("{:08x}", weight.to_bits()))
                .collect();
            bits.join(" ")
        }
        _ => panic!("no such derived value: {name}"),
    }
}

#[test]
fn derived_values() {
    let rows = table("Derived values");
    assert_eq!(rows.len(), 10);
    for row in rows {
        assert_eq!(derived(&row[0]), row[1], "{}", row[0]);
    }
}

/// Leaving indices out keeps the order of the others.
#[test]
fn an_order_is_a_matter_of_each_index_alone() {
    let order = stream(Purpose::TrainingOrder);
    let all = order.order(100);
    let mut some: Vec<u32> = (0..100).filter(|index| index % 3 != 0).collect();
    order.sort(&mut some);
    let expected: Vec<u32> = all.into_iter().filter(|index| index % 3 != 0).collect();
    assert_eq!(some, expected);
}

#[test]
fn every_field_of_the_counter_counts() {
    let base = Stream::new(SEED, Purpose::Flip, 0).block(0, 0);
    let others = [
        Stream::new(SEED + 1, Purpose::Flip, 0).block(0, 0),
        Stream::new(SEED + (1 << 32), Purpose::Flip, 0).block(0, 0),
        Stream::new(SEED, Purpose::Rotation, 0).block(0, 0),
        Stream::new(SEED, Purpose::Flip, 1).block(0, 0),
        Stream::new(SEED, Purpose::Flip, 0).at(1, 0).block(0, 0),
        Stream::new(SEED, Purpose::Flip, 0).at(0, 1).block(0, 0),
        Stream::new(SEED, Purpose::Flip, 0).block(1, 0),
        Stream::new(SEED, Purpose::Flip, 0).block(0, 1),
    ];
    for (i, other) in others.iter().enumerate() {
        assert_ne!(*other, base, "{i}");
        assert!(!others[..i].contains(other), "{i}");
    }
}
