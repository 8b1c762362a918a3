//! Locks of root's, which other users try to take.

use std::{fs::File, os::unix::fs::PermissionsExt as _};

use netns_tests::{Sandbox, lab_is_up, netns};

#[test]
fn a_user_who_locks_every_folder_that_he_can_read_stops_no_command() {
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
