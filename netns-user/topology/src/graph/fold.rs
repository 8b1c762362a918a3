//! Which namespaces of a large lab share a node.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::topology::{Namespace, Topology};

/// The number of namespaces above which a lab is folded.
pub const MAX_DRAWN: usize = 30;

/// The smallest number of namespaces that share a node.
const MIN_GROUP: usize = 3;

/// Namespaces that share a node, in the order of the file or of their numbers. Never empty.
pub(super) type Group<'a> = Vec<&'a Namespace>;

/// Each namespace in a group of its own.
pub(super) fn unfolded(topology: &Topology) -> Vec<Group<'_>> {
    topology.namespaces.iter().map(|namespace| vec![namespace]).collect()
}

/// Groups of namespaces that differ only by a number. Where that is not enough, all namespaces of a
/// bridge are a group, beginning with the fullest bridge.
pub(super) fn folded(topology: &Topology) -> Vec<Group<'_>> {
    if topology.namespaces.len() <= MAX_DRAWN {
        return unfolded(topology);
    }
    let groups = numbered(topology);
    if groups.len() <= MAX_DRAWN { groups } else { by_bridge(groups) }
}

/// A name split at its last number: `web-`, 17, `-a`.
fn split_at_number(name: &str) -> Option<(&str, u64, &str)> {
    let end = name.rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = name[..end]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |at| at + name[at..].chars().next().map_or(0, char::len_utf8));
    Some((&name[..start], name[start..end].parse().ok()?, &name[end..]))
}

/// Whether two namespaces differ only by names and addresses.
fn are_similar(one: &Namespace, other: &Namespace) -> bool {
    let plug = |namespace: &Namespace| {
        namespace.plug.as_ref().map(|plug| (plug.bridge.clone(), plug.gateway, plug.mtu))
    };
    plug(one) == plug(other)
        && one.forwarding == other.forwarding
        && one.routes == other.routes
        && one.dns == other.dns
}

/// Groups of similar namespaces whose names differ only by the last number. A namespace with a
/// cable of its own stays alone.
fn numbered(topology: &Topology) -> Vec<Group<'_>> {
    let cabled: HashSet<&str> = topology
        .cables
        .iter()
        .flat_map(|cable| [cable.a.namespace.as_str(), cable.b.namespace.as_str()])
        .collect();
    let mut groups: Vec<Vec<(u64, &Namespace)>> = Vec::new();
    // The indexes of the groups with a name, without its number.
    let mut indexes: HashMap<(&str, &str), Vec<usize>> = HashMap::new();
    for namespace in &topology.namespaces {
        let parts = split_at_number(&namespace.name);
        let Some((before, number, after)) = parts.filter(|_| !cabled.contains(&*namespace.name))
        else {
            groups.push(vec![(0, namespace)]);
            continue;
        };
        let indexes = indexes.entry((before, after)).or_default();
        match indexes.iter().find(|index| are_similar(groups[**index][0].1, namespace)) {
            Some(index) => groups[*index].push((number, namespace)),
            None => {
                indexes.push(groups.len());
                groups.push(vec![(number, namespace)]);
            }
        }
    }
    let mut result = Vec::new();
    for mut group in groups {
        group.sort_by_key(|(number, _)| *number);
        let group: Group<'_> = group.into_iter().map(|(_, namespace)| namespace).collect();
        if group.len() >= MIN_GROUP {
            result.push(group);
        } else {
            result.extend(group.into_iter().map(|namespace| vec![namespace]));
        }
    }
    result
}

/// Merges the groups of a bridge into one, bridge by bridge, until few enough are left.
fn by_bridge(groups: Vec<Group<'_>>) -> Vec<Group<'_>> {
    let bridge_of = |group: &Group<'_>| group[0].plug.as_ref().map(|plug| plug.bridge.clone());
    let mut sizes: BTreeMap<Option<String>, usize> = BTreeMap::new();
    for group in &groups {
        *sizes.entry(bridge_of(group)).or_default() += 1;
    }
    let mut fullest: Vec<_> = sizes.into_iter().filter(|(_, size)| *size >= MIN_GROUP).collect();
    fullest.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    let mut excess = groups.len().saturating_sub(MAX_DRAWN);
    // The index of the bridge's one group among the results.
    let mut merged: HashMap<Option<String>, Option<usize>> = HashMap::new();
    for (bridge, size) in fullest {
        if excess == 0 {
            break;
        }
        excess = excess.saturating_sub(size - 1);
        merged.insert(bridge, None);
    }
    let mut result: Vec<Group<'_>> = Vec::new();
    for group in groups {
        match merged.get_mut(&bridge_of(&group)) {
            Some(Some(index)) => result[*index].extend(group),
            Some(index @ None) => {
                *index = Some(result.len());
                result.push(group);
            }
            None => result.push(group),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::split_at_number;

    #[test]
    fn a_name_is_split_at_its_last_number() {
        assert_eq!(split_at_number("web-017"), Some(("web-", 17, "")));
        assert_eq!(split_at_number("rack2-é7b"), Some(("rack2-é", 7, "b")));
        assert_eq!(split_at_number("42"), Some(("", 42, "")));
        assert_eq!(split_at_number("red"), None);
        // Digits that are too large for a number are part of the name.
        assert_eq!(split_at_number("9999999999999999999999"), None);
    }
}
