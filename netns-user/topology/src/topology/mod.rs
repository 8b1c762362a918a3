//! The topology: what a lab consists of, and how it is read from a TOML file.

mod cross_check;
mod entry;
mod error;
mod file;
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
mod subnets;
mod suggestion;
mod syntax;
mod targets;
#[cfg(test)]
mod tests;
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
        let mut faults = Vec::new();
        let topology = syntax::read(text, &mut faults).and_then(|file| {
            let parts = read::read(&file, &mut faults);
            cross_check::check(text, &file, &parts, &mut faults);
            parts.into_topology(file.name.get_ref())
        });
        match topology {
            Some(topology) if faults.is_empty() => Ok(topology),
            _ => Err(TopologyError::new(origin, text, faults)),
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
