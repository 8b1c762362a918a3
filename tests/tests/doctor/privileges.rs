//! Checks of privileges: what the doctor cannot inspect, and what the kernel would refuse to a lab.

use std::{fs, process::Command};

use netns_tests::{BPF_LINK_CREATE, Sandbox, netns_path, own, refuse_bpf};
use nix::libc;

use super::{Report, on_the_machine};

/// A copy of the program that every user can run.
const EVERYBODYS: &str = "/run/netns-doctor";

/// Runs the doctor through another program.
#[track_caller]
fn doctor_by(program: &str, arguments: &[&str], file: Option<&str>) -> Report {
    fs::write(EVERYBODYS, "").expect("a file in a new tmpfs");
    let path = netns_path();
    let path = path.to_str().expect("a plain path");
    own().command("mount", &["--bind", path, EVERYBODYS]).success();
    let doctor = [EVERYBODYS, "doctor", "--json"];
    let all: Vec<&str> = arguments.iter().copied().chain(doctor).chain(file).collect();
    Report::of(own().command(program, &all))
}

#[test]
fn doctor_without_root_lists_the_checks_that_it_skipped() {
    let _sandbox = Sandbox::new();
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let report = doctor_by("setpriv", &nobody, None);
    report.has("rights", "fault");
    report.says("rights", &["not root", "sudo netns doctor"]);
    for check in ["eBPF programs", "tcx", "route lookup", "fragments", "firewall"] {
        report.has(check, "warning");
        report.says(check, &["run netns doctor with sudo"]);
    }
    for check in ["kernel", "cgroup2", "rp_filter", "subnets"] {
        report.has(check, "ok");
    }
    report.is_not_sound();
}

#[test]
fn doctor_without_root_checks_a_file() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    fs::write("/run/own.toml", fs::read(on_the_machine().write().path()).expect("a file"))
        .expect("a file");
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let report = doctor_by("setpriv", &nobody, Some("/run/own.toml"));
    report.has("uplinks", "ok");
    report.has("subnets", "ok");
}

#[test]
fn doctor_names_a_missing_capability() {
    let _sandbox = Sandbox::new();
    let report = doctor_by("setpriv", &["--bounding-set=-net_admin"], None);
    report.has("rights", "fault");
    report.says("rights", &["CAP_NET_ADMIN"]);
    report.is_not_sound();
}

#[test]
fn commands_without_a_capability_name_it_and_the_doctor() {
    let _sandbox = Sandbox::new();
    own().command("ip", &["netns", "add", "red"]).success();
    let refused = |capability: &str, command: &str, parts: &[&str]| {
        let without = format!("--bounding-set=-{capability}");
        let words = command.split(' ');
        let netns = netns_path();
        let netns = netns.to_str().expect("a plain path");
        let all: Vec<&str> = [without.as_str(), "--", netns].into_iter().chain(words).collect();
        own().command("setpriv", &all).fails_with(parts);
    };
    for command in ["up", "plan", "down", "add blue", "del red", "exec red -- true", "flows"] {
        refused("sys_admin", command, &["CAP_SYS_ADMIN", "`netns doctor`"]);
    }
    for command in ["up", "link set lo down", "bridge add br7", "addr add 10.0.0.1/24 lo"] {
        refused("net_admin", command, &["CAP_NET_ADMIN", "`netns doctor`"]);
    }
    let names = own().command("ip", &["netns", "list"]).success();
    assert_eq!(names.stdout.trim_end(), "red");
}

#[test]
fn doctor_names_a_seccomp_filter_that_refuses_bpf() {
    let _sandbox = Sandbox::new();
    let mut doctor = Command::new(netns_path());
    let doctor = refuse_bpf(doctor.args(["doctor", "--json"]), None, libc::EPERM);
    let report = Report::of(netns_tests::run(None, doctor));
    report.has("rights", "fault");
    report.says("rights", &["seccomp"]);
    report.has("eBPF programs", "fault");
    report.is_not_sound();
}

#[test]
fn doctor_tells_root_of_a_user_namespace_from_root_of_the_machine() {
    let _sandbox = Sandbox::new();
    let report = doctor_by("unshare", &["--user", "--map-root-user"], None);
    report.has("rights", "fault");
    report.says("rights", &["user namespace"]);
    report.is_not_sound();
}

#[test]
fn doctor_reports_a_kernel_without_bpf_links_under_tcx() {
    let _sandbox = Sandbox::new();
    let mut doctor = Command::new(netns_path());
    let doctor = doctor.args(["doctor", "--quick", "--json"]);
    let doctor = refuse_bpf(doctor, Some(BPF_LINK_CREATE), libc::EINVAL);
    let report = Report::of(netns_tests::run(None, doctor));
    for check in ["rights", "kernel", "route lookup"] {
        report.has(check, "ok");
    }
    report.has("tcx", "fault");
    report.says("tcx", &["Linux 6.6", "CONFIG_NET_XGRESS"]);
    report.has("fragments", "warning");
    report.says("fragments", &["before the first one", "in order are translated"]);
    report.is_not_sound();
}
