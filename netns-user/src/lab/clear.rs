//! Takes down whatever of a lab is there.

use super::{LabError, LabRecord, record::Bearer, resolver};
use crate::{
    datapath::Datapath,
    net::{NetError, Netlink, netns, sysctl},
};

/// Takes a lab down by its record: all that is there, past every failure. The record goes
/// last, and only when the rest is gone, so that a failed attempt can be repeated.
pub(super) fn clear(record: &LabRecord) -> Vec<LabError> {
    // First, while the links that its programs hang on are there.
    let removed = Datapath::remove(record.name()).map_err(LabError::from);
    clear_rest(record, removed.err().into_iter().collect())
}

/// As [`clear`], for a lab whose datapath was not installed: pins of its name would be
/// those of another lab.
pub(super) fn clear_network(record: &LabRecord) -> Vec<LabError> {
    clear_rest(record, Vec::new())
}

fn clear_rest(record: &LabRecord, mut errors: Vec<LabError>) -> Vec<LabError> {
    let topology = &record.topology;
    if topology.uses_machine() {
        errors.extend(clear_machine(record));
    }
    // The links inside go with their namespaces.
    for name in topology.namespace_names() {
        errors.extend(delete_own(record, name).err().map(LabError::from));
    }
    for namespace in &topology.namespaces {
        errors.extend(resolver::remove(&namespace.name).err());
    }
    if errors.is_empty() {
        errors.extend(record.remove().err());
    }
    errors
}

/// A namespace of another owner, who took the name over, is left alone.
fn delete_own(record: &LabRecord, name: &str) -> Result<(), NetError> {
    if record.bearer(name)? != Bearer::Own {
        return Ok(());
    }
    netns::delete(name).or_else(|error| if error.is_absence() { Ok(()) } else { Err(error) })
}

fn machine_interfaces(topology: &crate::topology::Topology) -> impl Iterator<Item = &str> {
    let ports = topology.plugged().map(|(_, plug)| plug.port.as_str());
    ports.chain(topology.bridges.iter().map(|bridge| bridge.name.as_str()))
}

/// What the lab made and changed in the machine's own namespace.
fn clear_machine(record: &LabRecord) -> Vec<LabError> {
    let mut errors: Vec<LabError> = Vec::new();
    match Netlink::open() {
        Ok(machine) => {
            for name in machine_interfaces(&record.topology) {
                let failure = machine.delete_link(name).err().filter(|e| !e.is_absence());
                errors.extend(failure.map(LabError::from));
            }
        }
        Err(error) => errors.push(error.into()),
    }
    errors.extend(restore_forwarding(record).err());
    errors
}

/// Sets ip_forward back, unless another lab still needs it: that one is then to do it.
fn restore_forwarding(record: &LabRecord) -> Result<(), LabError> {
    let Some(before) = &record.ip_forward else { return Ok(()) };
    let heir = LabRecord::list()?
        .into_iter()
        .find(|other| other.name() != record.name() && other.topology.uses_machine());
    match heir {
        Some(mut heir) => {
            heir.ip_forward = Some(before.clone());
            heir.write()
        }
        None => Ok(sysctl::write(sysctl::IP_FORWARD, before)?),
    }
}
