//! What can go wrong with the datapath.

use std::{io, path::PathBuf};

/// An error of the datapath: names the object, says what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
pub enum DatapathError {
    /// No lab of that name has a datapath.
    #[error("lab \"{0}\" has no datapath: bring it up with `netns up`")]
    NotUp(String),
    /// The BPF file system is missing and cannot be mounted.
    #[error(
        "no BPF file system at {path}, and it cannot be mounted ({source}): \
         mount it with `mount -t bpf bpf {path}`"
    )]
    NoBpffs { path: PathBuf, source: nix::Error },
    /// A folder or file of the pins could not be made or removed.
    #[error("cannot {action} {path}: {source}")]
    Pin { action: &'static str, path: PathBuf, source: io::Error },
    /// The kernel refused the object as a whole.
    #[error("the kernel refused the eBPF object: {0}")]
    Load(#[from] aya::EbpfError),
    /// The kernel refused a program.
    #[error("cannot load or attach the eBPF program {program}: {}", chain(source))]
    Program { program: &'static str, source: aya::programs::ProgramError },
    /// A link could not be pinned, replaced or opened.
    #[error("cannot pin the link of {program} at {path}: {message}")]
    Link { program: &'static str, path: PathBuf, message: String },
    /// A map could not be opened, read or written.
    #[error("map {map}: {source}")]
    Map { map: &'static str, source: aya::maps::MapError },
    /// An interface is not there.
    #[error("there is no interface \"{0}\" in the router's namespace")]
    NoInterface(String),
    /// A file system of control groups is missing.
    #[error(
        "no cgroup2 file system is mounted: the host's own connections to forwarded ports \
         need one (`mount -t cgroup2 none /sys/fs/cgroup`)"
    )]
    NoCgroup2,
    /// A control group could not be opened.
    #[error("cannot open the control group {path}: {source}")]
    Cgroup { path: PathBuf, source: io::Error },
    /// A system call failed.
    #[error("{what}: {source}")]
    System { what: &'static str, source: io::Error },
    /// The sweeper's program reported a failure.
    #[error("the kernel refused the timer that removes expired flows")]
    Sweeper,
    /// A limit of the datapath is exceeded.
    #[error("{0}")]
    Limit(String),
    /// The rule is there already.
    #[error("there is already a rule `{existing}`: delete it first")]
    RuleExists { existing: String },
    /// The rule is not there.
    #[error("there is no rule `{0}`: `netns nat` lists the rules")]
    NoRule(String),
    /// A forward leads to an address that no namespace has.
    #[error("forward to nobody: no namespace of the lab has the address {0}")]
    NoTarget(std::net::Ipv4Addr),
}

/// The verifier's reason is the innermost error; users need to see it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}
