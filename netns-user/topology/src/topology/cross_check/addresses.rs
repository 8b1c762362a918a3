//! Addresses are in the right subnet, and subnets do not overlap.

use std::{collections::HashMap, ops::Range};

use ipnet::Ipv4Net;

use super::Check;
use crate::topology::{
    file::Text,
    model::{Bridge, Uplink},
};

/// A subnet, and the position of the address that it belongs to.
struct Subnet {
    owner: String,
    net: Ipv4Net,
    span: Range<usize>,
}

impl Check<'_> {
    pub(super) fn addresses(&mut self) {
        self.subnets();
        self.uplink_addresses();
        self.namespace_addresses();
    }

    /// The subnets of one router do not overlap, nor do the subnets of one network outside. Two
    /// routers can have the same subnets.
    fn subnets(&mut self) {
        let (file, parts) = (self.file, self.parts);
        let mut of_routers: HashMap<Option<&str>, Vec<Subnet>> = HashMap::new();
        let mut of_outsides: HashMap<&str, Vec<Subnet>> = HashMap::new();
        for (part, bridge) in file.bridges.iter().zip(&parts.bridges) {
            let Some(bridge) = bridge else { continue };
            of_routers.entry(bridge.router.as_deref()).or_default().push(Subnet {
                owner: format!("bridge \"{}\"", bridge.name),
                net: bridge.address,
                span: part.address.span(),
            });
        }
        for (part, uplink) in file.uplinks.iter().zip(&parts.uplinks) {
            let Some(uplink) = uplink else { continue };
            // An uplink that is plugged into its own router is reported for that.
            let far = uplink.plug().and_then(|plug| self.bridges.get(plug.bridge.as_str()));
            let subnet = |net, text: &Text| Subnet {
                owner: format!("uplink \"{}\"", uplink.name),
                net,
                span: text.span(),
            };
            if far.is_none_or(|bridge| bridge.router != uplink.router) {
                let nets =
                    own_subnets(uplink).map(|(index, net)| subnet(net, &part.addresses()[index]));
                of_routers.entry(uplink.router.as_deref()).or_default().extend(nets);
            }
            // The far end gets a route to each of these.
            let beyond = uplink.addresses.iter().zip(part.addresses());
            let beyond = beyond.filter(|(address, _)| uplink.is_beyond(address.addr()));
            let beyond = beyond.map(|(address, text)| subnet(address.addr().into(), text));
            if let Some(outside) = uplink.outside() {
                // A first address outside the subnet of the outside is reported by itself.
                let fits = uplink.primary().is_some_and(|it| it.trunc() == outside.address.trunc());
                let beyond = beyond.filter(|_| fits);
                of_outsides.entry(&outside.namespace).or_default().extend(beyond);
            } else if let Some(bridge) = far.filter(|bridge| bridge.router != uplink.router) {
                of_routers.entry(bridge.router.as_deref()).or_default().extend(beyond);
            }
            if let (Some(outside), Some(text)) = (uplink.outside(), &part.outside) {
                let name = &outside.namespace;
                of_outsides.entry(name).or_default().push(Subnet {
                    owner: format!("outside \"{name}\""),
                    net: outside.address,
                    span: text.get_ref().address.span(),
                });
            }
        }
        for (part, cable) in file.cables.iter().zip(&parts.cables) {
            let Some(cable) = cable else { continue };
            for (end, part) in [(&cable.a, &part.a), (&cable.b, &part.b)] {
                if let (Some(net), Some(text)) = (end.address, &part.get_ref().address)
                    // Namespaces can have several links to one subnet, with routes of their own.
                    && let Some(subnets) = of_routers.get_mut(&Some(end.namespace.as_str()))
                {
                    let owner = format!("cable end {}:{}", end.namespace, end.interface);
                    subnets.push(Subnet { owner, net, span: text.span() });
                }
            }
        }
        for subnets in of_routers.into_values().chain(of_outsides.into_values()) {
            self.no_overlap(subnets);
        }
    }

    /// In the order of their first addresses, a subnet can overlap only one that began before it
    /// and has not ended yet.
    fn no_overlap(&mut self, subnets: Vec<Subnet>) {
        let mut sorted: Vec<(usize, Subnet)> = subnets.into_iter().enumerate().collect();
        sorted
            .sort_by_key(|(index, subnet)| (subnet.net.network(), subnet.net.prefix_len(), *index));
        let mut widest: Option<(usize, Subnet)> = None;
        for (index, subnet) in sorted {
            let Some((other_index, other)) =
                widest.as_ref().filter(|(_, other)| other.net.contains(&subnet.net.network()))
            else {
                widest = Some((index, subnet));
                continue;
            };
            // The later one in the file is reported.
            let (later, earlier) =
                if index > *other_index { (&subnet, other) } else { (other, &subnet) };
            let message = format!(
                "{}: its subnet {} overlaps that of {} (line {}): give it another subnet",
                later.owner,
                later.net.trunc(),
                earlier.owner,
                self.line(&earlier.span)
            );
            self.fault(later.span.clone(), message);
        }
    }

    fn namespace_addresses(&mut self) {
        for (entry, members) in self.members() {
            // The members of an entry share all values that are checked here.
            let Some(member) = members.first() else { continue };
            let Some(plug) = &member.plug else { continue };
            let Some(bridge) = self.bridges.get(plug.bridge.as_str()).copied() else { continue };
            let owner = format!("namespace \"{}\"", member.name);
            if let Some(text) = entry.keys.address {
                self.in_subnet(&owner, plug.address, bridge, &text.span());
            }
            let Some(text) = entry.keys.gateway else { continue };
            let Some(gateway) = plug.gateway else { continue };
            // No member can be the gateway of all members, since it would be its own.
            let plugs = members.iter().filter_map(|member| member.plug.as_ref());
            let own = plugs.map(|plug| plug.address).find(|own| own.addr() == gateway);
            let address = own.unwrap_or(plug.address);
            self.gateway_in_subnet(&owner, address, gateway, bridge, &text.span());
        }
    }

    pub(super) fn in_subnet(
        &mut self,
        owner: &str,
        address: Ipv4Net,
        bridge: &Bridge,
        span: &Range<usize>,
    ) {
        let (name, net) = (&bridge.name, bridge.address.trunc());
        let message = if !net.contains(&address.addr()) {
            format!(
                "{owner}: the address {address} is not in the subnet of bridge \"{name}\", {net}"
            )
        } else if address.prefix_len() != net.prefix_len() {
            format!(
                "{owner}: the prefix length of {address} is not that of bridge \"{name}\": write \
                 {}/{}",
                address.addr(),
                net.prefix_len()
            )
        } else {
            return;
        };
        self.fault(span.clone(), message);
    }

    pub(super) fn gateway_in_subnet(
        &mut self,
        owner: &str,
        address: Ipv4Net,
        gateway: std::net::Ipv4Addr,
        bridge: &Bridge,
        span: &Range<usize>,
    ) {
        let net = bridge.address.trunc();
        if !net.contains(&gateway) || gateway == address.addr() {
            let message = format!(
                "{owner}: its gateway {gateway} must be another address in the subnet of bridge \
                 \"{}\", {net}",
                bridge.name
            );
            self.fault(span.clone(), message);
        }
    }
}

/// The subnets of an uplink's addresses, each with the index of its address. A subnet that lies in
/// another of them is left out.
fn own_subnets(uplink: &Uplink) -> impl Iterator<Item = (usize, Ipv4Net)> {
    let nets = || uplink.addresses.iter().map(Ipv4Net::trunc).enumerate();
    nets().filter(move |(index, net)| {
        !nets().any(|(other_index, other)| {
            other.contains(net) && if other == *net { other_index < *index } else { true }
        })
    })
}
