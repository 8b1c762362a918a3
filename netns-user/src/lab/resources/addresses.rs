//! The addresses of links, which have an order.

use std::collections::HashMap;

use ipnet::Ipv4Net;

use super::Resource;
use crate::net::Interface;

/// The addresses of interfaces in the kernel's order, including those that others have added.
#[derive(Clone, Debug, Default)]
pub(in crate::lab) struct LinkAddresses(HashMap<Interface, Vec<Ipv4Net>>);

impl LinkAddresses {
    /// The addresses among resources, in their order.
    pub(in crate::lab) fn of_resources(resources: &[Resource]) -> Self {
        let mut all: HashMap<Interface, Vec<Ipv4Net>> = HashMap::new();
        for (interface, address) in addresses(resources) {
            all.entry(interface.clone()).or_default().push(address);
        }
        Self(all)
    }

    /// The interfaces.
    pub(in crate::lab) fn interfaces(&self) -> impl Iterator<Item = &Interface> {
        self.0.keys()
    }

    pub(in crate::lab) fn insert(&mut self, interface: &Interface, addresses: &[Ipv4Net]) {
        self.0.insert(interface.clone(), addresses.to_vec());
    }

    pub(in crate::lab) fn has(&self, interface: &Interface) -> bool {
        self.0.contains_key(interface)
    }

    pub(in crate::lab) fn of(&self, interface: &Interface) -> &[Ipv4Net] {
        self.0.get(interface).map_or(&[], Vec::as_slice)
    }
}

/// The addresses among resources, with their interfaces.
fn addresses(resources: &[Resource]) -> impl Iterator<Item = (&Interface, Ipv4Net)> {
    resources.iter().filter_map(|resource| match resource {
        Resource::Address { interface, address } => Some((interface, *address)),
        _ => None,
    })
}
