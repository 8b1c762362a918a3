//! From the file's text to the model. A part that cannot be read is reported and left out, so that
//! the rest of the file can still be checked.

mod allocate_addresses;
mod cable_names;
mod links;
mod made_names;
mod namespaces;
mod rules;
mod values;

use super::{error::Fault, file::TopologyFile, parts::Parts, targets::NamedTargets};
use allocate_addresses::UsedAddresses;
use namespaces::BridgeKeys;

/// Reads all parts of the file.
pub(super) fn read<'f>(file: &'f TopologyFile, faults: &mut Vec<Fault>) -> Parts<'f> {
    let nat = rules::nat(&file.nat, faults);
    let first = links::first_router(&file.router);
    let first = first.as_deref();
    let routers = links::routers(&file.router, faults);
    let bridges: Vec<_> =
        file.bridges.iter().map(|part| links::bridge(part, first, faults)).collect();
    let uplinks: Vec<_> =
        file.uplinks.iter().map(|part| links::uplink(part, first, &bridges, faults)).collect();
    let cables: Vec<_> = file.cables.iter().map(|part| links::cable(part, faults)).collect();
    let dns: Vec<_> = file
        .bridges
        .iter()
        .map(|part| values::ips(&part.dns, &format!("bridge \"{}\"", part.name.get_ref()), faults))
        .collect();
    // Two with one name are a fault that is reported: the first one counts.
    let bridge_keys = bridges
        .iter()
        .zip(&dns)
        .rev()
        .filter_map(|(bridge, dns)| Some((bridge.as_ref()?, dns)))
        .map(|(bridge, dns)| (bridge.name.as_str(), BridgeKeys { bridge, dns }))
        .collect();
    let used = UsedAddresses::new(&bridges, &uplinks, &cables);
    let entries = namespaces::entries(file, faults);
    let namespaces = namespaces::namespaces(&entries, &bridge_keys, used, faults);
    drop(bridge_keys);
    let named = NamedTargets::of_file(&uplinks, &namespaces, &cables);
    let forwards = file.forwards.iter().map(|part| rules::forward(part, &named, faults)).collect();
    drop(named);
    let mut parts = Parts {
        nat,
        routers,
        uplinks,
        bridges,
        entries,
        namespaces,
        cables,
        masquerades: file.masquerades.iter().map(|part| rules::masquerade(part, faults)).collect(),
        forwards,
    };
    made_names::settle(file, &mut parts);
    parts
}
