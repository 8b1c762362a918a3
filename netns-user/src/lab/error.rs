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
    #[error("this needs root: run it with sudo")]
    NotRoot,
    /// `release` is what uname says.
    #[error(
        "this kernel, Linux {release}, {missing}: boot a newer kernel, `netns doctor` tells all \
         that a lab needs"
    )]
    KernelLacks { release: String, missing: &'static str },
    #[error("no lab is up: `netns up` builds one")]
    NoLab,
    #[error("several labs are up, say which one: {0}")]
    SeveralLabs(String),
    #[error("lab \"{0}\" is not up: `netns status` shows those that are")]
    NotUp(String),
    #[error(
        "lab \"{0}\" is unfinished, its `up` was interrupted: run it again, or clear the lab with \
         `netns down {0}`"
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
         (`netns del {word}`) or give yours another name",
        word = word(.0)
    )]
    NamespaceTaken(String),
    #[error(
        "namespace \"{name}\" already belongs to lab \"{lab}\": take that down \
         (`netns down {lab}`) or give yours another name"
    )]
    NamespaceOfLab { name: String, lab: String },
    #[error(
        "interface \"{0}\" already exists and is not part of this lab: delete it if nobody needs it \
         (`{command}`) or give yours another name",
        command = delete_command(.0)
    )]
    LinkTaken(Interface),
    #[error(
        "interface \"{link}\" already belongs to lab \"{lab}\": take that down \
         (`netns down {lab}`) or give yours another name"
    )]
    LinkOfLab { link: Interface, lab: String },
    #[error(
        "route to {to} with metric {metric}: this machine already has one: leave it out of the \
         lab or give it another metric"
    )]
    RouteTaken { to: Ipv4Net, metric: u32 },
    #[error(
        "bridge \"{bridge}\": its subnet {subnet} overlaps {other}, which this machine reaches \
         by {by}: give the bridge another subnet"
    )]
    SubnetTaken { bridge: String, subnet: Ipv4Net, other: String, by: String },
    #[error(
        "bridge \"{bridge}\": its subnet {subnet} would cut {connection}: give the bridge another \
         subnet"
    )]
    WouldCut { bridge: String, subnet: Ipv4Net, connection: String },
    #[error("uplink \"{name}\": this machine has no such interface; it has {present}")]
    NoUplink { name: String, present: String },
    #[error(
        "uplink \"{uplink}\" is already one of lab \"{lab}\": two labs behind one address would \
         give out the same ports: take that down (`netns down {lab}`) or make one lab of both"
    )]
    UplinkOfLab { uplink: String, lab: String },
    #[error(
        "`{wanted}`: lab \"{lab}\" already has `{existing}`: choose another port, or take that \
         down (`netns down {lab}`)"
    )]
    ForwardOfLab { wanted: ForwardRule, existing: ForwardRule, lab: String },
    #[error(
        "uplink \"{uplink}\" is a port of the bridge \"{bridge}\", by which the machine's packets \
         leave: name \"{bridge}\" as the uplink"
    )]
    UplinkIsPort { uplink: String, bridge: String },
    #[error(
        "uplink \"{uplink}\" has no Ethernet addresses, as a tunnel has none, and a lab's packets \
         leave as Ethernet frames: name a network card, a veth or a bridge"
    )]
    UplinkWithoutEthernet { uplink: String },
    #[error("uplink \"auto\": this machine has no default route: name the interface")]
    NoDefaultRoute,
    #[error(
        "uplink \"auto\": the machine's default route leads to several interfaces, {interfaces}: \
         name each of them that the lab is to leave by as an [[uplink]]"
    )]
    SeveralDefaultInterfaces { interfaces: String },
    #[error("{path} already exists and is not part of this lab: delete it or leave `dns` out")]
    FileTaken { path: PathBuf },
    #[error(
        "lab \"{lab}\" is already installed at {path}, but has no record here: take it down where \
         it was brought up, or `netns down {lab}` takes down what is left of it"
    )]
    DatapathTaken { lab: String, path: PathBuf },
    #[error("interrupted")]
    Interrupted,
    #[error("cable \"{0}\" carries nothing: its bridge port did not open in time")]
    DeadCable(String),
    /// `action` begins with a verb.
    #[error("cannot {action}: {cause}")]
    File { action: String, cause: io::Error },
    #[error(
        "the record of lab \"{lab}\" cannot be read ({fault}): `netns down {lab}` takes the lab \
         down all the same"
    )]
    BadRecord { lab: String, fault: String },
    #[error(
        "lab \"{0}\" was made by another version of netns, whose records this one cannot read: use \
         that version, or take the lab down (`netns down {0}`)"
    )]
    OtherVersion(String),
    #[error(
        "the record of lab \"{0}\" is missing: `netns down {0}` removes everything that belongs to it"
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
        Some(holder) => format!(
            "{holder} {SINCE}: try again when it has ended, or end it (`kill {}`)",
            holder.pid
        ),
        None => format!(
            "another process {SINCE}: `fuser {}` tells which one; try again when it has ended",
            path.display()
        ),
    }
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
