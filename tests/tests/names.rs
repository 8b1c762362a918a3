//! The names of a lab's namespaces, in /etc/netns/NAME/hosts: links to one file that all namespaces
//! share.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
    process::Command,
};

use netns_tests::{
    LabFile, Machine, Output, Running, Sandbox, inside, lab, lab_is_up, lecture, netns, netns_path,
    own, run,
};

const SHARED: &str = "/run/netns-labs/lecture/hosts";
const OF_RED: &str = "/etc/netns/red/hosts";

/// A sandbox in which the C library asks only the hosts file.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write("/etc/nsswitch.conf", "hosts: files\n").expect("a private file");
    sandbox
}

fn with_green() -> LabFile {
    lecture().namespace("green", "v-net-0", "192.168.15.3/24")
}

/// Leaves the files of a lab that was up when the machine went down.
#[track_caller]
fn files_after_a_boot(lab: &LabFile) {
    lab.up().success();
    fs::rename("/etc/netns", "/etc/kept").expect("a private folder");
    netns(&["down"]).success();
    fs::rename("/etc/kept", "/etc/netns").expect("a private folder");
}

/// The lines of getent about a name, as a command in the namespace sees them.
#[track_caller]
fn looked_up(namespace: &str, name: &str) -> Vec<String> {
    let output = netns(&["exec", namespace, "--", "getent", "hosts", name]);
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    output.stdout.lines().map(words).collect()
}

#[track_caller]
fn tells(output: &Output, note: &str) {
    assert!(output.stderr.contains(note), "expected {note:?}: {output}");
}

#[track_caller]
fn plan(lab: &LabFile) -> Output {
    let file = lab.write();
    netns(&["plan", file.path().to_str().expect("a plain path")]).success()
}

#[test]
fn each_namespace_finds_all_others_the_machines_names_and_localhost() {
    let _sandbox = sandbox();
    let before = Machine::now();
    fs::write("/etc/hosts", "127.0.0.1 localhost\n192.0.2.99 printer # in the hall\n")
        .expect("a private file");
    lab_is_up();
    for namespace in ["host", "lan", "red", "blue"] {
        let router = looked_up(namespace, "host");
        assert_eq!(router, ["192.168.15.5 host", "192.168.1.10 host"], "{namespace}");
        for (name, address) in [
            ("lan", "192.168.1.1"),
            ("red", "192.168.15.1"),
            ("blue", "192.168.15.2"),
            ("printer", "192.0.2.99"),
            ("localhost", "127.0.0.1"),
        ] {
            assert_eq!(looked_up(namespace, name), [format!("{address} {name}")], "{namespace}");
        }
        assert!(looked_up(namespace, "green").is_empty());
    }
    let by_ip = own().command("ip", &["netns", "exec", "red", "getent", "hosts", "blue"]);
    by_ip.success().shows(&["192.168.15.2"]);
    let isolated = netns(&["exec", "--isolate", "red", "--", "getent", "hosts", "blue"]);
    isolated.success().shows(&["192.168.15.2"]);
    netns(&["exec", "red", "--", "ping", "-c", "1", "-W", "5", "blue"]).success();
    // Neither the machine nor a program that only enters the network namespace sees the names.
    assert!(!own().command("getent", &["hosts", "blue"]).status.success());
    assert!(!inside("red").command("getent", &["hosts", "blue"]).status.success());
    netns(&["down"]).success();
    before.is_unchanged();
}

#[test]
fn a_router_is_called_by_its_name_from_inside_and_from_outside() {
    let _sandbox = sandbox();
    lab_is_up();
    for namespace in ["red", "lan"] {
        netns(&["exec", namespace, "--", "ping", "-c", "1", "-W", "5", "host"]).success();
    }
}

#[test]
fn a_command_that_runs_finds_a_namespace_that_is_added_later() {
    let _sandbox = sandbox();
    lab_is_up();
    own().command("mkfifo", &["/run/go"]).success();
    let script = "echo ready; read line < /run/go; getent hosts green";
    let mut command = Command::new(netns_path());
    command.args(["exec", "red", "--", "sh", "-c", script]);
    let mut running = Running::start(None, &mut command);
    running.wait_for("ready");
    plan(&with_green()).shows(&["names of lab lecture: none -> 192.168.15.3 green"]);
    with_green().up().success();
    fs::write("/run/go", "go on\n").expect("a reader");
    running.wait_for("192.168.15.3");
    for namespace in ["host", "red", "green"] {
        assert_eq!(looked_up(namespace, "green"), ["192.168.15.3 green"]);
    }
    plan(&with_green()).shows(&["nothing to do"]);
    lab_is_up();
    assert!(looked_up("red", "green").is_empty());
    assert!(!Path::new("/etc/netns/green").exists(), "a link stays behind");
}

#[test]
fn a_namespace_takes_its_name_from_an_entry_of_the_machine() {
    let _sandbox = sandbox();
    fs::write("/etc/hosts", "192.0.2.99 Red printer\n192.0.2.98 localhost\n").expect("a file");
    lab_is_up();
    for name in ["red", "RED"] {
        assert_eq!(looked_up("blue", name), ["192.168.15.1 red"]);
    }
    assert_eq!(looked_up("blue", "printer"), ["192.0.2.99 printer"]);
    assert_eq!(looked_up("blue", "localhost"), ["127.0.0.1 localhost"]);
}

#[test]
fn up_of_an_unchanged_lab_takes_over_new_entries_of_the_machine() {
    let _sandbox = sandbox();
    lab_is_up();
    fs::write("/etc/hosts", "192.0.2.99 printer\n").expect("a private file");
    netns(&["status"]).success();
    lecture().up().success().shows(&["nothing to do"]);
    assert_eq!(looked_up("red", "printer"), ["192.0.2.99 printer"]);
}

#[test]
fn each_lab_has_a_file_of_its_own() {
    let _sandbox = sandbox();
    let second = lab("second").router("gate").bridge("br-two", "10.2.0.1/24");
    let second = second.namespace("green", "br-two", "10.2.0.2/24");
    lab_is_up();
    second.up().success();
    assert!(looked_up("red", "green").is_empty() && looked_up("green", "red").is_empty());
    assert_eq!(looked_up("green", "gate"), ["10.2.0.1 gate"]);
    netns(&["down", "second"]).success();
    assert_eq!(looked_up("red", "blue"), ["192.168.15.2 blue"]);
}

#[test]
fn a_hosts_file_that_somebody_else_has_made_is_kept() {
    let _sandbox = sandbox();
    let own_file = "192.0.2.1 mine\n";
    fs::create_dir_all("/etc/netns/red").expect("a private folder");
    fs::write("/etc/elsewhere", own_file).expect("a private file");
    let file = lecture().write();
    let path = file.path().to_str().expect("a plain path");
    let kinds: [fn(); 2] = [
        || fs::write(OF_RED, "192.0.2.1 mine\n").expect("a private file"),
        || symlink("/etc/elsewhere", OF_RED).expect("a link"),
    ];
    for make in kinds {
        make();
        let script = netns(&["up", "--dry-run", path]).success().stdout;
        assert!(!script.contains(OF_RED), "the script replaces it: {script}");
        let note = format!("{OF_RED} was not made by netns");
        tells(&lecture().up().success(), &note);
        assert_eq!(looked_up("red", "mine"), ["192.0.2.1 mine"]);
        assert_eq!(looked_up("blue", "red"), ["192.168.15.1 red"]);
        tells(&plan(&lecture()).shows(&["nothing to do"]), &note);
        netns(&["status"]).success().shows(&[OF_RED, "not made by netns; kept"]);
        let script = netns(&["down", "--dry-run"]).success().stdout;
        assert!(!script.contains(OF_RED), "the script deletes it: {script}");
        let down = netns(&["down"]).success();
        tells(&down, &format!("{OF_RED} was not deleted: netns has not made it"));
        assert_eq!(fs::read_to_string(OF_RED).expect("the file"), own_file);
        assert!(!Path::new("/etc/netns/blue").exists(), "a link stays behind");
        fs::remove_file(OF_RED).expect("the file");
    }
    assert_eq!(fs::read_to_string("/etc/elsewhere").expect("the target"), own_file);
}

#[test]
fn an_edited_shared_file_is_kept_until_the_names_of_the_lab_change() {
    let _sandbox = sandbox();
    lab_is_up();
    let written = fs::read_to_string(SHARED).expect("the shared file");
    // Written through the link of a namespace.
    fs::write(OF_RED, format!("{written}192.0.2.1 mine\n")).expect("a link");
    let note = format!("{SHARED} was changed by hand");
    tells(&lecture().up().success(), &note);
    tells(&plan(&lecture()), &note);
    netns(&["status"]).success().shows(&[SHARED, "changed by hand; kept"]);
    assert_eq!(looked_up("blue", "mine"), ["192.0.2.1 mine"]);
    let changed = with_green().up().success();
    assert!(!changed.stderr.contains(SHARED), "the edit is gone: {changed}");
    assert!(looked_up("blue", "mine").is_empty());
    assert_eq!(looked_up("blue", "green"), ["192.168.15.3 green"]);
    netns(&["down"]).success();
    assert!(!Path::new("/etc/netns").exists(), "links stay behind");
}

#[test]
fn up_repairs_files_that_are_missing_or_incomplete() {
    let _sandbox = sandbox();
    lab_is_up();
    let written = fs::read_to_string(SHARED).expect("the shared file");
    let faults: [fn(); 5] = [
        || fs::remove_file(OF_RED).expect("a link"),
        || fs::remove_dir_all("/etc/netns").expect("a folder"),
        || fs::remove_file(SHARED).expect("a file"),
        || fs::write(SHARED, "").expect("a file"),
        // A process was killed while it wrote the file.
        || {
            fs::remove_file(format!("{SHARED}.written")).expect("a file");
            fs::write(SHARED, "127.0.0.1 localhost\n# the nam").expect("a file");
        },
    ];
    for fault in faults {
        fault();
        netns(&["status"]).fails_with(&[]).shows(&["hosts file"]);
        plan(&lecture()).shows(&["hosts file"]);
        lecture().up().success();
        assert_eq!(fs::read_to_string(OF_RED).expect("a link"), written);
        netns(&["status"]).success();
    }
}

#[test]
fn folders_that_netns_has_not_made_stay_when_the_lab_goes_down() {
    let _sandbox = sandbox();
    fs::create_dir_all("/etc/netns/red").expect("a folder");
    let with_servers = with_green().text("dns = [\"9.9.9.9\"]");
    with_servers.up().success();
    netns(&["down"]).success();
    assert!(Path::new("/etc/netns/red").is_dir(), "a folder of the user is deleted");
    for made in ["host", "lan", "blue", "green"] {
        assert!(!Path::new("/etc/netns").join(made).exists(), "{made} stays behind");
    }
    fs::remove_dir("/etc/netns/red").expect("an empty folder");
    with_servers.up().success();
    netns(&["down"]).success();
    assert!(Path::new("/etc/netns").is_dir(), "a folder of the user is deleted");
}

#[test]
fn folders_that_a_killed_command_has_emptied_are_deleted() {
    let _sandbox = sandbox();
    let before = Machine::now();
    with_green().up().success();
    fs::remove_file("/etc/netns/green/hosts").expect("a link");
    lab_is_up();
    assert!(!Path::new("/etc/netns/green").exists(), "a folder stays behind");
    fs::remove_file(OF_RED).expect("a link");
    netns(&["down"]).success();
    before.is_unchanged();
}

#[test]
fn the_shared_file_keeps_its_inode_and_is_readable_for_every_user() {
    let _sandbox = sandbox();
    lab_is_up();
    let before = fs::metadata(SHARED).expect("the shared file");
    fs::set_permissions(SHARED, fs::Permissions::from_mode(0o600)).expect("the shared file");
    with_green().up().success();
    let now = fs::metadata(SHARED).expect("the shared file");
    assert_eq!(now.ino(), before.ino());
    assert_eq!(now.permissions().mode() & 0o7777, 0o644);
}

#[test]
fn a_symbolic_link_in_place_of_the_shared_file_is_never_written_through() {
    let _sandbox = sandbox();
    lab_is_up();
    fs::write("/etc/precious", "precious").expect("a private file");
    fs::remove_file(SHARED).expect("the shared file");
    symlink("/etc/precious", SHARED).expect("a link");
    with_green().up().success();
    assert_eq!(fs::read_to_string("/etc/precious").expect("the file"), "precious");
    assert_eq!(looked_up("red", "green"), ["192.168.15.3 green"]);
}

#[test]
fn down_deletes_the_links_of_a_lab_without_a_record() {
    let _sandbox = sandbox();
    let before = Machine::now();
    lab_is_up();
    fs::remove_dir_all("/run/netns-labs").expect("the records go");
    netns(&["down", "lecture"]).success();
    before.is_unchanged();
    files_after_a_boot(&lecture());
    let links = ["host", "lan", "red", "blue"].map(|name| format!("/etc/netns/{name}/hosts"));
    let script = netns(&["down", "lecture", "--dry-run"]).success().stdout;
    assert!(links.iter().all(|link| script.contains(link)), "{script}");
    netns(&["down", "lecture"]).success();
    before.is_unchanged();
}

#[test]
fn a_link_to_a_lab_that_is_gone_is_deleted_with_its_namespace_and_replaced_by_the_next_lab() {
    let _sandbox = sandbox();
    let gone = lab("gone").text("[[namespace]]\nname = \"red\"");
    files_after_a_boot(&gone);
    netns(&["add", "red"]).success();
    assert!(!Path::new("/etc/netns").exists(), "a link stays behind");
    fs::create_dir_all("/etc/netns/red").expect("a private folder");
    symlink("/run/netns-labs/gone/hosts", OF_RED).expect("a link");
    netns(&["del", "red"]).success();
    assert!(!Path::new(OF_RED).is_symlink(), "a link stays behind");
    files_after_a_boot(&gone);
    lab_is_up();
    assert_eq!(looked_up("red", "blue"), ["192.168.15.2 blue"]);
}

#[test]
fn the_commands_of_up_and_down_make_and_remove_the_same_files() {
    let entry = "192.0.2.99 printer red\n";
    let file = lecture().write();
    let path = file.path().to_str().expect("a plain path");
    let (script, ours) = {
        let _sandbox = sandbox();
        fs::write("/etc/hosts", entry).expect("a private file");
        let script = netns(&["up", "--dry-run", path]).success().stdout;
        assert!(!Path::new("/etc/netns").exists(), "a dry run makes files");
        lab_is_up();
        (script, fs::read_to_string(OF_RED).expect("a link"))
    };
    let _second = sandbox();
    fs::write("/etc/hosts", entry).expect("a private file");
    run(None, Command::new("sh").args(["-ec", &script])).success();
    assert_eq!(fs::read_to_string(OF_RED).expect("a link"), ours, "{script}");
    assert_eq!(fs::read_link(OF_RED).expect("a link"), Path::new(SHARED));
    let undo = netns(&["down", "--dry-run", path]).success().stdout;
    run(None, Command::new("sh").args(["-ec", &undo])).success();
    let left = fs::read_dir("/etc/netns").into_iter().flatten().count();
    assert_eq!((left, Path::new(SHARED).exists()), (0, false), "{undo}");
}

#[test]
fn a_lab_works_without_names_where_etc_is_read_only() {
    let _sandbox = sandbox();
    own().command("mount", &["--bind", "/etc", "/etc"]).success();
    own().command("mount", &["-o", "remount,bind,ro", "/etc"]).success();
    lab_is_up();
    netns(&["status"]).success();
    plan(&lecture()).shows(&["nothing to do"]);
    netns(&["exec", "red", "--", "ping", "-c", "1", "-W", "5", "192.168.15.2"]).success();
    netns(&["down"]).success();
}
