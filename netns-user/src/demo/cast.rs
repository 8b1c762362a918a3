//! The roles of the demonstration, such as client and server, assigned to parts of the lab.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
};

use crate::{
    rules::{ForwardProtocol, MasqueradeRule},
    topology::{Namespace, NamespacePlug, Topology},
};

/// The namespace in which a check runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The router's namespace, or the machine's own.
    Router,
    Namespace(String),
}

/// A namespace with one cable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub namespace: String,
    pub interface: String,
    pub address: Ipv4Addr,
}

/// The roles, as one lab fills them.
#[derive(Clone, Debug)]
pub struct Cast {
    pub lab: String,
    /// The lecture's host.
    pub host: String,
    /// The address of the host on its uplink.
    pub host_address: Ipv4Addr,
    /// The lecture's red: sends requests.
    pub client: Actor,
    /// The lecture's blue: runs the web server that the forward leads to.
    pub server: Actor,
    /// The lecture's LAN.
    pub outside: Actor,
    /// An address beyond the LAN.
    pub beyond: Option<Ipv4Addr>,
    pub masquerade: MasqueradeRule,
    /// The forwarded port of the host, and the target.
    pub port: u16,
    pub target: SocketAddrV4,
    /// The names of all interfaces of the lab.
    pub interfaces: BTreeSet<String>,
}

/// A lab that lacks a role of the demonstration.
#[derive(Debug, thiserror::Error)]
#[error("lab \"{lab}\" cannot be used for the demonstration: it has no {missing}")]
pub struct CastError {
    lab: String,
    missing: &'static str,
}

impl Cast {
    /// Assigns the roles. The server is the target of the first TCP forward, the client is the
    /// first other namespace, and the outside is the first simulated one.
    pub fn of(topology: &Topology) -> Result<Self, CastError> {
        let missing = |missing| CastError { lab: topology.name.clone(), missing };
        let forward = topology
            .forwards
            .iter()
            .find(|rule| {
                rule.protocol == ForwardProtocol::Tcp
                    && rule.address.is_none()
                    && rule.from.is_empty()
            })
            .ok_or_else(|| missing("forward of a tcp port on every address of the host"))?;
        let server = topology
            .plugged()
            .find(|(_, plug)| plug.address.addr() == *forward.target.ip())
            .ok_or_else(|| missing("namespace with the address of its forward's target"))?;
        let client = topology
            .plugged()
            .find(|(namespace, _)| namespace.name != server.0.name)
            .ok_or_else(|| missing("second namespace"))?;
        let (uplink, outside) = topology
            .uplinks
            .iter()
            .find_map(|uplink| Some((uplink, uplink.outside()?)))
            .ok_or_else(|| missing("uplink with an outside"))?;
        let address = uplink.primary().ok_or_else(|| missing("address on its uplink"))?;
        let masquerade =
            topology.masquerades.first().ok_or_else(|| missing("masquerade rule"))?.clone();
        Ok(Self {
            lab: topology.name.clone(),
            host: topology.first_router().unwrap_or("host").to_owned(),
            host_address: address.addr(),
            client: Actor::from(client),
            server: Actor::from(server),
            outside: Actor {
                namespace: outside.namespace.clone(),
                interface: outside.interface.clone(),
                address: outside.address.addr(),
            },
            beyond: outside.answers.first().copied(),
            masquerade,
            port: forward.ports.first(),
            target: forward.target,
            interfaces: interfaces(topology),
        })
    }

    /// The outside addresses that a namespace behind the masquerade should reach.
    pub fn destinations(&self) -> Vec<Ipv4Addr> {
        std::iter::once(self.outside.address).chain(self.beyond).collect()
    }
}

impl Actor {
    /// Its namespace.
    pub fn place(&self) -> Place {
        Place::Namespace(self.namespace.clone())
    }
}

impl From<(&Namespace, &NamespacePlug)> for Actor {
    fn from((namespace, plug): (&Namespace, &NamespacePlug)) -> Self {
        Self {
            namespace: namespace.name.clone(),
            interface: plug.interface.clone(),
            address: plug.address.addr(),
        }
    }
}

fn interfaces(topology: &Topology) -> BTreeSet<String> {
    let plugs = topology.plugged().flat_map(|(_, plug)| [&plug.interface, &plug.port]);
    let cables = topology.cables.iter().flat_map(|cable| [&cable.a, &cable.b]);
    let names = plugs
        .chain(cables.map(|end| &end.interface))
        .chain(topology.bridges.iter().map(|bridge| &bridge.name))
        .chain(topology.uplinks.iter().map(|uplink| &uplink.name))
        .chain(topology.outsides().map(|outside| &outside.interface));
    names.cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lectures_lab_fills_all_roles() {
        let cast = Cast::of(&Topology::lecture()).unwrap();
        assert_eq!(cast.client.namespace, "red");
        assert_eq!(cast.server.namespace, "blue");
        assert_eq!(cast.outside.interface, "eth0");
        assert_eq!(cast.host_address, Ipv4Addr::new(192, 168, 1, 10));
        assert_eq!(cast.destinations(), [[192, 168, 1, 1], [8, 8, 8, 8]].map(Ipv4Addr::from));
        let interfaces =
            ["ens3", "eth0", "v-net-0", "veth-blue", "veth-blue-br", "veth-red", "veth-red-br"];
        assert_eq!(Vec::from_iter(cast.interfaces), interfaces);
    }

    #[test]
    fn the_forward_decides_which_namespace_is_the_server() {
        let mut topology = Topology::lecture();
        topology.namespaces.reverse();
        let cast = Cast::of(&topology).unwrap();
        assert_eq!(cast.server.namespace, "blue");
        assert_eq!(cast.client.namespace, "red");
    }

    #[test]
    fn an_error_names_the_missing_role() {
        let mut topology = Topology::lecture();
        topology.uplinks[0].far = None;
        let error = Cast::of(&topology).unwrap_err().to_string();
        assert_eq!(
            error,
            "lab \"lecture\" cannot be used for the demonstration: it has no uplink with an outside"
        );
    }
}
