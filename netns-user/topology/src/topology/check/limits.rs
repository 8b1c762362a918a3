//! How much there can be of what.

use std::collections::HashMap;

use netns_common::abi::{MAX_INSIDE_PREFIXES, MAX_RULES, MAX_UPLINKS};

use super::Check;

/// Most ports of a bridge: Linux numbers them with ten bits, and 0 is none
/// (BR_PORT_BITS in net/bridge/br_private.h).
const MAX_PORTS: usize = 1023;

/// Most addresses of a router's uplinks: the datapath has room for 1024 addresses of the router and
/// broadcast addresses of its subnets together (`HOST_ADDRESSES`).
const MAX_ADDRESSES: usize = 256;

impl<'a> Check<'a> {
    pub(super) fn limits(&mut self) {
        let parts = self.parts;
        let mut bridges: HashMap<Option<&str>, usize> = HashMap::new();
        for bridge in parts.bridges.iter().flatten() {
            *bridges.entry(bridge.router.as_deref()).or_default() += 1;
        }
        let mut uplinks: HashMap<Option<&str>, usize> = HashMap::new();
        let mut addresses: HashMap<Option<&str>, usize> = HashMap::new();
        for uplink in parts.uplinks.iter().flatten() {
            *addresses.entry(uplink.router.as_deref()).or_default() += uplink.addresses.len();
            *uplinks.entry(uplink.router.as_deref()).or_default() += 1;
        }
        let rules = self.rules_by_router();
        let most_rules = usize::try_from(MAX_RULES - 1).unwrap_or(usize::MAX);
        let all = [
            (bridges, MAX_INSIDE_PREFIXES, "bridges"),
            (uplinks, MAX_UPLINKS, "uplinks"),
            (addresses, MAX_ADDRESSES, "addresses of uplinks"),
            (rules, most_rules, "rules"),
        ];
        for (counts, most, what) in all {
            for (router, count) in counts.into_iter().filter(|(_, count)| *count > most) {
                let whose = match router {
                    Some(router) => format!("router \"{router}\""),
                    None => "the machine as router".to_owned(),
                };
                let message = format!("{whose}: {count} {what}: a router can have {most}");
                self.fault(self.router_span(router), message);
            }
        }
        self.ports();
    }

    fn rules_by_router(&self) -> HashMap<Option<&'a str>, usize> {
        let parts = self.parts;
        let mut rules: HashMap<Option<&str>, usize> = HashMap::new();
        let masquerades = parts.masquerades.iter().flatten();
        let routers = masquerades.flat_map(|rule| self.networks.routers_of_masquerade(rule));
        let forwards = parts.forwards.iter().flatten();
        let targets = forwards.filter_map(|rule| self.networks.router_of_target(*rule.target.ip()));
        for router in routers.chain(targets) {
            *rules.entry(router).or_default() += 1;
        }
        rules
    }

    /// Where the file names a router.
    fn router_span(&self, router: Option<&str>) -> std::ops::Range<usize> {
        let named = self.file.router.0.iter().filter_map(|part| part.get_ref().namespace.as_ref());
        let mut named = named.filter(|name| Some(name.get_ref().as_str()) == router);
        named.next().unwrap_or(&self.file.name).span()
    }

    fn ports(&mut self) {
        let parts = self.parts;
        let mut ports: HashMap<&str, usize> = HashMap::new();
        for (_, members) in self.members() {
            for plug in members.iter().filter_map(|member| member.plug.as_ref()) {
                *ports.entry(&plug.bridge).or_default() += 1;
            }
        }
        for plug in parts.uplinks.iter().flatten().filter_map(|uplink| uplink.plug()) {
            *ports.entry(&plug.bridge).or_default() += 1;
        }
        for part in &self.file.bridges {
            let name = part.name.get_ref();
            if let Some(count) = ports.remove(name.as_str()).filter(|count| *count > MAX_PORTS) {
                let message = format!(
                    "bridge \"{name}\": {count} cables are plugged in: a bridge of Linux has \
                     {MAX_PORTS} ports: spread them over several bridges"
                );
                self.fault(part.name.span(), message);
            }
        }
    }
}
