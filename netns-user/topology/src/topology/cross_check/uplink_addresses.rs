//! The first address of an uplink reaches the far end, and its addresses are consistent.

use ipnet::Ipv4Net;

use super::Check;
use crate::topology::{
    file::UplinkFile,
    model::{Outside, Uplink},
    subnets::{has_edges, overlap},
};

impl Check<'_> {
    pub(super) fn uplink_addresses(&mut self) {
        let (file, parts) = (self.file, self.parts);
        for (part, uplink) in file.uplinks.iter().zip(&parts.uplinks) {
            let Some(uplink) = uplink else { continue };
            let Some(primary) = uplink.primary() else { continue };
            self.further_addresses(part, uplink);
            if let Some(outside) = uplink.outside() {
                self.uplink_to_outside(part, uplink, primary, outside);
            }
            let bridge = uplink.plug().and_then(|plug| self.bridges.get(plug.bridge.as_str()));
            if let Some(bridge) = bridge.copied()
                && let Some(text) = part.addresses().first()
            {
                let owner = format!("uplink \"{}\"", uplink.name);
                self.in_subnet(&owner, primary, bridge, &text.span());
                if let (Some(gateway), Some(text)) = (uplink.gateway, &part.gateway) {
                    self.gateway_in_subnet(&owner, primary, gateway, bridge, &text.span());
                }
            }
        }
    }

    /// Two addresses of one interface are in the same subnet, or in subnets that do not overlap. A
    /// single address (/32) can be anywhere but at the edge of another one's subnet.
    fn further_addresses(&mut self, part: &UplinkFile, uplink: &Uplink) {
        let name = &uplink.name;
        for (index, (address, text)) in uplink.addresses.iter().zip(part.addresses()).enumerate() {
            let others = || uplink.addresses.iter().filter(|other| other.addr() != address.addr());
            let is_alone = address.prefix_len() == Ipv4Net::default().max_prefix_len();
            let edge = others().find(|net| {
                has_edges(**net) && [net.network(), net.broadcast()].contains(&address.addr())
            });
            let earlier = uplink.addresses.iter().take(index);
            let other = earlier.filter(|other| {
                let lengths = [address.prefix_len(), other.prefix_len()];
                lengths[0] != lengths[1]
                    && !lengths.contains(&address.max_prefix_len())
                    && overlap(**other, *address)
            });
            let message = if let Some(net) = edge.filter(|_| is_alone) {
                format!(
                    "uplink \"{name}\": the address {address} cannot be used: it is the network or \
                     broadcast address of {}, the subnet of {net}: choose another",
                    net.trunc()
                )
            } else if let Some(other) = other.into_iter().next() {
                format!(
                    "uplink \"{name}\": the prefix length of {address} is not that of its address \
                     {other}: write {0}/{1}, or {0}/32 for the address alone",
                    address.addr(),
                    other.prefix_len()
                )
            } else {
                continue;
            };
            self.fault(text.span(), message);
        }
    }

    fn uplink_to_outside(
        &mut self,
        part: &UplinkFile,
        uplink: &Uplink,
        primary: Ipv4Net,
        outside: &Outside,
    ) {
        let (name, net) = (&uplink.name, primary.trunc());
        let (Some(outside_part), Some(text)) = (&part.outside, part.addresses().first()) else {
            return;
        };
        if outside.address.trunc() != net {
            // The gateway is then wrong for the same reason.
            let reach = |address: &&Ipv4Net| address.trunc() == outside.address.trunc();
            if let Some(better) = uplink.addresses.iter().find(reach) {
                let message = format!(
                    "uplink \"{name}\": its first address {primary} is not in the subnet of outside \
                     \"{}\", {}: put {better} before it",
                    outside.namespace,
                    outside.address.trunc()
                );
                self.fault(text.span(), message);
            } else if net.prefix_len() == net.max_prefix_len()
                && outside.address.contains(&primary.addr())
            {
                let message = format!(
                    "uplink \"{name}\": its first address {primary} has no subnet, so that outside \
                     \"{}\" with {} is out of reach: write {}/{}",
                    outside.namespace,
                    outside.address,
                    primary.addr(),
                    outside.address.prefix_len()
                );
                self.fault(text.span(), message);
            } else {
                let message = format!(
                    "outside \"{}\": the address {} is not in the subnet of uplink \"{name}\", {net}",
                    outside.namespace, outside.address
                );
                self.fault(outside_part.get_ref().address.span(), message);
            }
            return;
        }
        if let (Some(gateway), Some(text)) = (uplink.gateway, &part.gateway)
            && gateway != outside.address.addr()
        {
            let message = format!(
                "uplink \"{name}\": its gateway {gateway} does not exist: outside has the address {}",
                outside.address.addr()
            );
            self.fault(text.span(), message);
        }
    }
}
