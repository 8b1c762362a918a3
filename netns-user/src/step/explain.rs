//! Steps as commands of other programs: for people who know those, and for the test that compares
//! both ways of building a lab.

use ipnet::Ipv4Net;

use super::Step;
use crate::{
    net::{
        HostEntry, Interface, Netns, bridge_mtu_to_begin_with,
        hosts::{self, shared},
    },
    output::escaped,
    rules::{ForwardRule, Mapping, MasqueradeRule, MssClamp},
    shell::{assignment, word, words},
    topology::Route,
};

impl Step {
    /// The equivalent `ip`, `sysctl` or shell commands, for a POSIX shell.
    pub fn commands(&self) -> Vec<String> {
        match self {
            Self::AddNamespace { name } => vec![format!("ip netns add {}", word(name))],
            Self::DeleteNamespace { name } => vec![format!("ip netns del {}", word(name))],
            Self::Set { netns, key, value } => {
                let assignment = assignment(&format!("net/{key}"), value);
                vec![format!("{}sysctl -qw {assignment}", inside(netns))]
            }
            Self::AddBridge { interface, mac, mtu, up } => {
                let mut line = format!(
                    "{} link add {}",
                    ip(&interface.netns),
                    device("name", &interface.name)
                );
                if let Some(mac) = mac {
                    line += &format!(" address {mac}");
                }
                let first = mtu.and_then(bridge_mtu_to_begin_with);
                line += &first.map_or(String::new(), |mtu| format!(" mtu {mtu}"));
                line += " type bridge";
                let mut lines = vec![line];
                lines.extend(mtu.map(|mtu| size(interface, mtu)));
                lines.extend(up.then(|| switch(interface, true)));
                lines
            }
            Self::AddCable { near, far, mac, mtu, bridge, up } => {
                let none = String::new();
                let mac = mac.map_or(String::new(), |mac| format!(" address {mac}"));
                let mtu = mtu.map_or(String::new(), |mtu| format!(" mtu {mtu}"));
                // `ip` cannot move an end to the machine's own namespace, only out of it.
                let (one, other) = if far.netns == Netns::Machine && near.netns != far.netns {
                    (far, near)
                } else {
                    (near, far)
                };
                // The address is that of the far end, whichever end is named first.
                let (one_mac, other_mac) = if one == far { (mac, none) } else { (none, mac) };
                let there = match (&other.netns, one.netns == other.netns) {
                    (Netns::Named(name), false) => format!(" netns {}", word(name)),
                    _ => String::new(),
                };
                let mut lines = vec![format!(
                    "{} link add {}{one_mac}{mtu} type veth peer name {}{other_mac}{mtu}{there}",
                    ip(&one.netns),
                    device("name", &one.name),
                    word(&other.name),
                )];
                lines.extend(bridge.as_ref().map(|bridge| plug(near, bridge)));
                lines.extend(up.then(|| switch(near, true)));
                lines
            }
            Self::DeleteLink { interface } => {
                vec![format!("{} del {}", link(interface), device("dev", &interface.name))]
            }
            Self::Attach { interface, bridge } => vec![plug(interface, bridge)],
            Self::Detach { interface } => {
                vec![format!("{} set {} nomaster", link(interface), device("dev", &interface.name))]
            }
            Self::Move { interface, to } => {
                let device = device("dev", &interface.name);
                // 1: the machine's own namespace has no name.
                let to = to.name().map_or_else(|| "1".to_owned(), word);
                vec![format!("{} set {device} netns {to}", link(interface))]
            }
            Self::SetLink { interface, up } => vec![switch(interface, *up)],
            Self::SetForwarding { interface, on } => {
                let key = format!("ipv4/conf/{}/forwarding", interface.name);
                let value = u8::from(*on).to_string();
                Self::Set { netns: interface.netns.clone(), key, value }.commands()
            }
            Self::SetMtu { interface, mtu } => vec![size(interface, *mtu)],
            Self::SetMac { interface, mac } => {
                vec![format!("{} set {} address {mac}", link(interface), word(&interface.name))]
            }
            Self::AddAddress { interface, address } => {
                vec![format!(
                    "{} addr add {address} dev {}",
                    ip(&interface.netns),
                    word(&interface.name)
                )]
            }
            Self::DeleteAddress { interface, address } => {
                vec![format!(
                    "{} addr del {address} dev {}",
                    ip(&interface.netns),
                    word(&interface.name)
                )]
            }
            Self::AddRoute { netns, route } => vec![route_command(netns, "add", route)],
            Self::DeleteRoute { netns, route } => vec![route_command(netns, "del", route)],
            Self::SetResolver { namespace, servers } => {
                let folder = folder_of(namespace);
                let lines = servers.iter().map(|server| format!("nameserver {server}\\n"));
                vec![
                    format!("mkdir -p {folder}"),
                    format!("printf '{}' > {folder}/resolv.conf", lines.collect::<String>()),
                ]
            }
            Self::DeleteResolver { namespace } => delete_from_etc(namespace, "resolv.conf"),
            Self::SetHosts { lab, entries } => hosts_commands(lab, entries),
            Self::DeleteHosts { lab } => {
                let path = shared::path(lab);
                let folder = path.parent().unwrap_or(&path);
                let (path, folder) = (path.display(), folder.display());
                vec![format!("rm {path}"), format!("rmdir {folder} 2>/dev/null || :")]
            }
            Self::LinkHosts { namespace, lab } => {
                let (folder, file) = (folder_of(namespace), shared::path(lab));
                let link = format!("ln -sfn {} {folder}/hosts", file.display());
                vec![format!("mkdir -p {folder}"), link]
            }
            Self::UnlinkHosts { namespace, .. } => delete_from_etc(namespace, "hosts"),
        }
    }
}

/// The folder of a namespace's files, as a word.
fn folder_of(namespace: &str) -> String {
    format!("/etc/netns/{}", word(namespace))
}

/// The folder stays if it has other files.
fn delete_from_etc(namespace: &str, file: &str) -> Vec<String> {
    let folder = folder_of(namespace);
    vec![format!("rm {folder}/{file}"), format!("rmdir {folder} 2>/dev/null || :")]
}

/// Writes the shared hosts file in place, as `netns` does.
fn hosts_commands(lab: &str, entries: &[HostEntry]) -> Vec<String> {
    let path = shared::path(lab);
    let folder = path.parent().unwrap_or(&path).display();
    let lines = hosts::lines(entries);
    let lines = words(lines.iter().map(String::as_str));
    let (path, filter) = (path.display(), word(hosts::machine_filter()));
    vec![
        format!("mkdir -p {folder}"),
        format!("printf '%s\\n' {lines} > {path}"),
        // A machine may have no /etc/hosts.
        format!("cat /etc/hosts 2>/dev/null | awk {filter} {path} - >> {path}"),
    ]
}

/// The equivalent `iptables` commands of a masquerade rule of the router in `netns`. Several
/// excepted destinations need a rule each, before it.
pub fn masquerade_commands(netns: &Netns, rule: &MasqueradeRule, adds: bool) -> Vec<String> {
    let option = if adds { "-A" } else { "-D" };
    let out = rule.uplink.as_ref().map_or(String::new(), |uplink| format!(" -o {}", word(uplink)));
    let inside = inside(netns);
    let nat = format!("{inside}iptables -t nat {option} POSTROUTING -s {}{out}", rule.source);
    let target = rule.to.map_or("MASQUERADE".to_owned(), |to| format!("SNAT --to-source {to}"));
    let mut lines = Vec::new();
    if rule.mapping == Mapping::EndpointIndependent {
        lines.push(format!("# {} mapping: iptables has none", rule.mapping));
    }
    let mut except = rule.except.iter();
    match (except.next(), except.next()) {
        (None, _) => lines.push(format!("{nat} -j {target}")),
        (Some(only), None) => lines.push(format!("{nat} ! -d {only} -j {target}")),
        (Some(_), Some(_)) => {
            lines.extend(rule.except.iter().map(|network| format!("{nat} -d {network} -j RETURN")));
            lines.push(format!("{nat} -j {target}"));
        }
    }
    if let Some(clamp) = rule.mss_clamp {
        let size = match clamp {
            MssClamp::PathMtu => "--clamp-mss-to-pmtu".to_owned(),
            MssClamp::Bytes(bytes) => format!("--set-mss {bytes}"),
        };
        // The size is never raised: only packets that announce more are matched.
        let larger = match clamp {
            MssClamp::PathMtu => String::new(),
            MssClamp::Bytes(bytes) => {
                format!(" -m tcpmss --mss {}:65535", bytes.saturating_add(1))
            }
        };
        let back =
            rule.uplink.as_ref().map_or(String::new(), |uplink| format!(" -i {}", word(uplink)));
        let ways = [format!("-s {}{out}", rule.source), format!("-d {}{back}", rule.source)];
        lines.extend(ways.iter().map(|way| {
            format!(
                "{inside}iptables -t mangle {option} FORWARD {way} -p tcp --tcp-flags SYN,RST SYN\
                 {larger} -j TCPMSS {size}"
            )
        }));
    }
    lines
}

/// The equivalent `iptables` command for a source that leaves the router in `netns` by an uplink
/// untranslated. It comes before the masquerades: the first match decides.
pub fn routed_command(netns: &Netns, uplink: &str, source: Ipv4Net, adds: bool) -> String {
    let option = if adds { "-A" } else { "-D" };
    let (inside, uplink) = (inside(netns), word(uplink));
    format!("{inside}iptables -t nat {option} POSTROUTING -s {source} -o {uplink} -j ACCEPT")
}

/// The equivalent `iptables` commands of a forward of the router in `netns`: one chain is for
/// packets that come in, the other for packets of the router itself; for each network that may use
/// the forward.
pub fn forward_command(netns: &Netns, rule: &ForwardRule, adds: bool) -> Vec<String> {
    let option = if adds { "-A" } else { "-D" };
    let to = rule.address.map_or_else(
        || " -m addrtype --dst-type LOCAL".to_owned(),
        |address| format!(" -d {address}"),
    );
    let (ports, target) = match rule.target_ports().filter(|_| rule.ports.single().is_none()) {
        None => (rule.ports.to_string(), rule.target.to_string()),
        // With the first port after the slash, each port maps to the one at the same offset (Linux
        // 4.18).
        Some(ports) => (
            format!("{}:{}", rule.ports.first(), rule.ports.last()),
            format!("{}:{ports}/{}", rule.target.ip(), rule.ports.first()),
        ),
    };
    let line = |from: &str, chain| {
        format!(
            "{}iptables -t nat {option} {chain} -p {}{from}{to} --dport {ports} -j DNAT \
             --to-destination {target}",
            inside(netns),
            rule.protocol,
        )
    };
    let from: Vec<String> = match rule.from.is_empty() {
        true => vec![String::new()],
        false => rule.from.iter().map(|network| format!(" -s {network}")).collect(),
    };
    from.iter().flat_map(|from| ["PREROUTING", "OUTPUT"].map(|chain| line(from, chain))).collect()
}

/// The equivalent command for forgetting all connections of the router in `netns`.
pub fn flush_command(netns: &Netns) -> String {
    format!("{}conntrack -F", inside(netns))
}

/// The comment for a program of the datapath at an interface: no other tool has the program's file.
pub fn program_comment(
    interface: &Interface,
    direction: &str,
    program: &str,
    attached: bool,
) -> String {
    let verb = if attached { "attached to" } else { "taken off" };
    let interface = interface.to_string();
    format!("# in eBPF: {program} {verb} {}, {direction}", escaped(&interface))
}

fn ip(netns: &Netns) -> String {
    match netns {
        Netns::Machine => "ip".to_owned(),
        Netns::Named(name) => format!("ip -n {}", word(name)),
    }
}

/// The prefix that runs a command other than `ip` in `netns`.
fn inside(netns: &Netns) -> String {
    match netns {
        Netns::Machine => String::new(),
        Netns::Named(name) => format!("ip netns exec {} ", word(name)),
    }
}

fn link(interface: &Interface) -> String {
    format!("{} link", ip(&interface.netns))
}

fn switch(interface: &Interface, up: bool) -> String {
    let state = if up { "up" } else { "down" };
    format!("{} set {} {state}", link(interface), device("dev", &interface.name))
}

fn size(interface: &Interface, mtu: u32) -> String {
    format!("{} set {} mtu {mtu}", link(interface), device("dev", &interface.name))
}

fn plug(interface: &Interface, bridge: &str) -> String {
    format!("{} set {} master {}", link(interface), device("dev", &interface.name), word(bridge))
}

fn route_command(netns: &Netns, verb: &str, route: &Route) -> String {
    let to = if route.to.prefix_len() == 0 { "default".to_owned() } else { route.to.to_string() };
    let mut line = format!("{} route {verb} {to}", ip(netns));
    if let Some(via) = route.via {
        line += &format!(" via {via}");
    }
    if let Some(interface) = &route.interface {
        line += &format!(" dev {}", word(interface));
    }
    if route.metric != 0 {
        line += &format!(" metric {}", route.metric);
    }
    line
}

/// The keywords, and their abbreviations, that `ip link` accepts in place of an interface's name.
const KEYWORDS: [&str; 33] = [
    "address",
    "addrgenmode",
    "alias",
    "allmulticast",
    "arp",
    "broadcast",
    "carrier",
    "dev",
    "down",
    "dynamic",
    "group",
    "gso_max_size",
    "help",
    "index",
    "link",
    "master",
    "mode",
    "mtu",
    "multicast",
    "name",
    "netns",
    "nomaster",
    "numtxqueues",
    "parentdev",
    "promisc",
    "protodown",
    "state",
    "trailers",
    "txqueuelen",
    "type",
    "up",
    "vf",
    "vrf",
];

/// The name of an interface for `ip link`, after `keyword` if the name could be taken for a
/// keyword.
fn device(keyword: &str, interface: &str) -> String {
    let word = word(interface);
    let is_like = |known: &&str| known.starts_with(interface);
    if KEYWORDS.iter().any(is_like) { format!("{keyword} {word}") } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_named_like_a_keyword_of_ip_is_passed_as_a_name() {
        let interface = |name: &str| Interface::new(Netns::Machine, name);
        let commands = |step: Step| step.commands().join("; ");
        assert_eq!(
            commands(Step::SetLink { interface: interface("a"), up: true }),
            "ip link set dev a up"
        );
        assert_eq!(
            commands(Step::SetLink { interface: interface("eth0"), up: true }),
            "ip link set eth0 up"
        );
        assert_eq!(
            commands(Step::DeleteLink { interface: interface("down") }),
            "ip link del dev down"
        );
        let bridge =
            Step::AddBridge { interface: interface("type"), mac: None, mtu: None, up: false };
        assert_eq!(commands(bridge), "ip link add name type type bridge");
    }
}
