//! The rights of this process, as /proc shows them, and those that labs need.

use std::fs;

use nix::unistd::geteuid;

use crate::{datapath::probe, lab::error::LabError};

/// A capability and its bit (linux/capability.h).
type Capability = (&'static str, u32);

const NET_ADMIN: Capability = ("CAP_NET_ADMIN", 12);

/// It includes CAP_BPF and CAP_PERFMON.
const SYS_ADMIN: Capability = ("CAP_SYS_ADMIN", 21);

/// The user map in /proc of a process that is in no user namespace.
const WHOLE_MACHINE: &str = "0 0 4294967295";

/// The rights of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rights {
    pub(crate) root: bool,
    /// `None` when /proc does not show them.
    pub(crate) capabilities: Option<u64>,
    /// Has a seccomp filter.
    pub(crate) filtered: bool,
    /// Is in a user namespace.
    pub(crate) contained: bool,
}

impl Rights {
    /// Reads those of the calling thread.
    pub(crate) fn read() -> Self {
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        let users = fs::read_to_string("/proc/thread-self/uid_map").unwrap_or_default();
        let users = users.split_whitespace().collect::<Vec<_>>().join(" ");
        let hex = field(&status, "CapEff");
        Self {
            root: geteuid().is_root(),
            capabilities: hex.and_then(|hex| u64::from_str_radix(hex, 16).ok()),
            filtered: field(&status, "Seccomp") == Some("2"),
            contained: !users.is_empty() && users != WHOLE_MACHINE,
        }
    }

    /// The names of the capabilities that labs need and that are missing.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let needed = [NET_ADMIN, SYS_ADMIN].into_iter();
        needed.filter(|capability| !self.has(*capability)).map(|(name, _)| name).collect()
    }

    fn has(&self, (_, bit): Capability) -> bool {
        self.capabilities.is_none_or(|held| held & (1 << bit) != 0)
    }
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.map(str::trim)
}

/// Requires root with the capability to enter and make namespaces.
///
/// # Errors
/// [`LabError::NotRoot`], [`LabError::MissingCapabilities`].
pub fn require_root() -> Result<(), LabError> {
    let rights = Rights::read();
    if !rights.root {
        return Err(LabError::NotRoot);
    }
    match rights.has(SYS_ADMIN) {
        true => Ok(()),
        false => Err(LabError::MissingCapabilities(rights.missing().join(" and "))),
    }
}

/// Requires the rights to build a lab: to change links, and to load eBPF programs.
pub(super) fn require_all() -> Result<(), LabError> {
    require_root()?;
    let rights = Rights::read();
    let missing = rights.missing();
    if !missing.is_empty() {
        return Err(LabError::MissingCapabilities(missing.join(" and ")));
    }
    match probe::bpf() {
        Ok(()) => Ok(()),
        Err(_) if rights.contained => Err(LabError::OnlyContainedRoot),
        Err(cause) => Err(LabError::BpfRefused { cause }),
    }
}

/// The reason why the kernel may have refused something to this process, for a note after an error.
pub fn refusal_reason() -> String {
    let rights = Rights::read();
    let missing = rights.missing();
    let reason = if !rights.root {
        "this process is not root".to_owned()
    } else if !missing.is_empty() {
        format!("this process is root without {}", missing.join(" and "))
    } else if rights.contained {
        "this process is root only in a user namespace".to_owned()
    } else if rights.filtered {
        "this process has a seccomp filter".to_owned()
    } else {
        "a security module of the kernel may have refused it".to_owned()
    };
    format!("{reason}: `netns doctor` shows what is missing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_the_status_is_found_by_its_whole_name() {
        let status = "Seccomp_filters:\t1\nSeccomp:\t2\nCapEff:\t0000003fffffffff\n";
        assert_eq!(field(status, "Seccomp"), Some("2"));
        assert_eq!(field(status, "CapEff"), Some("0000003fffffffff"));
        assert_eq!(field(status, "CapBnd"), None);
    }

    #[test]
    fn missing_capabilities_are_named() {
        let all = Rights { root: true, capabilities: None, filtered: false, contained: false };
        assert!(all.missing().is_empty());
        let none = Rights { capabilities: Some(0), ..all };
        assert_eq!(none.missing(), ["CAP_NET_ADMIN", "CAP_SYS_ADMIN"]);
        let without_links = Rights { capabilities: Some(!(1 << 12)), ..all };
        assert_eq!(without_links.missing(), ["CAP_NET_ADMIN"]);
    }
}
