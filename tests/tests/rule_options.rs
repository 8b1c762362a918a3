//! Forwards of ranges and for some sources; masquerades with exceptions, fixed addresses and an MSS
//! limit, with real traffic.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use netns_tests::{
    DEADLINE, LabFile, Sandbox, Stream, UdpEcho, accept, connect_from, count, eventually, flows,
    inside, lab_is_up, lecture, nat, netns, receive_stream, send_stream, stream_whole,
};

/// How long to wait for a packet that must not arrive.
const SILENCE: Duration = Duration::from_millis(300);

/// The number of forwards that fill the table of rules, together with a masquerade and a forward.
const MANY: u16 = 16_381;

/// The time limit for publishing a range, and how often it is tried: the machine may be busy.
const AT_ONCE: Duration = Duration::from_secs(2);
const ATTEMPTS: usize = 5;

#[track_caller]
fn up(lab: &LabFile) {
    lab.up().success();
}

/// Sends a query to a UDP server and returns the source of the answer; `None` without an answer.
#[track_caller]
fn ask(socket: &UdpSocket, server: &str) -> Option<SocketAddr> {
    socket.send_to(b"who?", server).expect("a datagram");
    match socket.recv_from(&mut [0; 16]) {
        Ok((_, by)) => Some(by),
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => None,
        Err(error) => panic!("{server}: {error}"),
    }
}

fn udp(place: &str, address: &str, wait: Duration) -> UdpSocket {
    let socket = inside(place).udp(address);
    socket.set_read_timeout(Some(wait)).expect("a timeout");
    socket
}

#[test]
fn pitfall_moby_53466_ten_thousand_ports_are_published_at_once() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    // The first run reads the program from disk.
    netns(&["forward", "list"]).success();
    let publish = || {
        let begin = Instant::now();
        netns(&["forward", "add", "udp", "8000-17999", "192.168.15.2:8000"]).success();
        begin.elapsed()
    };
    let mut took = publish();
    for _ in 1..ATTEMPTS {
        if took >= AT_ONCE {
            netns(&["forward", "del", "udp", "8000-17999"]).success();
            took = took.min(publish());
        }
    }
    println!("10,000 ports in {took:?}");
    assert!(took < AT_ONCE, "{took:?}");
    let rules = nat()["forwards"].clone();
    assert_eq!(rules.as_array().map(Vec::len), Some(2), "{rules:#}");
    assert_eq!(rules[1]["port"], "8000-17999");
    for port in [8000, 8255, 8256, 12_345, 17_999] {
        let _echo = UdpEcho::start("blue", &format!("192.168.15.2:{port}"));
        let server = format!("192.168.1.10:{port}");
        for place in ["lan", "red", "host"] {
            let by = ask(&udp(place, "0.0.0.0:0", DEADLINE), &server);
            assert_eq!(by.map(|by| by.to_string()), Some(server.clone()), "from {place}");
        }
    }
    // Connections of the host go through the socket hooks and have no records.
    assert_eq!(count(&nat()["forwards"][1], "flows"), 10);
    netns(&["forward", "del", "udp", "9000"])
        .fails_with_code(1, &["`forward udp 8000-17999 -> 192.168.15.2:8000-17999`"]);
    netns(&["forward", "add", "udp", "17999", "192.168.15.1:1"])
        .fails_with_code(1, &["the rule `forward udp 8000-17999 -> ", "already exists"]);
    netns(&["forward", "add", "udp", "1-8000", "192.168.15.1:1"])
        .fails_with_code(1, &["the rule `forward udp 8000-17999 -> ", "already exists"]);
    netns(&["forward", "del", "udp", "8000-17999"]).success();
    assert!(flows().is_empty(), "{:#?}", flows());
    let begin = Instant::now();
    let asked = udp("lan", "0.0.0.0:0", SILENCE);
    assert_eq!(ask(&asked, "192.168.1.10:12345"), None);
    assert!(begin.elapsed() < DEADLINE);
}

#[test]
fn up_adds_and_removes_the_maximum_number_of_forwards() {
    let _sandbox = Sandbox::new();
    up(&lecture());
    let mut lab = lecture();
    for port in 0..MANY {
        lab = lab.forward("udp", 20_000 + 2 * port, "192.168.15.2:7000");
    }
    let begin = Instant::now();
    lab.up().success().shows(&["is changed"]);
    println!("{MANY} forwards in {:?}", begin.elapsed());
    let forwards = || nat()["forwards"].as_array().map(Vec::len);
    assert_eq!(forwards(), Some(usize::from(MANY) + 1));
    let _echo = UdpEcho::start("blue", "192.168.15.2:7000");
    for port in [20_000, 20_002, 20_000 + 2 * (MANY - 1)] {
        let by = ask(&udp("lan", "0.0.0.0:0", DEADLINE), &format!("192.168.1.10:{port}"));
        assert!(by.is_some(), "{port}");
    }
    assert_eq!(ask(&udp("lan", "0.0.0.0:0", SILENCE), "192.168.1.10:20001"), None);
    lab.up().success().shows(&["nothing to do"]);
    netns(&["forward", "add", "udp", "20001", "192.168.15.2:7000"])
        .fails_with_code(1, &["a lab can have at most 16383 rules: delete some first, or forward"]);
    assert_eq!(forwards(), Some(usize::from(MANY) + 1));
    lecture().up().success().shows(&["is changed"]);
    assert_eq!(forwards(), Some(1));
}

#[test]
fn a_forward_with_sources_accepts_only_those_sources() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let _echo = UdpEcho::start("blue", "192.168.15.2:53");
    let add = ["forward", "add", "udp", "5353", "192.168.15.2:53"];
    netns(&[&add[..], &["--from", "192.168.1.0/24", "--from", "192.168.15.2"]].concat()).success();
    let server = "192.168.1.10:5353";
    let asks = |place, wait| ask(&udp(place, "0.0.0.0:0", wait), server).is_some();
    assert!(asks("lan", DEADLINE));
    assert!(asks("blue", DEADLINE));
    assert!(asks("host", DEADLINE));
    assert!(!asks("red", SILENCE));
    let from_lo = udp("host", "127.0.0.1:0", SILENCE);
    assert_eq!(ask(&from_lo, "127.0.0.1:5353"), None);
    let rule = nat()["forwards"][1].clone();
    assert_eq!(rule["from"], serde_json::json!(["192.168.1.0/24", "192.168.15.2/32"]));
    netns(&["forward", "list"]).success().shows(&["FROM", "192.168.1.0/24, 192.168.15.2/32"]);
    netns(&["forward", "del", "udp", "5353"]).success();
    // A new rule with the same number does not inherit the sources.
    netns(&add).success();
    assert!(asks("red", DEADLINE));
}

#[test]
fn pitfall_moby_41872_a_port_published_on_loopback_is_unreachable_from_the_lan() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let _server = inside("blue").web_server("192.168.15.2", 80, "from blue");
    let add = ["forward", "add", "tcp", "3000-3099", "192.168.15.2:80", "--address", "127.0.0.1"];
    netns(&add).success();
    inside("host").curl("http://127.0.0.1:3000/").success().shows(&["from blue"]);
    inside("host").curl("http://192.168.1.10:3000/").fails_with_code(7, &[]);
    inside("lan").curl("http://192.168.1.10:3000/").fails_with_code(7, &[]);
    inside("red").curl("http://192.168.1.10:3000/").fails_with_code(7, &[]);
    // A neighbour on the LAN sends packets for 127.0.0.1 to the router.
    let lan = inside("lan");
    for setting in ["all", "eth0"] {
        let key = format!("net.ipv4.conf.{setting}.route_localnet=1");
        lan.command("sysctl", &["-qw", &key]).success();
    }
    lan.command("ip", &["addr", "del", "127.0.0.1/8", "dev", "lo"]).success();
    lan.command("ip", &["route", "add", "127.0.0.1", "via", "192.168.1.10"]).success();
    let asked = lan.command("curl", &["-sS", "-m2", "http://127.0.0.1:3000/"]);
    assert!(!asked.status.success(), "{asked}");
}

#[test]
fn pitfall_moby_44742_only_the_peers_of_a_changed_forward_follow_it() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    netns(&["forward", "add", "udp", "6000-6009", "192.168.15.1:6000"]).success();
    netns(&["forward", "add", "udp", "7000", "192.168.15.1:6001"]).success();
    let red = UdpEcho::start("red", "192.168.15.1:6000");
    let neighbour = UdpEcho::start("red", "192.168.15.1:6001");
    let blue = UdpEcho::start("blue", "192.168.15.2:6000");
    let moved = udp("lan", "192.168.1.1:4000", DEADLINE);
    let stays = udp("lan", "192.168.1.1:4001", DEADLINE);
    assert!(ask(&moved, "192.168.1.10:6000").is_some());
    assert!(ask(&stays, "192.168.1.10:7000").is_some());
    let _ = (red.next_peer(), neighbour.next_peer());
    netns(&["forward", "del", "udp", "6000-6009"]).success();
    let kept = flows();
    assert_eq!(kept.len(), 1, "{kept:#?}");
    assert_eq!(kept[0]["external"], "192.168.1.10:7000");
    netns(&["forward", "add", "udp", "6000-6009", "192.168.15.2:6000"]).success();
    assert!(ask(&moved, "192.168.1.10:6000").is_some());
    let _ = blue.next_peer();
    assert!(ask(&stays, "192.168.1.10:7000").is_some());
    let _ = neighbour.next_peer();
}

#[test]
fn pitfall_moby_53384_a_changed_rule_ends_only_its_own_connections() {
    let _sandbox = Sandbox::new();
    let with = |target: &str, except: &str| {
        lecture()
            .replace("uplink = \"ens3\"\n", &format!("uplink = \"ens3\"\n{except}"))
            .forward("udp", 6000, target)
    };
    up(&with("192.168.15.1:6000", ""));
    let listener = inside("blue").run(|| TcpListener::bind("192.168.15.2:80")).expect("a listener");
    let red = UdpEcho::start("red", "192.168.15.1:6000");
    let blue = UdpEcho::start("blue", "192.168.15.2:6000");
    let peer = udp("lan", "192.168.1.1:4000", DEADLINE);
    let content = Stream::new();
    let going = AtomicBool::new(true);
    let received = thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let (mut stream, _) = accept(&listener).expect("a connection");
            receive_stream(&mut stream, &content).expect("a stream")
        });
        let mut stream =
            inside("lan").run(|| connect_from(0, "192.168.1.10:80")).expect("a connection");
        let (content, going) = (&content, &going);
        let sender = scope.spawn(move || {
            send_stream(&mut stream, content, |_| going.load(Ordering::Relaxed)).expect("a stream")
        });
        let stop = StopOnDrop(going);
        eventually("the transfer is under way", DEADLINE, || {
            count(&nat()["forwards"][0], "bytes") > 1 << 20
        });
        for _ in 0..3 {
            assert!(ask(&peer, "192.168.1.10:6000").is_some());
            let _ = red.next_peer();
            up(&with("192.168.15.2:6000", ""));
            assert!(ask(&peer, "192.168.1.10:6000").is_some());
            let _ = blue.next_peer();
            // A change of the masquerade does not change the forwards.
            let changed = with("192.168.15.2:6000", "except = [\"10.0.0.0/8\"]\n");
            let before = rule_flows();
            up(&changed);
            assert_eq!(rule_flows(), before, "connections of the forwards");
            up(&with("192.168.15.1:6000", ""));
        }
        drop(stop);
        let sent = sender.join().expect("a stream");
        let received = receiver.join().expect("equal bytes");
        assert_eq!(sent, received);
        received
    });
    assert!(received > 1 << 20);
}

/// The number of connections of forwards.
fn rule_flows() -> usize {
    flows().iter().filter(|flow| flow["kind"] == "forward").count()
}

struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[test]
fn only_excepted_networks_see_the_address_of_the_namespace() {
    let _sandbox = Sandbox::new();
    let except = "uplink = \"ens3\"\nexcept = [\"8.8.8.0/24\"]\n";
    up(&lecture().replace("uplink = \"ens3\"\n", except));
    inside("lan")
        .command("ip", &["route", "add", "192.168.15.0/24", "via", "192.168.1.10"])
        .success();
    let far = UdpEcho::start("lan", "8.8.8.8:53");
    let near = UdpEcho::start("lan", "192.168.1.1:53");
    let red = udp("red", "192.168.15.1:4000", DEADLINE);
    assert!(ask(&red, "8.8.8.8:53").is_some());
    assert_eq!(far.next_peer().to_string(), "192.168.15.1:4000");
    assert!(ask(&red, "192.168.1.1:53").is_some());
    assert_eq!(near.next_peer().to_string(), "192.168.1.10:4000");
    // The other direction, and TCP.
    inside("red").ping("8.8.8.8").success();
    inside("lan").command("ping", &["-c1", "-W2", "-I", "8.8.8.8", "192.168.15.1"]).success();
    inside("lan").cannot_ping("192.168.15.1");
    let listener = inside("lan").run(|| TcpListener::bind("8.8.8.8:80")).expect("a listener");
    let _stream = inside("red").run(|| connect_from(0, "8.8.8.8:80")).expect("a connection");
    let (_, peer) = accept(&listener).expect("a connection");
    assert_eq!(peer.ip().to_string(), "192.168.15.1");
    // Without the exception no packet leaves with an inside address.
    up(&lecture());
    assert!(ask(&red, "8.8.8.8:53").is_some());
    assert_eq!(far.next_peer().to_string(), "192.168.1.10:4000");
}

#[test]
fn a_masquerade_with_a_fixed_address_uses_it() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let delete = || netns(&["masquerade", "del", "192.168.15.0/24"]).success();
    delete();
    let add = ["masquerade", "add", "192.168.15.0/24", "--uplink", "ens3", "--to", "192.168.1.20"];
    netns(&add).fails_with_code(
        1,
        &["the router has no address 192.168.1.20 at ens3: use one of 192.168.1.10"],
    );
    inside("host").command("ip", &["addr", "add", "192.168.1.20/24", "dev", "ens3"]).success();
    netns(&add).success().shows(&["masquerade 192.168.15.0/24 out of ens3 as 192.168.1.20"]);
    let listener = inside("lan").run(|| TcpListener::bind("8.8.8.8:80")).expect("a listener");
    let mut stream = inside("red").run(|| connect_from(0, "8.8.8.8:80")).expect("a connection");
    let (mut server, peer) = accept(&listener).expect("a connection");
    assert_eq!(peer.ip().to_string(), "192.168.1.20");
    // Longer than the interval at which routes are looked up again, about a second.
    eventually("a connection of some seconds", DEADLINE, || {
        stream.write_all(b"ping").expect("four bytes");
        server.read_exact(&mut [0; 4]).expect("four bytes");
        let flows = flows();
        let flow = flows.iter().find(|flow| flow["protocol"] == "tcp").expect("the connection");
        assert_eq!(flow["external"].as_str(), Some(&*peer.to_string()), "{flow:#}");
        count(flow, "age_seconds") >= 3
    });
    inside("blue").ping("8.8.8.8").success();
    // Through a forward of that address, from inside and outside.
    let _web = inside("blue").web_server("192.168.15.2", 80, "from blue");
    inside("red").curl("http://192.168.1.20/").success().shows(&["from blue"]);
    inside("lan").curl("http://192.168.1.20/").success().shows(&["from blue"]);
}

#[test]
fn the_mss_is_clamped_in_both_directions() {
    let _sandbox = Sandbox::new();
    up(&lecture().replace("uplink = \"ens3\"\n", "uplink = \"ens3\"\nmss_clamp = 1200\n"));
    let sizes = |client: &str, server: &str, listen: &str, call: &str| {
        let listener = inside(server).run(|| TcpListener::bind(listen)).expect("a listener");
        let stream = inside(client).run(|| connect_from(0, call)).expect("a connection");
        let (accepted, _) = accept(&listener).expect("a connection");
        [stream, accepted].map(|stream| segment(&stream))
    };
    let clamped = |sizes: [u32; 2]| assert!(sizes.iter().all(|size| *size <= 1200), "{sizes:?}");
    clamped(sizes("red", "lan", "8.8.8.8:80", "8.8.8.8:80"));
    clamped(sizes("lan", "blue", "192.168.15.2:80", "192.168.1.10:80"));
    let free = sizes("red", "blue", "192.168.15.2:81", "192.168.15.2:81");
    assert!(free.iter().all(|size| *size > 1400), "{free:?}");
    stream_whole((&inside("red"), "8.8.8.8:81"), (&inside("lan"), "8.8.8.8:81"), 2);
}

/// The MSS of a connection, without options, in bytes.
fn segment(stream: &TcpStream) -> u32 {
    nix::sys::socket::getsockopt(stream, nix::sys::socket::sockopt::TcpMaxSeg).expect("a size")
}

#[test]
fn rules_are_explained_as_iptables_commands() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let dry =
        |words: &str| netns(&words.split(' ').chain(["--dry-run"]).collect::<Vec<_>>()).success();
    dry("forward add tcp 8000-17999 192.168.15.2:8000 --from 10.0.0.0/8").shows(&[
        "ip netns exec host iptables -t nat -A PREROUTING -p tcp -s 10.0.0.0/8 -m addrtype \
         --dst-type LOCAL --dport 8000:17999 -j DNAT --to-destination \
         192.168.15.2:8000-17999/8000",
    ]);
    dry("masquerade add 192.168.15.1/32 --uplink ens3 --except 10.0.0.0/8 --mss-clamp pmtu").shows(
        &[
            "-A POSTROUTING -s 192.168.15.1/32 -o ens3 ! -d 10.0.0.0/8 -j MASQUERADE",
            "-A FORWARD -s 192.168.15.1/32 -o ens3 -p tcp --tcp-flags SYN,RST SYN -j TCPMSS \
         --clamp-mss-to-pmtu",
        ],
    );
    netns(&["forward", "add", "tcp", "60000-60010", "192.168.15.2:65530"])
        .fails_with_code(1, &["does not fit at 192.168.15.2:65530"]);
    netns(&["masquerade", "list"]).success().shows(&["192.168.15.0/24", "ens3"]);
}
