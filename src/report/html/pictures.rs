//! Pictures: what training sees, and what the model says of the test split.

use maud::{Markup, html};

use crate::record::exhibits::{Exhibits, Image, Picture, Predicted, Tested};

/// More classes than this have no matrix: it could not be read.
const MATRIX_CLASSES: usize = 25;
/// Confusions that are listed instead.
const LISTED: usize = 30;
/// Pictures that are shown of the first test batch, as in the tutorial; the rest is folded.
const NINE: usize = 9;

pub(super) fn sections(exhibits: &Exhibits) -> Markup {
    let nine = exhibits.test.first_batch.iter().take(NINE);
    html! {
        section {
            h2 { "Training pictures" }
            div.gallery { @for picture in &exhibits.training { (labelled(exhibits, picture)) } }
            @if let [whole, views @ ..] = exhibits.views.as_slice() {
                h3 { "One of them as training sees it" }
                div.gallery {
                    figure { (image(whole, "as it is")) figcaption { "as it is" } }
                    @for (epoch, view) in views.iter().enumerate() {
                        figure {
                            (image(view, "changed"))
                            figcaption { "epoch " (epoch + 1) }
                        }
                    }
                }
            }
        }
        section {
            h2 { "Test pictures" }
            p { (score(&exhibits.test)) }
            h3 { "The first nine" }
            div.gallery { @for predicted in nine { (judged(exhibits, predicted)) } }
            details {
                summary { "The first batch: prediction, label and probability of " (exhibits.test.first_batch.len()) " pictures" }
                (super::table(
                    &["picture", "prediction", "label", "probability", ""],
                    &exhibits.test.first_batch.iter().map(|predicted| row(exhibits, predicted)).collect::<Vec<_>>(),
                    &[false, false, false, true, false],
                ))
            }
            h3 { "Which class is taken for which" }
            (confusion(&exhibits.classes, &exhibits.test.confusion))
            h3 { "Surest and wrong" }
            @if exhibits.test.worst.is_empty() {
                p { "No picture of the test split is taken for another class." }
            }
            div.gallery { @for predicted in &exhibits.test.worst { (judged(exhibits, predicted)) } }
        }
    }
}

fn score(test: &Tested) -> String {
    let all: u64 = test.confusion.iter().flatten().sum();
    let rows = test.confusion.iter().enumerate();
    let right: u64 = rows.filter_map(|(class, counts)| counts.get(class)).sum();
    format!("{right} of {all} pictures are of the class that the model holds to be the likeliest.")
}

/// Name of a class; a file that was changed since may name one that is not there.
fn name(classes: &[String], class: usize) -> &str {
    classes.get(class).map_or("?", String::as_str)
}

fn image(image: &Image, alt: &str) -> Markup {
    html! {
        img src=(format!("data:image/jpeg;base64,{}", image.jpeg)) width=(image.width) height=(image.height) alt=(alt);
    }
}

fn labelled(exhibits: &Exhibits, picture: &Picture) -> Markup {
    let label = name(&exhibits.classes, picture.label as usize);
    html! {
        figure title=(picture.path) {
            (image(&picture.image, label))
            figcaption { (label) }
        }
    }
}

fn judged(exhibits: &Exhibits, predicted: &Predicted) -> Markup {
    let said = name(&exhibits.classes, predicted.class as usize);
    let label = name(&exhibits.classes, predicted.picture.label as usize);
    html! {
        figure.wrong[!predicted.is_right()] title=(predicted.picture.path) {
            (image(&predicted.picture.image, label))
            figcaption {
                (said) " " (format!("{:.1} %", 100.0 * predicted.probability))
                @if !predicted.is_right() { br; b { "✗ is " (label) } }
            }
        }
    }
}

fn row(exhibits: &Exhibits, predicted: &Predicted) -> Vec<String> {
    vec![
        predicted.picture.path.clone(),
        name(&exhibits.classes, predicted.class as usize).to_owned(),
        name(&exhibits.classes, predicted.picture.label as usize).to_owned(),
        format!("{:.4}", predicted.probability),
        if predicted.is_right() {
            String::new()
        } else {
            "✗".to_owned()
        },
    ]
}

fn confusion(classes: &[String], confusion: &[Vec<u64>]) -> Markup {
    if classes.len() > MATRIX_CLASSES {
        return listed(classes, confusion);
    }
    let classes_said = classes.iter().map(|class| (class.as_str(), true));
    let headings: Vec<(&str, bool)> = std::iter::once(("label ↓  prediction →", false))
        .chain(classes_said)
        .collect();
    let rows = html! {
        @for (label, (class, counts)) in classes.iter().zip(confusion).enumerate() {
            tr {
                th scope="row" { (class) }
                @for (said, count) in counts.iter().enumerate() {
                    td.number.diagonal[said == label] { (count) }
                }
            }
        }
    };
    super::framed(&headings, &rows)
}

/// The most frequent confusions of many classes.
fn listed(classes: &[String], confusion: &[Vec<u64>]) -> Markup {
    let pairs = confusion.iter().enumerate().flat_map(|(label, counts)| {
        counts
            .iter()
            .enumerate()
            .map(move |(said, count)| (*count, label, said))
    });
    let mut wrong: Vec<(u64, usize, usize)> = pairs
        .filter(|(count, label, said)| *count > 0 && label != said)
        .collect();
    wrong.sort_by_key(|(count, label, said)| (std::cmp::Reverse(*count), *label, *said));
    let rows: Vec<Vec<String>> = wrong
        .into_iter()
        .take(LISTED)
        .map(|(count, label, said)| {
            let name = |class| name(classes, class).to_owned();
            vec![name(label), name(said), count.to_string()]
        })
        .collect();
    super::table(
        &["label", "prediction", "pictures"],
        &rows,
        &[false, false, true],
    )
}
