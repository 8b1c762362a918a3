//! Keeps docs/rfc-compliance.md and the tests consistent: every requirement has a row, a
//! requirement that holds lists tests that exist, and a test named for a requirement is listed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const DOCUMENT: &str = "docs/rfc-compliance.md";

/// Every section of the document with the requirements that need a row: the numbers and letters of
/// the RFCs, and names for requirements without a number.
const SECTIONS: [(&str, &[&str]); 8] = [
    (
        "RFC 4787",
        &[
            "REQ-1", "REQ-2", "REQ-3", "REQ-3a", "REQ-4", "REQ-5", "REQ-5a", "REQ-5b", "REQ-5c",
            "REQ-6", "REQ-7", "REQ-8", "REQ-9", "REQ-9a", "REQ-10", "REQ-11", "REQ-12", "REQ-12a",
            "REQ-12b", "REQ-13", "REQ-13a", "REQ-14", "REQ-14a",
        ],
    ),
    (
        "RFC 5382",
        &[
            "REQ-1", "REQ-2", "REQ-3", "REQ-4", "REQ-5", "REQ-6", "REQ-7", "REQ-8", "REQ-9",
            "REQ-10",
        ],
    ),
    (
        "RFC 5508",
        &[
            "REQ-1", "REQ-1a", "REQ-2", "REQ-2a", "REQ-3", "REQ-3a", "REQ-3b", "REQ-3c", "REQ-3d",
            "REQ-4", "REQ-5", "REQ-6", "REQ-7", "REQ-8", "REQ-9", "REQ-10", "REQ-11",
        ],
    ),
    (
        "RFC 7857",
        &[
            "state machine",
            "timeouts",
            "resets",
            "early end",
            "port overlapping",
            "refresh",
            "IP ID",
            "port randomisation",
        ],
    ),
    (
        "RFC 6888",
        &[
            "REQ-1", "REQ-2", "REQ-3", "REQ-4", "REQ-5", "REQ-6", "REQ-7", "REQ-8", "REQ-10",
            "REQ-11a", "REQ-11b", "REQ-11c", "REQ-11d", "REQ-12", "REQ-13", "REQ-14", "REQ-15",
        ],
    ),
    ("RFC 9693", &["benchmarks"]),
    (
        "Other RFCs",
        &[
            "RFC 1122", "RFC 1812", "RFC 2131", "RFC 2474", "RFC 3828", "RFC 5227", "RFC 6864",
            "RFC 7126", "RFC 9260", "RFC 9653",
        ],
    ),
    (
        "Pitfalls",
        &[
            "cilium 33844",
            "cilium 43196",
            "cilium 40194",
            "calico 5358",
            "calico 10640",
            "cilium 15890",
            "openvpn 1037",
            "xdp-tutorial 160",
            "cilium 38746",
            "calico 5753",
            "gvisor 14011",
            "cilium 19908",
            "ellanetworks 863",
            "simple-k8s-cni 5",
            "ttl",
            "cilium 12312",
            "conntrack",
            "cilium 10645",
            "cilium 37747",
            "cilium 47425",
            "cilium 8740",
            "cilium 24555",
            "reuse",
            "probes",
            "restart",
            "netavark 904",
            "moby 44742",
            "moby 53466",
            "cilium 34041",
            "moby 41872",
            "mininet 437",
            "mininet 530",
            "half a lab",
            "netavark",
            "netavark 2.1",
            "names",
            "nsntrack 33",
            "redan",
            "frag-needed",
            "flood",
            "spoof",
            "martian",
        ],
    ),
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Holds,
    DoesNot,
    /// With the reason.
    NotApplicable(String),
}

#[derive(Debug)]
struct Row {
    section: String,
    requirement: String,
    state: State,
    tests: BTreeSet<String>,
}

impl Row {
    fn name(&self) -> String {
        format!("{} {}", self.section, self.requirement)
    }
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(Path::new(ROOT).join(DOCUMENT)).expect(DOCUMENT);
    let mut section = String::new();
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            title.split(':').next().unwrap_or_default().clone_into(&mut section);
        }
        let is_head = line.starts_with("| requirement |") || line.starts_with("| --- |");
        if line.starts_with('|') && !is_head {
            rows.push(row(&section, line));
        }
    }
    rows
}

fn row(section: &str, line: &str) -> Row {
    let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [requirement, _, state, tests] = cells[..] else {
        panic!("a row of {} cells, not 4: {line}", cells.len());
    };
    let state = match state {
        "✓" => State::Holds,
        "✗" => State::DoesNot,
        other => {
            let reason = other.strip_prefix("not applicable, because ");
            let reason = reason.unwrap_or_else(|| panic!("neither ✓, ✗ nor a reason: {line}"));
            State::NotApplicable(reason.to_owned())
        }
    };
    let tests = tests.split(',').map(|test| test.trim().trim_matches('`').to_owned());
    let tests = tests.filter(|test| !test.is_empty()).collect();
    Row { section: section.to_owned(), requirement: requirement.to_owned(), state, tests }
}

/// The name of every test of the workspace.
fn tests() -> BTreeSet<String> {
    let mut files = Vec::new();
    for folder in ["netns-common", "netns-user", "tests", "xtask"] {
        collect(&Path::new(ROOT).join(folder), &mut files);
    }
    let mut names = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file");
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            is_test |= line == "#[test]";
            if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
                names.insert(rest.split('(').next().unwrap_or_default().to_owned());
                is_test = false;
            }
        }
    }
    names
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

#[test]
fn every_requirement_has_one_row() {
    let rows = rows();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for row in &rows {
        *counts.entry(row.name()).or_default() += 1;
    }
    let wanted: BTreeSet<String> = SECTIONS
        .iter()
        .flat_map(|(section, all)| all.iter().map(move |one| format!("{section} {one}")))
        .collect();
    let missing: Vec<_> = wanted.iter().filter(|name| !counts.contains_key(*name)).collect();
    assert!(missing.is_empty(), "{DOCUMENT} has no row for {missing:#?}");
    let strange: Vec<_> = counts.keys().filter(|name| !wanted.contains(*name)).collect();
    assert!(strange.is_empty(), "{DOCUMENT} has rows for what nobody asks: {strange:#?}");
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{DOCUMENT} has several rows for {twice:#?}");
}

#[test]
fn a_requirement_that_holds_has_tests_and_one_that_does_not_has_none() {
    let tests = tests();
    for row in rows() {
        let name = row.name();
        let missing: Vec<_> = row.tests.difference(&tests).collect();
        assert!(missing.is_empty(), "{name}: there are no tests {missing:?}");
        match &row.state {
            State::Holds => assert!(!row.tests.is_empty(), "{name} is ✓ without a test"),
            State::DoesNot => assert!(row.tests.is_empty(), "{name} is ✗ with {:?}", row.tests),
            State::NotApplicable(reason) => {
                assert!(row.tests.is_empty(), "{name} does not apply and has {:?}", row.tests);
                assert!(reason.len() > 20, "{name}: no reason");
            }
        }
    }
}

#[test]
fn every_test_named_for_a_requirement_is_in_the_table() {
    let named: BTreeSet<String> = rows().into_iter().flat_map(|row| row.tests).collect();
    let is_of_a_requirement = |test: &&String| {
        let digits = |prefix: &str| {
            test.strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        };
        digits("rfc") || digits("cve_") || test.starts_with("pitfall_")
    };
    let tests = tests();
    let missing: Vec<_> =
        tests.iter().filter(is_of_a_requirement).filter(|test| !named.contains(*test)).collect();
    assert!(missing.is_empty(), "no row of {DOCUMENT} names {missing:#?}");
}
