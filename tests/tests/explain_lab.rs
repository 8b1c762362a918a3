//! `up` and `down` told as the commands of other programs, which then do the same.

use std::{fs, process::Command};

use netns_tests::{
    DEADLINE, LabFile, Machine, Sandbox, eventually, inside, lab, lecture, netns, outside, own,
    run, standing,
};

/// What of a script is for `ip`, `sysctl` and the shell: the rest is for programs that are
/// this project's own matter.
fn network(script: &str) -> String {
    let others = ["tc ", "iptables ", "rm -r /sys/fs/bpf"];
    let lines = script.lines().filter(|line| !others.iter().any(|other| line.contains(other)));
    lines.map(|line| format!("{line}\n")).collect()
}

fn shell(script: &str) {
    run(None, Command::new("sh").args(["-ec", script])).success();
}

/// Ports open a moment after their cables are whole.
fn settled() {
    eventually("ports settle", DEADLINE, || {
        !standing().iter().any(|fact| fact.contains(" port ") && !fact.contains("forwarding"))
    });
}

fn dry_run(lab: &LabFile) -> String {
    let file = lab.write();
    netns(&["up", "--dry-run", file.path().to_str().expect("a path")]).success().stdout
}

/// Two bridges, an MTU, a cable of its own, routes and name servers.
fn crossroads() -> LabFile {
    lab("crossroads")
        .router("host")
        .uplink("wan", "192.168.1.10/24", &outside("lan", "192.168.1.1/24", &["8.8.8.8"]))
        .bridge("br-a", "10.1.0.1/24")
        .bridge("br-b", "10.2.0.1/24")
        .namespace("a", "br-a", "10.1.0.2/24")
        .namespace("b", "br-b", "10.2.0.2/24")
        .masquerade("10.1.0.0/24", "wan")
        .replace("name = \"br-b\"", "name = \"br-b\"\nmtu = 1400")
        .replace("name = \"b\"", "name = \"b\"\nmtu = 1300")
        .replace(
            "name = \"a\"",
            "name = \"a\"\nroutes = [{ to = \"10.9.0.0/16\", via = \"10.7.0.2\" }]",
        )
        .text("[[cable]]\na = { namespace = \"a\", interface = \"x\", address = \"10.7.0.1/30\" }")
        .text("b = { namespace = \"b\", interface = \"y\", address = \"10.7.0.2/30\" }")
}

#[track_caller]
fn the_commands_build_the_same(lab: &LabFile) {
    let (script, ours) = {
        let _sandbox = Sandbox::new();
        let before = Machine::now();
        let script = dry_run(lab);
        before.is_unchanged();
        lab.up().success();
        (network(&script), standing())
    };
    let _second = Sandbox::new();
    shell(&script);
    settled();
    let theirs = standing();
    let only_ours: Vec<_> = ours.difference(&theirs).collect();
    let only_theirs: Vec<_> = theirs.difference(&ours).collect();
    assert!(
        only_ours.is_empty() && only_theirs.is_empty(),
        "only ours: {only_ours:#?}\nonly theirs: {only_theirs:#?}\n{script}"
    );
}

#[test]
fn the_commands_of_up_build_the_lecture() {
    the_commands_build_the_same(&lecture());
}

#[test]
fn the_commands_of_up_build_a_lab_with_everything() {
    the_commands_build_the_same(&crossroads());
}

#[test]
fn the_commands_of_a_change_make_the_same_of_a_lab() {
    let changed = lecture().replace("192.168.15.1/24", "192.168.15.77/24").namespace(
        "green",
        "v-net-0",
        "192.168.15.3/24",
    );
    let (script, ours) = {
        let _sandbox = Sandbox::new();
        lecture().up().success();
        let script = dry_run(&changed);
        changed.up().success();
        (script, standing())
    };
    let _second = Sandbox::new();
    lecture().up().success();
    shell(&network(&script));
    settled();
    assert_eq!(ours, standing(), "{script}");
}

#[test]
fn the_commands_of_down_leave_nothing() {
    let _sandbox = Sandbox::new();
    let before = standing();
    lecture().up().success();
    let up = Machine::now();
    let script = netns(&["down", "--dry-run"]).success().stdout;
    up.is_unchanged();
    shell(&script);
    assert_eq!(before, standing(), "{script}");
    assert!(!fs::exists("/sys/fs/bpf/netns/lecture").expect("a path"), "{script}");
    netns(&["down", "lecture"]).success();
}

#[test]
fn an_explained_up_tells_and_does() {
    let _sandbox = Sandbox::new();
    let file = lecture().write();
    let path = file.path().to_str().expect("a path");
    let told = netns(&["up", "--explain", path]).success();
    told.shows(&["ip netns add red", "iptables -t nat -A POSTROUTING", "# lab \"lecture\" is up"]);
    inside("red").ping("192.168.15.2").success();
    let down = netns(&["down", "--explain"]).success();
    down.shows(&["ip netns del red", "# lab \"lecture\" is down"]);
    assert!(own().interfaces().is_empty());
}

#[test]
fn the_commands_of_up_translate_as_well_with_iptables() {
    let _sandbox = Sandbox::new();
    let script = dry_run(&lecture());
    // Without the eBPF programs.
    let lines = script.lines().filter(|line| !line.starts_with("tc "));
    shell(&lines.map(|line| format!("{line}\n")).collect::<String>());
    settled();
    inside("red").ping("8.8.8.8").success();
    let _server = inside("blue").web_server("192.168.15.2", 80, "from blue");
    inside("lan").curl("http://192.168.1.10/").success().shows(&["from blue"]);
    inside("host").curl("http://192.168.1.10/").success().shows(&["from blue"]);
}
