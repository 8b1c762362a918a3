//! `cargo xtask tidy`: what must hold of the work tree and needs no build. A check a file.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::{Result, bail};
use cargo_metadata::TargetKind;

use crate::workspace::Workspace;

mod circles;
mod commands;
mod files;
mod finding;
mod lexer;
mod lines;
mod links;
mod markdown;
mod names;
mod pages;
mod rust;
mod todo;
mod tree;

use finding::Finding;
use markdown::Document;
use tree::Tree;

#[derive(Clone, Copy, Debug, clap::Args)]
#[command(after_help = "\
The files that git tracks are checked:
  - names, paths and commands in README.md, ARCHITECTURE.md, CONTRIBUTING.md and docs/ exist
  - links in Markdown lead to files and headings
  - another document links to each page of docs/, and docs/drop-reasons.md has each reason
  - the files of a crate do not import each other in a circle
  - lines have at most 100 columns
  - a Rust file opens with its purpose and has at most 450 lines
  - a note of work that is left names an issue

Exceptions are in xtask/src/tidy, each with its reason; one that is not needed is a finding.")]
pub(crate) struct Args {}

pub(crate) fn run(workspace: &Workspace, Args {}: Args) -> Result<ExitCode> {
    check(workspace)?;
    println!("tidy: no findings");
    Ok(ExitCode::SUCCESS)
}

/// Prints all findings, and fails if there is one.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let tree = Tree::read(workspace.root())?;
    let findings = findings(&tree, &crate_roots(workspace));
    findings.iter().for_each(|finding| println!("{finding}"));
    match findings.len() {
        0 => Ok(()),
        1 => bail!("tidy: 1 finding"),
        number => bail!("tidy: {number} findings"),
    }
}

fn findings(tree: &Tree, roots: &[String]) -> Vec<Finding> {
    let documents: BTreeMap<_, _> =
        tree.documents().map(|(path, text)| (path, Document::read(text))).collect();
    let mut findings = [
        names::check(tree, &documents),
        links::check(tree, &documents),
        pages::check(tree, &documents),
        circles::check(tree, roots),
        lines::check(tree, &documents),
        files::check(tree),
        todo::check(tree),
    ]
    .concat();
    findings.sort();
    findings
}

/// The root files of libraries and programs, as seen from the root of the workspace.
fn crate_roots(workspace: &Workspace) -> Vec<String> {
    let kinds = [TargetKind::Lib, TargetKind::Bin, TargetKind::ProcMacro];
    let targets = workspace.packages().iter().flat_map(|package| &package.targets);
    let targets = targets.filter(|target| target.kind.iter().any(|kind| kinds.contains(kind)));
    let paths = targets.filter_map(|target| target.src_path.strip_prefix(workspace.root()).ok());
    paths.map(|path| path.as_str().to_owned()).collect()
}
