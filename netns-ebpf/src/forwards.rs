//! The forwards in the maps, for packets and for the host's sockets.

use aya_ebpf::maps::lpm_trie::Key;
use netns_common::{
    abi::{AddressPage, Forward, Ip4, NO_RULE, PAGE, Port, PortPage, RuleId, RulePrefix, page_of},
    datapath::ForwardTable,
};

use crate::{maps, tables::KernelTables};

impl<C> ForwardTable for KernelTables<C> {
    #[inline(always)]
    fn port_rules(&self, protocol: u8, port: Port) -> RuleId {
        let Some((page, place)) = page_of(protocol, port) else { return NO_RULE };
        maps::FORWARD_PORTS.get(page).map_or(NO_RULE, |page| at(page, place))
    }

    #[inline(always)]
    fn address_rule(&self, address: Ip4, protocol: u8, port: Port) -> RuleId {
        let Some((page, place)) = page_of(protocol, port) else { return NO_RULE };
        // SAFETY: one half-word of the value is read, which is whole at any time.
        let page = unsafe { maps::ADDRESS_PORTS.get(AddressPage { address, page }) };
        page.map_or(NO_RULE, |page| at(page, place))
    }

    #[inline(always)]
    fn target_rule(&self, target: Ip4, protocol: u8, port: Port) -> RuleId {
        if maps::HAS_PUBLISHED.get(0).is_none_or(|has| *has == 0) {
            return NO_RULE;
        }
        let Some((page, place)) = page_of(protocol, port) else { return NO_RULE };
        // SAFETY: as above.
        let page = unsafe { maps::TARGET_PORTS.get(AddressPage { address: target, page }) };
        page.map_or(NO_RULE, |page| at(page, place))
    }

    #[inline(always)]
    fn forward(&self, rule: RuleId) -> Option<Forward> {
        // SAFETY: the value is copied before anything else can happen to it.
        unsafe { maps::FORWARDS.get(u32::from(rule)) }.copied()
    }

    #[inline(always)]
    fn rule_has(&self, rule: RuleId, address: Ip4) -> bool {
        let key = RulePrefix { rule: u32::from(rule), address };
        maps::RULE_PREFIXES.get(Key::new(RulePrefix::RULE_BITS + 32, key)).is_some()
    }
}

#[inline(always)]
fn at(page: &PortPage, place: usize) -> RuleId {
    // The mask only tells the verifier the bound.
    page.0[place & (PAGE - 1)]
}
