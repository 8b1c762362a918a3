//! Rules of another NAT at a router, such as Docker's, for a port that the lab forwards. The lab's
//! programs see the packets of an uplink before netfilter does.

use schemars::JsonSchema;
use serde::Serialize;

use super::{forwards_of, place_of};
use crate::{
    lab::error::LabError,
    net::{
        Netns,
        firewall::{
            self, Action, Chain, Condition, Interface, InterfaceName, NatHook, Origin, Rule,
            Translation,
        },
    },
    rules::{ForwardProtocol, ForwardRule},
    shell,
    topology::Topology,
};

/// How deep nftables lets chains jump (`NFT_JUMP_STACK_SIZE`).
const DEEPEST: usize = 16;

/// A rule of another NAT that forwards a port which the lab forwards too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct OtherForward {
    /// The namespace of the router; `None`: this machine.
    pub(crate) router: Option<String>,
    /// The tool, the table and the chain of the rule.
    pub(crate) place: String,
    /// The ports and the target of the rule.
    pub(crate) rule: String,
    /// The forward of the lab, in words.
    pub(crate) forward: String,
    /// The command that deletes the rule, or shows who made it.
    pub(crate) command: String,
    /// Whether Docker manages the chain of the rule.
    pub(crate) of_docker: bool,
}

impl OtherForward {
    /// In a sentence.
    pub(crate) fn in_words(&self) -> String {
        let Self { router, place, rule, forward, .. } = self;
        let netns = place_of(router.as_deref());
        format!(
            "{place} {netns} has the rule \"{rule}\", but \"{forward}\" takes the packets that come \
             in by an uplink"
        )
    }
}

/// The rules of other NATs at `netns` for packets to ports that these rules forward. `uplinks` are
/// the names of the router's uplinks.
///
/// # Errors
/// When the namespace cannot be entered, or the kernel does not list its rules.
pub(crate) fn other_forwards_of(
    netns: &Netns,
    rules: &[ForwardRule],
    uplinks: &[&str],
) -> Result<Vec<OtherForward>, LabError> {
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let chains = netns.run(firewall::chains)??;
    Ok(judge(&chains, netns, rules, uplinks))
}

/// Those at all routers of a lab, by the forwards of its file.
///
/// # Errors
/// As [`other_forwards_of`].
pub(crate) fn other_forwards(topology: &Topology) -> Result<Vec<OtherForward>, LabError> {
    let mut all = Vec::new();
    for router in &topology.routers {
        let name = router.namespace.as_deref();
        let rules = forwards_of(topology, name);
        let uplinks: Vec<&str> =
            topology.uplinks_of(name).map(|uplink| uplink.name.as_str()).collect();
        all.extend(other_forwards_of(&Netns::of(name), &rules, &uplinks)?);
    }
    Ok(all)
}

fn judge(
    chains: &[Chain],
    netns: &Netns,
    forwards: &[ForwardRule],
    uplinks: &[&str],
) -> Vec<OtherForward> {
    let mut others: Vec<OtherForward> = Vec::new();
    for found in translations(chains, NatHook::Prerouting) {
        let meets = |forward: &&ForwardRule| {
            found.conditions.iter().all(|condition| may_hold(condition, forward, uplinks))
        };
        let Some(forward) = forwards.iter().find(meets) else { continue };
        let other = OtherForward {
            router: netns.name().map(str::to_owned),
            place: found.place(),
            rule: found.in_words(),
            forward: forward.to_string(),
            command: found.deletion(netns),
            of_docker: found.chain.name.starts_with("DOCKER"),
        };
        if !others.contains(&other) {
            others.push(other);
        }
    }
    others
}

/// A rule that translates, with the conditions on the way to it.
pub(super) struct Found<'a> {
    hook: NatHook,
    chain: &'a Chain,
    rule: &'a Rule,
    to: &'a Translation,
    pub(super) conditions: Vec<Condition>,
}

/// The translating rules that packets at a hook may meet. A rule before them may decide otherwise:
/// so one too many may be found.
pub(super) fn translations(chains: &[Chain], hook: NatHook) -> Vec<Found<'_>> {
    let mut found = Vec::new();
    for base in chains.iter().filter(|chain| chain.nat == Some(hook)) {
        collect(chains, (hook, base), &mut Vec::new(), &mut found);
    }
    found
}

/// Collects the translating rules of a chain and of those that it jumps to.
fn collect<'a>(
    chains: &'a [Chain],
    (hook, chain): (NatHook, &'a Chain),
    way: &mut Vec<&'a Rule>,
    found: &mut Vec<Found<'a>>,
) {
    if way.len() > DEEPEST {
        return;
    }
    for rule in &chain.rules {
        way.push(rule);
        match &rule.action {
            Action::Jump(name) | Action::Goto(name) => {
                let is_it = |other: &&Chain| {
                    (other.origin, &other.table, &other.name) == (chain.origin, &chain.table, name)
                };
                if let Some(next) = chains.iter().find(is_it) {
                    collect(chains, (hook, next), way, found);
                }
            }
            Action::Translate(to) => {
                let conditions = way.iter().flat_map(|rule| rule.conditions.clone()).collect();
                found.push(Found { hook, chain, rule, to, conditions });
            }
            _ => {}
        }
        way.pop();
    }
}

/// Whether a condition may hold for the first packet of a connection to the forward, from outside.
fn may_hold(condition: &Condition, forward: &ForwardRule, uplinks: &[&str]) -> bool {
    match condition {
        Condition::In(interface) => may_be_one_of(interface, uplinks),
        Condition::Protocol(number) => *number == protocol(forward.protocol),
        Condition::DestinationPort(ports) => {
            let wanted = forward.ports.all();
            wanted.start() <= ports.end() && ports.start() <= wanted.end()
        }
        Condition::Destination(net) => forward.address.is_none_or(|address| net.contains(&address)),
        Condition::Source(net) => {
            forward.from.is_empty()
                || forward.from.iter().any(|from| crate::topology::overlap(*from, *net))
        }
        Condition::Out(_) | Condition::Connection | Condition::Other => true,
    }
}

/// Whether the interfaces of a condition include one of these.
pub(super) fn may_be_one_of(interface: &Interface, names: &[&str]) -> bool {
    let is_named = |name: &str| match &interface.name {
        InterfaceName::Exact(wanted) => wanted == name,
        InterfaceName::Prefix(wanted) => name.starts_with(wanted.as_str()),
        // The index may be that of any interface.
        InterfaceName::Index(_) => !interface.negated,
    };
    names.iter().any(|name| is_named(name) != interface.negated)
}

fn protocol(protocol: ForwardProtocol) -> u8 {
    netns_common::abi::Protocol::from(protocol).number()
}

impl Found<'_> {
    /// The translation and its conditions, as `nft` writes them.
    pub(super) fn in_words(&self) -> String {
        let Self { to, conditions, .. } = self;
        let mut words: Vec<String> = Vec::new();
        words.extend(conditions.iter().find_map(|condition| match condition {
            Condition::Protocol(6) => Some("tcp".to_owned()),
            Condition::Protocol(17) => Some("udp".to_owned()),
            Condition::Protocol(132) => Some("sctp".to_owned()),
            Condition::Protocol(number) => Some(format!("protocol {number}")),
            _ => None,
        }));
        words.extend(conditions.iter().filter_map(|condition| match condition {
            Condition::Source(net) => Some(format!("from {net}")),
            Condition::Destination(net) => Some(format!("to {net}")),
            _ => None,
        }));
        let ports = conditions.iter().filter_map(|condition| match condition {
            Condition::DestinationPort(ports) => Some((*ports.start(), *ports.end())),
            _ => None,
        });
        // Several conditions hold together.
        let ports = ports.reduce(|one, other| (one.0.max(other.0), one.1.min(other.1)));
        words.extend(ports.map(|(first, last)| match first == last {
            true => format!("dport {first}"),
            false => format!("dport {first}-{last}"),
        }));
        let port = to.port.map_or_else(String::new, |port| format!(":{port}"));
        words.push(match (self.hook == NatHook::Postrouting, to.address) {
            (true, Some(address)) => format!("snat to {address}{port}"),
            (true, None) => "masquerade".to_owned(),
            (false, Some(address)) => format!("dnat to {address}{port}"),
            (false, None) if port.is_empty() => "redirect".to_owned(),
            (false, None) => format!("redirect to {port}"),
        });
        words.join(" ")
    }

    /// The tool, the table and the chain.
    pub(super) fn place(&self) -> String {
        let Chain { origin, table, name, .. } = self.chain;
        match origin {
            Origin::Legacy => format!("iptables-legacy (table {table}, chain {name})"),
            other => format!("nftables (table {} {table}, chain {name})", family(*other)),
        }
    }

    /// The command that deletes the rule.
    pub(super) fn deletion(&self, netns: &Netns) -> String {
        let inside = netns
            .name()
            .map_or_else(String::new, |name| format!("netns exec {} -- ", shell::word(name)));
        let (table, name) = (shell::word(&self.chain.table), shell::word(&self.chain.name));
        let number = self.rule.number;
        match self.chain.origin {
            Origin::Legacy => format!("{inside}iptables-legacy -t {table} -D {name} {number}"),
            other => {
                let family = family(other);
                format!("{inside}nft delete rule {family} {table} {name} handle {number}")
            }
        }
    }
}

fn family(origin: Origin) -> &'static str {
    match origin {
        Origin::Inet => "inet",
        Origin::Bridge => "bridge",
        Origin::Ip | Origin::Legacy => "ip",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(name: &str, nat: Option<NatHook>, rules: Vec<Rule>) -> Chain {
        let (table, name) = ("nat".to_owned(), name.to_owned());
        Chain { origin: Origin::Ip, table, name, forward_policy: None, nat, rules }
    }

    fn rule(conditions: Vec<Condition>, action: Action) -> Rule {
        Rule { number: 7, conditions, action }
    }

    fn dnat(conditions: Vec<Condition>) -> Rule {
        let to = Translation { address: Some([172, 17, 0, 2].into()), port: Some(80) };
        rule(conditions, Action::Translate(to))
    }

    fn named(name: &str, negated: bool) -> Condition {
        Condition::In(Interface { name: InterfaceName::Exact(name.into()), negated })
    }

    fn found(rules: Vec<Rule>) -> Vec<OtherForward> {
        let base = chain("PREROUTING", Some(NatHook::Prerouting), rules);
        let forward = ForwardRule::new(ForwardProtocol::Tcp, 8080, "10.0.0.2:80".parse().unwrap());
        judge(&[base], &Netns::Machine, &[forward], &["wan0"])
    }

    #[test]
    fn only_a_rule_for_the_forwarded_port_of_an_uplink_is_found() {
        let port = |port| Condition::DestinationPort(port..=port);
        let tcp = || Condition::Protocol(6);
        assert_eq!(found(vec![dnat(vec![tcp(), port(8080)])]).len(), 1);
        assert_eq!(found(vec![dnat(vec![tcp(), port(8080), Condition::Other])]).len(), 1);
        assert_eq!(found(vec![dnat(vec![tcp(), named("docker0", true)])]).len(), 1);
        assert_eq!(found(vec![dnat(vec![tcp(), named("wan0", false)])]).len(), 1);
        let others = [
            vec![Condition::Protocol(17), port(8080)],
            vec![tcp(), port(8081)],
            vec![tcp(), port(8080), named("docker0", false)],
            vec![tcp(), port(8080), named("wan0", true)],
        ];
        for conditions in others {
            assert_eq!(found(vec![dnat(conditions.clone())]), [], "{conditions:?}");
        }
        assert_eq!(found(vec![rule(vec![tcp(), port(8080)], Action::Accept)]), []);
    }

    #[test]
    fn a_rule_of_docker_is_found_behind_its_jump() {
        let conditions = vec![Condition::Protocol(6), Condition::DestinationPort(8080..=8080)];
        let docker = chain("DOCKER", None, vec![dnat(conditions)]);
        let jump = rule(vec![Condition::Other], Action::Jump("DOCKER".into()));
        let base = chain("PREROUTING", Some(NatHook::Prerouting), vec![jump]);
        let forward = ForwardRule::new(ForwardProtocol::Tcp, 8080, "10.0.0.2:80".parse().unwrap());
        let found = judge(&[base, docker], &Netns::Machine, &[forward], &["wan0"]);
        let [one] = &found[..] else { panic!("{found:?}") };
        assert!(one.of_docker);
        assert_eq!(one.command, "nft delete rule ip nat DOCKER handle 7");
        assert_eq!(
            one.in_words(),
            "nftables (table ip nat, chain DOCKER) on this machine has the rule \"tcp dport 8080 \
             dnat to 172.17.0.2:80\", but \"forward tcp 8080 -> 10.0.0.2:80\" takes the packets \
             that come in by an uplink"
        );
    }
}
