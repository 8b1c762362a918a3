//! Gives a network back that a lab could not take over: what was there becomes as it was, and
//! everything else of the lab is deleted.

use std::collections::HashMap;

use crate::{
    datapath::Datapath,
    lab::{
        actual_state::ActualState,
        apply::make_network,
        changes::{ChangeKind, diff},
        error::LabError,
        forwarding::{gates, machine},
        plan::Plan,
        progress::Silent,
        record::LabRecord,
        resources::Resource,
    },
    net::Interface,
};

/// Undoes an adoption. `before` are the parts that were there, and `gates` says which of the
/// existing gates forwarded packets. The record goes last.
///
/// # Errors
/// When the kernel refuses; the record remains.
pub(in crate::lab) fn give_back(
    record: &mut LabRecord,
    before: &[Resource],
    gates: &HashMap<Interface, bool>,
) -> Result<(), LabError> {
    for name in record.datapaths.clone() {
        gates::close(record, &name)?;
        Datapath::remove(&name)?;
    }
    let recorded = record.resources();
    let actual_state = ActualState::of(record, &recorded)?;
    for name in actual_state.half_made() {
        record.delete_half_made(name)?;
    }
    let actual = actual_state.actual(&recorded);
    let mut changes = diff(&actual, before, &actual_state.link_addresses(&actual));
    // An interface gets its IPv6 address when IPv6 is switched on, by the Ethernet address that it
    // has then.
    changes.sort_by_key(|change| {
        matches!(change.resource, Resource::Namespace { .. }) && change.kind == ChangeKind::Change
    });
    make_network(&Plan::of_network(record.topology.clone(), changes), record, &Silent)?;
    machine::restore(record)?;
    gates::restore(gates)?;
    record.remove()
}
