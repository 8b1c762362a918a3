//! Replays the inputs that the fuzzer has found: those that reach new code, and those that once
//! failed.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use netns_common::model::fuzz::{self, Report};

/// Lower bounds for the inputs of the corpus and for their redirected packets, a little below the
/// counted numbers. New inputs are added, and none is removed.
const INPUTS: usize = 560;
const REDIRECTED: usize = 850;

/// Runs all inputs of a folder under `netns-common/fuzz`, each by itself.
fn replay(folder: &str) -> Vec<Report> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    let run = |file: &PathBuf| {
        let bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let result = catch_unwind(AssertUnwindSafe(|| fuzz::run(&bytes)));
        result.unwrap_or_else(|_| panic!("the input {} breaks what must hold", file.display()))
    };
    files.iter().map(run).collect()
}

#[test]
fn every_input_of_the_corpus_keeps_the_invariants() {
    let reports = replay("corpus");
    let packets: usize = reports.iter().map(|report| report.packets).sum();
    let redirected: usize = reports.iter().map(|report| report.redirected).sum();
    println!("{} inputs, {packets} packets, {redirected} redirected", reports.len());
    assert!(reports.len() >= INPUTS, "the corpus has lost inputs");
    assert!(redirected >= REDIRECTED, "the corpus does not reach what it reached");
}

#[test]
fn inputs_that_once_broke_an_invariant_keep_it_now() {
    let reports = replay("crashes");
    assert!(!reports.is_empty(), "the folder has at least the input that proved the target");
}
