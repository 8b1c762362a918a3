//! Rules: about what is there, each given once.

use std::{collections::HashMap, net::Ipv4Addr};

use super::{Check, names::unknown};

impl Check<'_> {
    pub(super) fn rules(&mut self) {
        self.masquerades();
        self.forwards();
    }

    fn masquerades(&mut self) {
        let (file, parts) = (self.file, self.parts);
        let mut seen = HashMap::new();
        for (part, rule) in file.masquerades.iter().zip(&parts.masquerades) {
            let uplinks = file.uplinks.iter().map(|uplink| uplink.name.get_ref().as_str());
            match &part.uplink {
                Some(uplink) => {
                    if let Some(hint) = unknown(uplink.get_ref(), uplinks) {
                        let message = format!(
                            "masquerade: there is no uplink \"{}\": {hint}",
                            uplink.get_ref()
                        );
                        self.fault(uplink.span(), message);
                    }
                }
                None if file.uplinks.is_empty() => {
                    let message =
                        "masquerade: the lab has no uplink to leave by: add an [[uplink]]";
                    self.fault(part.source.span(), message);
                }
                None => {}
            }
            let Some(rule) = rule else { continue };
            let span = part.source.span();
            let inside = || parts.bridges.iter().flatten().map(|bridge| bridge.address.trunc());
            let covers =
                inside().any(|net| net.contains(&rule.source) || rule.source.contains(&net));
            // With a bridge that could not be read, nobody knows what is inside.
            if !covers && parts.bridges.iter().all(Option::is_some) {
                let message = format!(
                    "masquerade: nobody inside has an address of {}: {}",
                    rule.source,
                    match inside().map(|net| net.to_string()).collect::<Vec<_>>().as_slice() {
                        [] => "add a [[bridge]]".to_owned(),
                        nets => format!("the bridges have {}", nets.join(", ")),
                    }
                );
                self.fault(span.clone(), message);
            }
            if let Some(first) = seen.insert(rule, span.clone()) {
                let line = self.line(&first);
                self.fault(span, format!("the same masquerade is in line {line}: leave one out"));
            }
        }
    }

    fn forwards(&mut self) {
        let (file, parts) = (self.file, self.parts);
        let mut seen = HashMap::new();
        for (part, rule) in file.forwards.iter().zip(&parts.forwards) {
            let Some(rule) = rule else { continue };
            let target = *rule.target.ip();
            let known = parts.namespaces.iter().all(Option::is_some);
            let somebody = parts
                .namespaces
                .iter()
                .flatten()
                .filter_map(|inside| inside.plug.as_ref())
                .any(|plug| plug.address.addr() == target);
            if known && !somebody {
                let message = format!(
                    "forward: no namespace has the target address {target}: use the address of \
                     one of them"
                );
                self.fault(part.target.span(), message);
            }
            if let (Some(address), Some(text)) = (rule.address, &part.address)
                && !self.may_be_router_address(address)
            {
                let message = format!(
                    "forward: {address} is no address of the router: use one of an uplink or a \
                     bridge, or leave it out for all"
                );
                self.fault(text.span(), message);
            }
            let key = (rule.protocol, rule.address, rule.port);
            if let Some(first) = seen.insert(key, part.port.span()) {
                let message = format!(
                    "forward: {} port {} is forwarded already (line {}): choose another port",
                    rule.protocol,
                    rule.port,
                    self.line(&first)
                );
                self.fault(part.port.span(), message);
            }
        }
    }

    /// Of a router namespace all addresses are in the file; of the machine they are not, nor
    /// are those known that could not be read.
    fn may_be_router_address(&self, address: Ipv4Addr) -> bool {
        let parts = self.parts;
        let uplinks = parts.uplinks.iter().flatten().filter_map(|uplink| uplink.address);
        let bridges = parts.bridges.iter().flatten().map(|bridge| bridge.address);
        self.file.router.namespace.is_none()
            || parts.uplinks.iter().any(Option::is_none)
            || parts.bridges.iter().any(Option::is_none)
            || address.is_loopback()
            || uplinks.chain(bridges).any(|own| own.addr() == address)
    }
}
