//! Endpoint-independent mappings: an inside port has one external port for all remotes (RFC 4787
//! REQ-1), and no other inside port has it (REQ-3). The filtering of the rule decides which remotes
//! may send to it first (REQ-8).
//!
//! Flows have records of their own as under any masquerade, so packets of known flows need no
//! mapping. A mapping lives as long as one of its flows; after that its port stays unused for a
//! while.

use crate::{
    abi::{
        DropReason, Filtering, Flow, FlowHead, FlowKey, FlowKind, Ip4, MAPPING_REST, Mapping,
        MappingKey, Masquerade, Port, Settings, Tick,
    },
    datapath::{
        conntrack::record::record,
        new_flow::port_search::{Forwarded, Refused, Sequence, Wanted, is_available},
        packet::headers::Headers,
        tables::{
            flow_table::InsertError, forward_table::Target, kernel::Tables,
            mapping_table::MappingTable,
        },
    },
};

/// Records `flow` under the external port of its inside end. Without a mapping, the port of this
/// attempt becomes the mapping. A flow of a plain masquerade gets a port without a mapping. Returns
/// the port.
#[inline(always)]
pub(crate) fn claim<T: Tables>(
    tables: &T,
    settings: &Settings,
    headers: &Headers,
    flow: &Flow,
    rule: &Masquerade,
    wanted: &Wanted,
) -> Result<Port, Refused> {
    let mut key = headers.outbound_key(flow.external);
    let is_mapped = rule.endpoint_independent != 0;
    let standing =
        if is_mapped { of_inside(tables, flow.external, headers, flow.last_seen) } else { None };
    if let Some(standing) = standing {
        key.external_port = standing.external_port;
    } else if wanted.is_published() {
        key.external_port = wanted.published;
    } else if !wanted.is_own(headers.source_port) {
        key.external_port = Sequence::of_mapping(settings, headers).port(wanted.attempt);
    }
    let is_published = wanted.published != Port::ZERO && key.external_port == wanted.published;
    let forwarded = if is_published { Forwarded::Itself } else { Forwarded::Nobody };
    let mapping = Mapping {
        inside: flow.inside,
        last_seen: flow.last_seen,
        inside_port: flow.inside_port,
        external_port: key.external_port,
        rule: rule.rule,
        filtering: rule.filtering,
        padding: 0,
    };
    let recorded = if is_available(tables, &key, flow, forwarded) {
        join(tables, settings, &key, flow, is_mapped.then_some(&mapping)).map_err(Refused::from)
    } else {
        Err(Refused::Taken)
    };
    match recorded {
        Ok(()) => Ok(key.external_port),
        // Another port would be a second mapping.
        Err(Refused::Taken) if standing.is_some() => {
            Err(Refused::Because(DropReason::PortsExhausted))
        }
        Err(refused) => Err(refused),
    }
}

/// Records a flow, and its mapping if that is not recorded yet.
#[inline(always)]
fn join<T: Tables>(
    tables: &T,
    settings: &Settings,
    key: &FlowKey,
    flow: &Flow,
    mapping: Option<&Mapping>,
) -> Result<(), InsertError> {
    let external = MappingKey::external(flow.external, key.external_port, key.protocol);
    let old = tables.mapping(&external).filter(|old| !is_over(old, flow.last_seen));
    let Some(mapping) = mapping else {
        return match old {
            Some(_) => Err(InsertError::Exists),
            None => record(tables, settings, key, flow),
        };
    };
    let is_new = old.is_none();
    if old.is_some_and(|old| !is_same(&old, mapping)) {
        return Err(InsertError::Exists);
    }
    tables.insert_mapping(&external, mapping)?;
    let joined = tables
        .insert_mapping(&external.inside_of(mapping), mapping)
        .and_then(|()| record(tables, settings, key, flow));
    match joined {
        Ok(()) if mapping.filtering == Filtering::Address as u8 => {
            let (port, protocol) = (key.external_port, key.protocol);
            let contact = MappingKey::contact(flow.external, port, protocol, key.remote);
            // Without it the remote may only answer from the port that was sent to.
            let _ = tables.insert_mapping(&contact, mapping);
            Ok(())
        }
        Err(error) if is_new => {
            tables.remove_mapping(&external);
            Err(error)
        }
        other => other,
    }
}

/// Whether two mappings are of the same inside end.
#[inline(always)]
fn is_same(one: &Mapping, other: &Mapping) -> bool {
    one.inside == other.inside && one.inside_port == other.inside_port
}

/// The mapping that a packet's inside end has behind an external address.
#[inline(always)]
pub(crate) fn of_inside<T: MappingTable>(
    tables: &T,
    external: Ip4,
    headers: &Headers,
    now: Tick,
) -> Option<Mapping> {
    let by_inside =
        MappingKey::inside(headers.source, headers.source_port, headers.protocol, external);
    let found = tables.mapping(&by_inside)?;
    let mapping = tables.mapping(&by_inside.mapping_of(&found))?;
    (is_same(&mapping, &found) && !is_over(&mapping, now)).then_some(mapping)
}

/// The mapping for a packet from `remote` to an external port. `None` if no mapping has the port.
///
/// # Errors
/// If the filtering of the mapping does not admit `remote`.
#[inline(always)]
pub(crate) fn admit<T: MappingTable>(
    tables: &T,
    headers: &Headers,
    remote: Ip4,
    now: Tick,
) -> Option<Result<Target, DropReason>> {
    let (external, port, protocol) =
        (headers.destination, headers.destination_port, headers.protocol);
    let mapping = tables.mapping(&MappingKey::external(external, port, protocol))?;
    if is_over(&mapping, now) {
        return None;
    }
    let is_admitted = match Filtering::from_number(mapping.filtering) {
        Filtering::AddressAndPort => false,
        Filtering::Address => {
            let contact = tables.mapping(&MappingKey::contact(external, port, protocol, remote));
            contact.is_some_and(|contact| is_same(&contact, &mapping) && !is_over(&contact, now))
        }
        Filtering::Endpoint => true,
    };
    Some(if is_admitted {
        Ok(Target { address: mapping.inside, port: mapping.inside_port, rule: mapping.rule })
    } else {
        Err(DropReason::Filtered)
    })
}

/// Whether a mapping has been without flows for so long that its port is free.
#[inline(always)]
pub fn is_over(mapping: &Mapping, now: Tick) -> bool {
    let idle = now.wrapping_sub(mapping.last_seen);
    // Another CPU may have refreshed it after this one read its clock.
    idle <= Tick::MAX / 2 && idle > MAPPING_REST
}

/// Refreshes the entries of a current flow: its mapping, and its contact with the remote. The
/// sweeper calls this for every flow.
#[inline(always)]
pub fn keep<T: MappingTable>(tables: &T, key: &FlowKey, flow: &FlowHead, now: Tick) {
    let is_mapped = !matches!(
        FlowKind::from_number(flow.kind),
        FlowKind::Forward | FlowKind::Host | FlowKind::OtherNat
    );
    if !is_mapped {
        return;
    }
    let external = MappingKey::external(flow.external, key.external_port, key.protocol);
    let Some(mapping) = tables.mapping(&external) else { return };
    if mapping.inside != flow.inside || mapping.inside_port != flow.inside_port {
        return;
    }
    tables.keep_mapping(&external, now);
    if mapping.filtering == Filtering::Address as u8 {
        let (port, protocol) = (key.external_port, key.protocol);
        let contact = MappingKey::contact(flow.external, port, protocol, key.remote);
        tables.keep_mapping(&contact, now);
    }
}

/// Removes an entry that is over. The sweeper calls this for every entry, after it has visited
/// every flow.
#[inline(always)]
pub fn sweep<T: MappingTable>(tables: &T, key: &MappingKey, entry: &Mapping, now: Tick) {
    let is_useless = if key.is_inside() {
        let mapping = tables.mapping(&key.mapping_of(entry));
        mapping.is_none_or(|mapping| !is_same(&mapping, entry) || is_over(&mapping, now))
    } else {
        is_over(entry, now)
    };
    if is_useless {
        tables.remove_mapping(key);
    }
}
