use super::*;
use crate::{
    lab::pieces::pieces,
    topology::{Namespace, Topology},
};

fn lines(from: &Topology, to: &Topology) -> Vec<String> {
    let steps = diff(&pieces(from), &pieces(to)).into_iter().flat_map(|part| part.steps);
    steps.flat_map(|step| step.commands()).collect()
}

fn third(topology: &Topology) -> Namespace {
    let mut green = topology.namespaces[1].clone();
    green.name = "green".into();
    let plug = green.plug.as_mut().unwrap();
    plug.interface = "veth-green".into();
    plug.port = "veth-green-br".into();
    plug.address = "192.168.15.3/24".parse().unwrap();
    green
}

#[test]
fn nothing_to_do_for_the_same_lab() {
    let lab = Topology::lecture();
    assert_eq!(lines(&lab, &lab), Vec::<String>::new());
}

#[test]
fn from_nothing_everything_is_made_and_nothing_removed() {
    let all = pieces(&Topology::lecture());
    let parts = diff(&[], &all);
    assert_eq!(parts.len(), all.len());
    assert!(parts.iter().all(|part| part.fate == Fate::Added));
}

#[test]
fn a_namespace_goes_with_all_that_is_in_it() {
    let lab = Topology::lecture();
    let mut less = lab.clone();
    less.namespaces.pop();
    assert_eq!(lines(&lab, &less), ["ip -n host link del veth-blue-br", "ip netns del blue"]);
}

#[test]
fn a_new_namespace_touches_no_other() {
    let lab = Topology::lecture();
    let mut more = lab.clone();
    more.namespaces.push(third(&lab));
    let lines = lines(&lab, &more);
    assert!(lines.iter().all(|line| line.contains("green")), "{lines:#?}");
    assert!(lines.contains(&"ip -n green route add default via 192.168.15.5".to_owned()));
}

#[test]
fn a_new_address_takes_the_routes_by_it_along() {
    let lab = Topology::lecture();
    let mut moved = lab.clone();
    moved.namespaces[0].plug.as_mut().unwrap().address = "192.168.15.77/24".parse().unwrap();
    assert_eq!(
        lines(&lab, &moved),
        [
            "ip -n red addr del 192.168.15.1/24 dev veth-red",
            "ip -n red addr add 192.168.15.77/24 dev veth-red",
            "ip -n red route add default via 192.168.15.5",
        ]
    );
}

#[test]
fn another_gateway_is_another_route() {
    let lab = Topology::lecture();
    let mut changed = lab.clone();
    changed.namespaces[0].plug.as_mut().unwrap().gateway = "192.168.15.2".parse().ok();
    assert_eq!(
        lines(&lab, &changed),
        [
            "ip -n red route del default via 192.168.15.5",
            "ip -n red route add default via 192.168.15.2",
        ]
    );
}

#[test]
fn another_mtu_is_set_at_both_ends_in_place() {
    let lab = Topology::lecture();
    let mut changed = lab.clone();
    changed.namespaces[0].plug.as_mut().unwrap().mtu = Some(1400);
    let there = lines(&lab, &changed);
    assert_eq!(
        there,
        ["ip -n host link set veth-red-br mtu 1400", "ip -n red link set veth-red mtu 1400"]
    );
    let back = lines(&changed, &lab);
    assert_eq!(
        back,
        ["ip -n host link set veth-red-br mtu 1500", "ip -n red link set veth-red mtu 1500"]
    );
}

#[test]
fn ports_of_a_new_bridge_are_plugged_over() {
    let lab = Topology::lecture();
    let mut renamed = lab.clone();
    renamed.bridges[0].name = "br0".into();
    for namespace in &mut renamed.namespaces {
        namespace.plug.as_mut().unwrap().bridge = "br0".into();
    }
    let lines = lines(&lab, &renamed);
    assert_eq!(lines[0], "ip -n host link del v-net-0");
    assert!(lines.contains(&"ip -n host link set veth-red-br master br0".to_owned()), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("type veth")), "{lines:#?}");
}

#[test]
fn a_cable_with_another_far_end_is_made_anew() {
    let lab = Topology::lecture();
    let mut renamed = lab.clone();
    renamed.namespaces[0].plug.as_mut().unwrap().interface = "eth0".into();
    let lines = lines(&lab, &renamed);
    assert_eq!(lines[0], "ip -n host link del veth-red-br");
    assert!(lines.contains(&"ip -n red addr add 192.168.15.1/24 dev eth0".to_owned()));
    assert!(lines.contains(&"ip -n red route add default via 192.168.15.5".to_owned()));
    assert!(!lines.iter().any(|line| line.contains("blue")), "{lines:#?}");
}

#[test]
fn name_servers_are_changed_and_removed() {
    let mut lab = Topology::lecture();
    lab.namespaces[0].dns = vec!["9.9.9.9".parse().unwrap()];
    let plain = Topology::lecture();
    assert_eq!(lines(&lab, &plain), ["rm /etc/netns/red/resolv.conf"]);
    let mut other = lab.clone();
    other.namespaces[0].dns = vec!["1.1.1.1".parse().unwrap()];
    assert!(lines(&lab, &other)[1].contains("1.1.1.1"));
}
