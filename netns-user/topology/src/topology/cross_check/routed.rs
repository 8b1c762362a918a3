//! Sources that leave an uplink untranslated are unique, and no masquerade translates them.

use std::{
    collections::{HashMap, hash_map::Entry},
    ops::Range,
};

use ipnet::Ipv4Net;

use super::Check;
use crate::topology::model::Uplink;

impl<'a> Check<'a> {
    pub(super) fn routed(&mut self) {
        let routed = self.routed_once();
        if !routed.is_empty() {
            self.routed_or_masqueraded(&routed);
        }
    }

    /// Reports a source that an uplink has twice. Returns all sources with their positions.
    fn routed_once(&mut self) -> HashMap<(&'a str, Ipv4Net), Range<usize>> {
        let (file, parts) = (self.file, self.parts);
        let mut seen = HashMap::new();
        for (part, uplink) in file.uplinks.iter().zip(&parts.uplinks) {
            let Some(Uplink { name, routed, .. }) = uplink else { continue };
            for (text, source) in part.routed.iter().zip(routed) {
                match seen.entry((name.as_str(), *source)) {
                    Entry::Vacant(entry) => {
                        entry.insert(text.span());
                    }
                    Entry::Occupied(first) => {
                        let line = self.line(first.get());
                        let message = format!(
                            "uplink \"{name}\": routed: {source} is already in line {line}: leave one \
                             out"
                        );
                        self.fault(text.span(), message);
                    }
                }
            }
        }
        seen
    }

    /// A source is not both routed and masqueraded at one uplink. A part of a masquerade's source
    /// can be routed: it is an exception to the masquerade.
    fn routed_or_masqueraded(&mut self, routed: &HashMap<(&str, Ipv4Net), Range<usize>>) {
        let (file, parts) = (self.file, self.parts);
        // The uplinks of a masquerade that names none follow from the networks of the whole file.
        let complete = parts.has_all_networks();
        for (part, rule) in file.masquerades.iter().zip(&parts.masquerades) {
            let Some(rule) = rule else { continue };
            if rule.uplink.is_none() && !complete {
                continue;
            }
            let routers = self.networks.routers_of_masquerade(rule);
            let is_used = |uplink: &&Uplink| match &rule.uplink {
                Some(name) => uplink.name == *name,
                None => routers.contains(&uplink.router.as_deref()),
            };
            let uplinks = parts.uplinks.iter().flatten().filter(is_used);
            let both = uplinks.filter_map(|uplink| {
                Some((&uplink.name, routed.get(&(uplink.name.as_str(), rule.source))?))
            });
            // One fault of a masquerade is enough.
            if let Some((uplink, span)) = both.into_iter().next() {
                let message = format!(
                    "masquerade: {} leaves uplink \"{uplink}\" untranslated (`routed`, line {}): \
                     leave one out",
                    rule.source,
                    self.line(span)
                );
                self.fault(part.source.span(), message);
            }
        }
    }
}
