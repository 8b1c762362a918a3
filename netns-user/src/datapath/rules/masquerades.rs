//! Masquerade rules.

use std::{
    collections::{BTreeSet, HashSet},
    net::Ipv4Addr,
};

use aya::maps::{
    Array, MapData,
    lpm_trie::{Key, LpmTrie},
};
use ipnet::Ipv4Net;
use netns_common::abi::{Ip4, Masquerade, MasqueradeKey, NO_RULE, RuleId, Settings, maps};

use super::{RuleStatus, status};
use crate::{
    datapath::{
        Datapath,
        configure::{Interfaces, write_host_addresses},
        error::{DatapathError, map_error},
    },
    rules::{Filtering, Mapping, MasqueradeRule, MssClamp},
};

type Masquerades = LpmTrie<MapData, MasqueradeKey, Masquerade>;

/// The entry of a rule in the map.
type Record = (Key<MasqueradeKey>, Masquerade);

impl Datapath {
    /// The masquerade rules. Must run on a thread inside the router's namespace, where
    /// interface names are known.
    pub fn masquerades(&self) -> Result<Vec<RuleStatus<MasqueradeRule>>, DatapathError> {
        let counters = self.rule_counters()?;
        let rules = self.masquerade_rules(&Interfaces::read()?)?.into_iter();
        rules.map(|((_, value), rule)| status(&counters, value.rule, rule)).collect()
    }

    /// Adds masquerade rules: all of them, or none. Must run inside the router's namespace.
    pub fn add_masquerades(&self, rules: &[MasqueradeRule]) -> Result<(), DatapathError> {
        self.change_masquerades(&[], rules)
    }

    /// Removes a masquerade rule and the flows that it made. Must run inside the router's
    /// namespace.
    pub fn remove_masquerade(&self, rule: &MasqueradeRule) -> Result<(), DatapathError> {
        self.change_masquerades(std::slice::from_ref(rule), &[])
    }

    /// Checks that nothing is in the way of a new masquerade rule. Must run inside the router's
    /// namespace.
    pub fn require_new_masquerade(&self, rule: &MasqueradeRule) -> Result<(), DatapathError> {
        let interfaces = Interfaces::read()?;
        let standing = self.masquerade_rules(&interfaces)?;
        require_new(standing.iter().map(|(_, standing)| standing), std::slice::from_ref(rule))?;
        key(rule, &interfaces).map(drop)
    }

    /// Replaces the `gone` rules, whose flows end, by the `new` ones. Must run inside the router's
    /// namespace.
    pub fn change_masquerades(
        &self,
        gone: &[MasqueradeRule],
        new: &[MasqueradeRule],
    ) -> Result<(), DatapathError> {
        self.change_rules(|| {
            let interfaces = Interfaces::read()?;
            // A fixed address may have been added after `up`.
            write_host_addresses(self, &interfaces)?;
            let standing = self.masquerade_rules(&interfaces)?;
            let old = gone
                .iter()
                .map(|rule| {
                    let found = standing.iter().find(|(_, standing)| standing == rule);
                    found
                        .map(|(record, _)| *record)
                        .ok_or_else(|| DatapathError::NoRule(rule.to_string()))
                })
                .collect::<Result<Vec<Record>, _>>()?;
            let stays = standing.iter().map(|(_, rule)| rule).filter(|rule| !gone.contains(rule));
            require_new(stays, new)?;
            let keys: Vec<_> =
                new.iter().map(|rule| key(rule, &interfaces)).collect::<Result<_, _>>()?;
            // The settings that a rule needs are written before the rule.
            self.write_what_rules_want(new)?;
            self.replace_masquerades(&old, new, &keys)?;
            self.write_what_rules_want(&[])
        })
    }

    /// Writes the new rules, which replace old ones of the same source and uplink at once, then
    /// removes the other old ones.
    fn replace_masquerades(
        &self,
        old: &[Record],
        new: &[MasqueradeRule],
        keys: &[Key<MasqueradeKey>],
    ) -> Result<(), DatapathError> {
        let error = map_error(maps::MASQUERADES);
        let ids = self.new_rules(new.len())?;
        let mut map: Masquerades = self.map(maps::MASQUERADES)?;
        let mut written = Vec::new();
        let mut write = || {
            // The guard lets excluded destinations pass: their networks are written before the
            // rule.
            for (id, rule) in ids.iter().zip(new) {
                self.add_networks(*id, &rule.except)?;
            }
            for ((key, id), rule) in keys.iter().zip(&ids).zip(new) {
                map.insert(key, value(rule, *id), 0).map_err(error)?;
                written.push(*key);
            }
            Ok(())
        };
        let done: Result<(), DatapathError> = write();
        if done.is_err() {
            for key in &written {
                // The first error is the one to report.
                let _ = map.remove(key);
            }
            for (key, value) in old {
                let _ = map.insert(key, *value, 0);
            }
            let _ = self.remove_networks(&ids);
            return done;
        }
        for (key, _) in old.iter().filter(|(old, _)| !keys.iter().any(|new| same(new, old))) {
            map.remove(key).map_err(error)?;
        }
        let gone: BTreeSet<RuleId> = old.iter().map(|(_, value)| value.rule).collect();
        if gone.is_empty() {
            return Ok(());
        }
        self.remove_networks(&gone.iter().copied().collect::<Vec<_>>())?;
        self.flush(|flow| gone.contains(&flow.rule))?;
        self.flush_mappings(|mapping| gone.contains(&mapping.rule))
    }

    /// Writes the settings that the rules need: packets look for a segment size to clamp, and for
    /// mappings, only if a rule needs it. `coming` are rules that are about to be added.
    pub(super) fn write_what_rules_want(
        &self,
        coming: &[MasqueradeRule],
    ) -> Result<(), DatapathError> {
        let old = self.settings()?;
        let settings = self.as_rules_want_with(coming, &old)?;
        if settings == old {
            return Ok(());
        }
        let mut map: Array<MapData, Settings> = self.map(maps::SETTINGS)?;
        map.set(0, settings, 0).map_err(map_error(maps::SETTINGS))
    }

    /// The settings, with those that the present rules need.
    pub(in crate::datapath) fn as_rules_want(
        &self,
        settings: &Settings,
    ) -> Result<Settings, DatapathError> {
        self.as_rules_want_with(&[], settings)
    }

    fn as_rules_want_with(
        &self,
        coming: &[MasqueradeRule],
        settings: &Settings,
    ) -> Result<Settings, DatapathError> {
        let standing = self.masquerade_records()?.into_iter().map(|(_, record)| record);
        let coming = coming.iter().map(|rule| value(rule, NO_RULE));
        let all: Vec<Masquerade> = standing.chain(coming).collect();
        let any = |wants: fn(&Masquerade) -> bool| u8::from(all.iter().any(wants));
        Ok(Settings {
            mss_clamp: any(|rule| rule.mss != 0),
            mappings: any(|rule| rule.endpoint_independent != 0),
            ..*settings
        })
    }

    /// The records of all masquerades, in the order of their numbers.
    pub(super) fn masquerade_records(&self) -> Result<Vec<Record>, DatapathError> {
        let map: Masquerades = self.map(maps::MASQUERADES)?;
        let mut records =
            map.iter().collect::<Result<Vec<_>, _>>().map_err(map_error(maps::MASQUERADES))?;
        records.sort_by_key(|(_, value)| value.rule);
        Ok(records)
    }

    fn masquerade_rules(
        &self,
        interfaces: &Interfaces,
    ) -> Result<Vec<(Record, MasqueradeRule)>, DatapathError> {
        let mut networks = self.rule_networks()?;
        let records = self.masquerade_records()?.into_iter();
        Ok(records
            .map(|(key, value)| {
                let except = networks.remove(&value.rule).unwrap_or_default();
                ((key, value), rule(&key, &value, except, interfaces))
            })
            .collect())
    }
}

/// Checks that there is only one rule for a source at an uplink, and one for all uplinks.
fn require_new<'a>(
    standing: impl Iterator<Item = &'a MasqueradeRule>,
    new: &[MasqueradeRule],
) -> Result<(), DatapathError> {
    let mut taken: HashSet<(Ipv4Net, Option<&str>)> = HashSet::new();
    let slot = |rule: &'a MasqueradeRule| (rule.source, rule.uplink.as_deref());
    let standing: Vec<&MasqueradeRule> = standing.collect();
    taken.extend(standing.iter().map(|rule| slot(rule)));
    for rule in new {
        let own = (rule.source, rule.uplink.as_deref());
        if taken.contains(&own) {
            let existing = standing
                .iter()
                .find(|other| slot(other) == own)
                .map_or_else(|| rule.to_string(), ToString::to_string);
            return Err(DatapathError::RuleExists { existing });
        }
    }
    Ok(())
}

/// The key of a rule. Checks that its uplink and its address exist.
fn key(
    rule: &MasqueradeRule,
    interfaces: &Interfaces,
) -> Result<Key<MasqueradeKey>, DatapathError> {
    let uplink = match &rule.uplink {
        Some(name) => interfaces.index(name)?,
        None => 0,
    };
    if let (Some(to), Some(name)) = (rule.to, &rule.uplink) {
        let own = interfaces.addresses_of(name);
        if !own.contains(&to) {
            let own: Vec<String> = own.iter().map(Ipv4Addr::to_string).collect();
            return Err(DatapathError::NoUplinkAddress {
                address: to,
                uplink: name.clone(),
                own: own.join(", "),
            });
        }
    }
    let length = MasqueradeKey::UPLINK_BITS + u32::from(rule.source.prefix_len());
    Ok(Key::new(length, MasqueradeKey { uplink, source: Ip4::from(rule.source.network()) }))
}

fn same(one: &Key<MasqueradeKey>, other: &Key<MasqueradeKey>) -> bool {
    one.prefix_len() == other.prefix_len() && one.data() == other.data()
}

fn value(rule: &MasqueradeRule, id: RuleId) -> Masquerade {
    Masquerade {
        to: rule.to.map_or(Ip4::UNSPECIFIED, Ip4::from),
        rule: id,
        mss: match rule.mss_clamp {
            None => 0,
            Some(MssClamp::PathMtu) => Masquerade::PATH_MTU,
            Some(MssClamp::Bytes(bytes)) => bytes,
        },
        length: rule.source.prefix_len(),
        excludes: u8::from(!rule.except.is_empty()),
        endpoint_independent: u8::from(rule.mapping == Mapping::EndpointIndependent),
        filtering: rule.filtering.number(),
    }
}

fn rule(
    key: &Key<MasqueradeKey>,
    value: &Masquerade,
    except: BTreeSet<Ipv4Net>,
    interfaces: &Interfaces,
) -> MasqueradeRule {
    let MasqueradeKey { uplink, source } = key.data();
    let uplink = (uplink != 0).then(|| {
        let gone = || format!("(deleted interface {uplink})");
        interfaces.name(uplink).map_or_else(gone, str::to_owned)
    });
    MasqueradeRule {
        source: Ipv4Net::new(Ipv4Addr::from(source), value.length).unwrap_or_default(),
        uplink,
        except,
        to: (value.to != Ip4::UNSPECIFIED).then(|| value.to.into()),
        mss_clamp: match value.mss {
            0 => None,
            Masquerade::PATH_MTU => Some(MssClamp::PathMtu),
            bytes => Some(MssClamp::Bytes(bytes)),
        },
        mapping: match value.endpoint_independent {
            0 => Mapping::AddressAndPortDependent,
            _ => Mapping::EndpointIndependent,
        },
        filtering: Filtering::from_number(value.filtering),
    }
}
