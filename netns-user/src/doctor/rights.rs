//! Checks the privileges of the calling process.

use std::io;

use super::{
    finding::{Finding, KERNEL_LOG, Verdict},
    subject::Subject,
};
use crate::{datapath::probe, lab::Rights};

const CHECK: &str = "rights";

/// Starts a container with the privileges that labs need.
const PRIVILEGED: &str = "sudo docker run --privileged …";

pub(super) fn check(subject: &Subject) -> Finding {
    judge(&Rights::read(), probe::bpf().err().as_ref(), &subject.as_root())
}

fn judge(process: &Rights, bpf: Option<&io::Error>, as_root: &str) -> Finding {
    let fault = |found: String| Finding::new(CHECK, Verdict::Faulty, found);
    if !process.root {
        return fault("not root".into())
            .meaning("only root can make namespaces and links and load eBPF programs")
            .command(as_root);
    }
    let missing = process.missing();
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

    const ROOT: Rights =
        Rights { root: true, capabilities: Some(u64::MAX), filtered: false, contained: false };

    fn refused() -> io::Error {
        io::Error::from_raw_os_error(libc::EPERM)
    }

    #[test]
    fn root_with_all_capabilities_is_sound() {
        assert_eq!(judge(&ROOT, None, "").verdict, Verdict::Sound);
    }

    #[test]
    fn a_finding_names_the_missing_privilege() {
        let without = Rights { capabilities: Some(!(1 << 12)), ..ROOT };
        let cases = [
            (Rights { root: false, ..ROOT }, "not root"),
            (without, "CAP_NET_ADMIN"),
            (Rights { contained: true, ..ROOT }, "user namespace"),
            (ROOT, "the kernel refuses bpf(2)"),
        ];
        for (process, part) in cases {
            let finding = judge(&process, Some(&refused()), "sudo netns doctor");
            assert_eq!(finding.verdict, Verdict::Faulty);
            assert!(finding.found.contains(part), "{finding:?}");
            assert!(finding.command.is_some(), "{finding:?}");
        }
        let filtered = judge(&Rights { filtered: true, ..ROOT }, Some(&refused()), "");
        assert!(filtered.meaning.unwrap().contains("seccomp"));
    }
}
