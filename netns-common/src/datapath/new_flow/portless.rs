//! Protocols without ports: translated by address, for one inside end and remote at a time.

use crate::{
    abi::{DropReason, Flow, Port, Settings},
    datapath::{
        conntrack::record::record,
        new_flow::port_search::Refused,
        packet::headers::Headers,
        tables::{flow_table::InsertError, kernel::Tables},
    },
};

/// Records the flow of a protocol without ports. A remote distinguishes its peers only by address,
/// and all inside ends share one.
#[inline(always)]
pub(crate) fn claim<T: Tables>(
    tables: &T,
    settings: &Settings,
    headers: &Headers,
    flow: &Flow,
) -> Result<Port, Refused> {
    match record(tables, settings, &headers.outbound_key(flow.external), flow) {
        Ok(()) => Ok(Port::ZERO),
        Err(InsertError::Exists) => Err(Refused::Because(DropReason::ProtocolTaken)),
        Err(error) => Err(error.into()),
    }
}
