use super::*;
use crate::topology::Router;

fn plain(topology: &Topology, width: usize) -> String {
    let text = draw(topology, width).join("\n");
    let text = anstream::adapter::strip_str(&text).to_string();
    text.lines().map(str::trim_end).fold(String::from("\n"), |all, line| all + line + "\n")
}

#[test]
fn the_lecture() {
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
                    │                                      │ │ 192.168.1.1/24 │
                    ╰──────────────────────────────────────╯ │ 8.8.8.8        │
                                                             ╰────────────────╯

masquerade  192.168.15.0/24 leaves by ens3 as 192.168.1.10
forward     tcp port 80 of the host leads to 192.168.15.2:80 in blue
";
    assert_eq!(plain(&Topology::lecture(), 80), expected);
}

/// Two bridges, one of them empty, and a machine's own uplink beside the simulated one.
fn crossroads() -> Topology {
    let mut topology = Topology::lecture();
    topology.routers = vec![Router::default()];
    topology.namespaces.pop();
    let mut second = topology.bridges[0].clone();
    second.name = "v-net-1".into();
    second.address = "10.0.0.1/8".parse().unwrap();
    topology.bridges.push(second);
    let mut wan = topology.uplinks[0].clone();
    wan.name = "wan".into();
    wan.address = None;
    wan.gateway = None;
    wan.far = None;
    topology.uplinks.push(wan);
    topology.masquerades[0].uplink = None;
    topology.forwards.clear();
    topology
}

#[test]
fn every_bridge_and_uplink_hangs_on_one_trunk() {
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
                    │                                   │ │ │ 192.168.1.1/24 │
                    │                                   │ │ │ 8.8.8.8        │
                    │                                   │ │ ╰────────────────╯
                    │                                   │ │
                    │                               wan ╰─┼─▷
                    ╰─────────────────────────────────────╯

masquerade  192.168.15.0/24 leaves by any uplink as that uplink's address
";
    assert_eq!(plain(&crossroads(), 80), expected);
}

#[test]
fn port_names_go_when_room_is_short() {
    let narrow = plain(&Topology::lecture(), 70);
    assert!(!narrow.contains("veth-red-br"), "{narrow}");
    assert!(narrow.lines().take(15).all(|line| line.chars().count() <= 70), "{narrow}");
}
