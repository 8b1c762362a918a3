//! `up` of a lab that is up applies the differences; everything else keeps its connections.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use netns_tests::{
    DEADLINE, LabFile, Machine, Pings, Sandbox, Stream, accept, connect_from, eventually, flows,
    host_state, inside, lab_is_up, lecture, netns, netns_line, own, receive_stream, send_stream,
};

/// Runs a command of `netns` with a lab's file.
#[track_caller]
fn with_file(command: &str, lab: &LabFile) -> netns_tests::Output {
    let file = lab.write();
    netns(&[command, file.path().to_str().expect("a plain path")])
}

/// Changes the lab, and compares it with a lab built from the new file.
#[track_caller]
fn change_to(lab: &LabFile) {
    let before = Machine::now();
    let plan = with_file("plan", lab).success();
    assert!(!plan.stdout.contains("nothing to do"), "{plan}");
    before.is_unchanged();
    lab.up().success().shows(&["is changed"]);
    netns(&["status"]).success();
    with_file("plan", lab).success().shows(&["nothing to do"]);
    lab.up().success().shows(&["nothing to do"]);
}

/// Files that the lecture's lab is changed to, one after another. Red and blue stay unchanged.
fn changes() -> Vec<LabFile> {
    let green = lecture().namespace("green", "v-net-0", "192.168.15.3/24");
    vec![
        green.clone(),
        green.clone().replace("192.168.15.3/24", "192.168.15.33/24"),
        green.clone().replace("name = \"green\"", "name = \"green\"\nmtu = 1400"),
        green.clone().replace("name = \"green\"", "name = \"green\"\ninterface = \"eth0\""),
        green
            .clone()
            .bridge("v-net-1", "10.1.0.1/24")
            .namespace("grey", "v-net-1", "10.1.0.2/24")
            .masquerade("10.1.0.0/24", "ens3")
            .forward("tcp", 8080, "10.1.0.2:80"),
        lecture()
            .bridge("v-net-1", "10.1.0.1/24")
            .namespace("green", "v-net-1", "10.1.0.3/24")
            .forward("udp", 53, "10.1.0.3:53"),
        lecture().forward("tcp", 8080, "192.168.15.2:80"),
        lecture().text("[nat]\nsource_check = false"),
        lecture().replace("answers = [\"8.8.8.8\"]", "answers = [\"8.8.8.8\", \"9.9.9.9\"]"),
    ]
}

/// A transfer from one namespace to an address that leads to a listener in another one.
fn transfer(from: &str, to: (&str, &str), by: &str, content: &Stream, going: &AtomicBool) -> u64 {
    let listener = inside(to.0).run(|| TcpListener::bind(to.1)).expect("a listener");
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let (mut stream, _) = accept(&listener).expect("a connection");
            receive_stream(&mut stream, content).expect("a stream")
        });
        let mut stream: TcpStream = inside(from).run(|| connect_from(0, by)).expect("a connection");
        let sent = send_stream(&mut stream, content, |_| going.load(Ordering::Relaxed));
        let received = receiver.join().expect("equal bytes");
        assert_eq!(sent.expect("a stream"), received, "{from} to {by}");
        received
    })
}

/// Stops the background threads when it is dropped, even if a change fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[test]
fn transfers_continue_unchanged_while_the_lab_changes() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let (content, going) = (Stream::new(), AtomicBool::new(true));
    let (content, going) = (&content, &going);
    let ways = [
        ("red", ("blue", "192.168.15.2:5001"), "192.168.15.2:5001"),
        ("red", ("lan", "192.168.1.1:5002"), "192.168.1.1:5002"),
        ("lan", ("blue", "192.168.15.2:80"), "192.168.1.10:80"),
    ];
    thread::scope(|scope| {
        let transfers =
            ways.map(|(from, to, by)| scope.spawn(move || transfer(from, to, by, content, going)));
        let stop = Stop(going);
        // The transfers run before the first change.
        eventually("the connections are tracked", DEADLINE, || flows().len() >= 2);
        for lab in changes() {
            change_to(&lab);
        }
        change_to(&lecture());
        drop(stop);
        for transfer in transfers {
            assert!(transfer.join().expect("a transfer") > 1 << 20);
        }
    });
}

#[test]
fn no_ping_of_an_untouched_namespace_is_lost() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let pings = [("red", "8.8.8.8"), ("red", "192.168.15.2"), ("blue", "192.168.1.1")]
        .map(|(from, to)| Pings::start(&inside(from), to));
    for lab in changes() {
        change_to(&lab);
    }
    pings.into_iter().for_each(Pings::end_without_loss);
}

#[test]
fn a_changed_lab_equals_one_built_from_the_new_file() {
    for lab in changes() {
        let changed = {
            let _sandbox = Sandbox::new();
            lab_is_up();
            change_to(&lab);
            host_state()
        };
        let _second = Sandbox::new();
        lab.up().success();
        assert_eq!(changed, host_state());
    }
}

#[test]
fn connections_of_removed_objects_are_forgotten() {
    let _sandbox = Sandbox::new();
    let green = lecture().namespace("green", "v-net-0", "192.168.15.3/24");
    green.up().success();
    inside("red").ping("8.8.8.8").success();
    inside("green").ping("8.8.8.8").success();
    assert_eq!(flows().len(), 2);
    lecture().up().success();
    let left = flows();
    assert_eq!(left.len(), 1, "{left:#?}");
    assert!(left[0]["inside"].to_string().contains("192.168.15.1:"), "{left:#?}");
    // Without its rule the other connection ends too.
    lecture()
        .replace("[[masquerade]]\nsource = \"192.168.15.0/24\"\nuplink = \"ens3\"", "")
        .up()
        .success();
    assert!(flows().is_empty());
    inside("red").cannot_ping("8.8.8.8");
}

#[test]
fn up_repairs_objects_broken_by_hand() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let whole = host_state();
    let breaks: [(&str, &[&str]); 8] = [
        ("ip", &["netns", "del", "blue"]),
        ("ip", &["-n", "host", "link", "del", "veth-red-br"]),
        ("ip", &["-n", "red", "link", "set", "veth-red", "down"]),
        ("ip", &["-n", "red", "addr", "flush", "dev", "veth-red"]),
        ("ip", &["-n", "red", "route", "del", "default"]),
        ("ip", &["-n", "host", "link", "del", "v-net-0"]),
        ("rm", &["-r", "/sys/fs/bpf/netns/lecture"]),
        ("ip", &["netns", "del", "host"]),
    ];
    for (program, arguments) in breaks {
        own().command(program, arguments).success();
        // The cable of a deleted namespace disappears a moment later. A router without a name
        // disappears with its datapath.
        eventually("the cable of what is gone is gone", DEADLINE, || {
            let is_there = |name| fs::exists(format!("/run/netns/{name}")).expect("a path");
            is_there("blue")
                || !is_there("host")
                || !inside("host").interfaces().iter().any(|name| name == "veth-blue-br")
        });
        let status = netns(&["status"]);
        let plan = netns(&["plan"]).success();
        assert!(!plan.stdout.contains("nothing to do"), "{program} {arguments:?}\n{plan}");
        netns(&["up"]).success().shows(&["is changed"]);
        netns(&["status"]).success();
        let now = host_state();
        let different: Vec<_> = now.symmetric_difference(&whole).collect();
        assert!(different.is_empty(), "{program} {arguments:?}\n{different:#?}\n{status}\n{plan}");
        inside("red").ping("8.8.8.8").success();
        inside("red").ping("192.168.15.2").success();
    }
}

#[test]
fn up_keeps_objects_added_by_hand_but_removes_rules() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let hand = |line: &str| drop(netns_line(line).success());
    hand("addr add 10.7.0.1/24 red:veth-red --force");
    hand("route add red:10.8.0.0/16 --via 10.7.0.2 --force");
    hand("route add red:10.9.0.0/16 --via 192.168.15.5 --force");
    hand("cable add red:x blue:y");
    let by_hand = host_state();
    netns(&["plan"]).success().shows(&["nothing to do"]);
    hand("forward add tcp 8080 192.168.15.1:80");
    let plan = netns(&["plan"]).success();
    plan.shows(&["-  rule  forward tcp 8080", "everything else stays, also objects added by hand"]);
    lecture().up().success().shows(&["is changed"]);
    assert_eq!(host_state(), by_hand);
    // An object that the file then names belongs to the lab, and is removed with its entry.
    let asked = lecture().replace(
        "name = \"red\"",
        "name = \"red\"\nroutes = [{ to = \"10.9.0.0/16\", via = \"192.168.15.5\" }]",
    );
    asked.up().success();
    assert_eq!(host_state(), by_hand);
    lecture().up().success();
    let gone: Vec<_> = by_hand.difference(&host_state()).cloned().collect();
    assert!(gone.len() == 1 && gone[0].contains("10.9.0.0/16"), "{gone:#?}");
}

#[test]
fn a_change_that_the_kernel_refuses_is_rolled_back() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    inside("red").ping("8.8.8.8").success();
    let before = Machine::now();
    let stood = host_state();
    // Only the kernel refuses a gateway for a multicast destination.
    let green = lecture().namespace("green", "v-net-0", "192.168.15.3/24");
    let impossible = green.namespace("grey", "v-net-0", "192.168.15.4/24").replace(
        "name = \"grey\"",
        "name = \"grey\"\nroutes = [{ to = \"224.0.0.0/4\", via = \"192.168.15.4\" }]",
    );
    let refused = impossible.up();
    assert!(!refused.status.success(), "the kernel took it: {refused}");
    before.is_unchanged();
    assert_eq!(host_state(), stood, "{refused}");
    netns(&["status"]).success();
    assert_eq!(flows().len(), 1);
}

#[test]
fn status_reports_interfaces_that_are_down() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let cases =
        [("host", "veth-blue-br"), ("blue", "veth-blue"), ("host", "v-net-0"), ("host", "ens3")];
    for (namespace, interface) in cases {
        inside(namespace).command("ip", &["link", "set", interface, "down"]).success();
        let status = netns(&["status"]);
        assert_eq!(status.status.code(), Some(1), "{status}\nexpected that {interface} is off");
        status.shows(&[" 1 off", "OFF", &format!("off: {namespace}:{interface}")]);
        let json = netns(&["status", "--json"]).stdout;
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let parts = json[0]["parts"].as_array().expect("a list").iter();
        let off: Vec<_> = parts.flat_map(|part| part["off"].as_array().expect("a list")).collect();
        assert_eq!(off, [&format!("{namespace}:{interface}")]);
        netns(&["up"]).success();
        netns(&["status"]).success();
    }
}

#[test]
fn a_namespace_moves_to_another_router_with_the_interface_that_it_had() {
    let _sandbox = Sandbox::new();
    let lab = |router: &str| {
        let lab = netns_tests::lab("moves").router(router).bridge("br", "10.1.0.254/24");
        let red = lab.namespace("red", "br", "10.1.0.1/24");
        red.replace("name = \"red\"", "name = \"red\"\ninterface = \"eth0\"")
    };
    lab("first").up().success();
    for router in ["second", "first"] {
        change_to(&lab(router));
        netns(&["exec", "red", "--", "ping", "-c", "1", "-W", "5", router]).success();
    }
}
