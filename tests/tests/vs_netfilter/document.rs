//! The accepted differences: the tables in docs/differences-from-netfilter.md.

use std::{collections::BTreeSet, fs};

use crate::{exchange::Difference, labs::Mode};

const DOCUMENT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/differences-from-netfilter.md");

/// Marks a row that does not apply with `via_stack`.
const STRAIGHT_ONLY: &str = " †";

/// Every row of the document's tables.
pub(crate) fn documented(mode: Mode) -> BTreeSet<Difference> {
    let text = fs::read_to_string(DOCUMENT).unwrap_or_else(|error| panic!("{DOCUMENT}: {error}"));
    let rows = text.lines().filter(|line| {
        line.starts_with("| ") && !line.starts_with("| case |") && !line.starts_with("| --- |")
    });
    let is_of_mode = |line: &&str| {
        mode == Mode::Straight || !line.trim_end_matches([' ', '|']).ends_with(STRAIGHT_ONLY)
    };
    rows.filter(is_of_mode).map(row).collect()
}

fn row(line: &str) -> Difference {
    let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
    let [case, step, at, what, ours, netfilters, why] = cells[..] else {
        panic!("a row of {} cells, not 7: {line}", cells.len());
    };
    assert!(why.len() > 10, "a row without its reason: {line}");
    let [case, step, at, what, ours, netfilters] =
        [case, step, at, what, ours, netfilters].map(str::to_owned);
    Difference { case, step, at, what, ours, netfilters }
}
