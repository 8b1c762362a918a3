//! Names of cable ends that are made from the names of namespaces and uplinks.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
};

use proptest::prelude::*;

use super::{GOOD, LARGE, Topology, problems};

/// The longest name of an interface, in bytes.
const LONGEST: usize = 15;

/// A lab with these namespaces on one bridge, each with the port that the file gives it.
fn lab(namespaces: &[(String, Option<String>)]) -> Topology {
    let mut text =
        "name = \"lab\"\n[[bridge]]\nname = \"br0\"\naddress = \"10.0.0.1/16\"\n".to_owned();
    for (name, port) in namespaces {
        let _ = write!(text, "[[namespace]]\nname = \"{name}\"\nbridge = \"br0\"\n");
        if let Some(port) = port {
            let _ = writeln!(text, "port = \"{port}\"");
        }
    }
    Topology::parse(&text, "lab.toml").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The names of a namespace's cable ends: in the namespace and on the bridge.
fn ends(lab: &Topology, namespace: &str) -> (String, String) {
    let found = lab.plugged().find(|(it, _)| it.name == namespace);
    let (_, plug) = found.unwrap_or_else(|| panic!("no namespace {namespace}"));
    (plug.interface.clone(), plug.port.clone())
}

fn made(names: &[&str]) -> Topology {
    lab(&names.iter().map(|name| ((*name).to_owned(), None)).collect::<Vec<_>>())
}

#[test]
fn names_of_seven_letters_are_used_whole_and_longer_ones_are_shortened() {
    let lab = made(&["crimson", "frontend", "frontier", "database-server"]);
    let of = |name| ends(&lab, name);
    assert_eq!(of("crimson"), ("veth-crimson".into(), "veth-crimson-br".into()));
    let (interface, frontend) = of("frontend");
    assert_eq!(interface, "veth-frontend");
    let (_, frontier) = of("frontier");
    assert!(frontend.starts_with("veth-fron-") && frontier.starts_with("veth-fron-"));
    assert_ne!(frontend, frontier);
    let (interface, port) = of("database-server");
    assert!(interface.starts_with("veth-data-") && port.starts_with("veth-data-"));
}

#[test]
fn names_made_from_a_name_of_any_length_fit_an_interface() {
    let letters = "abcdefghijklmnopqrstuvwxyz".repeat(9);
    for length in 1..=letters.len() {
        let name = &letters[..length];
        let (interface, port) = ends(&made(&[name]), name);
        assert!(interface.len() <= LONGEST && port.len() <= LONGEST, "{interface} {port}");
    }
}

#[test]
fn names_of_a_count_that_do_not_fit_are_shortened_one_by_one() {
    let entry = "[[namespace]]\nname = \"web-server\"\nbridge = \"v-net-0\"\ncount = 200\n";
    let lab = Topology::parse(&format!("{GOOD}{entry}"), "lab.toml").unwrap();
    let of = |number: u32| ends(&lab, &format!("web-server-{number}"));
    assert_eq!(of(9), ("eth0".into(), "web-server-9-br".into()));
    assert!(of(10).1.starts_with("web-serve-"), "{:?}", of(10));
    let ports: HashSet<_> = lab.plugged().map(|(_, plug)| plug.port.as_str()).collect();
    assert_eq!(ports.len(), 202);
}

#[test]
fn the_port_of_an_uplink_with_a_long_name_is_shortened() {
    let text = LARGE.replacen("name = \"wan\"", "name = \"wide-area\"", 1);
    let text = text.replace("uplink = \"wan\"", "uplink = \"wide-area\"");
    let lab = Topology::parse(&text, "lab.toml").unwrap();
    let uplink = lab.uplinks.iter().find(|uplink| uplink.name == "wide-area").unwrap();
    let port = &uplink.plug().unwrap().port;
    assert!(port.starts_with("veth-wide-") && port.len() == LONGEST, "{port}");
}

#[test]
fn a_made_name_gives_way_to_one_of_the_file() {
    let text = GOOD.replacen("port = \"blue-port\"", "port = \"veth-red-br\"", 1);
    let lab = Topology::parse(&text, "lab.toml").unwrap();
    let (red, blue) = (ends(&lab, "red").1, ends(&lab, "blue").1);
    assert_eq!(blue, "veth-red-br");
    assert!(red.starts_with("veth-red-") && red != blue, "{red}");

    let bridge = GOOD.replace("v-net-0", "veth-red-br");
    let red = ends(&Topology::parse(&bridge, "lab.toml").unwrap(), "red").1;
    assert!(red.starts_with("veth-red-") && red != "veth-red-br", "{red}");

    // Even one that is shortened to the very same.
    let port = ends(&made(&["frontend"]), "frontend").1;
    let lab = lab_with_port("frontend", &port);
    assert_ne!(ends(&lab, "frontend").1, port);
    assert_eq!(ends(&lab, "other").1, port);
}

fn lab_with_port(name: &str, port: &str) -> Topology {
    lab(&[(name.to_owned(), None), ("other".to_owned(), Some(port.to_owned()))])
}

#[test]
fn two_routers_may_have_equal_made_names() {
    let text = r#"
name = "two"
[[router]]
namespace = "a"
[[router]]
namespace = "b"
[[bridge]]
name = "br-a"
address = "10.1.0.1/24"
[[bridge]]
name = "br-b"
router = "b"
address = "10.2.0.1/24"
[[namespace]]
name = "x"
bridge = "br-a"
[[namespace]]
name = "y"
bridge = "br-b"
port = "veth-x-br"
"#;
    let lab = Topology::parse(text, "lab.toml").unwrap();
    assert_eq!(ends(&lab, "x").1, "veth-x-br");
}

#[test]
fn two_names_that_the_file_gives_still_may_not_be_equal() {
    let text = GOOD.replacen("name = \"red\"", "name = \"red\"\nport = \"blue-port\"", 1);
    assert_eq!(
        problems(&text),
        [
            "lab.toml:27:8: port \"blue-port\": another interface of the router already has this name \
          (port, line 18): choose another"
        ]
    );
}

/// Names of namespaces with few letters and common beginnings, each once, so that their made names
/// are often alike.
fn namespaces() -> impl Strategy<Value = Vec<(String, Option<String>)>> {
    let name = "(web|veth-web|frontend|database-server|x)(-?[ab1]{0,3})(-br)?";
    let port = proptest::option::weighted(0.3, "(veth-)?(web|x|frontend)(-[ab]{1,2})?(-br)?");
    proptest::collection::vec((name, port), 1..40).prop_map(|all| {
        let (mut names, mut ports) = (HashSet::new(), HashSet::new());
        all.into_iter()
            .filter(|(name, _)| names.insert(name.clone()))
            .map(|(name, port)| (name, port.filter(|port| port.len() <= LONGEST)))
            .map(|(name, port)| (name, port.filter(|port| ports.insert(port.clone()))))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn made_names_fit_are_unique_and_leave_the_names_of_the_file_alone(all in namespaces()) {
        let lab = lab(&all);
        let ports: HashSet<_> = lab.plugged().map(|(_, plug)| plug.port.clone()).collect();
        prop_assert_eq!(ports.len(), all.len());
        prop_assert!(!ports.contains("br0"));
        let given: HashSet<&String> = all.iter().filter_map(|(_, port)| port.as_ref()).collect();
        for (name, port) in &all {
            let (interface, made) = ends(&lab, name);
            prop_assert!(made.len() <= LONGEST && interface.len() <= LONGEST);
            if let Some(port) = port {
                prop_assert_eq!(port, &made);
            }
            let whole = format!("veth-{name}-br");
            if port.is_none() && whole.len() <= LONGEST && !given.contains(&whole) {
                prop_assert_eq!(&made, &whole);
            }
        }
        // The names are written into the record of the lab and read again.
        let again = Topology::parse(&lab.to_toml(), "again.toml");
        prop_assert_eq!(again.as_ref(), Ok(&lab));
    }

    #[test]
    fn a_made_name_does_not_depend_on_the_other_namespaces(all in namespaces()) {
        let open: Vec<_> = all.into_iter().map(|(name, _)| (name, None)).collect();
        let together = lab(&open);
        let alone: HashMap<_, _> = open
            .iter()
            .map(|one| (one.0.clone(), ends(&lab(std::slice::from_ref(one)), &one.0)))
            .collect();
        for (name, _) in &open {
            prop_assert_eq!(&ends(&together, name), &alone[name]);
        }
    }
}

#[test]
fn a_thousand_long_names_stay_different() {
    let names: Vec<String> =
        (0..1000).map(|number| format!("database-server-{number:05}")).collect();
    let lab = made(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let ports: HashSet<_> = lab.plugged().map(|(_, plug)| plug.port.as_str()).collect();
    assert_eq!(ports.len(), names.len());
}
