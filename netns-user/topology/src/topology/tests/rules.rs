//! Faults of rules, and limits.

use super::{GOOD, Topology, problems, spoiled};

#[test]
fn the_target_of_a_forward_must_be_an_address_of_the_lab() {
    spoiled(
        "10.0.0.3:8080",
        "10.0.0.9:8080",
        "lab.toml:38:10: forward: no namespace has the target address 10.0.0.9: use the address \
         of a namespace",
    );
}

#[test]
fn the_address_of_a_forward_must_be_one_of_the_router() {
    spoiled(
        "address = \"192.168.1.10\"\n",
        "address = \"192.168.1.11\"\n",
        "lab.toml:36:11: forward: 192.168.1.11 is not an address of the router: use one of an \
         uplink or a bridge, or leave it out for all addresses",
    );
}

#[test]
fn a_port_must_be_between_1_and_65535() {
    for port in ["0", "65536", "-1"] {
        let expected =
            format!("lab.toml:37:8: forward: the port {port} does not exist: use 1 to 65535");
        spoiled("port = 80\n", &format!("port = {port}\n"), &expected);
    }
    spoiled(
        "10.0.0.3:8080",
        "10.0.0.3:0",
        "lab.toml:38:10: forward: the target \"10.0.0.3:0\": port 0 cannot be a target: use 1 to \
         65535",
    );
}

#[test]
fn a_target_must_have_a_port() {
    spoiled(
        "10.0.0.3:8080",
        "10.0.0.3",
        "lab.toml:38:10: forward: the target \"10.0.0.3\": its port is missing: write it like \
         10.0.0.3:80",
    );
}

#[test]
fn a_forward_must_have_a_known_protocol() {
    spoiled(
        "\"tcp\"",
        "\"dccp\"",
        "lab.toml:35:12: forward: unknown protocol \"dccp\": use tcp, udp, sctp or udplite, or \
         several, such as tcp,udp",
    );
}

#[test]
fn a_port_can_be_forwarded_only_once_for_each_protocol() {
    let again = "\n[[forward]]\nprotocol = \"tcp\"\naddress = \"192.168.1.10\"\nport = 80\ntarget = \"10.0.0.2:80\"\n";
    assert_eq!(
        problems(&format!("{GOOD}{again}")),
        ["lab.toml:43:8: forward: tcp port 80 is already forwarded (line 37): choose another port"]
    );
    let other_protocol = again.replace("tcp", "udp");
    Topology::parse(&format!("{GOOD}{other_protocol}"), "lab.toml").unwrap();
}

#[test]
fn the_same_masquerade_twice_is_reported() {
    let again = "\n[[masquerade]]\nsource = \"10.0.0.0/24\"\nuplink = \"ens3\"\n";
    assert_eq!(
        problems(&format!("{GOOD}{again}")),
        ["lab.toml:41:10: masquerade: line 31 has the same one: leave one out"]
    );
}

#[test]
fn the_source_of_a_masquerade_must_be_a_network_of_the_lab() {
    spoiled(
        "source = \"10.0.0.0/24\"",
        "source = \"10.1.0.0/24\"",
        "lab.toml:31:10: masquerade: nothing inside has an address of 10.1.0.0/24: the bridges \
         have 10.0.0.0/24",
    );
}

#[test]
fn the_source_of_a_masquerade_must_not_have_host_bits() {
    spoiled(
        "source = \"10.0.0.0/24\"",
        "source = \"10.0.0.7/24\"",
        "lab.toml:31:10: masquerade: the source 10.0.0.7/24 is neither a subnet nor one address: \
         write 10.0.0.0/24 for the subnet or 10.0.0.7/32 for the address",
    );
}

#[test]
fn the_size_of_the_flow_table_must_be_in_range() {
    for size in ["0", "63", "16777217", "-5"] {
        let found = problems(&format!("{GOOD}[nat]\nflow_table = {size}\n"));
        assert_eq!(
            found,
            [format!(
                "lab.toml:40:14: nat: a flow table of {size} connections: use 64 to 16777216"
            )]
        );
    }
}

#[test]
fn quotas_must_be_in_range() {
    for number in ["0", "16777217", "-5"] {
        let found = problems(&format!("{GOOD}[nat]\nquota = {number}\nunreplied = {number}\n"));
        let range = "use 1 to 16777216";
        assert_eq!(
            found,
            [
                format!("lab.toml:40:9: nat: a quota of {number} connections: {range}"),
                format!("lab.toml:41:13: nat: {number} unreplied connections: {range}"),
            ]
        );
    }
    spoiled(
        "name = \"red\"\n",
        "name = \"red\"\nquota = 0\n",
        "lab.toml:18:9: namespace \"red\": a quota of 0 connections: use 1 to 16777216",
    );
}

#[test]
fn a_router_has_at_most_16_bridges() {
    let bridges: String = (1..=16)
        .map(|n| format!("[[bridge]]\nname = \"br{n}\"\naddress = \"10.{n}.0.1/24\"\n"))
        .collect();
    assert_eq!(
        problems(&format!("{GOOD}{bridges}")),
        ["lab.toml:4:13: router \"host\": 17 bridges: a router can have at most 16"]
    );
}

#[test]
fn all_faults_are_reported_at_once_in_the_order_of_the_file() {
    let text = GOOD
        .replacen("name = \"lab\"", "name = \"\"", 1)
        .replacen("10.0.0.2/24", "10.5.0.2/24", 1)
        .replacen("port = 80\n", "port = 0\n", 1);
    let found = problems(&text);
    let lines: Vec<&str> = found.iter().map(|line| line.split(':').nth(1).unwrap()).collect();
    assert_eq!(lines, ["1", "19", "37"]);
}

const FORWARD: &str = "[[forward]]\nprotocol = \"tcp\"\naddress = \"192.168.1.10\"\n";

#[test]
fn ports_must_make_a_range_that_fits_the_target() {
    for (ports, fault) in [
        ("\"90-80\"", "the ports 90-80 run backwards: write 80-90"),
        ("\"0-80\"", "the port 0 does not exist: use 1 to 65535"),
        ("\"80-65536\"", "the port 65536 does not exist: use 1 to 65535"),
        ("\"http\"", "\"http\" is not a port: write one like 80, or several like 8000-8099"),
    ] {
        let expected = format!("lab.toml:37:8: forward: {fault}");
        spoiled("port = 80\n", &format!("port = {ports}\n"), &expected);
    }
    spoiled(
        "port = 80\n",
        "port = \"1-65535\"\n",
        "lab.toml:38:10: forward: the ports 1-65535 do not fit from 10.0.0.3:8080 on: the last \
         one would be above 65535",
    );
}

#[test]
fn pitfall_moby_53466_a_range_is_one_rule_and_overlaps_with_no_other() {
    let ranges = |first: &str, second: &str| {
        let one = |ports: &str| format!("\n{FORWARD}port = \"{ports}\"\ntarget = \"10.0.0.2:1\"\n");
        Topology::parse(&format!("{GOOD}{}{}", one(first), one(second)), "lab.toml")
    };
    let lab = ranges("8000-17999", "18000-18999").unwrap();
    assert_eq!(lab.forwards.len(), 3);
    assert_eq!(lab.forwards[1].ports.to_string(), "8000-17999");
    assert_eq!(Topology::parse(&lab.to_toml(), "again").unwrap(), lab);
    let error = ranges("8000-17999", "17999-18999").unwrap_err().to_string();
    assert!(
        error.contains(
            "forward: tcp ports 17999-18999 overlap those of `forward tcp 192.168.1.10:8000-17999 \
             -> 10.0.0.2:1-10000` (line 43): choose others"
        ),
        "{error}"
    );
    assert!(ranges("1-100", "200-300").is_err(), "the file has port 80");
}

#[test]
fn networks_of_rules_must_be_valid() {
    spoiled(
        "port = 80\n",
        "port = 80\nfrom = [\"10.1.2.3/8\"]\n",
        "lab.toml:38:9: forward: \"10.1.2.3/8\": it is neither a network nor one address: write \
         10.0.0.0/8 for the network or 10.1.2.3 for the address",
    );
    spoiled(
        "source = \"10.0.0.0/24\"\n",
        "source = \"10.0.0.0/24\"\nexcept = [\"lan\"]\n",
        "lab.toml:32:11: masquerade: \"lan\": this is not a network: write it like \
         192.168.1.0/24, or an address like 192.168.1.7",
    );
    let good = GOOD.replacen(
        "source = \"10.0.0.0/24\"\n",
        "source = \"10.0.0.0/24\"\nexcept = [\"172.16.0.0/12\", \"10.9.9.9\"]\nmss_clamp = \"pmtu\"\n",
        1,
    );
    let lab = Topology::parse(&good, "lab.toml").unwrap();
    assert_eq!(
        lab.masquerades[0].to_string(),
        "masquerade 10.0.0.0/24 out of ens3 except to 10.9.9.9/32, 172.16.0.0/12, mss pmtu"
    );
    assert_eq!(Topology::parse(&lab.to_toml(), "again").unwrap(), lab);
}

#[test]
fn the_fixed_address_of_a_masquerade_must_be_one_of_the_uplink() {
    spoiled(
        "source = \"10.0.0.0/24\"\n",
        "source = \"10.0.0.0/24\"\nto = \"192.168.1.99\"\n",
        "lab.toml:32:6: masquerade: uplink \"ens3\" does not have the address 192.168.1.99: use \
         one of its addresses, or leave `to` out",
    );
}

#[test]
fn a_segment_size_must_be_in_range() {
    for (size, told) in [("87", "87"), ("65496", "65496"), ("-1", "-1"), ("\"mtu\"", "mtu")] {
        spoiled(
            "source = \"10.0.0.0/24\"\n",
            &format!("source = \"10.0.0.0/24\"\nmss_clamp = {size}\n"),
            &format!(
                "lab.toml:32:13: masquerade: mss_clamp: \"{told}\" is not a segment size: write \
                 88 to 65495, or \"pmtu\""
            ),
        );
    }
}

#[test]
fn one_source_has_only_one_masquerade_at_an_uplink() {
    let again = "\n[[masquerade]]\nsource = \"10.0.0.0/24\"\nuplink = \"ens3\"\nmss_clamp = 1400\n";
    assert_eq!(
        problems(&format!("{GOOD}{again}")),
        [
            "lab.toml:41:10: masquerade: line 31 has the same source, `masquerade 10.0.0.0/24 out of \
          ens3`: leave one out"
        ]
    );
}

#[test]
fn a_router_has_at_most_16383_rules() {
    let forward = |port: u32| {
        let target = format!("10.0.0.3:{port}");
        format!("[[forward]]\nprotocol = \"udp\"\nport = {port}\ntarget = \"{target}\"\n")
    };
    // The file has a masquerade and a forward already.
    let most: String = (1..=16_381).map(forward).collect();
    assert!(Topology::parse(&format!("{GOOD}{most}"), "lab.toml").is_ok());
    assert_eq!(
        problems(&format!("{GOOD}{most}{}", forward(16_382))),
        ["lab.toml:4:13: router \"host\": 16384 rules: a router can have at most 16383"]
    );
}
