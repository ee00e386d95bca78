//! Columns of text.

use super::{Colour, Style};

/// Spaces between columns.
const GAP: &str = "  ";

/// On which side a column's cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// What colour repeats that.
    pub colour: Colour,
}

impl Cell {
    /// A cell that says something in a colour.
    pub fn painted(text: impl Into<String>, colour: Colour) -> Self {
        Self {
            text: text.into(),
            colour,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::painted(text, Colour::None)
    }
}

/// A table with one line of headings.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<(String, Side)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[(&str, Side)]) -> Self {
        Self {
            columns: columns
                .iter()
                .map(|(heading, side)| ((*heading).to_owned(), *side))
                .collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; cells that are missing are empty, cells without a column are not shown.
    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// True if it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Leaves out columns, by their headings, one after the other until the table takes no more columns than that.
    pub fn fit_without(&mut self, headings: &[&str], width: usize) {
        for heading in headings {
            if self.width() <= width {
                return;
            }
            let place = self.columns.iter().position(|(there, _)| there == heading);
            let Some(place) = place else { continue };
            self.columns.remove(place);
            for cells in self.rows.iter_mut().filter(|cells| place < cells.len()) {
                cells.remove(place);
            }
        }
    }

    /// Cuts the cells of the last column so that the table takes no more columns than that, and leaves it out
    /// where hardly anything of it would be left.
    pub fn fit_last(&mut self, width: usize) {
        /// Fewer columns than this say nothing.
        const LEAST: usize = 12;
        let Some(last) = self.columns.len().checked_sub(1) else {
            return;
        };
        let widths = self.widths();
        let before: usize = widths[..last].iter().map(|width| width + GAP.len()).sum();
        let room = width.saturating_sub(before);
        if widths[last] <= room {
            return;
        }
        if room < LEAST {
            self.columns.truncate(last);
            return;
        }
        for cell in self.rows.iter_mut().filter_map(|cells| cells.get_mut(last)) {
            cell.text = clipped(&cell.text, room);
        }
    }

    /// Columns that the whole table takes.
    pub fn width(&self) -> usize {
        let gaps = GAP.len() * self.columns.len().saturating_sub(1);
        self.widths().iter().sum::<usize>() + gaps
    }

    /// The table, a line a row, without spaces at the ends of lines.
    pub fn render(&self, style: Style) -> String {
        let widths = self.widths();
        let headings = self
            .columns
            .iter()
            .map(|(heading, _)| Cell::painted(heading.clone(), Colour::Faint))
            .collect();
        let mut text = String::new();
        for cells in std::iter::once(&headings).chain(&self.rows) {
            text.push_str(&self.line(cells, &widths, style));
            text.push('\n');
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self
            .columns
            .iter()
            .map(|(heading, _)| length(heading))
            .collect();
        for cells in &self.rows {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(length(&cell.text));
            }
        }
        widths
    }

    fn line(&self, cells: &[Cell], widths: &[usize], style: Style) -> String {
        let mut line = String::new();
        let mut owed = String::new();
        for ((cell, width), (_, side)) in cells.iter().zip(widths).zip(&self.columns) {
            let padding = " ".repeat(width - length(&cell.text));
            if *side == Side::Right {
                owed.push_str(&padding);
            }
            if !cell.text.is_empty() {
                line.push_str(&owed);
                line.push_str(&style.paint(&cell.text, cell.colour));
                owed.clear();
            }
            if *side == Side::Left {
                owed.push_str(&padding);
            }
            owed.push_str(GAP);
        }
        line
    }
}

/// The text where it takes no more columns than that, else its beginning and `…`.
pub fn clipped(text: &str, width: usize) -> String {
    if length(text) <= width {
        return text.to_owned();
    }
    let start: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", start.trim_end())
}

/// Columns that a text takes, every character counted as one.
fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_without_spaces() {
        let mut table = Table::new(&[
            ("name", Side::Left),
            ("count", Side::Right),
            ("state", Side::Left),
        ]);
        table.row(vec!["a".into(), "1".into(), "good".into()]);
        table.row(vec!["longer".into(), "1,000".into()]);
        table.row(vec![
            "é".into(),
            "".into(),
            Cell::painted("bad", Colour::Bad),
        ]);
        let plain = "\
name    count  state
a           1  good
longer  1,000
é              bad
";
        assert_eq!(table.render(Style::PLAIN), plain);
        assert_eq!(table.width(), 20);
        let mut narrow = table.clone();
        narrow.fit_without(&["count", "state"], 20);
        assert_eq!(narrow.width(), 20);
        narrow.fit_without(&["count", "state"], 14);
        assert_eq!(
            narrow.render(Style::PLAIN),
            "name    state\na       good\nlonger\né       bad\n"
        );
        let mut cut = Table::new(&[("name", Side::Left), ("title", Side::Left)]);
        cut.row(vec!["a".into(), "a title of many words".into()]);
        cut.fit_last(30);
        assert_eq!(
            cut.render(Style::PLAIN),
            "name  title\na     a title of many words\n"
        );
        cut.fit_last(20);
        assert_eq!(
            cut.render(Style::PLAIN),
            "name  title\na     a title of ma…\n"
        );
        cut.fit_last(17);
        assert_eq!(cut.render(Style::PLAIN), "name\na\n");
        let coloured = Style {
            width: 80,
            colour: true,
        };
        let last = table.render(coloured).lines().last().unwrap().to_owned();
        assert_eq!(last, "é              \x1b[1;31mbad\x1b[0m");
    }
}
