//! The option `via_stack`: netfilter and tcpdump see the packets, and a change of it keeps
//! connections.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use netns_tests::{
    DEADLINE, LabFile, Sandbox, Stream, accept, connect_from, eventually, flows, inside, lecture,
    nat, netns, receive_stream, send_stream, stream_whole,
};

fn via_stack(lab: LabFile) -> LabFile {
    lab.text("[nat]\nvia_stack = true")
}

/// Makes netfilter count forwarded packets in the router by their conntrack state.
fn netfilter_counts() {
    let rules = "table ip watch {
        chain forward {
            type filter hook forward priority 0; policy accept;
            ct state invalid counter comment \"invalid\"
            ct direction original counter comment \"original\"
            ct direction reply counter comment \"reply\"
        }
    }";
    inside("host").command("nft", &[rules]).success();
}

/// The number of packets that a rule has counted.
fn counted(comment: &str) -> u64 {
    let ruleset = inside("host").command("nft", &["--json", "list", "ruleset"]).json();
    let objects = ruleset["nftables"].as_array().expect("a list").clone();
    let rule = objects.iter().find(|object| object["rule"]["comment"] == comment);
    let expressions = rule.expect("the rule")["rule"]["expr"].as_array().expect("a list").clone();
    let counter = expressions.iter().find(|expression| expression["counter"].is_object());
    counter.expect("a counter")["counter"]["packets"].as_u64().expect("a number")
}

#[test]
fn pitfall_cilium_12312_netfilter_and_tcpdump_see_both_directions_with_via_stack() {
    let _sandbox = Sandbox::new();
    via_stack(lecture()).up().success();
    netfilter_counts();
    let mut web = inside("lan").web_server("192.168.1.1", 80, "from the LAN");
    let mut bridge = inside("host").capture("v-net-0");
    let lan = inside("lan").capture("eth0");
    inside("red").ping("8.8.8.8").success();
    inside("red").curl("http://192.168.1.1/").success().shows(&["from the LAN"]);
    assert_eq!(web.next_client(), "192.168.1.10");
    bridge.wait_for("192.168.15.1 > 8.8.8.8: ICMP echo request");
    bridge.wait_for("8.8.8.8 > 192.168.15.1: ICMP echo reply");
    bridge.wait_for("192.168.1.1.80 > 192.168.15.1.");
    let lan = lan.stop();
    assert!(!lan.iter().any(|line| line.contains("192.168.15.")), "{lan:#?}");
    assert_eq!(counted("invalid"), 0, "connection tracking sees both directions");
    assert!(counted("original") >= 5, "{}", counted("original"));
    assert!(counted("reply") >= 5, "{}", counted("reply"));
}

#[test]
fn pitfall_cilium_12312_netfilter_and_tcpdump_see_nothing_on_the_fast_path() {
    let _sandbox = Sandbox::new();
    lecture().up().success();
    netfilter_counts();
    let bridge = inside("host").capture("v-net-0");
    inside("red").ping("8.8.8.8").success();
    let bridge = bridge.stop();
    assert!(!bridge.iter().any(|line| line.contains("8.8.8.8")), "{bridge:#?}");
    assert_eq!((counted("original"), counted("reply")), (0, 0));
}

#[test]
fn netfilter_can_reject_packets_with_via_stack() {
    let _sandbox = Sandbox::new();
    via_stack(lecture()).up().success();
    inside("red").ping("8.8.8.8").success();
    let rules = "add table ip watch; \
                 add chain ip watch forward { type filter hook forward priority 0; }; \
                 add rule ip watch forward ip saddr 192.168.15.1 ip daddr 8.8.8.8 drop";
    inside("host").command("nft", &[rules]).success();
    inside("red").cannot_ping("8.8.8.8");
    inside("blue").ping("8.8.8.8").success();
}

/// systemd sets this filter on each interface.
#[test]
fn pitfall_cilium_10645_a_strict_reverse_path_filter_passes_both_directions_with_via_stack() {
    let _sandbox = Sandbox::new();
    via_stack(lecture()).up().success();
    for interface in ["all", "ens3", "v-net-0"] {
        let setting = format!("net.ipv4.conf.{interface}.rp_filter=1");
        inside("host").command("sysctl", &["-q", &setting]).success();
    }
    let _web = inside("blue").web_server("192.168.15.2", 80, "from blue");
    inside("red").ping("8.8.8.8").success();
    inside("lan").curl("http://192.168.1.10/").success().shows(&["from blue"]);
    // A hairpin bypasses the stack, which would drop it as a martian.
    inside("red").curl("http://192.168.1.10/").success().shows(&["from blue"]);
}

#[test]
fn connections_survive_a_change_of_via_stack() {
    const CHANGES: usize = 6;
    let _sandbox = Sandbox::new();
    let modes = [lecture(), via_stack(lecture())];
    modes[0].up().success();
    let listener = inside("lan").run(|| TcpListener::bind("192.168.1.1:7000")).expect("a listener");
    let (content, is_over) = (&Stream::new(), &AtomicBool::new(false));
    let (sent, received) = thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let (mut stream, _) = accept(&listener).expect("a connection");
            receive_stream(&mut stream, content).expect("a stream")
        });
        let mut stream =
            inside("red").run(|| connect_from(40_000, "192.168.1.1:7000")).expect("a connection");
        let sender = scope.spawn(move || {
            send_stream(&mut stream, content, |_| !is_over.load(Ordering::Relaxed))
                .expect("a stream")
        });
        for change in 1..=CHANGES {
            let seen = || nat()["masquerades"][0]["packets"].as_u64().expect("a number");
            let before = seen();
            modes[change % 2].up().success().shows(&["is changed"]);
            eventually("packets of the connection in the new mode", DEADLINE, || {
                seen() > before + 100
            });
        }
        is_over.store(true, Ordering::Relaxed);
        (sender.join().expect("all is sent"), receiver.join().expect("equal bytes"))
    });
    assert_eq!(sent, received);
    let flows = flows();
    assert_eq!(flows.len(), 1, "one connection, one record: {flows:#?}");
}

#[test]
fn via_stack_is_shown_and_can_be_changed() {
    let _sandbox = Sandbox::new();
    lecture().up().success();
    let file = via_stack(lecture()).write();
    let path = file.path().to_str().expect("a plain path");
    netns(&["plan", path]).success().shows(&["nat.via_stack", "off -> on"]);
    assert_eq!(nat()["via_stack"], false);
    netns(&["up", path]).success().shows(&["is changed"]);
    netns(&["status"]).success().shows(&["in router host, via the network stack"]);
    netns(&["nat"]).success().shows(&["packets pass through the network stack"]);
    netns(&["graph"]).success().shows(&["routing and NAT via stack"]);
    assert_eq!(nat()["via_stack"], true);
    // Without the key the fast path is the default.
    lecture().up().success().shows(&["is changed"]);
    assert_eq!(nat()["via_stack"], false);
    netns(&["up", "--via-stack"]).success().shows(&["is changed"]);
    assert_eq!(nat()["via_stack"], true);
    netns(&["up", "--via-stack"]).success().shows(&["nothing to do"]);
}

/// The stack quotes the packet as it is inside; the error must quote the packet as it is outside.
#[test]
fn rfc5508_req5_an_error_of_the_routers_stack_quotes_the_packet_as_the_outside_sent_it() {
    let _sandbox = Sandbox::new();
    via_stack(lecture()).up().success();
    let capture = inside("lan").capture_with("eth0", &["-vv"]);
    let _web = inside("blue").web_server("192.168.15.2", 80, "from blue");
    let trace = ["-n", "-T", "-p", "80", "-q", "1", "-w", "3", "192.168.1.10"];
    let trace = inside("lan").command("traceroute", &trace).success();
    let hops: Vec<_> = trace.stdout.lines().skip(1).collect();
    assert_eq!(hops.len(), 2, "the router, and what is behind its port: {trace}");
    assert!(hops.iter().all(|hop| hop.contains("192.168.1.10 ")), "{trace}");
    let seen = capture.stop().join("\n");
    assert!(seen.contains("ICMP time exceeded in-transit"), "{seen}");
    assert!(!seen.contains("192.168.15."), "{seen}");
    assert!(!seen.contains("(bad"), "{seen}");
}

#[test]
fn rfc4787_req13_path_mtu_discovery_from_outside_works_with_via_stack() {
    const BLOCKS: usize = 2;
    let _sandbox = Sandbox::new();
    via_stack(lecture()).up().success();
    // A smaller MTU than both ends know.
    inside("host").command("ip", &["link", "set", "v-net-0", "mtu", "1280"]).success();
    let (lan, blue) = (inside("lan"), inside("blue"));
    stream_whole((&lan, "192.168.1.10:80"), (&blue, "192.168.15.2:80"), BLOCKS);
    let route = inside("lan").command("ip", &["route", "get", "192.168.1.10"]).success();
    assert!(route.stdout.contains("mtu 1280"), "told by the error of the router: {route}");
}
