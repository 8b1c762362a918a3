//! Faults of addresses and uplinks.

use super::{GOOD, OWN, problems, spoiled, spoiled_in};

#[test]
fn bridges_must_not_overlap() {
    spoiled(
        "[[namespace]]",
        "[[bridge]]\nname = \"v-net-1\"\naddress = \"10.0.0.129/25\"\n\n[[namespace]]",
        "lab.toml:18:11: bridge \"v-net-1\": its subnet 10.0.0.128/25 overlaps that of bridge \
         \"v-net-0\" (line 14): give it another subnet",
    );
}

#[test]
fn an_uplink_must_not_overlap_a_bridge() {
    let found = problems(&GOOD.replace("192.168.1.", "10.0.0.1"));
    assert!(found[0].contains("its subnet 10.0.0.0/24 overlaps that of bridge"), "{found:?}");
}

#[test]
fn an_address_must_be_in_the_subnet_of_its_bridge_or_uplink() {
    spoiled(
        "address = \"10.0.0.2/24\"",
        "address = \"10.0.1.2/24\"",
        "lab.toml:19:11: namespace \"red\": the address 10.0.1.2/24 is not in the subnet of bridge \
         \"v-net-0\", 10.0.0.0/24",
    );
    spoiled(
        "address = \"10.0.0.2/24\"",
        "address = \"10.0.0.2/16\"",
        "lab.toml:19:11: namespace \"red\": the prefix length of 10.0.0.2/16 is not that of bridge \
         \"v-net-0\": write 10.0.0.2/24",
    );
    spoiled(
        "192.168.1.1/24",
        "192.168.2.1/24",
        "lab.toml:10:62: outside \"lan\": the address 192.168.2.1/24 is not in the subnet of uplink \
         \"ens3\", 192.168.1.0/24",
    );
}

#[test]
fn a_host_cannot_have_a_network_broadcast_or_loopback_address() {
    spoiled(
        "10.0.0.2/24",
        "10.0.0.0/24",
        "lab.toml:19:11: namespace \"red\": the address 10.0.0.0/24 cannot be used: it is the \
         network address of its subnet: choose another",
    );
    spoiled(
        "10.0.0.2/24",
        "10.0.0.255/24",
        "lab.toml:19:11: namespace \"red\": the address 10.0.0.255/24 cannot be used: it is the \
         broadcast address of its subnet: choose another",
    );
    spoiled(
        "10.0.0.2/24",
        "127.0.0.1/8",
        "lab.toml:19:11: namespace \"red\": the address 127.0.0.1/8 cannot be used: no host can \
         have it: choose another",
    );
}

#[test]
fn an_address_must_be_unique() {
    spoiled(
        "10.0.0.2/24",
        "10.0.0.1/24",
        "lab.toml:19:11: namespace \"red\": the address 10.0.0.1 already belongs to bridge \
         \"v-net-0\" (line 14): choose another",
    );
}

#[test]
fn an_invalid_address_is_reported_with_an_example() {
    spoiled(
        "10.0.0.2/24",
        "10.0.0.2",
        "lab.toml:19:11: namespace \"red\": 10.0.0.2 has no prefix length: write it like \
         10.0.0.2/24, or 10.0.0.2/32 for the address alone",
    );
    spoiled(
        "10.0.0.2/24",
        "10.0.0.2/33",
        "lab.toml:19:11: namespace \"red\": \"10.0.0.2/33\" is not an IPv4 address with a prefix \
         length: write it like 192.168.15.1/24",
    );
    spoiled(
        "8.8.8.8",
        "dns.example",
        "lab.toml:10:91: outside \"lan\": \"dns.example\" is not an IPv4 address: write it like \
         192.168.15.1",
    );
}

#[test]
fn a_gateway_must_exist_or_be_in_the_subnet() {
    spoiled(
        "gateway = \"192.168.1.1\"",
        "gateway = \"192.168.1.2\"",
        "lab.toml:9:11: uplink \"ens3\": its gateway 192.168.1.2 does not exist: outside has the \
         address 192.168.1.1",
    );
    spoiled(
        "gateway = \"10.0.0.2\"",
        "gateway = \"10.0.0.3\"",
        "lab.toml:27:11: namespace \"blue\": its gateway 10.0.0.3 must be another address in the \
         subnet of bridge \"v-net-0\", 10.0.0.0/24",
    );
}

#[test]
fn an_uplink_of_the_machine_is_not_simulated() {
    let outside =
        "outside = { namespace = \"lan\", interface = \"eth0\", address = \"10.7.0.1/24\" }";
    spoiled_in(
        OWN,
        "name = \"auto\"",
        &format!("name = \"auto\"\naddress = \"10.7.0.2/24\"\n{outside}"),
        &[
            "lab.toml:5:11: uplink \"auto\": the lab cannot set the `address` of an interface of \
             the machine: leave it out, or set router.namespace",
            "lab.toml:6:11: uplink \"auto\": `outside` simulates a network, but the router is the \
             machine itself: leave it out, or set router.namespace",
        ],
    );
}

#[test]
fn an_uplink_of_a_router_namespace_must_be_simulated() {
    spoiled_in(
        OWN,
        "[[uplink]]",
        "[router]\nnamespace = \"host\"\n\n[[uplink]]",
        &[
            "lab.toml:7:8: uplink \"auto\" is an interface of the machine, but the router is a \
             namespace: name an interface, or leave router.namespace out",
            "lab.toml:7:8: uplink \"auto\": in a router namespace it leads nowhere by itself: \
             give it an `address`, and an `outside` or a `plug`",
        ],
    );
}
