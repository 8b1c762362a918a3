//! Published ports: the time to publish them, and connections to the last of them.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use netns_tests::{enter, netns_path};

use super::{ends::with_cpu, tcp};
use crate::{
    lab_file::{lab_file, lab_text},
    modes::Mode,
    network::{CLIENT, Network, UPLINK},
    tools::{finish, not_started, tool},
};

/// The first published port; the others follow it.
const FIRST: u16 = 10_000;

/// The last published port of `ports`.
pub(super) const fn last(ports: u16) -> u16 {
    FIRST + ports - 1
}

/// How ports are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Publication {
    /// A rule for each port, as for ports of different services. In nftables an element of a map
    /// for each port, since that is the fastest there.
    RulePerPort,
    /// One rule for the range of all ports.
    OneRule,
}

/// The connections per second to the last published port, their CPU time, and the milliseconds that
/// it took to publish all ports.
pub(super) fn connections(
    network: &Network,
    ports: u16,
    publication: Publication,
    window: Duration,
) -> Result<Vec<f64>> {
    let begin = Instant::now();
    publish(network, ports, publication)?;
    let published = begin.elapsed().as_secs_f64() * 1e3;
    let inward = network.inward(last(ports));
    let figures = with_cpu(1e6, || tcp::connect_request_response(&inward, window));
    let withdrawn = withdraw(network, ports, publication);
    // The first error is the cause.
    let mut figures = figures?;
    withdrawn?;
    figures.push(published);
    Ok(figures)
}

pub(super) fn publish(network: &Network, ports: u16, publication: Publication) -> Result<()> {
    match network.mode {
        Mode::IptablesNft | Mode::IptablesNftNoBrNetfilter => feed(
            network,
            "iptables-nft-restore",
            &["--noflush"],
            &iptables_rules(ports, publication),
        ),
        Mode::IptablesLegacy => feed(
            network,
            "iptables-legacy-restore",
            &["--noflush"],
            &iptables_rules(ports, publication),
        ),
        Mode::Nftables | Mode::Flowtable => {
            feed(network, "nft", &["-f", "-"], &nftables_rules(ports, publication))
        }
        Mode::Ours | Mode::OursPeer | Mode::OursViaStack => match publication {
            Publication::RulePerPort if ports > 1 => change_lab(network, ports),
            Publication::RulePerPort | Publication::OneRule => ours(network, "add", ports),
        },
        Mode::Cable | Mode::Routed => bail!("{} publishes nothing", network.mode.name()),
    }
}

pub(super) fn withdraw(network: &Network, ports: u16, publication: Publication) -> Result<()> {
    match network.mode {
        Mode::IptablesNft | Mode::IptablesNftNoBrNetfilter => {
            tool(&network.router, "iptables-nft", "-t nat -F PREROUTING")
        }
        Mode::IptablesLegacy => tool(&network.router, "iptables-legacy", "-t nat -F PREROUTING"),
        Mode::Nftables | Mode::Flowtable => {
            tool(&network.router, "nft", "delete chain ip nat pre")?;
            match publication {
                Publication::RulePerPort => {
                    tool(&network.router, "nft", "delete map ip nat published")
                }
                Publication::OneRule => Ok(()),
            }
        }
        Mode::Ours | Mode::OursPeer | Mode::OursViaStack => match publication {
            Publication::RulePerPort if ports > 1 => change_lab(network, 0),
            Publication::RulePerPort | Publication::OneRule => ours(network, "del", ports),
        },
        Mode::Cable | Mode::Routed => Ok(()),
    }
}

/// `netns forward add` or `del` of all ports with one rule.
fn ours(network: &Network, verb: &str, ports: u16) -> Result<()> {
    let target = format!("{CLIENT}:{FIRST}");
    let mut command = Command::new(netns_path());
    command.args(["forward", verb, "tcp", &range('-', ports)]);
    command.args((verb == "add").then_some(&target)).args(["--lab", &network.router]);
    finish(&mut command)
}

/// The range of all ports as the tools write it; a single port is no range.
fn range(to: char, ports: u16) -> String {
    match ports {
        1 => FIRST.to_string(),
        _ => format!("{FIRST}{to}{}", last(ports)),
    }
}

/// `netns up` of the lab's file with a rule for each port.
fn change_lab(network: &Network, ports: u16) -> Result<()> {
    let mut text = lab_text(network);
    for port in FIRST..FIRST + ports {
        write!(
            text,
            "[[forward]]\nprotocol = \"tcp\"\nport = {port}\ntarget = \"{CLIENT}:{port}\"\n"
        )?;
    }
    let file = lab_file(network);
    fs::write(&file, text).with_context(|| format!("cannot write {file}"))?;
    finish(Command::new(netns_path()).args(["up", &file]))
}

/// A rule for each port, as container engines write them, or one for all.
fn iptables_rules(ports: u16, publication: Publication) -> String {
    let mut text = "*nat\n".to_owned();
    let mut add = |port: &str, target: &str| {
        let matches = format!("-d {UPLINK}/32 -p tcp -m tcp --dport {port}");
        writeln!(text, "-A PREROUTING {matches} -j DNAT --to-destination {target}")
            .expect("text grows");
    };
    match publication {
        Publication::RulePerPort => {
            for port in FIRST..=last(ports) {
                add(&port.to_string(), &format!("{CLIENT}:{port}"));
            }
        }
        // A target without a port keeps the port of the packet.
        Publication::OneRule => add(&range(':', ports), &CLIENT.to_string()),
    }
    text + "COMMIT\n"
}

/// A map of all ports and a rule with a lookup in it, or one rule for all.
fn nftables_rules(ports: u16, publication: Publication) -> String {
    let (map, rule) = match publication {
        Publication::RulePerPort => {
            let element = |port| format!("{port} : {CLIENT} . {port}");
            let elements: Vec<_> = (FIRST..=last(ports)).map(element).collect();
            (
                format!(
                    "map published {{\ntype inet_service : ipv4_addr . inet_service\n\
                     elements = {{ {} }}\n}}\n",
                    elements.join(", ")
                ),
                format!("ip daddr {UPLINK} dnat ip to tcp dport map @published\n"),
            )
        }
        Publication::OneRule => {
            let ports = range('-', ports);
            (String::new(), format!("ip daddr {UPLINK} tcp dport {ports} dnat to {CLIENT}\n"))
        }
    };
    let chain = format!("chain pre {{\ntype nat hook prerouting priority -100\n{rule}}}\n");
    format!("table ip nat {{\n{map}{chain}}}\n")
}

/// Runs a program in the router's namespace that reads rules from its standard input.
fn feed(network: &Network, program: &str, arguments: &[&str], rules: &str) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stderr(Stdio::piped());
    let child = enter(Some(&network.router), || command.spawn());
    let mut child = child.map_err(|error| not_started(program, error))?;
    let input = child.stdin.take().context("no standard input")?.write_all(rules.as_bytes());
    let output = child.wait_with_output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {}", stderr.trim());
    input.with_context(|| format!("{program} does not read its rules"))
}

#[cfg(test)]
mod tests {
    use super::{Publication, iptables_rules, nftables_rules};

    #[test]
    fn every_port_is_published_once() {
        for text in [
            iptables_rules(100, Publication::RulePerPort),
            nftables_rules(100, Publication::RulePerPort),
        ] {
            for port in ["10000", "10099"] {
                assert_eq!(text.matches(port).count(), 2, "its target has it too: {text}");
            }
            assert!(!text.contains("10100"), "{text}");
        }
    }

    #[test]
    fn a_range_is_one_rule() {
        let iptables = iptables_rules(100, Publication::OneRule);
        assert_eq!(iptables.matches("-j DNAT").count(), 1, "{iptables}");
        assert!(iptables.contains("--dport 10000:10099 "), "{iptables}");
        let nftables = nftables_rules(100, Publication::OneRule);
        assert!(nftables.contains("tcp dport 10000-10099 dnat to"), "{nftables}");
        assert!(iptables_rules(1, Publication::OneRule).contains("--dport 10000 "));
    }
}
