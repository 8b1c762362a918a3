//! Published ports: how long it takes to publish them, and connections to the last of them.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use netns_tests::{enter, netns_path};

use super::{tcp, with_cpu};
use crate::{
    layout::{CLIENT, UPLINK, lab_file, lab_text},
    modes::Mode,
    places::Place,
    tools::{finish, not_started, tool},
};

/// The first port that is published; the others follow it.
const FIRST: u16 = 10_000;

/// The last of so many.
pub(super) const fn last(ports: u16) -> u16 {
    FIRST + ports - 1
}

/// How ports are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Each by itself, as ports that have nothing to do with each other: by a rule, or in nftables by
    /// an element of a map, which costs it the least.
    Singly,
    /// All of them by one rule, which is for a range.
    Together,
}

/// Connections a second to the last of so many ports and their CPU time, and how long it took to
/// publish all of them, in milliseconds.
pub(super) fn connections(
    place: &Place,
    ports: u16,
    manner: Manner,
    window: Duration,
) -> Result<Vec<f64>> {
    let begin = Instant::now();
    publish(place, ports, manner)?;
    let published = begin.elapsed().as_secs_f64() * 1e3;
    let inward = place.inward(last(ports));
    let figures = with_cpu(1e6, || tcp::connect_request_response(&inward, window));
    let withdrawn = withdraw(place, ports, manner);
    // What went wrong first tells why.
    let mut figures = figures?;
    withdrawn?;
    figures.push(published);
    Ok(figures)
}

pub(super) fn publish(place: &Place, ports: u16, manner: Manner) -> Result<()> {
    match place.mode {
        Mode::IptablesNft | Mode::IptablesNftPlainBridge => {
            feed(place, "iptables-nft-restore", &["--noflush"], &iptables_rules(ports, manner))
        }
        Mode::IptablesLegacy => {
            feed(place, "iptables-legacy-restore", &["--noflush"], &iptables_rules(ports, manner))
        }
        Mode::Nftables | Mode::Flowtable => {
            feed(place, "nft", &["-f", "-"], &nftables_rules(ports, manner))
        }
        Mode::Ours | Mode::OursPeer | Mode::OursViaStack => match manner {
            Manner::Singly if ports > 1 => change_lab(place, ports),
            Manner::Singly | Manner::Together => ours(place, "add", ports),
        },
        Mode::Cable | Mode::Routed => bail!("{} publishes nothing", place.mode.name()),
    }
}

pub(super) fn withdraw(place: &Place, ports: u16, manner: Manner) -> Result<()> {
    match place.mode {
        Mode::IptablesNft | Mode::IptablesNftPlainBridge => {
            tool(&place.router, "iptables-nft", "-t nat -F PREROUTING")
        }
        Mode::IptablesLegacy => tool(&place.router, "iptables-legacy", "-t nat -F PREROUTING"),
        Mode::Nftables | Mode::Flowtable => {
            tool(&place.router, "nft", "delete chain ip nat pre")?;
            match manner {
                Manner::Singly => tool(&place.router, "nft", "delete map ip nat published"),
                Manner::Together => Ok(()),
            }
        }
        Mode::Ours | Mode::OursPeer | Mode::OursViaStack => match manner {
            Manner::Singly if ports > 1 => change_lab(place, 0),
            Manner::Singly | Manner::Together => ours(place, "del", ports),
        },
        Mode::Cable | Mode::Routed => Ok(()),
    }
}

/// `netns forward add|del` of all ports, by one rule.
fn ours(place: &Place, verb: &str, ports: u16) -> Result<()> {
    let target = format!("{CLIENT}:{FIRST}");
    let mut command = Command::new(netns_path());
    command.args(["forward", verb, "tcp", &range('-', ports)]);
    command.args((verb == "add").then_some(&target)).args(["--lab", &place.router]);
    finish(&mut command)
}

/// All ports, as the tools write a range; of one, that one.
fn range(to: char, ports: u16) -> String {
    match ports {
        1 => FIRST.to_string(),
        _ => format!("{FIRST}{to}{}", last(ports)),
    }
}

/// `netns up` of the lab's file with a rule for each port.
fn change_lab(place: &Place, ports: u16) -> Result<()> {
    let mut text = lab_text(place);
    for port in FIRST..FIRST + ports {
        write!(
            text,
            "[[forward]]\nprotocol = \"tcp\"\nport = {port}\ntarget = \"{CLIENT}:{port}\"\n"
        )?;
    }
    let file = lab_file(place);
    fs::write(&file, text).with_context(|| format!("cannot write {file}"))?;
    finish(Command::new(netns_path()).args(["up", &file]))
}

/// A rule for each port, as programs that publish ports write them, or one for all.
fn iptables_rules(ports: u16, manner: Manner) -> String {
    let mut text = "*nat\n".to_owned();
    let mut add = |port: &str, target: &str| {
        let matches = format!("-d {UPLINK}/32 -p tcp -m tcp --dport {port}");
        writeln!(text, "-A PREROUTING {matches} -j DNAT --to-destination {target}")
            .expect("text grows");
    };
    match manner {
        Manner::Singly => {
            for port in FIRST..=last(ports) {
                add(&port.to_string(), &format!("{CLIENT}:{port}"));
            }
        }
        // Without a port, it stays what it is.
        Manner::Together => add(&range(':', ports), &CLIENT.to_string()),
    }
    text + "COMMIT\n"
}

/// A map of all ports and a rule that looks there, or a rule for all.
fn nftables_rules(ports: u16, manner: Manner) -> String {
    let (map, rule) = match manner {
        Manner::Singly => {
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
        Manner::Together => {
            let ports = range('-', ports);
            (String::new(), format!("ip daddr {UPLINK} tcp dport {ports} dnat to {CLIENT}\n"))
        }
    };
    let chain = format!("chain pre {{\ntype nat hook prerouting priority -100\n{rule}}}\n");
    format!("table ip nat {{\n{map}{chain}}}\n")
}

/// Runs a program in the router's namespace that reads rules.
fn feed(place: &Place, program: &str, arguments: &[&str], rules: &str) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stderr(Stdio::piped());
    let child = enter(Some(&place.router), || command.spawn());
    let mut child = child.map_err(|error| not_started(program, error))?;
    let input = child.stdin.take().context("no standard input")?.write_all(rules.as_bytes());
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {}", said.trim());
    input.with_context(|| format!("{program} does not read its rules"))
}

#[cfg(test)]
mod tests {
    use super::{Manner, iptables_rules, nftables_rules};

    #[test]
    fn every_port_is_published_once() {
        for text in [iptables_rules(100, Manner::Singly), nftables_rules(100, Manner::Singly)] {
            for port in ["10000", "10099"] {
                assert_eq!(text.matches(port).count(), 2, "its target has it too: {text}");
            }
            assert!(!text.contains("10100"), "{text}");
        }
    }

    #[test]
    fn a_range_is_one_rule() {
        let iptables = iptables_rules(100, Manner::Together);
        assert_eq!(iptables.matches("-j DNAT").count(), 1, "{iptables}");
        assert!(iptables.contains("--dport 10000:10099 "), "{iptables}");
        let nftables = nftables_rules(100, Manner::Together);
        assert!(nftables.contains("tcp dport 10000-10099 dnat to"), "{nftables}");
        assert!(iptables_rules(1, Manner::Together).contains("--dport 10000 "));
    }
}
