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
        firewall::{self, Chain, Origin},
        sysctl,
    },
    shell,
    topology::Topology,
};
use judge::{Fate, Firewall};

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
    let firewall = Firewall { chains: &chains, index: &index };
    let bridged = sysctl::read(BRIDGED).is_ok_and(|value| value != "0");
    let mut findings = judge(&firewall, subject, bridged);
    findings.push(br_netfilter(&firewall, subject, bridged));
    findings
}

/// Whether packets from a bridge back to it do not pass for certain.
fn drops(firewall: &Firewall<'_>, chain: &Chain, bridge: &str) -> bool {
    firewall.fate(chain, (bridge, bridge)) != Fate::Passes
}

/// The setting is on by default once its module is loaded. Docker and Kubernetes load it.
fn br_netfilter(firewall: &Firewall<'_>, subject: &Subject, bridged: bool) -> Finding {
    if !bridged {
        return Finding::sound(BR_NETFILTER, "off: bridged frames bypass the firewall");
    }
    let found = "bridge-nf-call-iptables is 1: bridged frames pass through the firewall";
    let bridges: Vec<&str> = match subject.router() {
        Router::Any => vec![ANY_BRIDGE],
        Router::Machine(lab) => shared_bridges(lab).map(|(bridge, _)| bridge).collect(),
        Router::Own => Vec::new(),
    };
    let dropped = |bridge: &&str| {
        firewall.bases().any(|it| it.origin != Origin::Bridge && drops(firewall, it, bridge))
    };
    let harmless = match subject.router() {
        Router::Own => OWN_ROUTER,
        Router::Machine(lab) if !lab.nat.via_stack => {
            "not relevant: packets between namespaces on one bridge bypass it"
        }
        _ if bridges.is_empty() => "not relevant: no bridge of the lab has two namespaces",
        _ if !bridges.iter().any(dropped) => "not relevant: the firewall accepts them",
        _ => {
            return Finding::new(BR_NETFILTER, Verdict::Doubtful, found)
                .meaning(
                    "with via_stack, the firewall drops packets between namespaces on one bridge: \
                     add a rule that accepts them, or set this to 0 unless Docker or Kubernetes \
                     need it",
                )
                .command(shell::sysctl(&format!("net/{BRIDGED}"), "0"));
        }
    };
    Finding::sound(BR_NETFILTER, found).meaning(harmless)
}

/// Bridges with more than one namespace, and the ports of these.
fn shared_bridges(lab: &Topology) -> impl Iterator<Item = (&str, Vec<&str>)> {
    let ports = |bridge: &str| {
        let on_it = lab.plugged().filter(|(_, plug)| plug.bridge == bridge);
        on_it.map(|(_, plug)| plug.port.as_str()).collect::<Vec<_>>()
    };
    let bridges = lab.bridges.iter().map(move |bridge| (&*bridge.name, ports(&bridge.name)));
    bridges.filter(|(_, ports)| ports.len() > 1)
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

fn judge(firewall: &Firewall<'_>, subject: &Subject, bridged: bool) -> Vec<Finding> {
    let findings: Vec<Finding> = match subject.router() {
        Router::Machine(lab) => {
            firewall.bases().filter_map(|chain| for_lab(firewall, chain, lab, bridged)).collect()
        }
        router @ (Router::Any | Router::Own) => {
            let dropping = firewall.bases().filter(|chain| drops(firewall, chain, ANY_BRIDGE));
            dropping.map(|chain| for_any(chain, router, bridged)).collect()
        }
    };
    if !findings.is_empty() {
        return findings;
    }
    let found = match firewall.bases().count() {
        0 => "there are no rules for forwarded packets",
        _ => "its rules accept packets between bridges",
    };
    vec![Finding::sound(CHECK, found)]
}

/// Says that a chain drops packets, and names it as `nft` and `iptables` do.
fn dropping(Chain { origin, table, name, .. }: &Chain) -> String {
    let (program, packets, space) = match origin {
        Origin::Legacy => ("iptables-legacy", "forwarded packets", ""),
        Origin::Bridge => ("nftables", "bridged frames", " "),
        Origin::Ip | Origin::Inet => ("nftables", "forwarded packets", " "),
    };
    let family = family(*origin);
    format!("{program} drops {packets} (table {family}{space}{table}, chain {name})")
}

/// The family of a table, as `nft` names it.
fn family(origin: Origin) -> &'static str {
    match origin {
        Origin::Legacy => "",
        Origin::Ip => "ip",
        Origin::Inet => "inet",
        Origin::Bridge => "bridge",
    }
}

fn for_any(chain: &Chain, router: Router<'_>, bridged: bool) -> Finding {
    let verdict = router.severity();
    let finding = Finding::new(CHECK, verdict, dropping(chain));
    if verdict == Verdict::Sound {
        return finding.meaning(OWN_ROUTER);
    }
    let lost = match (chain.origin, bridged) {
        (Origin::Bridge, _) => {
            "namespaces on one bridge do not reach each other in a lab with via_stack"
        }
        (_, true) => {
            "namespaces on different bridges do not reach each other, and with via_stack neither \
             do namespaces on one bridge"
        }
        (_, false) => "namespaces on different bridges do not reach each other",
    };
    finding
        .meaning(format!(
            "if the machine is a lab's router, {lost}; translated packets bypass the firewall. For \
             the lab of a file, this shows the repair command"
        ))
        .command("netns doctor FILE")
}

fn for_lab(
    firewall: &Firewall<'_>,
    chain: &Chain,
    lab: &Topology,
    bridged: bool,
) -> Option<Finding> {
    let of_bridge = chain.origin == Origin::Bridge;
    let worst = |fates: &mut dyn Iterator<Item = Fate>| fates.max().unwrap_or(Fate::Passes);
    let on_one = shared_bridges(lab).filter(|_| lab.nat.via_stack && (of_bridge || bridged));
    let one = worst(&mut on_one.flat_map(|(bridge, ports)| {
        let ends = if of_bridge { ports } else { vec![bridge] };
        // Each port with the next one: the suggested rules accept every port.
        let after = ends.iter().cycle().skip(1);
        ends.iter()
            .zip(after)
            .map(|(from, to)| firewall.fate(chain, (from, to)))
            .collect::<Vec<_>>()
    }));
    let bridges = || lab.bridges.iter().filter(|_| !of_bridge).map(|bridge| bridge.name.as_str());
    let between = worst(&mut bridges().flat_map(|from| {
        let others = bridges().filter(move |to| *to != from);
        others.map(move |to| firewall.fate(chain, (from, to)))
    }));
    let finding = |verdict| Finding::new(CHECK, verdict, dropping(chain));
    let (verdict, unless) = match one.max(between) {
        // None of this lab, but perhaps others.
        Fate::Passes => {
            return drops(firewall, chain, &lab.bridges.first()?.name).then(|| {
                finding(Verdict::Sound).meaning(
                    "not relevant: of this lab, only untranslated packets would pass through it",
                )
            });
        }
        Fate::MayPass => {
            (Verdict::Doubtful, ", unless a rule with other conditions accepts their packets")
        }
        Fate::Dropped => (Verdict::Faulty, ""),
    };
    let lost = match (one, between) {
        (Fate::Passes, _) => "namespaces on different bridges do not reach each other",
        (_, Fate::Passes) => "namespaces on one bridge do not reach each other",
        _ => "namespaces do not reach each other",
    };
    let meaning = format!("{lost}{unless}; translated packets bypass the firewall");
    Some(finding(verdict).meaning(meaning).command(accept(chain, lab)))
}

/// The command that inserts rules for the lab at the start of the chain.
fn accept(Chain { origin, table, name, .. }: &Chain, lab: &Topology) -> String {
    if [table, name].iter().any(|name| shell::word(name) != **name) {
        // `nft` cannot name such a table on its command line.
        return RULES.to_owned();
    }
    let place = shell::words([family(*origin), table, name]);
    let rule = |from: &str, to: &str| match origin {
        Origin::Bridge => format!(r#"nft "insert rule {place} iifname \"{from}\" accept""#),
        // Chains that iptables made are changed with iptables.
        Origin::Ip if name == "FORWARD" => iptables("iptables-nft", table, from, to),
        Origin::Ip | Origin::Inet => {
            format!(r#"nft "insert rule {place} iifname \"{from}\" oifname \"{to}\" accept""#)
        }
        Origin::Legacy => iptables("iptables-legacy", table, from, to),
    };
    if *origin == Origin::Bridge {
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
