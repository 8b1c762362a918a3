//! The loaded datapath of a lab: programs, maps and links, pinned in bpffs, so that they outlive
//! the process.
//!
//! All calls of aya are in this folder. It uses `net`, `rules`, `locks` and `threads`, and
//! knows nothing of records and of topologies but their timeouts: a [`DatapathSpec`] says what to
//! install.

mod attach;
mod batch;
mod change;
mod configure;
mod converge;
mod drop_advice;
mod error;
mod flows;
mod forward_guard;
mod install;
mod kernel_types;
mod load_retry;
mod lock;
mod log;
mod marks;
mod object;
mod pins;
pub mod probe;
mod reassembler;
mod resize;
mod rules;
mod spec;
mod usage;

use std::path::PathBuf;

use aya::{
    maps::{Map, MapData, MapError},
    programs::{
        SchedClassifier,
        links::{FdLink, PinnedLink},
    },
};
use nix::net::if_::if_nametoindex;

pub use change::DatapathChange;
pub(crate) use configure::ROUTE_MARKS;
pub use drop_advice::{DropAdvice, drop_advice};
pub use error::DatapathError;
pub(crate) use flows::kind_in_a_word;
pub use flows::{DropStatus, FlowStatus};
pub use install::PreparedDatapath;
pub use log::PacketLogSession;
pub(crate) use marks::shows_bridge_ports;
pub use reassembler::{Reassembly, is_reassemblers};
pub use rules::RuleStatus;
pub use spec::{CableSpec, DatapathSpec, RoutedPrefix};
pub use usage::UsageStatus;

use attach::Hook;
use pins::Pins;

/// The installed datapath of a lab.
#[derive(Clone, Debug)]
pub struct Datapath {
    lab: String,
    pins: Pins,
}

impl Datapath {
    /// Opens the installed datapath of a lab by its pins.
    pub fn open(lab: &str) -> Result<Self, DatapathError> {
        let pins = Pins::of(lab);
        if !pins.exist() {
            let lab = lab.to_owned();
            return Err(match pins.are_of_other_version() {
                true => DatapathError::OtherVersion(lab),
                false => DatapathError::NotUp(lab),
            });
        }
        Ok(Self { lab: lab.to_owned(), pins })
    }

    /// The folder of the lab's pins, if it has any, of this version of the program or another.
    pub fn installed_at(lab: &str) -> Option<PathBuf> {
        let pins = Pins::of(lab);
        pins.are_taken().then(|| pins.folder().to_owned())
    }

    /// The folder for the pins of a lab.
    pub fn pins_of(lab: &str) -> PathBuf {
        Pins::of(lab).folder().to_owned()
    }

    /// The names of a lab's datapaths that have pins: the lab's name, alone or followed by
    /// `@ROUTER`.
    pub fn names_of(lab: &str) -> Vec<String> {
        let is_its =
            |name: &String| name.split('@').next() == Some(lab) && Pins::of(name).are_taken();
        pins::all_names().into_iter().filter(is_its).collect()
    }

    /// The names of all datapaths that have pins.
    pub fn all_names() -> Vec<String> {
        pins::all_names().into_iter().filter(|name| Pins::of(name).are_taken()).collect()
    }

    /// Detaches the lab's programs as far as possible. When it returns, no packet is in them any
    /// more.
    pub fn detach(lab: &str) {
        attach::detach_all(&Pins::of(lab));
    }

    /// Whether the programs of an uplink are attached to the interface that has this name now. Must
    /// run inside the router's namespace.
    pub fn watches_uplink(&self, interface: &str) -> bool {
        attach::UPLINK.iter().all(|hook| self.watches(*hook, interface))
    }

    /// Whether the program of a cable is attached to the interface that has this name now. Must run
    /// inside the router's namespace.
    pub fn watches_cable(&self, port: &str) -> bool {
        self.watches(attach::CABLE, port)
    }

    /// A pin outlives its interface, and another interface may have the name or the index now: the
    /// kernel must run the pinned program there.
    fn watches(&self, hook: Hook, interface: &str) -> bool {
        let Ok(index) = if_nametoindex(interface) else { return false };
        let pinned = PinnedLink::from_pin(self.pins.link(hook.program, index));
        let Ok(held) = pinned.and_then(|link| FdLink::from(link).info()) else { return false };
        SchedClassifier::query_tcx(interface, hook.direction).is_ok_and(|(_, programs)| {
            programs.iter().any(|program| program.id() == held.program_id())
        })
    }

    /// The lab's name.
    pub fn lab(&self) -> &str {
        &self.lab
    }

    /// A pinned map.
    fn map<T>(&self, name: &'static str) -> Result<T, DatapathError>
    where
        T: TryFrom<Map, Error = MapError>,
    {
        Map::from_map_data(self.open_map(name)?)
            .and_then(T::try_from)
            .map_err(|cause| DatapathError::of_map(&self.lab, name, cause))
    }

    fn open_map(&self, name: &'static str) -> Result<MapData, DatapathError> {
        MapData::from_pin(self.pins.map(name))
            .map_err(|cause| DatapathError::of_map(&self.lab, name, cause))
    }
}
