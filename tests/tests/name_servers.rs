//! The name servers of namespaces, in /etc/netns/NAME/resolv.conf: files that were edited, replaced
//! or left behind.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
    process::Command,
};

use netns_tests::{LabFile, Output, Running, Sandbox, lecture, netns, netns_path, own};

const FILE: &str = "/etc/netns/red/resolv.conf";
const EDIT: &str = "nameserver 1.1.1.1\n";

/// The lecture's lab, in which red has this name server.
fn with_server(server: &str) -> LabFile {
    lecture().replace("name = \"red\"\n", &format!("name = \"red\"\ndns = [\"{server}\"]\n"))
}

#[track_caller]
fn plan(lab: &LabFile) -> Output {
    let file = lab.write();
    netns(&["plan", file.path().to_str().expect("a plain path")]).success()
}

#[track_caller]
fn content() -> String {
    fs::read_to_string(FILE).expect("a file with name servers")
}

#[track_caller]
fn tells_of_the_edit(output: &Output) {
    let told = format!("{FILE} was changed by hand");
    assert!(output.stderr.contains(&told), "expected {told:?}: {output}");
}

/// The resolv.conf that a command in red reads.
#[track_caller]
fn seen_in_red() -> String {
    netns(&["exec", "red", "--", "cat", "/etc/resolv.conf"]).success().stdout
}

#[test]
fn up_and_down_keep_an_edited_resolv_conf_and_say_so() {
    let _sandbox = Sandbox::new();
    let lab = with_server("9.9.9.9");
    let first = lab.up().success();
    assert!(!first.stderr.contains(FILE), "nobody has edited it: {first}");
    // With and without our first line.
    for edit in [content().replace("9.9.9.9", "8.8.4.4"), EDIT.to_owned()] {
        fs::write(FILE, &edit).expect("a private file");
        let planned = plan(&lab);
        tells_of_the_edit(&planned);
        planned.shows(&["nothing to do"]);
        tells_of_the_edit(&lab.up().success());
        let more = lab.clone().namespace("green", "v-net-0", "192.168.15.3/24");
        let changed = more.up().success();
        tells_of_the_edit(&changed);
        changed.shows(&["is changed"]);
        let down = netns(&["down"]).success();
        let kept = format!("{FILE} was not deleted: it was changed by hand");
        assert!(down.stderr.contains(&kept), "expected {kept:?}: {down}");
        assert_eq!(content(), edit, "after down");
        tells_of_the_edit(&lab.up().success());
        assert_eq!(content(), edit, "after up");
        assert_eq!(seen_in_red(), edit);
    }
}

#[test]
fn new_servers_in_the_topology_replace_an_edited_resolv_conf() {
    let _sandbox = Sandbox::new();
    with_server("9.9.9.9").up().success();
    fs::write(FILE, EDIT).expect("a private file");
    let other = with_server("8.8.8.8");
    plan(&other).shows(&["~  name servers  8.8.8.8"]);
    let up = other.up().success();
    assert!(!up.stderr.contains(FILE), "the edit is gone: {up}");
    assert!(content().contains("nameserver 8.8.8.8\n"), "{}", content());
    // The file belongs to the lab again.
    plan(&other).shows(&["nothing to do"]);
    netns(&["down"]).success();
    assert!(!Path::new(FILE).exists(), "resolv.conf stays behind");
}

#[test]
fn files_left_by_an_earlier_lab_do_not_block_up() {
    let _sandbox = Sandbox::new();
    let lab = with_server("9.9.9.9");
    lab.up().success();
    let written = content();
    netns(&["down"]).success();
    // Files of an earlier lab without `down`, of a killed writer, and of a killed older version.
    let left = ["", &written.replace("9.9.9.9", "8.8.8.8"), &written];
    for text in left {
        fs::create_dir_all("/etc/netns/red").expect("a private folder");
        fs::write(FILE, text).expect("a private file");
        fs::write("/etc/netns/red/.netns-x1", "name").expect("a private file");
        lab.up().success();
        assert_eq!(content(), written, "after {text:?}");
        // While the lab is up, `up` rewrites a missing or empty file.
        fs::write(FILE, "").expect("a private file");
        plan(&lab).shows(&["name servers"]);
        lab.up().success();
        assert_eq!(content(), written);
        netns(&["down"]).success();
        // The folder is not one that netns has made, so it stays.
        let mut left = fs::read_dir("/etc/netns/red").expect("a private folder");
        assert!(left.next().is_none(), "files stay behind");
    }
}

#[test]
fn a_resolv_conf_is_replaced_and_never_overwritten() {
    let _sandbox = Sandbox::new();
    with_server("9.9.9.9").up().success();
    let reader = fs::File::open(FILE).expect("a file");
    with_server("8.8.8.8").up().success();
    let before = std::io::read_to_string(&reader).expect("the old file");
    assert!(before.contains("nameserver 9.9.9.9\n"), "a reader sees a part: {before}");
    let now = fs::metadata(FILE).expect("a file");
    assert_ne!(reader.metadata().expect("a file").ino(), now.ino());
    assert_eq!(now.permissions().mode() & 0o777, 0o644);
}

#[test]
fn a_symbolic_link_as_resolv_conf_is_kept_and_never_followed() {
    let _sandbox = Sandbox::new();
    let lab = with_server("9.9.9.9");
    lab.up().success();
    fs::write("/etc/shared.conf", EDIT).expect("a private file");
    fs::remove_file(FILE).expect("a private file");
    symlink("/etc/shared.conf", FILE).expect("a link");
    tells_of_the_edit(&lab.up().success());
    assert_eq!(seen_in_red(), EDIT);
    // New servers replace the link; its target is not changed.
    with_server("8.8.8.8").up().success();
    assert_eq!(fs::read_to_string("/etc/shared.conf").expect("a file"), EDIT);
    assert!(seen_in_red().contains("nameserver 8.8.8.8\n"));
    netns(&["down"]).success();
    // A dangling link is kept as well.
    fs::create_dir_all("/etc/netns/red").expect("a private folder");
    symlink("/etc/nowhere.conf", FILE).expect("a link");
    lab.up().fails_with(&[FILE, "not part of this lab"]);
    assert!(!Path::new("/etc/nowhere.conf").exists(), "written through a link");
}

#[test]
fn exec_keeps_its_name_servers_when_the_machines_resolv_conf_is_replaced() {
    let _sandbox = Sandbox::new();
    with_server("9.9.9.9").up().success();
    fs::create_dir_all("/run/stub").expect("a folder");
    fs::write("/run/stub/resolv.conf", "nameserver 127.0.0.53\n").expect("a file");
    fs::remove_file("/etc/resolv.conf").ok();
    symlink("../run/stub/resolv.conf", "/etc/resolv.conf").expect("a link");
    own().command("mkfifo", &["/run/go"]).success();
    for isolated in [&[][..], &["--isolate"]] {
        let script = "echo ready; read line < /run/go; cat /etc/resolv.conf";
        let mut command = Command::new(netns_path());
        command.arg("exec").args(isolated).args(["red", "--", "sh", "-c", script]);
        let mut running = Running::start(None, &mut command);
        running.wait_for("ready");
        fs::write("/run/stub/new", "nameserver 127.0.0.53\noptions edns0\n").expect("a file");
        fs::rename("/run/stub/new", "/run/stub/resolv.conf").expect("a file");
        fs::write("/run/go", "go on\n").expect("a reader");
        running.wait_for("nameserver 9.9.9.9");
    }
    // A dangling link does not hinder `exec` either.
    fs::remove_dir_all("/run/stub").expect("a folder");
    assert!(seen_in_red().contains("nameserver 9.9.9.9\n"));
}
