//! Reads one rule of nftables: the expressions load registers, compare them and act.

use std::{collections::HashMap, net::Ipv4Addr, ops::RangeInclusive};

use ipnet::Ipv4Net;
use libc::c_int;

use super::{
    attributes::Attributes,
    ruleset::{Action, Condition, Interface, InterfaceName, Rule, Translation},
    xt,
};

/// `NFT_PAYLOAD_NETWORK_HEADER` and `NFT_PAYLOAD_TRANSPORT_HEADER`.
const NETWORK: c_int = 1;
const TRANSPORT: c_int = 2;

/// Offsets in the headers of IPv4, and of TCP, UDP and SCTP.
const PROTOCOL: c_int = 9;
const SOURCE: c_int = 12;
const DESTINATION: c_int = 16;
const DESTINATION_PORT: c_int = 2;

/// The content of a register that can be judged.
#[derive(Clone, Debug)]
enum Loaded {
    Interface {
        condition: fn(Interface) -> Condition,
        by_index: bool,
    },
    Connection,
    Protocol,
    DestinationPort,
    /// The prefix of an address, of this many bits.
    Network {
        condition: fn(Ipv4Net) -> Condition,
        bits: u8,
    },
    /// A constant.
    Value(Vec<u8>),
}

/// The rule with this handle and these expressions.
pub(super) fn read(number: u64, expressions: Attributes<'_>) -> Rule {
    let mut rule = Rule { number, conditions: Vec::new(), action: Action::Continue };
    let mut registers: HashMap<c_int, Loaded> = HashMap::new();
    for (_, expression) in expressions.all() {
        // `NFTA_EXPR_NAME` and `NFTA_EXPR_DATA`.
        let (name, data) = (expression.text(1), expression.at(2));
        let register = |kind| data.number(kind).and_then(|number| registers.get(&number).cloned());
        match name.as_str() {
            // `NFTA_META_DREG` and `NFTA_META_KEY`, `NFTA_CT_DREG` and `NFTA_CT_KEY`.
            "meta" | "ct" => {
                let loaded = data.number(2).and_then(|key| loaded(&name, key));
                load(&mut registers, data.number(1), loaded);
            }
            // `NFTA_PAYLOAD_DREG`.
            "payload" => load(&mut registers, data.number(1), part_of_packet(data)),
            // `NFTA_BITWISE_DREG`.
            "bitwise" => {
                let masked = register(1).and_then(|loaded| masked(loaded, data));
                load(&mut registers, data.number(2), masked);
            }
            "cmp" => rule.conditions.push(compared(register(1).as_ref(), data)),
            // `NFTA_RANGE_SREG`, `NFTA_RANGE_OP`, and `NFTA_DATA_VALUE` in both ends.
            "range" => {
                let ends = (port(data.at(3).at(1).0), port(data.at(4).at(1).0));
                rule.conditions.push(match (register(1), data.number(2), ends) {
                    (Some(Loaded::DestinationPort), Some(0), (Some(from), Some(to))) => {
                        Condition::DestinationPort(from..=to)
                    }
                    _ => Condition::Other,
                });
            }
            // The sets are not read: neither whether the condition holds is known, nor the verdict
            // of a map.
            "lookup" => {
                // `NFTA_LOOKUP_SREG` and `NFTA_LOOKUP_DREG`.
                let state = matches!(register(2), Some(Loaded::Connection));
                rule.conditions.push(if state { Condition::Connection } else { Condition::Other });
                match data.number(3) {
                    Some(libc::NFT_REG_VERDICT) => rule.action = Action::Accept,
                    other => load(&mut registers, other, None),
                }
            }
            // `NFTA_IMMEDIATE_DREG`, and `NFTA_DATA_VALUE` or `NFTA_DATA_VERDICT`.
            "immediate" => match verdict(data.at(2).at(2)) {
                Some(action) => rule.action = action,
                None => {
                    let value = Loaded::Value(data.at(2).at(1).0.to_vec());
                    load(&mut registers, data.number(1), Some(value));
                }
            },
            "reject" => rule.action = Action::Drop,
            // `NFTA_NAT_REG_ADDR_MIN` and `NFTA_NAT_REG_PROTO_MIN`.
            "nat" => rule.action = translated(register(3).as_ref(), register(5).as_ref()),
            // `NFTA_REDIR_REG_PROTO_MIN` and `NFTA_MASQ_REG_PROTO_MIN`.
            "redir" => rule.action = translated(None, register(1).as_ref()),
            "masq" => rule.action = translated(None, register(2).as_ref()),
            // `NFTA_TARGET_NAME` and `NFTA_TARGET_INFO`, of iptables.
            "target" => match xt::action(&data.text(1), data.at(3).0) {
                Action::Continue => {}
                action => rule.action = action,
            },
            // `NFTA_MATCH_NAME` and `NFTA_MATCH_INFO`, of iptables.
            "match" => rule.conditions.extend(xt::condition(&data.text(1), data.at(3).0)),
            "limit" | "quota" | "connlimit" | "dynset" | "synproxy" | "queue" => {
                rule.conditions.push(Condition::Other);
            }
            // Any other value that it loads is unknown here.
            _ => registers.clear(),
        }
    }
    rule
}

/// Writes a register; `None` is a value that cannot be judged.
fn load(registers: &mut HashMap<c_int, Loaded>, register: Option<c_int>, value: Option<Loaded>) {
    if let Some(register) = register {
        registers.remove(&register);
        registers.extend(value.map(|value| (register, value)));
    }
}

fn loaded(expression: &str, key: c_int) -> Option<Loaded> {
    let interface = |condition, by_index| Some(Loaded::Interface { condition, by_index });
    match (expression, key) {
        ("ct", libc::NFT_CT_STATE) => Some(Loaded::Connection),
        ("meta", libc::NFT_META_IIFNAME) => interface(Condition::In, false),
        ("meta", libc::NFT_META_OIFNAME) => interface(Condition::Out, false),
        ("meta", libc::NFT_META_IIF) => interface(Condition::In, true),
        ("meta", libc::NFT_META_OIF) => interface(Condition::Out, true),
        ("meta", libc::NFT_META_L4PROTO) => Some(Loaded::Protocol),
        _ => None,
    }
}

/// `NFTA_PAYLOAD_BASE`, `NFTA_PAYLOAD_OFFSET` and `NFTA_PAYLOAD_LEN`.
fn part_of_packet(data: Attributes<'_>) -> Option<Loaded> {
    let network = |condition, length: c_int| {
        Some(Loaded::Network { condition, bits: u8::try_from(8 * length).ok()? })
    };
    match (data.number(2)?, data.number(3)?, data.number(4)?) {
        (NETWORK, PROTOCOL, 1) => Some(Loaded::Protocol),
        (NETWORK, SOURCE, length @ 1..=4) => network(Condition::Source, length),
        (NETWORK, DESTINATION, length @ 1..=4) => network(Condition::Destination, length),
        (TRANSPORT, DESTINATION_PORT, 2) => Some(Loaded::DestinationPort),
        _ => None,
    }
}

/// A register after `bitwise`: a mask makes a network of an address. The connection's state stays
/// what it is.
fn masked(loaded: Loaded, data: Attributes<'_>) -> Option<Loaded> {
    // `NFTA_DATA_VALUE` in `NFTA_BITWISE_MASK`.
    let mask: Option<[u8; 4]> = data.at(4).at(1).0.try_into().ok();
    match loaded {
        Loaded::Network { condition, bits: 32 } => {
            let mask = ipnet::ipv4_mask_to_prefix(Ipv4Addr::from(mask?)).ok()?;
            Some(Loaded::Network { condition, bits: mask })
        }
        Loaded::Connection => Some(loaded),
        _ => None,
    }
}

/// `NFTA_CMP_OP`, and `NFTA_DATA_VALUE` in `NFTA_CMP_DATA`.
fn compared(register: Option<&Loaded>, data: Attributes<'_>) -> Condition {
    let (operator, value) = (data.number(2), data.at(3).at(1).0);
    let is_equal = operator == Some(libc::NFT_CMP_EQ);
    match register {
        Some(Loaded::Connection) => Condition::Connection,
        Some(Loaded::Interface { condition, by_index })
            if is_equal || operator == Some(libc::NFT_CMP_NEQ) =>
        {
            condition(Interface { name: interface_name(value, *by_index), negated: !is_equal })
        }
        Some(Loaded::Protocol) if is_equal => {
            value.first().map_or(Condition::Other, |number| Condition::Protocol(*number))
        }
        Some(Loaded::DestinationPort) => {
            ports(operator, value).map_or(Condition::Other, Condition::DestinationPort)
        }
        Some(Loaded::Network { condition, bits }) if is_equal => {
            let mut octets = [0; 4];
            octets.iter_mut().zip(value).for_each(|(octet, byte)| *octet = *byte);
            Ipv4Net::new(Ipv4Addr::from(octets), *bits).map_or(Condition::Other, *condition)
        }
        _ => Condition::Other,
    }
}

/// The ports for which a comparison holds.
fn ports(operator: Option<c_int>, value: &[u8]) -> Option<RangeInclusive<u16>> {
    let port = port(value)?;
    match operator? {
        libc::NFT_CMP_EQ => Some(port..=port),
        libc::NFT_CMP_LTE => Some(0..=port),
        libc::NFT_CMP_GTE => Some(port..=u16::MAX),
        _ => None,
    }
}

fn port(value: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(value.get(..2)?.try_into().ok()?))
}

fn translated(address: Option<&Loaded>, to: Option<&Loaded>) -> Action {
    let value = |loaded: Option<&Loaded>| match loaded {
        Some(Loaded::Value(bytes)) => Some(bytes.clone()),
        _ => None,
    };
    let address = value(address).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    let port = value(to).and_then(|bytes| port(&bytes));
    Action::Translate(Translation { address: address.map(Ipv4Addr::from), port })
}

fn interface_name(data: &[u8], by_index: bool) -> InterfaceName {
    match data.try_into() {
        Ok(index) if by_index => InterfaceName::Index(u32::from_ne_bytes(index)),
        _ => InterfaceName::compared(data),
    }
}

/// `NFTA_VERDICT_CODE` and `NFTA_VERDICT_CHAIN`.
fn verdict(verdict: Attributes<'_>) -> Option<Action> {
    match verdict.number(1)? {
        libc::NFT_JUMP => Some(Action::Jump(verdict.text(2))),
        libc::NFT_GOTO => Some(Action::Goto(verdict.text(2))),
        libc::NFT_RETURN => Some(Action::Return),
        libc::NF_DROP => Some(Action::Drop),
        libc::NF_ACCEPT => Some(Action::Accept),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_final_zero_is_a_prefix() {
        assert_eq!(interface_name(b"br-a\0", false), InterfaceName::Exact("br-a".into()));
        assert_eq!(interface_name(b"br-a\0\0\0\0", false), InterfaceName::Exact("br-a".into()));
        assert_eq!(interface_name(b"br-", false), InterfaceName::Prefix("br-".into()));
        let index = 7_u32.to_ne_bytes();
        assert_eq!(interface_name(&index, true), InterfaceName::Index(7));
    }

    #[test]
    fn a_comparison_of_ports_is_a_range() {
        let value = 80_u16.to_be_bytes();
        assert_eq!(ports(Some(libc::NFT_CMP_EQ), &value), Some(80..=80));
        assert_eq!(ports(Some(libc::NFT_CMP_LTE), &value), Some(0..=80));
        assert_eq!(ports(Some(libc::NFT_CMP_GTE), &value), Some(80..=65535));
        assert_eq!(ports(Some(libc::NFT_CMP_NEQ), &value), None);
        assert_eq!(ports(Some(libc::NFT_CMP_EQ), &value[..1]), None);
    }
}
