//! Neighbours: the Ethernet addresses of IP addresses.

use std::net::IpAddr;

use futures::TryStreamExt;
use rtnetlink::packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use serde::Serialize;

use super::{Mac, Netlink, error::NetError};

/// An entry of the neighbour table (ARP for IPv4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Neighbour {
    pub address: IpAddr,
    /// `None` until the neighbour has answered.
    pub mac: Option<Mac>,
    /// Index of the link.
    pub link: u32,
    /// "reachable", "stale", "failed", …
    pub state: String,
}

impl Netlink {
    /// The neighbours of the namespace, without multicast and loopback, which need no resolution.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn neighbours(&self) -> Result<Vec<Neighbour>, NetError> {
        let dump = self.handle().neighbours().get().execute().try_collect::<Vec<_>>();
        let messages = self.wait(dump, || "list the neighbours".into())?;
        Ok(messages.iter().filter_map(from_message).collect())
    }
}

fn from_message(message: &NeighbourMessage) -> Option<Neighbour> {
    if message.header.state == NeighbourState::Noarp {
        return None;
    }
    let mut address = None;
    let mut mac = None;
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(found)) => {
                address = Some(IpAddr::V4(*found));
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(found)) => {
                address = Some(IpAddr::V6(*found));
            }
            NeighbourAttribute::LinkLayerAddress(bytes) => {
                mac = bytes.as_slice().try_into().ok().map(Mac);
            }
            _ => {}
        }
    }
    Some(Neighbour {
        address: address?,
        mac,
        link: message.header.ifindex,
        state: message.header.state.to_string(),
    })
}
