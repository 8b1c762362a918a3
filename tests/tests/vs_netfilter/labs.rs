//! Two labs with the same topology: ours, and one whose router uses iptables.

use std::path::Path;

use netns_common::{
    abi::Ip4,
    model::address::{BLUE, BRIDGE, HOST, LAN, RED},
};
use netns_tests::{Inside, Wire, forward_add, inside, mac_of, netfilter_lab, netns, set};

/// The ends of the labs, where packets are sent and received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Red,
    Blue,
    Lan,
}

impl At {
    pub(crate) const ALL: [Self; 3] = [Self::Red, Self::Blue, Self::Lan];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Blue => "blue",
            Self::Lan => "lan",
        }
    }

    fn interface(self) -> &'static str {
        match self {
            Self::Red => "veth-red",
            Self::Blue => "veth-blue",
            Self::Lan => "eth0",
        }
    }

    /// The address of the end, the address of its gateway, and the router's interface towards it.
    fn link(self) -> (Ip4, Ip4, &'static str) {
        match self {
            Self::Red => (RED, BRIDGE, "v-net-0"),
            Self::Blue => (BLUE, BRIDGE, "v-net-0"),
            Self::Lan => (LAN, HOST, "ens3"),
        }
    }
}

/// The rules of the iptables router, which correspond to ours.
const RULES: [&str; 6] = [
    "-A POSTROUTING -s 192.168.15.0/24 -o ens3 -j MASQUERADE",
    "-A PREROUTING -d 192.168.1.10 -p tcp --dport 80 -j DNAT --to-destination 192.168.15.2:80",
    "-A PREROUTING -d 192.168.1.10 -p udp --dport 5353 -j DNAT --to-destination 192.168.15.2:53",
    // Without these, the answer of one namespace to another bypasses the router.
    "-A POSTROUTING -s 192.168.15.0/24 -d 192.168.15.2 -p tcp --dport 80 -j MASQUERADE",
    "-A POSTROUTING -s 192.168.15.0/24 -d 192.168.15.2 -p udp --dport 53 -j MASQUERADE",
    // Conntrack starts in a namespace with the first rule that needs it.
    "-A OUTPUT -d 192.168.1.10 -p tcp --dport 80 -j DNAT --to-destination 192.168.15.2:80",
];

/// The path of translated packets through our router: directly, or with `via_stack`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Straight,
    ViaStack,
}

/// A lab whose ends are packet sockets without a stack.
#[derive(Debug)]
pub(crate) struct Lab {
    wires: [Wire; 3],
}

impl Lab {
    /// The lab of `netns`.
    pub(crate) fn ours(mode: Mode) -> Self {
        netns(match mode {
            Mode::Straight => &["up"],
            Mode::ViaStack => &["up", "--via-stack"],
        })
        .success();
        forward_add("udp", 5353, "192.168.15.2:53").success();
        Self::bare("")
    }

    /// The lab with iptables.
    pub(crate) fn netfilters() -> Self {
        netfilter_lab(&RULES);
        Self::bare("t-")
    }

    /// Removes the addresses of the ends, so that their stacks do not answer, and gives the router
    /// static neighbour entries for them.
    fn bare(prefix: &str) -> Self {
        let place = |name: &str| inside(&format!("{prefix}{name}"));
        let router = place("host");
        router.run(|| {
            // No rate limit, because every ICMP error of the router is compared.
            set("ipv4/icmp_ratemask", "0");
            // The same source checks in both stacks, and no redirects.
            for link in ["all", "default", "ens3", "v-net-0"] {
                set(&format!("ipv4/conf/{link}/rp_filter"), "0");
                set(&format!("ipv4/conf/{link}/send_redirects"), "0");
            }
            if Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables").exists() {
                // br_netfilter off, whatever the machine's default is.
                set("bridge/bridge-nf-call-iptables", "0");
            }
        });
        let wire = |at: At| {
            let end = place(at.name());
            let (address, _, link) = at.link();
            end.command("ip", &["-4", "addr", "flush", "dev", at.interface()]).success();
            end.command("ip", &["-4", "addr", "flush", "dev", "lo"]).success();
            let mac = mac_of(&end, at.interface());
            let mac = mac.map(|octet| format!("{octet:02x}")).join(":");
            let address = std::net::Ipv4Addr::from(address).to_string();
            let neighbour = ["neigh", "replace", &address, "lladdr", &mac, "dev", link];
            router.command("ip", &[&neighbour[..], &["nud", "permanent"]].concat()).success();
            Wire::open(&end, at.interface(), mac_of(&router, link))
        };
        let mut lab = Self { wires: At::ALL.map(wire) };
        // Teaches the bridge the MAC addresses of all ends; it floods frames to unknown ones.
        At::ALL.iter().for_each(|at| drop(lab.settle(*at)));
        lab
    }

    /// The packets that have arrived at an end, after all packets sent before have had their
    /// effect.
    fn settle(&mut self, at: At) -> Vec<Vec<u8>> {
        let (own, router, _) = at.link();
        self.wires[at as usize].settle(own.octets(), router.octets())
    }

    /// Sends packets from one end, and returns what arrives at each.
    pub(crate) fn send(&mut self, from: At, packets: &[Vec<u8>]) -> [Vec<Vec<u8>>; 3] {
        for packet in packets {
            self.wires[from as usize].send(packet);
        }
        let mut arrived: [Vec<Vec<u8>>; 3] = Default::default();
        // The packets are ahead of the echo in every queue.
        for at in [&[from][..], &At::ALL].concat() {
            let settled = self.settle(at);
            arrived[at as usize].extend(settled);
        }
        arrived
    }
}

/// Both routers.
pub(crate) fn routers() -> [Inside; 2] {
    [inside("host"), inside("t-host")]
}
