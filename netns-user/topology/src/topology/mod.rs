//! What a lab consists of, and how it is read from a TOML file. Pure: no system calls.

mod check;
mod choices;
mod error;
mod file;
mod mend;
mod model;
mod names;
mod networks;
mod read;
mod routers;
mod schema;
mod syntax;
#[cfg(test)]
mod tests;
mod uplinks;

pub use error::{Problem, TopologyError};
pub use model::{
    AUTO, Bridge, Cable, CableEnd, Far, Namespace, NamespacePlug, NatOptions, NatTimeouts, Outside,
    Plug, Route, Router, Topology, Uplink,
};
pub use names::{interface_fault, lab_fault, namespace_fault};
pub use networks::Networks;
pub use schema::schema;

/// The lab that is built when no file is named.
const LECTURE: &str = include_str!("../../../../examples/lecture.toml");

impl Topology {
    /// Reads and checks a topology file. `origin` is the file's name for errors.
    ///
    /// # Errors
    /// All that is wrong with the file, each with its line and column. A file that is no TOML is
    /// not checked any further, and where values are missing or of a wrong kind, not what the
    /// others mean.
    pub fn parse(text: &str, origin: &str) -> Result<Self, TopologyError> {
        let failed = |problems| TopologyError::new(origin, text, problems);
        let mut faults = Vec::new();
        let file = syntax::read(text, &mut faults);
        let topology = file.and_then(|file| read::read(text, &file, &mut faults));
        match topology {
            Some(topology) if faults.is_empty() => Ok(topology),
            _ => Err(failed(faults)),
        }
    }

    /// The lecture's lab.
    pub fn lecture() -> Self {
        Self::parse(LECTURE, "lecture.toml").expect("a unit test parses the embedded file")
    }

    /// The file from which this topology would be read, with every default spelled out.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("the model holds only what TOML can express")
    }
}
