//! What only shows when the parts of a topology are seen together.

mod addresses;
mod names;
mod rules;

use std::ops::Range;

use netns_common::abi::{MAX_INSIDE_PREFIXES, MAX_RULES, MAX_UPLINKS};

use super::{AUTO, error, error::Fault, file::TopologyFile, parse::Parts};

pub(super) fn check(text: &str, file: &TopologyFile, parts: &Parts, faults: &mut Vec<Fault>) {
    let mut check = Check { text, file, parts, faults };
    check.names();
    check.uplinks();
    check.addresses();
    check.rules();
    check.limits();
}

struct Check<'a> {
    text: &'a str,
    file: &'a TopologyFile,
    parts: &'a Parts,
    faults: &'a mut Vec<Fault>,
}

impl Check<'_> {
    fn fault(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.faults.push(Fault::new(span, message));
    }

    fn line(&self, span: &Range<usize>) -> usize {
        error::line(self.text, span.start)
    }

    /// A router of its own has nothing outside but what is simulated; of the machine's own
    /// uplinks nothing is changed.
    fn uplinks(&mut self) {
        let file = self.file;
        let simulated = file.router.namespace.is_some();
        for uplink in &file.uplinks {
            let name = uplink.name.get_ref();
            let span = uplink.name.span();
            if simulated {
                if name == AUTO {
                    self.fault(
                        span.clone(),
                        "uplink \"auto\" is the machine's own, but the router has a namespace of \
                         its own: name an interface, or leave router.namespace out",
                    );
                }
                if uplink.outside.is_none() || uplink.address.is_none() {
                    let message = format!(
                        "uplink \"{name}\": in a router namespace there is nothing at its other \
                         end: give it an `address` and an `outside`"
                    );
                    self.fault(span, message);
                }
                continue;
            }
            if let Some(outside) = &uplink.outside {
                let message = format!(
                    "uplink \"{name}\": `outside` simulates a network, but the router is the \
                     machine itself: leave it out, or set router.namespace"
                );
                self.fault(outside.span(), message);
            }
            for (key, value) in [("address", &uplink.address), ("gateway", &uplink.gateway)] {
                if let Some(value) = value {
                    let message = format!(
                        "uplink \"{name}\": its `{key}` is the machine's own affair: leave it \
                         out, or set router.namespace"
                    );
                    self.fault(value.span(), message);
                }
            }
        }
    }

    fn limits(&mut self) {
        let file = self.file;
        let start = file.name.span();
        let limit = |count: usize, most: usize, what: &str| {
            (count > most).then(|| format!("{count} {what}: a lab can have {most}"))
        };
        let rules = usize::try_from(MAX_RULES - 1).unwrap_or(usize::MAX);
        let found = [
            limit(file.bridges.len(), MAX_INSIDE_PREFIXES, "bridges"),
            limit(file.uplinks.len(), MAX_UPLINKS, "uplinks"),
            limit(file.masquerades.len() + file.forwards.len(), rules, "rules"),
        ];
        for message in found.into_iter().flatten() {
            self.fault(start.clone(), message);
        }
    }
}
