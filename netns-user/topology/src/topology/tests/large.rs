//! Faults of several routers, plugged uplinks, cables and routes.

use super::{LARGE, OWN, Topology, problems};

/// Replaces the first `from` of the large file, and expects this one problem at the position of
/// `at` in the spoiled file.
#[track_caller]
fn spoiled(from: &str, to: &str, at: &str, expected: &str) {
    assert!(LARGE.contains(from), "{from}");
    let text = LARGE.replacen(from, to, 1);
    let offset = text.find(at).unwrap_or_else(|| panic!("{at}"));
    let before = &text[..offset];
    let column = before.len() - before.rfind('\n').unwrap();
    let line = before.matches('\n').count() + 1;
    assert_eq!(problems(&text), [format!("lab.toml:{line}:{column}: {expected}")]);
}

#[test]
fn references_to_unknown_routers_bridges_and_namespaces_are_reported() {
    spoiled(
        "router = \"home\"\naddress = \"10.10",
        "router = \"hone\"\naddress = \"10.10",
        "\"hone\"",
        "uplink \"wan\": there is no router \"hone\": did you mean \"home\"?",
    );
    spoiled(
        "router = \"home\"\naddress = \"10.20",
        "router = \"xyz\"\naddress = \"10.20",
        "\"xyz\"",
        "bridge \"br-home\": there is no router \"xyz\": there are edge, home",
    );
    spoiled(
        "plug = { bridge = \"br-edge\"",
        "plug = { bridge = \"br-edgy\"",
        "\"br-edgy\"",
        "uplink \"wan\": there is no bridge \"br-edgy\": did you mean \"br-edge\"?",
    );
    spoiled(
        "a = { namespace = \"alone\"",
        "a = { namespace = \"alnoe\"",
        "\"alnoe\"",
        "cable: there is no namespace \"alnoe\": did you mean \"alone\"?",
    );
}

#[test]
fn an_interface_name_must_be_unique_in_its_namespace() {
    spoiled(
        "interface = \"to-pc\"",
        "interface = \"eth9\" }\nb = { namespace = \"alone\", interface = \"eth9\" }\n\n[[cable]]\n\
         a = { namespace = \"alone\", interface = \"to-pc\"",
        "\"eth9\" }\n\n",
        "interface \"eth9\": another interface in \"alone\" already has this name (interface, \
         line 73): choose another",
    );
    spoiled(
        "{ namespace = \"edge\", interface = \"spy\"",
        "{ namespace = \"edge\", interface = \"br-edge\"",
        "\"br-edge\" }\nb",
        "interface \"br-edge\": another interface of the router already has this name (bridge, \
         line 30): choose another",
    );
    spoiled(
        "interface = \"eth1\"",
        "interface = \"eth0\"",
        "\"eth0\", address = \"192.168.2",
        "interface \"eth0\": another interface in \"isp\" already has this name (interface, line \
         15): choose another",
    );
}

#[test]
fn names_of_bridges_and_uplinks_must_be_unique_in_the_lab() {
    spoiled(
        "name = \"br-home\"",
        "name = \"br-edge\"\naddress = \"10.7.0.1/24\"\n[[bridge]]\nname = \"br-home\"",
        "\"br-edge\"\naddress = \"10.7",
        "bridge \"br-edge\": another interface of the router already has this name (bridge, line \
         30): choose another",
    );
    let text = LARGE.replacen("name = \"wan\"", "name = \"ens4\"", 1);
    let found = problems(&text);
    assert!(
        found[0].ends_with(
            "uplink \"ens4\": another router already has one with this name (line 18): choose \
             another"
        ),
        "{found:?}"
    );
}

#[test]
fn an_uplink_cannot_be_plugged_into_its_own_router() {
    let home = "router = \"home\"\naddress = \"10.10.0.2/24\"";
    let found = problems(&LARGE.replacen(home, &home.replace("home", "edge"), 1));
    // The other fault is that the router routes to itself.
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(
        found[1],
        "lab.toml:27:19: uplink \"wan\": bridge \"br-edge\" is in the same router: plug it into \
         another router's bridge"
    );
}

#[test]
fn routers_cannot_be_plugged_into_each_other_in_a_circle() {
    let text = format!(
        "{LARGE}\n[[uplink]]\nname = \"back\"\naddress = \"10.20.0.9/24\"\n\
         plug = {{ bridge = \"br-home\" }}\n"
    );
    let found = problems(&text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].ends_with(
            "uplink \"back\": bridge \"br-home\" is behind the uplink's own router, so that \
             packets would loop: plug it into another router's bridge"
        ),
        "{found:?}"
    );
}

#[test]
fn an_uplink_has_exactly_one_far_end() {
    spoiled(
        "plug = { bridge = \"br-edge\" }",
        "",
        "\"wan\"",
        "uplink \"wan\": in a router namespace it leads nowhere by itself: give it an `address`, \
         and an `outside` or a `plug`",
    );
    let plug = "plug = { bridge = \"br-edge\" }";
    let outside = "outside = { namespace = \"x\", interface = \"e\", address = \"10.10.0.77/24\" }";
    let found = problems(&LARGE.replacen(plug, &format!("{plug}\n{outside}"), 1));
    let fault = "its cable has one far end: leave out `outside` or `plug`";
    assert!(found.iter().any(|line| line.ends_with(fault)), "{found:?}");
}

#[test]
fn only_the_first_router_can_be_the_machine() {
    let text = format!("{LARGE}[[router]]\nroutes = []\n");
    let found = problems(&text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].ends_with(
            ": router: only the first one can be the machine itself: give it a `namespace`, or \
             move it to the top"
        ),
        "{found:?}"
    );
    let line = LARGE.matches('\n').count() + 1;
    assert!(found[0].starts_with(&format!("lab.toml:{line}:")), "{found:?}");
}

#[test]
fn a_router_namespace_can_be_plugged_into_a_bridge_of_the_machine() {
    let home = "\n[[router]]\n\n[[router]]\nnamespace = \"home\"\n\n[[uplink]]\nname = \"wan\"\n\
                router = \"home\"\naddress = \"10.9.0.2/24\"\nplug = { bridge = \"br0\" }\n";
    let lab = Topology::parse(&format!("{OWN}{home}"), "lab.toml").unwrap();
    assert_eq!(lab.uplinks_of(Some("home")).count(), 1);
    assert_eq!(lab.bridges_of(None).count(), 1);
    assert_eq!(Topology::parse(&lab.to_toml(), "again.toml"), Ok(lab));
}

#[test]
fn a_route_must_lead_to_a_router_in_reach() {
    spoiled(
        "via = \"10.10.0.2\" }]",
        "via = \"10.11.0.2\" }]",
        "\"10.11.0.2\"",
        "router \"edge\": route to 10.20.0.0/16: via 10.11.0.2: it is not in reach: use an \
         address of 192.168.1.0/24, 192.168.2.0/24, 10.10.0.0/24",
    );
    spoiled(
        "interface = \"lan\" }]",
        "interface = \"lam\" }]",
        "\"lam\"",
        "namespace \"db-1\": route to 10.99.0.0/24: there is no interface \"lam\" here: did you \
         mean \"lan\"?",
    );
    spoiled(
        "{ to = \"10.99.0.0/24\", interface = \"lan\" }",
        "{ to = \"10.99.0.0/24\" }",
        "{ to = \"10.99",
        "namespace \"db-{}\": route to 10.99.0.0/24: it leads nowhere: give it a `via`, an \
         `interface` or both",
    );
    spoiled(
        "via = \"10.10.0.2\", metric",
        "via = \"10.10.0.100\", metric",
        "\"10.10.0.100\",",
        "namespace \"db-1\": route to default: via 10.10.0.100: it is the namespace's own address: \
         name another router",
    );
    spoiled(
        "to = \"10.99.0.0/24\"",
        "to = \"10.99.0.7/24\"",
        "\"10.99.0.7/24\"",
        "namespace \"db-{}\": route to 10.99.0.7/24: it is neither a subnet nor one address: write \
         10.99.0.0/24 for the subnet or 10.99.0.7/32 for the address",
    );
}

#[test]
fn a_route_must_be_unique_for_its_metric() {
    spoiled(
        "{ to = \"10.99.0.0/24\", interface = \"lan\" }",
        "{ to = \"0.0.0.0/0\", interface = \"lan\", metric = 5 }",
        "\"0.0.0.0/0\"",
        "namespace \"db-1\": route to default: the route in line 58 has the same metric: leave \
         one out, or give it another `metric`",
    );
    spoiled(
        "name = \"pc\"\n",
        "name = \"pc\"\nroutes = [{ to = \"default\", via = \"10.20.0.9\" }]\n",
        "\"default\", via = \"10.20",
        "namespace \"pc\": route to default: its `gateway` already gives it a default route: \
         write gateway = false for a namespace, leave `gateway` out of an uplink, or give the \
         route a `metric`",
    );
}

#[test]
fn mtus_and_metrics_must_be_in_range() {
    spoiled("mtu = 9000", "mtu = 67", "67\n", "cable: an MTU of 67 bytes: use 68 to 65535");
    spoiled(
        "metric = 5",
        "metric = -5",
        "-5 }",
        "namespace \"db-{}\": route to default: a metric of -5: use 0 to 4294967295",
    );
}

#[test]
fn an_address_must_be_unique_in_the_networks_of_a_router_only() {
    spoiled(
        "address = \"10.10.0.4/24\"",
        "address = \"10.10.0.2/24\"",
        "\"10.10.0.2/24\"\n\n[[namespace]]\nname = \"alone\"",
        "namespace \"early\": the address 10.10.0.2 already belongs to uplink \"wan\" (line 25): \
         choose another",
    );
    spoiled(
        "address = \"10.30.0.2/30\"",
        "address = \"10.31.0.2/30\"",
        "\"10.31.0.2/30\"",
        "cable: its ends are in two subnets, 10.30.0.0/30 and 10.31.0.0/30: put both in one",
    );
    // Another router can have the same subnet for another network.
    let again = LARGE.replace("10.20.0.1/24", "192.168.1.1/24");
    Topology::parse(&again, "lab.toml").unwrap();
}

#[test]
fn a_namespace_without_a_bridge_has_no_address() {
    spoiled(
        "name = \"alone\"",
        "name = \"alone\"\naddress = \"10.1.0.1/24\"",
        "\"10.1.0.1/24\"",
        "namespace \"alone\": `address` belongs to the cable to a bridge: add `bridge`, or leave \
         it out and add a [[cable]]",
    );
}

#[test]
fn a_gateway_is_an_address_or_false() {
    let found = problems(&LARGE.replacen("gateway = false", "gateway = true", 1));
    assert!(found[0].contains("write false for no default route"), "{found:?}");
    let found = problems(&LARGE.replacen("gateway = false", "gateway = 7", 1));
    assert!(
        found[0]
            .ends_with("7 is a number: write an address in quotes, or false for no default route"),
        "{found:?}"
    );
    spoiled(
        "gateway = false",
        "gateway = \"here\"",
        "\"here\"",
        "namespace \"db-{}\": \"here\" is not an IPv4 address: write it like 192.168.15.1",
    );
}

#[test]
fn an_unknown_key_of_a_router_is_reported_at_its_position() {
    let found = problems(&LARGE.replacen("namespace = \"home\"", "namespce = \"home\"", 1));
    assert_eq!(found, ["lab.toml:8:1: unknown key \"namespce\": did you mean \"namespace\"?"]);
    let found = problems(&super::GOOD.replacen("namespace = \"host\"", "namespce = \"host\"", 1));
    assert_eq!(found, ["lab.toml:4:1: unknown key \"namespce\": did you mean \"namespace\"?"]);
}

#[test]
fn the_router_of_a_forward_has_its_target_on_a_bridge_even_if_that_is_an_uplink() {
    let lab = Topology::parse(LARGE, "f").unwrap();
    let target = *lab.forwards[0].target.ip();
    assert_eq!(lab.router_of_target(target), Some(Some("edge")));
    assert_eq!(lab.router_of_target("10.20.0.9".parse().unwrap()), Some(Some("home")));
    assert_eq!(lab.router_of_target("8.8.8.8".parse().unwrap()), None);
}

#[test]
fn a_masquerade_is_for_the_routers_that_lead_to_its_source_or_for_that_of_its_uplink() {
    let lab = Topology::parse(LARGE, "f").unwrap();
    assert_eq!(lab.routers_of_masquerade(&lab.masquerades[0]), [Some("edge"), Some("home")]);
    assert_eq!(lab.routers_of_masquerade(&lab.masquerades[1]), [Some("edge")]);
}
