//! A namespace without a name whose stack reassembles fragments. It forwards each packet back to
//! the router that it came from.

use std::net::Ipv4Addr;

use rtnetlink::{LinkUnspec, RouteMessageBuilder};

use super::{Cable, Link, Mac, Netlink, VETH, error::NetError, netns, sysctl};

/// The only link of the reassembler.
const INSIDE: &str = "router";

/// The largest MTU of a veth: a whole datagram fits (RFC 791).
const LARGEST_MTU: u32 = 65_535;

/// The reassembler's next hop. No host has this address: the link has a fixed neighbour. A single
/// next hop needs a single entry in the neighbour table, which all namespaces share (RFC 3927
/// section 7: the address is never forwarded).
const NEXT_HOP: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 1);

/// The link of a router to its reassembler.
#[derive(Clone, Copy, Debug)]
pub struct Reassembler<'a> {
    /// Name of the link to it.
    pub link: &'a str,
    /// Ethernet address of that link, which identifies it.
    pub mac: Mac,
}

/// The limits of a reassembler.
#[derive(Clone, Copy, Debug)]
pub struct ReassemblerLimits {
    /// Bytes of kernel memory for incomplete packets.
    pub memory: u32,
    /// Seconds that fragments wait for the others.
    pub respite: u32,
}

impl Reassembler<'_> {
    /// Makes the reassembler, and removes the remains of an earlier one. `keep` runs inside: when
    /// it returns the namespace is deleted, unless `keep` has made something that keeps it alive.
    /// Must run in the router's namespace.
    ///
    /// # Errors
    /// When the kernel refuses; then nothing stays.
    pub fn make<T: Send>(
        &self,
        limits: ReassemblerLimits,
        keep: impl FnOnce() -> T + Send,
    ) -> Result<T, NetError> {
        self.remove()?;
        let router = netns::open_own()?;
        let kept = netns::run_in_new(|| {
            prepare(limits)?;
            let netlink = Netlink::open()?;
            netlink.add_cable(&Cable {
                here: INSIDE,
                bridge: None,
                there: self.link,
                namespace: &router,
                mac: Some(self.mac),
                mtu: Some(LARGEST_MTU),
                up: true,
            })?;
            // Without any local address, the kernel accepts no gateway address.
            netlink.set_up(&netlink.link("lo")?)?;
            netlink.lead_back(&netlink.link(INSIDE)?)?;
            Ok::<T, NetError>(keep())
        })??;
        let netlink = Netlink::open()?;
        // The link is gone if `keep` has kept nothing alive.
        match netlink.link(self.link) {
            Ok(link) => {
                let key = format!("ipv6/conf/{}/disable_ipv6", self.link);
                sysctl::write_if_there(&key, "1")?;
                match netlink.set_up(&link) {
                    Err(error) if !error.is_absence() => Err(error),
                    _ => Ok(kept),
                }
            }
            Err(error) if error.is_absence() => Ok(kept),
            Err(error) => Err(error),
        }
    }

    /// Deletes the link to the reassembler, if it is in the calling thread's namespace.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove(&self) -> Result<(), NetError> {
        let netlink = Netlink::open()?;
        let deleted = netlink.link(self.link).and_then(|link| {
            // Somebody else may have made a link of the same name.
            let is_its = link.is(VETH) && link.mac == Some(self.mac);
            if is_its { netlink.delete_link(self.link) } else { Ok(()) }
        });
        deleted.or_else(|error| if error.is_absence() { Ok(()) } else { Err(error) })
    }
}

/// The settings of the reassembler's namespace.
fn prepare(limits: ReassemblerLimits) -> Result<(), NetError> {
    sysctl::write_if_there(sysctl::IPV6_OFF, "1")?;
    // A new namespace copies its IPv4 settings from the machine's first one.
    for kind in ["all", "default"] {
        sysctl::write(&format!("ipv4/conf/{kind}/rp_filter"), "0")?;
        sysctl::write(&format!("ipv4/conf/{kind}/send_redirects"), "0")?;
    }
    sysctl::write(sysctl::IP_FORWARD, "1")?;
    sysctl::write("ipv4/ipfrag_high_thresh", &limits.memory.to_string())?;
    sysctl::write("ipv4/ipfrag_time", &limits.respite.to_string())?;
    // Fragments are kept however many other packets of the same source arrive in between.
    sysctl::write("ipv4/ipfrag_max_dist", "0")
}

impl Netlink {
    /// Makes a link the default route, with a fixed neighbour.
    fn lead_back(&self, link: &Link) -> Result<(), NetError> {
        let quiet = LinkUnspec::new_with_index(link.index).arp(false).build();
        let request = self.handle().link().set(quiet).execute();
        self.wait(request, || format!("switch ARP off on interface \"{}\"", link.name))?;
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(Ipv4Addr::UNSPECIFIED, 0)
            .gateway(NEXT_HOP)
            .output_interface(link.index)
            .onlink()
            .build();
        let request = self.handle().route().add(route).execute();
        self.wait(request, || format!("make \"{}\" the default route", link.name))
    }
}
