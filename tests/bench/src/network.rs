//! A network to measure in: its mode and kind, its namespaces, and the addresses of all networks.

use std::net::Ipv4Addr;

use crate::modes::Mode;

/// The addresses of the server, of the router's uplink, of the client, and of its neighbour.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
pub(crate) const UPLINK: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 168, 15, 1);
pub(crate) const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(192, 168, 15, 2);

/// The sink: the destinations of packets that are only counted. Its next hop is on the server's
/// cable and has an Ethernet address that no interface has. The server's interface counts such a
/// packet, and IP drops it at once as one for another host (`ip_rcv_core`). This costs little,
/// needs neither a module nor a filter, and is the same in every mode.
pub(crate) const SINK: &str = "10.128.0.0/9";
pub(crate) const SINK_HOP: &str = "192.168.1.99";
pub(crate) const SINK_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x99];
pub(crate) const SINK_MAC_TEXT: &str = "02:00:00:00:00:99";

/// A variant of a mode's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum NetworkKind {
    /// Without further settings.
    Default,
    /// Segmentation and receive offloads are off: each packet is at most an MTU.
    OffloadsOff,
    /// The flow table has room for [`MANY_FLOWS`], in modes that have such a setting.
    LargeTable,
}

/// More than the million flows that a workload keeps alive and those that it then adds.
const MANY_FLOWS: u32 = 1 << 21;

/// Keys under `[nat]` of every lab of ours. They lift the limits of a single namespace, because
/// netfilter has none.
const UNLIMITED: &str = "quota = 4194304\nunreplied = 4194304";

impl NetworkKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Default => "",
            Self::OffloadsOff => "off-",
            Self::LargeTable => "large-",
        }
    }

    /// The keys under `[nat]` in the file of a lab of ours.
    pub(crate) fn nat_keys(self) -> String {
        match self {
            Self::Default | Self::OffloadsOff => UNLIMITED.to_owned(),
            Self::LargeTable => format!("{UNLIMITED}\nflow_table = {MANY_FLOWS}"),
        }
    }
}

/// The namespaces and addresses of one network: a client, a server, and what is between them.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) mode: Mode,
    pub(crate) kind: NetworkKind,
    /// The client's namespace.
    pub(crate) client: String,
    pub(crate) client_address: Ipv4Addr,
    /// Another namespace on the client's bridge. The mode `cable` has none.
    pub(crate) neighbour: String,
    /// The server's namespace.
    pub(crate) server: String,
    /// The router's namespace, and the name of the lab if it is one of ours. The mode `cable` has
    /// none.
    pub(crate) router: String,
    /// The address and port that the client connects to.
    pub(crate) server_address: Ipv4Addr,
    pub(crate) port: u16,
}

/// The server's port, except in workloads with published ports.
pub(crate) const PORT: u16 = 9000;

impl Network {
    pub(crate) fn new(mode: Mode, kind: NetworkKind) -> Self {
        let name = format!("{}{}", kind.prefix(), mode.name());
        Self {
            mode,
            kind,
            client: format!("{name}-red"),
            client_address: if mode == Mode::Cable { UPLINK } else { CLIENT },
            neighbour: format!("{name}-blue"),
            server: format!("{name}-lan"),
            router: format!("{name}-host"),
            server_address: SERVER,
            port: PORT,
        }
    }

    /// The router's namespace, if there is one.
    pub(crate) fn router_namespace(&self) -> Option<&str> {
        (self.mode != Mode::Cable).then_some(&self.router)
    }

    /// The same network with the neighbour as server. The mode `cable` has no neighbour and stays
    /// unchanged: it is the upper limit either way.
    pub(crate) fn east_west(&self) -> Self {
        let mut network = self.clone();
        if self.router_namespace().is_some() {
            network.server.clone_from(&self.neighbour);
            network.server_address = NEIGHBOUR;
        }
        network
    }

    /// The opposite direction: the server connects to a port that the router forwards.
    pub(crate) fn inward(&self, port: u16) -> Self {
        let mut network = self.clone();
        std::mem::swap(&mut network.client, &mut network.server);
        Self { client_address: self.server_address, server_address: UPLINK, port, ..network }
    }
}
