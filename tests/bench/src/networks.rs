//! The networks to measure in, by mode and kind. Each is built when it is first needed.

use std::{collections::HashMap, net::Ipv4Addr};

use crate::{modes::Mode, topology};

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
            client_address: if mode == Mode::Cable { topology::UPLINK } else { topology::CLIENT },
            neighbour: format!("{name}-blue"),
            server: format!("{name}-lan"),
            router: format!("{name}-host"),
            server_address: topology::SERVER,
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
            network.server_address = topology::NEIGHBOUR;
        }
        network
    }

    /// The opposite direction: the server connects to a port that the router forwards.
    pub(crate) fn inward(&self, port: u16) -> Self {
        let mut network = self.clone();
        std::mem::swap(&mut network.client, &mut network.server);
        Self {
            client_address: self.server_address,
            server_address: topology::UPLINK,
            port,
            ..network
        }
    }

    fn build(&self) -> anyhow::Result<()> {
        self.mode.build(self)?;
        match self.kind {
            NetworkKind::Default | NetworkKind::LargeTable => Ok(()),
            NetworkKind::OffloadsOff => topology::disable_offloads(self),
        }
    }
}

/// Every network that was asked for, or the reason why it cannot be built.
#[derive(Debug, Default)]
pub(crate) struct Networks {
    built: HashMap<(Mode, NetworkKind), Result<Network, String>>,
}

impl Networks {
    /// The network of a mode and kind.
    ///
    /// # Errors
    /// When this machine cannot build it; the text names what is missing.
    pub(crate) fn get(&mut self, mode: Mode, kind: NetworkKind) -> Result<&Network, &str> {
        let network = self.built.entry((mode, kind)).or_insert_with(|| {
            let network = Network::new(mode, kind);
            network.build().map_err(|error| format!("{error:#}"))?;
            Ok(network)
        });
        network.as_ref().map_err(String::as_str)
    }
}
