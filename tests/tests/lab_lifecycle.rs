//! The life of a lab: `up` builds all of it, it stays, and `down` removes every trace.

use std::fs;

use netns_common::abi::SCHEMA;
use netns_tests::{Machine, Sandbox, inside, lab, lab_is_up, lecture, netns, number, outside, own};

#[test]
fn the_lectures_lab_has_the_drawn_links_and_addresses() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    assert_eq!(inside("red").interfaces(), ["veth-red"]);
    assert_eq!(inside("blue").interfaces(), ["veth-blue"]);
    assert_eq!(inside("lan").interfaces(), ["eth0"]);
    let router = inside("host").interfaces();
    // Without the link to the reassembler.
    let drawn: Vec<_> = router.iter().filter(|name| !name.starts_with("frag-")).collect();
    assert_eq!(drawn, ["ens3", "v-net-0", "veth-blue-br", "veth-red-br"]);
    let addresses = [
        ("red", "192.168.15.1/24"),
        ("blue", "192.168.15.2/24"),
        ("host", "192.168.15.5/24"),
        ("host", "192.168.1.10/24"),
        ("lan", "192.168.1.1/24"),
        ("lan", "8.8.8.8"),
    ];
    for (namespace, address) in addresses {
        inside(namespace).command("ip", &["address", "show"]).success().shows(&[address]);
    }
    assert!(own().interfaces().is_empty(), "the machine's own namespace is none of its business");
}

#[test]
fn namespaces_ping_each_other_and_the_host() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    inside("red").ping("192.168.15.2").success();
    inside("blue").ping("192.168.15.1").success();
    inside("host").ping("192.168.15.1").success();
    inside("host").ping("192.168.15.2").success();
    inside("red").ping("192.168.15.5").success();
    inside("red").ping("192.168.1.10").success();
    inside("host").ping("192.168.1.1").success();
    inside("host").ping("8.8.8.8").success();
}

#[test]
fn up_without_a_file_builds_the_lectures_lab() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    // `up` with an equal topology changes nothing.
    lecture().up().success();
}

#[test]
fn a_lab_needs_no_running_process_of_netns() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    lab_is_up();
    assert_eq!(before.processes, Machine::now().processes);
    inside("red").ping("8.8.8.8").success();
}

#[test]
fn a_second_up_changes_nothing() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let links = inside("host").command("ip", &["-oneline", "link", "show"]).success().stdout;
    let once = Machine::now();
    lab_is_up();
    once.is_unchanged();
    let again = inside("host").command("ip", &["-oneline", "link", "show"]).success().stdout;
    assert_eq!(links, again);
}

#[test]
fn up_with_an_invalid_file_leaves_the_lab_unchanged() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    own().command("ip", &["netns", "add", "green"]).success();
    let up = Machine::now();
    let taken = lecture().namespace("green", "v-net-0", "192.168.15.3/24").up();
    taken.fails_with(&["namespace \"green\" already exists"]);
    up.is_unchanged();
    inside("red").ping("192.168.15.2").success();
}

#[test]
fn status_lists_existing_and_missing_objects() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    netns(&["status"]).success().shows(&["lecture", "red", "192.168.15.1/24", "v-net-0", "ens3"]);
    netns(&["status", "lecture"]).success();
    let json = netns(&["status", "--json"]).json();
    let labs = json.as_array().expect("a list");
    assert_eq!(labs.len(), 1, "{json:#}");
    assert_eq!(labs[0]["lab"], "lecture");
    own().command("ip", &["netns", "del", "red"]).success();
    let damaged = netns(&["status", "lecture"]);
    assert_eq!(damaged.status.code(), Some(1), "{damaged}\nexpected that red is missed");
    damaged.shows(&["red"]);
}

#[test]
fn status_reports_a_cable_without_its_program() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let links = format!("/sys/fs/bpf/netns/lecture/v{SCHEMA}/links");
    let pins = fs::read_dir(links).expect("the pins").flatten().map(|entry| entry.path());
    let of_cables = pins.filter(|pin| pin.to_string_lossy().contains("from_namespace"));
    of_cables.for_each(|pin| fs::remove_file(pin).expect("a pin goes"));
    let status = netns(&["status"]);
    assert_eq!(status.status.code(), Some(1), "{status}\nexpected that the programs are missed");
    let unwatched = status.stdout.lines().filter(|line| line.contains("no program attached"));
    assert_eq!(unwatched.count(), 2, "{status}");
    netns(&["plan"]).success().shows(&["at veth-red-br", "at veth-blue-br"]);
    netns(&["up"]).success();
    netns(&["status"]).success();
    inside("red").ping("8.8.8.8").success();
}

#[test]
fn an_unreadable_record_does_not_block_other_labs() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    fs::create_dir("/run/netns-labs/junk").expect("a folder");
    fs::write("/run/netns-labs/junk/state.toml", "\u{0}\nnonsense =").expect("a bad record");
    for command in [&["status"][..], &["list"]] {
        let output = netns(command).success().shows(&["lecture", "red"]);
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
        assert!(output.stderr.contains("warning: the record of lab \"junk\""), "{output}");
    }
    netns(&["nat"]).success();
    netns(&["status", "lecture"]).success();
    netns(&["status", "junk"]).fails_with(&["junk"]);
    netns(&["down", "lecture"]).success();
    lab_is_up();
    netns(&["down"]).success();
    netns(&["down"]).fails_with(&["netns down junk"]);
    netns(&["down", "junk"]).success().shows(&["\"junk\" is down"]);
    netns(&["down"]).success().shows(&["no lab is up"]);
}

#[test]
fn down_removes_everything() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    for down in [&["down"][..], &["down", "lecture"]] {
        lab_is_up();
        netns(down).success();
        before.is_unchanged();
    }
    let file = lecture().write();
    let path = file.path().to_str().expect("a plain path");
    netns(&["up", path]).success();
    netns(&["down", path]).success();
    before.is_unchanged();
}

#[test]
fn down_of_a_lab_that_is_down_is_no_error() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    netns(&["down", "lecture"]).success();
    before.is_unchanged();
}

#[test]
fn two_labs_can_be_up_at_the_same_time() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    lab_is_up();
    let second = lab("second")
        .router("gate")
        .uplink("ens3", "192.168.1.10/24", &outside("street", "192.168.1.1/24", &["8.8.8.8"]))
        .bridge("v-net-0", "192.168.15.5/24")
        .namespace("cat", "v-net-0", "192.168.15.1/24")
        .masquerade("192.168.15.0/24", "ens3");
    second.up().success();
    inside("red").ping("8.8.8.8").success();
    inside("cat").ping("8.8.8.8").success();
    // With two labs the command needs a name.
    netns(&["nat"]).fails_with(&["lecture", "second"]);
    netns(&["down"]).fails_with(&["lecture", "second"]);
    netns(&["down", "lecture"]).success();
    inside("cat").ping("8.8.8.8").success();
    netns(&["down", "second"]).success();
    before.is_unchanged();
}

#[test]
fn up_refuses_a_namespace_name_that_is_taken() {
    let _sandbox = Sandbox::new();
    netns(&["add", "blue"]).success();
    let before = Machine::now();
    netns(&["up"]).fails_with(&["blue", "already exists"]);
    before.is_unchanged();
    netns(&["exec", "blue", "--", "true"]).success();
}

#[test]
fn up_refuses_a_namespace_name_of_another_lab() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let before = Machine::now();
    lab("other")
        .router("gate")
        .uplink("ens3", "192.168.1.10/24", &outside("street", "192.168.1.1/24", &[]))
        .bridge("v-net-0", "10.9.0.1/24")
        .namespace("red", "v-net-0", "10.9.0.2/24")
        .up()
        .fails_with(&["red", "lecture"]);
    before.is_unchanged();
    inside("red").ping("192.168.15.2").success();
}

#[test]
fn down_completes_a_partial_deletion_by_hand() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    for gone in ["red", "host", "lan"] {
        lab_is_up();
        own().command("ip", &["netns", "del", gone]).success();
        netns(&["down"]).success();
        before.is_unchanged();
    }
    lab_is_up();
    inside("host").command("ip", &["link", "del", "v-net-0"]).success();
    inside("host").command("ip", &["link", "del", "veth-red-br"]).success();
    netns(&["down"]).success();
    before.is_unchanged();
}

#[test]
fn down_keeps_a_foreign_namespace_of_the_same_name() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    for command in ["del", "add"] {
        own().command("ip", &["netns", command, "red"]).success();
    }
    inside("red").command("ip", &["link", "add", "mine", "type", "bridge"]).success();
    let status = netns(&["status"]);
    assert_eq!(status.status.code(), Some(1), "{status}\nexpected that the lab's red is missed");
    status.shows(&["MISSING", "replaced"]);
    let down = netns(&["down"]).success();
    assert!(down.stderr.contains("warning: namespace \"red\""), "{down}");
    assert_eq!(inside("red").interfaces(), ["mine"]);
    assert!(!fs::exists("/run/netns-labs/lecture").expect("a folder"), "the lab itself is gone");
}

#[test]
fn a_failed_up_leaves_nothing_behind() {
    let _sandbox = Sandbox::new();
    // A folder in the place of the pins makes the last step fail.
    fs::create_dir("/sys/fs/bpf/netns").expect("a folder in bpffs");
    let read_only = ["-t", "tmpfs", "-o", "ro", "tmpfs", "/sys/fs/bpf/netns"];
    own().command("mount", &read_only).success();
    let before = Machine::now();
    netns(&["up"]).fails_with(&["/sys/fs/bpf/netns"]);
    before.is_unchanged();
    own().command("umount", &["/sys/fs/bpf/netns"]).success();
    lab_is_up();
    inside("red").ping("8.8.8.8").success();
}

#[test]
fn up_refuses_a_lab_whose_pins_exist_without_a_record() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    // As in a container that shares bpffs but not /run.
    fs::rename("/run/netns-labs", "/run/elsewhere").expect("the records go");
    let before = Machine::now();
    lecture()
        .replace("\"host\"", "\"gate\"")
        .replace("\"lan\"", "\"street\"")
        .replace("\"red\"", "\"cat\"")
        .replace("\"blue\"", "\"dog\"")
        .up()
        .fails_with(&["lecture", "already installed", "/sys/fs/bpf/netns/lecture"]);
    before.is_unchanged();
    inside("red").ping("8.8.8.8").success();
    fs::remove_dir("/run/netns-labs").expect("an empty folder");
    fs::rename("/run/elsewhere", "/run/netns-labs").expect("the records return");
    netns(&["status"]).success();
}

#[test]
fn repeated_up_and_down_leave_nothing_behind() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    for round in 0..number("NETNS_ROUNDS").unwrap_or(10) {
        lab_is_up();
        if round % 10 == 0 {
            inside("red").ping("8.8.8.8").success();
        }
        netns(&["down"]).success();
    }
    before.is_unchanged();
}

#[test]
fn a_lab_can_use_the_machine_as_its_router() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("up0");
    let before = Machine::now();
    let own_lab = lab("own")
        .own_uplink("up0")
        .bridge("br0", "10.9.0.1/24")
        .namespace("green", "br0", "10.9.0.2/24")
        .masquerade("10.9.0.0/24", "up0")
        .forward("tcp", 8080, "10.9.0.2:80");
    own_lab.up().success();
    let mut capture = inside("outside").capture("eth0");
    inside("green").ping("192.168.1.1").success();
    capture.wait_for("192.168.1.10 > 192.168.1.1: ICMP echo request");
    let _server = inside("green").web_server("10.9.0.2", 80, "from green");
    inside("outside").curl("http://192.168.1.10:8080/").success().shows(&["from green"]);
    own().curl("http://127.0.0.1:8080/").success().shows(&["from green"]);
    let packets = capture.stop();
    assert!(!packets.iter().any(|line| line.contains("10.9.0.")), "{packets:#?}");
    own().has_no_netfilter_rules();
    drop(_server);
    netns(&["down"]).success();
    before.is_unchanged();
}

#[test]
fn the_uplink_auto_is_the_one_of_the_default_route() {
    let sandbox = Sandbox::new();
    let own_lab = lab("own")
        .own_uplink("auto")
        .bridge("br0", "10.9.0.1/24")
        .namespace("green", "br0", "10.9.0.2/24")
        .masquerade("10.9.0.0/24", "auto");
    let before = Machine::now();
    own_lab.up().fails_with(&["auto", "default route"]);
    before.is_unchanged();
    sandbox.with_uplink("up0");
    own_lab.up().success();
    inside("green").ping("192.168.1.1").success();
    netns(&["status"]).success().shows(&["up0"]);
}

/// In each of them, even with many namespaces.
#[test]
fn ipv6_is_off_in_every_namespace() {
    const MANY: usize = 70;
    let _sandbox = Sandbox::new();
    lab("many")
        .router("gw")
        .uplink("wan", "192.168.1.10/24", &outside("net", "192.168.1.1/24", &[]))
        .bridge("br", "10.1.0.1/24")
        .many("n", "br", MANY)
        .up()
        .success();
    let many = (1..=MANY).map(|number| format!("n-{number}"));
    for name in many.chain(["gw", "net"].map(str::to_owned)) {
        let place = inside(&name);
        let setting = "/proc/sys/net/ipv6/conf/all/disable_ipv6";
        let off = place.run(|| std::fs::read_to_string(setting)).expect("the setting");
        assert_eq!(off, "1\n", "{name}");
        assert_eq!(place.command("ip", &["-6", "address"]).success().stdout, "", "{name}");
    }
}
