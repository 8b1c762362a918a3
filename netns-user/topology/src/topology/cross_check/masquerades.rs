//! Masquerades are about parts that exist and belong together, and are unique.

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
};

use super::{Check, router_name};
use crate::{rules::MasqueradeRule, topology::file::Text};

impl Check<'_> {
    pub(super) fn masquerades(&mut self) {
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
            } else if complete
                && self.is_connected
                && let Some(uplink) = &part.uplink
            {
                self.masquerade_of_router(rule, uplink);
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

    /// Packets of the source reach the router of the uplink.
    fn masquerade_of_router(&mut self, rule: &MasqueradeRule, text: &Text) {
        let name = text.get_ref();
        let uplinks = self.parts.uplinks.iter().flatten();
        let Some(uplink) = uplinks.clone().find(|uplink| uplink.name == *name) else { return };
        let router = uplink.router.as_deref();
        let Some(instead) = self.networks.routers_instead_of(router, rule.source) else { return };
        let others = uplinks.filter(|uplink| instead.contains(&uplink.router.as_deref()));
        let others: Vec<_> = others.map(|uplink| format!("\"{}\"", uplink.name)).collect();
        let message = format!(
            "masquerade: the source {} does not reach uplink \"{name}\" of {}: it is behind {}: {}",
            rule.source,
            router_name(router),
            instead.into_iter().map(router_name).collect::<Vec<_>>().join(" and "),
            if others.is_empty() {
                "give that router an uplink".to_owned()
            } else {
                format!("use {}", others.join(" or "))
            }
        );
        self.fault(text.span(), message);
    }

    /// Whether an uplink can have an address. The file has all addresses of an uplink that the lab
    /// makes, and none of the machine's.
    fn may_be_uplink_address(&self, uplink: &str, address: Ipv4Addr) -> bool {
        let named = self.parts.uplinks.iter().flatten().filter(|other| other.name == uplink);
        let mut made = named.filter(|uplink| !uplink.addresses.is_empty()).peekable();
        made.peek().is_none() || made.any(|uplink| uplink.has_address(address))
    }
}
