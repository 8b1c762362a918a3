//! Addresses: in the right subnet, each given once, subnets apart.

use std::{collections::HashMap, net::Ipv4Addr, ops::Range};

use ipnet::Ipv4Net;

use super::Check;

fn overlap(one: Ipv4Net, other: Ipv4Net) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

impl Check<'_> {
    pub(super) fn addresses(&mut self) {
        self.subnets();
        self.uplink_addresses();
        self.namespace_addresses();
        self.duplicate_addresses();
    }

    fn subnets(&mut self) {
        let (file, parts) = (self.file, self.parts);
        let bridges = file.bridges.iter().zip(&parts.bridges).filter_map(|(part, bridge)| {
            let owner = format!("bridge \"{}\"", part.name.get_ref());
            Some((owner, bridge.as_ref()?.address, part.address.span()))
        });
        let uplinks = file.uplinks.iter().zip(&parts.uplinks).filter_map(|(part, uplink)| {
            let owner = format!("uplink \"{}\"", part.name.get_ref());
            Some((owner, uplink.as_ref()?.address?, part.address.as_ref()?.span()))
        });
        let all: Vec<(String, Ipv4Net, Range<usize>)> = bridges.chain(uplinks).collect();
        for (index, (owner, net, span)) in all.iter().enumerate() {
            for (other_owner, other, other_span) in &all[..index] {
                if overlap(*net, *other) {
                    let message = format!(
                        "{owner}: its subnet {} overlaps that of {other_owner} (line {}): give \
                         it another one",
                        net.trunc(),
                        self.line(other_span)
                    );
                    self.fault(span.clone(), message);
                }
            }
        }
    }

    fn uplink_addresses(&mut self) {
        let (file, parts) = (self.file, self.parts);
        for (part, uplink) in file.uplinks.iter().zip(&parts.uplinks) {
            let Some(uplink) = uplink else { continue };
            let Some(address) = uplink.address else { continue };
            let name = &uplink.name;
            let net = address.trunc();
            if let (Some(outside), Some(outside_part)) = (uplink.outside(), &part.outside) {
                if outside.address.trunc() != net {
                    let message = format!(
                        "outside \"{}\": the address {} is not in the subnet of uplink \
                         \"{name}\", {net}",
                        outside.namespace, outside.address
                    );
                    self.fault(outside_part.get_ref().address.span(), message);
                    // Its gateway is then wrong by the same mistake.
                    continue;
                }
                let gateway = uplink.gateway.zip(part.gateway.as_ref());
                if let Some((gateway, gateway_part)) = gateway
                    && gateway != outside.address.addr()
                {
                    let message = format!(
                        "uplink \"{name}\": nobody is its gateway {gateway}: outside has the \
                         address {}",
                        outside.address.addr()
                    );
                    self.fault(gateway_part.span(), message);
                }
            }
        }
    }

    fn namespace_addresses(&mut self) {
        let (file, parts) = (self.file, self.parts);
        for (part, namespace) in file.namespaces.iter().zip(&parts.namespaces) {
            let Some(namespace) = namespace else { continue };
            let Some(plug) = &namespace.plug else { continue };
            let bridges = parts.bridges.iter().flatten();
            let Some(bridge) = bridges.into_iter().find(|bridge| bridge.name == plug.bridge) else {
                continue;
            };
            let (name, net) = (&namespace.name, bridge.address.trunc());
            let address = plug.address;
            if !net.contains(&address.addr()) {
                let message = format!(
                    "namespace \"{name}\": the address {address} is not in the subnet of bridge \
                     \"{}\", {net}",
                    bridge.name
                );
                self.fault(part.address.span(), message);
            } else if address.prefix_len() != net.prefix_len() {
                let message = format!(
                    "namespace \"{name}\": the prefix length of {address} is not that of bridge \
                     \"{}\": write {}/{}",
                    bridge.name,
                    address.addr(),
                    net.prefix_len()
                );
                self.fault(part.address.span(), message);
            }
            if let Some(gateway_part) = &part.gateway
                && let Some(gateway) = plug.gateway
                && (!net.contains(&gateway) || gateway == address.addr())
            {
                let message = format!(
                    "namespace \"{name}\": its gateway {gateway} is not another address of the \
                     subnet of bridge \"{}\", {net}",
                    bridge.name
                );
                self.fault(gateway_part.span(), message);
            }
        }
    }

    fn duplicate_addresses(&mut self) {
        let (file, parts) = (self.file, self.parts);
        let mut all: Vec<(Ipv4Addr, String, Range<usize>)> = Vec::new();
        for (part, bridge) in file.bridges.iter().zip(&parts.bridges) {
            if let Some(bridge) = bridge {
                let owner = format!("bridge \"{}\"", bridge.name);
                all.push((bridge.address.addr(), owner, part.address.span()));
            }
        }
        for (part, uplink) in file.uplinks.iter().zip(&parts.uplinks) {
            let Some(uplink) = uplink else { continue };
            if let (Some(address), Some(text)) = (uplink.address, &part.address) {
                all.push((address.addr(), format!("uplink \"{}\"", uplink.name), text.span()));
            }
            if let (Some(outside), Some(text)) = (uplink.outside(), &part.outside) {
                let owner = format!("outside \"{}\"", outside.namespace);
                let text = text.get_ref();
                all.push((outside.address.addr(), owner.clone(), text.address.span()));
                for (answer, text) in outside.answers.iter().zip(&text.answers) {
                    all.push((*answer, owner.clone(), text.span()));
                }
            }
        }
        for (part, namespace) in file.namespaces.iter().zip(&parts.namespaces) {
            if let Some(namespace) = namespace
                && let Some(plug) = &namespace.plug
            {
                let owner = format!("namespace \"{}\"", namespace.name);
                all.push((plug.address.addr(), owner, part.address.span()));
            }
        }
        let mut seen = HashMap::new();
        for (address, owner, span) in &all {
            let Some((first, first_span)) = seen.get(address) else {
                seen.insert(*address, (owner, span));
                continue;
            };
            let message = format!(
                "{owner}: the address {address} is that of {first} already (line {}): choose \
                 another",
                self.line(first_span)
            );
            self.fault(span.clone(), message);
        }
    }
}
