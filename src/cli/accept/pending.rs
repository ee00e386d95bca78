//! `goldrun accept --pending`: every record that `check` kept, one by one.

use super::super::exit::{Exit, Failure};
use super::super::session::Session;
use super::super::{output, told};
use super::candidate::Candidate;
use super::consent::{Consent, answer};
use super::{Accepted, Review};
use crate::report::terminal::verdict;

/// What is asked of each.
const QUESTION: &str = "(a)ccept, (s)kip, show the (r)eport, (q)uit? ";

/// What a person wants.
enum Answer {
    Accept,
    Skip,
    Quit,
}

/// Walks all pending records. One that cannot be accepted is told, and the next one comes.
pub fn walk(session: &Session, consent: Consent) -> Result<Exit, Failure> {
    let names = session.goldens.pending_names()?;
    let mut accepted = Vec::new();
    let mut worst = Exit::Good;
    for (number, name) in (1..).zip(&names) {
        if !session.options.json {
            output::data(&format!("{name} ({number} of {})\n\n", names.len()))?;
        }
        match one(session, consent, name) {
            Ok((Answer::Accept, review)) => {
                let path = review.save(session)?;
                if !session.options.json {
                    output::data(&format!("accepted {name} as {path}\n\n"))?;
                }
                accepted.push(review.accepted(path));
            }
            Ok((Answer::Skip, _)) => output::line(&format!("skipped {name}: it stays pending\n")),
            Ok((Answer::Quit, _)) => break,
            Err(failure) => worst = worst.worse(told(&failure)),
        }
    }
    tell(session, &names, &accepted)?;
    Ok(worst)
}

fn tell(session: &Session, names: &[String], accepted: &[Accepted]) -> Result<(), Failure> {
    if session.options.json {
        return output::json(&accepted);
    }
    match (names.len(), accepted.len()) {
        (0, _) => output::data("no record is pending\n"),
        (all, accepted) => output::data(&format!("{accepted} of {all} accepted\n")),
    }
}

/// Shows a pending record, and asks what to do with it.
fn one(session: &Session, consent: Consent, name: &str) -> Result<(Answer, Review), Failure> {
    let recipe = session.load_as_written(name)?.recipe;
    let candidate = Candidate::pending(session, recipe)?;
    let review = Review::of(session, candidate)?;
    if !session.options.json {
        output::data(&review.shown(session))?;
    }
    if consent == Consent::Given {
        return Ok((Answer::Accept, review));
    }
    loop {
        match answer(QUESTION)?.as_deref() {
            Some("a" | "accept") => return Ok((Answer::Accept, review)),
            Some("s" | "skip") => return Ok((Answer::Skip, review)),
            None | Some("q" | "quit") => return Ok((Answer::Quit, review)),
            Some("r" | "report") => match &review.changes {
                Some(changes) => {
                    let text =
                        verdict::diff("the golden", "the pending record", changes, session.style);
                    output::data(&format!("\n{text}"))?;
                }
                None => output::data(&review.shown(session))?,
            },
            Some(other) => output::line(&format!("`{other}` is none of a, s, r and q")),
        }
    }
}
