//! Making and forgetting the records of connections.

use crate::{
    abi::{Flow, FlowHead, FlowKey, FlowKind, Settings},
    datapath::{
        conntrack::{idle::is_expired, quota::QuotaCharge},
        tables::flow_table::{FlowRef as _, FlowTable, InsertError, Naming, Version},
    },
};

/// Inserts a record. One in its place gives way if [`gives_way`] says so, unless another CPU has begun
/// the same connection by another packet a moment ago.
#[inline(always)]
pub(crate) fn record<T: FlowTable>(
    tables: &T,
    settings: &Settings,
    key: &FlowKey,
    flow: &Flow,
) -> Result<(), InsertError> {
    // Nearly always there is none, and the insertion has to look as well.
    if let Err(error) = tables.insert_flow(key, flow) {
        if error == InsertError::Full {
            return Err(error);
        }
        if let Some(old) = tables.flow(key) {
            let version = old.version();
            if is_same(&old, flow) && has_just_begun(&old, flow) {
                return Ok(());
            }
            if !gives_way(settings, &old, flow) {
                return Err(error);
            }
            forget(tables, key, &old, version);
        }
        tables.insert_flow(key, flow)?;
    }
    record_moved(tables, key, flow)?;
    QuotaCharge::of(flow).begin(tables);
    Ok(())
}

/// Whether a record makes room for a new one: it is expired, or of the same connection, of which
/// the caller has decided that it begins afresh.
#[inline(always)]
fn gives_way(settings: &Settings, old: &FlowHead, new: &FlowHead) -> bool {
    is_same(old, new) || is_expired(old, settings, new.last_seen)
}

/// Whether two records under one key are of the same connection. What the outside begins is known by
/// its key alone. What the inside begins may find a call under its key: the remote end is the same,
/// but the inside end knows it by another port.
#[inline(always)]
fn is_same(old: &FlowHead, new: &FlowHead) -> bool {
    old.inside == new.inside
        && old.inside_port == new.inside_port
        && (FlowKind::is_begun_outside(new.kind)
            || old.seen_port.to_network() == new.seen_port.to_network())
}

/// Whether a record of the same end is no older than a new one: as far as the clock tells, both begin.
#[inline(always)]
fn has_just_begun(old: &FlowHead, new: &FlowHead) -> bool {
    old.state == new.state && old.last_seen == new.last_seen
}

/// Removes a record and its second entry in the index, if the record still is of the version that was
/// judged. Another CPU may have put another record in its place, which stays.
#[inline(always)]
pub fn forget<T: FlowTable>(tables: &T, key: &FlowKey, flow: &FlowHead, version: Version) {
    if flow.is_port_translated(key.remote_port, key.external_port) {
        // While the record says whose it is. A later flow of the same inside end may have taken the
        // name over.
        tables.remove_translated(&flow.inside_key(key.remote), version);
    }
    // Before the place in the table may be another flow's.
    let charge = QuotaCharge::of(flow);
    if tables.remove_flow(key, version) {
        charge.end(tables);
    }
}

/// Has a record whose ports changed found as the inside calls it, or removes it.
#[inline(always)]
fn record_moved<T: FlowTable>(
    tables: &T,
    key: &FlowKey,
    flow: &FlowHead,
) -> Result<(), InsertError> {
    if !flow.is_port_translated(key.remote_port, key.external_port) {
        return Ok(());
    }
    // Of one inside end there may be two calls from one port, which are two connections.
    let naming =
        if FlowKind::is_begun_outside(flow.kind) { Naming::Leave } else { Naming::TakeOver };
    let named = tables.index_translated(&flow.inside_key(key.remote), key, naming);
    if named.is_err()
        && let Some(own) = tables.flow(key)
    {
        let version = own.version();
        if is_same(&own, flow) {
            tables.remove_flow(key, version);
        }
    }
    named
}
