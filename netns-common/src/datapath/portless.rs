//! Protocols without ports: translated by address, for one inside end and remote at a time.

use super::{
    external_port::Refused,
    head::Head,
    record::record,
    traits::{InsertError, Tables},
};
use crate::abi::{DropReason, Flow, Port, Settings};

/// Records the flow of a protocol without ports. A remote tells its peers apart by address
/// alone, and all inside ends have one.
#[inline(always)]
pub(super) fn claim<T: Tables>(
    tables: &T,
    settings: &Settings,
    head: &Head,
    flow: &Flow,
) -> Result<Port, Refused> {
    match record(tables, settings, &head.outbound_key(flow.external), flow) {
        Ok(()) => Ok(Port::ZERO),
        Err(InsertError::Exists) => Err(Refused::Because(DropReason::ProtocolTaken)),
        Err(error) => Err(error.into()),
    }
}
