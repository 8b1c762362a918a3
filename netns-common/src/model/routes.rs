//! The routing table of the model.

use std::vec::Vec;

use crate::{
    abi::{Ip4, Port, Prefix},
    datapath::{Route, RouteOutcome, RouteQuery},
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
    /// The packets that a rule of policy routing leads to it: those alone, before any route without
    /// a rule. By their source, and their destination port if it is not 0.
    pub rule: Option<(Prefix, Port)>,
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
        self.entries.push(RouteEntry { prefix: Prefix::new(address, length), way, rule: None });
        self
    }

    /// Leads packets of a source to a port, of any if that is 0, by a way of their own, whatever
    /// their destination: as `ip rule` does it. What is for the host itself stays so.
    #[must_use]
    pub fn with_rule(mut self, source: Ip4, length: u8, port: Port, way: Way) -> Self {
        let rule = Some((Prefix::new(source, length), port));
        let prefix = Prefix::new(Ip4::UNSPECIFIED, 0);
        self.entries.push(RouteEntry { prefix, way, rule });
        self
    }

    /// Adds a default route that counts only where the one that is there does not lead: as one with
    /// a larger metric.
    #[must_use]
    pub fn with_metric(mut self, way: Way) -> Self {
        let prefix = Prefix::new(Ip4::UNSPECIFIED, 0);
        self.entries.insert(0, RouteEntry { prefix, way, rule: None });
        self
    }

    /// The answer for a packet that came in by `link`.
    pub fn look_up(&self, query: &RouteQuery, link: u32) -> Route {
        self.longest(query, link, |_| true)
    }

    /// The answer for a packet that is to leave by `egress`.
    pub fn look_up_by(&self, query: &RouteQuery, egress: u32) -> Route {
        self.longest(query, egress, |way| match way {
            Way::Local | Way::Refused => true,
            Way::OnLink { egress: link, .. } | Way::Via { egress: link, .. } => link == egress,
        })
    }

    fn longest(&self, query: &RouteQuery, link: u32, serves: impl Fn(Way) -> bool) -> Route {
        let destination = query.destination;
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
        let length = |entry: &&RouteEntry| entry.prefix.mask.to_network().count_ones();
        let (led, plain): (Vec<_>, Vec<_>) = serving
            .filter(|entry| entry.rule.is_none_or(|rule| concerns(rule, query)))
            .partition(|entry| entry.rule.is_some());
        let plain = plain.into_iter().max_by_key(length);
        // The kernel looks for its own addresses first, then by the rules.
        let is_local = plain.is_some_and(|entry| entry.way == Way::Local);
        let found = if is_local { plain } else { led.into_iter().max_by_key(length).or(plain) };
        match found {
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

/// Whether a rule is for a packet.
fn concerns((source, port): (Prefix, Port), query: &RouteQuery) -> bool {
    source.contains(query.source) && (port == Port::ZERO || port == query.destination_port)
}
