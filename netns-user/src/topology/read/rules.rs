//! Masquerades, forwards and the settings of the translation.

use super::values::{cidr, ip, number, optional, port, target, text};
use crate::{
    rules::{ForwardProtocol, ForwardRule, MasqueradeRule},
    topology::{
        error::Fault,
        file::{ForwardFile, MasqueradeFile, NatFile},
        model::NatOptions,
    },
};

/// Fewest and most connections of a flow table: below, the sweeper has no room to work;
/// above, the table takes gigabytes of kernel memory.
pub(in crate::topology) const FLOW_TABLE: std::ops::RangeInclusive<u32> = 64..=16_777_216;

pub(super) fn nat(file: &NatFile, faults: &mut Vec<Fault>) -> Option<NatOptions> {
    let default = NatOptions::default();
    let flow_table = match &file.flow_table {
        None => default.flow_table,
        Some(asked) => number(asked, &FLOW_TABLE, faults, |size| {
            format!("nat: a flow table of {size} connections")
        })?,
    };
    let source_check = file.source_check.unwrap_or(default.source_check);
    Some(NatOptions { flow_table, source_check })
}

pub(super) fn masquerade(file: &MasqueradeFile, faults: &mut Vec<Fault>) -> Option<MasqueradeRule> {
    let source = cidr(&file.source, "masquerade", faults)?;
    if source.addr() != source.network() {
        let message = format!(
            "masquerade: the source {source} is neither a subnet nor one address: write {} for \
             the subnet or {}/32 for the address",
            source.trunc(),
            source.addr()
        );
        faults.push(Fault::new(file.source.span(), message));
        return None;
    }
    Some(MasqueradeRule { source, uplink: text(file.uplink.as_ref()) })
}

pub(super) fn forward(file: &ForwardFile, faults: &mut Vec<Fault>) -> Option<ForwardRule> {
    let protocol = file.protocol.get_ref().parse::<ForwardProtocol>();
    if let Err(fault) = &protocol {
        faults.push(Fault::new(file.protocol.span(), format!("forward: {fault}")));
    }
    let address = optional(file.address.as_ref(), |text| ip(text, "forward", faults));
    let port = port(&file.port, faults);
    let target = target(&file.target, faults);
    Some(ForwardRule { protocol: protocol.ok()?, address: address?, port: port?, target: target? })
}
