//! A router and a bridge have no more parts than they can have.

use std::collections::HashMap;

use super::Check;
use crate::topology::limits::{MAX_ADDRESSES, MAX_BRIDGES, MAX_PORTS, MAX_RULES, MAX_UPLINKS};

impl<'a> Check<'a> {
    pub(super) fn totals(&mut self) {
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
        let all = [
            (bridges, MAX_BRIDGES, "bridges"),
            (uplinks, MAX_UPLINKS, "uplinks"),
            (addresses, MAX_ADDRESSES, "addresses of uplinks"),
            (rules, MAX_RULES, "rules"),
        ];
        for (counts, most, parts) in all {
            for (router, count) in counts.into_iter().filter(|(_, count)| *count > most) {
                let whose = match router {
                    Some(router) => format!("router \"{router}\""),
                    None => "the machine as router".to_owned(),
                };
                let message = format!("{whose}: {count} {parts}: a router can have at most {most}");
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
        let forwards = parts.forwards.iter().flatten().flatten();
        let targets = forwards.filter_map(|rule| self.networks.router_of_target(*rule.target.ip()));
        for router in routers.chain(targets) {
            *rules.entry(router).or_default() += 1;
        }
        rules
    }

    /// The position of a router's name.
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
