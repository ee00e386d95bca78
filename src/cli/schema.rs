//! `goldrun schema`: what a recipe can hold, for editors and for people.

use super::arguments::Schema;
use super::exit::{Exit, Failure};
use super::output;
use super::session::Session;
use crate::recipe::schema;

/// Prints the schema of recipes, or their reference.
pub fn schema(session: &Session, arguments: &Schema) -> Result<Exit, Failure> {
    session.refuse_changes("schema", "it is about all recipes")?;
    match (arguments.markdown, session.options.json) {
        (false, _) => output::json(&schema::schema())?,
        (true, false) => output::data(&schema::reference())?,
        (true, true) => output::json(&serde_json::json!({ "reference": schema::reference() }))?,
    }
    Ok(Exit::Good)
}
