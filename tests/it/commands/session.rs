//! A page's commands with what it shows of them, and what counts as the same.

/// A command and what the page shows of it.
#[derive(Debug)]
pub struct Shown {
    /// Line of the page, from 1.
    pub line: usize,
    pub command: String,
    /// True for a program in Python, whole.
    pub is_python: bool,
    /// None where the page shows nothing of it.
    pub output: Option<String>,
}

impl Shown {
    /// A command of a line, up to its comment.
    fn of_line(line: usize, command: &str, output: Option<String>) -> Self {
        Self {
            line,
            command: without_comment(command).to_owned(),
            is_python: false,
            output,
        }
    }
}

/// All commands of a page, in its order.
pub fn commands(text: &str) -> Vec<Shown> {
    let mut found: Vec<Shown> = Vec::new();
    let mut fence = None;
    let mut in_session = false;
    // True after a block `sh` with one command, or a block `python`: what it says may be in the block after it.
    let mut is_awaited = false;
    let mut in_sh = false;
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(info) = line.strip_prefix("```") {
            fence = match fence {
                None => Some(info.trim().to_owned()),
                Some(_) => None,
            };
            in_session = is_awaited && fence.as_deref() == Some("text");
            if in_session && let Some(last) = found.last_mut() {
                last.output = Some(String::new());
            }
            is_awaited &= fence.is_none();
            in_sh = false;
            if fence.as_deref() == Some("python") {
                is_awaited = true;
                found.push(Shown {
                    line: number + 1,
                    command: String::new(),
                    is_python: true,
                    output: None,
                });
            }
            continue;
        }
        let Some(info) = &fence else {
            continue;
        };
        match info.as_str() {
            "sh" if !line.is_empty() && !line.starts_with('#') => {
                is_awaited = !in_sh;
                in_sh = true;
                found.push(Shown::of_line(number, line, None));
            }
            "python" => {
                if let Some(last) = found.last_mut() {
                    last.command.push_str(line);
                    last.command.push('\n');
                }
            }
            "text" | "console" => {
                if let Some(command) = line.strip_prefix("$ ") {
                    in_session = true;
                    found.push(Shown::of_line(number, command, Some(String::new())));
                } else if in_session
                    && let Some(Shown {
                        output: Some(output),
                        ..
                    }) = found.last_mut()
                {
                    output.push_str(line);
                    output.push('\n');
                }
            }
            _ => {}
        }
    }
    found
}

fn without_comment(line: &str) -> &str {
    line.split(" #").next().unwrap_or_default().trim()
}

/// The words of a line, in which quotes keep spaces together.
pub fn shell_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            letter => word.push(letter),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// A line without what differs from run to run: times, ids of runs.
fn without_times(line: &str) -> String {
    let is_time = |word: &str| word.trim_start_matches('~').parse::<f64>().is_ok();
    let mut words: Vec<String> = Vec::new();
    let mut rest = line.split_whitespace().peekable();
    while let Some(word) = rest.next() {
        let is_unit = rest
            .peek()
            .is_some_and(|next| ["s", "min", "h"].contains(&next.trim_end_matches([',', ';'])));
        if is_time(word) && is_unit {
            rest.next();
            words.push("TIME".to_owned());
        } else {
            words.push(without_id(word));
        }
    }
    words.dedup_by(|a, b| a == "TIME" && b == "TIME");
    words.join(" ")
}

/// A word without the id of a run, ten digits, `-` and a number.
fn without_id(word: &str) -> String {
    const DIGITS: usize = 10;
    let is_digit = |letter: char| letter.is_ascii_digit();
    let Some((before, after)) = word.split_once('-') else {
        return word.to_owned();
    };
    let start = before.trim_end_matches(is_digit);
    let rest = after.trim_start_matches(is_digit);
    if before.len() - start.len() == DIGITS && rest.len() < after.len() {
        format!("{start}ID{rest}")
    } else {
        word.to_owned()
    }
}

/// True if the lines are those of a pattern, in which `…` stands for any number of lines.
pub fn matches(pattern: &[String], lines: &[String]) -> bool {
    match pattern.split_first() {
        None => lines.is_empty(),
        Some((first, rest)) if first == "…" => {
            (0..=lines.len()).any(|skipped| matches(rest, &lines[skipped..]))
        }
        Some((first, rest)) => match lines.split_first() {
            Some((line, lines)) => is_line(first, line) && matches(rest, lines),
            None => false,
        },
    }
}

/// True if a line is that of a pattern, in which `…` stands for any letters.
fn is_line(pattern: &str, line: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('…') else {
        return pattern == line;
    };
    let Some(mut left) = line.strip_prefix(start) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('…').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = left.split_once(part) else {
            return false;
        };
        left = after;
    }
    left.ends_with(end)
}

/// Beginnings of lines that depend on the machine: what took long enough to be told, and the device.
const OF_THE_MACHINE: [&str; 6] = [
    "computed ",
    "decoded ",
    "downloaded ",
    "extracted ",
    "verified ",
    "note: computing on ",
];

/// The lines of a page, or of what a command says, as they are compared.
pub fn lines(text: &str) -> Vec<String> {
    let lines = text.trim_end().lines();
    let told = lines.filter(|line| !OF_THE_MACHINE.iter().any(|start| line.starts_with(start)));
    told.map(without_times).collect()
}

#[test]
fn patterns_skip_lines_and_times_but_nothing_else() {
    let same = |pattern: &str, text: &str| matches(&lines(pattern), &lines(text));
    assert!(same("a\n…\nc", "a\nb\nb\nc\n"));
    assert!(same("…", ""));
    assert!(!same("a\n…\nc", "a\nb\nd\n"));
    assert!(same("at /x-1/ab…/c…f of", "at /x-1/abcd/ceef of"));
    assert!(!same("at /x-1/ab…/c…f of", "at /x-1/abcd/ceef on"));
    assert!(!same("ab…bc", "abc"));
    assert!(same(
        "loss 0.1  0.2 s  ~2.6 s left",
        "loss 0.1  1 min 03 s  ~12 s left"
    ));
    assert!(!same("loss 0.1  0.2 s", "loss 0.2  0.2 s"));
    assert!(same("run 1795530265-0 as x", "run 1895530265-12 as x"));
    assert!(!same("run 1795530265-0 as x", "run 1895530265-12 as y"));
}

#[test]
fn commands_are_found_with_what_they_show() {
    let page = "```sh\ngoldrun a   # why\n```\n\n```text\ny\n```\n```text\n$ goldrun b 'c d'\nx\n\n$ goldrun e\n```\n";
    let found = commands(page);
    let shown: Vec<(&str, Option<&str>)> = found
        .iter()
        .map(|shown| (shown.command.as_str(), shown.output.as_deref()))
        .collect();
    assert_eq!(
        shown,
        [
            ("goldrun a", Some("y\n")),
            ("goldrun b 'c d'", Some("x\n\n")),
            ("goldrun e", Some(""))
        ]
    );
    let page = "```python\nimport a\na.b()\n```\n\n```text\n1\n```\n";
    let found = commands(page);
    assert_eq!(found.len(), 1);
    assert!(found[0].is_python);
    assert_eq!(found[0].command, "import a\na.b()\n");
    assert_eq!(found[0].output.as_deref(), Some("1\n"));
    assert_eq!(shell_words("goldrun b 'c d'"), ["goldrun", "b", "c d"]);
}
