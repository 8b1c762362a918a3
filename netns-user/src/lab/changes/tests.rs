//! The commands that turn one lab into another.

use super::*;
use crate::{
    lab::resources::resources,
    topology::{Far, Namespace, Topology},
};

fn changes(from: &Topology, to: &Topology) -> Vec<Change> {
    let actual = resources(from);
    diff(&actual, &resources(to), &LinkAddresses::of_resources(&actual))
}

fn is_about_hosts(change: &Change) -> bool {
    matches!(change.resource, Resource::Hosts { .. } | Resource::HostsLink { .. })
}

/// The commands of all changes, without those of the hosts files.
fn lines(from: &Topology, to: &Topology) -> Vec<String> {
    let changes = changes(from, to).into_iter().filter(|change| !is_about_hosts(change));
    changes.flat_map(|change| change.steps).flat_map(|step| step.commands()).collect()
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
fn an_unchanged_lab_has_no_changes() {
    let lab = Topology::lecture();
    assert_eq!(lines(&lab, &lab), Vec::<String>::new());
}

#[test]
fn a_new_lab_has_only_additions() {
    let all = resources(&Topology::lecture());
    let parts = diff(&[], &all, &LinkAddresses::default());
    assert_eq!(parts.len(), all.len());
    assert!(parts.iter().all(|part| part.kind == ChangeKind::Add));
}

#[test]
fn a_namespace_is_removed_with_everything_in_it() {
    let lab = Topology::lecture();
    let mut less = lab.clone();
    less.namespaces.pop();
    assert_eq!(lines(&lab, &less), ["ip -n host link del veth-blue-br", "ip netns del blue"]);
}

#[test]
fn a_new_namespace_changes_no_other_one() {
    let lab = Topology::lecture();
    let mut more = lab.clone();
    more.namespaces.push(third(&lab));
    let lines = lines(&lab, &more);
    assert!(lines.iter().all(|line| line.contains("green")), "{lines:#?}");
    assert!(lines.contains(&"ip -n green route add default via 192.168.15.5".to_owned()));
}

#[test]
fn a_replaced_address_also_replaces_the_routes_by_it() {
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
fn another_gateway_replaces_the_route() {
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
fn another_mtu_is_set_at_both_ends_of_the_existing_cable() {
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
fn ports_of_a_replaced_bridge_move_to_the_new_one() {
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
fn a_cable_with_another_far_end_is_replaced() {
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
    let removed = ["rm /etc/netns/red/resolv.conf", "rmdir /etc/netns/red 2>/dev/null || :"];
    assert_eq!(lines(&lab, &plain), removed);
    let mut other = lab.clone();
    other.namespaces[0].dns = vec!["1.1.1.1".parse().unwrap()];
    assert!(lines(&lab, &other)[1].contains("1.1.1.1"));
}

#[test]
fn the_hosts_file_changes_with_the_names_and_addresses_of_the_namespaces() {
    let steps = |from: &Topology, to: &Topology| -> Vec<Step> {
        let changes = changes(from, to).into_iter().filter(is_about_hosts);
        changes.flat_map(|change| change.steps).collect()
    };
    let lab = Topology::lecture();
    let mut more = lab.clone();
    more.namespaces.push(third(&lab));
    let (namespace, name) = ("green".to_owned(), lab.name.clone());
    let added = steps(&lab, &more);
    let [linked, Step::SetHosts { entries, .. }] = added.as_slice() else { panic!("{added:?}") };
    assert_eq!(*linked, Step::LinkHosts { namespace: namespace.clone(), lab: name.clone() });
    assert_eq!(entries.last().unwrap().to_string(), "192.168.15.3 green");
    let removed = steps(&more, &lab);
    let [unlinked, Step::SetHosts { entries, .. }] = removed.as_slice() else {
        panic!("{removed:?}")
    };
    assert_eq!(*unlinked, Step::UnlinkHosts { namespace, lab: name });
    assert_eq!(entries.len(), 5);
    // Other changes leave the names alone.
    let mut other = lab.clone();
    other.namespaces[0].plug.as_mut().unwrap().mtu = Some(1400);
    assert_eq!(steps(&lab, &other), []);
}

/// The lecture's lab with these addresses at its uplink.
fn at_uplink(addresses: &[&str]) -> Topology {
    let mut lab = Topology::lecture();
    lab.uplinks[0].addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    lab
}

const FIRST: &str = "192.168.1.10/24";
const SECOND: &str = "192.168.1.11/24";
const THIRD: &str = "192.168.1.12/24";
const BEYOND: &str = "198.51.100.1/32";

const PROMOTE: &str = "ip netns exec host sysctl -qw net.ipv4.conf.ens3.promote_secondaries=1";

fn add(address: &str) -> String {
    format!("ip -n host addr add {address} dev ens3")
}

fn del(address: &str) -> String {
    format!("ip -n host addr del {address} dev ens3")
}

#[test]
fn further_addresses_of_an_uplink_are_added_and_removed_one_by_one() {
    let lab = at_uplink(&[FIRST, SECOND]);
    assert_eq!(lines(&at_uplink(&[FIRST]), &lab), [add(SECOND)]);
    assert_eq!(lines(&lab, &at_uplink(&[FIRST])), [del(SECOND)]);
    assert_eq!(lines(&lab, &at_uplink(&[FIRST, THIRD])), [del(SECOND), add(THIRD)]);
}

#[test]
fn the_order_of_the_further_addresses_does_not_matter() {
    let lab = at_uplink(&[FIRST, SECOND, THIRD]);
    assert_eq!(lines(&lab, &at_uplink(&[FIRST, THIRD, SECOND])), Vec::<String>::new());
}

#[test]
fn the_next_address_becomes_the_first_when_the_first_is_removed() {
    let lab = at_uplink(&[FIRST, SECOND, THIRD]);
    assert_eq!(
        lines(&lab, &at_uplink(&[SECOND, THIRD])),
        [PROMOTE.to_owned(), del(FIRST)],
        "the default route stays"
    );
    assert_eq!(
        lines(&lab, &at_uplink(&[THIRD, SECOND])),
        [PROMOTE.to_owned(), del(FIRST), del(SECOND), add(SECOND)]
    );
}

#[test]
fn a_new_first_address_is_added_before_the_others_are_moved_behind_it() {
    assert_eq!(
        lines(&at_uplink(&[FIRST]), &at_uplink(&[SECOND, FIRST])),
        [add(SECOND), PROMOTE.to_owned(), del(FIRST), add(FIRST)]
    );
    let swapped = lines(&at_uplink(&[FIRST, SECOND]), &at_uplink(&[SECOND, FIRST]));
    assert_eq!(swapped, [PROMOTE.to_owned(), del(FIRST), add(FIRST)]);
}

#[test]
fn a_new_first_address_comes_before_all_others() {
    let lab = at_uplink(&[SECOND, FIRST, BEYOND]);
    assert_eq!(
        lines(&lab, &at_uplink(&[THIRD, SECOND, FIRST, BEYOND]))
            .iter()
            .filter(|it| !it.contains("lan"))
            .collect::<Vec<_>>(),
        [
            &add(THIRD),
            &PROMOTE.to_owned(),
            &del(SECOND),
            &add(SECOND),
            &del(FIRST),
            &add(FIRST),
            &del(BEYOND),
            &add(BEYOND),
        ]
    );
}

#[test]
fn the_first_address_is_before_those_of_other_subnets() {
    let lab = resources(&at_uplink(&[FIRST, SECOND, BEYOND]));
    let mut addresses = LinkAddresses::of_resources(&lab);
    let interface = Interface::new(Netns::named("host"), "ens3");
    let order = [BEYOND, FIRST, SECOND].map(|address| address.parse().unwrap());
    addresses.insert(&interface, &order);
    let steps = diff(&lab, &lab, &addresses).into_iter().flat_map(|part| part.steps);
    assert_eq!(
        steps.flat_map(|step| step.commands()).collect::<Vec<_>>(),
        [del(BEYOND), add(BEYOND)]
    );
}

#[test]
fn an_address_behind_a_foreign_one_stays_there() {
    let (other, next) = ("203.0.113.1/24", "203.0.113.2/24");
    let wanted = resources(&at_uplink(&[SECOND, other, next]));
    let mut addresses = LinkAddresses::of_resources(&wanted);
    let interface = Interface::new(Netns::named("host"), "ens3");
    // Somebody else has added the first one.
    let order = [FIRST, next, other, SECOND].map(|address| address.parse().unwrap());
    addresses.insert(&interface, &order);
    let steps = diff(&wanted, &wanted, &addresses).into_iter().flat_map(|part| part.steps);
    let lines: Vec<String> = steps.flat_map(|step| step.commands()).collect();
    assert_eq!(lines, [PROMOTE.to_owned(), del(next), add(next)]);
}

#[test]
fn the_first_addresses_of_two_subnets_are_removed_before_their_further_ones() {
    let (other, next) = ("203.0.113.1/24", "203.0.113.2/24");
    let lab = at_uplink(&[FIRST, SECOND, other, next]);
    let lines = lines(&lab, &at_uplink(&[SECOND, next]));
    assert_eq!(
        lines.into_iter().filter(|line| !line.contains("route")).collect::<Vec<_>>(),
        [PROMOTE.to_owned(), del(other), del(FIRST), del(next), add(next)]
    );
}

#[test]
fn the_order_of_an_outsides_own_addresses_does_not_matter() {
    let answers = |addresses: &[&str]| {
        let mut lab = Topology::lecture();
        let Some(Far::Outside(outside)) = &mut lab.uplinks[0].far else { panic!("an outside") };
        outside.answers = addresses.iter().map(|address| address.parse().unwrap()).collect();
        lab
    };
    let lab = answers(&["8.8.8.8", "9.9.9.9"]);
    assert_eq!(lines(&lab, &answers(&["9.9.9.9", "8.8.8.8"])), Vec::<String>::new());
    let more = lines(&lab, &answers(&["1.1.1.1", "8.8.8.8", "9.9.9.9"]));
    assert_eq!(more, ["ip -n lan addr add 1.1.1.1/32 dev lo"]);
}

#[test]
fn routes_disappear_with_the_last_address_of_their_link() {
    let moved = lines(&at_uplink(&[FIRST]), &at_uplink(&[SECOND]));
    assert!(moved.contains(&"ip -n host route add default via 192.168.1.1".to_owned()));
    let moved = lines(&at_uplink(&[FIRST, BEYOND]), &at_uplink(&[SECOND, BEYOND]));
    assert!(!moved.iter().any(|line| line.contains("route add default")), "{moved:#?}");
}

#[test]
fn the_outside_gets_a_route_to_an_address_beyond_its_subnet() {
    let to = |via: &str, verb: &str| {
        format!("ip -n lan route {verb} 198.51.100.1/32 via {via} dev eth0")
    };
    // The route is added after the link is switched on.
    assert_eq!(lines(&at_uplink(&[FIRST]), &at_uplink(&[FIRST, BEYOND])), [add(BEYOND)]);
    let lab = at_uplink(&[FIRST, BEYOND]);
    assert_eq!(lines(&lab, &at_uplink(&[FIRST])), [del(BEYOND), to("192.168.1.10", "del")]);
    assert_eq!(
        lines(&lab, &at_uplink(&[SECOND, BEYOND])),
        [
            del(FIRST),
            to("192.168.1.10", "del"),
            to("192.168.1.11", "add"),
            add(SECOND),
            // The first address of the list becomes the first of the link.
            del(BEYOND),
            add(BEYOND),
        ]
    );
}

/// An address that somebody else has added stays, and the routes of the link with it.
#[test]
fn a_foreign_address_keeps_the_routes_of_its_link() {
    let (actual, wanted) = (resources(&at_uplink(&[FIRST])), resources(&at_uplink(&[SECOND])));
    let mut addresses = LinkAddresses::of_resources(&actual);
    let interface = Interface::new(Netns::named("host"), "ens3");
    addresses.insert(&interface, &[FIRST.parse().unwrap(), "203.0.113.9/24".parse().unwrap()]);
    let changes = diff(&actual, &wanted, &addresses).into_iter();
    let steps = changes.filter(|change| !is_about_hosts(change)).flat_map(|change| change.steps);
    assert_eq!(
        steps.flat_map(|step| step.commands()).collect::<Vec<_>>(),
        [del(FIRST), add(SECOND)]
    );
}

#[test]
fn an_address_that_lost_the_first_position_gets_it_back() {
    let lab = resources(&at_uplink(&[FIRST, SECOND]));
    let mut addresses = LinkAddresses::of_resources(&lab);
    let interface = Interface::new(Netns::named("host"), "ens3");
    addresses.insert(&interface, &[SECOND.parse().unwrap(), FIRST.parse().unwrap()]);
    let steps = diff(&lab, &lab, &addresses).into_iter().flat_map(|part| part.steps);
    assert_eq!(
        steps.flat_map(|step| step.commands()).collect::<Vec<_>>(),
        [PROMOTE.to_owned(), del(SECOND), add(SECOND)]
    );
}
