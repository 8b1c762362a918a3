//! The pages of docs/ that are made of the code: the fields of each `--json`, and the drop reasons.
//!
//! `cargo xtask docs` runs these tests with `NETNS_WRITE_DOCS=1`, which writes the pages. Without
//! it they compare.

mod drop_reasons;
mod fields;
mod json;
mod prose;
mod sections;

use std::{env, fs, path::Path};

/// Set: the pages are written, not compared.
const WRITE: &str = "NETNS_WRITE_DOCS";

/// Compares a page of docs/ with its text, or writes it.
#[track_caller]
fn compare(page: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    if env::var_os(WRITE).is_some() {
        fs::write(&file, text).unwrap();
    }
    let written = fs::read_to_string(&file).unwrap_or_default();
    assert!(written == text, "docs/{page} differs from the code: run `cargo xtask docs`");
}

#[test]
fn the_page_of_json_fields_is_that_of_the_code() {
    compare("json.md", &json::page());
}

#[test]
fn the_page_of_drop_reasons_is_that_of_the_code() {
    compare("drop-reasons.md", &drop_reasons::page());
}
