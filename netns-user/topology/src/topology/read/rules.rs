//! Masquerades, forwards and the settings of the translation.

use std::str::FromStr;

use netns_common::abi::MAX_FLOWS;
use toml::Spanned;

use super::values::{cidr, ip, networks, number, optional, ports, target, text};
use crate::{
    rules::{Filtering, ForwardProtocol, ForwardRule, Mapping, MasqueradeRule, MssClamp},
    topology::{
        error::Fault,
        file::{ForwardFile, MasqueradeFile, MssClampFile, NatFile, Number, Text, TimeoutsFile},
        model::{NatOptions, NatTimeouts},
    },
};

/// Fewest and most connections of a flow table: below, the sweeper has no room to work;
/// above, the table takes gigabytes of kernel memory.
pub(in crate::topology) const FLOW_TABLE: std::ops::RangeInclusive<u32> = 64..=MAX_FLOWS;

/// Shortest and longest idle time, in seconds: a week is longer than any connection sleeps.
pub(in crate::topology) const TIMEOUT: std::ops::RangeInclusive<u32> = 1..=604_800;

/// Fewest and most connections that a namespace may have: one that may have none needs no NAT.
pub(in crate::topology) const QUOTA: std::ops::RangeInclusive<u32> = 1..=*FLOW_TABLE.end();

pub(super) fn nat(file: &NatFile, faults: &mut Vec<Fault>) -> Option<NatOptions> {
    let default = NatOptions::default();
    let flow_table = match &file.flow_table {
        None => default.flow_table,
        Some(asked) => number(asked, &FLOW_TABLE, faults, |size| {
            format!("nat: a flow table of {size} connections")
        })?,
    };
    let quotas = NatOptions::of_table(flow_table);
    let quota = match &file.quota {
        None => Some(quotas.quota),
        Some(asked) => quota(asked, "nat", faults),
    };
    let unreplied = match &file.unreplied {
        None => Some(quotas.unreplied),
        Some(asked) => {
            number(asked, &QUOTA, faults, |count| format!("nat: {count} unreplied connections"))
        }
    };
    let source_check = file.source_check.unwrap_or(default.source_check);
    let via_stack = file.via_stack.unwrap_or(default.via_stack);
    let ports = match &file.ports {
        None => default.ports,
        Some(asked) => ports(asked, "nat", faults)?,
    };
    Some(NatOptions {
        flow_table,
        quota: quota?,
        unreplied: unreplied?,
        source_check,
        via_stack,
        ports,
        keep_parity: file.keep_parity.unwrap_or(default.keep_parity),
        keep_class: file.keep_class.unwrap_or(default.keep_class),
        timeouts: timeouts(&file.timeouts, faults)?,
    })
}

/// How many connections a namespace may have.
pub(super) fn quota(asked: &Number, owner: &str, faults: &mut Vec<Fault>) -> Option<u32> {
    number(asked, &QUOTA, faults, |count| format!("{owner}: a quota of {count} connections"))
}

fn timeouts(file: &TimeoutsFile, faults: &mut Vec<Fault>) -> Option<NatTimeouts> {
    let default = NatTimeouts::default();
    let mut read = |asked: &Option<Number>, key: &str, default: u32| match asked {
        None => Some(default),
        Some(asked) => number(asked, &TIMEOUT, faults, |seconds| {
            format!("nat: a timeout {key} of {seconds} seconds")
        }),
    };
    let tcp_opening = read(&file.tcp_opening, "tcp_opening", default.tcp_opening);
    let tcp_established = read(&file.tcp_established, "tcp_established", default.tcp_established);
    let tcp_closing = read(&file.tcp_closing, "tcp_closing", default.tcp_closing);
    let udp_unreplied = read(&file.udp_unreplied, "udp_unreplied", default.udp_unreplied);
    let udp = read(&file.udp, "udp", default.udp);
    let udp_question = read(&file.udp_question, "udp_question", default.udp_question);
    let icmp = read(&file.icmp, "icmp", default.icmp);
    let sctp_unreplied = read(&file.sctp_unreplied, "sctp_unreplied", default.sctp_unreplied);
    let sctp = read(&file.sctp, "sctp", default.sctp);
    let other_unreplied = read(&file.other_unreplied, "other_unreplied", default.other_unreplied);
    let other = read(&file.other, "other", default.other);
    Some(NatTimeouts {
        tcp_opening: tcp_opening?,
        tcp_established: tcp_established?,
        tcp_closing: tcp_closing?,
        udp_unreplied: udp_unreplied?,
        udp: udp?,
        udp_question: udp_question?,
        icmp: icmp?,
        sctp_unreplied: sctp_unreplied?,
        sctp: sctp?,
        other_unreplied: other_unreplied?,
        other: other?,
    })
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
    let mapping = choice::<Mapping>(file.mapping.as_ref(), faults);
    let filtering = choice::<Filtering>(file.filtering.as_ref(), faults);
    if let (Some(text), Some(Mapping::AddressAndPortDependent)) = (&file.filtering, mapping) {
        let message = "masquerade: `filtering` is for mapping = \"endpoint-independent\": otherwise \
                       only the address and port that was sent to can answer";
        faults.push(Fault::new(text.span(), message));
    }
    Some(MasqueradeRule {
        source,
        uplink,
        except: except?,
        to: to?,
        mss_clamp: mss_clamp?,
        mapping: mapping?,
        filtering: filtering?,
    })
}

/// One of a few words; the default where the file has none.
fn choice<T: FromStr<Err = String> + Default>(
    asked: Option<&Text>,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    let Some(asked) = asked else { return Some(T::default()) };
    let read = asked.get_ref().parse();
    read.map_err(|fault| faults.push(Fault::new(asked.span(), format!("masquerade: {fault}")))).ok()
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
    let ports = ports(&file.port, "forward", faults);
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
