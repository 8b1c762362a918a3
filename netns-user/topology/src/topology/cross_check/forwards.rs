//! Forwards lead to namespaces that exist, and have their ports for themselves.

use std::{collections::BTreeMap, net::Ipv4Addr, ops::Range};

use super::{Check, router_name};
use crate::{
    rules::ForwardRule,
    topology::{file::ForwardFile, reach::RouterName},
};

/// The ports of a router that are forwarded: ranges that do not overlap, in the order of their
/// first ports.
type Forwarded<'a> = BTreeMap<(Option<RouterName<'a>>, u8, Option<Ipv4Addr>, u16), Seen<'a>>;

/// A forward, and the position of its port.
struct Seen<'a> {
    rule: &'a ForwardRule,
    span: Range<usize>,
}

impl<'a> Check<'a> {
    pub(super) fn forwards(&mut self) {
        let (file, parts) = (self.file, self.parts);
        let mut forwarded = Forwarded::new();
        for (part, rules) in file.forwards.iter().zip(&parts.forwards) {
            let rules = rules.as_deref().unwrap_or_default();
            // The rules of one entry differ in their protocols only.
            let Some(first) = rules.first() else { continue };
            let router = self.router_of_forward(part, first);
            for rule in rules {
                self.free_ports(part, rule, router, &mut forwarded);
            }
        }
    }

    /// The router that a forward is for, after a check of its addresses.
    fn router_of_forward(
        &mut self,
        part: &ForwardFile,
        rule: &ForwardRule,
    ) -> Option<RouterName<'a>> {
        let target = *rule.target.ip();
        let routers = self.networks.routers_of_target(target);
        if self.parts.has_all_networks() && !self.networks.has_holder(target) {
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
            let message = match self.router_with(address) {
                Some(other) => format!(
                    "forward: {address} is an address of {}, and the target {target} is behind {}: \
                     use an address of that router, or leave it out for all of its addresses",
                    router_name(other),
                    router_name(router)
                ),
                None => format!(
                    "forward: {address} is not an address of the router: use one of an uplink or a \
                     bridge, or leave it out for all addresses"
                ),
            };
            self.fault(text.span(), message);
        }
        router
    }

    /// No other forward of the router has a port of the rule. Two routers can forward one port.
    fn free_ports(
        &mut self,
        part: &ForwardFile,
        rule: &'a ForwardRule,
        router: Option<RouterName<'a>>,
        forwarded: &mut Forwarded<'a>,
    ) {
        let key = |port: u16| (router, rule.protocol as u8, rule.address, port);
        let before = forwarded.range(key(0)..=key(rule.ports.last())).next_back();
        let overlapping = before.filter(|(_, seen)| seen.rule.ports.overlaps(rule.ports));
        let Some((_, Seen { rule: other, span })) = overlapping else {
            let seen = Seen { rule, span: part.port.span() };
            forwarded.insert(key(rule.ports.first()), seen);
            return;
        };
        let line = self.line(span);
        let message = match (rule.ports.single(), other.ports.single()) {
            (Some(port), Some(_)) => format!(
                "forward: {} port {port} is already forwarded (line {line}): choose another port",
                rule.protocol
            ),
            _ => format!(
                "forward: {} ports {} overlap those of `{other}` (line {line}): choose others",
                rule.protocol, rule.ports
            ),
        };
        self.fault(part.port.span(), message);
    }

    /// The router that has an address by the file.
    fn router_with(&self, address: Ipv4Addr) -> Option<RouterName<'a>> {
        let routers = self.parts.routers.iter().flatten().map(|part| part.namespace.as_deref());
        let mut routers = routers.filter(|router| self.has_address(*router, address));
        routers.next()
    }

    /// Whether a router can have an address. The file has all addresses of a router namespace, and
    /// not those of the machine. An address that could not be read can be any.
    fn may_be_router_address(&self, router: RouterName<'_>, address: Ipv4Addr) -> bool {
        let parts = self.parts;
        router.is_none()
            || parts.uplinks.iter().any(Option::is_none)
            || parts.bridges.iter().any(Option::is_none)
            || parts.cables.iter().any(Option::is_none)
            || address.is_loopback()
            || self.has_address(router, address)
    }

    /// Whether the file gives a router the address.
    fn has_address(&self, router: RouterName<'_>, address: Ipv4Addr) -> bool {
        let parts = self.parts;
        let uplinks = parts.uplinks.iter().flatten();
        let uplinks = uplinks.filter(|uplink| uplink.router.as_deref() == router);
        let bridges = parts.bridges.iter().flatten();
        let bridges = bridges.filter(|bridge| bridge.router.as_deref() == router);
        let ends = parts.cables.iter().flatten().flat_map(|cable| [&cable.a, &cable.b]);
        let ends = ends.filter(|end| Some(end.namespace.as_str()) == router);
        let mut addresses = uplinks
            .flat_map(|uplink| uplink.addresses.iter().copied())
            .chain(bridges.map(|bridge| bridge.address))
            .chain(ends.filter_map(|end| end.address));
        addresses.any(|own| own.addr() == address)
    }
}
