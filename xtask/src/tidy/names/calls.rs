//! Calls of the project's programs in documents: each command and option exists.

use std::collections::BTreeSet;

use super::{Command, Finding, Part};

/// The programs, by the words that call them.
#[derive(Debug, Default)]
pub(super) struct Programs {
    programs: Vec<(&'static str, Command)>,
    /// The options of all commands of all programs.
    options: BTreeSet<String>,
}

impl Programs {
    pub(super) fn add(&mut self, words: &'static str, command: Command) {
        self.add_options(&command);
        self.programs.push((words, command));
    }

    /// Adds options of a program that is called by another one.
    pub(super) fn add_options(&mut self, command: &Command) {
        self.options.extend(command.all_options().into_iter().map(str::to_owned));
    }

    /// Checks a span that calls a program, or names options. `None` for any other.
    pub(super) fn check_span(&self, path: &str, span: &Part) -> Option<Vec<Finding>> {
        let words: Vec<_> = span.text.split_whitespace().map(plain).collect();
        if let Some((words, program, arguments)) = self.call(&words) {
            let faults = self.faults(words, program, arguments);
            return Some(faults.into_iter().map(|it| Finding::new(path, span.line, it)).collect());
        }
        // `exec --isolate` and `--force`.
        let first = words.first()?;
        let is_command = self.programs.iter().any(|(_, it)| it.commands.contains_key(*first));
        if !is_command && !first.starts_with("--") {
            return None;
        }
        let options = words.iter().filter_map(|word| option(word));
        let unknown = options.filter(|option| !self.has_option(option));
        let finding = |option| {
            let message = format!("no command has the option --{option}; correct it");
            Finding::new(path, span.line, message)
        };
        let findings: Vec<_> = unknown.map(finding).collect();
        (first.starts_with("--") || !findings.is_empty()).then_some(findings)
    }

    /// Checks the commands, options apart, in a line of a block of code.
    pub(super) fn check_line(&self, path: &str, line: &Part) -> Vec<Finding> {
        let code = line.text.split(" #").next().unwrap_or_default();
        let parts = code.split(['|', ';', '&']);
        let faults = parts.flat_map(|part| {
            let words: Vec<_> = part.split_whitespace().map(plain).collect();
            self.call(&words).map_or_else(Vec::new, |(words, program, arguments)| {
                let commands: Vec<_> =
                    arguments.iter().copied().filter(|word| !word.starts_with('-')).collect();
                self.faults(words, program, &commands)
            })
        });
        faults.map(|fault| Finding::new(path, line.line, fault)).collect()
    }

    /// The program that words call, and its arguments.
    fn call<'b>(&self, words: &'b [&'b str]) -> Option<(&'static str, &Command, &'b [&'b str])> {
        let is_before = |word: &&str| ["sudo", "$", "#"].contains(word) || is_assignment(word);
        let start = words.iter().position(|word| !is_before(word))?;
        let words = &words[start..];
        self.programs.iter().find_map(|(program, command)| {
            let names: Vec<_> = program.split(' ').collect();
            let called = words.get(..names.len())?;
            let is_it = called.iter().zip(&names).all(|(word, name)| {
                word == name || word.strip_suffix(name).is_some_and(|path| path.ends_with('/'))
            });
            is_it.then(|| (*program, command, &words[names.len()..]))
        })
    }

    /// What of the arguments does not exist.
    fn faults(&self, program: &str, command: &Command, arguments: &[&str]) -> Vec<String> {
        let mut faults = Vec::new();
        let mut command = command;
        let mut called = program.to_owned();
        let mut may_be_command = true;
        for word in arguments {
            if *word == "--" {
                break;
            }
            if let Some(option) = option(word) {
                let is_known =
                    command.has_option(option) || command.passes_on && self.has_option(option);
                if !is_known {
                    faults.push(format!("`{called}` has no option --{option}; correct it"));
                }
                continue;
            }
            if !may_be_command || word.starts_with('-') {
                continue;
            }
            may_be_command = false;
            if let Some(below) = command.commands.get(*word) {
                command = below;
                called = format!("{called} {word}");
                may_be_command = !below.commands.is_empty();
            } else if command.needs_command && is_word(word) {
                faults.push(format!("`{called}` has no command `{word}`; correct it"));
                break;
            }
        }
        faults
    }

    fn has_option(&self, option: &str) -> bool {
        self.options.contains(option) || Command::default().has_option(option)
    }
}

/// A word without the brackets of what may be left out.
fn plain(word: &str) -> &str {
    word.trim_matches(['[', ']', ','])
}

/// The name of a long option, its value apart.
fn option(word: &str) -> Option<&str> {
    let name = word.strip_prefix("--")?.split('=').next()?;
    let is_name = name.starts_with(|first: char| first.is_ascii_lowercase());
    is_name.then_some(name)
}

/// Whether a word may be the name of a command, and is no placeholder.
fn is_word(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_lowercase())
        && word.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-')
}

/// Whether a word sets a variable for the command behind it.
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|it| it.is_ascii_uppercase() || it == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::{Command, Part, Programs};

    fn programs() -> Programs {
        let command = |options: &[&str], commands: &[(&str, Command)]| Command {
            options: options.iter().map(|it| (*it).to_owned()).collect(),
            commands: commands.iter().map(|(name, it)| ((*name).to_owned(), it.clone())).collect(),
            needs_command: !commands.is_empty(),
            passes_on: false,
        };
        let add = command(&["to"], &[]);
        let run = Command { passes_on: true, ..command(&["fast"], &[]) };
        let program = command(&[], &[("rule", command(&[], &[("add", add)])), ("run", run)]);
        let mut programs = Programs::default();
        programs.add("cargo tool", program);
        programs
    }

    fn of_span(text: &str) -> Option<Vec<String>> {
        let span = Part { line: 1, text: text.to_owned() };
        let findings = programs().check_span("a.md", &span)?;
        Some(findings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn commands_and_options_of_calls_exist() {
        for right in [
            "cargo tool rule add [--to ADDRESS] x",
            "sudo cargo tool run -- --else",
            "SEED=1 cargo tool run --to 1",
            "cargo tool COMMAND",
            "cargo tool --help",
            "--fast",
        ] {
            assert_eq!(of_span(right), Some(Vec::new()), "{right}");
        }
        for (wrong, fault) in [
            ("cargo tool walk", "`cargo tool` has no command `walk`; correct it"),
            ("cargo tool rule del x", "`cargo tool rule` has no command `del`; correct it"),
            (
                "cargo tool rule add --from x",
                "`cargo tool rule add` has no option --from; correct it",
            ),
            ("--slow", "no command has the option --slow; correct it"),
            ("run --slow", "no command has the option --slow; correct it"),
        ] {
            assert_eq!(of_span(wrong), Some(vec![format!("a.md:1: {fault}")]));
        }
        assert_eq!(of_span("other --slow"), None);
    }

    #[test]
    fn in_blocks_only_commands_are_checked() {
        let of = |text: &str| {
            let line = Part { line: 3, text: text.to_owned() };
            programs().check_line("a.md", &line).len()
        };
        assert_eq!(of("sudo cargo tool rule add --from x | cargo tool run"), 0);
        assert_eq!(of("cargo tool run && cargo tool walk # why"), 1);
        assert_eq!(of("not cargo tool walk"), 0);
    }
}
