//! Port forwards, from outside, from the host and from namespaces.

use std::{
    net::TcpListener,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use netns_tests::{
    DEADLINE, Running, Sandbox, Stream, UdpEcho, accept, ask_echo, connect_from, count, eventually,
    forward_add, forward_del, inside, lab_is_up, nat, netns, netns_path, own, receive_stream,
    send_stream, stream_whole,
};

/// The number of blocks of 1 MiB that make more than 1 GB.
const GIGABYTE: usize = 1_000;

/// How often other forwards change while one is in use.
const CHANGES: u16 = 40;

#[track_caller]
fn ask_udp(from: &str, server: &str) {
    ask_echo(&inside(from).udp("0.0.0.0:0"), server);
}

#[test]
fn a_web_server_inside_is_reached_from_everywhere() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let mut server = inside("blue").web_server("192.168.15.2", 80, "from blue");
    // From outside; the server sees the client's address.
    inside("lan").curl("http://192.168.1.10/").success().shows(&["from blue"]);
    assert_eq!(server.next_client(), "192.168.1.1");
    // From the host itself, by each of its addresses.
    for address in ["192.168.1.10", "127.0.0.1", "192.168.15.5"] {
        inside("host").curl(&format!("http://{address}/")).success().shows(&["from blue"]);
        server.next_client();
    }
    // From another namespace, by the host's addresses and directly.
    for address in ["192.168.1.10", "192.168.15.5", "192.168.15.2"] {
        inside("red").curl(&format!("http://{address}/")).success().shows(&["from blue"]);
        server.next_client();
    }
}

#[test]
fn a_namespace_reaches_itself_through_a_forward() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let _server = inside("blue").web_server("192.168.15.2", 80, "from blue");
    inside("blue").curl("http://192.168.1.10/").success().shows(&["from blue"]);
}

#[test]
fn rules_follow_the_address_of_the_uplink() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let _server = inside("blue").web_server("192.168.15.2", 80, "from blue");
    let ip = |words: &str| {
        inside("host").command("ip", &words.split(' ').collect::<Vec<_>>()).success();
    };
    ip("addr del 192.168.1.10/24 dev ens3");
    ip("addr add 192.168.1.20/24 dev ens3");
    ip("route replace default via 192.168.1.1");
    inside("lan").curl("http://192.168.1.20/").success().shows(&["from blue"]);
    inside("red").ping("8.8.8.8").success();
    let flows = netns(&["flows", "--json"]).json();
    for flow in flows.as_array().expect("flows") {
        let external = flow["external"].as_str().expect("an address");
        assert!(external.starts_with("192.168.1.20:"), "{flow:#}");
    }
}

#[test]
fn a_port_of_an_address_without_a_route_is_not_hijacked() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let _server = inside("blue").web_server("192.168.15.2", 80, "from blue");
    inside("host").command("ip", &["route", "del", "default"]).success();
    inside("lan").command("ip", &["route", "add", "9.9.9.9", "via", "192.168.1.10"]).success();
    for place in ["lan", "red"] {
        let asked = inside(place).command("curl", &["-sS", "-m2", "http://9.9.9.9/"]);
        assert!(!asked.status.success(), "{asked}");
    }
}

#[test]
fn the_lan_sees_only_the_address_of_the_host() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let _server = inside("blue").web_server("192.168.15.2", 80, "from blue");
    let mut capture = inside("lan").capture("eth0");
    inside("lan").curl("http://192.168.1.10/").success();
    capture.wait_for("192.168.1.10.80 > 192.168.1.1.");
    let packets = capture.stop();
    assert!(!packets.iter().any(|line| line.contains("192.168.15.")), "{packets:#?}");
}

#[test]
fn the_router_has_no_netfilter_rules() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let _server = inside("blue").web_server("192.168.15.2", 80, "from blue");
    inside("lan").curl("http://192.168.1.10/").success();
    inside("host").curl("http://127.0.0.1/").success();
    inside("host").has_no_netfilter_rules();
    own().has_no_netfilter_rules();
}

#[test]
fn a_forward_works_only_from_add_to_del() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let _server = inside("red").web_server("192.168.15.1", 8000, "from red");
    let everywhere = || {
        [("lan", "192.168.1.10"), ("host", "127.0.0.1"), ("blue", "192.168.1.10")]
            .map(|(from, address)| inside(from).curl(&format!("http://{address}:8080/")))
    };
    for refused in everywhere() {
        // curl's code for a connection that was refused.
        refused.fails_with_code(7, &[]);
    }
    forward_add("tcp", 8080, "192.168.15.1:8000").success();
    for answered in everywhere() {
        answered.success().shows(&["from red"]);
    }
    forward_del("tcp", 8080).success();
    for refused in everywhere() {
        refused.fails_with_code(7, &[]);
    }
}

#[test]
fn a_forward_of_one_address_does_not_affect_other_addresses() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let _server = inside("red").web_server("192.168.15.1", 8000, "from red");
    let add = ["forward", "add", "tcp", "8080", "192.168.15.1:8000", "--address", "127.0.0.1"];
    netns(&add).success();
    inside("host").curl("http://127.0.0.1:8080/").success().shows(&["from red"]);
    // A port published on loopback only is closed to the LAN.
    inside("lan").curl("http://192.168.1.10:8080/").fails_with_code(7, &[]);
    inside("host").curl("http://192.168.1.10:8080/").fails_with_code(7, &[]);
}

#[test]
fn pitfall_netavark_904_transit_traffic_on_a_forwarded_port_is_not_hijacked() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let _inside = inside("blue").web_server("192.168.15.2", 80, "from blue");
    let _outside = inside("lan").web_server("0.0.0.0", 80, "from the LAN");
    for (from, address) in [("red", "192.168.1.1"), ("red", "8.8.8.8"), ("host", "192.168.1.1")] {
        let page = inside(from).curl(&format!("http://{address}/")).success();
        assert_eq!(page.stdout.trim_end(), "from the LAN", "{page}");
    }
}

#[test]
fn datagrams_are_forwarded_and_answered() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    forward_add("udp", 5353, "192.168.15.2:53").success();
    let echo = UdpEcho::start("blue", "192.168.15.2:53");
    ask_udp("lan", "192.168.1.10:5353");
    assert_eq!(echo.next_peer().ip().to_string(), "192.168.1.1");
    ask_udp("host", "192.168.1.10:5353");
    ask_udp("host", "127.0.0.1:5353");
    ask_udp("red", "192.168.1.10:5353");
}

#[test]
fn a_gigabyte_arrives_unchanged() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let (lan, blue) = (inside("lan"), inside("blue"));
    let caller = stream_whole((&lan, "192.168.1.10:80"), (&blue, "192.168.15.2:80"), GIGABYTE);
    assert_eq!(caller.ip().to_string(), "192.168.1.1");
    let rule = nat()["forwards"][0].clone();
    assert!(count(&rule, "bytes") > 1_000_000_000, "the rule's counter: {rule:#}");
}

#[test]
fn a_forward_in_use_is_not_disturbed_by_changes_of_other_forwards() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let listener = inside("blue").run(|| TcpListener::bind("192.168.15.2:80")).expect("a listener");
    let content = Stream::new();
    let changing = AtomicBool::new(true);
    let (sent, received) = thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let (mut stream, _) = accept(&listener).expect("a connection");
            receive_stream(&mut stream, &content).expect("a stream")
        });
        let mut stream =
            inside("lan").run(|| connect_from(0, "192.168.1.10:80")).expect("a connection");
        let (content, changing) = (&content, &changing);
        let sender = scope.spawn(move || {
            send_stream(&mut stream, content, |_| changing.load(Ordering::Relaxed))
                .expect("a stream")
        });
        // Stops the sender even if a change fails.
        let stop = StopOnDrop(changing);
        for change in 0..CHANGES {
            forward_add("tcp", 9_000 + change, "192.168.15.1:80").success();
            forward_add("udp", 80, "192.168.15.1:80").success();
            forward_del("udp", 80).success();
            if change % 2 == 0 {
                forward_del("tcp", 9_000 + change).success();
            }
        }
        drop(stop);
        (sender.join().expect("a stream"), receiver.join().expect("equal bytes"))
    });
    assert_eq!(sent, received);
    assert!(received > 0, "nothing was sent while the forwards changed");
    let left = nat()["forwards"].as_array().map(Vec::len);
    assert_eq!(left, Some(1 + usize::from(CHANGES) / 2));
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[test]
fn pitfall_moby_44742_datagrams_follow_a_forward_to_its_new_target() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let socket = inside("lan").udp("192.168.1.1:4000");
    let ask = || ask_echo(&socket, "192.168.1.10:5353");
    let red = UdpEcho::start("red", "192.168.15.1:53");
    let blue = UdpEcho::start("blue", "192.168.15.2:53");
    forward_add("udp", 5353, "192.168.15.1:53").success();
    ask();
    let _ = red.next_peer();
    forward_del("udp", 5353).success();
    forward_add("udp", 5353, "192.168.15.2:53").success();
    // The same socket again: its old record must not lead to the old target.
    ask();
    let _ = blue.next_peer();
}

#[test]
fn pitfall_cilium_34041_a_masqueraded_connection_never_gets_a_forwarded_port() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    forward_add("tcp", 40_000, "192.168.15.2:80").success();
    let listener = inside("lan").run(|| TcpListener::bind("192.168.1.1:7000")).expect("a listener");
    let _stream =
        inside("red").run(|| connect_from(40_000, "192.168.1.1:7000")).expect("a connection");
    let (_, peer) = accept(&listener).expect("a connection");
    assert_eq!(peer.ip().to_string(), "192.168.1.10");
    assert_ne!(peer.port(), 40_000, "the port is forwarded to blue");
}

#[test]
fn a_forward_to_a_closed_port_refuses_connections() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    // No server listens in blue: its reset must reach the client.
    inside("lan").curl("http://192.168.1.10/").fails_with_code(7, &[]);
    forward_add("udp", 5353, "192.168.15.2:53").success();
    let socket = inside("lan").udp("0.0.0.0:0");
    socket.connect("192.168.1.10:5353").expect("an address");
    socket.send(b"anybody?").expect("a datagram");
    let error = socket.recv(&mut [0; 16]).expect_err("nobody listens");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn traceroute_from_outside_ends_at_the_host() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let _server = inside("blue").web_server("192.168.15.2", 80, "from blue");
    let arguments = ["-T", "-p", "80", "-n", "-q", "1", "-w", "3", "-m", "4", "192.168.1.10"];
    let route = inside("lan").command("traceroute", &arguments).success();
    assert!(!route.stdout.contains("192.168.15."), "{route}");
    assert!(route.stdout.lines().last().is_some_and(|hop| hop.contains("192.168.1.10")), "{route}");
}

/// Starts `netns forward add` for each port at the same time. Returns how many succeeded, and the
/// errors of the others.
fn add_at_once(ports: &[u16]) -> (usize, Vec<String>) {
    let start = |port: &u16| {
        let port = port.to_string();
        let arguments = ["forward", "add", "tcp", &port, "192.168.15.2:80"];
        Running::start(None, Command::new(netns_path()).args(arguments))
    };
    let adds: Vec<Running> = ports.iter().map(start).collect();
    let ended = adds.into_iter().map(Running::finish);
    let (good, bad): (Vec<_>, Vec<_>) = ended.partition(|(status, ..)| status.success());
    (good.len(), bad.into_iter().map(|(.., said)| said).collect())
}

#[test]
fn rules_added_concurrently_have_separate_counters() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let _server = inside("blue").web_server("192.168.15.2", 80, "from blue");
    let ports: Vec<u16> = (8001..=8008).collect();
    assert_eq!(add_at_once(&ports), (ports.len(), vec![]));
    for port in ports {
        inside("lan").curl(&format!("http://192.168.1.10:{port}/")).success();
    }
    // Two rules with the same number would share a counter.
    let rules = nat();
    for rule in rules["forwards"].as_array().expect("rules") {
        assert_eq!(count(rule, "flows"), u64::from(rule["port"] != 80), "{rules:#}");
    }
}

#[test]
fn a_port_forwarded_concurrently_is_forwarded_once() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    for port in 8001..=8010 {
        let (added, said) = add_at_once(&[port, port]);
        assert_eq!(added, 1, "{said:?}");
        assert!(said[0].contains("` already exists: delete it first"), "{said:?}");
    }
}

#[test]
fn a_rule_added_while_its_lab_goes_down_is_an_error() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let down = Running::start(None, Command::new(netns_path()).arg("down"));
    eventually("the lab is down", DEADLINE, || {
        let added = forward_add("tcp", 8080, "192.168.15.2:80");
        if added.status.success() {
            // The lab may already be down.
            let _ = forward_del("tcp", 8080);
            return false;
        }
        let is_clear = ["is not up", "no lab is up"].iter().any(|part| added.stderr.contains(part));
        assert!(is_clear || added.stderr.contains("` already exists: delete it first"), "{added}");
        added.stderr.contains("no lab is up")
    });
    assert!(down.finish().0.success());
}
