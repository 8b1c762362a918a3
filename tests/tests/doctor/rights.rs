//! What the doctor may not look at, and what a lab would be refused.

use std::fs;

use netns_tests::{Sandbox, netns_path, own};

use super::{Report, on_the_machine};

/// Where everybody can run the program under test.
const EVERYBODYS: &str = "/run/netns-doctor";

/// The doctor, called by way of another program.
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
fn without_root_it_tells_what_it_could_not_see() {
    let _sandbox = Sandbox::new();
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let report = doctor_by("setpriv", &nobody, None);
    report.has("rights", "fault");
    report.says("rights", &["not root", "sudo netns doctor"]);
    for check in ["eBPF programs", "tcx", "route lookup", "fragments", "firewall"] {
        report.has(check, "warning");
        report.says(check, &["run it with sudo"]);
    }
    for check in ["kernel", "cgroup2", "rp_filter", "subnets"] {
        report.has(check, "ok");
    }
    report.is_not_sound();
}

#[test]
fn without_root_a_lab_of_a_file_is_looked_at_too() {
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
fn a_capability_that_is_missing_is_named() {
    let _sandbox = Sandbox::new();
    let report = doctor_by("setpriv", &["--bounding-set=-net_admin"], None);
    report.has("rights", "fault");
    report.says("rights", &["CAP_NET_ADMIN"]);
    report.is_not_sound();
}

/// Refuses bpf(2) by seccomp, as containers do, and becomes what it is told to.
const WITHOUT_BPF: &str = "\
import ctypes, os, struct, sys
number = {'x86_64': 321, 'aarch64': 280}[os.uname().machine]
code = b''.join(struct.pack('HBBI', *line) for line in [
    (0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7fff0000)])
text = ctypes.create_string_buffer(code, len(code))
program = struct.pack('HxxxxxxQ', 4, ctypes.addressof(text))
program = ctypes.create_string_buffer(program, len(program))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(program), 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
";

#[test]
fn a_seccomp_filter_that_refuses_bpf_is_named() {
    let _sandbox = Sandbox::new();
    let report = doctor_by("python3", &["-c", WITHOUT_BPF], None);
    report.has("rights", "fault");
    report.says("rights", &["seccomp"]);
    report.has("eBPF programs", "fault");
    report.is_not_sound();
}

#[test]
fn root_of_a_user_namespace_is_not_root_of_the_machine() {
    let _sandbox = Sandbox::new();
    let report = doctor_by("unshare", &["--user", "--map-root-user"], None);
    report.has("rights", "fault");
    report.says("rights", &["user namespace"]);
    report.is_not_sound();
}
