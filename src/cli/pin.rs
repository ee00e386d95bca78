//! `goldrun pin`: compute the missing pins of a recipe's artifacts and write them into it.

use anyhow::anyhow;
use serde::Serialize;

use super::exit::{Exit, Failure};
use super::output;
use super::session::Session;
use crate::recipe::{self, pin::Pin};

/// A pin that was written, as data.
#[derive(Debug, Serialize)]
struct Written {
    role: String,
    sha256: Option<String>,
    content: Option<String>,
}

/// Writes the pins that are missing; those that are there stay, and must hold.
pub fn pin(session: &Session, written: &str) -> Result<Exit, Failure> {
    session.refuse_changes("pin", "it writes into the recipe's file")?;
    let loaded = session.load_as_written(written)?;
    let mut pins = Vec::new();
    for (role, artifact) in &loaded.recipe.artifacts {
        if artifact.sha256.is_some() && artifact.content.is_some() {
            continue;
        }
        let obtained = session.obtain(&loaded.recipe, role, &session.artifacts)?;
        let pin = Pin {
            role: role.clone(),
            sha256: missing(artifact.sha256.as_ref(), obtained.sha256),
            content: missing(artifact.content.as_ref(), Some(obtained.content)),
        };
        if pin.sha256.is_some() || pin.content.is_some() {
            pins.push(pin);
        }
    }
    let Some(path) = &loaded.path else {
        if pins.is_empty() {
            return tell(session, written, &[]);
        }
        return Err(Failure::wrong(anyhow!(
            "recipe `{0}` is inside goldrun and cannot be written\n\
             hint: put it into a file of your own, recipes/{0}.toml, which then hides it",
            loaded.recipe.name
        )));
    };
    if !pins.is_empty() {
        recipe::pin::write(path, &pins).map_err(|error| match error {
            recipe::Error::Write { .. } => Failure::failed(error),
            other => Failure::wrong(other),
        })?;
    }
    tell(session, &session.shown(path).to_string(), &pins)
}

/// What was seen where the recipe has no pin.
fn missing(pinned: Option<&String>, seen: Option<String>) -> Option<String> {
    match pinned {
        Some(_) => None,
        None => seen,
    }
}

fn tell(session: &Session, file: &str, pins: &[Pin]) -> Result<Exit, Failure> {
    if session.options.json {
        let written: Vec<Written> = pins
            .iter()
            .map(|pin| Written {
                role: pin.role.clone(),
                sha256: pin.sha256.clone(),
                content: pin.content.clone(),
            })
            .collect();
        output::json(&written)?;
        return Ok(Exit::Good);
    }
    if pins.is_empty() {
        output::data(&format!("{file}: nothing to pin\n"))?;
    }
    for pin in pins {
        for (key, digest) in [("sha256", &pin.sha256), ("content", &pin.content)] {
            if let Some(digest) = digest {
                output::data(&format!(
                    "{file}: artifact.{}.{key} = \"{digest}\"\n",
                    pin.role
                ))?;
            }
        }
    }
    Ok(Exit::Good)
}
