//! Masquerades of networks that are not on a bridge of the router.

use netns_tests::{
    Inside, LabFile, RouterKind, Sandbox, dropped, inside, ip, lab, nat, outside, stream_whole,
    town, with_each_router,
};

use super::{EXTERNAL, is_refused, ping_in_fragments, with_a_network_behind_red};

/// Gives the uplink a smaller MTU than the cables, so that the router has to fragment.
fn narrow(router: &Inside) {
    ip(router, "link set wan mtu 1400");
    ip(&inside("outside"), "link set eth0 mtu 1400");
}

/// Sends small and large packets, and a stream, from a namespace to the outside.
#[track_caller]
fn reaches_the_outside(from: &str, external: &str) {
    inside(from).ping("8.8.8.8").success();
    ping_in_fragments(from, "8.8.8.8");
    let server = (&inside("outside"), "8.8.8.8:7000");
    let caller = stream_whole((&inside(from), "8.8.8.8:7000"), server, 2);
    assert_eq!(caller.ip().to_string(), external);
}

#[test]
fn packets_of_a_network_behind_a_namespace_leave_translated() {
    with_each_router(|router, sandbox| {
        let lab = with_a_network_behind_red(router.lab(sandbox));
        lab.masquerade("10.9.0.0/24", "wan").up().success();
        narrow(&router.place());
        let leaks = inside("outside").listen_for_leaks("eth0");
        reaches_the_outside("far", EXTERNAL);
        leaks.were_none();
    });
}

/// A router without a bridge: an uplink and point-to-point cables to two namespaces.
fn without_a_bridge() -> LabFile {
    let mut file = lab("border").router("gw").uplink(
        "wan",
        "192.168.1.10/24",
        &outside("outside", "192.168.1.1/24", &["8.8.8.8"]),
    );
    for number in [1, 2] {
        file = file.text(&format!(
            r#"
[[namespace]]
name = "h{number}"
routes = [{{ to = "default", via = "10.0.{number}.1" }}]
[[cable]]
a = {{ namespace = "gw", interface = "to-h{number}", address = "10.0.{number}.1/30" }}
b = {{ namespace = "h{number}", interface = "eth0", address = "10.0.{number}.2/30" }}
"#
        ));
    }
    file
}

#[test]
fn packets_of_a_namespace_on_a_point_to_point_cable_leave_translated() {
    let _sandbox = Sandbox::new();
    without_a_bridge().masquerade("10.0.1.0/30", "wan").up().success();
    narrow(&RouterKind::Namespace.place());
    let leaks = inside("outside").listen_for_leaks("eth0");
    reaches_the_outside("h1", EXTERNAL);
    is_refused("h2", &["8.8.8.8"]);
    assert_eq!(dropped("no-masquerade"), 1, "{:#}", nat());
    inside("h1").ping("10.0.2.2").success();
    leaks.were_none();
}

/// A home that routes without NAT; its provider translates.
fn town_with_a_routed_home(routed: &str) -> LabFile {
    town()
        .replace(
            "namespace = \"provider\"",
            "namespace = \"provider\"\nroutes = [{ to = \"10.1.0.0/24\", via = \"10.64.0.2\" }]",
        )
        .replace("name = \"wan\"", &format!("name = \"wan\"{routed}"))
        .replace("bridge = \"br-street\" }", "bridge = \"br-street\", source_check = false }")
        .masquerade("10.1.0.0/24", "core")
}

#[test]
fn packets_of_a_network_behind_another_router_leave_translated() {
    let _sandbox = Sandbox::new();
    town_with_a_routed_home("\nrouted = [\"10.1.0.0/24\"]").up().success();
    ip(&inside("provider"), "link set core mtu 1400");
    ip(&inside("net"), "link set eth0 mtu 1400");
    let leaks = inside("net").listen_for_leaks("eth0");
    inside("laptop").ping("8.8.8.8").success();
    ping_in_fragments("laptop", "8.8.8.8");
    let caller =
        stream_whole((&inside("laptop"), "8.8.8.8:7000"), (&inside("net"), "8.8.8.8:7000"), 2);
    assert_eq!(caller.ip().to_string(), "192.0.2.2");
    leaks.were_none();
}

#[test]
fn a_router_in_between_drops_packets_that_no_rule_lets_out() {
    let _sandbox = Sandbox::new();
    town_with_a_routed_home("").up().success();
    let leaks = inside("net").listen_for_leaks("eth0");
    let street = inside("provider").capture("br-street");
    is_refused("laptop", &["8.8.8.8"]);
    let street = street.stop();
    assert!(!street.iter().any(|packet| packet.contains("10.1.0.2 > ")), "{street:#?}");
    leaks.were_none();
}
