//! The examples and the reference agree with the parser.

use std::{fs, path::PathBuf};

use serde_json::Value;

use super::{Topology, schema};

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_examples_are_valid() {
    let mut labs = Vec::new();
    for entry in fs::read_dir(repository().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let lab = Topology::parse(&text, &path.display().to_string())
            .unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(Topology::parse(&lab.to_toml(), "again.toml").as_ref(), Ok(&lab));
        // An example is found by its file name, and its lab by the same name.
        assert_eq!(path.file_stem().unwrap(), lab.name.as_str());
        labs.push((lab.name.clone(), lab.namespaces.len()));
    }
    labs.sort();
    let labs: Vec<_> = labs.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    let expected =
        [("lab-host", 3), ("lecture", 2), ("many", 200), ("two-bridges", 4), ("two-uplinks", 2)];
    assert_eq!(labs, expected);
}

#[test]
fn the_reference_documents_every_key() {
    let text = fs::read_to_string(repository().join("docs/topology.md")).unwrap();
    // Each section has a table of keys below a heading with the table's name.
    let section = |name: &str| {
        let mut sections = text.split("\n## ").skip(1);
        let found = sections.find(|section| {
            let heading = section.lines().next().unwrap_or_default();
            heading.split(['`', ' ', '[', ']', '.', '=']).any(|word| word == name)
        });
        found.unwrap_or_else(|| panic!("no section for {name}"))
    };
    let schema = schema();
    let tables = schema["$defs"].as_object().unwrap();
    let keys = |table: &Value| -> Vec<String> {
        table["properties"].as_object().unwrap().keys().cloned().collect()
    };
    for (name, table) in tables.iter().filter(|(_, table)| table.get("properties").is_some()) {
        let section = section(if name == "cable-end" { "cable" } else { name });
        for key in keys(table) {
            assert!(section.contains(&format!("\n| `{key}` |")), "{name}: {key}");
        }
    }
    for key in keys(&schema) {
        assert!(section("file").contains(&format!("`{key}`")), "{key}");
    }
}

#[test]
fn the_topologies_in_the_reference_are_valid() {
    let text = fs::read_to_string(repository().join("docs/topology.md")).unwrap();
    let blocks: Vec<&str> = text
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split_once("```").expect("a block has an end").0)
        .collect();
    assert!(blocks.len() >= 6, "{}", blocks.len());
    for block in blocks {
        Topology::parse(block, "docs/topology.md")
            .unwrap_or_else(|error| panic!("{error}\n{block}"));
    }
}
