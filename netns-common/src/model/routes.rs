//! The routing table of the model.

use std::vec::Vec;

use crate::{
    abi::{Ip4, Prefix},
    datapath::{Route, RouteOutcome},
};

/// Where a prefix leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// An address of the host itself, or a broadcast address.
    Local,
    /// A blackhole, an unreachable or a prohibit route.
    Refused,
    /// Out of `egress`, straight to the destination.
    OnLink { egress: u32, source: Ip4 },
    /// Out of `egress` by way of `gateway`.
    Via { egress: u32, gateway: Ip4, source: Ip4 },
}

/// One route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteEntry {
    pub prefix: Prefix,
    pub way: Way,
}

/// A routing table, and the devices on which forwarding is on.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    entries: Vec<RouteEntry>,
    forwarding: Vec<u32>,
}

impl Routes {
    /// `forwarding`: indexes of the devices that packets may be forwarded from.
    pub fn new(forwarding: &[u32]) -> Self {
        Self { entries: Vec::new(), forwarding: forwarding.to_vec() }
    }

    /// Forwards packets from this device too.
    #[must_use]
    pub fn also_from(mut self, link: u32) -> Self {
        self.forwarding.push(link);
        self
    }

    /// Adds a route to a prefix; of several that match, the longest counts.
    #[must_use]
    pub fn with(mut self, address: Ip4, length: u8, way: Way) -> Self {
        self.entries.push(RouteEntry { prefix: Prefix::new(address, length), way });
        self
    }

    /// The answer for a packet that came in by `link`.
    pub fn look_up(&self, destination: Ip4, link: u32) -> Route {
        self.longest(destination, link, |_| true)
    }

    /// The answer for a packet that is to leave by `egress`.
    pub fn look_up_by(&self, destination: Ip4, egress: u32) -> Route {
        self.longest(destination, egress, |way| match way {
            Way::Local | Way::Refused => true,
            Way::OnLink { egress: link, .. } | Way::Via { egress: link, .. } => link == egress,
        })
    }

    fn longest(&self, destination: Ip4, link: u32, serves: impl Fn(Way) -> bool) -> Route {
        let nowhere = |outcome| Route {
            outcome,
            egress: link,
            next_hop: destination,
            source: Ip4::UNSPECIFIED,
        };
        let forward = |egress, next_hop, source| Route {
            outcome: RouteOutcome::Forward,
            egress,
            next_hop,
            source,
        };
        if !self.forwarding.contains(&link) {
            return nowhere(RouteOutcome::Refused);
        }
        let matching = self.entries.iter().filter(|entry| entry.prefix.contains(destination));
        let serving = matching.filter(|entry| serves(entry.way));
        match serving.max_by_key(|entry| entry.prefix.mask.to_network().count_ones()) {
            None | Some(RouteEntry { way: Way::Local, .. }) => nowhere(RouteOutcome::Local),
            Some(RouteEntry { way: Way::Refused, .. }) => nowhere(RouteOutcome::Refused),
            Some(RouteEntry { way: Way::OnLink { egress, source }, .. }) => {
                forward(*egress, destination, *source)
            }
            Some(RouteEntry { way: Way::Via { egress, gateway, source }, .. }) => {
                forward(*egress, *gateway, *source)
            }
        }
    }
}
