//! Names of cable ends that the file leaves open. They are made from the names of namespaces and
//! uplinks; one that Linux has no room for, or that is taken, is shortened.

use std::collections::{HashMap, HashSet};

use crate::topology::{
    file::TopologyFile,
    limits::INTERFACE_NAME,
    model::{Bridge, Far, NamespacePlug},
    parts::Parts,
};

/// The characters of a hash, each for five bits.
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Characters of a hash.
const HASH: usize = 5;

/// A made name as it fits an interface: itself, or shortened where it is too long. Another one of
/// the same beginning may be shortened to the same name.
pub(super) fn fitted(name: &str) -> String {
    if name.len() <= INTERFACE_NAME { name.to_owned() } else { shortened(name, 0) }
}

/// The beginning of a name and a hash of the whole name. `attempt` gives other hashes, where the
/// first one is taken.
fn shortened(name: &str, attempt: usize) -> String {
    let mut end = INTERFACE_NAME - HASH - 1;
    while !name.is_char_boundary(end.min(name.len())) {
        end -= 1;
    }
    let beginning = name[..end.min(name.len())].trim_end_matches('-');
    let mut crc = crc32fast::Hasher::new();
    crc.update(name.as_bytes());
    if attempt > 0 {
        crc.update(&attempt.to_le_bytes());
    }
    let hash = crc.finalize();
    let digit = |place: usize| char::from(DIGITS[(hash >> (5 * place)) as usize % DIGITS.len()]);
    let hash: String = (0..HASH).map(digit).collect();
    format!("{beginning}-{hash}")
}

/// The names in use, by namespace; `None`: the machine.
#[derive(Debug, Default)]
struct Taken(HashMap<Option<String>, HashSet<String>>);

impl Taken {
    /// Takes a name. False where it is taken already.
    fn take(&mut self, namespace: Option<&str>, name: &str) -> bool {
        let names = self.0.entry(namespace.map(str::to_owned)).or_default();
        names.insert(name.to_owned())
    }
}

/// A made name, and the namespace in which it must be unique.
struct Made<'p> {
    namespace: Option<String>,
    name: &'p mut String,
}

/// Shortens the made names that are too long, or that another interface has. Names that the file
/// gives come first, then made names that fit, then the others in the order of the file: a name
/// does not depend on the names that are too long after it.
pub(super) fn settle(file: &TopologyFile, parts: &mut Parts<'_>) {
    let bridges: HashMap<String, Option<String>> = parts
        .bridges
        .iter()
        .flatten()
        // The first one of several with a name counts.
        .rev()
        .map(|bridge| (bridge.name.clone(), bridge.router.clone()))
        .collect();
    let mut taken = Taken::default();
    take_given(parts, &mut taken);
    let mut open = Vec::new();
    for made in made_names(file, parts, &bridges, &mut taken) {
        let fits = made.name.len() <= INTERFACE_NAME;
        if !fits || !taken.take(made.namespace.as_deref(), made.name) {
            open.push(made);
        }
    }
    for Made { namespace, name } in open {
        let mut candidates = (0..).map(|attempt| shortened(name, attempt));
        if let Some(free) = candidates.find(|name| taken.take(namespace.as_deref(), name)) {
            *name = free;
        }
    }
}

/// Takes the names that the file gives outside of the entries of namespaces.
fn take_given(parts: &Parts<'_>, taken: &mut Taken) {
    for uplink in parts.uplinks.iter().flatten() {
        taken.take(uplink.router.as_deref(), &uplink.name);
        if let Some(outside) = uplink.outside() {
            taken.take(Some(&outside.namespace), &outside.interface);
        }
    }
    for Bridge { name, router, .. } in parts.bridges.iter().flatten() {
        taken.take(router.as_deref(), name);
    }
    for cable in parts.cables.iter().flatten() {
        for end in [&cable.a, &cable.b] {
            taken.take(Some(&end.namespace), &end.interface);
        }
    }
}

/// The made names in the order of the file. Those that the file gives for such ends are taken.
fn made_names<'p>(
    file: &TopologyFile,
    parts: &'p mut Parts<'_>,
    bridges: &HashMap<String, Option<String>>,
    taken: &mut Taken,
) -> Vec<Made<'p>> {
    let mut made = Vec::new();
    let mut end = |namespace: Option<String>, name: &'p mut String, is_given: bool| {
        if is_given {
            taken.take(namespace.as_deref(), name);
        } else {
            made.push(Made { namespace, name });
        }
    };
    for (part, uplink) in file.uplinks.iter().zip(&mut parts.uplinks) {
        let Some(Far::Plug(plug)) = uplink.as_mut().and_then(|uplink| uplink.far.as_mut()) else {
            continue;
        };
        let Some(router) = bridges.get(&plug.bridge) else { continue };
        let is_given = part.plug.as_ref().is_some_and(|part| part.get_ref().port.is_some());
        end(router.clone(), &mut plug.port, is_given);
    }
    for (entry, members) in parts.entries.iter().zip(&mut parts.namespaces) {
        for member in members.iter_mut().flatten() {
            let Some(NamespacePlug { bridge, interface, port, .. }) = &mut member.plug else {
                continue;
            };
            let Some(router) = bridges.get(bridge) else { continue };
            end(router.clone(), port, entry.keys.port.is_some());
            end(Some(member.name.clone()), interface, entry.keys.interface.is_some());
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::{HASH, fitted, shortened};
    use crate::topology::limits::INTERFACE_NAME;

    #[test]
    fn a_name_that_fits_is_unchanged() {
        for name in ["veth-red-br", "veth-abcdefg-br", "veth-abcdefghij"] {
            assert_eq!(fitted(name), name);
        }
    }

    /// Labs that are up have these names.
    #[test]
    fn a_shortened_name_never_changes() {
        assert_eq!(fitted("veth-frontend-br"), "veth-fron-w57gt");
    }

    #[test]
    fn a_shortened_name_fits_and_begins_as_the_whole_name_does() {
        for name in ["veth-frontend-br", "veth-web--server-br", "äöüäöüäöüäöü-br", "網網網網網網"]
        {
            for attempt in [0, 1, 1000] {
                let short = shortened(name, attempt);
                assert!(short.len() <= INTERFACE_NAME, "{short}");
                let (beginning, hash) = short.rsplit_once('-').unwrap();
                assert!(name.starts_with(beginning) && !beginning.is_empty(), "{short}");
                assert_eq!(hash.len(), HASH, "{short}");
            }
        }
    }

    #[test]
    fn each_attempt_gives_another_name() {
        let attempts: std::collections::HashSet<_> =
            (0..1000).map(|attempt| shortened("veth-frontend-br", attempt)).collect();
        assert_eq!(attempts.len(), 1000);
    }
}
