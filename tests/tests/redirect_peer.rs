//! Uplinks whose far end is entered at once: what goes there, by which way, and what does not.

use std::{net::TcpListener, thread};

use netns_tests::{
    DEADLINE, LabFile, Sandbox, Stream, accept, connect_from, eventually, inside, lab_file,
    lecture, netns, receive_stream, send_stream,
};

/// The first uplink of a lab with the option.
fn entering(lab: LabFile) -> LabFile {
    lab.replace("name = \"ens3\"", "name = \"ens3\"\nredirect_peer = true")
}

/// A provider with a street, and a home in that street.
const TOWN: &str = r#"
name = "town"

[[router]]
namespace = "provider"

[[router]]
namespace = "home"

[[uplink]]
name = "core"
redirect_peer = true
address = "192.0.2.2/24"
gateway = "192.0.2.1"
outside = { namespace = "net", interface = "eth0", address = "192.0.2.1/24", answers = ["8.8.8.8"] }

[[uplink]]
name = "wan"
redirect_peer = true
router = "home"
address = "10.64.0.2/24"
gateway = "10.64.0.1"
plug = { bridge = "br-street" }

[[bridge]]
name = "br-street"
address = "10.64.0.1/24"

[[bridge]]
name = "br-home"
router = "home"
address = "10.1.0.1/24"

[[namespace]]
name = "next"
bridge = "br-street"
address = "10.64.0.3/24"

[[namespace]]
name = "laptop"
bridge = "br-home"
address = "10.1.0.2/24"

[[masquerade]]
source = "10.1.0.0/24"
uplink = "wan"

[[masquerade]]
source = "10.64.0.0/24"
uplink = "core"
"#;

/// How many lines of a recording have this in them.
fn times(lines: &[String], part: &str) -> usize {
    lines.iter().filter(|line| line.contains(part)).count()
}

#[test]
fn what_is_translated_does_not_pass_the_uplinks_cable() {
    let _sandbox = Sandbox::new();
    entering(lecture()).up().success();
    // The first one has the router ask for the next hop's Ethernet address.
    inside("red").ping("8.8.8.8").success();
    let (near, far) = (inside("host").capture("ens3"), inside("lan").capture("eth0"));
    inside("red").command("ping", &["-c", "3", "-i", "0.2", "8.8.8.8"]).success();
    let (near, far) = (near.stop(), far.stop());
    let (request, reply) = ("192.168.1.10 > 8.8.8.8: ICMP echo request", "ICMP echo reply");
    assert_eq!((times(&near, request), times(&far, request)), (0, 3), "{near:#?}\n{far:#?}");
    // What comes in does, and the host sees it.
    assert_eq!((times(&near, reply), times(&far, reply)), (3, 3), "{near:#?}\n{far:#?}");
    assert_eq!(times(&far, "192.168.15."), 0, "{far:#?}");
}

/// The kernel looks after the Ethernet addresses of its neighbours when it sends to them.
#[test]
fn connections_are_opened_by_way_of_the_kernels_neighbour() {
    let _sandbox = Sandbox::new();
    entering(lecture()).up().success();
    let mut web = inside("lan").web_server("192.168.1.1", 80, "from the LAN");
    inside("red").ping("192.168.1.1").success();
    let near = inside("host").capture("ens3");
    inside("red").curl("http://192.168.1.1/").success().shows(&["from the LAN"]);
    assert_eq!(web.next_client(), "192.168.1.10");
    let near = near.stop();
    let ours: Vec<_> = near
        .iter()
        .filter(|line| line.contains("192.168.1.10.") && !line.contains("1.1.80 >"))
        .collect();
    assert!(ours.len() == 1 && ours[0].contains("Flags [S]"), "{near:#?}");
}

#[test]
fn connections_from_outside_are_answered() {
    let _sandbox = Sandbox::new();
    entering(lecture()).up().success();
    let mut web = inside("blue").web_server("192.168.15.2", 80, "from blue");
    inside("lan").curl("http://192.168.1.10/").success().shows(&["from blue"]);
    assert_eq!(web.next_client(), "192.168.1.1");
    // Hairpins leave by no uplink.
    inside("red").curl("http://192.168.1.10/").success().shows(&["from blue"]);
}

#[test]
fn a_far_end_with_another_ethernet_address_is_reached_all_the_same() {
    let _sandbox = Sandbox::new();
    entering(lecture()).up().success();
    inside("red").ping("8.8.8.8").success();
    inside("lan").command("ip", &["link", "set", "eth0", "address", "02:00:00:00:00:77"]).success();
    inside("host").command("ip", &["neigh", "flush", "dev", "ens3"]).success();
    let mut near = inside("host").capture("ens3");
    let mut pings = inside("red").start("ping", &["-i", "0.1", "-w", "20", "8.8.8.8"]);
    // What was known of the old one is forgotten within a second; then it is the kernel's way.
    near.wait_for("192.168.1.10 > 8.8.8.8: ICMP echo request");
    near.wait_for("8.8.8.8 > 192.168.1.10: ICMP echo reply");
    pings.wait_for("bytes from 8.8.8.8");
}

#[test]
fn large_packets_and_fragments_arrive_whole() {
    const BLOCKS: usize = 200;
    let _sandbox = Sandbox::new();
    entering(lecture()).up().success();
    inside("red").command("ping", &["-c", "1", "-s", "4000", "8.8.8.8"]).success();
    inside("red").command("ping", &["-c", "1", "-s", "4000", "8.8.8.8"]).success();
    let listener = inside("lan").run(|| TcpListener::bind("192.168.1.1:7000")).expect("a listener");
    let content = Stream::new();
    let (sent, received) = thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let (mut stream, _) = accept(&listener).expect("a connection");
            receive_stream(&mut stream, &content).expect("a stream")
        });
        let mut stream =
            inside("red").run(|| connect_from(40_000, "192.168.1.1:7000")).expect("a connection");
        let sent = send_stream(&mut stream, &content, |blocks| blocks < BLOCKS);
        (sent.expect("a stream"), receiver.join().expect("equal bytes"))
    });
    assert_eq!(sent, received);
}

/// The far end is the port of a bridge, which sees to it whom a frame is for, and where the next
/// router's programs are.
#[test]
fn an_uplink_that_is_plugged_into_a_bridge_is_entered_too() {
    let _sandbox = Sandbox::new();
    lab_file(TOWN).up().success();
    let mut web = inside("next").web_server("10.64.0.3", 80, "from next door");
    inside("laptop").ping("8.8.8.8").success();
    inside("laptop").curl("http://10.64.0.3/").success().shows(&["from next door"]);
    assert_eq!(web.next_client(), "10.64.0.2");
    let near = inside("home").capture("wan");
    inside("laptop").ping("8.8.8.8").success();
    inside("laptop").ping("10.64.0.3").success();
    let near = near.stop();
    assert_eq!(times(&near, "ICMP echo request"), 0, "{near:#?}");
    assert_eq!(times(&near, "ICMP echo reply"), 2, "{near:#?}");
}

#[test]
fn the_option_is_told_and_can_be_changed() {
    let _sandbox = Sandbox::new();
    lecture().up().success();
    inside("red").ping("8.8.8.8").success();
    let file = entering(lecture()).write();
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
