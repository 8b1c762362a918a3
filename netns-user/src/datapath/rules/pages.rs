//! The pages of ports, which lead from a port to its rule.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
};

use aya::maps::{Array, HashMap, MapData};
use netns_common::abi::{
    AddressPage, Forward, Ip4, NO_RULE, OF_ADDRESS, PAGE, Port, PortPage, RuleId, maps, page_of,
};

use super::map_error;
use crate::datapath::{Datapath, DatapathError};

impl Datapath {
    /// Writes the pages of the `changed` rules' ports as `rules` wants them: for a range of 256
    /// ports that is one page, whatever their number. Rules of single addresses come first, so
    /// that none of their ports is led elsewhere meanwhile.
    pub(super) fn write_pages<'a>(
        &self,
        changed: impl Iterator<Item = &'a Forward>,
        rules: &BTreeMap<RuleId, Forward>,
    ) -> Result<(), DatapathError> {
        let mut pages = BTreeSet::new();
        let mut of_addresses = BTreeSet::new();
        for rule in changed {
            for page in pages_of(rule) {
                pages.insert(page);
                if rule.address != Ip4::UNSPECIFIED {
                    of_addresses.insert((page, rule.address.to_network()));
                }
            }
        }
        let error = map_error(maps::ADDRESS_PORTS);
        let mut map: HashMap<MapData, AddressPage, PortPage> = self.map(maps::ADDRESS_PORTS)?;
        for (page, address) in of_addresses {
            let address = Ip4::from_network(address);
            let content =
                content(page, rules, |rule, id| if rule.address == address { id } else { NO_RULE });
            let key = AddressPage { address, page };
            if content != PortPage::EMPTY {
                map.insert(key, content, 0).map_err(error)?;
            } else if map.get(&key, 0).is_ok() {
                map.remove(&key).map_err(error)?;
            }
        }
        let mut map: Array<MapData, PortPage> = self.map(maps::FORWARD_PORTS)?;
        for page in pages {
            let content = content(page, rules, |rule, id| {
                if rule.address == Ip4::UNSPECIFIED { id } else { OF_ADDRESS }
            });
            map.set(page, content, 0).map_err(map_error(maps::FORWARD_PORTS))?;
        }
        Ok(())
    }
}

/// The numbers of the pages that hold a rule's ports.
fn pages_of(rule: &Forward) -> RangeInclusive<u32> {
    let page = |port| page_of(rule.protocol, Port::new(port)).map(|(page, _)| page);
    // A protocol without pages has no rules.
    let (first, last) = page(rule.first).zip(page(rule.last)).unwrap_or((1, 0));
    first..=last
}

/// A page as the rules want it; `entry` is what a rule writes for each of its ports.
fn content(
    page: u32,
    rules: &BTreeMap<RuleId, Forward>,
    entry: impl Fn(&Forward, RuleId) -> RuleId,
) -> PortPage {
    let mut content = PortPage::EMPTY;
    let low = ((page & 0xff) as u16) << 8;
    let high = low | (PAGE - 1) as u16;
    for (id, rule) in rules {
        if !pages_of(rule).contains(&page) {
            continue;
        }
        for port in rule.first.max(low)..=rule.last.min(high) {
            content.0[usize::from(port - low)] |= entry(rule, *id);
        }
    }
    content
}
