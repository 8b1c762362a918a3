//! What can go wrong with a lab.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

use ipnet::Ipv4Net;

use crate::{
    datapath::DatapathError,
    locks::Holder,
    net::{Interface, NetError},
    rules::ForwardRule,
    shell::word,
    step::Step,
};

/// Why a lab could not be built, found or torn down.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    #[error("this needs root: run it with sudo (`netns doctor` lists everything that labs need)")]
    NotRoot,
    #[error(
        "this needs {0}, which root does not have here, perhaps in a container or a systemd unit: \
         `netns doctor` says how to get it"
    )]
    MissingCapabilities(String),
    #[error(
        "labs need eBPF programs, which the kernel does not load for root of a user namespace: run \
         this as root of the machine (`netns doctor` lists everything that labs need)"
    )]
    OnlyContainedRoot,
    #[error(
        "labs need eBPF programs, but the kernel refuses bpf(2): {cause}: `netns doctor` looks for \
         the reason"
    )]
    BpfRefused { cause: io::Error },
    /// `use_of_labs` says in a sentence what labs write there.
    #[error(
        "{path} is read-only, but {use_of_labs}: make it writable (`{}`)",
        remount_command(mount_point)
    )]
    ReadOnly { path: PathBuf, use_of_labs: &'static str, mount_point: PathBuf },
    /// `release` is what uname says.
    #[error(
        "Linux {release} {missing}: boot a newer kernel; `netns doctor` lists everything that labs \
         need"
    )]
    KernelLacks { release: String, missing: &'static str },
    #[error("no lab is up: run `netns up FILE`")]
    NoLab,
    #[error(
        "several labs are up: name one of {0}, as the argument LAB or, where the command has none, \
         with --lab"
    )]
    SeveralLabs(String),
    #[error("lab \"{0}\" is not up: `netns status` lists the labs that are up")]
    NotUp(String),
    #[error(
        "lab \"{0}\" is unfinished, because its `up` was interrupted: run `netns up` again, or \
         remove the lab with `netns down {0}`"
    )]
    Unfinished(String),
    #[error(
        "lab \"{0}\" is only partly taken down, because its `down` was interrupted: finish with \
         `netns down {0}`, or build the lab anew with `netns up`"
    )]
    HalfDown(String),
    #[error("{}", busy(holder.as_ref(), path))]
    Busy { holder: Option<Holder>, path: PathBuf },
    #[error(
        "namespace \"{0}\" already exists and is not part of this lab: delete it \
         (`netns del {word}`) or use another name",
        word = word(.0)
    )]
    NamespaceTaken(String),
    #[error(
        "namespace \"{name}\" already belongs to lab \"{lab}\": take that lab \
         down (`netns down {lab}`) or use another name"
    )]
    NamespaceOfLab { name: String, lab: String },
    #[error(
        "interface \"{0}\" already exists and is not part of this lab: delete it if nobody needs \
         it (`{command}`) or use another name",
        command = delete_command(.0)
    )]
    LinkTaken(Interface),
    #[error(
        "interface \"{link}\" already belongs to lab \"{lab}\": take that lab \
         down (`netns down {lab}`) or use another name"
    )]
    LinkOfLab { link: Interface, lab: String },
    #[error(
        "this machine already has a route to {to} with metric {metric}: remove it from the lab's \
         file or use another metric"
    )]
    RouteTaken { to: Ipv4Net, metric: u32 },
    #[error(
        "the subnet {subnet} of bridge \"{bridge}\" overlaps {other}, which this machine reaches \
         by {by}: use another subnet"
    )]
    SubnetTaken { bridge: String, subnet: Ipv4Net, other: String, by: String },
    #[error(
        "the subnet {subnet} of bridge \"{bridge}\" would cut off {connection}: use another subnet"
    )]
    WouldCut { bridge: String, subnet: Ipv4Net, connection: String },
    #[error("uplink \"{name}\": this machine has no interface \"{name}\"; it has {present}")]
    NoUplink { name: String, present: String },
    #[error(
        "uplink \"{uplink}\" is already used by lab \"{lab}\", and two labs behind one address \
         would allocate the same ports: take that lab down (`netns down {lab}`) or merge both"
    )]
    UplinkOfLab { uplink: String, lab: String },
    #[error(
        "`{wanted}` conflicts with `{existing}` of lab \"{lab}\": choose another port, or take \
         that lab down (`netns down {lab}`)"
    )]
    ForwardOfLab { wanted: ForwardRule, existing: ForwardRule, lab: String },
    #[error(
        "uplink \"{uplink}\" is a port of bridge \"{bridge}\", which the machine's packets leave \
         by: use \"{bridge}\" as the uplink"
    )]
    UplinkIsPort { uplink: String, bridge: String },
    #[error(
        "uplink \"{uplink}\" has no Ethernet address (it may be a tunnel), but packets of a lab \
         leave as Ethernet frames: use a network card, a veth or a bridge"
    )]
    UplinkWithoutEthernet { uplink: String },
    #[error("uplink \"auto\": this machine has no default route: name the interface")]
    NoDefaultRoute,
    #[error(
        "uplink \"auto\": the machine's default route leads to several interfaces, {interfaces}: \
         add an [[uplink]] with the name of each that the lab should use"
    )]
    SeveralDefaultInterfaces { interfaces: String },
    #[error("{path} already exists and is not part of this lab: delete it or remove `dns`")]
    FileTaken { path: PathBuf },
    #[error(
        "lab \"{lab}\" is already installed at {path}, but has no record here: take it down in the \
         container or machine where it was built, or remove what is left with `netns down {lab}`"
    )]
    DatapathTaken { lab: String, path: PathBuf },
    #[error("interrupted")]
    Interrupted,
    #[error("cable \"{0}\" does not work: its bridge port did not begin to forward in time")]
    DeadCable(String),
    /// `action` begins with a verb.
    #[error("cannot {action}: {cause}")]
    File { action: String, cause: io::Error },
    #[error(
        "the record of lab \"{lab}\" cannot be read ({fault}): take the lab down with \
         `netns down {lab}`, which works without it"
    )]
    BadRecord { lab: String, fault: String },
    #[error(
        "lab \"{0}\" was made by another version of netns, and this version cannot read its \
         record: use that version, or take the lab down (`netns down {0}`)"
    )]
    OtherVersion(String),
    #[error(
        "the record of lab \"{0}\" is missing: `netns down {0}` removes everything that belongs to \
         it"
    )]
    LostRecord(String),
    #[error(transparent)]
    Net(#[from] NetError),
    #[error(transparent)]
    Datapath(#[from] DatapathError),
    /// Several independent failures; displays one a line.
    #[error("{}", Lines(.0))]
    Several(Vec<LabError>),
}

impl LabError {
    pub(super) fn file(action: impl Into<String>, cause: io::Error) -> Self {
        Self::File { action: action.into(), cause }
    }

    /// This error, together with those of undoing the failed work.
    pub(crate) fn with(self, others: Vec<Self>) -> Self {
        if others.is_empty() {
            return self;
        }
        let mut errors = vec![self];
        errors.extend(others);
        Self::Several(errors)
    }

    /// `Ok` without errors; a single error is returned as it is.
    pub(super) fn collect(errors: Vec<Self>) -> Result<(), Self> {
        let mut errors = errors.into_iter();
        match errors.next() {
            None => Ok(()),
            Some(first) => Err(first.with(errors.collect())),
        }
    }
}

fn busy(holder: Option<&Holder>, path: &Path) -> String {
    const SINCE: &str = "has built, changed or taken down labs for more than a minute";
    match holder {
        Some(holder) => {
            format!("{holder} {SINCE}: wait until it ends, or end it (`kill {}`)", holder.pid)
        }
        None => format!(
            "another process {SINCE}: wait until it ends (`fuser {}` shows which process it is)",
            path.display()
        ),
    }
}

/// The command that makes a mount writable.
pub(crate) fn remount_command(mount_point: &Path) -> String {
    format!("mount -o remount,rw {}", word(&mount_point.to_string_lossy()))
}

fn delete_command(link: &Interface) -> String {
    Step::DeleteLink { interface: link.clone() }.commands().join("; ")
}

struct Lines<'a>(&'a [LabError]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, error) in self.0.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
            let mut cause = error.source();
            while let Some(deeper) = cause {
                write!(f, ": {deeper}")?;
                cause = deeper.source();
            }
        }
        Ok(())
    }
}
