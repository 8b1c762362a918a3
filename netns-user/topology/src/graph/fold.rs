//! Which namespaces of a large lab are shown as one.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::topology::{Namespace, Topology};

/// A lab of more namespaces than this is folded.
pub const MAX_DRAWN: usize = 30;

/// Fewer than this, and they are shown as they are.
const WORTH_IT: usize = 3;

/// Namespaces that are shown as one, in the order of the file or of their numbers. Never empty.
pub(super) type Group<'a> = Vec<&'a Namespace>;

/// Each namespace by itself.
pub(super) fn unfolded(topology: &Topology) -> Vec<Group<'_>> {
    topology.namespaces.iter().map(|namespace| vec![namespace]).collect()
}

/// Namespaces that differ by a number only become one; where that is not enough, all of a
/// bridge do, the fullest bridge first.
pub(super) fn folded(topology: &Topology) -> Vec<Group<'_>> {
    if topology.namespaces.len() <= MAX_DRAWN {
        return unfolded(topology);
    }
    let groups = numbered(topology);
    if groups.len() <= MAX_DRAWN { groups } else { by_bridge(groups) }
}

/// A name around its last number: `web-`, 17, `-a`.
fn around_number(name: &str) -> Option<(&str, u64, &str)> {
    let end = name.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = name[..end]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |at| at + name[at..].chars().next().map_or(0, char::len_utf8));
    Some((&name[..start], name[start..end].parse().ok()?, &name[end..]))
}

/// Whether two namespaces are the same but for names and addresses.
fn alike(one: &Namespace, other: &Namespace) -> bool {
    let plug = |namespace: &Namespace| {
        namespace.plug.as_ref().map(|plug| (plug.bridge.clone(), plug.gateway, plug.mtu))
    };
    plug(one) == plug(other)
        && one.forwarding == other.forwarding
        && one.routes == other.routes
        && one.dns == other.dns
}

fn numbered(topology: &Topology) -> Vec<Group<'_>> {
    let cabled: HashSet<&str> = topology
        .cables
        .iter()
        .flat_map(|cable| [cable.a.namespace.as_str(), cable.b.namespace.as_str()])
        .collect();
    let mut groups: Vec<Vec<(u64, &Namespace)>> = Vec::new();
    // Where the groups of a name without its number are.
    let mut places: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for namespace in &topology.namespaces {
        let parts = around_number(&namespace.name);
        let Some((before, number, after)) = parts.filter(|_| !cabled.contains(&*namespace.name))
        else {
            groups.push(vec![(0, namespace)]);
            continue;
        };
        let places = places.entry((before, after)).or_default();
        match places.iter().find(|place| alike(groups[**place][0].1, namespace)) {
            Some(place) => groups[*place].push((number, namespace)),
            None => {
                places.push(groups.len());
                groups.push(vec![(number, namespace)]);
            }
        }
    }
    let mut result = Vec::new();
    for mut group in groups {
        group.sort_by_key(|(number, _)| *number);
        let group: Group<'_> = group.into_iter().map(|(_, namespace)| namespace).collect();
        if group.len() >= WORTH_IT {
            result.push(group);
        } else {
            result.extend(group.into_iter().map(|namespace| vec![namespace]));
        }
    }
    result
}

fn by_bridge(groups: Vec<Group<'_>>) -> Vec<Group<'_>> {
    let bridge_of = |group: &Group<'_>| group[0].plug.as_ref().map(|plug| plug.bridge.clone());
    let mut crowds: BTreeMap<Option<String>, usize> = BTreeMap::new();
    for group in &groups {
        *crowds.entry(bridge_of(group)).or_default() += 1;
    }
    let mut fullest: Vec<_> = crowds.into_iter().filter(|(_, crowd)| *crowd >= WORTH_IT).collect();
    fullest.sort_by_key(|(_, crowd)| std::cmp::Reverse(*crowd));
    let mut excess = groups.len().saturating_sub(MAX_DRAWN);
    // Where the one group of a bridge is among the results.
    let mut merged: HashMap<Option<String>, Option<usize>> = HashMap::new();
    for (bridge, crowd) in fullest {
        if excess == 0 {
            break;
        }
        excess = excess.saturating_sub(crowd - 1);
        merged.insert(bridge, None);
    }
    let mut result: Vec<Group<'_>> = Vec::new();
    for group in groups {
        match merged.get_mut(&bridge_of(&group)) {
            Some(Some(place)) => result[*place].extend(group),
            Some(place @ None) => {
                *place = Some(result.len());
                result.push(group);
            }
            None => result.push(group),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::around_number;

    #[test]
    fn a_name_is_split_around_its_last_number() {
        assert_eq!(around_number("web-017"), Some(("web-", 17, "")));
        assert_eq!(around_number("rack2-é7b"), Some(("rack2-é", 7, "b")));
        assert_eq!(around_number("42"), Some(("", 42, "")));
        assert_eq!(around_number("red"), None);
        // More than a number can hold is a name.
        assert_eq!(around_number("9999999999999999999999"), None);
    }
}
