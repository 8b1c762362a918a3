//! What the calling process is allowed to do.

use std::{fs, io};

use nix::unistd::geteuid;

use super::{Finding, KERNEL_LOG, Subject, Verdict};
use crate::datapath::probe;

const CHECK: &str = "rights";

/// Capabilities that labs need, with their bits (linux/capability.h). The second one holds what
/// CAP_BPF and CAP_PERFMON are parts of.
const NEEDED: [(&str, u32); 2] = [("CAP_NET_ADMIN", 12), ("CAP_SYS_ADMIN", 21)];

/// Begins a container that may do what labs need.
const PRIVILEGED: &str = "sudo docker run --privileged …";

/// All users of the machine, as /proc tells who is root for them.
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

/// What the kernel says about a process.
#[derive(Clone, Copy, Debug)]
struct Process {
    root: bool,
    /// `None` when the kernel does not tell.
    capabilities: Option<u64>,
    /// By seccomp.
    filtered: bool,
    /// In a user namespace.
    contained: bool,
}

fn judge(process: &Process, bpf: Option<&io::Error>, as_root: &str) -> Finding {
    let fault = |found: String| Finding::new(CHECK, Verdict::Faulty, found);
    if !process.root {
        return fault("this is not root".into())
            .meaning("namespaces, links and eBPF programs are made by root")
            .command(as_root);
    }
    let held = process.capabilities.unwrap_or(u64::MAX);
    let missing: Vec<&str> =
        NEEDED.iter().filter(|(_, bit)| held & (1 << bit) == 0).map(|(name, _)| *name).collect();
    if !missing.is_empty() {
        return fault(format!("root, but without {}", missing.join(", ")))
            .meaning(
                "a container or a service took them away: give them back, by this or by \
                 `CapabilityBoundingSet=` of the unit",
            )
            .command(PRIVILEGED);
    }
    let Some(error) = bpf else {
        return Finding::sound(CHECK, "root, with all capabilities that labs need");
    };
    if process.contained {
        return fault(format!("root of a user namespace only, refused bpf(2): {error}"))
            .meaning(
                "a container without root on the machine cannot load eBPF programs: run netns on \
                 the machine itself or in a container that is privileged",
            )
            .command(PRIVILEGED);
    }
    let found = format!("root, but refused bpf(2): {error}");
    if process.filtered {
        return fault(found)
            .meaning(
                "a seccomp filter of the container or the service stands in the way: run it \
                 without, or with a filter that allows bpf",
            )
            .command("sudo docker run --security-opt seccomp=unconfined …");
    }
    fault(found)
        .meaning(
            "the kernel was built without CONFIG_BPF_SYSCALL, or a security module refuses: its \
             log may say which",
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
    fn root_that_may_everything_is_sound() {
        assert_eq!(judge(&ROOT, None, "").verdict, Verdict::Sound);
    }

    #[test]
    fn what_is_missing_is_named() {
        let without = Process { capabilities: Some(!(1 << 12)), ..ROOT };
        let cases = [
            (Process { root: false, ..ROOT }, "not root"),
            (without, "CAP_NET_ADMIN"),
            (Process { contained: true, ..ROOT }, "user namespace"),
            (ROOT, "refused bpf(2)"),
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
