//! What a datapath is installed from.

use std::{fmt, net::Ipv4Addr};

use ipnet::Ipv4Net;
use netns_common::abi::{Limits, Timeouts};

use crate::rules::{ForwardRule, MasqueradeRule, Ports};

/// Everything that the datapath of one lab is configured with.
#[derive(Clone, Debug)]
pub struct DatapathSpec {
    /// The lab's name, part of the path of its pins.
    pub lab: String,
    /// How many connections the flow table holds.
    pub flow_capacity: u32,
    /// How many of them what comes by one link may have.
    pub limits: Limits,
    /// Interface names of the uplinks, in the router's namespace.
    pub uplinks: Vec<String>,
    /// The address of each uplink that the router speaks from where no rule names another; of one
    /// that is not named here, the first that it has.
    pub primary_addresses: Vec<(String, Ipv4Addr)>,
    /// Those whose far ends are entered, with the Ethernet address there.
    pub far_ends: Vec<(String, [u8; 6])>,
    /// One for each cable that ends on a bridge, and for each point-to-point cable.
    pub cables: Vec<CableSpec>,
    /// The bridges of the router, and its ends of point-to-point cables.
    pub lab_links: Vec<String>,
    /// Whether the router is a namespace of its own, and not the machine.
    pub own_namespace: bool,
    /// Prefixes behind the router. Beyond an uplink they are a source only where `routed` or the
    /// exception of a masquerade allows it.
    pub inside: Vec<Ipv4Net>,
    /// Sources that may leave untranslated.
    pub routed: Vec<RoutedPrefix>,
    pub masquerades: Vec<MasqueradeRule>,
    pub forwards: Vec<ForwardRule>,
    /// How long flows may be idle.
    pub timeouts: Timeouts,
    /// Where ports are chosen for flows that cannot keep theirs.
    pub ports: Ports,
    /// Whether such a port is even or odd as the flow's own.
    pub keep_parity: bool,
    /// Whether such a port is below 1024 as the flow's own, or is not.
    pub keep_class: bool,
    /// Whether a cable that does not say it carries only what bears its own namespace's
    /// addresses.
    pub source_check: bool,
    /// Whether translated packets take the way through the kernel's stack.
    pub via_stack: bool,
}

/// A source that may leave by an uplink untranslated. It wins over every masquerade there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoutedPrefix {
    /// Interface name of the uplink.
    pub uplink: String,
    pub source: Ipv4Net,
}

impl fmt::Display for RoutedPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "routed {} out of {}", self.source, self.uplink)
    }
}

/// A cable: a veth pair of which one end is in the router's namespace, either as a bridge port or
/// as an end of a point-to-point cable.
#[derive(Clone, Debug)]
pub struct CableSpec {
    /// Interface name of the end in the router.
    pub port: String,
    /// Interface name of its bridge. The name of the port itself: a point-to-point cable, which
    /// routes by itself.
    pub bridge: String,
    /// Addresses of the far end.
    pub addresses: Vec<Ipv4Addr>,
    /// Ethernet address of the far end; all zeroes: not known.
    pub mac: [u8; 6],
    /// Whether it carries only what bears these addresses; `None`: as the lab has it.
    pub source_check: Option<bool>,
    /// How many connections its far end may have; `None`: as many as the lab says.
    pub quota: Option<u32>,
}
