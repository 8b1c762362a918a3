//! Checks for firewall rules that drop forwarded packets of a lab.
//!
//! Translated packets, and packets between two ports of one bridge, are redirected from interface
//! to interface and bypass the rules. Packets between two bridges of a lab pass through the
//! kernel's stack. With `via_stack` the others do too, those on one bridge only where br_netfilter
//! is on.

mod judge;

use std::io;

use super::{
    finding::{Finding, Verdict},
    forwarding::OWN_ROUTER,
    subject::{Router, Subject},
};
use crate::{
    net::{
        NetError, Netlink,
        firewall::{self, Chain, Family, Origin},
        sysctl,
    },
    shell,
    topology::Topology,
};
use judge::{Fate, Indexes, fate};

const CHECK: &str = "firewall";
/// Shows all rules.
const RULES: &str = "nft list ruleset; iptables-legacy-save";
const BR_NETFILTER: &str = "br_netfilter";

/// Whether bridged frames also pass the iptables rules.
const BRIDGED: &str = "bridge/bridge-nf-call-iptables";

/// A name that most likely no rule mentions.
const ANY_BRIDGE: &str = "netns-doctor";

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let chains = match firewall::chains() {
        Ok(chains) => chains,
        Err(error) => return vec![unreadable(&error, subject)],
    };
    let links = Netlink::open().and_then(|netlink| netlink.links()).unwrap_or_default();
    let index = |name: &str| links.iter().find(|link| link.name == name).map(|link| link.index);
    let bridged = sysctl::read(BRIDGED).is_ok_and(|value| value != "0");
    let mut findings = judge(&chains, subject, bridged, &index);
    findings.push(br_netfilter(&chains, subject, bridged, &index));
    findings
}

/// The setting is on by default once its module is loaded. Docker and Kubernetes load it.
fn br_netfilter(chains: &[Chain], subject: &Subject, bridged: bool, index: Indexes<'_>) -> Finding {
    if !bridged {
        return Finding::sound(BR_NETFILTER, "off: bridged frames bypass the firewall");
    }
    let found = "bridge-nf-call-iptables is 1: bridged frames pass through the firewall";
    let bridges: Vec<&str> = match subject.router() {
        Router::Own => return Finding::sound(BR_NETFILTER, found).meaning(OWN_ROUTER),
        Router::Any => vec![ANY_BRIDGE],
        Router::Machine(lab) if lab.nat.via_stack => shared_bridges(lab).collect(),
        Router::Machine(_) => {
            return Finding::sound(BR_NETFILTER, found)
                .meaning("not relevant: packets between namespaces on one bridge bypass it");
        }
    };
    let drops = |bridge: &&str| {
        let of_packets = |chain: &&Chain| chain.origin != Origin::Nftables(Family::Bridge);
        let base = chains.iter().filter(|chain| chain.forward_policy.is_some());
        base.filter(of_packets)
            .any(|chain| fate(chains, chain, (bridge, bridge), index) != Fate::Passes)
    };
    if bridges.is_empty() {
        return Finding::sound(BR_NETFILTER, found)
            .meaning("not relevant: no bridge of the lab has two namespaces");
    }
    if !bridges.iter().any(drops) {
        return Finding::sound(BR_NETFILTER, found)
            .meaning("not relevant: the firewall accepts them");
    }
    Finding::new(BR_NETFILTER, Verdict::Doubtful, found)
        .meaning(
            "with via_stack, the firewall drops packets between namespaces on one bridge: add a \
             rule that accepts them, or set this to 0 unless Docker or Kubernetes need it",
        )
        .command(shell::sysctl(&format!("net/{BRIDGED}"), "0"))
}

/// Bridges with more than one namespace.
fn shared_bridges(lab: &Topology) -> impl Iterator<Item = &str> {
    lab.bridges
        .iter()
        .map(|bridge| bridge.name.as_str())
        .filter(|bridge| lab.plugged().filter(|(_, plug)| plug.bridge == *bridge).count() > 1)
}

fn unreadable(error: &NetError, subject: &Subject) -> Finding {
    match error {
        NetError::Refused { cause, .. } if cause.kind() == io::ErrorKind::PermissionDenied => {
            Finding::unseen(CHECK, subject)
        }
        error => Finding::new(CHECK, Verdict::Doubtful, error.to_string())
            .meaning("the firewall rules could not be read; this shows them")
            .command(RULES),
    }
}

fn judge(chains: &[Chain], subject: &Subject, bridged: bool, index: Indexes<'_>) -> Vec<Finding> {
    let base = || chains.iter().filter(|chain| chain.forward_policy.is_some());
    let findings: Vec<Finding> = match subject.router() {
        Router::Machine(lab) => {
            base().filter_map(|chain| for_lab(chains, chain, lab, bridged, index)).collect()
        }
        router @ (Router::Any | Router::Own) => {
            let drops = |chain: &&Chain| {
                fate(chains, chain, (ANY_BRIDGE, ANY_BRIDGE), index) != Fate::Passes
            };
            base().filter(drops).map(|chain| for_any(chain, router, bridged)).collect()
        }
    };
    if !findings.is_empty() {
        return findings;
    }
    vec![Finding::sound(
        CHECK,
        match base().count() {
            0 => "there are no rules for forwarded packets",
            _ => "its rules accept packets between bridges",
        },
    )]
}

/// Says that a chain drops packets, and names it as `nft` and `iptables` do.
fn dropping(chain: &Chain) -> String {
    let Chain { table, name, .. } = chain;
    match chain.origin {
        Origin::Legacy => {
            format!("iptables-legacy drops forwarded packets (table {table}, chain {name})")
        }
        Origin::Nftables(Family::Bridge) => {
            format!("nftables drops bridged frames (table bridge {table}, chain {name})")
        }
        Origin::Nftables(family) => {
            let family = word(family);
            format!("nftables drops forwarded packets (table {family} {table}, chain {name})")
        }
    }
}

fn word(family: Family) -> &'static str {
    match family {
        Family::Ip => "ip",
        Family::Inet => "inet",
        Family::Bridge => "bridge",
    }
}

fn for_any(chain: &Chain, router: Router<'_>, bridged: bool) -> Finding {
    let verdict = router.severity();
    let finding = Finding::new(CHECK, verdict, dropping(chain));
    if verdict == Verdict::Sound {
        return finding.meaning(OWN_ROUTER);
    }
    let of_bridge = chain.origin == Origin::Nftables(Family::Bridge);
    let lost = match (of_bridge, bridged) {
        (true, _) => "namespaces on one bridge do not reach each other in a lab with via_stack",
        (false, true) => {
            "namespaces on different bridges do not reach each other, and with via_stack neither \
             do namespaces on one bridge"
        }
        (false, false) => "namespaces on different bridges do not reach each other",
    };
    finding
        .meaning(format!(
            "if the machine is a lab's router, {lost}; translated packets bypass the firewall. For \
             the lab of a file, this shows the repair command"
        ))
        .command("netns doctor FILE")
}

/// The pairs of interfaces whose packets pass through a chain.
struct Ways {
    on_one_bridge: Vec<(String, String)>,
    between_bridges: Vec<(String, String)>,
}

impl Ways {
    fn of(lab: &Topology, origin: Origin, bridged: bool) -> Self {
        let short = !lab.nat.via_stack;
        if short && origin == Origin::Nftables(Family::Bridge) {
            return Self { on_one_bridge: Vec::new(), between_bridges: Vec::new() };
        }
        if origin == Origin::Nftables(Family::Bridge) {
            // Each port with the next one: the suggested rules accept every port.
            let neighbours = shared_bridges(lab).flat_map(|bridge| {
                let on = lab.plugged().filter(move |(_, plug)| plug.bridge == bridge);
                let ports: Vec<&String> = on.map(|(_, plug)| &plug.port).collect();
                let after = ports.clone().into_iter().cycle().skip(1);
                ports.into_iter().cloned().zip(after.cloned()).collect::<Vec<_>>()
            });
            return Self { on_one_bridge: neighbours.collect(), between_bridges: Vec::new() };
        }
        let shared = shared_bridges(lab).filter(|_| bridged && !short);
        let pairs = lab.bridges.iter().flat_map(|one| {
            let others = lab.bridges.iter().filter(|other| other.name != one.name);
            others.map(|other| (one.name.clone(), other.name.clone()))
        });
        Self {
            on_one_bridge: shared.map(|one| (one.to_owned(), one.to_owned())).collect(),
            between_bridges: pairs.collect(),
        }
    }
}

fn for_lab(
    chains: &[Chain],
    chain: &Chain,
    lab: &Topology,
    bridged: bool,
    index: Indexes<'_>,
) -> Option<Finding> {
    let ways = Ways::of(lab, chain.origin, bridged);
    let worst = |ways: &[(String, String)]| {
        let fates = ways.iter().map(|(from, to)| fate(chains, chain, (from, to), index));
        fates.max().unwrap_or(Fate::Passes)
    };
    let (one, between) = (worst(&ways.on_one_bridge), worst(&ways.between_bridges));
    let verdict = match one.max(between) {
        Fate::Passes => return passed_by(chains, chain, lab, index),
        Fate::MayPass => Verdict::Doubtful,
        Fate::Dropped => Verdict::Faulty,
    };
    let lost = match (one, between) {
        (Fate::Passes, _) => "namespaces on different bridges do not reach each other",
        (_, Fate::Passes) => "namespaces on one bridge do not reach each other",
        _ => "namespaces do not reach each other",
    };
    let mut meaning = lost.to_owned();
    if verdict == Verdict::Doubtful {
        meaning += ", unless a rule with other conditions accepts their packets";
    }
    meaning += "; translated packets bypass the firewall";
    Some(Finding::new(CHECK, verdict, dropping(chain)).meaning(meaning).command(accept(chain, lab)))
}

/// A finding for a chain that drops packets, but none of this lab.
fn passed_by(
    chains: &[Chain],
    chain: &Chain,
    lab: &Topology,
    index: Indexes<'_>,
) -> Option<Finding> {
    let bridge = lab.bridges.first()?.name.as_str();
    if fate(chains, chain, (bridge, bridge), index) == Fate::Passes {
        return None;
    }
    Some(
        Finding::sound(CHECK, dropping(chain))
            .meaning("not relevant: of this lab, only untranslated packets would pass through it"),
    )
}

/// The command that inserts rules for the lab at the start of the chain.
fn accept(chain: &Chain, lab: &Topology) -> String {
    let Chain { table, name, .. } = chain;
    if [table, name].iter().any(|name| shell::word(name) != **name) {
        // `nft` cannot name such a table on its command line.
        return RULES.to_owned();
    }
    let rule = |from: &str, to: &str| match chain.origin {
        Origin::Nftables(Family::Bridge) => {
            let place = shell::words(["bridge", table, name]);
            format!(r#"nft "insert rule {place} iifname \"{from}\" accept""#)
        }
        // Chains that iptables made are changed with iptables.
        Origin::Nftables(Family::Ip) if name == "FORWARD" => {
            iptables("iptables-nft", table, from, to)
        }
        Origin::Nftables(family) => {
            let place = shell::words([word(family), table, name]);
            format!(r#"nft "insert rule {place} iifname \"{from}\" oifname \"{to}\" accept""#)
        }
        Origin::Legacy => iptables("iptables-legacy", table, from, to),
    };
    if chain.origin == Origin::Nftables(Family::Bridge) {
        let ports = lab.plugged().map(|(_, plug)| plug.port.as_str());
        return format!("for i in {}; do {}; done", shell::words(ports), rule("$i", "$i"));
    }
    match lab.bridges.as_slice() {
        [only] if shell::word(&only.name) == only.name => rule(&only.name, &only.name),
        bridges => {
            let all = shell::words(bridges.iter().map(|bridge| bridge.name.as_str()));
            let rule = rule("$i", "$o");
            format!("for i in {all}; do for o in {all}; do {rule}; done; done")
        }
    }
}

fn iptables(program: &str, table: &str, from: &str, to: &str) -> String {
    let quoted = |name: &str| {
        if name.starts_with('$') { format!("\"{name}\"") } else { name.to_owned() }
    };
    let table =
        if table == "filter" { String::new() } else { format!(" -t {}", shell::word(table)) };
    format!("{program}{table} -I FORWARD -i {} -o {} -j ACCEPT", quoted(from), quoted(to))
}
