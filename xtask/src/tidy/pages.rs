//! Each page of docs/ is reached by a link, and docs/drop-reasons.md has each drop reason.

use std::collections::{BTreeMap, BTreeSet};

use super::{finding::Finding, links::resolve, markdown::Document, tree::Tree};

/// The rows of drop reasons, and the page that is made of them.
const REASONS: &str = "netns-common/src/abi/drop_reason.rs";
const REASONS_PAGE: &str = "docs/drop-reasons.md";

pub(super) fn check(tree: &Tree, documents: &BTreeMap<&str, Document>) -> Vec<Finding> {
    let mut findings = unlinked(documents);
    if let (Some(rows), Some(page)) = (tree.text(REASONS), tree.text(REASONS_PAGE)) {
        findings.extend(differing_reasons(rows, page));
    }
    findings
}

/// The pages that no other document links to.
fn unlinked(documents: &BTreeMap<&str, Document>) -> Vec<Finding> {
    let mut linked = BTreeSet::new();
    for (from, document) in documents {
        let targets = document.links.iter().map(|link| link.text.split('#').next());
        let targets = targets.flatten().filter_map(|target| resolve(from, target));
        linked.extend(targets.filter(|target| target != from));
    }
    let pages = documents.keys().filter(|path| path.starts_with("docs/"));
    let alone = pages.filter(|path| !linked.contains(**path));
    let message = "no other document links to this page; add it to README.md or a page of docs/";
    alone.map(|path| Finding::new(path, 1, message.to_owned())).collect()
}

/// The reasons that only the code or only the page has.
fn differing_reasons(rows: &str, page: &str) -> Vec<Finding> {
    // `    TableFull = 7, "table-full";`
    let name = |line: &str| {
        let (number, name) = line.trim().strip_suffix("\";")?.split_once(", \"")?;
        let is_row =
            number.split_once(" = ").is_some_and(|(_, number)| number.parse::<u32>().is_ok());
        is_row.then(|| name.to_owned())
    };
    let heading = |line: &str| Some(line.strip_prefix("## `")?.strip_suffix('`')?.to_owned());
    let in_code: BTreeSet<String> = rows.lines().filter_map(name).collect();
    let in_page: BTreeSet<String> = page.lines().filter_map(heading).collect();
    let differing = in_code.symmetric_difference(&in_page);
    let finding = |reason: &String| {
        let message = format!("{reason} is only in the code or only here; run `cargo xtask docs`");
        Finding::new(REASONS_PAGE, 1, message)
    };
    differing.map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::markdown::Document, super::tree::tree, REASONS, REASONS_PAGE, check};

    #[test]
    fn pages_without_a_link_and_reasons_without_a_heading_are_found() {
        let rows =
            "    /// Invalid.\n    Malformed = 0, \"malformed\";\n    Leak = 10, \"leak\";\n";
        let tree = tree(&[
            ("README.md", "# A\n[b](docs/b.md#b) [reasons](docs/drop-reasons.md)\n"),
            ("docs/b.md", "# B\n"),
            ("docs/c.md", "# C\n[c](c.md)\n"),
            (REASONS, rows),
            (REASONS_PAGE, "# Reasons\n## `leak`\n## `gone`\n"),
        ]);
        let documents = tree.documents().map(|(path, text)| (path, Document::read(text))).collect();
        let found: Vec<_> = check(&tree, &documents).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "docs/c.md:1: no other document links to this page; add it to README.md or a page \
                 of docs/",
                "docs/drop-reasons.md:1: gone is only in the code or only here; run `cargo xtask \
                 docs`",
                "docs/drop-reasons.md:1: malformed is only in the code or only here; run `cargo \
                 xtask docs`",
            ]
        );
    }
}
