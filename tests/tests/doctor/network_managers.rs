//! Checks of programs that configure interfaces. A process with the same name plays such a program,
//! since the doctor recognises them by name.

use std::fs;

use netns_tests::{Running, Sandbox, lecture, own};

use super::{doctor, doctor_of, on_the_machine};

/// Starts a process with this name that only waits.
fn plays(name: &str) -> Running {
    let program = format!("/run/{name}");
    let sleep = own().command("sh", &["-c", "readlink -f $(command -v sleep)"]).success();
    fs::copy(sleep.stdout.trim(), &program).expect("a copy of sleep");
    own().start(&program, &["1000"])
}

#[test]
fn doctor_reports_networkd_files_that_match_links_of_the_lab() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    let file = on_the_machine().write();
    fs::create_dir_all("/etc/systemd/network").expect("a folder");
    fs::write("/etc/systemd/network/50-all.network", "[Match]\nName=*\n[Network]\nDHCP=yes\n")
        .expect("a file");
    doctor_of(&file).says("systemd-networkd", &["not running"]);
    let _networkd = plays("systemd-networkd");
    let report = doctor_of(&file);
    report.has("systemd-networkd", "fault");
    report.says("systemd-networkd", &["50-all.network", "br-a"]);
    report.is_not_sound();
    doctor_of(&lecture().write()).has("systemd-networkd", "ok");
    doctor().has("systemd-networkd", "warning");
    // The command ends with a reload, which fails here because networkd does not run.
    let _ = report.mend("systemd-networkd");
    doctor_of(&file).is_sound();
    doctor().has("systemd-networkd", "warning");
    let _ = doctor().mend("systemd-networkd");
    doctor().has("systemd-networkd", "ok");
}

#[test]
fn doctor_accepts_networkd_while_no_file_matches() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    fs::create_dir_all("/etc/systemd/network").expect("a folder");
    fs::write("/etc/systemd/network/50-uplink.network", "[Match]\nName=wan0\n").expect("a file");
    let _networkd = plays("systemd-networkd");
    let report = doctor_of(&on_the_machine().write());
    report.has("systemd-networkd", "ok");
    report.says("systemd-networkd", &["running, but none of its files matches"]);
}

#[test]
fn doctor_prints_a_command_that_makes_networkmanager_ignore_the_links() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    let file = on_the_machine().write();
    let _manager = plays("NetworkManager");
    let report = doctor_of(&file);
    report.has("NetworkManager", "warning");
    report.says("NetworkManager", &["br-a"]);
    let _ = report.mend("NetworkManager");
    doctor_of(&file).has("NetworkManager", "ok");
    doctor_of(&lecture().write()).has("NetworkManager", "ok");
}
