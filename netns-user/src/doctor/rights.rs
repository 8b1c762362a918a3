//! Checks the privileges of the calling process.

use std::{fs, io};

use nix::unistd::geteuid;

use super::{
    finding::{Finding, KERNEL_LOG, Verdict},
    subject::Subject,
};
use crate::datapath::probe;

const CHECK: &str = "rights";

/// Capabilities that labs need, with their bits (linux/capability.h). CAP_SYS_ADMIN includes
/// CAP_BPF and CAP_PERFMON.
const NEEDED: [(&str, u32); 2] = [("CAP_NET_ADMIN", 12), ("CAP_SYS_ADMIN", 21)];

/// Starts a container with the privileges that labs need.
const PRIVILEGED: &str = "sudo docker run --privileged …";

/// The user map in /proc of a process that is in no user namespace.
const WHOLE_MACHINE: &str = "0 0 4294967295";

pub(super) fn check(subject: &Subject) -> Finding {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let users = fs::read_to_string("/proc/thread-self/uid_map").unwrap_or_default();
    let users = users.split_whitespace().collect::<Vec<_>>().join(" ");
    let process = Process {
        root: geteuid().is_root(),
        capabilities: field(&status, "CapEff").and_then(|hex| u64::from_str_radix(hex, 16).ok()),
        filtered: field(&status, "Seccomp") == Some("2"),
        contained: !users.is_empty() && users != WHOLE_MACHINE,
    };
    judge(&process, probe::bpf().err().as_ref(), &subject.as_root())
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.map(str::trim)
}

/// The privileges of a process, as /proc shows them.
#[derive(Clone, Copy, Debug)]
struct Process {
    root: bool,
    /// `None` when /proc does not show them.
    capabilities: Option<u64>,
    /// Has a seccomp filter.
    filtered: bool,
    /// Is in a user namespace.
    contained: bool,
}

fn judge(process: &Process, bpf: Option<&io::Error>, as_root: &str) -> Finding {
    let fault = |found: String| Finding::new(CHECK, Verdict::Faulty, found);
    if !process.root {
        return fault("not root".into())
            .meaning("only root can make namespaces and links and load eBPF programs")
            .command(as_root);
    }
    let held = process.capabilities.unwrap_or(u64::MAX);
    let missing: Vec<&str> =
        NEEDED.iter().filter(|(_, bit)| held & (1 << bit) == 0).map(|(name, _)| *name).collect();
    if !missing.is_empty() {
        return fault(format!("root, but without {}", missing.join(", ")))
            .meaning(
                "a container or a systemd unit removed these capabilities: start the container as \
                 below, or allow them with `CapabilityBoundingSet=` in the unit",
            )
            .command(PRIVILEGED);
    }
    let Some(error) = bpf else {
        return Finding::sound(CHECK, "root, with all required capabilities");
    };
    if process.contained {
        return fault(format!("root only in a user namespace; the kernel refuses bpf(2): {error}"))
            .meaning(
                "a rootless container cannot load eBPF programs: run netns on the machine itself \
                 or in a privileged container",
            )
            .command(PRIVILEGED);
    }
    let found = format!("root, but the kernel refuses bpf(2): {error}");
    if process.filtered {
        return fault(found)
            .meaning(
                "a seccomp filter of the container or the systemd unit is active: run netns \
                 without it, or with a filter that allows bpf(2)",
            )
            .command("sudo docker run --security-opt seccomp=unconfined …");
    }
    fault(found)
        .meaning(
            "the kernel was built without CONFIG_BPF_SYSCALL, or a security module forbids bpf(2): \
             the kernel log may show which",
        )
        .command(KERNEL_LOG)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Process =
        Process { root: true, capabilities: Some(u64::MAX), filtered: false, contained: false };

    fn refused() -> io::Error {
        io::Error::from_raw_os_error(libc::EPERM)
    }

    #[test]
    fn root_with_all_capabilities_is_sound() {
        assert_eq!(judge(&ROOT, None, "").verdict, Verdict::Sound);
    }

    #[test]
    fn a_finding_names_the_missing_privilege() {
        let without = Process { capabilities: Some(!(1 << 12)), ..ROOT };
        let cases = [
            (Process { root: false, ..ROOT }, "not root"),
            (without, "CAP_NET_ADMIN"),
            (Process { contained: true, ..ROOT }, "user namespace"),
            (ROOT, "the kernel refuses bpf(2)"),
        ];
        for (process, part) in cases {
            let finding = judge(&process, Some(&refused()), "sudo netns doctor");
            assert_eq!(finding.verdict, Verdict::Faulty);
            assert!(finding.found.contains(part), "{finding:?}");
            assert!(finding.command.is_some(), "{finding:?}");
        }
        let filtered = judge(&Process { filtered: true, ..ROOT }, Some(&refused()), "");
        assert!(filtered.meaning.unwrap().contains("seccomp"));
    }

    #[test]
    fn a_field_of_the_status_is_found_by_its_whole_name() {
        let status = "Seccomp_filters:\t1\nSeccomp:\t2\nCapEff:\t0000003fffffffff\n";
        assert_eq!(field(status, "Seccomp"), Some("2"));
        assert_eq!(field(status, "CapEff"), Some("0000003fffffffff"));
        assert_eq!(field(status, "CapBnd"), None);
    }
}
