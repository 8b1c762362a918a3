//! Makes the objects of a lab: namespaces, bridges, cables, addresses, routes.

use std::{
    fs::File,
    hash::{BuildHasher, RandomState},
    thread,
    time::{Duration, Instant},
};

use ipnet::Ipv4Net;

use super::{LabError, LabRecord, Progress, progress::step, resolver};
use crate::{
    datapath::CableSpec,
    net::{Cable, Mac, NetError, Netlink, PortState, netns, sysctl},
    topology::{Namespace, Outside, Uplink},
};

/// How long a bridge port may take to open. The kernel does it in the background, usually
/// within a millisecond.
const PORT_DEADLINE: Duration = Duration::from_secs(5);

/// How often to look whether it has.
const PORT_POLL: Duration = Duration::from_millis(1);

/// Makes the lab's network, all but its datapath, and tells what hangs on its cables.
/// Nothing must be in its way; what is made before a failure stays.
///
/// # Errors
/// When the kernel refuses something, or `progress` wants an end.
pub(super) fn build_network(
    record: &mut LabRecord,
    progress: &dyn Progress,
) -> Result<Vec<CableSpec>, LabError> {
    let topology = &record.topology.clone();
    let router = match topology.first_router() {
        None => Netlink::open()?,
        Some(name) => step(progress, &format!("router \"{name}\""), || make_router(record, name))?,
    };
    for (rank, uplink) in (0..).zip(&topology.uplinks) {
        if let (Some(address), Some(outside)) = (uplink.address, uplink.outside()) {
            let name = format!("uplink \"{}\" to \"{}\"", uplink.name, outside.namespace);
            step(progress, &name, || {
                let netlink = make_bare(record, &outside.namespace, || Ok(()))?;
                make_uplink(&router, &netlink, uplink, address, outside, rank)
            })?;
        }
    }
    for bridge in &topology.bridges {
        step(progress, &format!("bridge \"{}\"", bridge.name), || {
            router.add_bridge(&bridge.name, Some(random_mac()), bridge.mtu, true)?;
            router.add_address(&router.link(&bridge.name)?, bridge.address)
        })?;
    }
    let all = topology.namespaces.len();
    let name = format!("{all} namespaces");
    step(progress, &name, || {
        let make = |(done, namespace)| {
            if progress.advanced(&name, done, all) {
                make_namespace(record, &router, namespace)
            } else {
                Err(LabError::Interrupted)
            }
        };
        topology.namespaces.iter().enumerate().map(make).collect()
    })
}

/// A namespace without IPv6, its loopback up, and a connection to it. The translation is
/// IPv4 only, and without IPv6 a link is made three times as fast.
fn make_bare(
    record: &mut LabRecord,
    name: &str,
    setup: impl FnOnce() -> Result<(), LabError> + Send,
) -> Result<Netlink, LabError> {
    let netlink = record.making(name, || {
        netns::create_and(name, || {
            let cookie = netns::own_cookie()?;
            sysctl::disable_ipv6()?;
            setup()?;
            Ok((cookie, Netlink::open()?))
        })?
    })?;
    netlink.set_up(&netlink.link("lo")?)?;
    Ok(netlink)
}

fn make_router(record: &mut LabRecord, name: &str) -> Result<Netlink, LabError> {
    make_bare(record, name, || Ok(sysctl::write(sysctl::IP_FORWARD, "1")?))
}

/// The first uplink's default route wins, the others stand by.
fn make_uplink(
    router: &Netlink,
    inside_of_it: &Netlink,
    uplink: &Uplink,
    address: Ipv4Net,
    outside: &Outside,
    rank: u32,
) -> Result<(), LabError> {
    let namespace = netns::open(&outside.namespace)?;
    router.add_cable(&Cable {
        here: &uplink.name,
        bridge: None,
        there: &outside.interface,
        namespace: &namespace,
        mtu: None,
        up: true,
    })?;
    // No way back to the lab's subnets: what is not translated gets no answer.
    let interface = inside_of_it.link(&outside.interface)?;
    inside_of_it.add_address(&interface, outside.address)?;
    inside_of_it.set_up(&interface)?;
    let loopback = inside_of_it.link("lo")?;
    for answer in &outside.answers {
        inside_of_it.add_address(&loopback, Ipv4Net::from(*answer))?;
    }
    router.add_address(&router.link(&uplink.name)?, address)?;
    if let Some(gateway) = uplink.gateway {
        router.add_route(ipnet::Ipv4Net::default(), Some(gateway), None, rank)?;
    }
    Ok(())
}

fn make_namespace(
    record: &mut LabRecord,
    router: &Netlink,
    namespace: &Namespace,
) -> Result<CableSpec, LabError> {
    let netlink = make_bare(record, &namespace.name, || Ok(()))?;
    let plug = namespace.plug.as_ref().expect("rewritten next");
    let file: File = netns::open(&namespace.name)?;
    router.add_cable(&Cable {
        here: &plug.port,
        bridge: Some(router.link(&plug.bridge)?.index),
        there: &plug.interface,
        namespace: &file,
        mtu: None,
        up: true,
    })?;
    let interface = netlink.link(&plug.interface)?;
    netlink.add_address(&interface, plug.address)?;
    netlink.set_up(&interface)?;
    netlink.add_route(ipnet::Ipv4Net::default(), plug.gateway, None, 0)?;
    if !namespace.dns.is_empty() {
        resolver::install(&namespace.name, &namespace.dns)?;
    }
    wait_until_open(router, &plug.port)?;
    let Mac(mac) = interface.mac.ok_or_else(|| NetError::Protocol {
        action: format!("create cable \"{}\"", plug.port),
        answer: "its far end has no Ethernet address".into(),
    })?;
    Ok(CableSpec {
        port: plug.port.clone(),
        bridge: plug.bridge.clone(),
        addresses: vec![plug.address.addr()],
        mac,
    })
}

/// The kernel opens a bridge port some time after both ends of its cable are up, and drops
/// what comes earlier: the first packet after `up` would be lost.
fn wait_until_open(router: &Netlink, port: &str) -> Result<(), LabError> {
    let deadline = Instant::now() + PORT_DEADLINE;
    while router.link(port)?.port_state != Some(PortState::Forwarding) {
        if Instant::now() > deadline {
            return Err(LabError::DeadCable(port.to_owned()));
        }
        thread::sleep(PORT_POLL);
    }
    Ok(())
}

/// A random address of the locally administered kind (IEEE 802, second bit of the first
/// byte), for one station.
fn random_mac() -> Mac {
    let [_, _, a, b, c, d, e, f] = RandomState::new().hash_one("bridge").to_be_bytes();
    Mac([(a & 0xfc) | 0x02, b, c, d, e, f])
}

#[cfg(test)]
mod tests {
    use super::random_mac;

    #[test]
    fn random_addresses_are_local_and_of_one_station() {
        for _ in 0..100 {
            assert_eq!(random_mac().0[0] & 0b11, 0b10);
        }
    }
}
