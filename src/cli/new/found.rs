//! What was found in a folder of photos: for people, with what will surprise them, and as data.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::dataset::look::{Looked, Shared};
use crate::dataset::{SplitList, Survey};
use crate::recipe::Folders;
use crate::report::terminal::Style;
use crate::report::terminal::numbers::{count, counted};
use crate::report::terminal::table::{Side, Table};

/// A class of fewer training pictures is too small to be learnt.
const FEW: u64 = 20;
/// A class of so many times the pictures of another outweighs it.
const OUTWEIGHS: u64 = 10;
/// Names that are listed of a kind.
const LISTED: usize = 5;

/// What was found in a folder of photos, as data.
#[derive(Debug, Serialize)]
pub struct Found<'a> {
    recipe: &'a str,
    path: String,
    classes: &'a [String],
    splits: Vec<FoundSplit>,
    unreadable: Vec<Unreadable<'a>>,
    rotated: &'a [String],
    passed_by: Vec<&'a String>,
    shared: Vec<Vec<&'a str>>,
}

impl<'a> Found<'a> {
    /// All of it; `path` is the recipe's file.
    pub fn of(
        recipe: &'a str,
        path: String,
        survey: &'a Survey,
        looked: &'a Looked,
        shared: &'a [Shared],
    ) -> Self {
        Self {
            recipe,
            path,
            classes: &survey.classes,
            splits: survey
                .splits
                .iter()
                .map(|split| FoundSplit {
                    split: split.name.word(),
                    files: split.items.len(),
                    class_counts: split.class_counts(),
                })
                .collect(),
            unreadable: looked
                .unreadable
                .iter()
                .map(|(file, reason)| Unreadable { file, reason })
                .collect(),
            rotated: &looked.rotated,
            passed_by: looked.passed_by.values().flatten().collect(),
            shared: shared
                .iter()
                .map(|shared| shared.files.iter().map(|(_, path)| path.as_str()).collect())
                .collect(),
        }
    }
}

#[derive(Debug, Serialize)]
struct FoundSplit {
    split: &'static str,
    files: usize,
    class_counts: Vec<u64>,
}

#[derive(Debug, Serialize)]
struct Unreadable<'a> {
    file: &'a str,
    reason: &'a str,
}

/// What is in the folder, split by split.
pub fn splits(images: &Path, survey: &Survey, looked: &Looked, style: Style) -> String {
    let all: usize = survey.splits.iter().map(|split| split.items.len()).sum();
    let mut text = format!(
        "{}: {} of {} classes\n",
        images.display(),
        counted(all as u64, "picture"),
        survey.classes.len()
    );
    if let Some(sizes) = looked.sizes {
        let size = |[width, height]: [usize; 2]| format!("{width} x {height}");
        let _ = if sizes.smallest == sizes.largest {
            writeln!(text, "all of {} pixels", size(sizes.largest))
        } else {
            writeln!(
                text,
                "from {} to {} pixels, half of them up to {}",
                size(sizes.smallest),
                size(sizes.largest),
                size(sizes.median)
            )
        };
    }
    text.push('\n');
    let mut columns = vec![("class", Side::Left)];
    columns.extend(
        survey
            .splits
            .iter()
            .map(|split| (split.name.word(), Side::Right)),
    );
    let mut table = Table::new(&columns);
    let counts = survey.splits.each_ref().map(SplitList::class_counts);
    for (class, name) in survey.classes.iter().enumerate() {
        let mut cells = vec![name.clone().into()];
        cells.extend(counts.iter().map(|counts| count(counts[class]).into()));
        table.row(cells);
    }
    let mut cells = vec!["all".into()];
    cells.extend(
        survey
            .splits
            .iter()
            .map(|split| count(split.items.len() as u64).into()),
    );
    table.row(cells);
    text.push_str(&table.render(style));
    text
}

/// Something that a person will want to know before training.
struct Surprise {
    what: String,
    names: Vec<String>,
    hint: &'static str,
}

/// All of it as text.
pub fn surprises(folders: &Folders, survey: &Survey, looked: &Looked, shared: &[Shared]) -> String {
    let mut text = String::new();
    let all = of_files(looked)
        .into_iter()
        .chain(of_splits(survey, shared));
    for Surprise { what, names, hint } in all {
        let _ = write!(text, "\nwarning: {what}\n");
        for name in names.iter().take(LISTED) {
            let _ = writeln!(text, "  {name}");
        }
        if names.len() > LISTED {
            let _ = writeln!(text, "  … and {} more", names.len() - LISTED);
        }
        let _ = writeln!(text, "hint: {hint}");
    }
    if folders.validation.is_none() || folders.test.is_none() {
        text.push_str(
            "\nSplits without a folder of their own are cut by the seed; photos of one series (a burst, a video)\n\
             may then be on both sides. Put such series into folders of their own split.\n",
        );
    }
    text
}

/// What surprises in the files themselves.
fn of_files(looked: &Looked) -> Vec<Surprise> {
    let mut surprises = Vec::new();
    let unreadable: Vec<String> = looked
        .unreadable
        .iter()
        .map(|(file, reason)| format!("{file}: {reason}"))
        .collect();
    if !unreadable.is_empty() {
        let files = counted(unreadable.len() as u64, "file");
        surprises.push(Surprise {
            what: format!("{files} that cannot be read, and that the recipe leaves out"),
            names: unreadable,
            hint: "remove or repair them, and lower `rejects`",
        });
    }
    let passed: usize = looked.passed_by.values().map(Vec::len).sum();
    if passed > 0 {
        let files = counted(passed as u64, "file");
        let endings = looked.passed_by.iter();
        surprises.push(Surprise {
            what: format!("{files} in no class folder or of a format that is not read: passed by"),
            names: endings
                .map(|(ending, files)| of_ending(ending, files))
                .collect(),
            hint: "BMP, GIF, JPEG and PNG are read; convert others (magick mogrify -format jpg FILES), \
                   then begin again",
        });
    }
    if !looked.rotated.is_empty() {
        let pictures = counted(looked.rotated.len() as u64, "picture");
        surprises.push(Surprise {
            what: format!(
                "{pictures} with a mark that asks for a rotation, which is ignored unless the recipe \
                 says `orientation = \"apply\"`; this one does"
            ),
            names: looked.rotated.clone(),
            hint: "look at them with `goldrun show`; remove the line if they lie on their side then",
        });
    }
    surprises
}

fn of_ending(ending: &str, files: &[String]) -> String {
    let ending = if ending.is_empty() {
        "without an ending"
    } else {
        ending
    };
    let example = files.first().map_or("", String::as_str);
    format!("{} {ending}, such as {example}", count(files.len() as u64))
}

/// What surprises in how they are divided.
fn of_splits(survey: &Survey, shared: &[Shared]) -> Vec<Surprise> {
    let mut surprises = Vec::new();
    if !shared.is_empty() {
        let pictures = counted(shared.len() as u64, "picture");
        surprises.push(Surprise {
            what: format!(
                "{pictures} in more than one split, byte for byte: what is tested was trained on"
            ),
            names: shared.iter().map(one_a_split).collect(),
            hint: "keep one of each, then begin again",
        });
    }
    let [train, ..] = &survey.splits;
    let train = train.class_counts();
    let classes = survey.classes.iter().zip(&train);
    let small: Vec<String> = classes
        .filter(|(_, files)| **files < FEW)
        .map(|(class, files)| format!("{class}: {files}"))
        .collect();
    if !small.is_empty() {
        let classes = match small.len() {
            1 => "1 class".to_owned(),
            many => format!("{many} classes"),
        };
        surprises.push(Surprise {
            what: format!("{classes} of fewer than {FEW} training pictures"),
            names: small,
            hint: "add pictures, or leave out the class by moving its folder away",
        });
    }
    if let (Some(&least), Some(&most)) = (train.iter().min(), train.iter().max())
        && most >= OUTWEIGHS * least.max(1)
    {
        surprises.push(Surprise {
            what: format!(
                "the largest class has {} training pictures, the smallest {}",
                count(most),
                count(least)
            ),
            names: Vec::new(),
            hint: "accuracy says little then; the report's confusion matrix shows each class",
        });
    }
    surprises
}

/// A picture of each split that has it, and how many more there are.
fn one_a_split(shared: &Shared) -> String {
    let mut files = shared.files.clone();
    let all = files.len();
    files.dedup_by_key(|(split, _)| *split);
    let named: Vec<String> = files
        .iter()
        .map(|(split, path)| format!("{path} ({})", split.word()))
        .collect();
    let more = match all - named.len() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("{}{more}", named.join(" = "))
}
