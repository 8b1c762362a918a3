//! `--dry-run` and `--explain` of single steps: the commands of other programs for the same change.

use std::process::Command;

use netns_tests::{
    Machine, Sandbox, assert_same_state, host_state, inside, lab_is_up, netns_line, netns_path,
    ports_settle, run,
};

#[test]
fn a_dry_run_prints_a_script_and_changes_nothing() {
    let _sandbox = Sandbox::new();
    netns_line("add red").success();
    netns_line("add blue").success();
    let before = Machine::now();
    let line = "cable add red:veth-red=192.168.15.1/24 blue:veth-blue --mtu 1400 --up --dry-run";
    let dry = netns_line(line).success();
    assert_eq!(
        dry.stdout,
        "ip -n red link add veth-red mtu 1400 type veth peer name veth-blue mtu 1400 netns blue\n\
         ip -n red addr add 192.168.15.1/24 dev veth-red\n\
         ip -n red link set veth-red up\n\
         ip -n blue link set veth-blue up\n"
    );
    let json = netns_line(&format!("{line} --json")).json();
    let commands: Vec<_> = dry.stdout.lines().collect();
    assert_eq!(json, serde_json::json!({ "commands": commands }));
    before.is_unchanged();
    assert!(inside("red").interfaces().is_empty());
    // A dry run makes the same checks as the change itself.
    netns_line("cable add rde:x blue:y --dry-run").fails_with(&["rde"]);
    netns_line("add red --dry-run").fails_with(&["red", "already exists"]);
    netns_line("del green --dry-run").fails_with(&["green"]);
    let script = format!("'{}' {line} | sh", netns_path().display());
    run(None, Command::new("sh").args(["-c", &script])).success();
    let built = inside("red").command("ip", &["-4", "addr", "show", "dev", "veth-red"]).success();
    built.shows(&["inet 192.168.15.1/24 "]);
}

#[test]
fn rules_can_be_explained_and_dry_run() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let rules = || netns_line("nat --json").json();
    for (line, command) in [
        (
            "masquerade del 192.168.15.0/24",
            "ip netns exec host iptables -t nat -D POSTROUTING -s 192.168.15.0/24 -o ens3 -j \
             MASQUERADE\n",
        ),
        (
            "forward del tcp 80",
            "ip netns exec host iptables -t nat -D PREROUTING -p tcp -m addrtype --dst-type LOCAL \
             --dport 80 -j DNAT --to-destination 192.168.15.2:80\n",
        ),
        ("flows flush", "ip netns exec host conntrack -F\n"),
    ] {
        let before = rules();
        let dry = netns_line(&format!("{line} --dry-run")).success();
        assert!(dry.stdout.starts_with(command), "{dry}");
        assert_eq!(rules(), before, "{line} --dry-run has changed something");
        let done = netns_line(&format!("{line} --explain")).success();
        assert!(done.stdout.starts_with(command) && done.stdout.contains("\n# "), "{done}");
    }
    let emptied = rules();
    for kind in ["masquerades", "forwards"] {
        assert_eq!(emptied[kind].as_array().map(Vec::len), Some(0), "{emptied:#}");
    }
    let json = netns_line("forward add tcp 8080 192.168.15.2:80 --explain --json").json();
    assert_eq!(json["port"], 8080, "{json:#}");
    assert_eq!(json["commands"].as_array().map(Vec::len), Some(2), "{json:#}");
    netns_line("forward add tcp 8080 192.168.15.2:80 --dry-run")
        .fails_with(&["` already exists: delete it first"]);
    netns_line("forward add tcp 81 10.0.0.9:80 --dry-run").fails_with(&["10.0.0.9"]);
    netns_line("forward del tcp 9 --dry-run").fails_with(&["no rule"]);
    netns_line("masquerade del 192.168.15.0/24 --dry-run").fails_with(&["no rule"]);
}

/// The lecture's network and more: each kind of step at least once.
const LECTURE: &str = "\
add red
add blue
add lan
add host
add gone
del gone
cable add red:veth-red blue:veth-blue
addr add 192.168.15.1/24 red:veth-red
addr add 192.168.15.2/24 blue:veth-blue
link set red:veth-red up
link set blue:veth-blue up
cable del red:veth-red
bridge add host:v-net-0
link set host:v-net-0 up
cable add red:veth-red host:veth-red-br
cable add blue:veth-blue host:veth-blue-br --mtu 1400
bridge attach host:v-net-0 host:veth-red-br
bridge attach host:v-net-0 host:veth-blue-br
addr add 192.168.15.1/24 red:veth-red
addr add 192.168.15.2/24 blue:veth-blue
link set red:veth-red up
link set blue:veth-blue up
addr add 192.168.15.5/24 host:v-net-0
link set host:veth-red-br up
link set host:veth-blue-br up
cable add host:ens3=192.168.1.10/24 lan:eth0=192.168.1.1/24 --up
link set lan:lo up
addr add 8.8.8.8/32 lan:lo
route add host:default --via 192.168.1.1
route add blue:192.168.1.0/24 --via 192.168.15.5
route add blue:default --via 192.168.15.5 --metric 100
route del blue:192.168.1.0/24
route add red:10.0.0.0/8 --dev veth-red
bridge add v-net-1=10.1.0.1/24 --mtu 9000 --up
cable add lan:veth-lan=10.1.0.2/24 veth-lan-br --bridge v-net-1 --up
cable add lan:veth-two veth-two-br
bridge attach v-net-1 veth-two-br
bridge detach veth-two-br
bridge add v-net-2
bridge del v-net-2
addr add 10.1.0.3/24 v-net-1
addr del 10.1.0.3/24 v-net-1
link set lan:veth-two down --mtu 1300
route add default --via 10.1.0.2";

#[test]
fn the_explained_commands_build_the_same_network() {
    let mut script = String::from("set -e\n");
    let ours = {
        let _sandbox = Sandbox::new();
        for line in LECTURE.lines() {
            let told = netns_line(&format!("{line} --explain")).success().stdout;
            let commands = told.lines().filter(|line| !line.starts_with('#')).count();
            assert!(commands > 0, "{line}: nothing was explained");
            // The output is a script: lines that are not commands are comments.
            script += &told;
        }
        host_state()
    };
    assert!(ours.len() >= 30, "too little stands: {ours:#?}");
    let _second = Sandbox::new();
    run(None, Command::new("sh").args(["-c", &script])).success();
    ports_settle();
    assert_same_state(&ours, &host_state(), &script);
}
