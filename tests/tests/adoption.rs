//! `netns up --adopt`: a network that was made by hand becomes a lab.

use std::net::TcpListener;

use netns_tests::{
    Machine, Sandbox, accept, connect_from, exchange, inside, lab, lecture, netns, own,
};

/// The lecture's network, as it is typed with `ip`: without forwarding, and without the default
/// routes of red and blue.
const TYPED: &str = "
    ip netns add red; ip netns add blue; ip netns add host; ip netns add lan
    ip -n host link add v-net-0 type bridge; ip -n host link set v-net-0 up
    ip -n red link add veth-red type veth peer name veth-red-br netns host
    ip -n blue link add veth-blue type veth peer name veth-blue-br netns host
    ip -n host link set veth-red-br master v-net-0; ip -n host link set veth-blue-br master v-net-0
    ip -n red addr add 192.168.15.1/24 dev veth-red
    ip -n blue addr add 192.168.15.2/24 dev veth-blue
    ip -n red link set veth-red up; ip -n blue link set veth-blue up
    ip -n host link set veth-red-br up; ip -n host link set veth-blue-br up
    ip -n host addr add 192.168.15.5/24 dev v-net-0
    ip -n host link add ens3 type veth peer name eth0 netns lan
    ip -n host addr add 192.168.1.10/24 dev ens3; ip -n lan addr add 192.168.1.1/24 dev eth0
    ip -n host link set ens3 up; ip -n lan link set eth0 up; ip -n lan link set lo up
    ip -n host route add default via 192.168.1.1";

#[track_caller]
fn run(script: &str) {
    own().command("sh", &["-ec", script]).success();
}

/// The cookies and link addresses of the namespaces, their addresses and routes, and which of their
/// interfaces forward packets.
fn state() -> String {
    let script = "for n in red blue host lan; do echo $n; stat -Lc %i /run/netns/$n
        ip -n $n -br link; ip -n $n -4 -br addr; ip -n $n route; ip netns exec $n sh -c \
        'grep . /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv6/conf/*/disable_ipv6'; done";
    own().command("sh", &["-ec", script]).success().stdout
}

#[test]
fn a_network_made_by_hand_becomes_a_lab_and_keeps_its_connections() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    run(TYPED);
    let listener =
        inside("blue").run(|| TcpListener::bind("192.168.15.2:7000")).expect("to listen");
    let mut client =
        inside("red").run(|| connect_from(0, "192.168.15.2:7000")).expect("to connect");
    let (mut served, _) = accept(&listener).expect("a connection");
    inside("red").ping("192.168.15.5").success();
    let running = inside("red").start("sleep", &["1000"]);

    netns(&["up"]).fails_with(&["namespace \"red\"", "`netns up --adopt`"]);
    let plan = netns(&["plan", "--adopt"]).success();
    plan.shows(&[
        "=  namespace  red",
        "=  bridge     host:v-net-0",
        "=  cable      host:veth-red-br - red:veth-red",
        "=  address    192.168.15.5/24",
        "+  route      default via 192.168.15.5",
        "+  address    8.8.8.8/32",
        "+  datapath   lecture",
    ]);
    netns(&["up", "--adopt"]).success().shows(&["is up, with the network that was there"]);
    netns(&["status"]).success();
    netns(&["plan"]).success().shows(&["nothing to do"]);

    exchange(&mut client, &mut served, b"still here");
    inside("red").ping("192.168.15.5").success();
    inside("red").ping("8.8.8.8").success();
    let ps = netns(&["ps", "red"]).success();
    ps.shows(&["sleep 1000"]);
    let _server = inside("blue").web_server("192.168.15.2", 80, "from blue");
    inside("lan").curl("http://192.168.1.10/").success().shows(&["from blue"]);
    drop((client, served, listener, running));

    netns(&["down", "--kill"]).success();
    before.is_unchanged();
}

#[test]
fn a_masquerade_of_iptables_is_named_and_its_command_deletes_it() {
    const RULE: &str = "-s 192.168.15.0/24 -j MASQUERADE";
    const ADD: &str = "ip netns exec host iptables -t nat -A POSTROUTING";
    for (option, effect) in [
        (&[][..], "packets of the lab bypass it"),
        (&["--via-stack"], "it translates packets of the lab before the lab does"),
    ] {
        let _sandbox = Sandbox::new();
        run(TYPED);
        run(&format!("{ADD} {RULE}"));
        let words: Vec<&str> = ["up", "--adopt"].iter().chain(option).copied().collect();
        let up = netns(&words).success();
        let part = "\"from 192.168.15.0/24 masquerade\"";
        for part in [part, effect, "in namespace \"host\""] {
            assert!(up.stderr.contains(part), "{up}\nexpected {part:?}");
        }
        let note = up.stderr.lines().find(|line| line.contains("deletes it")).expect("a note");
        let command = note.split('`').nth(1).expect("a command");
        inside("red").ping("8.8.8.8").success();
        let flows = netns_tests::flows().len();
        assert_eq!(flows, usize::from(option.is_empty()), "{note}");
        run(&command.replace("netns exec host --", "ip netns exec host"));
        inside("red").ping("8.8.8.8").success();
        assert!(!netns_tests::flows().is_empty());
    }
}

#[test]
fn parts_that_are_missing_are_added() {
    let _sandbox = Sandbox::new();
    run("ip netns add red; ip netns add host; ip -n host link add v-net-0 type bridge");
    netns(&["up", "--adopt"]).success();
    netns(&["status"]).success();
    inside("red").ping("8.8.8.8").success();
    netns(&["up", "--adopt"]).success().shows(&["already up"]);
    netns(&["down"]).success();
    // Nothing to adopt.
    netns(&["up", "--adopt"]).success().shows(&["lab \"lecture\" is up\n"]);
}

#[test]
fn what_is_of_another_kind_is_refused_and_each_is_named() {
    let _sandbox = Sandbox::new();
    run("ip netns add red; ip netns add host; ip netns add blue
        ip -n host link add v-net-0 type veth peer name other
        ip -n red link add veth-red type veth peer name elsewhere netns blue
        ip -n host link add br1 type bridge
        ip -n host link add veth-blue-br type veth peer name veth-blue netns blue
        ip -n host link set veth-blue-br master br1");
    let before = Machine::now();
    netns(&["up", "--adopt"]).fails_with(&[
        "interface \"host:v-net-0\"",
        "it is not a bridge",
        "interface \"red:veth-red\"",
        "not an end of a cable host:veth-red-br - red:veth-red",
        "interface \"host:veth-blue-br\"",
        "it is a port of bridge \"br1\", and should be of bridge \"v-net-0\"",
    ]);
    before.is_unchanged();
}

#[test]
fn namespaces_of_another_lab_are_not_adopted() {
    let _sandbox = Sandbox::new();
    lecture().up().success();
    let other = lecture().replace("\"lecture\"", "\"other\"").write();
    let path = other.path().to_str().expect("a plain path");
    netns(&["up", "--adopt", path]).fails_with(&["\"red\" already belongs to lab \"lecture\""]);
    netns(&["plan", "--adopt", path]).fails_with(&["\"red\" already belongs to lab \"lecture\""]);
    netns(&["status"]).success();
}

#[test]
fn a_network_that_could_not_be_adopted_is_as_it_was() {
    let _sandbox = Sandbox::new();
    run(TYPED);
    // The kernel gives a loopback its address, and never takes it away.
    run("for n in red blue host lan; do ip -n $n link set lo up; done");
    // The pins cannot be made, which `up` finds out after the network was changed.
    run("mkdir /sys/fs/bpf/netns /run/empty; mount --bind /run/empty /sys/fs/bpf/netns
        mount -o remount,bind,ro /sys/fs/bpf/netns");
    let before = state();
    netns(&["up", "--adopt"]).fails_with(&["/sys/fs/bpf/netns", "Read-only"]);
    assert_eq!(state(), before);
    netns(&["status"]).success().shows(&["no lab is up"]);
    run("umount /sys/fs/bpf/netns");
    netns(&["up", "--adopt"]).success();
    netns(&["status"]).success();
}

#[test]
fn a_bridge_of_the_machine_is_adopted_with_its_cables() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    let before = Machine::now();
    run("ip netns add red; ip link add br-a type bridge; ip link set br-a up
        ip addr add 10.9.1.1/24 dev br-a
        ip link add veth-red-br type veth peer name veth-red netns red
        ip link set veth-red-br master br-a up; ip -n red link set veth-red up
        ip -n red addr add 10.9.1.2/24 dev veth-red; ip -n red route add default via 10.9.1.1");
    let lab = lab("own")
        .own_uplink("wan0")
        .bridge("br-a", "10.9.1.1/24")
        .namespace("red", "br-a", "10.9.1.2/24")
        .masquerade("10.9.1.0/24", "wan0");
    let file = lab.write();
    let path = file.path().to_str().expect("a plain path");
    netns(&["up", "--adopt", path]).success();
    netns(&["status"]).success();
    inside("red").ping("192.168.1.1").success();
    netns(&["down"]).success();
    before.is_unchanged();
}
