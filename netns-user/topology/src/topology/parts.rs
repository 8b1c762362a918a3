//! The parts of a topology file between reading and checking: those that could be read, each at
//! its place in the file.

use super::{
    entry::Entry,
    model::{Bridge, Cable, Namespace, Router, Topology, Uplink},
    nat_options::NatOptions,
    networks::Networks,
};
use crate::rules::{ForwardRule, MasqueradeRule};

/// The file's parts in the file's order; `None` for parts that could not be read.
#[derive(Debug)]
pub(super) struct Parts<'f> {
    pub(super) nat: Option<NatOptions>,
    pub(super) routers: Vec<Option<Router>>,
    pub(super) uplinks: Vec<Option<Uplink>>,
    pub(super) bridges: Vec<Option<Bridge>>,
    pub(super) entries: Vec<Entry<'f>>,
    /// The members of each entry.
    pub(super) namespaces: Vec<Option<Vec<Namespace>>>,
    pub(super) cables: Vec<Option<Cable>>,
    pub(super) masquerades: Vec<Option<MasqueradeRule>>,
    /// The rules of each entry, one for each protocol.
    pub(super) forwards: Vec<Option<Vec<ForwardRule>>>,
}

impl Parts<'_> {
    /// The networks of the parts that could be read.
    pub(super) fn networks(&self) -> Networks<'_> {
        Networks::new(
            self.routers.iter().flatten(),
            self.uplinks.iter().flatten(),
            self.bridges.iter().flatten(),
            self.namespaces.iter().flatten().flatten(),
            self.cables.iter().flatten(),
        )
    }

    /// Whether every part with an interface could be read.
    pub(super) fn has_all_interfaces(&self) -> bool {
        self.uplinks.iter().all(Option::is_some)
            && self.bridges.iter().all(Option::is_some)
            && self.namespaces.iter().all(Option::is_some)
            && self.cables.iter().all(Option::is_some)
    }

    /// Whether every part that says where a network is could be read.
    pub(super) fn has_all_networks(&self) -> bool {
        self.routers.iter().all(Option::is_some) && self.has_all_interfaces()
    }

    /// The whole lab. `None` where a part could not be read.
    pub(super) fn into_topology(self, name: &str) -> Option<Topology> {
        Some(Topology {
            name: name.to_owned(),
            nat: self.nat?,
            routers: self.routers.into_iter().collect::<Option<_>>()?,
            uplinks: self.uplinks.into_iter().collect::<Option<_>>()?,
            bridges: self.bridges.into_iter().collect::<Option<_>>()?,
            namespaces: self.namespaces.into_iter().collect::<Option<Vec<_>>>()?.concat(),
            cables: self.cables.into_iter().collect::<Option<_>>()?,
            masquerades: self.masquerades.into_iter().collect::<Option<_>>()?,
            forwards: self.forwards.into_iter().collect::<Option<Vec<_>>>()?.concat(),
        })
    }
}
