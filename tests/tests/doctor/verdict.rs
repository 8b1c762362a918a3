//! The verdict of the doctor and the result of `up` in the same surroundings: where the doctor
//! finds no fault, `up` works.

use netns_tests::{LabFile, Sandbox, lab, lecture, netns, own};

use super::{Report, on_the_machine, run};

/// A lab of its own in the same surroundings.
fn labs() -> [(&'static str, LabFile); 2] {
    [("the machine as router", on_the_machine()), ("a router namespace", lecture())]
}

/// Makes surroundings by a shell command, and compares the verdict with `up` for each lab.
#[track_caller]
fn compare(surroundings: &str, file: &LabFile, command: &str) -> Report {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    run(command);
    let file = file.write();
    let path = file.path().to_str().expect("a plain path");
    let report = Report::of(netns(&["doctor", "--quick", "--json", path]));
    let up = netns(&["up", path]);
    assert!(
        report.value["sound"] == false || up.status.success(),
        "{surroundings}: {}\n{up}\nexpected a fault, since `up` fails",
        report.output
    );
    report
}

#[test]
fn doctor_finds_a_fault_wherever_up_fails() {
    const READ_ONLY_PROC: &str =
        "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys";
    let surroundings = [
        ("nothing special", "true", None),
        ("a read-only bpffs", "mount -o remount,ro /sys/fs/bpf", Some("/sys/fs/bpf is read-only")),
        ("a read-only /proc/sys", READ_ONLY_PROC, Some("ip_forward is read-only")),
        ("a read-only /run/netns", "mount -o remount,ro /run/netns", Some("/run/netns is read-")),
        ("no bpffs", "umount /sys/fs/bpf", None),
        ("a file instead of a folder", "touch /run/netns-labs", Some("/run/netns-labs")),
        ("no default route", "ip route del default", None),
        ("an iptables rule", "iptables -P FORWARD DROP", None),
    ];
    for (name, command, fault) in surroundings {
        for (router, file) in labs() {
            let report = compare(&format!("{name}, {router}"), &file, command);
            if let Some(fault) = fault {
                assert!(report.output.stdout.contains(fault), "{name}: {}", report.output);
            }
        }
    }
}

#[test]
fn doctor_finds_a_fault_for_every_uplink_with_which_up_fails() {
    let surroundings = [
        ("a tunnel", "ip tuntap add tun0 mode tun && ip link set tun0 up", "tun0", false),
        (
            "a bridge port",
            "ip link add br0 type bridge && ip link set wan0 master br0",
            "wan0",
            false,
        ),
        ("a link that is down", "ip link set wan0 down", "wan0", true),
        ("a missing link", "true", "wan7", false),
        ("a bridge", "ip link add br0 type bridge", "br0", true),
    ];
    for (name, command, uplink, works) in surroundings {
        let file = lab("own")
            .own_uplink(uplink)
            .bridge("br-a", "10.9.1.1/24")
            .namespace("red", "br-a", "10.9.1.2/24")
            .masquerade("10.9.1.0/24", uplink);
        let report = compare(name, &file, command);
        assert_eq!(report.value["sound"], works, "{name}: {}", report.output);
    }
}

#[test]
fn the_printed_command_makes_a_read_only_place_writable() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    run("mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys");
    run("mount -o remount,ro /sys/fs/bpf");
    for place in ["/proc/sys", "/sys/fs/bpf"] {
        let report = super::doctor();
        report.says("writable", &[place, "read-only", "mount -o remount,rw"]);
        netns(&["up"]).fails_with(&[place, "is read-only", "mount -o remount,rw"]);
        report.mend("writable").success();
    }
    super::doctor().has("writable", "ok");
    netns(&["up"]).success();
}

#[test]
fn a_refused_up_leaves_nothing_behind() {
    let _sandbox = Sandbox::new();
    run("mount -o remount,ro /sys/fs/bpf");
    netns(&["up"]).fails_with(&["/sys/fs/bpf is read-only"]);
    let names = own().command("ip", &["netns", "list"]).success();
    assert_eq!(names.stdout, "", "{names}");
    netns(&["status"]).success().shows(&["no lab is up"]);
}
