//! No circle of imports between the files of a crate: each file can be read knowing only those
//! that it imports.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{finding::Finding, rust::line_of, tree::Tree};

mod module;
mod modules;

use modules::{Modules, Need};

/// How many imports of a circle are shown, those between two files being one.
const SHOWN: usize = 40;

/// A circle: files each of which leads to each other one by imports.
struct Circle<'a> {
    files: BTreeSet<&'a str>,
    needs: Vec<Need<'a>>,
}

/// Checks the crates with these root files.
pub(super) fn check(tree: &Tree, roots: &[String]) -> Vec<Finding> {
    roots.iter().flat_map(|root| check_crate(tree, root)).collect()
}

fn check_crate(tree: &Tree, root: &str) -> Vec<Finding> {
    circles(Modules::read(tree, root).needs()).iter().map(|circle| found(tree, circle)).collect()
}

/// The circles that these imports make.
fn circles(needs: Vec<Need<'_>>) -> Vec<Circle<'_>> {
    let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for need in &needs {
        imports.entry(need.from).or_default().insert(need.to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        imports.keys().map(|file| (*file, reached_from(file, &imports))).collect();
    let leads = |from: &str, to: &str| reached.get(from).is_some_and(|files| files.contains(to));
    let mut circles: Vec<Circle<'_>> = Vec::new();
    for file in imports.keys() {
        let is_found = circles.iter().any(|circle| circle.files.contains(file));
        if is_found || !leads(file, file) {
            continue;
        }
        let files = reached[file].iter().copied().filter(|other| leads(other, file)).collect();
        circles.push(Circle { files, needs: Vec::new() });
    }
    for need in needs {
        let circle = circles
            .iter_mut()
            .find(|circle| circle.files.contains(need.from) && circle.files.contains(need.to));
        if let Some(circle) = circle {
            circle.needs.push(need);
        }
    }
    circles
}

/// The files that imports lead to, the first one only if they lead back to it.
fn reached_from<'a>(
    file: &str,
    imports: &BTreeMap<&'a str, BTreeSet<&'a str>>,
) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = vec![file];
    while let Some(file) = next.pop() {
        for to in imports.get(file).into_iter().flatten() {
            if reached.insert(*to) {
                next.push(to);
            }
        }
    }
    reached
}

/// Tells of a circle: first the imports of a shortest way round, at one of which it can be opened,
/// then those of the other files.
fn found(tree: &Tree, circle: &Circle<'_>) -> Finding {
    let files = shortest(circle);
    let is_next = |from: &str, to: &str| {
        let place = files.iter().position(|file| *file == from);
        place.is_some_and(|place| files[(place + 1) % files.len()] == to)
    };
    let mut pairs: Vec<_> =
        circle.needs.chunk_by(|a, b| (a.from, a.to) == (b.from, b.to)).collect();
    pairs.sort_by_key(|needs| !is_next(needs[0].from, needs[0].to));
    let mut message = format!(
        "{} files import each other in a circle; move what both sides need to a file of its own. \
         The shortest way round:",
        circle.files.len()
    );
    let line_of = |need: &Need<'_>| tree.text(need.from).map_or(1, |text| line_of(text, need.at));
    for (number, needs) in pairs.iter().take(files.len().max(SHOWN)).enumerate() {
        if number == files.len() {
            message.push_str("\n  and the other imports of the circle:");
        }
        let Need { from, to, .. } = needs[0];
        let names: Vec<_> = needs.iter().map(|need| format!("`{}`", need.name)).collect();
        message.push_str(&format!(
            "\n    {from}:{}: {} of {to}",
            line_of(&needs[0]),
            names.join(", ")
        ));
    }
    if pairs.len() > SHOWN {
        message.push_str(&format!("\n    and {} more", pairs.len() - SHOWN));
    }
    let first = pairs.first().map(|needs| &needs[0]);
    Finding::new(first.map_or("", |need| need.from), first.map_or(1, line_of), message)
}

/// The files of a shortest way round, each of which imports the next, and the last the first.
fn shortest<'a>(circle: &Circle<'a>) -> Vec<&'a str> {
    let ways = circle.files.iter().filter_map(|file| way_back(circle, file));
    ways.min_by_key(Vec::len).unwrap_or_default()
}

/// The files of a shortest way from a file back to it.
fn way_back<'a>(circle: &Circle<'a>, start: &'a str) -> Option<Vec<&'a str>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut next = VecDeque::from([start]);
    while let Some(file) = next.pop_front() {
        for need in circle.needs.iter().filter(|need| need.from == file) {
            if need.to == start {
                let mut files: Vec<_> =
                    std::iter::successors(Some(file), |file| before.get(file).copied()).collect();
                files.reverse();
                return Some(files);
            }
            if !before.contains_key(need.to) {
                before.insert(need.to, file);
                next.push_back(need.to);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{
        super::tree::{Tree, tree},
        check_crate,
    };

    const A: (&str, &str) = ("src/x/a.rs", "use super::b::f;\npub fn g() {}");
    const B: (&str, &str) = ("src/x/b.rs", "\nuse super::a::g;\npub fn f() {}");

    fn two_files_in_a_circle() -> Tree {
        tree(&[("src/lib.rs", "mod x;"), ("src/x/mod.rs", "mod a; mod b; mod c;"), A, B])
    }

    fn findings(tree: &Tree) -> Vec<String> {
        check_crate(tree, "src/lib.rs").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_circle_is_told_with_the_names_that_tie_it() {
        let wanted = "src/x/a.rs:1: 2 files import each other in a circle; move what both sides \
                      need to a file of its own. The shortest way round:\
                      \n    src/x/a.rs:1: `f` of src/x/b.rs\
                      \n    src/x/b.rs:2: `g` of src/x/a.rs";
        assert_eq!(findings(&two_files_in_a_circle()), [wanted]);
    }

    #[test]
    fn of_a_large_circle_the_shortest_way_round_is_told_first() {
        let tree = tree(&[
            ("src/lib.rs", "mod a; mod b; mod c; mod d;"),
            ("src/a.rs", "use super::b::{e, f}; pub fn i() {}"),
            ("src/b.rs", "use super::c::g; pub fn e() {} pub fn f() {}"),
            ("src/c.rs", "use super::{a::i, d::h}; pub fn g() {}"),
            ("src/d.rs", "use super::c::g; pub fn h() {}"),
        ]);
        let found = findings(&tree).concat();
        let wanted = "src/c.rs:1: 4 files import each other in a circle; move what both sides need \
                      to a file of its own. The shortest way round:\
                      \n    src/c.rs:1: `h` of src/d.rs\
                      \n    src/d.rs:1: `g` of src/c.rs\
                      \n  and the other imports of the circle:\
                      \n    src/a.rs:1: `e`, `f` of src/b.rs\
                      \n    src/b.rs:1: `g` of src/c.rs\
                      \n    src/c.rs:1: `i` of src/a.rs";
        assert_eq!(found, wanted);
    }

    #[test]
    fn a_file_that_leads_into_a_circle_is_not_of_it() {
        let tree = tree(&[
            ("src/lib.rs", "mod x; use x::a::g; fn f() { g() }"),
            ("src/x/mod.rs", "pub mod a; mod b;"),
            A,
            B,
        ]);
        assert!(findings(&tree)[0].contains(": 2 files"));
    }
}
