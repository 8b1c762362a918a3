//! A namespace without a name whose stack puts fragments together: it forwards each packet back
//! to where it came from.

use std::net::Ipv4Addr;

use rtnetlink::{LinkUnspec, RouteMessageBuilder};

use super::{Cable, Link, Mac, NetError, Netlink, VETH, netns, sysctl};

/// The only link of the reassembler.
const INSIDE: &str = "router";

/// The largest MTU that the kernel gives a veth: a whole datagram fits (RFC 791).
const LARGEST_MTU: u32 = 65_535;

/// The reassembler's next hop. Nobody has the address: where nobody is asked for an Ethernet
/// address, one is as good as another. A single next hop makes a single entry in the table of
/// neighbours, which all namespaces share (RFC 3927 section 7: it is never forwarded).
const NEXT_HOP: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 1);

/// A reassembler, seen from its router.
#[derive(Clone, Copy, Debug)]
pub struct Reassembler<'a> {
    /// Name of the link to it.
    pub link: &'a str,
    /// Ethernet address of that link, by which it is known again.
    pub mac: Mac,
}

/// What a reassembler may use.
#[derive(Clone, Copy, Debug)]
pub struct ReassemblerLimits {
    /// Bytes of kernel memory for fragments that wait for others.
    pub memory: u32,
    /// Seconds that they wait.
    pub respite: u32,
}

impl Reassembler<'_> {
    /// Makes it, in place of what is left of an earlier one. `keep` runs inside: the namespace
    /// goes when it returns, unless it has made something that keeps it. Must run in the
    /// router's namespace.
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
            // Without a local address at all the kernel takes no address for a gateway's.
            netlink.set_up(&netlink.link("lo")?)?;
            netlink.lead_back(&netlink.link(INSIDE)?)?;
            Ok::<T, NetError>(keep())
        })??;
        let netlink = Netlink::open()?;
        // Gone again if `keep` has kept nothing.
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

    /// Deletes the link to it, if it is in the calling thread's namespace.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove(&self) -> Result<(), NetError> {
        let netlink = Netlink::open()?;
        let deleted = netlink.link(self.link).and_then(|link| {
            // Of somebody else, who had the same idea of a name.
            let is_its = link.is(VETH) && link.mac == Some(self.mac);
            if is_its { netlink.delete_link(self.link) } else { Ok(()) }
        });
        deleted.or_else(|error| if error.is_absence() { Ok(()) } else { Err(error) })
    }
}

/// The settings of the reassembler's namespace.
fn prepare(limits: ReassemblerLimits) -> Result<(), NetError> {
    sysctl::write_if_there(sysctl::IPV6_OFF, "1")?;
    // IPv4 settings are those of the machine's first namespace unless told otherwise.
    for kind in ["all", "default"] {
        sysctl::write(&format!("ipv4/conf/{kind}/rp_filter"), "0")?;
        sysctl::write(&format!("ipv4/conf/{kind}/send_redirects"), "0")?;
    }
    sysctl::write(sysctl::IP_FORWARD, "1")?;
    sysctl::write("ipv4/ipfrag_high_thresh", &limits.memory.to_string())?;
    sysctl::write("ipv4/ipfrag_time", &limits.respite.to_string())?;
    // However many others have come from the same source meanwhile.
    sysctl::write("ipv4/ipfrag_max_dist", "0")
}

impl Netlink {
    /// Makes of a link the way to everywhere, on which nobody is asked for an Ethernet address.
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
