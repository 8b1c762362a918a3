//! docs/lecture.md, as a student would follow it: what it tells to type shows what it says.

use std::{
    env, fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use netns_tests::{DEADLINE, Running, Sandbox, eventually, netns_path, own, run};

/// Stands for what is different each time: within a line for any text, alone for any lines.
const WILDCARD: &str = "…";

/// What a student types, and what is shown then.
#[derive(Debug, Default)]
struct Entry {
    line: usize,
    command: String,
    shown: Vec<String>,
}

/// All that stands in ```console blocks.
fn entries(text: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut is_console = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("```") {
            is_console = line == "```console";
        } else if is_console {
            match (line.strip_prefix("$ "), entries.last_mut()) {
                (Some(command), _) => entries.push(Entry {
                    line: number,
                    command: command.to_owned(),
                    shown: Vec::new(),
                }),
                (None, Some(entry)) => entry.shown.push(line.to_owned()),
                (None, None) => panic!("line {number}: shown before anything was typed"),
            }
        }
    }
    entries
}

/// Words with one blank between: columns are as wide as what is in them.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn line_matches(pattern: &str, line: &str) -> bool {
    let parts: Vec<&str> = pattern.split(WILDCARD).collect();
    let [first, middle @ .., last] = parts.as_slice() else { return pattern == line };
    let Some(rest) = line.strip_prefix(first) else { return false };
    let Some(mut rest) = rest.strip_suffix(last) else { return false };
    middle.iter().all(|part| match rest.split_once(part) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

fn matches(pattern: &[String], lines: &[String]) -> bool {
    match (pattern.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((first, others)), _) if first == WILDCARD => {
            (0..=lines.len()).any(|skipped| matches(others, &lines[skipped..]))
        }
        (Some((pattern, others)), Some((line, rest))) => {
            line_matches(pattern, line) && matches(others, rest)
        }
        _ => false,
    }
}

/// A shell in which `netns` is the program under test.
fn shell(command: &str) -> Command {
    let folder = netns_path().parent().expect("a folder").to_owned();
    let path = env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("PATH", format!("{}:{path}", folder.display()));
    shell
}

/// Whether the command shows what the document says; else what it shows.
fn follow(entry: &Entry) -> Result<(), String> {
    let output = run(None, &mut shell(&format!("{} 2>&1", entry.command)));
    let expected: Vec<String> = entry.shown.iter().map(|line| words(line)).collect();
    // A blank line at the end is not to be seen on paper.
    let shown: Vec<String> = output.stdout.trim_end().lines().map(words).collect();
    if matches(&expected, &shown) {
        return Ok(());
    }
    Err(format!(
        "docs/lecture.md, line {}:\n$ {}\n--- it says\n{}\n--- it is\n{}",
        entry.line,
        entry.command,
        entry.shown.join("\n"),
        output.stdout
    ))
}

#[test]
fn the_document_shows_what_the_program_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/lecture.md");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let entries = entries(&text);
    assert!(entries.len() > 50, "too few commands: {}", entries.len());
    let _sandbox = Sandbox::new();
    let mut beside: Vec<Running> = Vec::new();
    let mut is_starting = false;
    for entry in &entries {
        if let Some(command) = entry.command.strip_suffix(" &") {
            assert!(entry.shown.is_empty(), "line {}: it shows nothing here", entry.line);
            beside.push(Running::start(None, &mut shell(&format!("exec {command}"))));
            is_starting = true;
            continue;
        }
        // A student types slowly: what was started in the background is there by then.
        let started = Instant::now();
        let patience = if is_starting { DEADLINE } else { Duration::ZERO };
        eventually(&entry.command, DEADLINE * 2, || match follow(entry) {
            Ok(()) => true,
            Err(_) if started.elapsed() < patience => false,
            Err(difference) => panic!("{difference}"),
        });
        is_starting = false;
    }
    assert!(own().interfaces().is_empty(), "the machine's own network was touched");
}

#[test]
fn a_difference_is_seen() {
    let text = |lines: &[&str]| lines.iter().map(|line| words(line)).collect::<Vec<_>>();
    let pattern = text(&["a … c", "…", "e"]);
    assert!(matches(&pattern, &text(&["a  bb  c", "e"])));
    assert!(matches(&pattern, &text(&["a b c", "d", "d", "e"])));
    for other in [&["a b", "e"][..], &["a b c"], &["a b c", "e", "f"], &["b a b c", "e"], &[]] {
        assert!(!matches(&pattern, &text(other)), "{other:?}");
    }
    assert!(!matches(&[], &text(&["a"])));
}
