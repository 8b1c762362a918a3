//! Uplinks with `redirect_peer`: which packets enter the far end directly, and which take the
//! cable.

use netns_tests::{
    DEADLINE, LabFile, Sandbox, eventually, inside, lecture, netns, stream_whole, town,
};

/// The lecture's lab with `redirect_peer`.
fn entering() -> LabFile {
    enters(lecture(), "ens3")
}

/// A lab with `redirect_peer` at one of its uplinks.
fn enters(lab: LabFile, uplink: &str) -> LabFile {
    let name = format!("name = \"{uplink}\"");
    lab.replace(&name, &format!("{name}\nredirect_peer = true"))
}

/// How many lines of a recording contain this text.
fn times(lines: &[String], part: &str) -> usize {
    lines.iter().filter(|line| line.contains(part)).count()
}

#[test]
fn translated_packets_bypass_the_cable_of_the_uplink() {
    let _sandbox = Sandbox::new();
    entering().up().success();
    // The first packet makes the router resolve the next hop.
    inside("red").ping("8.8.8.8").success();
    let (near, far) = (inside("host").capture("ens3"), inside("lan").capture("eth0"));
    inside("red").command("ping", &["-c", "3", "-i", "0.2", "8.8.8.8"]).success();
    let (near, far) = (near.stop(), far.stop());
    let (request, reply) = ("192.168.1.10 > 8.8.8.8: ICMP echo request", "ICMP echo reply");
    assert_eq!((times(&near, request), times(&far, request)), (0, 3), "{near:#?}\n{far:#?}");
    // Incoming packets take the cable, and the host sees them.
    assert_eq!((times(&near, reply), times(&far, reply)), (3, 3), "{near:#?}\n{far:#?}");
    assert_eq!(times(&far, "192.168.15."), 0, "{far:#?}");
}

/// The kernel keeps neighbour entries up to date when it sends to the neighbours itself.
#[test]
fn the_first_packets_of_a_connection_use_the_neighbour_table() {
    let _sandbox = Sandbox::new();
    entering().up().success();
    let mut web = inside("lan").web_server("192.168.1.1", 80, "from the LAN");
    inside("red").ping("192.168.1.1").success();
    let near = inside("host").capture("ens3");
    inside("red").curl("http://192.168.1.1/").success().shows(&["from the LAN"]);
    assert_eq!(web.next_client(), "192.168.1.10");
    let near = near.stop();
    let from_us = |line: &&String| line.contains("192.168.1.10.") && !line.contains("1.1.80 >");
    let ours: Vec<_> = near.iter().filter(from_us).collect();
    // A lost SYN is sent again.
    assert!(!ours.is_empty() && ours.iter().all(|line| line.contains("Flags [S]")), "{near:#?}");
}

#[test]
fn connections_from_outside_are_answered() {
    let _sandbox = Sandbox::new();
    entering().up().success();
    let mut web = inside("blue").web_server("192.168.15.2", 80, "from blue");
    let near = inside("host").capture_with("ens3", &["-Q", "out"]);
    inside("lan").curl("http://192.168.1.10/").success().shows(&["from blue"]);
    assert_eq!(web.next_client(), "192.168.1.1");
    let near = near.stop();
    let answers: Vec<_> = near.iter().filter(|line| line.contains("1.10.80 >")).collect();
    let opens = |line: &&String| line.contains("Flags [S.]");
    assert!(!answers.is_empty() && answers.iter().all(opens), "{near:#?}");
    // A hairpin does not use the uplink.
    inside("red").curl("http://192.168.1.10/").success().shows(&["from blue"]);
}

#[test]
fn a_far_end_with_a_changed_mac_address_is_still_reached() {
    let _sandbox = Sandbox::new();
    entering().up().success();
    inside("red").ping("8.8.8.8").success();
    inside("lan").command("ip", &["link", "set", "eth0", "address", "02:00:00:00:00:77"]).success();
    inside("host").command("ip", &["neigh", "flush", "dev", "ens3"]).success();
    let mut near = inside("host").capture("ens3");
    let _pings = inside("red").start("ping", &["-i", "0.1", "8.8.8.8"]);
    // The old MAC address is forgotten within a second; then packets take the cable.
    near.wait_for("192.168.1.10 > 8.8.8.8: ICMP echo request");
    near.wait_for("8.8.8.8 > 192.168.1.10: ICMP echo reply");
}

#[test]
fn large_packets_and_fragments_arrive_whole() {
    const BLOCKS: usize = 200;
    let _sandbox = Sandbox::new();
    entering().up().success();
    inside("red").ping("8.8.8.8").success();
    let near = inside("host").capture_with("ens3", &["-Q", "out"]);
    inside("red").command("ping", &["-c", "1", "-s", "4000", "8.8.8.8"]).success();
    let address = "192.168.1.1:7000";
    stream_whole((&inside("red"), address), (&inside("lan"), address), BLOCKS);
    let near = near.stop();
    let opens = |line: &String| line.contains(".7000: Flags [S]");
    assert!(near.iter().all(opens), "nothing else passes the cable: {near:#?}");
}

/// The far end is the port of a bridge of the next router. Packets for the bridge itself enter it;
/// packets for others on the bridge take the cable.
#[test]
fn redirect_peer_works_for_an_uplink_in_a_bridge() {
    let _sandbox = Sandbox::new();
    let masqueraded = town().masquerade("10.1.0.0/24", "wan").masquerade("10.64.0.0/24", "core");
    enters(enters(masqueraded, "wan"), "core").up().success();
    let mut web = inside("next").web_server("10.64.0.3", 80, "from next door");
    inside("laptop").ping("8.8.8.8").success();
    inside("laptop").curl("http://10.64.0.3/").success().shows(&["from next door"]);
    assert_eq!(web.next_client(), "10.64.0.2");
    let near = inside("home").capture("wan");
    inside("laptop").ping("8.8.8.8").success();
    inside("laptop").ping("10.64.0.3").success();
    let near = near.stop();
    assert_eq!(times(&near, "> 8.8.8.8: ICMP echo request"), 0, "{near:#?}");
    assert_eq!(times(&near, "> 10.64.0.3: ICMP echo request"), 1, "{near:#?}");
    assert_eq!(times(&near, "ICMP echo reply"), 2, "{near:#?}");
}

#[test]
fn redirect_peer_is_shown_and_can_be_changed() {
    let _sandbox = Sandbox::new();
    lecture().up().success();
    inside("red").ping("8.8.8.8").success();
    let file = entering().write();
    let path = file.path().to_str().expect("a plain path");
    let change = ["redirect_peer of ens3", "off -> on"];
    netns(&["plan", path]).success().shows(&change);
    netns(&["up", path]).success().shows(&["is changed"]);
    netns(&["status"]).success().shows(&["redirect_peer"]);
    netns(&["up", path]).success().shows(&["nothing to do"]);
    let sees_requests = || {
        let near = inside("host").capture("ens3");
        inside("red").ping("8.8.8.8").success();
        times(&near.stop(), "ICMP echo request") > 0
    };
    assert!(!sees_requests());
    lecture().up().success().shows(&["is changed"]);
    eventually("the cable is in use again", DEADLINE, sees_requests);
    assert!(!netns(&["status"]).success().stdout.contains("redirect_peer"));
}

/// The source address of the kernel's route is an inside address: no flow may begin with it.
#[test]
fn no_packet_with_an_inside_source_enters_the_far_end() {
    let _sandbox = Sandbox::new();
    entering().up().success();
    inside("red").ping("8.8.8.8").success();
    let wrong = ["route", "replace", "default", "via", "192.168.1.1", "src", "192.168.15.5"];
    inside("host").command("ip", &wrong).success();
    let far = inside("lan").capture("eth0");
    inside("blue").cannot_ping("8.8.8.8");
    let far = far.stop();
    assert_eq!(times(&far, "192.168.15."), 0, "{far:#?}");
    netns(&["nat"]).success().shows(&["no-masquerade"]);
}
