//! A home behind the NAT of its provider: each connection is translated twice.

use netns_tests::{
    LabFile, Sandbox, Stream, accept, connect_from, dropped, inside, ip, receive_stream,
    send_stream, town_with_networks,
};

/// A home behind a carrier-grade NAT (RFC 6598): laptop - home - provider - net.
fn home_behind_provider() -> LabFile {
    town_with_networks("100.64.0", "192.168.1").text(
        r#"
[[masquerade]]
source = "100.64.0.0/24"
uplink = "core"
[[masquerade]]
source = "192.168.1.0/24"
uplink = "wan"
[[forward]]
protocol = "tcp"
port = 8080
target = "100.64.0.2:8081"
[[forward]]
protocol = "tcp"
port = 8081
target = "192.168.1.2:80"
"#,
    )
}

#[test]
fn a_client_behind_two_nats_reaches_the_outside() {
    let _sandbox = Sandbox::new();
    home_behind_provider().up().success();
    assert_eq!(inside("laptop").hops("8.8.8.8"), ["192.168.1.1", "100.64.0.1", "8.8.8.8"]);
    let mut far = inside("net").web_server("8.8.8.8", 80, "far away");
    for from in ["laptop", "next", "home"] {
        inside(from).curl("http://8.8.8.8/").success().shows(&["far away"]);
        assert_eq!(far.next_client(), "192.0.2.2", "{from}");
    }
    // Between the two NATs, the source is the home's address.
    let mut near = inside("next").web_server("100.64.0.3", 80, "next door");
    inside("laptop").curl("http://100.64.0.3/").success().shows(&["next door"]);
    assert_eq!(near.next_client(), "100.64.0.2");
    // A host outside cannot connect to the inside, even with a route.
    ip(&inside("next"), "route add 192.168.1.0/24 via 100.64.0.2");
    ip(&inside("net"), "route add 100.64.0.0/24 via 192.0.2.2");
    inside("next").cannot_ping("192.168.1.2");
    inside("net").cannot_ping("100.64.0.3");
    assert_eq!(dropped("spoofed-source"), 0);
}

#[test]
fn a_server_behind_two_nats_is_reached_through_two_forwards() {
    let _sandbox = Sandbox::new();
    home_behind_provider().up().success();
    let mut server = inside("laptop").web_server("192.168.1.2", 80, "from the laptop");
    for (from, url, client) in [
        ("net", "http://192.0.2.2:8080/", "192.0.2.1"),
        ("next", "http://100.64.0.2:8081/", "100.64.0.3"),
        ("provider", "http://192.0.2.2:8080/", "100.64.0.1"),
        // Out and back through both forwards: the source is the provider's outside (RFC 4787).
        ("laptop", "http://192.0.2.2:8080/", "192.0.2.2"),
    ] {
        inside(from).curl(url).success().shows(&["from the laptop"]);
        assert_eq!(server.next_client(), client, "{from}");
    }
    inside("net")
        .command("curl", &["-sS", "-m20", "http://192.0.2.2:8081/"])
        .fails_with_code(7, &[]);
}

#[test]
fn a_router_behind_a_router_cannot_spoof_its_address() {
    let _sandbox = Sandbox::new();
    home_behind_provider().up().success();
    inside("home").command("ip", &["addr", "add", "9.9.9.9/32", "dev", "lo"]).success();
    // Resolves the gateway, so that no ARP comes first.
    inside("home").ping("8.8.8.8").success();
    let lie = inside("home").command("ping", &["-c2", "-i0.2", "-W1", "-I9.9.9.9", "8.8.8.8"]);
    assert!(!lie.status.success(), "{lie}");
    assert_eq!(dropped("spoofed-source"), 2);
}

#[test]
fn a_megabyte_crosses_two_nats_unchanged() {
    let _sandbox = Sandbox::new();
    home_behind_provider().up().success();
    let bind = || std::net::TcpListener::bind("8.8.8.8:7000");
    let listener = inside("net").run(bind).expect("a listener");
    let mut client =
        inside("laptop").run(|| connect_from(0, "8.8.8.8:7000")).expect("a connection");
    let (mut served, _) = accept(&listener).expect("a connection");
    let receiver = std::thread::spawn(move || receive_stream(&mut served, &Stream::new()));
    let sent = send_stream(&mut client, &Stream::new(), |blocks| blocks < 16).expect("a stream");
    let received = receiver.join().expect("the same bytes").expect("a stream");
    assert_eq!(sent, received);
}
