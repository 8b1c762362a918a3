//! The picture of a lab in characters, at several widths.

use super::*;
use crate::{
    graph::tests as samples,
    topology::{Router, Topology},
};

const UNSTYLED: Styles =
    Styles { heading: style::PLAIN, faint: style::PLAIN, namespace: |_, _| style::PLAIN };

fn plain(topology: &Topology, width: usize) -> String {
    let text = text(&Graph::new(topology, true), width, &UNSTYLED).join("\n");
    text.lines().map(str::trim_end).fold(String::from("\n"), |all, line| all + line + "\n")
}

#[test]
fn the_lecture_is_drawn_as_a_picture() {
    let expected = "
                    ╭─ host ───────────────────────────────╮
╭─ red ───────────╮ │                ╭─ v-net-0 ───────╮   │
│ veth-red        ├─┼─ veth-red-br ──┤ 192.168.15.5/24 ├─╮ │
│ 192.168.15.1/24 │ │                │                 │ │ │
╰─────────────────╯ │                │                 │ │ │
╭─ blue ──────────╮ │                │                 │ │ │
│ veth-blue       ├─┼─ veth-blue-br ─┤                 │ │ │
│ 192.168.15.2/24 │ │                │                 │ │ │
╰─────────────────╯ │                ╰─────────────────╯ │ │
                    │                    routing and NAT │ │ ╭─ lan ──────────╮
                    │               ens3 192.168.1.10/24 ╰─┼─┤ eth0           │
                    │                    via 192.168.1.1   │ │ 192.168.1.1/24 │
                    ╰──────────────────────────────────────╯ │ 8.8.8.8        │
                                                             ╰────────────────╯

masquerade  192.168.15.0/24 leaves by ens3 as 192.168.1.10
forward     tcp port 80 of the host leads to 192.168.15.2:80 in blue
";
    assert_eq!(plain(&Topology::lecture(), 80), expected);
}

/// A lab with an empty second bridge, and an uplink of the machine beside the simulated one.
fn crossroads() -> Topology {
    let mut topology = Topology::lecture();
    topology.routers = vec![Router::default()];
    topology.namespaces.pop();
    let mut second = topology.bridges[0].clone();
    second.name = "v-net-1".into();
    second.address = "10.0.0.1/8".parse().unwrap();
    topology.bridges.push(second);
    topology.bridges.iter_mut().for_each(|bridge| bridge.router = None);
    let mut wan = topology.uplinks[0].clone();
    wan.name = "wan".into();
    wan.addresses.clear();
    wan.gateway = None;
    wan.mtu = Some(1492);
    wan.far = None;
    topology.uplinks.push(wan);
    topology.uplinks.iter_mut().for_each(|uplink| uplink.router = None);
    topology.masquerades[0].uplink = None;
    topology.forwards.clear();
    topology
}

#[test]
fn all_bridges_and_uplinks_of_a_router_are_connected() {
    let expected = "
                    ╭─ this machine ──────────────────────╮
╭─ red ───────────╮ │               ╭─ v-net-0 ───────╮   │
│ veth-red        ├─┼─ veth-red-br ─┤ 192.168.15.5/24 ├─╮ │
│ 192.168.15.1/24 │ │               │                 │ │ │
╰─────────────────╯ │               ╰─────────────────╯ │ │
                    │               ╭─ v-net-1 ───────╮ │ │
                    │               │ 10.0.0.1/8      ├─┤ │
                    │               ╰─────────────────╯ │ │
                    │                   routing and NAT │ │ ╭─ lan ──────────╮
                    │              ens3 192.168.1.10/24 ├─┼─┤ eth0           │
                    │                   via 192.168.1.1 │ │ │ 192.168.1.1/24 │
                    │                                   │ │ │ 8.8.8.8        │
                    │                                   │ │ ╰────────────────╯
                    │                                   │ │
                    │                               wan ╰─┼─▷
                    │                          mtu 1492   │
                    ╰─────────────────────────────────────╯

masquerade  192.168.15.0/24 leaves by any uplink as that uplink's address
";
    assert_eq!(plain(&crossroads(), 80), expected);
}

#[test]
fn names_of_ports_are_left_out_in_a_narrow_terminal() {
    let narrow = plain(&Topology::lecture(), 70);
    assert!(!narrow.contains("veth-red-br"), "{narrow}");
    assert!(narrow.lines().take(15).all(|line| line.chars().count() <= 70), "{narrow}");
}

#[test]
fn a_plugged_uplink_is_named_at_both_routers_and_cables_are_drawn_at_the_edge() {
    let expected = "
                      ╭─ isp ───────────────────────────────╮
  ╭─ neighbour ─────╮ │                ╭─ cgn ──────────╮   │
  │ eth0            ├─┼─ neighbour-br ─┤ 100.64.0.1/24  ├─╮ │
  │ 100.64.0.9/24   │ │                │                │ │ │
  ╰─────────────────╯ │                │                │ │ │
                      │                │                │ │ │
            home:wan ─┼─ home-wan ─────┤                │ │ │
                      │                ╰────────────────╯ │ │
                      │                   routing and NAT │ │ ╭─ internet ─────╮
                      │               eth0 203.0.113.2/24 ╰─┼─┤ eth0           │
                      │                                     │ │ 203.0.113.1/24 │
                      ╰─────────────────────────────────────╯ ╰────────────────╯
                      ╭─ home ──────────────────────────────╮
  ╭─ pc ────────────╮ │                ╭─ lan ──────────╮   │
  │ eth0            ├─┼─ pc-br ────────┤ 192.168.0.1/24 ├─╮ │
  │ 192.168.0.10/24 │ │                │                │ │ │
╭─┤ eth1            │ │                │                │ │ │
│ │ 10.9.9.1/30     │ │                │                │ │ │
│ ╰─────────────────╯ │                │                │ │ │
│ ╭─ nas ───────────╮ │                │                │ │ │
│ │ eth0            ├─┼─ nas-br ───────┤                │ │ │
│ │ 192.168.0.11/24 │ │                │                │ │ │
╰─┤ eth1            │ │                │                │ │ │
  │ 10.9.9.2/30     │ │                │                │ │ │
  ╰─────────────────╯ │                ╰────────────────╯ │ │
                      │                   routing and NAT │ │
                      │                 wan 100.64.0.2/24 ╰─┼─▷ isp:home-wan on cgn
                      │                    via 100.64.0.1   │
                      ╰─────────────────────────────────────╯

masquerade  100.64.0.0/24 leaves by eth0 as 203.0.113.2
masquerade  192.168.0.0/24 leaves by wan as 100.64.0.2
";
    assert_eq!(plain(&samples::plugged(), 90), expected);
}

#[test]
fn similar_namespaces_share_a_box() {
    let expected = "
                          ╭─ host ─────────────────────────────╮
╭─ web-1 … web-200 ─────╮ │              ╭─ v-net-0 ───────╮   │
│ eth0                  ├─┼─ 200 ports ──┤ 10.0.255.254/16 ├─╮ │
│ 10.0.0.1 - 10.0.0.200 │ │              │                 │ │ │
│ 200 namespaces        │ │              │                 │ │ │
╰───────────────────────╯ │              │                 │ │ │
╭─ monitor ─────────────╮ │              │                 │ │ │
│ eth0                  ├─┼─ monitor-br ─┤                 │ │ │
│ 10.0.255.1/16         │ │              │                 │ │ │
╰───────────────────────╯ │              ╰─────────────────╯ │ │
                          │                          routing │ │ ╭─ lan ──────────╮
                          │             ens3 192.168.1.10/24 ╰─┼─┤ eth0           │
                          │                                    │ │ 192.168.1.1/24 │
                          ╰────────────────────────────────────╯ ╰────────────────╯
";
    assert_eq!(plain(&samples::crowd(200), 90), expected);
}

#[test]
fn cables_cross_but_do_not_overlap() {
    let mut lab = samples::empty("cables");
    lab.namespaces = ["a", "b", "c"].map(samples::plain_namespace).to_vec();
    lab.cables = vec![
        samples::cable(("a", "a1", ""), ("c", "c1", "")),
        samples::cable(("b", "b1", "10.0.0.1/30"), ("a", "a2", "10.0.0.2/30")),
        samples::cable(("b", "b2", ""), ("c", "c2", "")),
    ];
    let expected = "
    ╭─ a ─────────╮
╭───┤ a1          │
│ ╭─┤ a2          │
│ │ │ 10.0.0.2/30 │
│ │ ╰─────────────╯
│ │ ╭─ b ─────────╮
│ ╰─┤ b1          │
│   │ 10.0.0.1/30 │
│ ╭─┤ b2          │
│ │ ╰─────────────╯
│ │ ╭─ c ─────────╮
╰─┼─┤ c1          │
  ╰─┤ c2          │
    ╰─────────────╯
";
    assert_eq!(plain(&lab, 80), expected);
}

#[test]
fn a_terminal_too_narrow_for_the_picture_shows_a_tree() {
    let expected = "
isp
├ cgn
│ ├ 100.64.0.1/24
│ ├ neighbour
│ │ ╰ eth0 100.64.0.9/24
│ ╰ home-wan ◁ home:wan
╰ eth0
  ├ 203.0.113.2/24
  ╰ internet
    ╰ eth0 203.0.113.1/24
home
├ lan
│ ├ 192.168.0.1/24
│ ├ pc
│ │ ├ eth0 192.168.0.10/24
│ │ ╰ eth1 10.9.9.1/30
│ ╰ nas
│   ├ eth0 192.168.0.11/24
│   ╰ eth1 10.9.9.2/30
╰ wan
  ├ 100.64.0.2/24
  ├ via 100.64.0.1
  ╰ ▷ isp:home-wan
cables
╰ pc:eth1
  ╰ nas:eth1

masquerade  100.64.0.0/24 leaves by eth0 as 203.0.113.2
masquerade  192.168.0.0/24 leaves by wan as 100.64.0.2
";
    assert_eq!(plain(&samples::plugged(), 30), expected);
}

#[test]
fn a_picture_is_never_wider_than_the_terminal() {
    let labs = [Topology::lecture(), samples::plugged(), samples::crowd(1000), samples::nasty()];
    for lab in labs {
        for width in [0, 20, 60, 80, 120] {
            let text = plain(&lab, width);
            let picture = text.split("\n\n").next().unwrap();
            let is_picture = picture.contains('╮');
            let widest = picture.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(!is_picture || widest <= width, "{width}:\n{text}");
        }
    }
}

#[test]
fn wide_characters_do_not_move_the_frame() {
    let mut lab = samples::empty("wide");
    lab.namespaces = vec![samples::plain_namespace("東京"), samples::plain_namespace("kyoto")];
    let expected = "
╭─ 東京 ──╮
╰─────────╯
╭─ kyoto ─╮
╰─────────╯
";
    assert_eq!(plain(&lab, 80), expected);
}
