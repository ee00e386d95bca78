//! Reports for jobs of CI: JUnit XML, Markdown, and the annotations of GitHub.

use std::fmt::Write as _;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

/// How the check of a recipe ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The recipe, as it was asked for.
    pub recipe: String,
    /// The recipe's file as an annotation names it, and the line with its name; none where it is inside the binary.
    pub place: Option<(String, usize)>,
    /// Whether it passed.
    pub outcome: Outcome,
    /// The verdict's words, or `error`.
    pub verdict: String,
    /// Why, in a sentence; empty where there is nothing to say.
    pub why: String,
    /// What does not decide, but should be known.
    pub warnings: Vec<String>,
    /// The whole report, as a terminal shows it.
    pub report: String,
    /// How long it took.
    pub seconds: f64,
}

/// Whether a check passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passed,
    /// The verdict is that it does not.
    Failed,
    /// There is no verdict.
    Error,
    /// It was not come to.
    Skipped,
}

/// Name of the suite.
const SUITE: &str = "goldrun check";

/// Longest sentence in a table of Markdown, in characters.
const TABLE_SENTENCE: usize = 300;

/// A JUnit file: a suite of a case a recipe, as Jenkins, GitLab and others read it.
pub fn junit(cases: &[Case]) -> io::Result<String> {
    let count = |outcome| {
        let of_it = cases.iter().filter(|case| case.outcome == outcome);
        of_it.count().to_string()
    };
    let time: f64 = cases.iter().map(|case| case.seconds).sum();
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    writer
        .create_element("testsuites")
        .write_inner_content(|writer| {
            writer
                .create_element("testsuite")
                .with_attribute(("name", SUITE))
                .with_attribute(("tests", cases.len().to_string().as_str()))
                .with_attribute(("failures", count(Outcome::Failed).as_str()))
                .with_attribute(("errors", count(Outcome::Error).as_str()))
                .with_attribute(("skipped", count(Outcome::Skipped).as_str()))
                .with_attribute(("time", format!("{time:.3}").as_str()))
                .write_inner_content(|writer| {
                    cases.iter().try_for_each(|case| junit_case(writer, case))
                })?;
            Ok(())
        })?;
    let mut text = String::from_utf8_lossy(&writer.into_inner()).into_owned();
    text.push('\n');
    Ok(text)
}

fn junit_case(writer: &mut Writer<Vec<u8>>, case: &Case) -> io::Result<()> {
    let time = format!("{:.3}", case.seconds);
    let mut element = writer
        .create_element("testcase")
        .with_attribute(("classname", SUITE))
        .with_attribute(("name", case.recipe.as_str()))
        .with_attribute(("time", time.as_str()));
    if let Some((file, line)) = &case.place {
        element = element
            .with_attribute(("file", file.as_str()))
            .with_attribute(("line", line.to_string().as_str()));
    }
    let report = printable(&case.report);
    let why = printable(&case.why);
    element.write_inner_content(|writer| {
        let what = match case.outcome {
            Outcome::Passed => {
                writer
                    .create_element("system-out")
                    .write_text_content(BytesText::new(&report))?;
                return Ok(());
            }
            Outcome::Skipped => {
                writer.create_element("skipped").write_empty()?;
                return Ok(());
            }
            Outcome::Failed => "failure",
            Outcome::Error => "error",
        };
        writer
            .create_element(what)
            .with_attribute(("type", case.verdict.as_str()))
            .with_attribute(("message", why.as_str()))
            .write_text_content(BytesText::new(&report))?;
        Ok(())
    })?;
    Ok(())
}

/// A text without the characters that XML cannot hold.
fn printable(text: &str) -> String {
    let is_fit = |c: &char| !c.is_control() || *c == '\n' || *c == '\t';
    text.chars().filter(is_fit).collect()
}

/// A page: a table with a line a recipe, then the report of each that did not pass, unfolded, and of the others.
pub fn markdown(cases: &[Case]) -> String {
    let mut text = String::from("## goldrun check\n\n| recipe | verdict | why |\n|---|---|---|\n");
    for case in cases {
        let mark = match case.outcome {
            Outcome::Passed => "✅",
            Outcome::Failed | Outcome::Error => "❌",
            Outcome::Skipped => "⏭️",
        };
        let why: String = case.why.chars().take(TABLE_SENTENCE).collect();
        let _ = writeln!(
            text,
            "| {} | {mark} {} | {} |",
            cell(&case.recipe),
            cell(&case.verdict),
            cell(&why)
        );
    }
    for case in cases.iter().filter(|case| !case.report.is_empty()) {
        let open = match case.outcome {
            Outcome::Failed | Outcome::Error => " open",
            Outcome::Passed | Outcome::Skipped => "",
        };
        let _ = writeln!(
            text,
            "\n<details{open}><summary>{}: {}</summary>\n\n{}\n\n</details>",
            escaped(&case.recipe),
            escaped(&case.verdict),
            fenced(&case.report)
        );
    }
    text
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    escaped(text).replace('|', "\\|").replace('\n', " ")
}

/// A text that holds no tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// A text in a fence that is longer than any in it.
fn fenced(text: &str) -> String {
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}text\n{}\n{fence}", text.trim_end())
}

/// Commands to a job of GitHub, a line each: an error for each recipe that did not pass, and warnings.
pub fn annotations(cases: &[Case]) -> String {
    let mut text = String::new();
    for case in cases {
        let place = match &case.place {
            Some((file, line)) => format!("file={},line={line},", property(file)),
            None => String::new(),
        };
        let mut annotate = |level: &str, what: &str, message: &str| {
            let title = property(&format!("{}: {what}", case.recipe));
            let message = message_of(message);
            let _ = writeln!(text, "::{level} {place}title={title}::{message}");
        };
        if matches!(case.outcome, Outcome::Failed | Outcome::Error) {
            annotate("error", &case.verdict, &case.why);
        }
        for warning in &case.warnings {
            annotate("warning", "note", warning);
        }
    }
    text
}

/// A message as GitHub's commands hold it.
fn message_of(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A property as GitHub's commands hold it.
fn property(text: &str) -> String {
    message_of(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases() -> Vec<Case> {
        let case = |recipe: &str, outcome, verdict: &str, why: &str, report: &str| Case {
            recipe: recipe.to_owned(),
            place: Some((format!("recipes/{recipe}.toml"), 2)),
            outcome,
            verdict: verdict.to_owned(),
            why: why.to_owned(),
            warnings: vec![],
            report: report.to_owned(),
            seconds: 1.5,
        };
        let mut cases = vec![
            case(
                "good",
                Outcome::Passed,
                "identical",
                "",
                "good\n\ngood: identical\n",
            ),
            case(
                "red",
                Outcome::Failed,
                "differs",
                "the recipe changed: `a|b` 1 → 2, 100 % <of> \"it\"",
                "red\n\n```\n\u{1b}[1mred\u{1b}: differs & more\n",
            ),
            case(
                "odd",
                Outcome::Error,
                "error",
                "no such file",
                "error: no such file",
            ),
            case("late", Outcome::Skipped, "not run", "", ""),
        ];
        cases[0].warnings.push("suspiciously good: 1,2".to_owned());
        cases[2].place = None;
        cases
    }

    #[test]
    fn junit_reads_well() {
        insta::assert_snapshot!(junit(&cases()).unwrap());
    }

    #[test]
    fn junit_says_what_it_was_given() {
        let text = junit(&cases()).unwrap();
        let mut reader = quick_xml::Reader::from_str(&text);
        let mut names = Vec::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Start(element) | Event::Empty(element) => {
                    names.push(element.name().as_ref().to_owned());
                }
                Event::Eof => break,
                _ => {}
            }
        }
        let count = |name: &str| names.iter().filter(|found| *found == name).count();
        assert_eq!(count("testcase"), 4);
        assert_eq!(
            (count("failure"), count("error"), count("skipped")),
            (1, 1, 1)
        );
    }

    #[test]
    fn markdown_reads_well() {
        insta::assert_snapshot!(markdown(&cases()));
    }

    #[test]
    fn annotations_are_a_line_each() {
        insta::assert_snapshot!(annotations(&cases()));
    }
}
