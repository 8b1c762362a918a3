//! docs/json.md: every field of every command's JSON.

use super::{
    fields::{Field, Output},
    prose::{paragraph, row},
    sections::{Section, UNCHANGED, dry_run, sections},
};

const INTRODUCTION: &str = "\
# The JSON of each command

<!-- Made by `cargo xtask docs` from the code. Change the doc comments there, not this page. -->

Every command that shows or changes something has `--json`. Its output has one shape, whatever the
number of labs, routers and rules: a list of one thing is a list. Errors and notes are text on
standard error, and standard output is empty then, unless a section says otherwise.

Fields are in alphabetical order here, and in any order in the output. `a[].b` is the field `b` of
each object in the array `a`. Integers are at most 2^64 - 1; addresses, networks and interfaces are
strings. Bytes are those of IP packets, without Ethernet headers. A later version may add fields.
A field keeps its name and meaning, or [CHANGELOG.md](../CHANGELOG.md) tells of the change.

## `--explain` and `--dry-run`

";

/// The page.
pub(super) fn page() -> String {
    let mut text = INTRODUCTION.to_owned();
    text += &paragraph(
        "Commands that change something take both. With `--explain`, the object has the field \
         `commands` besides its own. With `--dry-run`, it has only this field, and nothing is \
         changed. `netns down --all`, and `netns forward` with several protocols, print an array, \
         which has no place for it: its objects are as without `--explain`.",
    );
    text += "\n";
    text += &table(&dry_run());
    for section in sections() {
        text += &of_section(&section);
    }
    text += "\n## Commands without JSON of their own\n\n";
    for (command, does) in UNCHANGED {
        text += &paragraph(&format!("- `netns {command}` {does}."));
    }
    text += &paragraph("- `netns exec` passes `--json` to the command that it runs.");
    text
}

fn of_section(Section { commands, text, output }: &Section) -> String {
    let commands: Vec<String> =
        commands.iter().map(|command| format!("`netns {command}`")).collect();
    let shape = if output.is_array { "An array of objects." } else { "An object." };
    let words = paragraph(&format!("{shape} {text}"));
    format!("\n## {}\n\n{words}\n{}", commands.join(", "), table(output))
}

fn table(output: &Output) -> String {
    let mut text = row(["field", "type", "meaning"]) + &row(["---", "---", "---"]);
    for Field { path, kind, meaning } in &output.fields {
        text += &row([format!("`{path}`").as_str(), kind, meaning]);
    }
    text
}

mod tests {
    use std::collections::BTreeSet;

    use clap::{Command, CommandFactory as _};

    use super::*;
    use crate::cli::Cli;

    /// The commands that take `--json`, each with the words before it: `bridge add`.
    fn commands(command: &Command, words: &str, found: &mut BTreeSet<String>) {
        let subcommands: Vec<&Command> = command.get_subcommands().collect();
        let has_json = command
            .get_arguments()
            .any(|argument| argument.get_id() == "json" && !argument.is_hide_set());
        let runs = subcommands.is_empty() || !command.is_subcommand_required_set();
        if has_json && runs && !words.is_empty() && !command.is_hide_set() {
            found.insert(words.to_owned());
        }
        for below in subcommands {
            let words = format!("{words} {}", below.get_name());
            commands(below, words.trim_start(), found);
        }
    }

    #[test]
    fn every_command_with_json_has_one_section() {
        let mut cli = Cli::command();
        cli.build();
        let mut expected = BTreeSet::new();
        commands(&cli, "", &mut expected);
        for known in ["nat", "bridge add", "flows", "flows flush", "forward list"] {
            assert!(expected.contains(known), "{known} is not in {expected:?}");
        }
        let mut described: Vec<&str> =
            sections().iter().flat_map(|section| section.commands).copied().collect();
        described.extend(UNCHANGED.map(|(command, _)| command));
        described.sort_unstable();
        assert_eq!(described, expected.iter().map(String::as_str).collect::<Vec<_>>());
    }

    #[test]
    fn every_field_has_a_meaning_in_words_of_json() {
        for Section { commands, output, .. } in sections() {
            assert!(!output.fields.is_empty(), "{commands:?}");
            for Field { path, kind, meaning } in &output.fields {
                assert!(meaning.ends_with(['.', '…']), "{commands:?} {path}: \"{meaning}\"");
                let is_rust = meaning.contains("`None`") || meaning.contains("[`");
                let is_null_told = !kind.ends_with("or null") || meaning.contains("null");
                assert!(is_null_told, "{commands:?} {path}: \"{meaning}\"");
                assert!(!is_rust, "{commands:?} {path}: \"{meaning}\"");
            }
        }
    }
}
