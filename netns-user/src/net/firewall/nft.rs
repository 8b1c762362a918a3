//! Reads nftables by netlink.

use std::{collections::HashMap, fs, path::Path};

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, Nla as _};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
    nftables::{
        ChainAttribute, ChainMessage, Cmp, DataAttribute, ExpressionAttribute, Expressions, Hook,
        HookNumber, Immediate, InetHookNumber, ListAttribute, Lookup, Meta, MetaKey,
        NfTablesMessage, Operator, Register, RuleAttribute, RuleMessage, Verdict, VerdictAttribute,
    },
};
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::ruleset::{
    Action, Chain, Condition, Family, Interface, InterfaceName, Origin, Policy, Rule,
};
use crate::net::{NetError, exchange::exchange};

/// Verdicts of netfilter (linux/netfilter.h).
const NF_DROP: u32 = 0;
const NF_ACCEPT: u32 = 1;

/// `NFTA_CT_DREG`, `NFTA_CT_KEY` and the key of a connection's state (linux/nf_tables.h).
const CT_DREG: u16 = 1;
const CT_KEY: u16 = 2;
const CT_STATE: u32 = 0;

/// The name of a match or a target of iptables in the expressions that carry them.
const COMPAT_NAME: u16 = 1;

pub(super) fn chains() -> Result<Vec<Chain>, NetError> {
    if !is_in_kernel() {
        return Ok(Vec::new());
    }
    let mut chains = Vec::new();
    for (family, message) in
        dump(NfTablesMessage::GetChain(ChainMessage { attributes: Vec::new() }), "chains")?
    {
        if let NfTablesMessage::NewChain(message) = message {
            chains.push(chain(family, message));
        }
    }
    if chains.is_empty() {
        return Ok(chains);
    }
    for (family, message) in
        dump(NfTablesMessage::GetRule(RuleMessage { attributes: Vec::new() }), "rules")?
    {
        if let NfTablesMessage::NewRule(message) = message {
            put(&mut chains, family, message);
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

fn dump(request: NfTablesMessage, what: &str) -> Result<Vec<(Family, NfTablesMessage)>, NetError> {
    let action = format!("list the {what} of nftables");
    let unspecified = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, 0);
    let message = NetfilterMessage::new(unspecified, request);
    let answers: Vec<NetfilterMessage> =
        exchange(NETLINK_NETFILTER, &action, NLM_F_REQUEST | NLM_F_DUMP, message)?;
    let of_nftables = answers.into_iter().filter_map(|answer| match answer.inner {
        NetfilterMessageInner::NfTables(message) => {
            family(answer.header.family).map(|family| (family, message))
        }
        _ => None,
    });
    Ok(of_nftables.collect())
}

/// `None` for families that forwarded IPv4 packets and frames do not pass.
fn family(family: NetfilterProtoFamily) -> Option<Family> {
    match family {
        NetfilterProtoFamily::IPv4 => Some(Family::Ip),
        NetfilterProtoFamily::Inet => Some(Family::Inet),
        NetfilterProtoFamily::Bridge => Some(Family::Bridge),
        _ => None,
    }
}

fn chain(family: Family, message: ChainMessage) -> Chain {
    let mut chain = Chain {
        origin: Origin::Nftables(family),
        table: String::new(),
        name: String::new(),
        forward_policy: None,
        rules: Vec::new(),
    };
    let mut policy = Policy::Accept;
    let mut forwards = false;
    for attribute in message.attributes {
        match attribute {
            ChainAttribute::Table(table) => chain.table = table,
            ChainAttribute::Name(name) => chain.name = name,
            ChainAttribute::Policy(NF_DROP) => policy = Policy::Drop,
            ChainAttribute::Hook(hook) => {
                let forward = Hook::Number(HookNumber::Inet(InetHookNumber::Forward));
                forwards = hook.contains(&forward);
            }
            _ => {}
        }
    }
    chain.forward_policy = forwards.then_some(policy);
    chain
}

/// The kernel dumps the rules of a chain in their order.
fn put(chains: &mut [Chain], family: Family, message: RuleMessage) {
    let (mut table, mut name, mut expressions) = (String::new(), String::new(), Vec::new());
    for attribute in message.attributes {
        match attribute {
            RuleAttribute::Table(found) => table = found,
            RuleAttribute::Chain(found) => name = found,
            RuleAttribute::Expressions(found) => expressions = found,
            _ => {}
        }
    }
    let origin = Origin::Nftables(family);
    let is_its =
        |chain: &&mut Chain| chain.origin == origin && chain.table == table && chain.name == name;
    if let Some(chain) = chains.iter_mut().find(is_its) {
        chain.rules.push(rule(&expressions));
    }
}

/// The content of a register; a register that is not listed holds [`Loaded::Other`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Loaded {
    In,
    Out,
    Connection,
    Other,
}

impl Loaded {
    fn condition(self, operator: Operator, data: &[u8], by_index: bool) -> Condition {
        let negated = match operator {
            Operator::Equal => false,
            Operator::NotEqual => true,
            _ if self == Self::Connection => return Condition::Connection,
            _ => return Condition::Other,
        };
        let interface = || Interface { name: interface_name(data, by_index), negated };
        match self {
            Self::In => Condition::In(interface()),
            Self::Out => Condition::Out(interface()),
            Self::Connection => Condition::Connection,
            Self::Other => Condition::Other,
        }
    }
}

fn interface_name(data: &[u8], by_index: bool) -> InterfaceName {
    if let (true, Ok(index)) = (by_index, data.try_into()) {
        return InterfaceName::Index(u32::from_ne_bytes(index));
    }
    let text: Vec<u8> = data.iter().copied().take_while(|byte| *byte != 0).collect();
    let name = String::from_utf8_lossy(&text).into_owned();
    // For a whole name, its end is compared too.
    if text.len() < data.len() { InterfaceName::Exact(name) } else { InterfaceName::Prefix(name) }
}

fn rule(expressions: &[ListAttribute<ExpressionAttribute>]) -> Rule {
    let mut rule = Rule { conditions: Vec::new(), action: Action::Continue };
    let mut registers: HashMap<u32, (Loaded, bool)> = HashMap::new();
    for expression in expressions {
        let ListAttribute::Element(attributes) = expression else { continue };
        let name = attributes.iter().find_map(|attribute| match attribute {
            ExpressionAttribute::Name(name) => Some(name.as_str()),
            _ => None,
        });
        let data = attributes.iter().find_map(|attribute| match attribute {
            ExpressionAttribute::Data(data) => Some(data),
            _ => None,
        });
        match data {
            Some(Expressions::Meta(meta)) => load_meta(meta, &mut registers),
            Some(Expressions::Cmp(compare)) => {
                rule.conditions.extend(condition(compare, &registers));
            }
            Some(Expressions::Lookup(lookup)) => look_up(&mut rule, lookup, &registers),
            Some(Expressions::Immediate(immediate)) => {
                rule.action = verdict(immediate).unwrap_or(rule.action);
            }
            // A changed register still holds the same thing.
            Some(Expressions::Bitwise(_)) => {}
            // Addresses and the like.
            Some(Expressions::Payload(_)) => registers.clear(),
            Some(Expressions::Other { expression_type, attributes }) => {
                let text = |kind: u16| {
                    let found = attributes.iter().find(|nla| nla.kind() == kind)?;
                    let mut value = vec![0; found.value_len()];
                    found.emit_value(&mut value);
                    Some(value)
                };
                let word = |kind| Some(u32::from_be_bytes(text(kind)?.try_into().ok()?));
                other(&mut rule, &mut registers, expression_type, text(COMPAT_NAME), word);
            }
            _ if name == Some("reject") => rule.action = Action::Drop,
            _ => {}
        }
    }
    rule
}

/// Expressions that the crate does not decode.
fn other(
    rule: &mut Rule,
    registers: &mut HashMap<u32, (Loaded, bool)>,
    kind: &str,
    compat: Option<Vec<u8>>,
    word: impl Fn(u16) -> Option<u32>,
) {
    let compat = || {
        let name = compat.unwrap_or_default();
        String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned()
    };
    match kind {
        "reject" => rule.action = Action::Drop,
        "target" => {
            if matches!(compat().as_str(), "REJECT" | "DROP") {
                rule.action = Action::Drop;
            }
        }
        "match" => rule.conditions.push(match compat().as_str() {
            "conntrack" | "state" => Condition::Connection,
            // A comment matches everything.
            "comment" => return,
            _ => Condition::Other,
        }),
        "ct" => {
            if let Some(register) = word(CT_DREG) {
                let state = word(CT_KEY) == Some(CT_STATE);
                let loaded = if state { Loaded::Connection } else { Loaded::Other };
                registers.insert(register, (loaded, false));
            }
        }
        "limit" | "quota" | "connlimit" | "range" | "dynset" | "synproxy" | "queue" => {
            rule.conditions.push(Condition::Other);
        }
        // Any other value that it loads is unknown here.
        _ => registers.clear(),
    }
}

fn number(register: Register) -> u32 {
    register.into()
}

fn load_meta(meta: &[Meta], registers: &mut HashMap<u32, (Loaded, bool)>) {
    let mut register = None;
    let mut loaded = (Loaded::Other, false);
    for attribute in meta {
        match attribute {
            Meta::DestinationRegister(found) => register = Some(number(*found)),
            Meta::Key(MetaKey::Iifname) => loaded = (Loaded::In, false),
            Meta::Key(MetaKey::Oifname) => loaded = (Loaded::Out, false),
            Meta::Key(MetaKey::Iif) => loaded = (Loaded::In, true),
            Meta::Key(MetaKey::Oif) => loaded = (Loaded::Out, true),
            _ => {}
        }
    }
    registers.extend(register.map(|register| (register, loaded)));
}

fn condition(compare: &[Cmp], registers: &HashMap<u32, (Loaded, bool)>) -> Option<Condition> {
    let (mut loaded, mut operator, mut data) = ((Loaded::Other, false), None, None);
    for attribute in compare {
        match attribute {
            Cmp::SourceRegister(register) => {
                loaded = registers.get(&number(*register)).copied().unwrap_or(loaded);
            }
            Cmp::Op(found) => operator = Some(*found),
            Cmp::Data(DataAttribute::Value(found)) => data = Some(found),
            _ => {}
        }
    }
    Some(loaded.0.condition(operator?, data?, loaded.1))
}

/// The sets are not read: neither whether the condition holds is known, nor the verdict of a map.
fn look_up(rule: &mut Rule, lookup: &[Lookup], registers: &HashMap<u32, (Loaded, bool)>) {
    let mut condition = Condition::Other;
    for attribute in lookup {
        match attribute {
            Lookup::SourceRegister(register) => {
                if matches!(registers.get(&number(*register)), Some((Loaded::Connection, _))) {
                    condition = Condition::Connection;
                }
            }
            Lookup::DestinationRegister(Register::Verdict) => rule.action = Action::Accept,
            _ => {}
        }
    }
    rule.conditions.push(condition);
}

fn verdict(immediate: &[Immediate]) -> Option<Action> {
    let attributes = immediate.iter().find_map(|attribute| match attribute {
        Immediate::Data(DataAttribute::Verdict(verdict)) => Some(verdict),
        _ => None,
    })?;
    let chain = || {
        attributes.iter().find_map(|attribute| match attribute {
            VerdictAttribute::Chain(chain) => Some(chain.clone()),
            _ => None,
        })
    };
    let code = attributes.iter().find_map(|attribute| match attribute {
        VerdictAttribute::Code(code) => Some(*code),
        _ => None,
    })?;
    match code {
        Verdict::Jump => chain().map(Action::Jump),
        Verdict::Goto => chain().map(Action::Goto),
        Verdict::Return => Some(Action::Return),
        Verdict::Other(NF_DROP) => Some(Action::Drop),
        Verdict::Other(NF_ACCEPT) => Some(Action::Accept),
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
