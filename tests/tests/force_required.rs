//! Commands for single steps refuse to change objects of a lab without `--force`.

use netns_tests::{Machine, Sandbox, lab_is_up, netns_line};

/// Each command, and how `netns status` reports its change.
const COMMANDS: [(&str, &[&str]); 8] = [
    ("link set red:veth-red down", &["off: red:veth-red"]),
    ("link set host:veth-red-br --mtu 1400", &["MTU of host:veth-red-br is 1400"]),
    ("link set red:lo down", &["off: red:lo"]),
    ("addr add 10.7.0.1/24 red:veth-red", &["10.7.0.1/24", "on red:veth-red, added by hand"]),
    ("addr del 192.168.15.2/24 blue:veth-blue", &["192.168.15.2/24", "MISSING"]),
    (
        "route add red:10.8.0.0/16 --via 192.168.15.2",
        &["10.8.0.0/16 via 192.168.15.2", "in namespace \"red\", added by hand"],
    ),
    ("route del red:default", &["default via 192.168.15.5", "MISSING"]),
    ("bridge detach host:veth-red-br", &["veth-red-br", "MISSING"]),
];

#[test]
fn changing_an_object_of_a_lab_needs_force_and_status_reports_it() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    for (command, told) in COMMANDS {
        let before = Machine::now();
        for suffix in ["", " --dry-run"] {
            netns_line(&format!("{command}{suffix}")).fails_with(&[
                "belongs to lab \"lecture\"",
                "netns up FILE",
                "--force",
            ]);
        }
        before.is_unchanged();
        netns_line(&format!("{command} --force")).success();
        netns_line("status").shows(told);
        netns_line("up").success();
        netns_line("status").success();
    }
}

#[test]
fn attaching_a_port_to_a_bridge_of_a_lab_needs_force() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    netns_line("cable add host:p red:q").success();
    netns_line("bridge attach host:v-net-0 host:p").fails_with(&["host:v-net-0 belongs to lab"]);
    netns_line("bridge attach host:v-net-0 host:p --force").success();
    netns_line("bridge detach host:p").fails_with(&["host:v-net-0 belongs to lab"]);
}

#[test]
fn del_refuses_a_namespace_of_a_lab() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let before = Machine::now();
    for name in ["red", "host", "lan"] {
        netns_line(&format!("del {name}")).fails_with(&[
            &format!("namespace \"{name}\" belongs to lab \"lecture\""),
            "netns up FILE",
            "netns down lecture",
        ]);
    }
    before.is_unchanged();
    netns_line("down").success();
    // A new namespace with that name belongs to the person who made it.
    netns_line("add red").success();
    netns_line("del red").success();
}

#[test]
fn changing_an_object_made_by_hand_in_a_lab_namespace_needs_no_force() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    for line in [
        "cable add red:x blue:y --up",
        "addr add 10.7.0.1/24 red:x",
        "addr add 10.7.0.2/24 blue:y",
        "route add red:10.8.0.0/16 --via 10.7.0.2",
        "route del red:10.8.0.0/16",
        "route add red:10.8.0.0/16 --dev x",
        "addr del 10.7.0.1/24 red:x",
        "link set red:x --mtu 1400",
        "link set red:x down",
    ] {
        netns_line(line).success();
    }
    netns_line("status").success().shows(&["lab lecture: up"]);
}
