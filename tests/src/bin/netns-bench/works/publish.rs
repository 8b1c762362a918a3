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
    /// As a rule for all where there is such a thing and the port stays what it is, else one by one.
    Together,
    /// Each by a rule of its own, as for ports that have nothing to do with each other.
    Singly,
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
    withdraw(place, ports, manner)?;
    let mut figures = figures?;
    figures.push(published);
    Ok(figures)
}

pub(super) fn publish(place: &Place, ports: u16, manner: Manner) -> Result<()> {
    match place.mode {
        Mode::IptablesNft | Mode::IptablesNftPlainBridge => {
            feed(place, "iptables-nft-restore", &["--noflush"], &iptables_rules(ports))
        }
        Mode::IptablesLegacy => {
            feed(place, "iptables-legacy-restore", &["--noflush"], &iptables_rules(ports))
        }
        Mode::Nftables | Mode::Flowtable => {
            feed(place, "nft", &["-f", "-"], &nftables_rules(ports, manner))
        }
        Mode::Ours | Mode::OursPeer | Mode::OursViaStack => match manner {
            Manner::Together => ours(place, "add", ports),
            Manner::Singly => change_lab(place, ports),
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
                Manner::Together => tool(&place.router, "nft", "delete map ip nat published"),
                Manner::Singly => Ok(()),
            }
        }
        Mode::Ours | Mode::OursPeer | Mode::OursViaStack => match manner {
            Manner::Together => ours(place, "del", ports),
            Manner::Singly => change_lab(place, 0),
        },
        Mode::Cable | Mode::Routed => Ok(()),
    }
}

/// `netns forward add|del` of all ports.
fn ours(place: &Place, verb: &str, ports: u16) -> Result<()> {
    let range = match ports {
        1 => FIRST.to_string(),
        _ => format!("{FIRST}-{}", FIRST + ports - 1),
    };
    let target = format!("{CLIENT}:{FIRST}");
    let mut command = Command::new(netns_path());
    command.args(["forward", verb, "tcp", &range]);
    command.args((verb == "add").then_some(&target)).args(["--lab", &place.router]);
    finish(&mut command)
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

/// A rule for each port, as programs that publish ports write them.
fn iptables_rules(ports: u16) -> String {
    let mut text = "*nat\n".to_owned();
    for port in FIRST..FIRST + ports {
        let matches = format!("-d {UPLINK}/32 -p tcp -m tcp --dport {port}");
        writeln!(text, "-A PREROUTING {matches} -j DNAT --to-destination {CLIENT}:{port}")
            .expect("text grows");
    }
    text + "COMMIT\n"
}

/// A rule and a map with each port, which costs nftables the least; or a rule for each.
fn nftables_rules(ports: u16, manner: Manner) -> String {
    let all = FIRST..FIRST + ports;
    let (map, rules) = match manner {
        Manner::Together => {
            let elements: Vec<_> = all.map(|port| format!("{port} : {CLIENT}")).collect();
            let elements = elements.join(", ");
            (
                format!(
                    "map published {{\ntype inet_service : ipv4_addr\n\
                     elements = {{ {elements} }}\n}}\n"
                ),
                format!("ip daddr {UPLINK} dnat to tcp dport map @published\n"),
            )
        }
        Manner::Singly => {
            let rule =
                |port| format!("ip daddr {UPLINK} tcp dport {port} dnat to {CLIENT}:{port}\n");
            (String::new(), all.map(rule).collect())
        }
    };
    let chain = format!("chain pre {{\ntype nat hook prerouting priority -100\n{rules}}}\n");
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
        for text in [
            iptables_rules(100),
            nftables_rules(100, Manner::Together),
            nftables_rules(100, Manner::Singly),
        ] {
            assert_eq!(text.matches("10099").count(), text.matches("10000").count(), "{text}");
            assert!(!text.contains("10100"), "{text}");
        }
    }
}
