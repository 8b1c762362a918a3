//! `up` and `down` explained as commands of other programs, which have the same result.

use std::{collections::BTreeSet, fs, process::Command};

use netns_tests::{
    DEADLINE, LabFile, Machine, Sandbox, assert_same_state, eventually, host_state, inside, lab,
    lab_on_machine, lecture, netns, outside, own, ports_settle, run,
};

/// Runs a script as a person pipes it to a shell; the first failure ends it.
fn shell(script: &str) {
    run(None, Command::new("sh").args(["-ec", script])).success();
}

/// Changes a lab to another file, once with `netns` and once with the commands that it prints, and
/// compares the results.
#[track_caller]
fn the_commands_change_the_same(from: &LabFile, to: &LabFile) -> String {
    let (script, ours) = {
        let _sandbox = Sandbox::new();
        from.up().success();
        let script = dry_run(to);
        to.up().success();
        (script, host_state())
    };
    let _second = Sandbox::new();
    from.up().success();
    shell(&script);
    ports_settle();
    assert_eq!(ours, host_state(), "{script}");
    script
}

fn dry_run(lab: &LabFile) -> String {
    let file = lab.write();
    netns(&["up", "--dry-run", file.path().to_str().expect("a path")]).success().stdout
}

/// A lab with two bridges, an MTU, a point-to-point cable, routes and name servers.
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
        (script, host_state())
    };
    let _second = Sandbox::new();
    shell(&script);
    ports_settle();
    assert_same_state(&ours, &host_state(), &script);
}

#[test]
fn the_commands_of_up_build_the_lecture() {
    the_commands_build_the_same(&lecture());
}

/// The lecture's lab with these addresses at its uplink.
fn at_uplink(addresses: &[&str]) -> LabFile {
    lecture().replace("address = \"192.168.1.10/24\"", &format!("address = {addresses:?}"))
}

#[test]
fn the_commands_of_up_add_all_addresses_of_an_uplink() {
    the_commands_build_the_same(&at_uplink(&[
        "192.168.1.10/24",
        "192.168.1.11/24",
        "198.51.100.1/32",
    ]));
}

#[test]
fn the_commands_of_a_change_add_and_remove_addresses_of_an_uplink() {
    let from = at_uplink(&["192.168.1.10/24", "192.168.1.11/24", "198.51.100.1/32"]);
    let to = at_uplink(&["192.168.1.12/24", "192.168.1.11/24", "198.51.100.2/32"]);
    the_commands_change_the_same(&from, &to);
}

#[test]
fn the_commands_of_up_build_a_lab_that_uses_every_feature() {
    the_commands_build_the_same(&crossroads());
}

#[test]
fn the_commands_of_a_change_have_the_same_result_as_up() {
    let changed = lecture().replace("192.168.15.1/24", "192.168.15.77/24").namespace(
        "green",
        "v-net-0",
        "192.168.15.3/24",
    );
    the_commands_change_the_same(&lecture(), &changed);
}

#[test]
fn steps_that_no_other_program_can_do_are_printed_as_comments() {
    let from = lecture().namespace("green", "v-net-0", "192.168.15.3/24");
    let to = lecture()
        .namespace("grey", "v-net-0", "192.168.15.4/24")
        .forward("udp", 53, "192.168.15.2:53")
        .replace("port = 80\n", "port = 8080\n")
        .text("[nat]\nvia_stack = true");
    let script = the_commands_change_the_same(&from, &to);
    let told: BTreeSet<&str> = script.lines().collect();
    for line in [
        "ip netns del green",
        "ip netns add grey",
        "# in eBPF: from_namespace attached to host:veth-grey-br, ingress",
        "# in eBPF: setting nat.via_stack: off -> on",
    ] {
        assert!(told.contains(line), "{line}:\n{script}");
    }
    // The programs disappeared with the interface: no line detaches them.
    assert!(!script.contains("taken off"), "{script}");
    assert!(
        script.contains("# in eBPF: ip netns exec host iptables -t nat -D PREROUTING"),
        "{script}"
    );
}

fn machine_has_an_uplink() {
    for line in ["link add wan0 type bridge", "addr add 10.1.0.2/24 dev wan0", "link set wan0 up"] {
        own().command("ip", &line.split(' ').collect::<Vec<_>>()).success();
    }
}

#[test]
fn explain_prints_every_setting_that_up_changes_and_down_restores() {
    let _sandbox = Sandbox::new();
    machine_has_an_uplink();
    let before = Machine::now().sysctls;
    let lab = lab_on_machine("wan0");
    let script = dry_run(&lab);
    lab.up().success();
    let of = |sysctls: &BTreeSet<String>| {
        let ours = |line: &&String| !line.contains("/br-own/") && !line.contains("/veth-red-br/");
        sysctls.iter().filter(ours).cloned().collect::<BTreeSet<_>>()
    };
    let changed: Vec<String> = of(&Machine::now().sysctls).difference(&before).cloned().collect();
    for line in &changed {
        let told = if line.ends_with("/forwarding = 1") {
            "conf.*.forwarding to 1"
        } else if line.ends_with("accept_redirects = 0") {
            "conf.all.accept_redirects to 0"
        } else {
            "net.ipv4.ip_forward=1"
        };
        assert!(script.contains(told), "{line}:\n{script}");
    }
    assert!(changed.len() >= 3, "{changed:#?}");
    // Another lab on the machine still needs the settings.
    let other = lab_beside();
    other.up().success();
    let down = netns(&["down", "own", "--dry-run"]).success();
    assert!(!down.stdout.contains("sysctl"), "{down}");
    netns(&["down", "beside"]).success();
    shell(&netns(&["down", "own", "--dry-run"]).success().stdout);
    // The kernel removes cable ends some time after their namespaces.
    eventually("the settings are as before", DEADLINE, || Machine::now().sysctls == before);
    netns(&["down", "own"]).success();
}

/// A second lab on the machine, without an uplink.
fn lab_beside() -> LabFile {
    lab("beside").bridge("br-beside", "10.8.0.1/24").namespace("blue", "br-beside", "10.8.0.2/24")
}

#[test]
fn the_commands_of_a_change_restore_a_machine_that_stops_being_the_router() {
    let inside = lab_on_machine("wan0").router("host").replace(
        "name = \"wan0\"",
        "name = \"wan0\"\naddress = \"192.168.1.10/24\"\noutside = { namespace = \"lan\", interface = \"eth0\", address = \"192.168.1.1/24\" }",
    );
    let _sandbox = Sandbox::new();
    machine_has_an_uplink();
    let before = host_state();
    lab_on_machine("wan0").up().success();
    let script = dry_run(&inside);
    shell(&script);
    let machine = |facts: &BTreeSet<String>| {
        facts.iter().filter(|fact| fact.starts_with([':', ' '])).cloned().collect::<Vec<_>>()
    };
    assert_eq!(machine(&before), machine(&host_state()), "{script}");
}

#[test]
fn the_commands_of_down_remove_everything() {
    let _sandbox = Sandbox::new();
    let before = host_state();
    lecture().up().success();
    let up = Machine::now();
    let script = netns(&["down", "--dry-run"]).success().stdout;
    up.is_unchanged();
    shell(&script);
    assert_eq!(before, host_state(), "{script}");
    assert!(!fs::exists("/sys/fs/bpf/netns/lecture").expect("a path"), "{script}");
    netns(&["down", "lecture"]).success();
}

#[test]
fn up_with_explain_prints_the_commands_and_builds_the_lab() {
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
fn the_commands_of_up_translate_with_iptables() {
    let _sandbox = Sandbox::new();
    let script = dry_run(&lecture());
    shell(&script);
    ports_settle();
    inside("red").ping("8.8.8.8").success();
    let _server = inside("blue").web_server("192.168.15.2", 80, "from blue");
    inside("lan").curl("http://192.168.1.10/").success().shows(&["from blue"]);
    inside("host").curl("http://192.168.1.10/").success().shows(&["from blue"]);
}
