//! The namespaces: each entry is combined with its template and resolved into its members, each
//! with names and an address.

use std::{collections::HashMap, net::Ipv4Addr};

use ipnet::Ipv4Net;

use super::{
    allocate_addresses::{AddressPool, UsedAddresses},
    cable_names::CableNames,
    links::routes,
    rules,
    values::{host, ip, ips, mtu, number, optional},
};
use crate::{
    counted,
    topology::{
        entry::Entry,
        error::Fault,
        file::{GatewayFile, TemplateFile, TopologyFile},
        limits::{COUNT, MAX_PARTS, NAMESPACE_NAME},
        model::{Bridge, Namespace, NamespacePlug, Route},
        subnets::{address_above, last_host},
        suggestion::hint,
    },
};

/// The keys of a bridge that hold for the namespaces on it.
#[derive(Debug)]
pub(super) struct BridgeKeys<'a> {
    pub(super) bridge: &'a Bridge,
    /// `None`: they could not be read.
    pub(super) dns: &'a Option<Vec<Ipv4Addr>>,
}

/// The entries of the file, in its order. An entry whose template is unknown is kept, so that at
/// least its name is checked.
pub(super) fn entries<'f>(file: &'f TopologyFile, faults: &mut Vec<Fault>) -> Vec<Entry<'f>> {
    let templates: HashMap<&str, &TemplateFile> =
        file.templates.iter().map(|(name, keys)| (name.get_ref().as_str(), keys)).collect();
    let mut entries = Vec::with_capacity(file.namespaces.len());
    for part in &file.namespaces {
        let wanted = part.template.as_ref();
        let template = wanted.and_then(|name| templates.get(name.get_ref().as_str()).copied());
        let entry = Entry::new(part, template);
        if let Some(wanted) = wanted.filter(|_| template.is_none()) {
            let name = wanted.get_ref();
            let hint = hint(name, templates.keys().copied());
            let message = format!("{}: there is no template \"{name}\": {hint}", entry.owner());
            faults.push(Fault::new(wanted.span(), message));
        }
        for text in entry.names_without_number() {
            let message = format!(
                "{}: {{}} in \"{}\" stands for the number of a namespace, and there is only one: \
                 set `count`",
                entry.owner(),
                text.get_ref()
            );
            faults.push(Fault::new(text.span(), message));
        }
        entries.push(entry);
    }
    entries
}

/// An entry with its values read, once for all of its members.
struct Plan<'e, 'f> {
    entry: &'e Entry<'f>,
    members: u32,
    cable_names: CableNames,
    forwarding: bool,
    routes: Vec<Route>,
    dns: Vec<Ipv4Addr>,
    plug: Option<PlugPlan<'e>>,
}

struct PlugPlan<'e> {
    bridge: &'e str,
    /// The address of the first member; `None`: addresses are allocated.
    first: Option<Ipv4Net>,
    gateway: Option<Ipv4Addr>,
    mtu: Option<u32>,
    source_check: Option<bool>,
    quota: Option<u32>,
}

/// The members of each entry; `None` for entries that could not be read.
pub(super) fn namespaces<'a>(
    entries: &'a [Entry<'_>],
    bridges: &HashMap<&'a str, BridgeKeys<'a>>,
    mut used: UsedAddresses<'a>,
    faults: &mut Vec<Fault>,
) -> Vec<Option<Vec<Namespace>>> {
    let mut plans: Vec<_> = entries.iter().map(|entry| plan(entry, bridges, faults)).collect();
    limit(&mut plans, faults);
    let mut wanted: HashMap<&str, u64> = HashMap::new();
    for plan in plans.iter().flatten() {
        let Some(plug) = &plan.plug else { continue };
        let Some(BridgeKeys { bridge, .. }) = bridges.get(plug.bridge) else { continue };
        match plug.first {
            Some(first) => {
                let router = bridge.router.as_deref();
                let all = (0..plan.members).filter_map(|offset| address_above(first, offset));
                all.for_each(|address| used.add(router, address.addr()));
            }
            None => *wanted.entry(plug.bridge).or_default() += u64::from(plan.members),
        }
    }
    let mut pools: HashMap<&str, AddressPool<'_>> =
        bridges.iter().map(|(name, keys)| (*name, AddressPool::new(keys.bridge))).collect();
    let mut exhausted = Vec::new();
    let mut made = Vec::with_capacity(plans.len());
    for plan in &plans {
        let Some(plan) = plan else {
            made.push(None);
            continue;
        };
        let members = members_of(plan, &mut pools, &used);
        if let (None, Some(plug)) = (&members, &plan.plug)
            && let Some(pool) = pools.get(plug.bridge)
            && !exhausted.contains(&plug.bridge)
        {
            exhausted.push(plug.bridge);
            let message = format!(
                "{}: bridge \"{}\" has room for {}, but {} need an address: give the bridge a \
                 larger subnet",
                plan.entry.owner(),
                plug.bridge,
                counted(pool.allocated() as usize, "namespace"),
                wanted.get(plug.bridge).copied().unwrap_or_default()
            );
            faults.push(Fault::new(plan.entry.count_span(), message));
        }
        made.push(members);
    }
    made
}

/// Drops all plans where together they would make more than a machine has room for.
fn limit(plans: &mut [Option<Plan<'_, '_>>], faults: &mut Vec<Fault>) {
    let mut parts = 0;
    for plan in plans.iter().flatten() {
        let of_each = 1 + plan.routes.len() as u64 + plan.dns.len() as u64;
        parts += u64::from(plan.members) * of_each;
        if parts > MAX_PARTS {
            let message = format!(
                "{}: with this entry the lab has {parts} namespaces, routes and name servers: at \
                 most {MAX_PARTS} are allowed",
                plan.entry.owner(),
            );
            faults.push(Fault::new(plan.entry.count_span(), message));
            // The entries before this one are dropped too.
            plans.iter_mut().for_each(|plan| *plan = None);
            return;
        }
    }
}

fn plan<'e, 'f>(
    entry: &'e Entry<'f>,
    bridges: &HashMap<&'e str, BridgeKeys<'e>>,
    faults: &mut Vec<Fault>,
) -> Option<Plan<'e, 'f>> {
    let owner = entry.owner();
    let keys = &entry.keys;
    let members = member_count(entry, faults);
    let routes = routes(entry.routes(), &owner, faults);
    let dns = optional(keys.dns, |dns| ips(dns, &owner, faults));
    let mtu = mtu(keys.mtu, &owner, faults);
    let first = optional(keys.address, |text| host(text, &owner, faults));
    let quota = optional(keys.quota, |asked| rules::quota(asked, &owner, faults));
    let gateway = optional(keys.gateway, |gateway| match gateway.get_ref() {
        GatewayFile::None => Some(None),
        GatewayFile::Address(text) => {
            let text = toml::Spanned::new(gateway.span(), text.clone());
            ip(&text, &owner, faults).map(Some)
        }
    });
    let forwarding = keys.forwarding.copied().unwrap_or_default();
    let Some(bridge) = keys.bridge else {
        return Some(Plan {
            entry,
            members: members?,
            cable_names: CableNames::new(entry, 1),
            forwarding,
            routes: routes?,
            dns: dns?.unwrap_or_default(),
            plug: None,
        });
    };
    let (members, first) = (members?, first?);
    let cable_names = CableNames::new(entry, members);
    let has_valid_names = cable_names.are_valid(entry, members, faults);
    // A bridge that does not exist or could not be read is reported by itself.
    let BridgeKeys { bridge, dns: bridge_dns } = bridges.get(bridge.get_ref().as_str())?;
    let fits = first.is_none_or(|first| fits_subnet(entry, first, members, bridge, faults));
    let (gateway, dns) = (gateway?, dns?);
    if !(has_valid_names && fits) {
        return None;
    }
    let plug = PlugPlan {
        bridge: &bridge.name,
        first,
        gateway: gateway.unwrap_or(Some(bridge.address.addr())),
        mtu: mtu?.or(bridge.mtu),
        source_check: keys.source_check.map(|check| *check.get_ref()),
        quota: quota?,
    };
    Some(Plan {
        entry,
        members,
        cable_names,
        forwarding,
        routes: routes?,
        dns: match dns {
            Some(dns) => dns,
            None => bridge_dns.as_ref()?.clone(),
        },
        plug: Some(plug),
    })
}

/// How many members an entry has; `None` when its `count` is out of range.
fn member_count(entry: &Entry<'_>, faults: &mut Vec<Fault>) -> Option<u32> {
    let Some(count) = entry.count else { return Some(1) };
    if entry.names().any(|text| text.get_ref().len() > NAMESPACE_NAME) {
        // A name that is too long is a fault, which one member shows as well as many.
        return Some(1);
    }
    number(count, &COUNT, faults, |count| format!("{}: a count of {count}", entry.owner()))
}

/// Whether the addresses of all members are in the subnet of their bridge, where the first one is.
/// Where the first one is not, that is reported with single namespaces.
fn fits_subnet(
    entry: &Entry<'_>,
    first: Ipv4Net,
    members: u32,
    bridge: &Bridge,
    faults: &mut Vec<Fault>,
) -> bool {
    let net = bridge.address;
    let (start, last) = (u32::from(first.addr()), last_host(net));
    if !net.contains(&first.addr()) || members - 1 <= last.saturating_sub(start) {
        return true;
    }
    let message = format!(
        "{}: from {} upwards bridge \"{}\" has room for {}, but {members} need an address: begin \
         lower, or give the bridge a larger subnet",
        entry.owner(),
        first.addr(),
        bridge.name,
        counted((last - start) as usize + 1, "namespace"),
    );
    faults.push(Fault::new(entry.count_span(), message));
    false
}

/// The members of an entry; `None` when its bridge has too few addresses left.
fn members_of(
    plan: &Plan<'_, '_>,
    pools: &mut HashMap<&str, AddressPool<'_>>,
    used: &UsedAddresses<'_>,
) -> Option<Vec<Namespace>> {
    let mut pool = plan.plug.as_ref().and_then(|plug| pools.get_mut(plug.bridge));
    let mut made = Vec::new();
    for member in 1..=plan.members {
        let plug = match &plan.plug {
            None => None,
            Some(plug) => Some(NamespacePlug {
                bridge: plug.bridge.to_owned(),
                address: match plug.first {
                    Some(first) => address_above(first, member - 1)?,
                    None => pool.as_mut()?.allocate(used)?,
                },
                interface: plan.cable_names.interface(plan.entry, member),
                port: plan.cable_names.port(plan.entry, member),
                gateway: plug.gateway,
                mtu: plug.mtu,
                source_check: plug.source_check,
                quota: plug.quota,
            }),
        };
        let mut routes = plan.routes.clone();
        for interface in routes.iter_mut().filter_map(|route| route.interface.as_mut()) {
            *interface = plan.entry.with_number(interface, member);
        }
        made.push(Namespace {
            name: plan.entry.member_name(member),
            plug,
            forwarding: plan.forwarding,
            routes,
            dns: plan.dns.clone(),
        });
    }
    Some(made)
}
