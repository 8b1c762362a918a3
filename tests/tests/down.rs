//! `netns down`: labs with processes in them, labs without a record, all labs, and networks that a
//! printed script has made.

use std::fs;

use netns_tests::{
    LabFile, Machine, Running, Sandbox, inside, lab, lab_is_up, lab_on_machine, lecture, netns, own,
};
use serde_json::json;

/// A lab that shares no name with the lecture's.
fn second() -> LabFile {
    lab("second").router("gate").bridge("br-two", "10.2.0.1/24").namespace(
        "green",
        "br-two",
        "10.2.0.2/24",
    )
}

/// A lab with the machine as its router.
fn own_lab() -> LabFile {
    lab_on_machine("wan").replace("\"red\"", "\"green\"").forward("tcp", 8080, "10.9.0.2:80")
}

fn sleeper(namespace: &str) -> Running {
    let mut running = inside(namespace).start("sh", &["-c", "echo ready; sleep 1000"]);
    running.wait_for("ready");
    running
}

#[test]
fn down_lists_processes_that_survive_it() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let mut running = sleeper("red");
    let down = netns(&["down"]).success();
    assert!(down.stderr.contains("sleep 1000") && down.stderr.contains("\"red\""), "{down}");
    assert!(!running.has_ended());
}

#[test]
fn down_with_kill_ends_the_processes_of_the_lab() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    lab_is_up();
    let stubborn = "trap '' TERM; echo ready; while :; do sleep 1000; done";
    let mut others = inside("blue").start("sh", &["-c", stubborn]);
    others.wait_for("ready");
    let mut running = sleeper("red");
    let down = netns(&["down", "--kill", "--json"]).json();
    let processes = down["processes"].as_array().expect("a list");
    let namespaces: Vec<_> = processes.iter().map(|process| &process["namespace"]).collect();
    assert!(
        namespaces.contains(&&json!("red")) && namespaces.contains(&&json!("blue")),
        "{down:#}"
    );
    assert!(running.has_ended() && others.has_ended());
    before.is_unchanged();
}

#[test]
fn down_all_takes_down_every_lab() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    netns(&["down", "--all"]).success().shows(&["no lab is up"]);
    lab_is_up();
    second().up().success();
    netns(&["down"]).fails_with(&["lecture", "second"]);
    netns(&["down", "--all", "lecture"]).fails_with_code(2, &["--all"]);
    netns(&["down", "--all"]).success().shows(&["\"lecture\" is down", "\"second\" is down"]);
    before.is_unchanged();
}

#[test]
fn down_by_name_works_without_a_record() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    own().command("ip", &["netns", "add", "mine"]).success();
    second().up().success();
    lab_is_up();
    fs::remove_dir_all("/run/netns-labs").expect("the records go");
    let status = netns(&["status"]).success();
    assert!(status.stderr.contains("netns down lecture"), "{status}");
    netns(&["nat", "lecture"])
        .fails_with(&["record of lab \"lecture\" is missing", "netns down lecture"]);
    let down = netns(&["down", "lecture"]).success();
    assert!(down.stderr.contains("could not be read"), "{down}");
    let left = fs::read_dir("/run/netns").expect("namespaces").flatten();
    let mut left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    left.sort();
    assert_eq!(left, ["gate", "green", "mine"], "the other lab's and the machine's stay");
    netns(&["down", "--all"]).success().shows(&["\"second\" is down"]);
    own().command("ip", &["netns", "del", "mine"]).success();
    before.is_unchanged();
}

#[test]
fn down_by_name_works_without_a_record_for_a_lab_on_the_machine() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan");
    own().command("sysctl", &["-qw", "net.ipv4.ip_forward=1"]).success();
    let before = Machine::now();
    own_lab().up().success();
    fs::remove_dir_all("/run/netns-labs").expect("the records go");
    netns(&["down", "own"]).success();
    before.is_unchanged();
}

#[test]
fn down_works_with_an_unreadable_record() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    let spoiled = [("complete = true", "complete = maybe"), ("format = 1", "format = 77")];
    for (good, bad) in spoiled {
        lab_is_up();
        let record = "/run/netns-labs/lecture/state.toml";
        let text = fs::read_to_string(record).expect("the record");
        assert!(text.contains(good), "{text}");
        fs::write(record, text.replace(good, bad)).expect("the record");
        let status = netns(&["status"]);
        assert!(status.stderr.contains("netns down lecture"), "{status}");
        netns(&["nat"]).fails_with(&["netns down lecture"]);
        let told = netns(&["down", "lecture", "--explain"]).success();
        told.shows(&["ip netns del host", "rm -r /sys/fs/bpf/netns/lecture"]);
        before.is_unchanged();
    }
}

#[test]
fn status_names_the_datapath_of_another_version_and_up_replaces_it() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    lab_is_up();
    // A version with other maps pins them in another folder.
    let pins = "/sys/fs/bpf/netns/lecture";
    let version = fs::read_dir(pins).expect("pins").flatten().next().expect("a version").path();
    fs::rename(version, format!("{pins}/v1")).expect("another version");
    let status = netns(&["status"]);
    assert_eq!(status.status.code(), Some(1), "{status}");
    assert!(status.stdout.contains("another version of netns"), "{status}");
    assert!(!status.stdout.contains("damaged"), "{status}");
    for command in ["nat", "flows"] {
        netns(&[command]).fails_with(&["another version of netns", "netns up"]);
    }
    netns(&["up"]).success();
    netns(&["status"]).success();
    inside("red").ping("8.8.8.8").success();
    netns(&["down"]).success();
    before.is_unchanged();
}

/// Runs the script that a command prints.
fn run(arguments: &[&str]) {
    let script = netns(arguments).success().stdout;
    own().command("sh", &["-ec", &script]).success();
}

#[test]
fn the_script_of_down_removes_what_the_script_of_up_made() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan");
    own().command("sysctl", &["-qw", "net.ipv4.ip_forward=1"]).success();
    own().command("iptables", &["-t", "nat", "-L"]).success();
    let before = Machine::now();
    for file in [lecture(), own_lab()].map(|lab| lab.write()) {
        let path = file.path().to_str().expect("a plain path");
        run(&["up", "--dry-run", path]);
        netns(&["status"]).success().shows(&["no lab is up"]);
        run(&["down", "--dry-run", path]);
        let rules = own().command("iptables-save", &[]).success().stdout;
        assert!(!rules.contains("-A "), "{rules}");
        before.is_unchanged();
    }
}

#[test]
fn down_of_a_lab_that_is_not_up_names_those_that_are() {
    let _sandbox = Sandbox::new();
    assert_eq!(netns(&["down", "lectur"]).success().stderr, "");
    lab_is_up();
    let mistyped = netns(&["down", "lectur"]).success().shows(&["is not up: nothing to do"]);
    assert!(mistyped.stderr.contains("labs that are up: lecture"), "{mistyped}");
}
