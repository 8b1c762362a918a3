//! Checks whether labs work on this machine. Each check has a finding: its result, its consequence,
//! and a command that repairs the fault.
//!
//! The machine is the namespace of the calling thread. Each group of checks has its own file, in
//! which reading the machine and judging it are separate functions. Nothing is changed. This folder
//! uses `lab`, `datapath`, `net` and `topology`; only its command uses it.

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

/// Shows the last messages of the kernel.
const KERNEL_LOG: &str = "dmesg | tail -n 20";

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    #[serde(rename = "ok")]
    Sound,
    /// It works only in part or not for every lab, or it could not be checked.
    #[serde(rename = "warning")]
    Doubtful,
    /// It does not work.
    #[serde(rename = "fault")]
    Faulty,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The name of the check.
    pub check: &'static str,
    pub verdict: Verdict,
    pub found: String,
    /// The consequence for labs.
    pub meaning: Option<String>,
    /// A shell command that repairs the fault, or shows its cause where no command can repair it.
    pub command: Option<String>,
}

impl Finding {
    fn new(check: &'static str, verdict: Verdict, found: impl Into<String>) -> Self {
        Self { check, verdict, found: found.into(), meaning: None, command: None }
    }

    fn sound(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, Verdict::Sound, found)
    }

    /// A check that needs root.
    fn unseen(check: &'static str, subject: &Subject) -> Self {
        Self::new(check, Verdict::Doubtful, "not checked: this needs root")
            .meaning("run netns doctor with sudo")
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

/// The lab that the machine is checked for.
#[derive(Debug)]
pub struct Subject {
    /// `None`: labs in general.
    lab: Option<Topology>,
    /// The topology file, as the user wrote it.
    file: Option<String>,
    /// Whether that lab is up.
    living: bool,
    /// Why no interface was found for an uplink "auto".
    no_uplink: Option<String>,
}

/// The router of a lab.
#[derive(Clone, Copy, Debug)]
enum Router<'a> {
    /// It depends on the lab.
    Any,
    /// A namespace of the lab: the machine's own settings do not affect the lab's packets.
    Own,
    /// The machine itself.
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

    /// The command that makes the same checks as root.
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
    /// The severity of a fault that affects the machine as a router.
    fn severity(self) -> Verdict {
        match self {
            Self::Any => Verdict::Doubtful,
            Self::Own => Verdict::Sound,
            Self::Machine(_) => Verdict::Faulty,
        }
    }
}

/// The uplinks of a lab that are interfaces of the machine.
fn real_uplinks(lab: &Topology) -> impl Iterator<Item = &Uplink> {
    lab.uplinks_of(None).filter(|uplink| uplink.far.is_none())
}

/// The checks to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    All,
    /// All but loading the eBPF programs, which takes seconds.
    Quick,
}

/// Makes all checks.
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

/// Whether no finding is a fault.
#[must_use]
pub fn is_sound(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.verdict < Verdict::Faulty)
}
