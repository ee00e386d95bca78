//! `goldrun fetch`: download, verify, extract; with `--vendor`, gather all that recipes need in one folder.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::anyhow;
use serde::Serialize;

use super::arguments::Fetch;
use super::exit::{Exit, Failure};
use super::output;
use super::session::{Session, unpinned};
use crate::artifacts::{Location, Obtained};
use crate::model::layer_names;
use crate::report::terminal::numbers::{bytes, counted};
use crate::report::terminal::table::{Cell, Side, Table};
use crate::vendor::{self, Item, Vendored};

/// An artifact as data.
#[derive(Debug, Serialize)]
struct Fetched {
    recipe: String,
    role: String,
    /// Where it lies; none if it is inside the binary.
    path: Option<String>,
    sha256: Option<String>,
    content: String,
    pinned: bool,
}

/// A vendored folder as data.
#[derive(Debug, Serialize)]
struct Gathered<'a> {
    folder: String,
    files: usize,
    bytes: u64,
    recipes: Vec<&'a str>,
    artifacts: &'a [Fetched],
}

impl Fetched {
    fn new(recipe: &str, role: &str, obtained: &Obtained) -> Self {
        let path = match &obtained.location {
            Location::Folder(path) | Location::File(path) => Some(path.display().to_string()),
            Location::Shipped(_) => None,
        };
        Self {
            recipe: recipe.to_owned(),
            role: role.to_owned(),
            path,
            sha256: obtained.sha256.clone(),
            content: obtained.content.clone(),
            pinned: obtained.pinned,
        }
    }
}

/// Gets every artifact of recipes.
pub fn fetch(session: &Session, arguments: &Fetch) -> Result<Exit, Failure> {
    if let Some(folder) = &arguments.vendor {
        session.refuse_changes("fetch --vendor", "it takes recipes as they are written")?;
        vendor::check(folder)?;
    }
    let mut items: Vec<Item> = Vec::new();
    for written in &arguments.recipes {
        let item = item(session, written, arguments.vendor.is_some())?;
        if items.iter().all(|other| !is_same(other, &item)) {
            items.push(item);
        }
    }
    for item in &mut items {
        for role in item.loaded.recipe.artifacts.keys() {
            let obtained = session.obtain(&item.loaded.recipe, role, &session.artifacts)?;
            item.artifacts.insert(role.clone(), obtained);
        }
    }
    let fetched: Vec<Fetched> = items
        .iter()
        .flat_map(|item| {
            let recipe = &item.loaded.recipe.name;
            let artifacts = item.artifacts.iter();
            artifacts.map(move |(role, obtained)| Fetched::new(recipe, role, obtained))
        })
        .collect();
    let Some(folder) = &arguments.vendor else {
        if session.options.json {
            output::json(&fetched)?;
        } else {
            output::data(&text(session, &fetched))?;
        }
        return Ok(Exit::Good);
    };
    let vendored = vendor::write(folder, &items, layer_names, &session.observer())?;
    let recipes: Vec<&str> = items
        .iter()
        .map(|item| item.loaded.recipe.name.as_str())
        .collect();
    if session.options.json {
        output::json(&Gathered {
            folder: folder.display().to_string(),
            files: vendored.files,
            bytes: vendored.bytes,
            recipes,
            artifacts: &fetched,
        })?;
    } else {
        let text = text(session, &fetched) + &advice(folder, &recipes, vendored);
        output::data(&text)?;
    }
    Ok(Exit::Good)
}

/// A recipe without its artifacts. Vendored, all of them must have pins.
fn item(session: &Session, written: &str, is_vendored: bool) -> Result<Item, Failure> {
    let loaded = session.load(written)?;
    let open = unpinned(&loaded.recipe);
    if is_vendored && !open.is_empty() && !session.options.allow_unpinned {
        return Err(Failure::new(
            Exit::Artifact,
            anyhow!(
                "recipe `{}` has no pin for {}: nothing would say whether a copy is still the same\n\
                 hint: `goldrun pin {written}` writes the pins; `--allow-unpinned` goes without them",
                loaded.recipe.name,
                open.join(", ")
            ),
        ));
    }
    let golden = if is_vendored {
        session.goldens.load(&loaded.recipe.name)?
    } else {
        None
    };
    Ok(Item {
        loaded,
        golden,
        artifacts: BTreeMap::new(),
    })
}

/// True for one recipe that was written twice.
fn is_same(a: &Item, b: &Item) -> bool {
    (&a.loaded.recipe.name, &a.loaded.path) == (&b.loaded.recipe.name, &b.loaded.path)
}

fn text(session: &Session, fetched: &[Fetched]) -> String {
    let Some(first) = fetched.first() else {
        return "no artifact is needed\n".to_owned();
    };
    let is_of_one = fetched.iter().all(|other| other.recipe == first.recipe);
    let mut columns = vec![
        ("recipe", Side::Left),
        ("artifact", Side::Left),
        ("pinned", Side::Left),
        ("content", Side::Left),
        ("where", Side::Left),
    ];
    if is_of_one {
        columns.remove(0);
    }
    let mut table = Table::new(&columns);
    for artifact in fetched {
        let mut cells: Vec<Cell> = Vec::new();
        if !is_of_one {
            cells.push(artifact.recipe.as_str().into());
        }
        cells.extend([
            artifact.role.as_str().into(),
            if artifact.pinned { "yes" } else { "no" }.into(),
            artifact.content.as_str().into(),
            place(session, artifact).into(),
        ]);
        table.row(cells);
    }
    table.render(session.style)
}

/// Where an artifact lies.
fn place(session: &Session, artifact: &Fetched) -> String {
    match &artifact.path {
        Some(path) => session.shown(Path::new(path)).to_string(),
        None => "inside goldrun".to_owned(),
    }
}

/// What was made, and how to use it.
fn advice(folder: &Path, recipes: &[&str], vendored: Vendored) -> String {
    format!(
        "\n{}: {}, {}\nto run there, also without a network: ./goldrun check {}\n",
        folder.display(),
        counted(vendored.files as u64, "file"),
        bytes(vendored.bytes),
        recipes.join(" ")
    )
}
