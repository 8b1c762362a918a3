//! Uplinks: their addresses and their far ends.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::model::{Far, Outside, Plug, Uplink};

impl Uplink {
    /// The address that the router sends from where no rule names another.
    pub fn primary(&self) -> Option<Ipv4Net> {
        self.addresses.first().copied()
    }

    /// Whether the lab assigns it this address.
    pub fn has_address(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|own| own.addr() == address)
    }

    /// Its addresses outside the subnet of the first one. The far end of its cable needs a route to
    /// each of them.
    pub fn addresses_beyond(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.addresses.iter().map(Ipv4Net::addr).filter(|address| self.is_beyond(*address))
    }

    /// Whether an address is outside the subnet of the first one.
    pub(super) fn is_beyond(&self, address: Ipv4Addr) -> bool {
        self.primary().is_some_and(|primary| !primary.contains(&address))
    }

    /// The simulated network at its far end.
    pub fn outside(&self) -> Option<&Outside> {
        match &self.far {
            Some(Far::Outside(outside)) => Some(outside),
            Some(Far::Plug(_)) | None => None,
        }
    }

    /// The bridge of another router that it is plugged into.
    pub fn plug(&self) -> Option<&Plug> {
        match &self.far {
            Some(Far::Plug(plug)) => Some(plug),
            Some(Far::Outside(_)) | None => None,
        }
    }
}
