//! Inserting and removing the records of connections.

use crate::{
    abi::{Flow, FlowHead, FlowKey, FlowKind, Settings},
    datapath::{
        conntrack::{idle::is_expired, quota::QuotaCharge},
        tables::flow_table::{FlowRef as _, FlowTable, InsertError, Naming, Version},
    },
};

/// Inserts a record. It replaces an existing record of the key if [`gives_way`] permits that,
/// unless another CPU has just recorded the same connection for another packet.
#[inline(always)]
pub(crate) fn record<T: FlowTable>(
    tables: &T,
    settings: &Settings,
    key: &FlowKey,
    flow: &Flow,
) -> Result<(), InsertError> {
    // Nearly always the key has no record, and the insertion looks for one anyway.
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
    record_translated(tables, key, flow)?;
    QuotaCharge::of(flow).begin(tables);
    Ok(())
}

/// Whether a new record may replace this one: this one is expired, or it is of the same connection,
/// which the caller has found to be a new one.
#[inline(always)]
fn gives_way(settings: &Settings, old: &FlowHead, new: &FlowHead) -> bool {
    is_same(old, new) || is_expired(old, settings, new.last_seen)
}

/// Whether two records under one key are of the same connection. The key alone identifies a flow
/// from outside. A flow from inside may find a flow from outside under its key: the remote is the
/// same, but the inside end knows it by another port.
#[inline(always)]
fn is_same(old: &FlowHead, new: &FlowHead) -> bool {
    old.inside == new.inside
        && old.inside_port == new.inside_port
        && (FlowKind::is_begun_outside(new.kind)
            || old.seen_port.to_network() == new.seen_port.to_network())
}

/// Whether a record of the same inside end is as new as the new one, within the precision of the
/// clock.
#[inline(always)]
fn has_just_begun(old: &FlowHead, new: &FlowHead) -> bool {
    old.state == new.state && old.last_seen == new.last_seen
}

/// Removes a record and its second entry in the index, if it still has the version that was judged.
/// A record that another CPU has put in its place stays.
#[inline(always)]
pub fn forget<T: FlowTable>(tables: &T, key: &FlowKey, flow: &FlowHead, version: Version) {
    if flow.is_port_translated(key.remote_port, key.external_port) {
        // This must come before the record is freed, which identifies the entry. A later flow of
        // the same inside end may have taken over the inside key.
        tables.remove_translated(&flow.inside_key(key.remote), version);
    }
    // This must come before another flow can take the record.
    let charge = QuotaCharge::of(flow);
    if tables.remove_flow(key, version) {
        charge.end(tables);
    }
}

/// Adds the entry by translated port for a record, or removes the record if that fails.
#[inline(always)]
fn record_translated<T: FlowTable>(
    tables: &T,
    key: &FlowKey,
    flow: &FlowHead,
) -> Result<(), InsertError> {
    if !flow.is_port_translated(key.remote_port, key.external_port) {
        return Ok(());
    }
    // An inside end may have two flows from outside by one port, which are two connections.
    let naming = if FlowKind::is_begun_outside(flow.kind) { Naming::Keep } else { Naming::Replace };
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
