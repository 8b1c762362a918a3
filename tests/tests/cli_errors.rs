//! Errors for invalid files, arguments and environments: the message names the object and its
//! position, and nothing is left half made.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::Command,
};

use netns_tests::{
    BPF_LINK_CREATE, LabFile, Machine, Sandbox, forward_add, forward_del, inside, lab_is_up,
    lecture, masquerade, netns, netns_path, own, refuse_bpf, run,
};
use nix::libc;

/// Expects that `netns up` refuses the file at the first `place`, that its error contains all of
/// `parts`, and that it makes nothing.
#[track_caller]
fn refused_at(file: &LabFile, place: &str, parts: &[&str]) {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    let position = format!(".toml:{}:", file.position(place));
    file.up().fails_with(&[&[position.as_str()], parts].concat());
    before.is_unchanged();
}

#[test]
fn a_missing_file_is_an_error() {
    netns(&["up", "/nonexistent/lab.toml"]).fails_with(&["/nonexistent/lab.toml", "No such file"]);
}

#[test]
fn a_file_that_is_not_toml_is_an_error() {
    let file = lecture().replace("name = \"lecture\"", "name = = \"lecture\"");
    refused_at(&file, "= \"lecture\"", &[]);
}

#[test]
fn an_unknown_key_is_an_error() {
    let file = lecture().replace("gateway =", "gatway =");
    refused_at(&file, "gatway", &["gatway", "gateway"]);
}

#[test]
fn an_unknown_table_is_an_error() {
    let file = lecture().replace("[[bridge]]", "[[brigde]]");
    refused_at(&file, "brigde", &["brigde", "bridge"]);
}

#[test]
fn a_missing_key_is_an_error() {
    let file = lecture().replace("address = \"192.168.15.5/24\"\n", "");
    refused_at(&file, "[[bridge]]", &["address", "missing"]);
}

#[test]
fn overlapping_subnets_are_an_error() {
    let file = lecture().bridge("v-net-1", "192.168.15.129/25");
    let place = "\"192.168.15.129/25\"";
    refused_at(&file, place, &["v-net-1", "192.168.15.128/25", "overlap", "v-net-0"]);
}

#[test]
fn duplicate_namespaces_are_an_error() {
    let file = lecture().namespace("red", "v-net-0", "192.168.15.3/24").replace(
        "name = \"red\"\nbridge = \"v-net-0\"\naddress = \"192.168.15.3/24\"",
        "address = \"192.168.15.3/24\"\nbridge = \"v-net-0\"\nname =  \"red\"",
    );
    // Two blanks distinguish the second namespace from the first.
    let second = file.position("name =  \"red\"");
    let line = second.split(':').next().expect("a line").to_owned();
    let _sandbox = Sandbox::new();
    file.up().fails_with(&[&format!(".toml:{line}:"), "\"red\"", "already"]);
}

#[test]
fn duplicate_bridges_are_an_error() {
    let file = lecture().bridge("v-net-0", "10.1.0.1/24");
    let _sandbox = Sandbox::new();
    file.up().fails_with(&["bridge \"v-net-0\"", "already"]);
}

#[test]
fn duplicate_addresses_are_an_error() {
    let file = lecture().replace("192.168.15.2/24", "192.168.15.1/24");
    let _sandbox = Sandbox::new();
    file.up().fails_with(&["blue", "192.168.15.1", "red"]);
}

#[test]
fn an_interface_name_over_15_characters_is_an_error() {
    let file = lecture().replace("name = \"v-net-0\"", "name = \"a-bridge-too-far\"");
    let place = "\"a-bridge-too-far\"";
    refused_at(&file, place, &["a-bridge-too-far", "16 characters", "15"]);
}

#[test]
fn a_given_interface_name_of_a_namespace_that_is_too_long_is_an_error() {
    let file = lecture().namespace("crimson", "v-net-0", "192.168.15.3/24").replace(
        "name = \"crimson\"\n",
        "name = \"crimson\"\ninterface = \"veth-crimsonscarlet\"\n",
    );
    let place = "\"veth-crimsonscarlet\"";
    refused_at(&file, place, &["veth-crimsonscarlet", "19 characters", "15"]);
}

#[test]
fn an_address_outside_the_subnet_of_its_bridge_is_an_error() {
    let file = lecture().namespace("green", "v-net-0", "192.168.16.3/24");
    let place = "\"192.168.16.3/24\"";
    refused_at(&file, place, &["green", "192.168.16.3", "v-net-0", "192.168.15.0/24"]);
}

#[test]
fn a_malformed_address_is_an_error() {
    let file = lecture().namespace("green", "v-net-0", "192.168.15.300/24");
    refused_at(&file, "\"192.168.15.300/24\"", &["green", "192.168.15.300/24"]);
}

#[test]
fn an_undefined_bridge_is_an_error() {
    let file = lecture().namespace("green", "v-net-7", "192.168.15.3/24");
    refused_at(&file, "\"v-net-7\"", &["green", "v-net-7", "v-net-0"]);
}

#[test]
fn a_forward_to_an_address_of_no_namespace_is_an_error() {
    let file = lecture().forward("tcp", 8080, "192.168.15.77:80");
    refused_at(&file, "\"192.168.15.77:80\"", &["forward", "192.168.15.77"]);
}

#[test]
fn port_zero_is_an_error() {
    let file = lecture().forward("tcp", 0, "192.168.15.1:80");
    let place = "0\ntarget = \"192.168.15.1:80\"";
    refused_at(&file, place, &["forward", "port 0", "1 to 65535"]);
    let file = lecture().forward("tcp", 8080, "192.168.15.2:0");
    refused_at(&file, "\"192.168.15.2:0\"", &["forward", "192.168.15.2:0", "1 to 65535"]);
}

#[test]
fn an_unknown_protocol_is_an_error() {
    let file = lecture().forward("dccp", 8080, "192.168.15.2:80");
    refused_at(&file, "\"dccp\"", &["dccp", "tcp", "udp"]);
}

#[test]
fn a_port_forwarded_twice_is_an_error() {
    let file = lecture().forward("tcp", 80, "192.168.15.1:80");
    let _sandbox = Sandbox::new();
    file.up().fails_with(&["tcp port 80", "already"]);
}

#[test]
fn a_masquerade_of_an_unknown_uplink_is_an_error() {
    let file = lecture().masquerade("192.168.15.0/25", "ens4");
    refused_at(&file, "\"ens4\"", &["masquerade", "ens4", "ens3"]);
}

#[test]
fn all_errors_of_a_file_are_reported_together() {
    let file = lecture()
        .namespace("green", "v-net-0", "192.168.16.3/24")
        .masquerade("192.168.15.0/25", "ens4")
        .forward("tcp", 0, "192.168.15.2:80");
    let _sandbox = Sandbox::new();
    file.up().fails_with(&["192.168.16.3", "ens4", "port 0"]);
}

#[test]
fn a_command_for_a_lab_that_is_not_up_is_an_error() {
    let _sandbox = Sandbox::new();
    for command in [&["nat"][..], &["flows"], &["flows", "flush"]] {
        netns(command).fails_with(&["no lab is up", "netns up"]);
    }
    netns(&["status", "ghost"]).fails_with(&["ghost", "not up"]);
    forward_add("tcp", 8080, "192.168.15.2:80").fails_with(&["no lab is up", "netns up"]);
    masquerade("add", "192.168.15.0/24", "ens3").fails_with(&["no lab is up", "netns up"]);
}

#[test]
fn invalid_rules_for_a_lab_that_is_up_are_errors() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    forward_add("tcp", 80, "192.168.15.1:80").fails_with(&["tcp", "80", "already"]);
    forward_add("tcp", 8080, "192.168.15.77:80").fails_with(&["192.168.15.77"]);
    forward_del("tcp", 8080).fails_with(&["tcp", "8080"]);
    masquerade("add", "192.168.15.0/24", "ens4").fails_with(&["ens4", "ens3"]);
    masquerade("add", "192.168.15.0/24", "ens3").fails_with(&["192.168.15.0/24", "already"]);
    masquerade("del", "10.0.0.0/8", "ens3").fails_with(&["10.0.0.0/8"]);
    forward_add("tcp", 0, "192.168.15.2:80").fails_with_code(2, &["0"]);
    forward_add("dccp", 80, "192.168.15.2:80").fails_with_code(2, &["dccp", "tcp", "udp"]);
    forward_add("tcp", 8080, "192.168.15.2").fails_with_code(2, &["write it like 192.168.15.2:80"]);
    forward_add("tcp", 8080, "192.168.15.2:0").fails_with_code(2, &["port 0", "1 to 65535"]);
    let on = |address: &str| {
        netns(&["forward", "add", "tcp", "8080", "192.168.15.2:80", "--address", address])
    };
    on("1.2.3.4").fails_with(&["1.2.3.4", "127.0.0.1", "192.168.1.10", "192.168.15.5"]);
    on("0.0.0.0").fails_with_code(2, &["leave --address out"]);
    masquerade("add", "192.168.15.0", "ens3")
        .fails_with_code(2, &["write it like 192.168.15.0/24"]);
    masquerade("add", "192.168.15.0/33", "ens3").fails_with_code(2, &["192.168.15.0/33"]);
}

#[test]
fn missing_namespaces_are_errors() {
    let _sandbox = Sandbox::new();
    for command in [&["del", "ghost"][..], &["show", "ghost"], &["exec", "ghost", "--", "true"]] {
        netns(command).fails_with(&["no namespace \"ghost\""]);
    }
}

#[test]
fn invalid_names_are_errors() {
    let _sandbox = Sandbox::new();
    for name in ["a/b", "..", ""] {
        netns(&["add", name]).fails_with(&[&format!("{name:?}"), "namespace"]);
    }
}

#[test]
fn a_command_without_root_is_an_error() {
    let _sandbox = Sandbox::new();
    // In a folder that every user may enter.
    let copy = "/run/netns-copy";
    fs::copy(netns_path(), copy).expect("a copy of the program");
    fs::set_permissions(copy, fs::Permissions::from_mode(0o755)).expect("a mode");
    let before = Machine::now();
    for command in [&["up"][..], &["add", "red"], &["demo"]] {
        let mut program = Command::new(copy);
        run(None, program.uid(65_534).gid(65_534).args(command)).fails_with(&[
            "root",
            "sudo",
            "`netns doctor`",
        ]);
    }
    before.is_unchanged();
}

#[test]
fn up_without_a_bpffs_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.without_bpffs();
    let before = Machine::now();
    netns(&["up"]).fails_with(&["/sys/fs/bpf"]);
    before.is_unchanged();
}

#[test]
fn a_kernel_without_tcx_is_an_error() {
    let _sandbox = Sandbox::new();
    let before = Machine::now();
    let release = own().command("uname", &["-r"]).success().stdout;
    for command in ["up", "demo"] {
        let mut program = Command::new(netns_path());
        refuse_bpf(program.arg(command), Some(BPF_LINK_CREATE), libc::EINVAL);
        let output = run(None, &mut program);
        output.fails_with(&[release.trim_end(), "has no tcx hooks", "6.6", "netns doctor"]);
        before.is_unchanged();
    }
}

#[test]
fn a_lab_that_overlaps_the_network_of_the_machine_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("up0");
    let before = Machine::now();
    let own_lab = netns_tests::lab("own").own_uplink("up0");
    own_lab.clone().bridge("br0", "192.168.1.65/26").up().fails_with(&[
        "br0",
        "192.168.1.64/26",
        "overlap",
    ]);
    own_lab.clone().bridge("up0", "10.9.0.1/24").up().fails_with(&["up0", "already"]);
    netns_tests::lab("own")
        .own_uplink("up7")
        .bridge("br0", "10.9.0.1/24")
        .up()
        .fails_with(&["up7", "up0"]);
    before.is_unchanged();
    inside("outside").ping("192.168.1.10").success();
}

#[test]
fn the_name_of_a_lab_in_the_place_of_a_file_is_answered() {
    let _sandbox = Sandbox::new();
    netns(&["plan", "lecture"]).fails_with(&["cannot read lecture: No such file"]);
    lab_is_up();
    netns(&["plan", "lecture"]).fails_with(&["it names a lab; type its topology file"]);
}

#[test]
fn a_namespace_that_is_missing_from_a_lab_is_answered_with_up() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    own().command("ip", &["netns", "del", "blue"]).success();
    netns(&["exec", "blue", "--", "true"]).fails_with(&[
        "there is no namespace \"blue\"",
        "missing from lab \"lecture\"",
        "netns up",
    ]);
    netns(&["exec", "green", "--", "true"]).fails_with(&["netns add green"]);
}

#[test]
fn a_dry_run_that_would_do_nothing_says_so() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let dry = netns(&["up", "--dry-run"]).success();
    assert_eq!((dry.stdout.as_str(), dry.stderr.as_str()), ("", "nothing to do\n"));
}
