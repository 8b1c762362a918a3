//! docs/datapath.md against the table of stages: the arrows of its drawings and the purposes of the
//! stages.

use std::collections::BTreeSet;

use netns_common::abi::Stage;

const DOCUMENT: &str = include_str!("../../docs/datapath.md");

/// An arrow from a program to a stage.
type Arrow = (String, String);

/// The stages that the drawings leave out, or show once: a first fragment goes there before it is
/// translated, whatever stage has decided so.
const LEFT_OUT: [Stage; 1] = [Stage::FirstFragment];

fn stage_of(program: &str) -> Option<Stage> {
    Stage::ALL.into_iter().find(|stage| stage.program() == program)
}

/// The arrows of the table, without those of a stage to itself and back from an eviction.
fn arrows_of_the_table() -> BTreeSet<Arrow> {
    let stages = Stage::ALL.into_iter().filter(|stage| !LEFT_OUT.contains(stage));
    let arrows = stages.flat_map(|stage| {
        stage.from().iter().map(move |from| ((*from).to_owned(), stage.program().to_owned()))
    });
    arrows.filter(|(from, _)| from != Stage::Evict.program()).collect()
}

/// The arrows between programs in the drawings.
fn arrows_of_the_drawings() -> BTreeSet<Arrow> {
    let lines = DOCUMENT.lines().filter_map(|line| line.trim().split_once(" -->"));
    let arrows = lines.map(|(from, rest)| {
        let to = rest.rsplit('|').next().unwrap_or(rest).trim();
        let name = |text: &str| -> String {
            text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        (name(from), name(to))
    });
    let is_left_out = |to: &str| stage_of(to).is_none_or(|stage| LEFT_OUT.contains(&stage));
    let is_back = |from: &str| from == Stage::Evict.program();
    arrows.filter(|(from, to)| from != to && !is_left_out(to) && !is_back(from)).collect()
}

#[test]
fn the_drawings_have_the_arrows_of_the_table_of_stages() {
    let (table, drawings) = (arrows_of_the_table(), arrows_of_the_drawings());
    let missing: Vec<_> = table.difference(&drawings).collect();
    let invented: Vec<_> = drawings.difference(&table).collect();
    assert!(missing.is_empty(), "docs/datapath.md lacks these arrows: {missing:?}");
    assert!(invented.is_empty(), "only docs/datapath.md has these arrows: {invented:?}");
}

#[test]
fn the_document_says_the_purpose_of_each_stage_as_the_table_does() {
    for stage in Stage::ALL {
        let row = format!("| `{}` | {} |", stage.program(), stage.purpose().trim());
        assert!(DOCUMENT.contains(&row), "docs/datapath.md lacks this row:\n{row}");
    }
}
