//! Checks that the uplinks of a lab exist and that its subnets are free.

use ipnet::Ipv4Net;

use super::{
    finding::{Finding, Verdict},
    forwarding::OWN_ROUTER,
    subject::{Router, Subject, real_uplinks},
};
use crate::{
    lab::{self, LabError, Reachability},
    net::{Link, Netlink},
    shell,
    topology::{AUTO, Bridge, Topology, overlap},
};

const SUBNETS: &str = "subnets";
const UPLINKS: &str = "uplinks";

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    match subject.router() {
        Router::Any => {
            let found = "the lecture's lab has no connection to the machine and overlaps nothing";
            vec![Finding::sound(SUBNETS, found)]
        }
        Router::Own => {
            vec![Finding::sound(SUBNETS, "nothing overlaps").meaning(OWN_ROUTER)]
        }
        Router::Machine(lab) => match Machine::read() {
            Ok(machine) => {
                let mut findings = uplinks(lab, subject, &machine);
                findings.extend(subnets(lab, subject, &machine));
                findings
            }
            Err(error) => vec![
                Finding::new(SUBNETS, Verdict::Doubtful, error.to_string())
                    .meaning("the addresses and routes could not be read; this shows them")
                    .command("ip -br address; ip route"),
            ],
        },
    }
}

struct Machine {
    links: Vec<Link>,
    /// The interface of the default route.
    way_out: Option<String>,
    reachability: Reachability,
}

impl Machine {
    fn read() -> Result<Self, LabError> {
        Ok(Self {
            links: Netlink::open()?.links()?,
            way_out: lab::default_interface()?,
            reachability: Reachability::of_machine()?,
        })
    }

    /// An interface that could be the uplink of a lab, preferably that of the default route.
    fn other_uplink(&self, lab: &Topology) -> Option<&str> {
        let own = |name: &str| {
            lab.bridges.iter().any(|bridge| bridge.name == name)
                || lab.plugged().any(|(_, plug)| plug.port == name)
                || real_uplinks(lab).any(|uplink| uplink.name == name)
        };
        let up = self.links.iter().filter(|link| link.up && link.name != "lo");
        let names = self.way_out.iter().chain(up.map(|link| &link.name));
        names.map(String::as_str).find(|name| !own(name))
    }
}

fn uplinks(lab: &Topology, subject: &Subject, machine: &Machine) -> Vec<Finding> {
    let links = &machine.links;
    let fault = |found: String| Finding::new(UPLINKS, Verdict::Faulty, found);
    // Suggests another interface for the file or, if there is none, a new interface.
    let mend = |finding: Finding, wanted: &str, make: String| {
        let (Some(other), Some(file)) = (machine.other_uplink(lab), subject.file.as_deref()) else {
            let meaning = "`netns up` fails, and no other interface exists: this adds one that \
                           leads nowhere";
            return finding.meaning(meaning).command(make);
        };
        let change = format!(r#"s/"{wanted}"/"{other}"/g"#);
        let command = format!("sed -i {} {}", shell::word(&change), shell::word(file));
        let meaning = format!("`netns up` fails; this uses \"{other}\" in the file instead");
        finding.meaning(meaning).command(command)
    };
    // A bridge, which labs need anyway: not every kernel has dummy interfaces.
    let lone = |name: &str| {
        let name = shell::word(name);
        format!("ip link add {name} type bridge && ip link set {name} up")
    };
    if let Some(reason) = &subject.no_uplink {
        let make = format!("{} && ip route add default dev uplink0", lone("uplink0"));
        return vec![mend(fault(reason.clone()), AUTO, make)];
    }
    let mut present = Vec::new();
    let mut findings = Vec::new();
    for uplink in real_uplinks(lab) {
        let name = &uplink.name;
        match links.iter().find(|link| link.name == *name) {
            None => {
                let fault = fault(format!("there is no interface \"{name}\""));
                findings.push(mend(fault, name, lone(name)));
            }
            Some(_) if let Some(error) = lab::uplink_fault(name, links) => findings.push(
                Finding::new(UPLINKS, Verdict::Faulty, error.to_string())
                    .meaning("`netns up` fails; this shows the interface")
                    .command(format!("ip -d link show {}", shell::word(name))),
            ),
            Some(link) if !link.up => findings.push(
                Finding::new(UPLINKS, Verdict::Doubtful, format!("\"{name}\" is down"))
                    .meaning("the lab comes up, but no packet passes this uplink")
                    .command(format!("ip link set {} up", shell::word(name))),
            ),
            Some(_) => present.push(format!("\"{name}\"")),
        }
    }
    if !present.is_empty() {
        findings.insert(0, Finding::sound(UPLINKS, format!("{} up", present.join(", "))));
    }
    findings
}

fn subnets(lab: &Topology, subject: &Subject, machine: &Machine) -> Vec<Finding> {
    if subject.living {
        return vec![Finding::sound(SUBNETS, "not checked: the lab is up and uses them")];
    }
    let clash = |bridge: &Bridge| {
        let error = machine.reachability.check(bridge).err()?;
        let finding = Finding::new(SUBNETS, Verdict::Faulty, error.to_string());
        Some(
            match free(
                bridge.address.trunc(),
                lab,
                &machine.reachability.networks().collect::<Vec<_>>(),
            ) {
                None => finding.meaning("`netns up` fails"),
                Some(free) => mend(
                    finding.meaning(format!("`netns up` fails; {free} is free")),
                    bridge.address.trunc(),
                    free,
                    subject.file.as_deref(),
                ),
            },
        )
    };
    let clashes: Vec<Finding> = lab.bridges_of(None).filter_map(clash).collect();
    if clashes.is_empty() {
        vec![Finding::sound(SUBNETS, "no subnet of a bridge overlaps a network of the machine")]
    } else {
        clashes
    }
}

/// Adds a `sed` command that changes the subnet in the file. It works only for prefix lengths of
/// whole bytes.
fn mend(finding: Finding, from: Ipv4Net, to: Ipv4Net, file: Option<&str>) -> Finding {
    let bytes = usize::from(from.prefix_len() / 8);
    let (Some(file), 8 | 16 | 24) = (file, from.prefix_len()) else { return finding };
    let beginning = |net: Ipv4Net, dot: &str| {
        let octets = net.network().octets();
        octets[..bytes].iter().map(|octet| format!("{octet}{dot}")).collect::<String>()
    };
    let change = format!(r"s/\b{}/{}/g", beginning(from, r"\."), beginning(to, "."));
    finding.command(format!("sed -i {} {}", shell::word(&change), shell::word(file)))
}

/// A free private subnet (RFC 1918) of the same size.
fn free(wanted: Ipv4Net, lab: &Topology, used: &[Ipv4Net]) -> Option<Ipv4Net> {
    let length = wanted.prefix_len();
    let space: Ipv4Net = if length >= 24 { "192.168.0.0/16" } else { "10.0.0.0/8" }.parse().ok()?;
    let taken = |net: Ipv4Net| {
        let by_machine = used.iter().any(|used| overlap(net, *used));
        by_machine || lab.bridges.iter().any(|bridge| overlap(net, bridge.address.trunc()))
    };
    space.subnets(length).ok()?.find(|net| !taken(*net))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn a_free_subnet_has_the_same_size_and_overlaps_nothing() {
        let lab = Topology::lecture();
        let used = |text: &str| [net(text)];
        assert_eq!(
            free(net("10.9.1.0/24"), &lab, &used("192.168.0.0/24")),
            Some(net("192.168.1.0/24"))
        );
        assert_eq!(free(net("10.9.0.0/16"), &lab, &used("10.0.0.0/15")), Some(net("10.2.0.0/16")));
        assert_eq!(free(net("10.9.1.0/24"), &lab, &used("192.168.0.0/16")), None);
    }

    #[test]
    fn a_command_changes_a_subnet_of_whole_bytes_in_the_file() {
        let change = |from, to| {
            let finding = Finding::new(SUBNETS, Verdict::Faulty, "");
            mend(finding, net(from), net(to), Some("my lab.toml")).command
        };
        let command = change("10.9.1.0/24", "192.168.7.0/24").unwrap();
        assert_eq!(command, r"sed -i 's/\b10\.9\.1\./192.168.7./g' 'my lab.toml'");
        assert_eq!(change("10.9.1.0/28", "192.168.7.0/28"), None);
    }
}
