//! Names with terminal escape sequences, and names that are not UTF-8.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, process::Command};

use netns_tests::{Output, Sandbox, inside, lab_is_up, lecture, netns, netns_path, own, run};

/// A name that sets the title of a terminal.
const EVIL: &str = "ev\u{1b}]0;PWN\u{7}il";
const SHOWN: &str = "ev\\x1b]0;PWN\\x07il";

/// Runs a tool in the namespace red, with arguments that may be any bytes.
fn in_red(program: &str, arguments: &[&[u8]]) {
    let mut command = Command::new(program);
    command.args(arguments.iter().map(|argument| OsStr::from_bytes(argument)));
    run(Some("red"), &mut command).success();
}

/// Runs `netns` on a terminal without a size, and returns its output without colours.
fn on_terminal(arguments: &[&str]) -> Output {
    const SPAWN: &str = "import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let program = netns_path();
    let program = program.to_str().expect("a plain path");
    let mut output = own().command("python3", &[&["-c", SPAWN, program], arguments].concat());
    output.stdout = without_colours(&output.stdout.replace('\r', ""));
    output
}

/// Removes colour sequences from a text.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('m') {
            Some((numbers, rest)) if numbers.chars().all(|c| c.is_ascii_digit() || c == ';') => {
                plain += rest;
            }
            _ => plain += &format!("\u{1b}[{part}"),
        }
    }
    plain
}

#[track_caller]
fn has_no_control_character(output: &Output) {
    for text in [&output.stdout, &output.stderr] {
        assert!(!text.contains(|c: char| c != '\n' && c.is_control()), "{output:?}");
    }
}

#[test]
fn a_terminal_gets_no_control_character_from_an_interfaces_name() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    in_red("ip", &[b"link", b"add", EVIL.as_bytes(), b"type", b"bridge"]);
    for arguments in [&["show", "red"][..], &["link", "list", "red"], &["bridge", "list"]] {
        let shown = on_terminal(arguments).success().shows(&[SHOWN]);
        has_no_control_character(&shown);
        let shown = netns(arguments).success().shows(&[SHOWN]);
        has_no_control_character(&shown);
    }
    // Errors and their proposals are escaped as well.
    let failed = on_terminal(&["link", "set", "red:nothing", "up"]);
    assert!(failed.stdout.contains(SHOWN), "{failed}");
    has_no_control_character(&failed);
    // JSON has the complete name.
    let json = netns(&["show", "red", "--json"]).success();
    has_no_control_character(&json);
    let json = json.json();
    let links = json["links"].as_array().expect("links");
    assert!(links.iter().any(|link| link["name"] == EVIL), "{json:#}");
}

#[test]
fn an_interface_with_a_non_utf8_name_or_alias_is_shown_and_can_be_changed() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    in_red("ip", &[b"link", b"add", b"ev\xffil", b"type", b"bridge"]);
    in_red("ip", &[b"addr", b"add", b"10.9.9.9/24", b"dev", b"ev\xffil"]);
    in_red("ip", &[b"link", b"add", b"plain", b"type", b"bridge"]);
    // A link with a normal name can have an unusual alias, and an address an unusual label.
    in_red("ip", &[b"link", b"set", b"dev", b"veth-red", b"alias", b"\xff\xfe"]);
    let label = b"veth-red:\xff";
    in_red("ip", &[b"addr", b"add", b"10.9.8.7/24", b"dev", b"veth-red", b"label", label]);
    netns(&["show", "red"]).success().shows(&["ev\\xffil", "veth-red", "10.9.9.9", "10.9.8.7"]);
    netns(&["link", "set", "red:veth-red", "up", "--force"]).success();
    netns(&["status"]).success();
    netns(&["up"]).success().shows(&["is already up"]);
    let json = netns(&["show", "red", "--json"]).json();
    let links = json["links"].as_array().expect("links");
    assert!(links.iter().any(|link| link["name"] == "ev\\xffil"), "{json:#}");
}

#[test]
fn a_process_name_cannot_hide_the_process_or_control_the_terminal() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let mut command = Command::new("python3");
    command.args([
        "-uc",
        "import ctypes, time
ctypes.CDLL(None).prctl(15, b'\\xff\\x1b]0;PWN\\x07')
print('ready')
time.sleep(600)",
    ]);
    command.arg(OsStr::from_bytes(b"\xff\x1b]0;PWN\x07"));
    let mut process = netns_tests::Running::start(Some("red"), &mut command);
    process.wait_for("ready");
    for output in [on_terminal(&["ps", "red"]).success(), netns(&["ps", "red"]).success()] {
        let output = output.shows(&["python3", "\\xff\\x1b]0;PWN\\x07"]);
        has_no_control_character(&output);
    }
    let rows = netns(&["ps", "red", "--json"]).json();
    let command = rows[0]["command"].as_str().expect("a command");
    assert!(command.ends_with("\\xff\u{1b}]0;PWN\u{7}"), "{rows:#}");
}

#[test]
fn a_listeners_program_name_cannot_control_the_terminal() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let script = "import ctypes, socket, time
ctypes.CDLL(None).prctl(15, b'\\x1b]0;PWN\\x07')
s = socket.create_server(('0.0.0.0', 8080)); print('ready', flush=True)
time.sleep(600)";
    let mut process = inside("host").start("python3", &["-uc", script]);
    process.wait_for("ready");
    let added = netns(&["forward", "add", "tcp", "8080", "192.168.15.2:80"]).success();
    assert!(added.stderr.contains("\\x1b]0;PWN\\x07 in namespace \"host\" listens"), "{added}");
    has_no_control_character(&added);
    has_no_control_character(&on_terminal(&["doctor"]));
}

#[test]
fn an_uplink_with_an_unusual_name_is_shown_escaped() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    own().command("ip", &["-n", "host", "link", "set", "dev", "ens3", "down"]).success();
    own().command("ip", &["-n", "host", "link", "set", "dev", "ens3", "name", EVIL]).success();
    own().command("ip", &["-n", "host", "link", "set", "dev", EVIL, "up"]).success();
    has_no_control_character(&netns(&["status"]));
    let shown = netns(&["show", "host"]).success().shows(&[SHOWN]);
    has_no_control_character(&shown);
    assert!(inside("red").interfaces().contains(&"veth-red".to_owned()));
}

#[test]
fn names_cannot_inject_commands_into_a_printed_script() {
    const NAMES: [&str; 3] = ["a;>/run/x", "$(>/run/x)", "`>/run/x`'"];
    let _sandbox = Sandbox::new();
    for name in NAMES.map(|name| name.replace("/run/x", "x")) {
        let file = lecture().replace(
            "name = \"red\"",
            &format!("name = \"red\"\ninterface = \"{name}\"\nforwarding = true"),
        );
        let file = file.write();
        let path = file.path().to_str().expect("a plain path");
        for option in ["--explain", "--dry-run"] {
            let script = netns(&["up", option, path]).success().stdout;
            let folder = tempfile::tempdir().expect("a folder");
            // Every program in the script does nothing, so any other effect comes from a name.
            let nothing = "ip() { :; }; sysctl() { :; }; iptables() { :; }; mkdir() { :; }";
            std::fs::write(folder.path().join("script"), format!("{nothing}\n{script}"))
                .expect("a script");
            let run = format!("cd {}; sh ./script", folder.path().display());
            own().command("sh", &["-c", &run]).success();
            let left = std::fs::read_dir(folder.path()).expect("the folder").count();
            assert_eq!(left, 1, "{name}: {script}");
        }
    }
}

#[test]
fn a_namespace_with_a_non_utf8_name_is_listed_and_can_be_deleted() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let mut command = Command::new("ip");
    command.args(["netns", "add"]).arg(OsStr::from_bytes(b"od\xffd"));
    run(None, &mut command).success();
    netns(&["list"]).success().shows(&["od\\xffd  -"]);
    netns(&["link", "list"]).success().shows(&["od\\xffd:lo"]);
    netns(&["del", "od\\xffd"]).success();
    assert!(!netns(&["list"]).success().stdout.contains("od"));
}
