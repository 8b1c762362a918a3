//! The pages of ports, which map a port to its rule.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap as StdHashMap},
    net::Ipv4Addr,
    ops::RangeInclusive,
};

use aya::maps::{Array, HashMap, MapData};
use netns_common::abi::{
    AddressPage, Forward, Ip4, NO_RULE, OF_ADDRESS, PAGE, Port, PortPage, RuleId, Settings, maps,
    page_of,
};

use crate::datapath::{
    Datapath,
    error::{DatapathError, map_error},
};

/// The wanted pages of ports.
#[derive(Debug, Default)]
struct Pages {
    /// Of [`maps::TARGET_PORTS`].
    of_targets: Vec<(AddressPage, PortPage)>,
    /// Of [`maps::ADDRESS_PORTS`].
    of_addresses: Vec<(AddressPage, PortPage)>,
    /// Of [`maps::FORWARD_PORTS`].
    of_ports: Vec<(u32, PortPage)>,
}

impl Pages {
    /// The pages of the `changed` rules' ports, for all `rules`.
    fn of<'a>(
        changed: impl Iterator<Item = &'a Forward>,
        rules: &BTreeMap<RuleId, Forward>,
        settings: &Settings,
    ) -> Self {
        let mut pages = BTreeSet::new();
        let mut of_addresses = BTreeSet::new();
        let mut of_targets = BTreeSet::new();
        for rule in changed {
            for page in pages_of(rule) {
                pages.insert(page);
                if rule.address != Ip4::UNSPECIFIED {
                    of_addresses.insert((page, rule.address.to_network()));
                }
            }
            if rule.needs_target_page(settings) {
                of_targets
                    .extend(target_pages_of(rule).map(|page| (rule.target.to_network(), page)));
            }
        }
        let mut of_target: StdHashMap<u32, Vec<(RuleId, &Forward)>> = StdHashMap::new();
        for (id, rule) in rules.iter().filter(|(_, rule)| rule.needs_target_page(settings)) {
            of_target.entry(rule.target.to_network()).or_default().push((*id, rule));
        }
        let of_targets = of_targets.into_iter().map(|(target, page)| {
            let rules = of_target.get(&target).map_or(&[][..], Vec::as_slice);
            let key = AddressPage { address: Ip4::from_network(target), page };
            (key, target_content(page, rules))
        });
        let of_addresses = of_addresses.into_iter().map(|(page, address)| {
            let address = Ip4::from_network(address);
            let entry = |rule: &Forward, id| if rule.address == address { id } else { NO_RULE };
            (AddressPage { address, page }, content(page, rules, entry))
        });
        let of_any = |rule: &Forward, id| {
            if rule.address == Ip4::UNSPECIFIED { id } else { OF_ADDRESS }
        };
        let of_ports = pages.into_iter().map(|page| (page, content(page, rules, of_any)));
        Self {
            of_targets: of_targets.collect(),
            of_addresses: of_addresses.collect(),
            of_ports: of_ports.collect(),
        }
    }
}

impl Datapath {
    /// Writes the pages of the `changed` rules' ports, for all `rules`: one page for each 256
    /// ports. Rules for single addresses come first, so that no port of theirs is led elsewhere in
    /// between.
    pub(super) fn write_pages<'a>(
        &self,
        changed: impl Iterator<Item = &'a Forward>,
        rules: &BTreeMap<RuleId, Forward>,
    ) -> Result<(), DatapathError> {
        let pages = Pages::of(changed, rules, &self.settings()?);
        if !pages.of_targets.is_empty() {
            let mut has_pages: Array<MapData, u32> = self.map(maps::HAS_PUBLISHED)?;
            has_pages.set(0, 1, 0).map_err(map_error(maps::HAS_PUBLISHED))?;
        }
        self.write_address_pages(maps::TARGET_PORTS, &pages.of_targets)?;
        self.write_address_pages(maps::ADDRESS_PORTS, &pages.of_addresses)?;
        let mut map: Array<MapData, PortPage> = self.map(maps::FORWARD_PORTS)?;
        for (page, content) in pages.of_ports {
            map.set(page, content, 0).map_err(map_error(maps::FORWARD_PORTS))?;
        }
        Ok(())
    }

    /// Writes pages; an empty page is removed.
    fn write_address_pages(
        &self,
        name: &'static str,
        pages: &[(AddressPage, PortPage)],
    ) -> Result<(), DatapathError> {
        let error = map_error(name);
        let mut map: HashMap<MapData, AddressPage, PortPage> = self.map(name)?;
        for (key, content) in pages {
            if *content != PortPage::EMPTY {
                map.insert(key, content, 0).map_err(error)?;
            } else if map.get(key, 0).is_ok() {
                map.remove(key).map_err(error)?;
            }
        }
        Ok(())
    }

    /// Whether each port of these rules, which are all that there are, leads to its rule.
    pub(super) fn are_pages_written(
        &self,
        rules: &BTreeMap<RuleId, Forward>,
    ) -> Result<bool, DatapathError> {
        let pages = Pages::of(rules.values(), rules, &self.settings()?);
        let map: Array<MapData, PortPage> = self.map(maps::FORWARD_PORTS)?;
        for (page, content) in &pages.of_ports {
            if map.get(page, 0).map_err(map_error(maps::FORWARD_PORTS))? != *content {
                return Ok(false);
            }
        }
        let of_addresses =
            [(maps::TARGET_PORTS, pages.of_targets), (maps::ADDRESS_PORTS, pages.of_addresses)];
        for (name, pages) in of_addresses {
            let map: HashMap<MapData, AddressPage, PortPage> = self.map(name)?;
            let is_written = |(key, content): &(AddressPage, PortPage)| {
                map.get(key, 0).unwrap_or(PortPage::EMPTY) == *content
            };
            if !pages.iter().all(is_written) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The numbers of the pages that hold the ports of a rule's target.
fn target_pages_of(rule: &Forward) -> RangeInclusive<u32> {
    let last = rule.target_first.saturating_add(rule.last - rule.first);
    pages_of(&Forward { first: rule.target_first, last, ..*rule })
}

/// A page of a target's ports, from the rules that lead to it: of several rules for one port, the
/// one with the same port number, otherwise the one with the lowest; among these, a rule for any
/// address comes first.
fn target_content(page: u32, rules: &[(RuleId, &Forward)]) -> PortPage {
    let mut content = PortPage::EMPTY;
    let mut best = [None; PAGE];
    let low = ((page & 0xff) as u16) << 8;
    let high = low | (PAGE - 1) as u16;
    for (id, rule) in rules.iter().filter(|(_, rule)| target_pages_of(rule).contains(&page)) {
        let last = rule.target_first.saturating_add(rule.last - rule.first);
        for port in rule.target_first.max(low)..=last.min(high) {
            let published = rule.first + (port - rule.target_first);
            let rank = (published != port, published, Ipv4Addr::from(rule.address));
            let offset = usize::from(port - low);
            if best[offset].is_none_or(|best| rank < best) {
                best[offset] = Some(rank);
                content.0[offset] = *id;
            }
        }
    }
    content
}

/// The numbers of the pages that hold a rule's ports.
fn pages_of(rule: &Forward) -> RangeInclusive<u32> {
    let page = |port| page_of(rule.protocol, Port::new(port)).map(|(page, _)| page);
    // A protocol without pages has no rules.
    let (first, last) = page(rule.first).zip(page(rule.last)).unwrap_or((1, 0));
    first..=last
}

/// A wanted page; `entry` is what a rule writes for each of its ports.
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
