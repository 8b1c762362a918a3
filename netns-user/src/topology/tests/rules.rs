//! Rules and limits.

use super::{GOOD, Topology, problems, spoiled};

#[test]
fn forward_to_nobody() {
    spoiled(
        "10.0.0.3:8080",
        "10.0.0.9:8080",
        "lab.toml:38:10: forward: no namespace has the target address 10.0.0.9: use the address of \
         one of them",
    );
}

#[test]
fn forward_on_an_address_that_the_router_lacks() {
    spoiled(
        "address = \"192.168.1.10\"\n",
        "address = \"192.168.1.11\"\n",
        "lab.toml:36:11: forward: 192.168.1.11 is no address of the router: use one of an uplink or \
         a bridge, or leave it out for all",
    );
}

#[test]
fn ports_that_do_not_exist() {
    for port in ["0", "65536", "-1"] {
        let expected =
            format!("lab.toml:37:8: forward: the port {port} does not exist: use 1 to 65535");
        spoiled("port = 80\n", &format!("port = {port}\n"), &expected);
    }
    spoiled(
        "10.0.0.3:8080",
        "10.0.0.3:0",
        "lab.toml:38:10: forward: the target 10.0.0.3:0 has the port 0: use 1 to 65535",
    );
}

#[test]
fn target_without_port() {
    spoiled(
        "10.0.0.3:8080",
        "10.0.0.3",
        "lab.toml:38:10: forward: the target \"10.0.0.3\" is not ADDRESS:PORT: write it like \
         192.168.15.2:80",
    );
}

#[test]
fn unknown_protocol() {
    spoiled(
        "\"tcp\"",
        "\"dccp\"",
        "lab.toml:35:12: forward: unknown protocol \"dccp\": use tcp, udp, sctp or udplite",
    );
}

#[test]
fn the_same_forward_twice() {
    let again = "\n[[forward]]\nprotocol = \"tcp\"\naddress = \"192.168.1.10\"\nport = 80\ntarget = \"10.0.0.2:80\"\n";
    assert_eq!(
        problems(&format!("{GOOD}{again}")),
        ["lab.toml:43:8: forward: tcp port 80 is forwarded already (line 37): choose another port"]
    );
    let other_protocol = again.replace("tcp", "udp");
    Topology::parse(&format!("{GOOD}{other_protocol}"), "lab.toml").unwrap();
}

#[test]
fn the_same_masquerade_twice() {
    let again = "\n[[masquerade]]\nsource = \"10.0.0.0/24\"\nuplink = \"ens3\"\n";
    assert_eq!(
        problems(&format!("{GOOD}{again}")),
        ["lab.toml:41:10: the same masquerade is in line 31: leave one out"]
    );
}

#[test]
fn masquerade_of_nobody() {
    spoiled(
        "source = \"10.0.0.0/24\"",
        "source = \"10.1.0.0/24\"",
        "lab.toml:31:10: masquerade: nobody inside has an address of 10.1.0.0/24: the bridges have \
         10.0.0.0/24",
    );
}

#[test]
fn masquerade_of_host_bits() {
    spoiled(
        "source = \"10.0.0.0/24\"",
        "source = \"10.0.0.7/24\"",
        "lab.toml:31:10: masquerade: the source 10.0.0.7/24 is neither a subnet nor one address: \
         write 10.0.0.0/24 for the subnet or 10.0.0.7/32 for the address",
    );
}

#[test]
fn sizes_of_the_flow_table() {
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
fn too_many_bridges() {
    let bridges: String = (1..=16)
        .map(|n| format!("[[bridge]]\nname = \"br{n}\"\naddress = \"10.{n}.0.1/24\"\n"))
        .collect();
    assert_eq!(
        problems(&format!("{GOOD}{bridges}")),
        ["lab.toml:4:13: router \"host\": 17 bridges: a router can have 16"]
    );
}

#[test]
fn all_faults_are_reported_at_once_from_the_top() {
    let text = GOOD
        .replacen("name = \"lab\"", "name = \"\"", 1)
        .replacen("10.0.0.2/24", "10.5.0.2/24", 1)
        .replacen("port = 80\n", "port = 0\n", 1);
    let found = problems(&text);
    let lines: Vec<&str> = found.iter().map(|line| line.split(':').nth(1).unwrap()).collect();
    assert_eq!(lines, ["1", "19", "37"]);
}
