//! The lab of the border tests, with a router of either kind, and a listener outside that fails on
//! inside addresses.

use std::fmt;

use crate::{
    Capture, DEADLINE, Inside, LabFile, Sandbox, eventually, inside, lab, outside, own,
    ports_settle,
};

/// A filter that passes packets with an inside source, and the frame that ends a [`Capture`].
const INSIDE_SOURCES: &str = "(src net 10.0.0.0/8 or ether proto 0x88b5) and";

/// Whether a lab has a router namespace or uses the machine as its router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouterKind {
    /// A namespace that the lab makes.
    Namespace,
    /// The machine's own namespace.
    Machine,
}

impl RouterKind {
    /// The namespace of the router.
    #[must_use]
    pub fn place(self) -> Inside {
        match self {
            Self::Namespace => inside("gw"),
            Self::Machine => own(),
        }
    }

    /// A lab "border" without rules. Its uplink `wan` has the address 192.168.1.10 and leads to the
    /// namespace `outside`, which has 192.168.1.1 and 8.8.8.8. Its bridge `br0` has 10.1.0.1; red
    /// has 10.1.0.2 and blue 10.1.0.3. If the machine is the router, this also makes its uplink.
    #[must_use]
    #[track_caller]
    pub fn lab(self, sandbox: &Sandbox) -> LabFile {
        let lab = match self {
            Self::Namespace => {
                let outside = outside("outside", "192.168.1.1/24", &["8.8.8.8"]);
                lab("border").router("gw").uplink("wan", "192.168.1.10/24", &outside)
            }
            Self::Machine => {
                sandbox.with_uplink("wan");
                ip(&inside("outside"), "addr add 8.8.8.8/32 dev lo");
                lab("border").text("[router]").own_uplink("wan")
            }
        };
        let lab = lab.bridge("br0", "10.1.0.1/24");
        lab.namespace("red", "br0", "10.1.0.2/24").namespace("blue", "br0", "10.1.0.3/24")
    }

    /// Adds an uplink `wan2` to a lab. Its address is 198.51.100.10, and it leads to 198.51.100.1
    /// in the namespace `outside`. If the machine is the router, this also makes the link.
    #[must_use]
    #[track_caller]
    pub fn with_second_uplink(self, lab: &LabFile) -> LabFile {
        let lab = lab.clone();
        match self {
            Self::Namespace => {
                let outside = outside("outside", "198.51.100.1/24", &[]).replace("eth0", "eth1");
                lab.uplink("wan2", "198.51.100.10/24", &outside)
            }
            Self::Machine => {
                link_to_outside("wan2", "eth1", "198.51.100");
                lab.own_uplink("wan2")
            }
        }
    }

    /// Plugs a cable that is not in the lab's file into its bridge. At the other end is the
    /// namespace `guest` with 10.1.0.50, and 10.5.0.2 of a network that the router has a route to
    /// on the bridge.
    #[track_caller]
    pub fn plug_in_a_guest(self) {
        ip(&own(), "netns add guest");
        let (router, guest) = (self.place(), inside("guest"));
        ip(&router, "link add p-guest type veth peer name eth0 netns guest");
        ip(&router, "link set p-guest master br0");
        ip(&router, "link set p-guest up");
        ip(&router, "route add 10.5.0.0/24 dev br0");
        ip(&guest, "addr add 10.1.0.50/24 dev eth0");
        ip(&guest, "addr add 10.5.0.2/32 dev eth0");
        ip(&guest, "link set lo up");
        ip(&guest, "link set eth0 up");
        ip(&guest, "route add default via 10.1.0.1");
        ports_settle();
    }

    /// Gives the router a link `vpn` that is not in the file of its lab. It leads to the namespace
    /// `elsewhere`, which has 172.20.0.1 and 8.8.8.8 and sends all answers back by it.
    #[track_caller]
    pub fn link_elsewhere(self) {
        ip(&own(), "netns add elsewhere");
        let (router, elsewhere) = (self.place(), inside("elsewhere"));
        ip(&router, "link add vpn type veth peer name eth0 netns elsewhere");
        ip(&router, "addr add 172.20.0.10/24 dev vpn");
        ip(&elsewhere, "addr add 172.20.0.1/24 dev eth0");
        ip(&elsewhere, "addr add 8.8.8.8/32 dev lo");
        for (place, link) in [(&elsewhere, "lo"), (&elsewhere, "eth0"), (&router, "vpn")] {
            ip(place, &format!("link set {link} up"));
        }
        ip(&elsewhere, "route add default via 172.20.0.10");
        eventually("the link has a carrier", DEADLINE, || router.is_answered("172.20.0.1"));
    }
}

/// Makes a cable from the machine, whose address in the network ends with 10, to the namespace
/// `outside`, whose address ends with 1.
///
/// # Panics
/// When one of them has such a link.
#[track_caller]
pub fn link_to_outside(link: &str, far_end: &str, network: &str) {
    let outside = inside("outside");
    ip(&own(), &format!("link add {link} type veth peer name {far_end} netns outside"));
    ip(&own(), &format!("addr add {network}.10/24 dev {link}"));
    ip(&outside, &format!("addr add {network}.1/24 dev {far_end}"));
    ip(&outside, &format!("link set {far_end} up"));
    ip(&own(), &format!("link set {link} up"));
}

impl fmt::Display for RouterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Namespace => "a namespace",
            Self::Machine => "the machine",
        })
    }
}

/// Runs a test once with each kind of router, each time in a new sandbox.
#[track_caller]
pub fn with_each_router(test: impl Fn(RouterKind, &Sandbox)) {
    for router in [RouterKind::Namespace, RouterKind::Machine] {
        println!("the router is {router}");
        let sandbox = Sandbox::new();
        test(router, &sandbox);
    }
}

/// Runs `ip` with these arguments.
///
/// # Panics
/// When it fails.
#[track_caller]
pub fn ip(place: &Inside, arguments: &str) {
    place.command("ip", &arguments.split(' ').collect::<Vec<_>>()).success();
}

/// A recording of the packets with an inside source (10.0.0.0/8).
#[derive(Debug)]
pub struct Leaks(Capture);

impl Inside {
    /// Starts to listen for packets with an inside source. `any` is every interface, including
    /// later ones.
    #[must_use]
    #[track_caller]
    pub fn listen_for_leaks(&self, interface: &str) -> Leaks {
        Leaks(self.capture_with(interface, &[INSIDE_SOURCES]))
    }
}

impl Leaks {
    /// Ends the recording.
    ///
    /// # Panics
    /// When there was a packet with an inside source.
    #[track_caller]
    pub fn were_none(self) {
        let leaks = self.0.stop();
        let first = &leaks[..leaks.len().min(5)];
        assert!(leaks.is_empty(), "{} packets with an inside source: {first:#?}", leaks.len());
    }
}
