//! Masquerades, forwards and the settings of the translation.

use toml::Spanned;

use super::values::{cidr, ip, networks, number, optional, ports, target, text};
use crate::{
    rules::{ForwardProtocol, ForwardRule, MasqueradeRule, MssClamp},
    topology::{
        error::Fault,
        file::{ForwardFile, MasqueradeFile, MssClampFile, NatFile},
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
    let except = networks(&file.except, "masquerade", faults);
    let to = optional(file.to.as_ref(), |text| ip(text, "masquerade", faults));
    let mss_clamp = optional(file.mss_clamp.as_ref(), |asked| mss_clamp(asked, faults));
    let uplink = text(file.uplink.as_ref());
    if let (Some(text), None) = (&file.to, &uplink) {
        let message = "masquerade: `to` is an address at one uplink: name the `uplink` too";
        faults.push(Fault::new(text.span(), message));
    }
    Some(MasqueradeRule { source, uplink, except: except?, to: to?, mss_clamp: mss_clamp? })
}

fn mss_clamp(asked: &Spanned<MssClampFile>, faults: &mut Vec<Fault>) -> Option<MssClamp> {
    let clamp = asked.get_ref().0.to_string().parse::<MssClamp>();
    clamp
        .map_err(|fault| {
            faults.push(Fault::new(asked.span(), format!("masquerade: mss_clamp: {fault}")));
        })
        .ok()
}

pub(super) fn forward(file: &ForwardFile, faults: &mut Vec<Fault>) -> Option<ForwardRule> {
    let protocol = file.protocol.get_ref().parse::<ForwardProtocol>();
    if let Err(fault) = &protocol {
        faults.push(Fault::new(file.protocol.span(), format!("forward: {fault}")));
    }
    let address = optional(file.address.as_ref(), |text| ip(text, "forward", faults));
    let ports = ports(&file.port, faults);
    let target = target(&file.target, faults);
    let from = networks(&file.from, "forward", faults);
    let rule = ForwardRule {
        protocol: protocol.ok()?,
        address: address?,
        ports: ports?,
        target: target?,
        from: from?,
    };
    if rule.target_ports().is_none() {
        let message = format!(
            "forward: the ports {} have no room at {}: the last would be above 65535",
            rule.ports, rule.target
        );
        faults.push(Fault::new(file.target.span(), message));
        return None;
    }
    Some(rule)
}
