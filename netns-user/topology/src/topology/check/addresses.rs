//! Addresses: in the right subnet, and subnets apart.

use std::{collections::HashMap, ops::Range};

use ipnet::Ipv4Net;

use super::Check;
use crate::topology::{
    file::Text,
    model::{Bridge, Uplink},
};

/// A subnet of a namespace, and where the file gives it.
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

    /// The subnets of one router do not overlap, nor do those of a network outside. Behind two
    /// routers may be the same ones.
    fn subnets(&mut self) {
        let (file, parts) = (self.file, self.parts);
        let mut places: HashMap<Option<&str>, Vec<Subnet>> = HashMap::new();
        let mut outsides: HashMap<&str, Vec<Subnet>> = HashMap::new();
        for (part, bridge) in file.bridges.iter().zip(&parts.bridges) {
            let Some(bridge) = bridge else { continue };
            places.entry(bridge.router.as_deref()).or_default().push(Subnet {
                owner: format!("bridge \"{}\"", bridge.name),
                net: bridge.address,
                span: part.address.span(),
            });
        }
        for (part, uplink) in file.uplinks.iter().zip(&parts.uplinks) {
            let Some(uplink) = uplink else { continue };
            // One that is plugged in at its own router is reported for that.
            let far = uplink.plug().and_then(|plug| self.bridges.get(plug.bridge.as_str()));
            let subnet = |net, text: &Text| Subnet {
                owner: format!("uplink \"{}\"", uplink.name),
                net,
                span: text.span(),
            };
            if far.is_none_or(|bridge| bridge.router != uplink.router) {
                let nets = own_subnets(uplink).map(|(at, net)| subnet(net, &part.addresses()[at]));
                places.entry(uplink.router.as_deref()).or_default().extend(nets);
            }
            // The far end gets a route to each of these.
            let beyond = uplink.addresses.iter().zip(part.addresses());
            let beyond = beyond.filter(|(address, _)| uplink.is_beyond(address.addr()));
            let beyond = beyond.map(|(address, text)| subnet(address.addr().into(), text));
            if let Some(outside) = uplink.outside() {
                // A first address that does not fit is reported by itself.
                let fits = uplink.primary().is_some_and(|it| it.trunc() == outside.address.trunc());
                let beyond = beyond.filter(|_| fits);
                outsides.entry(&outside.namespace).or_default().extend(beyond);
            } else if let Some(bridge) = far.filter(|bridge| bridge.router != uplink.router) {
                places.entry(bridge.router.as_deref()).or_default().extend(beyond);
            }
            if let (Some(outside), Some(text)) = (uplink.outside(), &part.outside) {
                let name = &outside.namespace;
                outsides.entry(name).or_default().push(Subnet {
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
                    // Namespaces may have many ways to one subnet, with routes of their own.
                    && let Some(subnets) = places.get_mut(&Some(end.namespace.as_str()))
                {
                    let owner = format!("cable end {}:{}", end.namespace, end.interface);
                    subnets.push(Subnet { owner, net, span: text.span() });
                }
            }
        }
        for subnets in places.into_values().chain(outsides.into_values()) {
            self.apart(subnets);
        }
    }

    /// Sorted, a subnet can overlap only one that began before and has not ended yet.
    fn apart(&mut self, subnets: Vec<Subnet>) {
        let mut sorted: Vec<(usize, Subnet)> = subnets.into_iter().enumerate().collect();
        sorted
            .sort_by_key(|(place, subnet)| (subnet.net.network(), subnet.net.prefix_len(), *place));
        let mut widest: Option<(usize, Subnet)> = None;
        for (place, subnet) in sorted {
            let Some((other_place, other)) =
                widest.as_ref().filter(|(_, other)| other.net.contains(&subnet.net.network()))
            else {
                widest = Some((place, subnet));
                continue;
            };
            // The later one in the file is the one to be changed.
            let (later, earlier) =
                if place > *other_place { (&subnet, other) } else { (other, &subnet) };
            let message = format!(
                "{}: its subnet {} overlaps that of {} (line {}): give it another one",
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
            // The members of an entry share what can be wrong here.
            let Some(member) = members.first() else { continue };
            let Some(plug) = &member.plug else { continue };
            let Some(bridge) = self.bridges.get(plug.bridge.as_str()).copied() else { continue };
            let owner = format!("namespace \"{}\"", member.name);
            if let Some(text) = entry.address {
                self.in_subnet(&owner, plug.address, bridge, &text.span());
            }
            let Some(text) = entry.gateway else { continue };
            let Some(gateway) = plug.gateway else { continue };
            // A member cannot be the gateway of all of them, itself among them.
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
                "{owner}: its gateway {gateway} is not another address of the subnet of bridge \
                 \"{}\", {net}",
                bridge.name
            );
            self.fault(span.clone(), message);
        }
    }
}

/// The subnets of an uplink's addresses, each with the place of its address in the list. One that
/// is in another of them is left out.
fn own_subnets(uplink: &Uplink) -> impl Iterator<Item = (usize, Ipv4Net)> {
    let nets = || uplink.addresses.iter().map(Ipv4Net::trunc).enumerate();
    nets().filter(move |(at, net)| {
        !nets().any(|(other_at, other)| {
            other.contains(net) && if other == *net { other_at < *at } else { true }
        })
    })
}
