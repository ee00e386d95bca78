//! `goldrun fetch`: download, verify, extract.

use serde::Serialize;

use super::exit::{Exit, Failure};
use super::output;
use super::session::Session;
use crate::artifacts::{Location, Obtained};
use crate::report::terminal::table::{Side, Table};

/// An artifact that is here.
#[derive(Debug, Serialize)]
pub struct Fetched {
    role: String,
    /// None for one inside the binary.
    path: Option<String>,
    sha256: Option<String>,
    content: String,
    pinned: bool,
}

impl Fetched {
    /// What was got for a role.
    pub fn new(role: &str, obtained: &Obtained) -> Self {
        let path = match &obtained.location {
            Location::Folder(path) | Location::File(path) => Some(path.display().to_string()),
            Location::Shipped(_) => None,
        };
        Self {
            role: role.to_owned(),
            path,
            sha256: obtained.sha256.clone(),
            content: obtained.content.clone(),
            pinned: obtained.pinned,
        }
    }
}

/// Gets every artifact of a recipe.
pub fn fetch(session: &Session, written: &str) -> Result<Exit, Failure> {
    let loaded = session.load(written)?;
    let mut fetched = Vec::new();
    for role in loaded.recipe.artifacts.keys() {
        let obtained = session.obtain(&loaded.recipe, role, &session.artifacts)?;
        fetched.push(Fetched::new(role, &obtained));
    }
    if session.options.json {
        output::json(&fetched)?;
        return Ok(Exit::Good);
    }
    if fetched.is_empty() {
        output::data("this recipe needs no artifact\n")?;
        return Ok(Exit::Good);
    }
    let mut table = Table::new(&[
        ("artifact", Side::Left),
        ("pinned", Side::Left),
        ("content", Side::Left),
        ("where", Side::Left),
    ]);
    for artifact in &fetched {
        table.row(vec![
            artifact.role.as_str().into(),
            if artifact.pinned { "yes" } else { "no" }.into(),
            artifact.content.as_str().into(),
            artifact.path.as_deref().unwrap_or("inside goldrun").into(),
        ]);
    }
    output::data(&table.render(session.style))?;
    Ok(Exit::Good)
}
