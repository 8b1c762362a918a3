//! Whether labs will work on this machine: for each check the finding, its meaning and the remedy.
//!
//! The machine is the namespace of the calling thread. Each group of checks has a file of its own,
//! where reading and judging are separate; nothing on the machine is changed. This folder uses
//! `lab`, `datapath`, `net` and `topology`; only its command uses it.

mod files;
mod firewall;
mod forwarding;
mod kernel;
mod listeners;
mod managers;
mod names;
mod other_ways;
mod queues;
mod resolver;
mod rights;
mod subnets;

use serde::Serialize;

use crate::{
    lab::{self, LabRecord},
    shell,
    topology::{Topology, Uplink},
};

/// Shows what the kernel has lately complained of.
const KERNEL_LOG: &str = "dmesg | tail -n 20";

/// How a finding counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    #[serde(rename = "ok")]
    Sound,
    /// It works, but not all of it or not for every lab; or it could not be looked at.
    #[serde(rename = "warning")]
    Doubtful,
    /// It does not work.
    #[serde(rename = "fault")]
    Faulty,
}

/// What one look has shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    pub verdict: Verdict,
    pub found: String,
    /// What it means for labs.
    pub meaning: Option<String>,
    /// A command for a shell that mends it, or where no command can, shows what is behind it.
    pub command: Option<String>,
}

impl Finding {
    fn new(check: &'static str, verdict: Verdict, found: impl Into<String>) -> Self {
        Self { check, verdict, found: found.into(), meaning: None, command: None }
    }

    fn sound(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, Verdict::Sound, found)
    }

    /// What only root can look at.
    fn unseen(check: &'static str, what: &str, subject: &Subject) -> Self {
        Self::new(check, Verdict::Doubtful, format!("{what}: only root can look"))
            .meaning("run it with sudo to see")
            .command(subject.as_root())
    }

    fn meaning(mut self, text: impl Into<String>) -> Self {
        self.meaning = Some(text.into());
        self
    }

    fn command(mut self, text: impl Into<String>) -> Self {
        self.command = Some(text.into());
        self
    }
}

/// What the machine is held against.
#[derive(Debug)]
pub struct Subject {
    /// `None`: labs in general.
    lab: Option<Topology>,
    /// The topology file, as it was named.
    file: Option<String>,
    /// Whether that lab is up.
    living: bool,
    /// Why the interface of an uplink "auto" is not known.
    no_uplink: Option<String>,
}

/// Where a lab routes.
#[derive(Clone, Copy, Debug)]
enum Router<'a> {
    /// It depends on the lab.
    Any,
    /// In a namespace of its own: what the machine does to packets is no matter.
    Own,
    /// In the machine's own namespace.
    Machine(&'a Topology),
}

impl Subject {
    /// Labs in general.
    #[must_use]
    pub fn any_lab() -> Self {
        Self { lab: None, file: None, living: false, no_uplink: None }
    }

    /// The lab of a file.
    #[must_use]
    pub fn lab(topology: Topology, file: &str) -> Self {
        let living = LabRecord::load(&topology.name).is_ok();
        let (topology, no_uplink) = match lab::auto_uplink(&topology) {
            Ok(Some(interface)) => (topology.with_auto(&interface), None),
            Ok(None) => (topology, None),
            Err(error) => (topology, Some(error.to_string())),
        };
        Self { lab: Some(topology), file: Some(file.to_owned()), living, no_uplink }
    }

    /// Name of the lab.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.lab.as_ref().map(|lab| lab.name.as_str())
    }

    /// The command that asks the same as root.
    fn as_root(&self) -> String {
        let file = self.file.as_deref().map(shell::word);
        format!("sudo netns doctor{}", file.map_or_else(String::new, |file| format!(" {file}")))
    }

    fn router(&self) -> Router<'_> {
        match &self.lab {
            None => Router::Any,
            Some(lab) if !lab.uses_machine() => Router::Own,
            Some(lab) => Router::Machine(lab),
        }
    }
}

impl Router<'_> {
    /// How something counts that hinders the machine as a router.
    fn severity(self) -> Verdict {
        match self {
            Self::Any => Verdict::Doubtful,
            Self::Own => Verdict::Sound,
            Self::Machine(_) => Verdict::Faulty,
        }
    }
}

/// The uplinks of a lab that the machine has.
fn real_uplinks(lab: &Topology) -> impl Iterator<Item = &Uplink> {
    lab.uplinks_of(None).filter(|uplink| uplink.far.is_none())
}

/// What is tried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    All,
    /// Not the eBPF programs, which take the verifier seconds.
    Quick,
}

/// Looks at everything.
#[must_use]
pub fn examine(subject: &Subject, trial: Trial) -> Vec<Finding> {
    let mut findings = vec![rights::check(subject)];
    findings.extend(kernel::check(subject, trial));
    findings.extend(files::check(subject));
    findings.extend(forwarding::check(subject));
    findings.extend(firewall::check(subject));
    findings.extend(managers::check(subject));
    findings.push(resolver::check(subject));
    findings.extend(names::check(subject));
    findings.extend(subnets::check(subject));
    findings.extend(other_ways::check(subject));
    findings.extend(listeners::check(subject));
    findings.extend(queues::check(subject));
    findings
}

/// Whether nothing is at fault.
#[must_use]
pub fn is_sound(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.verdict < Verdict::Faulty)
}
