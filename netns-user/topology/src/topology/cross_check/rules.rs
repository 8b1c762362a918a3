//! Rules are about parts that exist, and are unique.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::Ipv4Addr,
    ops::Range,
};

use ipnet::Ipv4Net;

use super::Check;
use crate::rules::ForwardRule;

impl Check<'_> {
    pub(super) fn rules(&mut self) {
        self.masquerades();
        self.forwards();
    }

    fn masquerades(&mut self) {
        let (file, parts) = (self.file, self.parts);
        let uplinks: HashSet<&str> =
            file.uplinks.iter().map(|uplink| uplink.name.get_ref().as_str()).collect();
        // A part that could not be read may have the network.
        let complete = parts.has_all_networks();
        let mut seen = HashMap::new();
        for (part, rule) in file.masquerades.iter().zip(&parts.masquerades) {
            match &part.uplink {
                Some(uplink) => self.reference("masquerade", "uplink", uplink, &uplinks),
                None if file.uplinks.is_empty() => {
                    let message = "masquerade: the lab has no uplink: add an [[uplink]]";
                    self.fault(part.source.span(), message);
                }
                None => {}
            }
            let Some(rule) = rule else { continue };
            let span = part.source.span();
            if complete && !self.networks.covers(rule.source) {
                let bridges = parts.bridges.iter().flatten();
                let nets: Vec<_> =
                    bridges.map(|bridge| bridge.address.trunc().to_string()).collect();
                let message = format!(
                    "masquerade: nothing inside has an address of {}: {}",
                    rule.source,
                    if nets.is_empty() {
                        "add a [[bridge]], a [[cable]] or a route that has it".to_owned()
                    } else {
                        format!("the bridges have {}", nets.join(", "))
                    }
                );
                self.fault(span.clone(), message);
            }
            if let (Some(to), Some(text), Some(uplink)) = (rule.to, &part.to, &rule.uplink)
                && !self.may_be_uplink_address(uplink, to)
            {
                let message = format!(
                    "masquerade: uplink \"{uplink}\" does not have the address {to}: use one of its \
                     addresses, or leave `to` out"
                );
                self.fault(text.span(), message);
            }
            let key = (rule.source, rule.uplink.as_deref());
            if let Some((other, first)) = seen.insert(key, (rule, span.clone())) {
                let line = self.line(&first);
                let message = if other == rule {
                    format!("masquerade: line {line} has the same one: leave one out")
                } else {
                    format!("masquerade: line {line} has the same source, `{other}`: leave one out")
                };
                self.fault(span, message);
            }
        }
    }

    /// Whether an uplink can have an address. The file has all addresses of an uplink that the lab
    /// makes, and none of the machine's.
    fn may_be_uplink_address(&self, uplink: &str, address: Ipv4Addr) -> bool {
        let named = self.parts.uplinks.iter().flatten().filter(|other| other.name == uplink);
        let mut made = named.filter(|uplink| !uplink.addresses.is_empty()).peekable();
        made.peek().is_none() || made.any(|uplink| uplink.has_address(address))
    }

    fn forwards(&mut self) {
        let (file, parts) = (self.file, self.parts);
        let complete = parts.has_all_networks();
        let members = self.members().flat_map(|(_, members)| members);
        let plugs = members.filter_map(|member| Some(member.plug.as_ref()?.address.addr()));
        let uplinks = parts.uplinks.iter().flatten().filter(|uplink| uplink.plug().is_some());
        let uplinks = uplinks.flat_map(|uplink| uplink.addresses.iter().map(Ipv4Net::addr));
        let targets: HashSet<Ipv4Addr> = plugs.chain(uplinks).collect();
        let mut seen: BTreeMap<_, (&ForwardRule, Range<usize>)> = BTreeMap::new();
        for (part, rule) in file.forwards.iter().zip(&parts.forwards) {
            let Some(rule) = rule else { continue };
            let target = *rule.target.ip();
            let routers = self.networks.routers_of_target(target);
            if complete && !targets.contains(&target) && !self.networks.is_far_end(target) {
                let message = format!(
                    "forward: no namespace has the target address {target}: use the address of a \
                     namespace"
                );
                self.fault(part.target.span(), message);
            } else if routers.len() > 1 {
                let message = format!(
                    "forward: the target address {target} is behind {} routers: give their \
                     bridges and cables different subnets",
                    routers.len()
                );
                self.fault(part.target.span(), message);
            }
            let router = routers.first().copied();
            if let (Some(address), Some(text), Some(router)) = (rule.address, &part.address, router)
                && !self.may_be_router_address(router, address)
            {
                let message = format!(
                    "forward: {address} is not an address of the router: use one of an uplink or a \
                     bridge, or leave it out for all addresses"
                );
                self.fault(text.span(), message);
            }
            // Ranges that do not overlap are in the order of their first ports.
            let key = |port: u16| (router, rule.protocol as u8, rule.address, port);
            let before = seen.range(..=key(rule.ports.last())).next_back();
            let other = before.map(|(_, other)| other).filter(|(other, _)| other.overlaps(rule));
            if let Some((other, span)) = other {
                let line = self.line(span);
                let message = match (rule.ports.single(), other.ports.single()) {
                    (Some(port), Some(_)) => format!(
                        "forward: {} port {port} is already forwarded (line {line}): choose \
                         another port",
                        rule.protocol
                    ),
                    _ => format!(
                        "forward: {} ports {} overlap those of `{other}` (line {line}): choose \
                         others",
                        rule.protocol, rule.ports
                    ),
                };
                self.fault(part.port.span(), message);
            } else {
                seen.insert(key(rule.ports.first()), (rule, part.port.span()));
            }
        }
    }

    /// Whether a router can have an address. The file has all addresses of a router namespace, and
    /// not those of the machine. An address that could not be read can be any.
    fn may_be_router_address(&self, router: Option<&str>, address: Ipv4Addr) -> bool {
        let parts = self.parts;
        let uplinks = parts.uplinks.iter().flatten();
        let uplinks = uplinks.filter(|uplink| uplink.router.as_deref() == router);
        let bridges = parts.bridges.iter().flatten();
        let bridges = bridges.filter(|bridge| bridge.router.as_deref() == router);
        let ends = parts.cables.iter().flatten().flat_map(|cable| [&cable.a, &cable.b]);
        let ends = ends.filter(|end| Some(end.namespace.as_str()) == router);
        let addresses = uplinks
            .flat_map(|uplink| uplink.addresses.iter().copied())
            .chain(bridges.map(|bridge| bridge.address))
            .chain(ends.filter_map(|end| end.address));
        router.is_none()
            || parts.uplinks.iter().any(Option::is_none)
            || parts.bridges.iter().any(Option::is_none)
            || parts.cables.iter().any(Option::is_none)
            || address.is_loopback()
            || addresses.into_iter().any(|own| own.addr() == address)
    }
}
