//! docs/differences-from-netfilter.md, whose tables are the list of what may differ.

use std::{collections::BTreeSet, fs};

use crate::exchange::Difference;

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/differences-from-netfilter.md");

/// Every row of the document's tables.
pub(crate) fn documented() -> BTreeSet<Difference> {
    let text = fs::read_to_string(DOCUMENT).unwrap_or_else(|error| panic!("{DOCUMENT}: {error}"));
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| case |") && !line.starts_with("| --- |"));
    rows.map(row).collect()
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
