//! Templates, counts and allocated addresses.

use super::{GOOD, LARGE, Topology, problems};

fn with(text: &str) -> Topology {
    let text = format!("{GOOD}\n{text}");
    Topology::parse(&text, "lab.toml").unwrap_or_else(|error| panic!("{error}"))
}

/// The names, addresses, interfaces and ports of the namespaces that `text` adds to the two of the
/// good file.
fn added(text: &str) -> Vec<[String; 4]> {
    let lab = with(text);
    let plugged = lab.plugged().skip(2).map(|(namespace, plug)| {
        let address = plug.address.to_string();
        [namespace.name.clone(), address, plug.interface.clone(), plug.port.clone()]
    });
    plugged.collect()
}

/// The faults of an entry that is appended to the good file, without file and line.
fn faults(text: &str) -> Vec<String> {
    let found = problems(&format!("{GOOD}\n{text}"));
    found.iter().map(|line| line.splitn(4, ':').nth(3).unwrap().trim().to_owned()).collect()
}

#[test]
fn namespaces_of_a_count_are_numbered_from_one() {
    let entry = "[[namespace]]\nbridge = \"v-net-0\"\ncount = 2\n";
    assert_eq!(
        added(&format!("{entry}name = \"web\"")),
        [
            ["web-1", "10.0.0.4/24", "veth-web-1", "veth-web-1-br"],
            ["web-2", "10.0.0.5/24", "veth-web-2", "veth-web-2-br"],
        ]
    );
    assert_eq!(
        added(&format!("{entry}name = \"w{{}}b\"\ninterface = \"e{{}}\"\nport = \"p{{}}x\"")),
        [["w1b", "10.0.0.4/24", "e1", "p1x"], ["w2b", "10.0.0.5/24", "e2", "p2x"]]
    );
}

#[test]
fn a_namespace_of_a_count_of_one_is_numbered_too() {
    let entry = "[[namespace]]\nname = \"web\"\nbridge = \"v-net-0\"\ncount = 1\n";
    assert_eq!(added(entry)[0][0], "web-1");
}

#[test]
fn all_namespaces_of_a_count_have_long_names_of_cable_ends_or_all_have_short_ones() {
    let entry = |name: &str, count: u32| {
        let entry = "[[namespace]]\nbridge = \"v-net-0\"\n";
        added(&format!("{entry}count = {count}\nname = \"{name}\""))
    };
    let last = |found: Vec<[String; 4]>| found.last().cloned().unwrap();
    assert_eq!(last(entry("abcde", 9))[2..], ["veth-abcde-9", "veth-abcde-9-br"]);
    // The long names of the tenth would be too long, so that all have the short ones.
    assert_eq!(entry("abcde", 10)[0][2..], ["eth0", "abcde-1-br"]);
}

#[test]
fn an_address_that_a_later_namespace_sets_is_not_allocated() {
    let found = added(
        "[[namespace]]\nname = \"web\"\nbridge = \"v-net-0\"\ncount = 3\n\
         [[namespace]]\nname = \"late\"\nbridge = \"v-net-0\"\naddress = \"10.0.0.5/24\"",
    );
    let addresses: Vec<&str> = found.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(addresses, ["10.0.0.4/24", "10.0.0.6/24", "10.0.0.7/24", "10.0.0.5/24"]);
}

#[test]
fn the_address_of_a_count_is_that_of_its_first_namespace() {
    let entry = "[[namespace]]\nname = \"web\"\nbridge = \"v-net-0\"\ncount = 3\n";
    let found = added(&format!("{entry}address = \"10.0.0.252/24\""));
    assert_eq!(found[2][1], "10.0.0.254/24");
    assert_eq!(
        faults(&format!("{entry}address = \"10.0.0.253/24\"")),
        ["namespace \"web\": from 10.0.0.253 upwards bridge \"v-net-0\" has room for 2 \
          namespaces, but 3 need an address: begin lower, or give the bridge a larger subnet"]
    );
    assert_eq!(
        faults(&format!("{entry}address = \"10.0.0.254/24\"")),
        [
            "namespace \"web\": from 10.0.0.254 upwards bridge \"v-net-0\" has room for 1 namespace, \
          but 3 need an address: begin lower, or give the bridge a larger subnet"
        ]
    );
    assert_eq!(
        faults(&format!(
            "[[namespace]]\nname = \"x\"\nbridge = \"v-net-0\"\naddress = \
                         \"10.0.0.9/24\"\n{entry}address = \"10.0.0.8/24\""
        )),
        ["namespace \"web-2\": the address 10.0.0.9 already belongs to namespace \"x\" (line \
             43): choose another"]
    );
}

#[test]
fn a_subnet_must_have_an_address_for_every_namespace() {
    let entry = "[[namespace]]\nname = \"w\"\nbridge = \"v-net-0\"\n";
    assert_eq!(
        faults(&format!("{entry}count = 300")),
        ["namespace \"w\": bridge \"v-net-0\" has room for 251 namespaces, but 300 need an \
             address: give the bridge a larger subnet"]
    );
    assert_eq!(added(&format!("{entry}count = 251")).len(), 251);
}

#[test]
fn a_count_must_be_in_range() {
    for count in ["0", "-1", "65537"] {
        let entry = "[[namespace]]\nname = \"w\"\nbridge = \"v-net-0\"\n";
        let found = faults(&format!("{entry}count = {count}"));
        assert_eq!(found, [format!("namespace \"w\": a count of {count}: use 1 to 65536")]);
    }
}

#[test]
fn names_made_from_a_count_must_be_unique() {
    let entry = "[[namespace]]\nname = \"w\"\ncount = 3\n[[namespace]]\nname = \"w-2\"\n";
    assert_eq!(
        faults(entry),
        [
            "namespace \"w-2\": another namespace already has this name (namespace, line 44): choose \
          another"
        ]
    );
    assert_eq!(
        faults("[[namespace]]\nname = \"w-{}\"\n"),
        ["namespace \"w-{}\": {} in \"w-{}\" stands for the number of a namespace, and there is \
          only one: set `count`"]
    );
}

#[test]
fn a_template_must_exist_and_has_no_name_of_its_own() {
    let entry = "[template.server]\nbridge = \"v-net-0\"\n[[namespace]]\nname = \"w\"\n";
    assert_eq!(
        faults(&format!("{entry}template = \"sever\"")),
        ["namespace \"w\": there is no template \"sever\": did you mean \"server\"?"]
    );
    assert_eq!(added(&format!("{entry}template = \"server\"")).len(), 1);
    let found = problems(&format!("{GOOD}[template.server]\nname = \"x\"\n"));
    assert!(found[0].starts_with("lab.toml:40:1: unknown key \"name\""), "{found:?}");
}

#[test]
fn the_keys_of_a_namespace_override_those_of_its_template() {
    let lab = Topology::parse(LARGE, "f").unwrap();
    let db = lab.namespaces.iter().find(|namespace| namespace.name == "db-2").unwrap();
    let plug = db.plug.as_ref().unwrap();
    assert_eq!((plug.gateway, plug.mtu, plug.interface.as_str()), (None, Some(1300), "lan"));
    assert!(db.dns.is_empty() && db.forwarding);
    let web = lab.namespaces.iter().find(|namespace| namespace.name == "web-3").unwrap();
    let plug = web.plug.as_ref().unwrap();
    // The plugged uplink has 10.10.0.2, and another namespace has 10.10.0.4.
    assert_eq!(plug.address.to_string(), "10.10.0.6/24");
    assert_eq!((plug.gateway, plug.mtu), ("10.10.0.1".parse().ok(), Some(1450)));
    assert_eq!(web.dns.len(), 2);
}

#[test]
fn ten_thousand_namespaces_are_read() {
    let bridges: String = (1..=10)
        .map(|n| {
            format!(
                "[[bridge]]\nname = \"br{n}\"\naddress = \"10.{n}.0.1/16\"\n\
                 [[namespace]]\nname = \"w{n}\"\nbridge = \"br{n}\"\ncount = 1000\n"
            )
        })
        .collect();
    let text = format!("name = \"many\"\n[router]\nnamespace = \"host\"\n{bridges}");
    let lab = Topology::parse(&text, "many.toml").unwrap();
    assert_eq!(lab.namespaces.len(), 10_000);
    assert_eq!(Topology::parse(&lab.to_toml(), "again.toml"), Ok(lab));
}

#[test]
fn a_bridge_has_at_most_1023_ports() {
    let text = "name = \"many\"\n[[bridge]]\nname = \"br0\"\naddress = \"10.1.0.1/16\"\n\
                [[namespace]]\nname = \"w\"\nbridge = \"br0\"\ncount = ";
    assert_eq!(
        problems(&format!("{text}1024")),
        ["lab.toml:3:8: bridge \"br0\": 1024 cables are plugged in: a bridge of Linux has 1023 \
          ports: spread them over several bridges"]
    );
    assert!(Topology::parse(&format!("{text}1023"), "lab.toml").is_ok());
}
