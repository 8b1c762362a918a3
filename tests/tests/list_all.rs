//! Commands that list the objects of all namespaces.

use netns_tests::{
    Machine, Output, Sandbox, inside, lab_is_up, netns, netns_line, netns_path, run,
};
use std::{os::unix::process::CommandExt as _, process::Command};

#[track_caller]
fn list(line: &str) -> Output {
    netns_line(line).success()
}

/// Expects a line with exactly these words.
#[track_caller]
fn has_line(output: &Output, words: &str) {
    let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(output.stdout.lines().any(|line| squeezed(line) == words), "{words}: {output}");
}

#[test]
fn addresses_links_and_routes_are_listed() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    list("bridge add br-own=10.1.0.1/24 --up");
    let addresses = list("addr list");
    has_line(&addresses, "red:veth-red 192.168.15.1/24");
    has_line(&addresses, "lan:lo 8.8.8.8/32");
    has_line(&addresses, "br-own 10.1.0.1/24");
    assert!(!addresses.stdout.contains("127.0.0.1"), "{addresses}");
    let routes = list("route list");
    has_line(&routes, "red:default 192.168.15.5 veth-red - 0 unicast");
    has_line(&routes, "10.1.0.0/24 - br-own 10.1.0.1 0 unicast");
    let of_red = list("addr list red");
    assert_eq!(of_red.stdout, "INTERFACE     ADDRESS\nred:veth-red  192.168.15.1/24\n");
    let links = list("link list host --json").json();
    let links = links.as_array().expect("a list");
    let port = links.iter().find(|link| link["name"] == "veth-red-br").expect("the port");
    assert_eq!((&port["namespace"], &port["port_of"]), (&"host".into(), &"v-net-0".into()));
    for kind in ["addr", "link", "route"] {
        netns(&[kind, "list", "rde"]).fails_with(&["rde", "did you mean \"red\"?"]);
    }
}

#[test]
fn listings_explain_the_link_to_the_reassembler() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    for line in ["show host", "link list"] {
        let shown = list(line);
        let explained = shown
            .stdout
            .lines()
            .filter(|line| line.contains("leads to the reassembler of fragments"));
        let names: Vec<_> = explained.filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(names.len(), 1, "{shown}");
        let links = shown.stdout.lines().filter(|line| {
            line.split_whitespace().next().is_some_and(|name| name.ends_with(names[0]))
        });
        assert_eq!(links.count(), 2, "{shown}");
    }
    let red = list("show red");
    assert!(!red.stdout.contains("reassembler"), "{red}");
}

#[test]
fn a_lab_stays_up_after_its_shell_is_gone() {
    let _sandbox = Sandbox::new();
    let before = Machine::now().processes;
    // Built from a shell that has ended.
    let up = format!("{} up", netns_path().display());
    run(None, Command::new("sh").args(["-c", &up])).success();
    assert_eq!(Machine::now().processes, before);
    inside("red").ping("8.8.8.8").success();
}

#[test]
fn a_loopback_that_is_up_is_listed_as_up() {
    let _sandbox = Sandbox::new();
    list("add red");
    has_line(&list("show red"), "lo - off 65536 00:00:00:00:00:00 -");
    list("link set red:lo up");
    has_line(&list("show red"), "lo - up 65536 00:00:00:00:00:00 -");
}

#[test]
fn list_without_root_says_what_only_root_can_see() {
    let _sandbox = Sandbox::new();
    list("add red");
    let folder = tempfile::Builder::new().prefix("netns").tempdir_in("/tmp").expect("a folder");
    let path = folder.path().join("netns");
    run(None, Command::new("cp").arg(netns_path()).arg(&path)).success();
    run(None, Command::new("chmod").args(["-R", "755"]).arg(folder.path())).success();
    let mut command = Command::new(&path);
    let output = run(None, command.uid(65_534).gid(65_534).arg("list")).success();
    has_line(&output, "red - ? ?");
    assert!(output.stderr.contains("only root sees addresses and links"), "{output}");
    let output = list("list");
    assert!(output.stderr.is_empty(), "{output}");
}
