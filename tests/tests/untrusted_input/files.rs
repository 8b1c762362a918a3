//! Files that `netns` writes in folders of other users, and the permissions of its own files.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, lchown, symlink},
    path::{Path, PathBuf},
    thread,
};

use netns_tests::{Sandbox, lecture, netns, netns_path, own};
use nix::{sys::stat::Mode, unistd::mkfifo};

/// The path as an argument.
fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[test]
fn graph_does_not_follow_symbolic_links_of_other_users() {
    let _sandbox = Sandbox::new();
    let folder = tempfile::tempdir().expect("a folder");
    let [precious, drawing] = ["precious", "lab.svg"].map(|name| folder.path().join(name));
    fs::write(&precious, "precious").expect("a file");
    symlink(&precious, &drawing).expect("a link");
    lchown(&drawing, Some(65_534), Some(65_534)).expect("a link of another user");
    netns(&["graph", "-o", text(&drawing)])
        .fails_with(&[text(&drawing), "symbolic link owned by user 65534"]);
    assert_eq!(fs::read_to_string(&precious).expect("the file"), "precious");
    // Links at guessable names of the temporary file.
    fs::remove_file(&drawing).expect("the link");
    for ending in [".new", ".tmp", "~"] {
        symlink(&precious, folder.path().join(format!("lab.svg{ending}"))).expect("a link");
    }
    netns(&["graph", "-o", text(&drawing)]).success();
    assert_eq!(fs::read_to_string(&precious).expect("the file"), "precious");
    assert!(fs::read_to_string(&drawing).expect("the drawing").starts_with("<svg "));
    let left = fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(left, 5, "the file, the drawing and three links");
}

#[test]
fn graph_writes_to_a_pipe_and_to_standard_output() {
    let _sandbox = Sandbox::new();
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("lab.svg");
    mkfifo(&pipe, Mode::S_IRWXU).expect("a pipe");
    let reader = {
        let pipe = pipe.clone();
        thread::spawn(move || fs::read_to_string(pipe).expect("a drawing"))
    };
    netns(&["graph", "-o", text(&pipe)]).success();
    assert!(reader.join().expect("a reader").starts_with("<svg "));
    netns(&["graph", "-f", "dot", "-o", "/dev/stdout"]).success().shows(&["graph \"lecture\" {"]);
    netns(&["graph", "-f", "dot", "-o", "/dev/fd/1"]).success().shows(&["graph \"lecture\" {"]);
    // With `>>` the old content of the file stays.
    let file = folder.path().join("file");
    let script =
        format!("echo before > {0}; \"$1\" graph -f dot -o /dev/stdout >> {0}", text(&file));
    own().command("sh", &["-c", &script, "sh", text(&netns_path())]).success();
    let written = fs::read_to_string(&file).expect("the file");
    assert!(written.starts_with("before\ngraph \"lecture\" {"), "{written}");
}

/// A folder and everything below it.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(below(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

/// Runs `netns` with a umask.
fn with_umask(mask: &str, arguments: &[&str]) {
    let script = format!("umask {mask}; exec \"$@\"");
    let program = netns_path();
    let arguments = [&["-c", &script, "sh", text(&program)], arguments].concat();
    own().command("sh", &arguments).success();
}

#[test]
fn files_of_a_lab_are_writable_only_for_root_with_any_umask() {
    for mask in ["000", "077"] {
        let _sandbox = Sandbox::new();
        let file = lecture().replace("name = \"red\"", "name = \"red\"\ndns = [\"192.168.1.1\"]");
        let file = file.write();
        with_umask(mask, &["up", text(file.path())]);
        let folders = ["/run/netns-labs", "/sys/fs/bpf/netns", "/etc/netns", "/run/netns"];
        for path in folders.iter().flat_map(|folder| below(Path::new(folder))) {
            let there = fs::symlink_metadata(&path).expect("it is there");
            // The kernel ignores the mode of a link; its target is in one of the folders.
            if there.is_symlink() {
                continue;
            }
            let mode = there.mode() & 0o7777;
            assert_eq!(mode & 0o022, 0, "umask {mask}: {}: {mode:o}", path.display());
            if path.starts_with("/sys/fs/bpf") {
                assert_eq!(mode & 0o077, 0, "umask {mask}: {}: {mode:o}", path.display());
            } else if !path.starts_with("/run/netns/") {
                assert_eq!(mode & 0o044, 0o044, "umask {mask}: {}: {mode:o}", path.display());
            }
        }
        assert!(Path::new("/etc/netns/red/resolv.conf").is_file());
        assert!(Path::new("/run/netns-labs/lecture/hosts").is_file());
        with_umask(mask, &["down"]);
        assert!(!Path::new("/etc/netns").exists());
    }
}

#[test]
fn a_symbolic_link_as_resolv_conf_is_not_written_through() {
    let _sandbox = Sandbox::new();
    let file = lecture().replace("name = \"red\"", "name = \"red\"\ndns = [\"192.168.1.1\"]");
    let folder = tempfile::tempdir().expect("a folder");
    let elsewhere = folder.path().join("elsewhere");
    let link = Path::new("/etc/netns/red/resolv.conf");
    fs::create_dir_all("/etc/netns/red").expect("a folder");
    symlink(&elsewhere, link).expect("a link that leads nowhere");
    file.up().fails_with(&["/etc/netns/red/resolv.conf already exists"]);
    assert!(!elsewhere.exists());
    // Not even if its target looks like one of our files.
    fs::write(&elsewhere, "# written by `netns up`, deleted by `netns down`\n").expect("a file");
    file.up().fails_with(&["/etc/netns/red/resolv.conf already exists"]);
    assert!(link.is_symlink() && elsewhere.is_file());
}
