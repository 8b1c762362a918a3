//! The topology: what a lab consists of, and how it is read from a TOML file.

mod cross_check;
mod entry;
mod error;
mod excerpt;
mod file;
mod foreign;
mod limits;
mod model;
mod names;
mod nat_options;
mod networks;
mod parts;
mod reach;
mod read;
mod recover;
mod routers;
mod schema;
mod shape;
mod statements;
mod subnets;
mod suggestion;
mod syntax;
mod targets;
#[cfg(test)]
mod tests;
mod toml_faults;
mod uplinks;

pub use error::{Problem, TopologyError};
pub use model::{
    AUTO, Bridge, Cable, CableEnd, Far, Namespace, NamespacePlug, Outside, Plug, Route, Router,
    Topology, Uplink,
};
pub use names::{interface_fault, lab_fault, namespace_fault};
pub use nat_options::{NatOptions, NatTimeouts};
pub use networks::Networks;
pub use schema::schema;
pub use subnets::overlap;

use error::Fault;
use file::TopologyFile;
use parts::Parts;

/// The lab that is built when no file is named.
const LECTURE: &str = include_str!("../../../../examples/lecture.toml");

impl Topology {
    /// Reads and checks a topology file. `origin` is the file's name in errors.
    ///
    /// # Errors
    /// Everything that is wrong with the file, each with its line and column. Where the file is not
    /// TOML, or a key is missing or has a value of the wrong type, the meaning of the values is not
    /// checked.
    pub fn parse(text: &str, origin: &str) -> Result<Self, TopologyError> {
        Self::parse_with(text, origin, |file, parts, faults| {
            cross_check::check(text, file, parts, faults);
        })
    }

    /// Reads what [`to_toml`](Self::to_toml) has written, for a lab that is up. Its parts were
    /// checked against each other when the lab was built, maybe by a version that allowed more:
    /// such a lab can still be changed and taken down.
    ///
    /// # Errors
    /// When it is not the text of a lab.
    pub fn parse_written(text: &str, origin: &str) -> Result<Self, TopologyError> {
        Self::parse_with(text, origin, |_, _, _| {})
    }

    fn parse_with(
        text: &str,
        origin: &str,
        check: impl FnOnce(&TopologyFile, &Parts<'_>, &mut Vec<Fault>),
    ) -> Result<Self, TopologyError> {
        let mut faults = Vec::new();
        let syntax::Reading { file, is_whole } = syntax::read(text, &mut faults);
        let topology = file.and_then(|file| {
            let parts = read::read(&file, &mut faults);
            check(&file, &parts, &mut faults);
            parts.into_topology(file.name.get_ref())
        });
        match topology {
            Some(topology) if faults.is_empty() => Ok(topology),
            _ => Err(TopologyError::new(origin, text, faults, is_whole)),
        }
    }

    /// The lecture's lab.
    pub fn lecture() -> Self {
        Self::parse(LECTURE, "lecture.toml").expect("a unit test parses the embedded file")
    }

    /// A topology file of this lab, in which every default is written out.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("the model holds only what TOML can express")
    }
}
