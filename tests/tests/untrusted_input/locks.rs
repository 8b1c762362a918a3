//! Locks of root that other users try to take.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use netns_tests::{Sandbox, lab_is_up, netns};

/// The folders of the pins of the lecture's lab.
fn folders_of_pins() -> Vec<PathBuf> {
    let all = PathBuf::from("/sys/fs/bpf/netns");
    let lab = all.join("lecture");
    let version = fs::read_dir(&lab).expect("the pins").next().expect("a version").expect("it");
    let maps = version.path().join("maps");
    vec![all, lab, version.path(), maps]
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a folder").permissions().mode() & 0o777
}

#[test]
fn a_change_narrows_folders_of_pins_that_every_user_can_open() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    for folder in folders_of_pins() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
        fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("a mode");
    }
    netns(&["forward", "add", "tcp", "8080", "192.168.15.2:80"]).success();
    for folder in folders_of_pins() {
        assert_eq!(mode(&folder), 0o700, "{}", folder.display());
    }
}

#[test]
fn a_user_who_locks_every_readable_folder_blocks_no_command() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let mut locked = Vec::new();
    for folder in ["/run/netns", "/run/netns-labs", "/run/netns-labs/lecture"] {
        let mode = std::fs::metadata(folder).expect("a folder").permissions().mode();
        assert_eq!(mode & 0o007, 0o005, "{folder} can be read by every user");
        let folder = File::open(folder).expect("a folder");
        folder.lock().expect("a lock");
        locked.push(folder);
    }
    netns(&["add", "green"]).success();
    netns(&["forward", "add", "tcp", "8080", "192.168.15.2:80"]).success();
    netns(&["down"]).success();
    lab_is_up();
    let lock = std::fs::metadata("/run/netns-labs.lock").expect("the lock").permissions().mode();
    assert_eq!(lock & 0o777, 0o600, "no other user can open it");
}
