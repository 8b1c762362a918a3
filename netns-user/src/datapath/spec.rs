//! The description of a datapath.

use std::{fmt, net::Ipv4Addr};

use ipnet::Ipv4Net;
use netns_common::abi::{Limits, Timeouts};

use crate::rules::{ForwardRule, MasqueradeRule, Ports};

/// The whole configuration of one datapath.
#[derive(Clone, Debug)]
pub struct DatapathSpec {
    /// The lab's name, part of the path of its pins.
    pub lab: String,
    /// The capacity of the flow table.
    pub flow_capacity: u32,
    /// The limits for the connections of one link.
    pub limits: Limits,
    /// Interface names of the uplinks, in the router's namespace.
    pub uplinks: Vec<String>,
    /// The default source address of each uplink; for an uplink that is not listed, its first
    /// address.
    pub primary_addresses: Vec<(String, Ipv4Addr)>,
    /// The uplinks whose far ends are entered directly, with the Ethernet address there.
    pub far_ends: Vec<(String, [u8; 6])>,
    /// One for each cable that ends on a bridge, and for each point-to-point cable.
    pub cables: Vec<CableSpec>,
    /// The bridges of the router, and its ends of point-to-point cables.
    pub lab_links: Vec<String>,
    /// Whether the router is a namespace of its own, and not the machine.
    pub own_namespace: bool,
    /// The prefixes behind the router. Packets from them leave by an uplink untranslated only if
    /// `routed` or the exception of a masquerade allows it.
    pub inside: Vec<Ipv4Net>,
    /// Sources that may leave untranslated.
    pub routed: Vec<RoutedPrefix>,
    pub masquerades: Vec<MasqueradeRule>,
    pub forwards: Vec<ForwardRule>,
    /// How long flows may be idle.
    pub timeouts: Timeouts,
    /// The range of ports for flows that cannot keep theirs.
    pub ports: Ports,
    /// Whether such a port keeps the parity of the flow's own.
    pub keep_parity: bool,
    /// Whether such a port is below 1024 exactly if the flow's own is.
    pub keep_class: bool,
    /// Whether sources are checked on a cable that does not say so itself: only the addresses of
    /// its own namespace are accepted.
    pub source_check: bool,
    /// Whether translated packets go through the kernel's stack.
    pub via_stack: bool,
}

/// A source that may leave by an uplink untranslated. It comes before every masquerade there.
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
    /// Interface name of its bridge; for a point-to-point cable, which has none, the name of the
    /// port itself.
    pub bridge: String,
    /// Addresses of the far end.
    pub addresses: Vec<Ipv4Addr>,
    /// Ethernet address of the far end; all zeroes if it is not known.
    pub mac: [u8; 6],
    /// Whether only these addresses are accepted as sources; `None`: as in the lab.
    pub source_check: Option<bool>,
    /// The quota of its far end; `None`: as in the lab.
    pub quota: Option<u32>,
}
