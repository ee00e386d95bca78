//! Problems of a text, and their picture: file, line, column, the line itself, a caret, what to do.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, normalize_untrusted_str};

use super::source::{Place, Sources};

/// Most problems shown; a file that is no recipe at all may have one on every line.
const MOST_SHOWN: usize = 50;

/// Something wrong in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where.
    pub(crate) place: Place,
    /// What is wrong: one lower-case line.
    pub(crate) title: String,
    /// What stands there, beside the caret.
    pub(crate) label: String,
    /// What else has to do with it, and why.
    pub(crate) other: Option<(Place, String)>,
    /// What to do about it.
    pub(crate) help: Option<String>,
}

impl Problem {
    /// A problem without a remedy.
    pub(crate) fn new(place: Place, title: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            place,
            title: title.into(),
            label: label.into(),
            other: None,
            help: None,
        }
    }

    /// With what to do about it.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// With a second place that has to do with it.
    #[must_use]
    pub(crate) fn other(mut self, place: Place, label: impl Into<String>) -> Self {
        self.other = Some((place, label.into()));
        self
    }
}

/// The problems found so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems {
    found: Vec<Problem>,
    notes: Vec<(Place, String)>,
}

impl Problems {
    /// Notes one more.
    pub(crate) fn add(&mut self, problem: Problem) {
        if !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }

    /// What a reader should know of a place if there is a problem right there; by itself it is none.
    pub(crate) fn note(&mut self, place: Place, note: String) {
        self.notes.push((place, note));
    }

    /// True if there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    /// Draws all of them, in the order in which a reader of the files meets them.
    pub(crate) fn render(&self, sources: &Sources, color: bool) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut sorted: Vec<&Problem> = self.found.iter().collect();
        sorted.sort_by_key(|problem| problem.place);
        let mut text = String::new();
        for problem in sorted.iter().take(MOST_SHOWN) {
            let notes = self.notes.iter().filter(|(at, _)| *at == problem.place);
            let notes = notes.map(|(_, note)| note.as_str());
            text.push_str(&renderer.render(&[picture(problem, notes, sources)]));
            text.push_str("\n\n");
        }
        if sorted.len() > MOST_SHOWN {
            let rest = sorted.len() - MOST_SHOWN;
            text.push_str("… and ");
            text.push_str(&rest.to_string());
            text.push_str(" more\n\n");
        }
        text
    }
}

fn picture<'a>(
    problem: &'a Problem,
    notes: impl Iterator<Item = &'a str>,
    sources: &'a Sources,
) -> Group<'a> {
    let source = sources.get(problem.place.source);
    let mut snippet = Snippet::source(source.text.as_str())
        .path(source.name.as_str())
        .annotation(
            AnnotationKind::Primary
                .span(shown_span(problem.place, &source.text))
                .label(problem.label.as_str()),
        );
    let mut elsewhere = None;
    if let Some((place, label)) = &problem.other {
        let other = sources.get(place.source);
        let annotation = AnnotationKind::Context
            .span(shown_span(*place, &other.text))
            .label(label.as_str());
        if place.source == problem.place.source {
            snippet = snippet.annotation(annotation);
        } else {
            let snippet = Snippet::source(other.text.as_str())
                .path(other.name.as_str())
                .annotation(annotation);
            elsewhere = Some(snippet);
        }
    }
    let title = normalize_untrusted_str(&problem.title);
    let mut group = Level::ERROR.primary_title(title).element(snippet);
    if let Some(elsewhere) = elsewhere {
        group = group.element(elsewhere);
    }
    if let Some(help) = &problem.help {
        let help = normalize_untrusted_str(help);
        group = group.element(Level::HELP.message(help));
    }
    for note in notes {
        group = group.element(Level::NOTE.message(normalize_untrusted_str(note)));
    }
    group
}

/// The part of a place that the caret runs under: inside the text, on character boundaries, on one line.
fn shown_span(place: Place, text: &str) -> std::ops::Range<usize> {
    let start = text.floor_char_boundary(place.start.min(text.len()));
    let end = text.ceil_char_boundary(place.end.clamp(start, text.len()));
    let line = text[start..end].find(['\n', '\r']);
    start..line.map_or(end, |length| start + length)
}
