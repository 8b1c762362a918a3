//! The namespaces: entries with their templates become members, each with names and an address.

use std::{collections::HashMap, net::Ipv4Addr};

use ipnet::Ipv4Net;

use super::{
    entry::{Ends, Entry},
    hand_out::{Given, Supply, last_host},
    links::routes,
    rules,
    values::{host, ip, ips, mtu, optional},
};
use crate::{
    counted,
    topology::{
        error::Fault,
        file::{GatewayFile, TemplateFile, TopologyFile},
        model::{Bridge, Namespace, NamespacePlug, Route},
        names::{interface_fault, namespace_fault, unknown},
    },
};

/// Most namespaces of a lab, with the routes and the name servers of each.
const MOST_PARTS: u64 = 1 << 17;

/// What a bridge passes on to what is plugged in.
#[derive(Debug)]
pub(super) struct Switch<'a> {
    pub(super) bridge: &'a Bridge,
    /// `None`: it could not be read.
    pub(super) dns: &'a Option<Vec<Ipv4Addr>>,
}

/// The entries of the file, in its order. Of one without its template little is known, but
/// enough for its name to be checked.
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
            let hint = unknown(name, templates.keys().copied());
            let message = format!("{}: there is no template \"{name}\": {hint}", entry.owner());
            faults.push(Fault::new(wanted.span(), message));
        }
        for text in entry.stray_numbers() {
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

/// What an entry says, once for all its members.
struct Plan<'e, 'f> {
    entry: &'e Entry<'f>,
    members: u32,
    ends: Ends,
    forwarding: bool,
    routes: Vec<Route>,
    dns: Vec<Ipv4Addr>,
    plug: Option<PlugPlan<'e>>,
}

struct PlugPlan<'e> {
    bridge: &'e str,
    /// Of the first member; `None`: handed out.
    first: Option<Ipv4Net>,
    gateway: Option<Ipv4Addr>,
    mtu: Option<u32>,
    source_check: Option<bool>,
    quota: Option<u32>,
}

/// The members of each entry; `None` for entries that could not be read.
pub(super) fn namespaces<'a>(
    entries: &'a [Entry<'_>],
    switches: &HashMap<&'a str, Switch<'a>>,
    mut given: Given<'a>,
    faults: &mut Vec<Fault>,
) -> Vec<Option<Vec<Namespace>>> {
    let mut plans: Vec<_> = entries.iter().map(|entry| plan(entry, switches, faults)).collect();
    limit(&mut plans, faults);
    let mut wanted: HashMap<&str, u64> = HashMap::new();
    for plan in plans.iter().flatten() {
        let Some(plug) = &plan.plug else { continue };
        let Some(switch) = switches.get(plug.bridge) else { continue };
        match plug.first {
            Some(first) => {
                let router = switch.bridge.router.as_deref();
                let all = (0..plan.members).filter_map(|member| nth(first, member));
                all.for_each(|address| given.add(router, address.addr()));
            }
            None => *wanted.entry(plug.bridge).or_default() += u64::from(plan.members),
        }
    }
    let mut supplies: HashMap<&str, Supply<'_>> =
        switches.iter().map(|(name, switch)| (*name, Supply::new(switch.bridge))).collect();
    let mut exhausted = Vec::new();
    let mut made = Vec::with_capacity(plans.len());
    for plan in &plans {
        let Some(plan) = plan else {
            made.push(None);
            continue;
        };
        let members = make(plan, &mut supplies, &given);
        if let (None, Some(plug)) = (&members, &plan.plug)
            && let Some(supply) = supplies.get(plug.bridge)
            && !exhausted.contains(&plug.bridge)
        {
            exhausted.push(plug.bridge);
            let span = plan.entry.count.map_or(plan.entry.name.span(), toml::Spanned::span);
            let message = format!(
                "{}: bridge \"{}\" has room for {}, {} are asked for: give the bridge a larger \
                 subnet",
                plan.entry.owner(),
                plug.bridge,
                counted(supply.handed_out() as usize, "namespace"),
                wanted.get(plug.bridge).copied().unwrap_or_default()
            );
            faults.push(Fault::new(span, message));
        }
        made.push(members);
    }
    made
}

/// Drops all plans where together they would make more than a machine has room for.
fn limit(plans: &mut [Option<Plan<'_, '_>>], faults: &mut Vec<Fault>) {
    let mut parts = 0;
    for place in 0..plans.len() {
        let Some(plan) = &plans[place] else { continue };
        let of_each = 1 + plan.routes.len() as u64 + plan.dns.len() as u64;
        let own = u64::from(plan.members).saturating_mul(of_each);
        if parts + own <= MOST_PARTS {
            parts += own;
            continue;
        }
        let span = plan.entry.count.map_or(plan.entry.name.span(), toml::Spanned::span);
        let message = format!(
            "{}: with this entry the lab has {} namespaces, routes and name servers: {MOST_PARTS} \
             are allowed",
            plan.entry.owner(),
            parts + own
        );
        faults.push(Fault::new(span, message));
        // Not even those before it are made.
        plans.iter_mut().for_each(|plan| *plan = None);
        return;
    }
}

fn plan<'e, 'f>(
    entry: &'e Entry<'f>,
    switches: &HashMap<&'e str, Switch<'e>>,
    faults: &mut Vec<Fault>,
) -> Option<Plan<'e, 'f>> {
    let owner = entry.owner();
    let members = entry.members(faults);
    let routes = routes(entry.routes, &owner, faults);
    let dns = optional(entry.dns.as_ref(), |dns| ips(dns, &owner, faults));
    let mtu = mtu(entry.mtu, &owner, faults);
    let first = optional(entry.address, |text| host(text, &owner, faults));
    let quota = optional(entry.quota, |asked| rules::quota(asked, &owner, faults));
    let gateway = optional(entry.gateway, |gateway| match gateway.get_ref() {
        GatewayFile::None => Some(None),
        GatewayFile::Address(text) => {
            let text = toml::Spanned::new(gateway.span(), text.clone());
            ip(&text, &owner, faults).map(Some)
        }
    });
    let Some(bridge) = entry.bridge else {
        return Some(Plan {
            entry,
            members: members?,
            ends: Ends::new(entry, 1),
            forwarding: entry.forwarding,
            routes: routes?,
            dns: dns?.unwrap_or_default(),
            plug: None,
        });
    };
    let (members, first) = (members?, first?);
    let ends = Ends::new(entry, members);
    let named = ends_fit(entry, &ends, members, faults);
    // A bridge that is not there, or not readable, is reported for itself.
    let switch = switches.get(bridge.get_ref().as_str())?;
    let stays = first.is_none_or(|first| stays_in_subnet(entry, first, members, switch, faults));
    let (gateway, dns) = (gateway?, dns?);
    if !(named && stays) {
        return None;
    }
    let plug = PlugPlan {
        bridge: bridge.get_ref(),
        first,
        gateway: gateway.unwrap_or(Some(switch.bridge.address.addr())),
        mtu: mtu?.or(switch.bridge.mtu),
        source_check: entry.source_check.map(|check| *check.get_ref()),
        quota: quota?,
    };
    Some(Plan {
        entry,
        members,
        ends,
        forwarding: entry.forwarding,
        routes: routes?,
        dns: match dns {
            Some(dns) => dns,
            None => switch.dns.clone()?,
        },
        plug: Some(plug),
    })
}

/// Names that the file leaves out are made from the namespace's, which may not fit. Those that
/// it gives are checked where they stand.
fn ends_fit(entry: &Entry<'_>, ends: &Ends, members: u32, faults: &mut Vec<Fault>) -> bool {
    let name = entry.member(members);
    if let Some(fault) = namespace_fault(&name) {
        // That of a single namespace is reported with all names, and those of members only where
        // they are made.
        if entry.count.is_some() {
            let message = format!("namespace: \"{name}\" names no namespace: {fault}");
            faults.push(Fault::new(entry.name.span(), message));
        }
        return false;
    }
    let (interface, port) = (ends.interface(entry, members), ends.port(entry, members));
    let mut report = |kind: &str, name: &str, fault: &str, keys: &str| {
        let message = format!(
            "namespace \"{}\": the {kind} name that goes with it, \"{name}\", does not fit: \
             {fault}: set {keys}",
            entry.member(members)
        );
        faults.push(Fault::new(entry.name.span(), message));
        false
    };
    let unfit_interface = interface_fault(&interface).filter(|_| entry.interface.is_none());
    let unfit_port = interface_fault(&port).filter(|_| entry.port.is_none());
    match (unfit_interface, unfit_port) {
        // Two faults with one cause.
        (Some(fault), Some(_)) => report("interface", &interface, &fault, "`interface` and `port`"),
        (Some(fault), None) => report("interface", &interface, &fault, "`interface`"),
        (None, Some(fault)) => report("port", &port, &fault, "`port`"),
        (None, None) => true,
    }
}

/// Whether the addresses that follow the first one are still of the subnet. The first one by
/// itself is checked with those of single namespaces.
fn stays_in_subnet(
    entry: &Entry<'_>,
    first: Ipv4Net,
    members: u32,
    switch: &Switch<'_>,
    faults: &mut Vec<Fault>,
) -> bool {
    let net = switch.bridge.address;
    let (start, last) = (u32::from(first.addr()), last_host(net));
    if !net.contains(&first.addr()) || members - 1 <= last.saturating_sub(start) {
        return true;
    }
    let message = format!(
        "{}: from {} upwards there is room for {} on bridge \"{}\", {members} are asked \
         for: begin lower, or give the bridge a larger subnet",
        entry.owner(),
        first.addr(),
        counted((last - start) as usize + 1, "namespace"),
        switch.bridge.name
    );
    let span = entry.count.map_or(entry.name.span(), toml::Spanned::span);
    faults.push(Fault::new(span, message));
    false
}

/// `None` when the bridge has no address left.
fn make(
    plan: &Plan<'_, '_>,
    supplies: &mut HashMap<&str, Supply<'_>>,
    given: &Given<'_>,
) -> Option<Vec<Namespace>> {
    let mut supply = plan.plug.as_ref().and_then(|plug| supplies.get_mut(plug.bridge));
    let mut made = Vec::new();
    for member in 1..=plan.members {
        let plug = match &plan.plug {
            None => None,
            Some(plug) => Some(NamespacePlug {
                bridge: plug.bridge.to_owned(),
                address: match plug.first {
                    Some(first) => nth(first, member - 1)?,
                    None => supply.as_mut()?.take(given)?,
                },
                interface: plan.ends.interface(plan.entry, member),
                port: plan.ends.port(plan.entry, member),
                gateway: plug.gateway,
                mtu: plug.mtu,
                source_check: plug.source_check,
                quota: plug.quota,
            }),
        };
        let mut routes = plan.routes.clone();
        for interface in routes.iter_mut().filter_map(|route| route.interface.as_mut()) {
            *interface = plan.entry.fill(interface, member);
        }
        made.push(Namespace {
            name: plan.entry.member(member),
            plug,
            forwarding: plan.forwarding,
            routes,
            dns: plan.dns.clone(),
        });
    }
    Some(made)
}

fn nth(first: Ipv4Net, number: u32) -> Option<Ipv4Net> {
    let address = u32::from(first.addr()).checked_add(number)?;
    Ipv4Net::new(address.into(), first.prefix_len()).ok()
}
