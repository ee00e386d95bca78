//! `goldrun list`: every recipe with its golden's state.

use jiff::Timestamp;
use serde::Serialize;

use super::exit::{Exit, Failure};
use super::output;
use super::session::{Session, unpinned};
use crate::golden::Golden;
use crate::recipe::{self, Found, Recipe};
use crate::record::made::DATE;
use crate::record::{Address, Fact, MadeValue};
use crate::report::terminal::table::{Cell, Side, Table};
use crate::report::terminal::{Colour, Style, numbers};

/// A recipe in the list.
#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    title: Option<String>,
    path: Option<String>,
    golden: State,
    /// When the golden was made: a date where it says so, else that of its file.
    golden_made: Option<String>,
    pending: bool,
    unpinned: Vec<String>,
    /// What is wrong with recipe or golden.
    problem: Option<String>,
}

/// State of a recipe's golden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// There is one, for the recipe as it is.
    Golden,
    /// There is one, for another version of the recipe.
    Outdated,
    /// There is none, but published figures with a tolerance.
    PublishedOnly,
    /// There is none.
    None,
    /// The recipe or its golden cannot be read.
    Unreadable,
}

impl State {
    /// What it is, with the age of a golden.
    fn words(self, age: Option<&str>) -> String {
        let age = |joint: &str| age.map_or(String::new(), |age| format!("{joint}{age}"));
        match self {
            Self::Golden => format!("golden{}", age(" of ")),
            Self::Outdated => format!("golden of another version{}", age(", ")),
            Self::PublishedOnly => "published figures only".to_owned(),
            Self::None => "no golden".to_owned(),
            Self::Unreadable => "unreadable".to_owned(),
        }
    }

    const fn colour(self) -> Colour {
        match self {
            Self::Golden => Colour::Good,
            Self::Outdated | Self::PublishedOnly => Colour::Notable,
            Self::None => Colour::Faint,
            Self::Unreadable => Colour::Bad,
        }
    }
}

/// Lists the recipes of the project and those inside the binary.
pub fn list(session: &Session) -> Result<Exit, Failure> {
    session.refuse_changes("list", "it is about recipes as they are written")?;
    let entries: Vec<Entry> = recipe::list(&session.root)?
        .into_iter()
        .map(|found| entry(session, found))
        .collect();
    if session.options.json {
        output::json(&entries)?;
        return Ok(Exit::Good);
    }
    output::data(&text(&entries, session.style))?;
    for problem in entries.iter().filter_map(|entry| entry.problem.as_ref()) {
        output::line(&format!("warning: {problem}"));
    }
    Ok(Exit::Good)
}

fn entry(session: &Session, found: Found) -> Entry {
    let path = found.path.as_ref();
    let path = path.map(|path| session.shown(path).to_string());
    // By its path, since a name may look like one; by its name where the path is no text.
    let written = found.path.as_ref().and_then(|path| path.to_str());
    let read = session
        .load_as_written(written.unwrap_or(&found.name))
        .map_err(|failure| summary(&failure, &found.name))
        .and_then(|loaded| match session.goldens.load(&loaded.recipe.name) {
            Ok(golden) => Ok((loaded.recipe, golden)),
            Err(error) => Err(error.to_string()),
        });
    match read {
        Ok((recipe, golden)) => Entry {
            golden_made: golden.as_ref().and_then(made).map(|made| made.to_string()),
            golden: state(&recipe, golden.as_ref()),
            pending: session.goldens.pending_path(&recipe.name).is_file(),
            unpinned: unpinned(&recipe).into_iter().map(str::to_owned).collect(),
            name: found.name,
            title: Some(recipe.title),
            path,
            problem: None,
        },
        Err(problem) => Entry {
            name: found.name,
            title: None,
            path,
            golden: State::Unreadable,
            golden_made: None,
            pending: false,
            unpinned: Vec::new(),
            problem: Some(problem),
        },
    }
}

/// What is wrong with a recipe, in a line.
fn summary(failure: &Failure, name: &str) -> String {
    let line = failure.in_a_line();
    format!("{line} (`goldrun show {name}` says more)")
}

fn state(recipe: &Recipe, golden: Option<&Golden>) -> State {
    let fingerprint = Fact::Text(recipe.fingerprint());
    let of = golden.map(|golden| golden.record.facts.get(&Address::new("recipe.fingerprint")));
    match of {
        Some(of) if of == Some(&fingerprint) => State::Golden,
        Some(_) => State::Outdated,
        None if recipe
            .published
            .iter()
            .any(|figure| figure.tolerance.is_some()) =>
        {
            State::PublishedOnly
        }
        None => State::None,
    }
}

/// When a golden was made: the date in its record, else that of its file.
fn made(golden: &Golden) -> Option<Timestamp> {
    if let Some(MadeValue::Text(date)) = golden.record.made.get(DATE) {
        return date.parse().ok();
    }
    let metadata = fs_err::metadata(golden.path.as_ref()?).ok()?;
    let time = Timestamp::try_from(metadata.modified().ok()?).ok()?;
    Timestamp::from_second(time.as_second()).ok()
}

/// A line a recipe; of a title so much as there is room for.
fn text(entries: &[Entry], style: Style) -> String {
    let columns = [
        ("recipe", Side::Left),
        ("state", Side::Left),
        ("from", Side::Left),
        ("title", Side::Left),
    ];
    let now = Timestamp::now();
    let mut table = Table::new(&columns);
    for entry in entries {
        table.row(cells(entry, now));
    }
    table.fit_last(style.width);
    table.render(style)
}

fn cells(entry: &Entry, now: Timestamp) -> Vec<Cell> {
    let made = entry.golden_made.as_ref();
    let made: Option<Timestamp> = made.and_then(|made| made.parse().ok());
    let age = made.map(|made| numbers::ago(now.duration_since(made).as_secs()));
    let mut state = entry.golden.words(age.as_deref());
    if entry.pending {
        state.push_str(", one pending");
    }
    if !entry.unpinned.is_empty() {
        state.push_str(", unpinned ");
        state.push_str(&entry.unpinned.join(", "));
    }
    vec![
        entry.name.as_str().into(),
        Cell::painted(state, entry.golden.colour()),
        entry.path.as_deref().unwrap_or("inside goldrun").into(),
        entry.title.as_deref().unwrap_or_default().into(),
    ]
}
