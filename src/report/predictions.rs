//! What a model says of pictures: a table for people, CSV and JSON for programs.

use serde::Serialize;

use super::terminal::Style;
use super::terminal::table::{Side, Table};
use crate::evaluate::probability;

/// Decimals of probabilities for people.
const DECIMALS: usize = 4;
/// Columns that a file's name keeps, however narrow the terminal is.
const NARROWEST: usize = 12;

/// What a model says of one picture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Its file.
    pub file: String,
    /// Name of the likeliest class.
    pub class: String,
    /// Its probability.
    pub probability: f64,
    /// Probabilities of all classes, in their order.
    pub probabilities: Vec<f64>,
    /// What the network gave: one logit of two classes, else one for each.
    pub logits: Vec<f32>,
}

impl Prediction {
    /// What logits say of a file's picture.
    ///
    /// # Panics
    /// If there are fewer classes than logits say.
    pub fn new(file: String, classes: &[String], logits: Vec<f32>) -> Self {
        let (class, probability) = probability::likeliest(&logits);
        Self {
            file,
            class: classes[class as usize].clone(),
            probability,
            probabilities: probability::of_classes(&logits),
            logits,
        }
    }
}

/// A line for each: file, class and probability. Names of files lose their beginnings where the table would
/// be wider than the style.
pub fn table(predictions: &[Prediction], style: Style) -> String {
    let rows = |width: usize| {
        let mut table = Table::new(&[
            ("file", Side::Left),
            ("class", Side::Left),
            ("probability", Side::Right),
        ]);
        for prediction in predictions {
            table.row(vec![
                shortened(&prediction.file, width).into(),
                on_one_line(&prediction.class).into(),
                format!("{:.DECIMALS$}", prediction.probability).into(),
            ]);
        }
        table
    };
    let names = predictions.iter().map(|prediction| &prediction.file);
    let widest = names.map(|name| name.chars().count()).max().unwrap_or(0);
    let table = rows(widest);
    let over = table.width().saturating_sub(style.width);
    if over == 0 {
        return table.render(style);
    }
    rows(widest.saturating_sub(over).max(NARROWEST)).render(style)
}

/// A name without what would break a line.
fn on_one_line(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// The end of a name, where it takes more columns than there are.
fn shortened(name: &str, width: usize) -> String {
    let length = name.chars().count();
    let name = on_one_line(name);
    if length <= width {
        return name;
    }
    let end: String = name.chars().skip(length + 1 - width).collect();
    format!("…{end}")
}

/// A line for each after a line of headings: file, class, its probability, then the probability of every class.
/// As RFC 4180 has it, but with a newline alone at the end of a line.
pub fn csv(classes: &[String], predictions: &[Prediction]) -> String {
    let mut text = String::new();
    let headings = ["file", "class", "probability"].map(str::to_owned);
    add_line(&mut text, headings.iter().chain(classes));
    for prediction in predictions {
        // Very small ones with an exponent, which `Display` does not write.
        let number = |probability: &f64| format!("{probability:?}");
        let mut fields = vec![
            prediction.file.clone(),
            prediction.class.clone(),
            number(&prediction.probability),
        ];
        fields.extend(prediction.probabilities.iter().map(number));
        add_line(&mut text, fields.iter());
    }
    text
}

fn add_line<'a>(text: &mut String, fields: impl Iterator<Item = &'a String>) {
    let fields: Vec<String> = fields.map(|field| quoted(field)).collect();
    text.push_str(&fields.join(","));
    text.push('\n');
}

/// A field, in quotes where it needs them.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", field.replace('"', "\"\""));
    }
    field.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions() -> (Vec<String>, Vec<Prediction>) {
        let classes = ["cat", "dog, or \"dog\""].map(str::to_owned).to_vec();
        let files = [
            ("photos/a.jpg", -2.0),
            ("photos/of a, \"b\"\nand c.jpg", 0.25),
            ("a/very/long/way/to/the/very/last/picture/of/all.png", 300.0),
        ];
        let predictions = files
            .map(|(file, logit)| Prediction::new(file.to_owned(), &classes, vec![logit]))
            .to_vec();
        (classes, predictions)
    }

    #[test]
    fn tables_stay_within_their_width_and_on_their_lines() {
        let (_, predictions) = predictions();
        let narrow = Style {
            width: 60,
            colour: false,
        };
        let text = table(&predictions, narrow);
        assert!(text.lines().all(|line| line.chars().count() <= 60));
        insta::assert_snapshot!(format!("{}\n{text}", table(&predictions, Style::PLAIN)));
    }

    #[test]
    fn csv_quotes_what_needs_it() {
        let (classes, predictions) = predictions();
        insta::assert_snapshot!(csv(&classes, &predictions));
    }
}
