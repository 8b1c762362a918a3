//! Reads nftables by netlink (linux/netfilter/nf_tables.h).

use std::{collections::HashMap, fs, path::Path};

use libc::{
    NFNL_SUBSYS_NFTABLES, NFPROTO_BRIDGE, NFPROTO_INET, NFPROTO_IPV4, NFT_MSG_GETCHAIN,
    NFT_MSG_GETRULE, c_int,
};
use netlink_packet_core::{
    DecodeError, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader,
    NetlinkSerializable, NlasIterator,
};
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::ruleset::{
    Action, Chain, Condition, Interface, InterfaceName, Origin, Policy, Rule, text,
};
use crate::net::{NetError, exchange::exchange};

/// Bytes of `struct nfgenmsg`.
const HEAD: usize = 4;

pub(super) fn chains() -> Result<Vec<Chain>, NetError> {
    if !is_in_kernel() {
        return Ok(Vec::new());
    }
    let list = |what, kind| {
        let action = format!("list the {what} of nftables");
        exchange(NETLINK_NETFILTER, &action, NLM_F_REQUEST | NLM_F_DUMP, Request(kind))
    };
    let answers: Vec<Answer> = list("chains", NFT_MSG_GETCHAIN)?;
    let mut chains: Vec<Chain> = answers.iter().filter_map(chain).collect();
    if chains.is_empty() {
        return Ok(chains);
    }
    // The kernel lists the rules of a chain in their order.
    for answer in list("rules", NFT_MSG_GETRULE)? {
        // `NFTA_RULE_TABLE`, `NFTA_RULE_CHAIN` and `NFTA_RULE_EXPRESSIONS`.
        let attributes = answer.attributes();
        let its = (answer.origin(), attributes.text(1), attributes.text(2));
        let is_its = |chain: &&mut Chain| {
            (Some(chain.origin), &chain.table, &chain.name) == (its.0, &its.1, &its.2)
        };
        if let Some(chain) = chains.iter_mut().find(is_its) {
            chain.rules.push(rule(attributes.at(4)));
        }
    }
    Ok(chains)
}

/// Whether the kernel has nftables: a request would load the module.
fn is_in_kernel() -> bool {
    Path::new("/sys/module/nf_tables").exists()
        // A built-in module without parameters has no folder there, but its functions are listed.
        || fs::read_to_string("/proc/kallsyms")
            .is_ok_and(|symbols| symbols.contains(" nft_register_chain_type"))
}

/// A request (`NFT_MSG_GET…`) about all tables.
struct Request(c_int);

impl NetlinkSerializable for Request {
    fn message_type(&self) -> u16 {
        u16::try_from(NFNL_SUBSYS_NFTABLES << 8 | self.0).unwrap_or_default()
    }

    fn buffer_len(&self) -> usize {
        HEAD
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

/// A chain or a rule, from `struct nfgenmsg` on.
struct Answer(Vec<u8>);

impl NetlinkDeserializable for Answer {
    type Error = DecodeError;

    fn deserialize(_: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        if payload.len() < HEAD {
            return Err("a message without a family".into());
        }
        NlasIterator::new(&payload[HEAD..]).try_for_each(|attribute| attribute.map(drop))?;
        Ok(Self(payload.to_vec()))
    }
}

impl Answer {
    fn attributes(&self) -> Attributes<'_> {
        Attributes(&self.0[HEAD..])
    }

    /// `None` for families that forwarded IPv4 packets and frames do not pass.
    fn origin(&self) -> Option<Origin> {
        match self.0[0].into() {
            NFPROTO_IPV4 => Some(Origin::Ip),
            NFPROTO_INET => Some(Origin::Inet),
            NFPROTO_BRIDGE => Some(Origin::Bridge),
            _ => None,
        }
    }
}

/// Attributes one after the other. A missing one is read as an empty one.
#[derive(Clone, Copy)]
struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    fn all(self) -> impl Iterator<Item = (u16, Self)> {
        NlasIterator::new(self.0).flatten().map(|attribute| {
            let value = &attribute.into_inner()[4..];
            (attribute.kind(), Attributes(&value[..attribute.value_length()]))
        })
    }

    fn at(self, kind: u16) -> Self {
        self.all().find(|(found, _)| *found == kind).map_or(Attributes(&[]), |(_, value)| value)
    }

    fn text(self, kind: u16) -> String {
        text(self.at(kind).0)
    }

    fn number(self, kind: u16) -> Option<c_int> {
        Some(c_int::from_be_bytes(self.at(kind).0.try_into().ok()?))
    }
}

/// A chain without its rules.
fn chain(answer: &Answer) -> Option<Chain> {
    let chain = answer.attributes();
    // `NFTA_CHAIN_POLICY`, and `NFTA_HOOK_HOOKNUM` in `NFTA_CHAIN_HOOK`.
    let dropped = chain.number(5) == Some(libc::NF_DROP);
    let forwards = chain.at(4).number(1) == Some(libc::NF_INET_FORWARD);
    let policy = if dropped { Policy::Drop } else { Policy::Accept };
    Some(Chain {
        origin: answer.origin()?,
        // `NFTA_CHAIN_TABLE` and `NFTA_CHAIN_NAME`.
        table: chain.text(1),
        name: chain.text(3),
        forward_policy: forwards.then_some(policy),
        rules: Vec::new(),
    })
}

/// The content of a register that can be judged.
#[derive(Clone, Copy)]
enum Loaded {
    Interface { condition: fn(Interface) -> Condition, by_index: bool },
    Connection,
}

fn rule(expressions: Attributes<'_>) -> Rule {
    let mut rule = Rule { conditions: Vec::new(), action: Action::Continue };
    let mut registers: HashMap<c_int, Loaded> = HashMap::new();
    for (_, expression) in expressions.all() {
        // `NFTA_EXPR_NAME` and `NFTA_EXPR_DATA`.
        let (name, data) = (expression.text(1), expression.at(2));
        let register = |kind| data.number(kind).and_then(|number| registers.get(&number).copied());
        match name.as_str() {
            // `NFTA_META_DREG` and `NFTA_META_KEY`, `NFTA_CT_DREG` and `NFTA_CT_KEY`.
            "meta" | "ct" => {
                if let Some(register) = data.number(1) {
                    registers.remove(&register);
                    let loaded = data.number(2).and_then(|key| loaded(&name, key));
                    registers.extend(loaded.map(|loaded| (register, loaded)));
                }
            }
            // `NFTA_CMP_SREG`, `NFTA_CMP_OP`, and `NFTA_DATA_VALUE` in `NFTA_CMP_DATA`.
            "cmp" => rule.conditions.push(match (register(1), data.number(2)) {
                (Some(Loaded::Connection), _) => Condition::Connection,
                (
                    Some(Loaded::Interface { condition, by_index }),
                    Some(operator @ (libc::NFT_CMP_EQ | libc::NFT_CMP_NEQ)),
                ) => condition(Interface {
                    name: interface_name(data.at(3).at(1).0, by_index),
                    negated: operator == libc::NFT_CMP_NEQ,
                }),
                _ => Condition::Other,
            }),
            // The sets are not read: neither whether the condition holds is known, nor the verdict
            // of a map.
            "lookup" => {
                // `NFTA_LOOKUP_SREG` and `NFTA_LOOKUP_DREG`.
                let state = matches!(register(2), Some(Loaded::Connection));
                rule.conditions.push(if state { Condition::Connection } else { Condition::Other });
                if data.number(3) == Some(libc::NFT_REG_VERDICT) {
                    rule.action = Action::Accept;
                }
            }
            // `NFTA_DATA_VERDICT` in `NFTA_IMMEDIATE_DATA`.
            "immediate" => rule.action = verdict(data.at(2).at(2)).unwrap_or(rule.action),
            "reject" => rule.action = Action::Drop,
            // `NFTA_TARGET_NAME` and `NFTA_MATCH_NAME`, of iptables.
            "target" if matches!(data.text(1).as_str(), "REJECT" | "DROP") => {
                rule.action = Action::Drop;
            }
            "match" => rule.conditions.extend(Condition::of_match(&data.text(1))),
            "limit" | "quota" | "connlimit" | "range" | "dynset" | "synproxy" | "queue" => {
                rule.conditions.push(Condition::Other);
            }
            // A changed register still holds the same thing.
            "target" | "bitwise" => {}
            // Addresses and the like; any other value that it loads is unknown here.
            _ => registers.clear(),
        }
    }
    rule
}

fn loaded(expression: &str, key: c_int) -> Option<Loaded> {
    let interface = |condition, by_index| Some(Loaded::Interface { condition, by_index });
    match (expression, key) {
        ("ct", libc::NFT_CT_STATE) => Some(Loaded::Connection),
        ("meta", libc::NFT_META_IIFNAME) => interface(Condition::In, false),
        ("meta", libc::NFT_META_OIFNAME) => interface(Condition::Out, false),
        ("meta", libc::NFT_META_IIF) => interface(Condition::In, true),
        ("meta", libc::NFT_META_OIF) => interface(Condition::Out, true),
        _ => None,
    }
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
}
