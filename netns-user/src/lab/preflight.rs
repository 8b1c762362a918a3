//! What is checked before a lab is built: permission, kernel, and that nothing is in its way.

use ipnet::{IpNet, Ipv4Net};
use nix::{sys::utsname::uname, unistd::geteuid};

use super::{LabError, LabRecord, dns};
use crate::{
    datapath::Datapath,
    net::{Link, NetError, Netlink, netns},
    rules::ForwardRule,
    topology::{Bridge, Topology, Uplink},
};

/// The oldest kernel that the datapath runs on: major, minor.
const OLDEST_KERNEL: (u32, u32) = (6, 7);

/// Namespaces, links and programs need CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_BPF: root.
///
/// # Errors
/// [`LabError::NotRoot`].
pub fn require_root() -> Result<(), LabError> {
    if geteuid().is_root() { Ok(()) } else { Err(LabError::NotRoot) }
}

pub(crate) fn require_kernel() -> Result<(), LabError> {
    let names =
        uname().map_err(|error| LabError::file("ask for the kernel's release", error.into()))?;
    check_release(&names.release().to_string_lossy())
}

fn check_release(release: &str) -> Result<(), LabError> {
    // "6.18.44-fc", "6.7.0", "6.7-rc1"
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST_KERNEL => Ok(()),
        _ => Err(LabError::OldKernel { release: release.to_owned() }),
    }
}

/// The interface of the machine's default route, where the topology asks for it.
pub(crate) fn auto_uplink(topology: &Topology) -> Result<Option<String>, LabError> {
    if !topology.has_auto() {
        return Ok(None);
    }
    let machine = Netlink::open()?;
    let routes = machine.routes()?;
    let defaults = routes.iter().filter(|route| route.is_default() && route.kind == "unicast");
    let best = defaults.min_by_key(|route| route.metric).ok_or(LabError::NoDefaultRoute)?;
    let links = machine.links()?;
    let link = links.into_iter().find(|link| Some(link.index) == best.link);
    link.map(|link| Some(link.name)).ok_or(LabError::NoDefaultRoute)
}

/// Finds whatever of another owner is in the lab's way.
pub(super) fn check_free(topology: &Topology) -> Result<(), LabError> {
    if let Some(path) = Datapath::installed_at(&topology.name) {
        return Err(LabError::DatapathTaken { lab: topology.name.clone(), path });
    }
    for name in topology.namespace_names() {
        if netns::exists(name) {
            return Err(match owner(name)? {
                Some(lab) => LabError::NamespaceOfLab { name: name.to_owned(), lab },
                None => LabError::NamespaceTaken(name.to_owned()),
            });
        }
    }
    for namespace in &topology.namespaces {
        dns::check_free(namespace)?;
    }
    if topology.router.namespace.is_none() {
        check_neighbours(topology)?;
        check_machine(topology)?;
    }
    Ok(())
}

/// Other labs of the machine's own namespace share its addresses, and what is behind one
/// address needs one owner: of its ports, and of each forward.
fn check_neighbours(topology: &Topology) -> Result<(), LabError> {
    for record in LabRecord::list()? {
        let other = &record.topology;
        if other.router.namespace.is_some() || other.name == topology.name {
            continue;
        }
        check_uplinks(topology, other)?;
        // Rules come and go while a lab lives; without a datapath none of them holds.
        let living = Datapath::open(&other.name).and_then(|datapath| datapath.forwards());
        let forwards = living.map_or_else(
            |_| other.forwards.clone(),
            |living| living.into_iter().map(|status| status.rule).collect(),
        );
        check_forwards(topology, &other.name, &forwards)?;
    }
    Ok(())
}

fn check_uplinks(topology: &Topology, other: &Topology) -> Result<(), LabError> {
    let is_of_other =
        |uplink: &&Uplink| other.uplinks.iter().any(|taken| taken.name == uplink.name);
    match topology.uplinks.iter().find(is_of_other) {
        None => Ok(()),
        Some(uplink) => {
            Err(LabError::UplinkOfLab { uplink: uplink.name.clone(), lab: other.name.clone() })
        }
    }
}

fn check_forwards(
    topology: &Topology,
    lab: &str,
    existing: &[ForwardRule],
) -> Result<(), LabError> {
    let meet = |one: &ForwardRule, other: &ForwardRule| {
        // No address means all of them.
        let addresses = one.address.zip(other.address).is_none_or(|(one, other)| one == other);
        addresses && one.protocol == other.protocol && one.port == other.port
    };
    for wanted in &topology.forwards {
        if let Some(existing) = existing.iter().find(|existing| meet(wanted, existing)) {
            return Err(LabError::ForwardOfLab {
                wanted: wanted.clone(),
                existing: existing.clone(),
                lab: lab.to_owned(),
            });
        }
    }
    Ok(())
}

/// The lab that a namespace belongs to.
fn owner(namespace: &str) -> Result<Option<String>, LabError> {
    let records = LabRecord::list()?;
    let owner = records.iter().find(|record| record.owns(namespace));
    Ok(owner.map(|record| record.name().to_owned()))
}

fn check_machine(topology: &Topology) -> Result<(), LabError> {
    let machine = Netlink::open()?;
    let links = machine.links()?;
    let is_there = |name: &str| links.iter().any(|link| link.name == name);
    for name in topology.router_interfaces() {
        if is_there(name) {
            return Err(LabError::LinkTaken(name.to_owned()));
        }
    }
    for uplink in &topology.uplinks {
        if !is_there(&uplink.name) {
            let present: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
            let present = present.join(", ");
            return Err(LabError::NoUplink { name: uplink.name.clone(), present });
        }
    }
    let used = networks_in_use(&machine)?;
    for bridge in &topology.bridges {
        check_subnet(bridge, &used, &links)?;
    }
    Ok(())
}

/// The networks that a machine has addresses in or routes to, by which link.
pub(crate) fn networks_in_use(machine: &Netlink) -> Result<Vec<(IpNet, Option<u32>)>, NetError> {
    let mut used: Vec<(IpNet, Option<u32>)> =
        machine.addresses()?.into_iter().map(|held| (held.address, Some(held.link))).collect();
    let routes = machine.routes()?;
    used.extend(routes.iter().filter(|route| !route.is_default()).map(|r| (r.destination, r.link)));
    Ok(used)
}

/// A bridge whose subnet the machine reaches otherwise would cut that way off.
pub(crate) fn check_subnet(
    bridge: &Bridge,
    used: &[(IpNet, Option<u32>)],
    links: &[Link],
) -> Result<(), LabError> {
    let subnet = bridge.address.trunc();
    let overlaps =
        |net: Ipv4Net| subnet.contains(&net.network()) || net.contains(&subnet.network());
    for (net, link) in used {
        let IpNet::V4(net) = net else { continue };
        if overlaps(*net) {
            let by = links.iter().find(|known| Some(known.index) == *link);
            return Err(LabError::SubnetTaken {
                bridge: bridge.name.clone(),
                subnet,
                other: net.trunc().to_string(),
                by: by.map_or_else(|| "a route".into(), |by| format!("interface \"{}\"", by.name)),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_from_6_7_on_will_do() {
        for release in ["6.7.0", "6.7-rc1", "6.18.44-fc-v669", "7.0", "10.1.2+"] {
            check_release(release).unwrap();
        }
    }

    #[test]
    fn older_kernels_will_not_do() {
        for release in ["6.6.99", "5.15.0-91-generic", "4.4", "6", "", "weird"] {
            let error = check_release(release).unwrap_err().to_string();
            assert!(error.starts_with(&format!("Linux {release} is too old: 6.7")), "{error}");
        }
    }

    #[test]
    fn a_subnet_in_use_is_refused() {
        let bridge = Bridge { name: "br0".into(), address: "10.1.0.1/24".parse().unwrap() };
        let used = |net: &str| [(net.parse().unwrap(), None)];
        for net in ["10.1.0.0/24", "10.0.0.0/8", "10.1.0.128/32"] {
            let error = check_subnet(&bridge, &used(net), &[]).unwrap_err();
            assert!(matches!(error, LabError::SubnetTaken { .. }), "{error}");
        }
        for net in ["10.1.1.0/24", "192.168.0.0/16", "fe80::/64"] {
            check_subnet(&bridge, &used(net), &[]).unwrap();
        }
    }
}
