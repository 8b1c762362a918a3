//! Commands for single namespaces, which are compatible with `ip netns`.

use std::fs;

use netns_tests::{Machine, Running, Sandbox, inside, lab_is_up, netns, netns_path, own};
use nix::sys::signal::Signal;

fn ip_netns_list() -> Vec<String> {
    let output = own().command("ip", &["netns", "list"]).success();
    let mut names: Vec<_> = output
        .stdout
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

#[test]
fn ip_netns_uses_namespaces_made_by_netns() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    netns(&["add", "red"]).success();
    assert_eq!(ip_netns_list(), ["red"]);
    own().command("ip", &["netns", "exec", "red", "ip", "link", "show", "lo"]).success();
    own().command("ip", &["netns", "del", "red"]).success();
    netns(&["exec", "red", "--", "true"]).fails_with(&["red"]);
    before.is_unchanged();
}

#[test]
fn netns_uses_namespaces_made_by_ip_netns() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    own().command("ip", &["netns", "add", "blue"]).success();
    netns(&["list"]).success().shows(&["blue"]);
    netns(&["exec", "blue", "--", "ip", "link", "show", "lo"]).success().shows(&["LOOPBACK"]);
    netns(&["show", "blue"]).success().shows(&["lo"]);
    netns(&["del", "blue"]).success();
    assert!(ip_netns_list().is_empty());
    before.is_unchanged();
}

#[test]
fn a_namespace_name_cannot_be_used_twice() {
    let _sandbox = Sandbox::new();
    netns(&["add", "red"]).success();
    netns(&["add", "red"]).fails_with(&["red", "already exists"]);
    own().command("ip", &["netns", "add", "blue"]).success();
    netns(&["add", "blue"]).fails_with(&["blue", "already exists"]);
}

#[test]
fn list_shows_the_contents_of_a_namespace() {
    let _sandbox = Sandbox::new();
    let empty = netns(&["list", "--json"]).json();
    assert_eq!(empty.as_array().map(Vec::len), Some(0), "{empty:#}");
    lab_is_up();
    netns(&["add", "loner"]).success();
    let list = netns(&["list", "--json"]).json();
    let names: Vec<_> = list
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|entry| entry["name"].as_str())
        .collect();
    assert_eq!(names, ["blue", "host", "lan", "loner", "red"]);
    netns(&["list"]).success().shows(&["red", "lecture", "192.168.15.1"]);
}

#[test]
fn exec_runs_its_command_in_the_namespace() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let links = netns(&["exec", "red", "--", "ip", "-br", "link"]).success();
    assert!(links.stdout.contains("veth-red") && !links.stdout.contains("blue"), "{links}");
    // /sys shows the namespace, too.
    let links = netns(&["exec", "red", "--", "ls", "/sys/class/net"]).success();
    assert_eq!(links.stdout.split_whitespace().collect::<Vec<_>>(), ["lo", "veth-red"], "{links}");
}

#[test]
fn exec_ends_with_the_status_of_its_command() {
    let _sandbox = Sandbox::new();
    netns(&["add", "red"]).success();
    for code in [0, 1, 7, 255] {
        let output = netns(&["exec", "red", "--", "sh", "-c", &format!("exit {code}")]);
        assert_eq!(output.code(), code, "{output}");
    }
    let killed = netns(&["exec", "red", "--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(killed.code(), 128 + 15, "{killed}");
    netns(&["exec", "red", "--", "no-such-program"]).fails_with_code(127, &["no-such-program"]);
    netns(&["exec", "red", "--", "/etc/passwd"]).fails_with_code(126, &["/etc/passwd"]);
}

#[test]
fn exec_passes_arguments_input_and_output_through() {
    let _sandbox = Sandbox::new();
    netns(&["add", "red"]).success();
    let output = netns(&["exec", "red", "--", "printf", "%s|", "a b", "--json", "-x"]).success();
    assert_eq!(output.stdout.trim_end(), "a b|--json|-x|");
    let output = netns(&["exec", "red", "--", "sh", "-c", "echo wrong >&2"]).success();
    assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", "wrong\n"));
}

#[test]
fn exec_passes_signals_to_its_command() {
    let _sandbox = Sandbox::new();
    netns(&["add", "red"]).success();
    let script = "trap 'echo caught; exit 9' TERM; echo ready; sleep 1000 >/dev/null 2>&1 & wait";
    let path = netns_path();
    let mut command = std::process::Command::new(path);
    command.args(["exec", "red", "--", "bash", "-c", script]);
    let mut running = Running::start(None, &mut command);
    running.wait_for("ready");
    running.signal(Signal::SIGTERM);
    running.wait_for("caught");
    let (status, ..) = running.finish();
    assert_eq!(status.code(), Some(9));
}

#[test]
fn exec_sees_the_namespaces_own_resolv_conf() {
    let _sandbox = Sandbox::new();
    let machines = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    fs::create_dir_all("/etc/netns/red").expect("a folder");
    fs::write("/etc/netns/red/resolv.conf", "nameserver 9.9.9.9\n").expect("a file");
    netns(&["add", "red"]).success();
    netns(&["add", "blue"]).success();
    let inside_red = netns(&["exec", "red", "--", "cat", "/etc/resolv.conf"]).success();
    assert_eq!(inside_red.stdout, "nameserver 9.9.9.9\n");
    let by_ip = own().command("ip", &["netns", "exec", "red", "cat", "/etc/resolv.conf"]);
    assert_eq!(by_ip.success().stdout, inside_red.stdout);
    let inside_blue = netns(&["exec", "blue", "--", "cat", "/etc/resolv.conf"]).success();
    assert_eq!(inside_blue.stdout.trim_end(), machines.trim_end());
    assert_eq!(fs::read_to_string("/etc/resolv.conf").unwrap_or_default(), machines);
}

#[test]
fn resolv_conf_lists_the_dns_servers_of_the_lab() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    let lab =
        netns_tests::lecture().replace("name = \"red\"\n", "name = \"red\"\ndns = [\"8.8.8.8\"]\n");
    lab.up().success();
    let resolv = netns(&["exec", "red", "--", "cat", "/etc/resolv.conf"]).success();
    assert!(resolv.stdout.contains("nameserver 8.8.8.8"), "{resolv}");
    netns(&["down"]).success();
    assert!(!fs::exists("/etc/netns/red/resolv.conf").expect("a look"), "resolv.conf stays behind");
    before.is_unchanged();
}

#[test]
fn show_lists_links_addresses_routes_and_neighbours() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    inside("red").ping("192.168.15.2").success();
    netns(&["show", "red"]).success().shows(&[
        "veth-red",
        "192.168.15.1/24",
        "default",
        "192.168.15.5",
        "192.168.15.2",
    ]);
    // Without a name it shows the lab's router.
    netns(&["show"]).success().shows(&["v-net-0", "veth-red-br", "ens3", "192.168.1.10/24"]);
    let json = netns(&["show", "red", "--json"]).json();
    for part in ["links", "addresses", "routes", "neighbours"] {
        assert!(json[part].is_array(), "no {part} in {json:#}");
    }
}

#[test]
fn a_deleted_namespace_in_use_disappears_with_its_last_process() {
    let _sandbox = Sandbox::new();
    netns(&["add", "red"]).success();
    let sleeper = inside("red").start("sleep", &["1000"]);
    netns(&["del", "red"]).success();
    assert!(ip_netns_list().is_empty());
    netns(&["add", "red"]).success();
    drop(sleeper);
}
