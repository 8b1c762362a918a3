//! Addresses of links.

use std::net::{IpAddr, Ipv4Addr};

use futures::TryStreamExt;
use ipnet::{IpNet, Ipv4Net};
use rtnetlink::{
    AddressMessageBuilder,
    packet_route::address::{AddressAttribute, AddressMessage},
};
use serde::Serialize;

use super::{Link, Netlink, error::NetError};

/// An address of a link, with its prefix length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Address {
    /// Index of the link.
    pub link: u32,
    pub address: IpNet,
}

impl Netlink {
    /// All addresses of the namespace, IPv4 and IPv6.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn addresses(&self) -> Result<Vec<Address>, NetError> {
        let dump = self.handle().address().get().execute().try_collect::<Vec<_>>();
        let messages = self.wait(dump, || "list the addresses".into())?;
        Ok(messages.iter().filter_map(from_message).collect())
    }

    /// Gives a link an address; the route to its subnet comes with it.
    ///
    /// # Errors
    /// When the link has it already or the kernel refuses.
    pub fn add_address(&self, link: &Link, address: Ipv4Net) -> Result<(), NetError> {
        let request = self
            .handle()
            .address()
            .add(link.index, IpAddr::V4(address.addr()), address.prefix_len())
            .execute();
        self.wait(request, || format!("add address {address} to interface \"{}\"", link.name))
    }

    /// Removes an address from a link. With the first address of a subnet, the kernel also removes
    /// the others of that subnet and the routes that need them, unless `promote_secondaries` is
    /// set.
    ///
    /// # Errors
    /// When the link does not have it or the kernel refuses.
    pub fn delete_address(&self, link: &Link, address: Ipv4Net) -> Result<(), NetError> {
        let message = AddressMessageBuilder::<Ipv4Addr>::new()
            .index(link.index)
            .address(address.addr(), address.prefix_len())
            .build();
        let request = self.handle().address().del(message).execute();
        self.wait(request, || format!("delete address {address} of interface \"{}\"", link.name))
    }
}

fn from_message(message: &AddressMessage) -> Option<Address> {
    // On a point-to-point link, `Address` is the far end's and `Local`, if there is one, is ours.
    let mut own = None;
    let mut any = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => own = Some(*address),
            AddressAttribute::Address(address) => any = Some(*address),
            _ => {}
        }
    }
    let address = IpNet::new(own.or(any)?, message.header.prefix_len).ok()?;
    Some(Address { link: message.header.index, address })
}
