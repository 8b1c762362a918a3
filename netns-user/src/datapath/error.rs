//! What can go wrong with the datapath.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use aya::{maps::MapError, programs::ProgramError};

use crate::locks::Holder;

/// An error of the datapath: it names the object, the fault and the remedy.
///
/// Each message is complete: causes are part of the text and not of a chain, where aya's would
/// appear twice.
#[derive(Debug, thiserror::Error)]
pub enum DatapathError {
    #[error("interrupted")]
    Interrupted,
    /// The lab has no datapath.
    #[error("lab \"{0}\" is not up: build it with `netns up`")]
    NotUp(String),
    /// This version cannot read its maps.
    #[error(
        "lab \"{0}\" was made by another version of netns: use that version, or run `netns up` \
         with its file, which rebuilds the NAT and ends its connections"
    )]
    OtherVersion(String),
    /// The BPF file system is missing and cannot be mounted.
    #[error(
        "there is no BPF file system at {path}, and mounting it fails ({cause}): mount it with \
         `mount -t bpf bpf {path}`"
    )]
    NoBpffs { path: PathBuf, cause: nix::Error },
    /// A folder or file of the pins could not be made or removed.
    #[error("cannot {action} {path}: {cause}")]
    Pin { action: &'static str, path: PathBuf, cause: io::Error },
    /// The build script of this crate found no object that fits its sources.
    #[error(
        "this netns was built without its eBPF programs, since their sources had changed: build it \
         with `cargo xtask build`"
    )]
    NoObject,
    /// The kernel refused the object as a whole.
    #[error("the kernel refused the eBPF object: {}", Chain(.0))]
    Load(aya::EbpfError),
    /// The kernel refused a program.
    #[error("cannot load or attach the eBPF program {program}: {}", Chain(cause))]
    Program { program: &'static str, cause: ProgramError },
    /// The kernel refused a trial program.
    #[error("the kernel refused the eBPF program {program}: {}", Chain(cause))]
    Trial { program: String, cause: ProgramError },
    /// A link could not be pinned, replaced or opened.
    #[error("cannot pin the link of {program} at {path}: {message}")]
    Link { program: &'static str, path: PathBuf, message: String },
    /// A map could not be opened, read or written.
    #[error("cannot use the eBPF map {map}: {}", Chain(cause))]
    Map { map: &'static str, cause: MapError },
    /// An interface does not exist.
    #[error("there is no interface \"{0}\" in the router's namespace")]
    NoInterface(String),
    /// A file system of control groups is missing.
    #[error(
        "no cgroup2 file system is mounted, which the host's own connections to forwarded ports \
         need: mount one (`mount -t cgroup2 none /sys/fs/cgroup`)"
    )]
    NoCgroup2,
    #[error(
        "the cgroup2 file system at {0} is hidden by another mount, but the host's own connections \
         to forwarded ports need it: unmount the other one, or mount cgroup2 elsewhere"
    )]
    HiddenCgroup2(PathBuf),
    /// A control group could not be opened.
    #[error("cannot open the control group {path}: {cause}")]
    Cgroup { path: PathBuf, cause: io::Error },
    /// A system call failed.
    #[error("cannot {what}: {cause}")]
    System { what: &'static str, cause: io::Error },
    /// The kernel does not describe the router's namespace.
    #[error("{0}")]
    Namespace(crate::net::NetError),
    /// Another process holds the lock on the rules for too long.
    #[error("{}", busy(lab, holder.as_ref(), path))]
    Busy { lab: String, holder: Option<Holder>, path: PathBuf },
    /// A packet log is on already.
    #[error("another `netns log` of lab \"{0}\" is running: end it first")]
    LogRuns(String),
    /// The sweeper's program reported a failure.
    #[error("the kernel refused the timer that removes expired flows: {0}")]
    Sweeper(io::Error),
    /// A limit of the datapath is exceeded.
    #[error("{0}")]
    Limit(String),
    /// The rule exists already.
    #[error(
        "the rule `{existing}` already exists: delete it first, or change it in the file of the lab \
         and run `netns up FILE`"
    )]
    RuleExists { existing: String },
    /// The rule does not exist.
    #[error("there is no rule `{0}`: `netns nat` lists the rules")]
    NoRule(String),
    /// A part of a rule's ports cannot be removed.
    #[error(
        "there is no rule `{wanted}`, only `{existing}`: a rule can only be deleted with all its \
         ports, {ports}"
    )]
    PartOfRule { wanted: String, existing: String, ports: crate::rules::Ports },
    /// A masquerade to an address that the router does not have at the uplink.
    #[error(
        "the router has no address {address} at {uplink}: use one of {own}, or add the address \
         with `netns addr add`"
    )]
    NoUplinkAddress { address: std::net::Ipv4Addr, uplink: String, own: String },
    /// A forward on an address that the router does not have.
    #[error("the host has no address {address}: use one of {own}")]
    NoHostAddress { address: std::net::Ipv4Addr, own: String },
    /// A forward leads to an address that no namespace has.
    #[error("no namespace of the lab has the address {0}: choose another target of the forward")]
    NoTarget(std::net::Ipv4Addr),
}

impl DatapathError {
    /// The error of a pinned map that could not be opened. If it does not exist, the lab was taken
    /// down.
    pub(super) fn of_map(lab: &str, map: &'static str, cause: MapError) -> Self {
        if is_absence(&cause) { Self::NotUp(lab.to_owned()) } else { Self::Map { map, cause } }
    }
}

fn busy(lab: &str, holder: Option<&Holder>, path: &Path) -> String {
    let since = format!("has changed rules of lab \"{lab}\" for more than a minute");
    match holder {
        Some(holder) => {
            format!("{holder} {since}: wait until it ends, or end it (`kill {}`)", holder.pid)
        }
        None => format!(
            "another process {since}: wait until it ends (`fuser {}` shows which process it is)",
            path.display()
        ),
    }
}

/// Makes the error of a map from its cause.
pub(super) fn map_error<E: Into<MapError>>(
    map: &'static str,
) -> impl Fn(E) -> DatapathError + Copy {
    move |cause| DatapathError::Map { map, cause: cause.into() }
}

/// Makes the error of a program from its cause.
pub(super) fn program_error(
    program: &'static str,
) -> impl Fn(ProgramError) -> DatapathError + Copy {
    move |cause| DatapathError::Program { program, cause }
}

fn is_absence(error: &MapError) -> bool {
    matches!(error, MapError::SyscallError(failed)
        if failed.io_error.kind() == io::ErrorKind::NotFound)
}

/// An error with its causes, without repetition: the verifier's reason is the innermost cause, and
/// some errors repeat their cause.
struct Chain<'a>(&'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut behind = self.0.source();
        while let Some(inner) = behind {
            let inner_text = inner.to_string();
            if !text.contains(&inner_text) {
                text = format!("{text}: {inner_text}");
            }
            behind = inner.source();
        }
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use aya::{maps::MapError, programs::ProgramError, sys::SyscallError};

    use super::*;

    const REASON: &str = "Read-only file system";

    fn read_only() -> io::Error {
        io::Error::from_raw_os_error(libc::EROFS)
    }

    fn failed() -> SyscallError {
        SyscallError { call: "bpf_map_update_elem", io_error: read_only() }
    }

    /// Every variant that has a cause, as `main` prints it.
    #[test]
    fn each_cause_appears_once_in_the_message() {
        let path = PathBuf::from("/sys/fs/bpf/netns/lab");
        let errors = [
            DatapathError::NoBpffs { path: path.clone(), cause: nix::Error::EROFS },
            DatapathError::Pin {
                action: "create the folder",
                path: path.clone(),
                cause: read_only(),
            },
            DatapathError::Load(aya::EbpfError::MapError(failed().into())),
            DatapathError::Load(aya::EbpfError::ProgramError(failed().into())),
            DatapathError::Program { program: "to_uplink", cause: ProgramError::from(failed()) },
            DatapathError::Program {
                program: "to_uplink",
                cause: ProgramError::MapError(MapError::from(failed())),
            },
            DatapathError::Map { map: "FORWARDS", cause: failed().into() },
            DatapathError::Cgroup { path, cause: read_only() },
            DatapathError::System { what: "count the CPUs", cause: read_only() },
        ];
        for error in errors {
            let text = format!("{:#}", anyhow::Error::new(error));
            assert_eq!(text.matches(REASON).count(), 1, "{text}");
            let parts: Vec<&str> = text.split(": ").collect();
            for (index, part) in parts.iter().enumerate() {
                assert!(!parts[..index].contains(part), "{text}");
            }
        }
    }

    #[test]
    fn a_missing_map_means_that_the_lab_is_down() {
        let gone = SyscallError {
            call: "BPF_OBJ_GET",
            io_error: io::Error::from_raw_os_error(libc::ENOENT),
        };
        let error = DatapathError::of_map("lecture", "FORWARDS", gone.into());
        assert!(matches!(error, DatapathError::NotUp(_)), "{error}");
        let error = DatapathError::of_map("lecture", "FORWARDS", failed().into());
        assert!(matches!(error, DatapathError::Map { .. }), "{error}");
    }
}
