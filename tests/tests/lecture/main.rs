//! Runs the commands of docs/lecture.md and compares their output with the document.

use std::{
    env, fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use netns_tests::{DEADLINE, Running, Sandbox, eventually, netns_path, own, run};

mod pattern;

use pattern::Pattern;

/// A command of the document and its expected output.
#[derive(Debug, Default)]
struct Entry {
    line: usize,
    command: String,
    shown: Vec<String>,
}

/// The commands in all ```console blocks.
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

/// A shell in which `netns` is the program under test.
fn shell(command: &str) -> Command {
    let folder = netns_path().parent().expect("a folder").to_owned();
    let path = env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).env("PATH", format!("{}:{path}", folder.display()));
    shell
}

/// Runs the command and compares its output. The error is the actual output.
fn follow(entry: &Entry) -> Result<(), String> {
    let output = run(None, &mut shell(&format!("{} 2>&1", entry.command)));
    // Blank lines at the end do not matter.
    let shown: Vec<&str> = output.stdout.trim_end().lines().map(str::trim_end).collect();
    let expected: Vec<&str> = entry.shown.iter().map(String::as_str).collect();
    if Pattern::new(&expected).matches(&shown) {
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
fn every_output_in_the_lecture_matches_the_program() {
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
        // Retried, because a server started in the background may not listen yet.
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
