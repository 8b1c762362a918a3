//! Checks whether the machine routes packets of the lab out of interfaces that are no uplinks of
//! it.

use std::collections::HashSet;

use super::{
    finding::{Finding, Verdict},
    forwarding::OWN_ROUTER,
    subject::{Router, Subject},
};
use crate::{
    lab::{self, UncoveredInterface},
    shell,
    topology::Topology,
};

const CHECK: &str = "other-ways";

/// Shows the routing rules, and the routes of all tables.
const ROUTES: &str = "ip rule; ip -4 route show table all type unicast";

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let finding = match subject.router() {
        // The file of a lab says which interfaces are its uplinks.
        Router::Any => return Vec::new(),
        Router::Own => {
            Finding::sound(CHECK, "the machine routes no packet of the lab").meaning(OWN_ROUTER)
        }
        Router::Machine(lab) => match lab::uncovered(lab) {
            Ok(found) => judge(lab, subject, &found, &lab::interfaces_of_other_labs(&lab.name)),
            Err(error) => Finding::new(CHECK, Verdict::Doubtful, error.to_string())
                .meaning("the routes for packets of the lab could not be read; this shows them")
                .command(ROUTES),
        },
    };
    vec![finding]
}

/// `of_other_labs`: the interfaces that cannot become uplinks of this lab.
fn judge(
    lab: &Topology,
    subject: &Subject,
    found: &[UncoveredInterface],
    of_other_labs: &HashSet<String>,
) -> Finding {
    if found.is_empty() {
        return Finding::sound(CHECK, "all routes for packets of the lab lead to its uplinks");
    }
    let names: Vec<String> = found.iter().map(in_words).collect();
    let uplinks = if found.len() == 1 { "is not an uplink" } else { "are not uplinks" };
    let text = format!("routes lead to {}, which {uplinks} of the lab", names.join(", "));
    let doubt = Finding::new(CHECK, Verdict::Doubtful, text);
    let advice = "packets of the lab on such a route are dropped: if namespaces should reach that \
                  network, add an [[uplink]] for its interface, with a masquerade or `routed`";
    let is_free = |name: &&String| !of_other_labs.contains(*name);
    let free = found.iter().map(|one| &one.interface).find(is_free);
    match (free, subject.file.as_deref()) {
        (Some(free), Some(file)) => doubt
            .meaning(format!("{advice}; this adds \"{free}\" with a masquerade"))
            .command(append(&uplink(lab, free), file)),
        (Some(_), None) => {
            doubt.meaning(format!("{advice}; this shows the routes")).command(ROUTES)
        }
        (None, _) => doubt
            .meaning(
                "packets of the lab on such a route are dropped, and an interface of another lab \
                 cannot become an uplink of this one; this shows the routes",
            )
            .command(ROUTES),
    }
}

fn in_words(found: &UncoveredInterface) -> String {
    let UncoveredInterface { interface, destination } = found;
    if found.is_default() {
        format!("\"{interface}\" (default)")
    } else {
        format!("\"{interface}\" ({destination})")
    }
}

/// The lines of a topology file that make `interface` an uplink. Bridges with a masquerade for
/// every uplink need no rule of their own.
fn uplink(lab: &Topology, interface: &str) -> Vec<String> {
    let mut lines = vec!["[[uplink]]".to_owned(), format!("name = {interface:?}")];
    for subnet in lab.bridges_of(None).map(|bridge| bridge.address.trunc()) {
        let mut rules = lab.masquerades.iter().filter(|rule| rule.uplink.is_none());
        if rules.any(|rule| rule.source.contains(&subnet)) {
            continue;
        }
        lines.extend([
            "[[masquerade]]".to_owned(),
            format!("source = \"{subnet}\""),
            format!("uplink = {interface:?}"),
        ]);
    }
    lines
}

/// The command that appends lines to a file. The empty line comes first, since the last line of the
/// file may have no line feed.
fn append(lines: &[String], file: &str) -> String {
    let words = shell::words(std::iter::once("").chain(lines.iter().map(String::as_str)));
    format!("printf '%s\\n' {words} >> {}", shell::word(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAB: &str = r#"name = "own"
        [[uplink]]
        name = "wan0"
        [[bridge]]
        name = "br-a"
        address = "10.9.1.1/24"
        [[bridge]]
        name = "br-b"
        address = "10.9.2.1/24"
        [[masquerade]]
        source = "10.9.2.0/23""#;

    fn lab() -> Topology {
        Topology::parse(LAB, "own.toml").unwrap()
    }

    fn judged(found: &[(&str, &str)], of_other_labs: &[&str]) -> Finding {
        let uncovered = |(interface, destination): &(&str, &str)| UncoveredInterface {
            interface: (*interface).to_owned(),
            destination: destination.parse().unwrap(),
        };
        let found: Vec<UncoveredInterface> = found.iter().map(uncovered).collect();
        let others = of_other_labs.iter().map(|name| (*name).to_owned()).collect();
        let file = Some("my lab.toml".to_owned());
        judge(&lab(), &Subject { file, ..Subject::any_lab() }, &found, &others)
    }

    #[test]
    fn a_lab_whose_uplinks_cover_all_routes_is_sound() {
        assert_eq!(judged(&[], &[]).verdict, Verdict::Sound);
    }

    #[test]
    fn a_lab_that_the_machine_does_not_route_is_sound() {
        let own = Subject { lab: Some(Topology::lecture()), ..Subject::any_lab() };
        assert_eq!(check(&own)[0].meaning.as_deref(), Some(OWN_ROUTER));
        assert_eq!(check(&Subject::any_lab()), []);
    }

    #[test]
    fn uncovered_interfaces_are_named_with_an_example() {
        let finding = judged(&[("wg0", "0.0.0.0/0"), ("docker0", "172.17.0.0/16")], &[]);
        assert_eq!(finding.verdict, Verdict::Doubtful);
        let found = "routes lead to \"wg0\" (default), \"docker0\" (172.17.0.0/16), which are not \
                     uplinks of the lab";
        assert_eq!(finding.found, found);
    }

    #[test]
    fn the_command_makes_the_first_interface_an_uplink_that_masquerades_each_bridge() {
        let command = judged(&[("wg0", "10.8.0.0/16")], &[]).command.unwrap();
        assert_eq!(
            command,
            "printf '%s\\n' '' '[[uplink]]' 'name = \"wg0\"' '[[masquerade]]' \
             'source = \"10.9.1.0/24\"' 'uplink = \"wg0\"' >> 'my lab.toml'"
        );
        let added = uplink(&lab(), "wg0").join("\n");
        let lab = Topology::parse(&format!("{LAB}\n{added}\n"), "own.toml").unwrap();
        assert_eq!(lab.uplinks_of(None).count(), 2);
        assert_eq!(lab.masquerades.len(), 2);
    }

    #[test]
    fn an_interface_of_another_lab_is_not_made_an_uplink() {
        let found = [("br-other", "10.7.0.0/24"), ("wg0", "10.8.0.0/16")];
        assert!(judged(&found, &["br-other"]).command.unwrap().contains("wg0"));
        assert_eq!(judged(&found, &["br-other", "wg0"]).command.as_deref(), Some(ROUTES));
    }
}
