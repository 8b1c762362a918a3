//! Steps as the commands that `--explain` prints.

use std::net::Ipv4Addr;

use super::*;
use crate::rules::{ForwardProtocol, ForwardRule, MasqueradeRule, MssClamp};

fn lines(step: &Step) -> String {
    step.commands().join("\n")
}

fn red(interface: &str) -> Interface {
    Interface::new(Netns::named("red"), interface)
}

#[test]
fn a_cable_between_two_namespaces_is_one_command() {
    let far = Interface::new(Netns::named("blue"), "veth-blue");
    let step = Step::AddCable {
        near: red("veth-red"),
        far,
        mac: None,
        mtu: None,
        bridge: None,
        up: false,
    };
    assert_eq!(
        lines(&step),
        "ip -n red link add veth-red type veth peer name veth-blue netns blue"
    );
    assert_eq!(step.undo(), Some(Step::DeleteLink { interface: red("veth-red") }));
}

#[test]
fn a_cable_to_a_bridge_of_the_machine_is_plugged_in_and_switched_on() {
    let near = Interface::new(Netns::Machine, "veth-red-br");
    let bridge = Some("v-net-0".to_owned());
    let step =
        Step::AddCable { near, far: red("veth-red"), mac: None, mtu: Some(1400), bridge, up: true };
    assert_eq!(
        lines(&step),
        "ip link add veth-red-br mtu 1400 type veth peer name veth-red mtu 1400 netns red\n\
         ip link set veth-red-br master v-net-0\n\
         ip link set veth-red-br up"
    );
}

#[test]
fn the_mtu_of_a_bridge_is_set_after_its_creation() {
    let told = |mtu| {
        let interface = Interface::new(Netns::Machine, "br");
        lines(&Step::AddBridge { interface, mac: None, mtu, up: true })
    };
    assert_eq!(told(None), "ip link add name br type bridge\nip link set dev br up");
    assert_eq!(
        told(Some(1400)),
        "ip link add name br type bridge\nip link set dev br mtu 1400\nip link set dev br up"
    );
    // Setting the value that a bridge has already does not fix it.
    assert_eq!(
        told(Some(1500)),
        "ip link add name br mtu 1499 type bridge\nip link set dev br mtu 1500\nip link set dev br up"
    );
}

#[test]
fn settings_are_printed_as_sysctl_commands() {
    let step = |netns| Step::Set { netns, key: "ipv4/ip_forward".into(), value: "1".into() };
    assert_eq!(lines(&step(Netns::Machine)), "sysctl -qw net.ipv4.ip_forward=1");
    assert_eq!(
        lines(&step(Netns::named("host"))),
        "ip netns exec host sysctl -qw net.ipv4.ip_forward=1"
    );
}

#[test]
fn the_link_to_a_hosts_file_and_its_removal_are_commands_of_a_shell() {
    let (namespace, lab) = ("red".to_owned(), "lecture".to_owned());
    let step = Step::LinkHosts { namespace, lab };
    assert_eq!(
        lines(&step),
        "mkdir -p /etc/netns/red\n\
         ln -sfn /run/netns-labs/lecture/hosts /etc/netns/red/hosts"
    );
    assert_eq!(
        lines(&step.undo().unwrap()),
        "rm /etc/netns/red/hosts\nrmdir /etc/netns/red 2>/dev/null || :"
    );
}

#[test]
fn a_route_is_printed_as_a_person_types_it() {
    let route = |to: &str, via: Option<&str>, interface: Option<&str>, metric| Route {
        to: to.parse().unwrap(),
        via: via.map(|via| via.parse().unwrap()),
        interface: interface.map(str::to_owned),
        metric,
    };
    let told = |route| lines(&Step::AddRoute { netns: Netns::named("red"), route });
    assert_eq!(
        told(route("0.0.0.0/0", Some("10.0.0.1"), None, 0)),
        "ip -n red route add default via 10.0.0.1"
    );
    assert_eq!(
        told(route("10.9.0.0/16", None, Some("eth0"), 7)),
        "ip -n red route add 10.9.0.0/16 dev eth0 metric 7"
    );
}

#[test]
fn rules_are_printed_as_iptables_commands() {
    let network = |text: &str| text.parse().unwrap();
    let mut rule = MasqueradeRule::new(network("192.168.15.0/24"), Some("ens3".to_owned()));
    let told = |rule: &MasqueradeRule| masquerade_commands(&Netns::Machine, rule, true);
    assert_eq!(
        masquerade_commands(&Netns::named("host"), &rule, true),
        ["ip netns exec host iptables -t nat -A POSTROUTING -s 192.168.15.0/24 -o ens3 -j \
          MASQUERADE"]
    );
    rule.except = [network("10.0.0.0/8")].into();
    rule.to = Some(Ipv4Addr::new(192, 168, 1, 20));
    let nat = "iptables -t nat -A POSTROUTING -s 192.168.15.0/24 -o ens3";
    assert_eq!(told(&rule), [format!("{nat} ! -d 10.0.0.0/8 -j SNAT --to-source 192.168.1.20")]);
    rule.except.insert(network("172.16.0.0/12"));
    rule.to = None;
    rule.mss_clamp = Some(MssClamp::Bytes(1400));
    let clamp =
        "-p tcp --tcp-flags SYN,RST SYN -m tcpmss --mss 1401:65535 -j TCPMSS --set-mss 1400";
    assert_eq!(
        told(&rule),
        [
            format!("{nat} -d 10.0.0.0/8 -j RETURN"),
            format!("{nat} -d 172.16.0.0/12 -j RETURN"),
            format!("{nat} -j MASQUERADE"),
            format!("iptables -t mangle -A FORWARD -s 192.168.15.0/24 -o ens3 {clamp}"),
            format!("iptables -t mangle -A FORWARD -d 192.168.15.0/24 -i ens3 {clamp}"),
        ]
    );
}

#[test]
fn an_untranslated_source_is_printed_as_an_iptables_command() {
    let told = |netns, adds| routed_command(&netns, "ens3", "10.9.0.0/16".parse().unwrap(), adds);
    assert_eq!(
        told(Netns::Machine, true),
        "iptables -t nat -A POSTROUTING -s 10.9.0.0/16 -o ens3 -j ACCEPT"
    );
    assert_eq!(
        told(Netns::named("host"), false),
        "ip netns exec host iptables -t nat -D POSTROUTING -s 10.9.0.0/16 -o ens3 -j ACCEPT"
    );
}

#[test]
fn a_forward_of_several_ports_is_one_rule_with_a_base() {
    let mut rule = ForwardRule {
        ports: "8000-17999".parse().unwrap(),
        ..ForwardRule::new(ForwardProtocol::Tcp, 1, "192.168.15.2:9000".parse().unwrap())
    };
    let told = |rule: &ForwardRule| forward_command(&Netns::Machine, rule, true)[0].clone();
    assert_eq!(
        told(&rule),
        "iptables -t nat -A PREROUTING -p tcp -m addrtype --dst-type LOCAL --dport 8000:17999 -j \
         DNAT --to-destination 192.168.15.2:9000-18999/8000"
    );
    rule.ports = 80.into();
    rule.from = ["192.168.1.0/24".parse().unwrap()].into();
    rule.address = Some(Ipv4Addr::new(192, 168, 1, 10));
    assert_eq!(
        told(&rule),
        "iptables -t nat -A PREROUTING -p tcp -s 192.168.1.0/24 -d 192.168.1.10 --dport 80 -j \
         DNAT --to-destination 192.168.15.2:9000"
    );
}

#[test]
fn names_with_special_characters_of_the_shell_are_quoted() {
    let name = "it's;rm".to_owned();
    assert_eq!(lines(&Step::AddNamespace { name }), r"ip netns add 'it'\''s;rm'");
}
