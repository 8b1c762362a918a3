//! Names in the documents exist: files and folders, names of the Rust sources, and commands with
//! their options. Only code between backticks is checked, and commands in blocks of code.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    commands::{self, Command},
    finding::Finding,
    links::resolve,
    markdown::{Document, Part},
    tree::Tree,
};

mod allowed;
mod calls;
mod sources;
mod subject;

use allowed::ALLOWED;
use calls::Programs;
use sources::Sources;
use subject::{Subject, subject};

/// Documents that are not checked: the changelog may name what is no longer there, and the lines of
/// other programs are typed by a test.
const UNCHECKED: [&str; 2] = ["CHANGELOG.md", "docs/habits.md"];

/// Documents in which a word between backticks is a module, a function, a command or a program.
const MAPS: [&str; 1] = ["ARCHITECTURE.md"];

/// Where the arguments of each program are declared: its words, the file and the struct.
const PROGRAMS: [(&str, &str, &str); 2] =
    [("netns", "netns-user/src/cli/mod.rs", "Cli"), ("cargo xtask", "xtask/src/main.rs", "Cli")];

/// The arguments that `cargo xtask bench` passes on.
const BENCH: (&str, &str) = ("tests/bench/src/args.rs", "Args");

pub(super) fn check(tree: &Tree, documents: &BTreeMap<&str, Document>) -> Vec<Finding> {
    let mut programs = Programs::default();
    for (words, path, name) in PROGRAMS {
        programs.add(words, commands::read(tree, path, name));
    }
    programs.add_options(&commands::read(tree, BENCH.0, BENCH.1));
    let mut known = Known { tree, sources: Sources::read(tree), programs, used: BTreeSet::new() };
    let mut findings = Vec::new();
    for (path, document) in documents.iter().filter(|(path, _)| !UNCHECKED.contains(path)) {
        for span in &document.spans {
            findings.extend(known.check_span(path, span));
        }
        for line in &document.code {
            findings.extend(known.programs.check_line(path, line));
        }
    }
    findings.extend(known.needless());
    findings
}

/// All that a document may name.
struct Known<'a> {
    tree: &'a Tree,
    sources: Sources<'a>,
    programs: Programs,
    /// The names of the list of exceptions that documents have.
    used: BTreeSet<&'static str>,
}

impl Known<'_> {
    fn check_span(&mut self, path: &str, span: &Part) -> Vec<Finding> {
        let finding = |message: String| vec![Finding::new(path, span.line, message)];
        if let Some(calls) = self.programs.check_span(path, span) {
            return calls;
        }
        match subject(self.tree, &span.text) {
            Some(Subject::Path(name)) if !self.has_path(path, name) => finding(format!(
                "`{name}` is no file or folder of the repository; correct the path"
            )),
            Some(Subject::Name(names)) if !self.has_name(&names) => {
                let name = names.join("::");
                finding(format!("no Rust source has the name `{name}`; correct it"))
            }
            None if MAPS.contains(&path) && !self.has_word(&span.text) => finding(format!(
                "`{}` is no name of the sources, no path and no command; correct it",
                span.text
            )),
            _ => Vec::new(),
        }
    }

    /// Whether a text of the form of a word is a name. Other texts are none.
    fn has_word(&mut self, text: &str) -> bool {
        let is_word = text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.chars().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit());
        !is_word
            || self.tree.has_ending(text)
            || self.tree.has_ending(&format!("{text}.rs"))
            || self.has_name(&[text])
    }

    fn has_path(&mut self, document: &str, name: &str) -> bool {
        let is_beside = resolve(document, name).is_some_and(|path| self.tree.has(&path));
        self.tree.has(name) || is_beside || self.tree.has_ending(name) || self.is_allowed(name)
    }

    fn has_name(&mut self, names: &[&str]) -> bool {
        self.sources.has(names) || self.is_allowed(&names.join("::"))
    }

    fn is_allowed(&mut self, name: &str) -> bool {
        let allowed =
            ALLOWED.iter().flat_map(|(_, names)| *names).find(|allowed| **allowed == name);
        self.used.extend(allowed);
        allowed.is_some()
    }

    /// Findings for exceptions that no document needs.
    fn needless(&self) -> Vec<Finding> {
        let all = ALLOWED.iter().flat_map(|(_, names)| *names);
        let needless = all.filter(|name| !self.used.contains(*name));
        let finding = |name: &&str| {
            let message = format!("no document needs the exception `{name}`; remove it");
            Finding::new("xtask/src/tidy/names/allowed.rs", 1, message)
        };
        needless.map(finding).collect()
    }
}
