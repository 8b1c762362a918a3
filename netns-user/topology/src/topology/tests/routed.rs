//! Sources that leave by an uplink untranslated.

use super::{GOOD, LARGE, OWN, Topology, problems, spoiled};

/// Adds the key to the first uplink of a file.
fn with_routed(text: &str, list: &str) -> String {
    text.replacen("[[uplink]]\n", &format!("[[uplink]]\nrouted = {list}\n"), 1)
}

fn sources(lab: &Topology) -> Vec<String> {
    lab.uplinks[0].routed.iter().map(ToString::to_string).collect()
}

#[test]
fn routed_sources_keep_the_order_of_the_file() {
    for text in [GOOD, OWN, LARGE] {
        let text = with_routed(text, r#"["203.0.113.0/24", "0.0.0.0/0", "10.7.7.7"]"#);
        let lab = Topology::parse(&text, "lab.toml").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(sources(&lab), ["203.0.113.0/24", "0.0.0.0/0", "10.7.7.7/32"]);
        assert_eq!(Topology::parse(&lab.to_toml(), "again.toml"), Ok(lab));
    }
}

#[test]
fn an_uplink_without_routed_sources_is_written_without_the_key() {
    let lab = Topology::parse(GOOD, "lab.toml").unwrap();
    assert_eq!(sources(&lab), Vec::<String>::new());
    assert!(!lab.to_toml().contains("routed"));
}

#[test]
fn the_routes_of_a_router_are_not_routed_sources() {
    let lab = Topology::parse(LARGE, "lab.toml").unwrap();
    assert!(!lab.routers[0].routes.is_empty());
    assert_eq!(sources(&lab), Vec::<String>::new());
}

#[test]
fn routed_sources_are_networks_and_unique() {
    let key = "address = \"192.168.1.10/24\"\n";
    let routed = |text: &str| format!("{key}routed = [\"203.0.113.0/24\", \"{text}\"]\n");
    spoiled(
        key,
        &routed("10.9.0.1/16"),
        "lab.toml:9:29: uplink \"ens3\": routed: \"10.9.0.1/16\": it is neither a network nor one \
         address: write 10.9.0.0/16 for the network or 10.9.0.1 for the address",
    );
    spoiled(
        key,
        &routed("lan"),
        "lab.toml:9:29: uplink \"ens3\": routed: \"lan\": this is not a network: write it like \
         192.168.1.0/24, or an address like 192.168.1.7",
    );
    spoiled(
        key,
        &routed("203.0.113.0/24"),
        "lab.toml:9:29: uplink \"ens3\": routed: 203.0.113.0/24 is already in line 9: leave one \
         out",
    );
}

#[test]
fn a_source_cannot_be_both_routed_and_masqueraded_at_an_uplink() {
    let expected = |line: usize, uplink: &str| {
        format!(
            "lab.toml:{line}:10: masquerade: 10.0.0.0/24 leaves uplink \"{uplink}\" untranslated \
             (`routed`, line 7): leave one out"
        )
    };
    let text = with_routed(GOOD, r#"["10.0.0.0/24"]"#);
    assert_eq!(problems(&text), [expected(32, "ens3")]);
    let text = text.replacen("uplink = \"ens3\"\n", "", 1);
    assert_eq!(problems(&text), [expected(32, "ens3")], "the masquerade is for all uplinks");
    // A part of the masquerade's source is an exception to the masquerade.
    Topology::parse(&with_routed(GOOD, r#"["10.0.0.0/25", "10.0.0.0/8"]"#), "lab.toml").unwrap();
}

#[test]
fn a_source_can_be_routed_at_one_uplink_and_masqueraded_at_another() {
    let text = with_routed(LARGE, r#"["10.30.0.0/30"]"#);
    let found = problems(&text);
    assert_eq!(found.len(), 1, "{found:?}");
    let text = text.replacen(
        "source = \"10.30.0.0/30\"\nuplink = \"ens3\"",
        "source = \"10.30.0.0/30\"\nuplink = \"ens4\"",
        1,
    );
    Topology::parse(&text, "lab.toml").unwrap();
}
