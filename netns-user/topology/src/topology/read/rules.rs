//! Masquerades, forwards, and the settings of the address translation.

use std::{collections::BTreeSet, str::FromStr};

use ipnet::Ipv4Net;
use toml::Spanned;

use super::values::{cidr, ip, networks, number, optional, ports, target, text};
use crate::{
    rules::{Filtering, ForwardProtocol, ForwardRule, Mapping, MasqueradeRule, MssClamp},
    topology::{
        error::Fault,
        file::{
            ForwardFile, MasqueradeFile, MssClampFile, NatFile, Number, ProtocolsFile, Text,
            TimeoutsFile,
        },
        limits::{FLOW_TABLE, QUOTA, TIMEOUT},
        nat_options::{NatOptions, NatTimeouts},
        targets::NamedTargets,
    },
};

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

/// How many connections a namespace can have.
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
    macro_rules! read_all {
        ($($key:ident)+) => {{
            // Every timeout is read, so that all faults are reported.
            $(let $key = read(&file.$key, stringify!($key), default.$key);)+
            Some(NatTimeouts { $($key: $key?,)+ })
        }};
    }
    read_all!(
        tcp_opening tcp_established tcp_closing udp_unreplied udp udp_question icmp
        sctp_unreplied sctp other_unreplied other
    )
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
        let message = "masquerade: `to` is an address of one uplink: set `uplink` too";
        faults.push(Fault::new(text.span(), message));
    }
    let mapping = choice::<Mapping>(file.mapping.as_ref(), faults);
    let filtering = choice::<Filtering>(file.filtering.as_ref(), faults);
    if let (Some(text), Some(Mapping::AddressAndPortDependent)) = (&file.filtering, mapping) {
        let message = "masquerade: `filtering` needs mapping = \"endpoint-independent\": with the \
                       other mapping only the remote address and port of a connection can answer";
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

/// A value that is one of a few words; the default where the file sets none.
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

/// The rules of a forward: one for each of its protocols.
pub(super) fn forward(
    file: &ForwardFile,
    named: &NamedTargets<'_>,
    faults: &mut Vec<Fault>,
) -> Option<Vec<ForwardRule>> {
    let protocols = protocols(&file.protocol, faults);
    let address = optional(file.address.as_ref(), |text| ip(text, "forward", faults));
    let ports = ports(&file.port, "forward", faults);
    let target = target(&file.target, named, faults);
    let from: Option<BTreeSet<Ipv4Net>> = networks(&file.from, "forward", faults);
    let (address, ports, target, from) = (address?, ports?, target?, from?);
    let rule = |protocol| ForwardRule { protocol, address, ports, target, from: from.clone() };
    let rules: Vec<_> = protocols?.into_iter().map(rule).collect();
    if rules.iter().any(|rule| rule.target_ports().is_none()) {
        let message = format!(
            "forward: the ports {ports} do not fit from {target} on: the last one would be above \
             65535"
        );
        faults.push(Fault::new(file.target.span(), message));
        return None;
    }
    Some(rules)
}

/// The protocols of a forward. A text can have several, separated by commas.
fn protocols(file: &ProtocolsFile, faults: &mut Vec<Fault>) -> Option<Vec<ForwardProtocol>> {
    let before = faults.len();
    let mut protocols = Vec::new();
    let words = file
        .texts
        .iter()
        .flat_map(|text| text.get_ref().split(',').map(|word| (word.trim(), text.span())));
    for (word, span) in words {
        let fault = match word.parse() {
            Ok(protocol) if !protocols.contains(&protocol) => {
                protocols.push(protocol);
                continue;
            }
            Ok(protocol) => format!("the protocol {protocol} is there twice: leave one out"),
            Err(fault) => fault,
        };
        faults.push(Fault::new(span, format!("forward: {fault}")));
    }
    if file.texts.is_empty() {
        let message = "forward: its list of protocols is empty: add one, as \"tcp\"";
        faults.push(Fault::new(file.span.clone(), message));
    }
    (faults.len() == before).then_some(protocols)
}
