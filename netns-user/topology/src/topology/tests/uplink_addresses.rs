//! Several addresses of one uplink.

use super::{GOOD, LARGE, OWN, Topology, problems, spoiled, spoiled_in};

const ONE: &str = "address = \"192.168.1.10/24\"\ngateway";

/// The good lab with these addresses at its uplink.
fn with(addresses: &str) -> String {
    GOOD.replace(ONE, &format!("address = [{addresses}]\ngateway"))
}

fn faults(addresses: &str) -> Vec<String> {
    problems(&with(addresses))
}

#[test]
fn an_uplink_has_one_address_or_a_list() {
    let addresses = |text: &str| {
        let lab = Topology::parse(text, "lab.toml").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(Topology::parse(&lab.to_toml(), "again.toml").as_ref(), Ok(&lab));
        let uplink = lab.uplinks[0].clone();
        uplink.addresses.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(addresses(GOOD), ["192.168.1.10/24"]);
    assert_eq!(addresses(&with("\"192.168.1.10/24\"")), ["192.168.1.10/24"]);
    let three = with("\"192.168.1.10/24\", \"192.168.1.11/24\", \"198.51.100.1/32\"");
    assert_eq!(addresses(&three), ["192.168.1.10/24", "192.168.1.11/24", "198.51.100.1/32"]);
    let lab = Topology::parse(&three, "lab.toml").unwrap();
    let beyond: Vec<_> = lab.uplinks[0].addresses_beyond().map(|it| it.to_string()).collect();
    assert_eq!(beyond, ["198.51.100.1"]);
}

/// The record of a lab is a topology file, which an older version can then read.
#[test]
fn a_single_address_is_written_without_a_list() {
    let lab = Topology::parse(&with("\"192.168.1.10/24\""), "lab.toml").unwrap();
    assert!(lab.to_toml().contains("address = \"192.168.1.10/24\"\ngateway"), "{}", lab.to_toml());
}

#[test]
fn rules_can_name_any_address_of_an_uplink() {
    let text = with("\"192.168.1.10/24\", \"192.168.1.11/24\", \"198.51.100.1/32\"")
        .replace("uplink = \"ens3\"\n", "uplink = \"ens3\"\nto = \"198.51.100.1\"\n")
        .replace("address = \"192.168.1.10\"\n", "address = \"192.168.1.11\"\n");
    let lab = Topology::parse(&text, "lab.toml").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(lab.masquerades[0].to.unwrap().to_string(), "198.51.100.1");
    assert_eq!(lab.forwards[0].address.unwrap().to_string(), "192.168.1.11");
}

#[test]
fn a_rule_cannot_name_an_address_that_no_uplink_has() {
    let several = with("\"192.168.1.10/24\", \"192.168.1.11/24\"");
    let to = several.replace("uplink = \"ens3\"\n", "uplink = \"ens3\"\nto = \"192.168.1.12\"\n");
    assert_eq!(
        problems(&to),
        ["lab.toml:33:6: masquerade: uplink \"ens3\" does not have the address 192.168.1.12: use \
          one of its addresses, or leave `to` out"]
    );
    let forward = several.replace("address = \"192.168.1.10\"\n", "address = \"192.168.1.12\"\n");
    assert_eq!(
        problems(&forward),
        ["lab.toml:36:11: forward: 192.168.1.12 is not an address of the router: use one of an \
             uplink or a bridge, or leave it out for all addresses"]
    );
}

#[test]
fn forwards_of_one_port_on_two_addresses_do_not_overlap() {
    let forward = |address: &str, port: &str| {
        format!(
            "\n[[forward]]\nprotocol = \"tcp\"\naddress = \"{address}\"\nport = {port}\ntarget = \
             \"10.0.0.2:80\"\n"
        )
    };
    let several = with("\"192.168.1.10/24\", \"192.168.1.11/24\"");
    let apart = format!("{several}{}", forward("192.168.1.11", "80"));
    assert!(Topology::parse(&apart, "lab.toml").is_ok());
    let meet = format!("{apart}{}", forward("192.168.1.11", "\"79-81\""));
    assert_eq!(
        problems(&meet),
        ["lab.toml:49:8: forward: tcp ports 79-81 overlap those of `forward tcp 192.168.1.11:80 \
          -> 10.0.0.2:80` (line 43): choose others"]
    );
}

#[test]
fn a_list_of_addresses_must_not_be_empty() {
    spoiled(
        ONE,
        "address = []\ngateway",
        "lab.toml:8:11: uplink \"ens3\": its list of addresses is empty: add an address to it",
    );
}

#[test]
fn an_address_must_be_text_or_a_list() {
    let wanted = "write an address in quotes, or a list of them in [ ]";
    spoiled(ONE, "address = 10\ngateway", &format!("lab.toml:8:11: 10 is a number: {wanted}"));
    spoiled(ONE, "address = true\ngateway", &format!("lab.toml:8:11: true is a boolean: {wanted}"));
    spoiled(
        ONE,
        "address = { first = \"192.168.1.10/24\" }\ngateway",
        &format!("lab.toml:8:11: this is a table: {wanted}"),
    );
    assert_eq!(
        faults("\"192.168.1.10/24\", 11"),
        ["lab.toml:8:31: 11 is a number: write text in quotes"]
    );
}

#[test]
fn each_address_of_an_uplink_must_be_one_that_a_host_can_have() {
    assert_eq!(
        faults("\"192.168.1.10/24\", \"192.168.1.0/24\", \"192.168.1.255/24\", \"192.168.1.11\""),
        [
            "lab.toml:8:31: uplink \"ens3\": the address 192.168.1.0/24 cannot be used: it is the \
             network address of its subnet: choose another",
            "lab.toml:8:49: uplink \"ens3\": the address 192.168.1.255/24 cannot be used: it is \
             the broadcast address of its subnet: choose another",
            "lab.toml:8:69: uplink \"ens3\": 192.168.1.11 has no prefix length: write it like \
             192.168.1.11/24, or 192.168.1.11/32 for the address alone",
        ]
    );
    assert_eq!(
        faults("\"192.168.1.10/24\", \"192.168.1.255/32\""),
        ["lab.toml:8:31: uplink \"ens3\": the address 192.168.1.255/32 cannot be used: it is the \
          network or broadcast address of 192.168.1.0/24, the subnet of 192.168.1.10/24: choose \
          another"]
    );
}

#[test]
fn an_uplink_cannot_have_an_address_twice() {
    let twice = "lab.toml:8:31: uplink \"ens3\": it has the address 192.168.1.10 twice (line 8): \
                 leave one out";
    assert_eq!(faults("\"192.168.1.10/24\", \"192.168.1.10/24\""), [twice]);
    assert_eq!(faults("\"192.168.1.10/24\", \"192.168.1.10/32\""), [twice]);
}

#[test]
fn an_uplink_cannot_have_an_address_of_something_else() {
    assert_eq!(
        faults("\"192.168.1.10/24\", \"192.168.1.1/24\""),
        ["lab.toml:10:62: outside \"lan\": the address 192.168.1.1 already belongs to uplink \
             \"ens3\" (line 8): choose another"]
    );
    let found = faults("\"192.168.1.10/24\", \"10.0.0.1/32\"");
    assert!(
        found.iter().any(|it| it.contains("the address 10.0.0.1 already belongs to")),
        "{found:?}"
    );
}

#[test]
fn an_address_of_an_uplink_cannot_be_in_a_subnet_of_the_router() {
    assert_eq!(
        faults("\"192.168.1.10/24\", \"10.0.0.77/32\""),
        ["lab.toml:8:31: uplink \"ens3\": its subnet 10.0.0.77/32 overlaps that of bridge \
          \"v-net-0\" (line 14): give it another subnet"]
    );
}

#[test]
fn addresses_in_one_subnet_must_have_the_same_prefix_length() {
    assert_eq!(
        faults("\"192.168.1.10/24\", \"192.168.1.11/25\""),
        [
            "lab.toml:8:31: uplink \"ens3\": the prefix length of 192.168.1.11/25 is not that of its \
          address 192.168.1.10/24: write 192.168.1.11/24, or 192.168.1.11/32 for the address alone"
        ]
    );
    assert!(Topology::parse(&with("\"192.168.1.10/24\", \"192.168.1.11/32\""), "f").is_ok());
    assert!(Topology::parse(&with("\"192.168.1.10/24\", \"198.51.100.2/28\""), "f").is_ok());
}

#[test]
fn the_first_address_of_an_uplink_must_reach_the_outside() {
    assert_eq!(
        faults("\"198.51.100.1/32\", \"192.168.1.10/24\""),
        [
            "lab.toml:8:12: uplink \"ens3\": its first address 198.51.100.1/32 is not in the subnet of \
          outside \"lan\", 192.168.1.0/24: put 192.168.1.10/24 before it"
        ]
    );
    assert_eq!(
        faults("\"192.168.1.10/32\""),
        ["lab.toml:8:12: uplink \"ens3\": its first address 192.168.1.10/32 has no subnet, so \
          that outside \"lan\" with 192.168.1.1/24 is out of reach: write 192.168.1.10/24"]
    );
}

#[test]
fn an_uplink_of_the_machine_cannot_have_addresses() {
    spoiled_in(
        OWN,
        "name = \"auto\"",
        "name = \"auto\"\naddress = [\"10.7.0.2/24\", \"10.7.0.3/24\"]",
        &["lab.toml:5:11: uplink \"auto\": the lab cannot set the `address` of an interface of \
           the machine: leave it out, or set router.namespace"],
    );
}

#[test]
fn the_uplinks_of_a_router_have_at_most_256_addresses() {
    let many = |count: u8| -> String {
        (0..=count).map(|number| format!(", \"198.51.{number}.1/32\"")).collect()
    };
    let all = |count| format!("\"192.168.1.10/24\"{}", many(count));
    assert!(Topology::parse(&with(&all(254)), "lab.toml").is_ok());
    assert_eq!(
        faults(&all(255)),
        ["lab.toml:4:13: router \"host\": 257 addresses of uplinks: a router can have at most 256"]
    );
}

/// The router of the bridge has a route to the addresses outside the bridge's subnet.
#[test]
fn a_plugged_uplink_can_have_several_addresses() {
    let one = "address = \"10.10.0.2/24\"\ngateway = \"10.10.0.1\"\nplug";
    let with = |further: &str| {
        LARGE.replace(
            one,
            &format!("address = [\"10.10.0.2/24\", \"{further}\"]\ngateway = \"10.10.0.1\"\nplug"),
        )
    };
    for further in ["10.10.0.22/24", "10.10.0.22/32", "198.51.100.1/32"] {
        let forward = format!(
            "\n[[forward]]\nprotocol = \"udp\"\nport = 53\ntarget = \"{}:53\"\n",
            further.split('/').next().unwrap()
        );
        let text = format!("{}{forward}", with(further));
        let lab = Topology::parse(&text, "lab.toml").unwrap_or_else(|error| panic!("{error}"));
        let target = *lab.forwards.last().unwrap().target.ip();
        assert_eq!(lab.router_of_target(target), Some(Some("edge")));
    }
    let found = problems(&with("192.168.1.77/32"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("its subnet 192.168.1.77/32 overlaps that of uplink"), "{found:?}");
}

#[test]
fn two_routers_at_one_outside_cannot_have_the_same_single_address() {
    let second = r#"
[[router]]
namespace = "second"
[[uplink]]
name = "wan"
router = "second"
address = ["192.168.2.10/24", "198.51.100.1/32"]
outside = { namespace = "lan", interface = "eth1", address = "192.168.2.1/24" }
"#;
    let text = with("\"192.168.1.10/24\", \"198.51.100.1/32\"").replace("[router]", "[[router]]");
    let found = problems(&format!("{text}{second}"));
    assert_eq!(
        found,
        ["lab.toml:45:31: uplink \"wan\": its subnet 198.51.100.1/32 overlaps that of uplink \
          \"ens3\" (line 8): give it another subnet"]
    );
}

#[test]
fn an_address_of_a_plugged_uplink_is_not_allocated() {
    let one = "address = \"10.10.0.2/24\"\ngateway = \"10.10.0.1\"\nplug";
    let two = "address = [\"10.10.0.2/24\", \"10.10.0.3/24\"]\ngateway = \"10.10.0.1\"\nplug";
    let is_allocated = |text: &str| {
        let lab = Topology::parse(text, "lab.toml").unwrap();
        lab.plugged().any(|(_, plug)| plug.address.to_string() == "10.10.0.3/24")
    };
    assert!(is_allocated(LARGE));
    assert!(!is_allocated(&LARGE.replace(one, two)));
}
