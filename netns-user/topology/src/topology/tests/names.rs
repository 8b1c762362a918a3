//! Names that are not valid, not unique or not known.

use super::{GOOD, Topology, problems, spoiled};

#[test]
fn names_of_namespaces_and_interfaces_must_be_unique() {
    spoiled(
        "name = \"blue\"",
        "name = \"red\"",
        "lab.toml:22:8: namespace \"red\": another namespace already has this name (namespace, \
         line 17): choose another",
    );
    spoiled(
        "namespace = \"lan\"",
        "namespace = \"host\"",
        "lab.toml:10:25: outside \"host\": another namespace already has this name (the router, \
         line 4): choose another",
    );
    spoiled(
        "[[namespace]]",
        "[[bridge]]\nname = \"v-net-0\"\naddress = \"10.1.0.1/24\"\n\n[[namespace]]",
        "lab.toml:17:8: bridge \"v-net-0\": another interface of the router already has this name \
         (bridge, line 13): choose another",
    );
}

#[test]
fn an_interface_name_must_be_valid() {
    let cases = [
        ("sixteen-letters-", "it has 16 characters, and Linux allows 15"),
        ("a/b", "it contains '/'"),
        ("a b", "it contains white space"),
        ("", "it is empty"),
        (".", "Linux reserves it"),
        ("..", "Linux reserves it"),
        ("a:0", "it contains ':'"),
        ("e%d", "it contains '%'"),
        ("lo", "every namespace has a loopback interface of that name"),
        ("all", "Linux keeps the settings of all interfaces by that name"),
        ("default", "Linux keeps the settings of default interfaces by that name"),
    ];
    for (name, fault) in cases {
        let expected =
            format!("lab.toml:25:13: interface \"{name}\": it cannot name an interface: {fault}");
        spoiled("interface = \"eth0\"\n", &format!("interface = \"{name}\"\n"), &expected);
        let expected = format!(
            "lab.toml:26:8: port \"{name}\": it cannot name an interface: \
                                {fault}"
        );
        spoiled("blue-port", name, &expected);
    }
    spoiled(
        "name = \"red\"",
        "name = \"a:b\"",
        "lab.toml:17:8: namespace \"a:b\": the interface name made from it, \"veth-a:b\", is not \
         valid: it contains ':': set `interface` and `port`",
    );
}

#[test]
fn a_namespace_name_must_be_valid() {
    let found = problems(&GOOD.replacen("name = \"red\"", "name = \"a/b\"", 1));
    assert_eq!(
        found[0],
        "lab.toml:17:8: namespace: \"a/b\" cannot name a namespace: it contains \
                          '/'"
    );
}

#[test]
fn a_lab_name_must_be_valid() {
    let cases = [
        ("", "it is empty"),
        ("../etc", "it contains '.'; letters, digits, '-' and '_' are allowed"),
        ("a/b", "it contains '/'; letters, digits, '-' and '_' are allowed"),
        ("-f", "it begins with '-', like an option"),
    ];
    for (name, fault) in cases {
        let expected = format!("lab.toml:1:8: \"{name}\" cannot name a lab: {fault}");
        spoiled("name = \"lab\"", &format!("name = \"{name}\""), &expected);
    }
}

#[test]
fn a_reference_to_an_unknown_bridge_is_answered_with_a_similar_name() {
    spoiled(
        "bridge = \"v-net-0\"",
        "bridge = \"v-net-9\"",
        "lab.toml:18:10: namespace \"red\": there is no bridge \"v-net-9\": did you mean \"v-net-0\"?",
    );
}

#[test]
fn a_reference_to_an_unknown_uplink_is_answered_with_a_similar_name() {
    spoiled(
        "uplink = \"ens3\"",
        "uplink = \"ens4\"",
        "lab.toml:32:10: masquerade: there is no uplink \"ens4\": did you mean \"ens3\"?",
    );
}

#[test]
fn interfaces_of_two_namespaces_can_have_the_same_name() {
    let text = GOOD.replacen("name = \"red\"", "name = \"red\"\ninterface = \"eth0\"", 1);
    let lab = Topology::parse(&text.replacen("port = \"blue-port\"\n", "", 1), "f").unwrap();
    let ends = lab.plugged().map(|(_, plug)| (plug.interface.as_str(), plug.port.as_str()));
    assert_eq!(ends.collect::<Vec<_>>(), [("eth0", "veth-red-br"), ("eth0", "veth-blue-br")]);
}
