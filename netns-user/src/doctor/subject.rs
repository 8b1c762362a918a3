//! The subject of `netns doctor`: the machine, or a topology file and its router.

use super::finding::{Finding, Verdict};
use crate::{
    lab::{self, LabRecord},
    shell,
    topology::{Topology, Uplink},
};

/// The checks to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    All,
    /// All but loading the eBPF programs, which takes seconds.
    Quick,
}

/// The lab that the machine is checked for.
#[derive(Debug)]
pub struct Subject {
    /// `None`: labs in general.
    pub(super) lab: Option<Topology>,
    /// The topology file, as the user wrote it; `None`: there is none, or it came by standard
    /// input.
    pub(super) file: Option<String>,
    /// Whether that lab is up.
    pub(super) living: bool,
    /// Why no interface was found for an uplink "auto".
    pub(super) no_uplink: Option<String>,
}

/// The router of a lab.
#[derive(Clone, Copy, Debug)]
pub(super) enum Router<'a> {
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

    /// The lab of a topology. `file` is its file, as the user wrote it.
    #[must_use]
    pub fn lab(topology: Topology, file: Option<String>) -> Self {
        let living = LabRecord::load(&topology.name).is_ok();
        let (topology, no_uplink) = match lab::auto_uplink(&topology) {
            Ok(Some(interface)) => (topology.with_auto(&interface), None),
            Ok(None) => (topology, None),
            Err(error) => (topology, Some(error.to_string())),
        };
        Self { lab: Some(topology), file, living, no_uplink }
    }

    /// Name of the lab.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.lab.as_ref().map(|lab| lab.name.as_str())
    }

    /// The command that makes the same checks as root.
    pub(super) fn as_root(&self) -> String {
        format!("sudo netns doctor{}", self.argument())
    }

    /// The argument that names the topology, after a blank; empty for labs in general.
    pub(super) fn argument(&self) -> String {
        match (&self.file, &self.lab) {
            (Some(file), _) => format!(" {}", shell::word(file)),
            (None, Some(_)) => " -".to_owned(),
            (None, None) => String::new(),
        }
    }

    pub(super) fn router(&self) -> Router<'_> {
        match &self.lab {
            None => Router::Any,
            Some(lab) if !lab.uses_machine() => Router::Own,
            Some(lab) => Router::Machine(lab),
        }
    }
}

impl Router<'_> {
    /// The severity of a fault that affects the machine as a router.
    pub(super) fn severity(self) -> Verdict {
        match self {
            Self::Any => Verdict::Doubtful,
            Self::Own => Verdict::Sound,
            Self::Machine(_) => Verdict::Faulty,
        }
    }
}

// Not with the other functions of findings, since its command depends on the subject.
impl Finding {
    /// A check that needs root.
    pub(super) fn unseen(check: &'static str, subject: &Subject) -> Self {
        Self::new(check, Verdict::Doubtful, "not checked: this needs root")
            .meaning("run netns doctor with sudo")
            .command(subject.as_root())
    }
}

/// The uplinks of a lab that are interfaces of the machine.
pub(super) fn real_uplinks(lab: &Topology) -> impl Iterator<Item = &Uplink> {
    lab.uplinks_of(None).filter(|uplink| uplink.far.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_argument_names_the_file_or_standard_input_or_nothing() {
        let lab = |file: Option<&str>| Subject::lab(Topology::lecture(), file.map(str::to_owned));
        assert_eq!(lab(Some("my lab.toml")).argument(), " 'my lab.toml'");
        assert_eq!(lab(None).argument(), " -");
        assert_eq!(Subject::any_lab().argument(), "");
    }
}
