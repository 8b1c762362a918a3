//! Hostile senders. Each sends in its namespace until the namespace is deleted, and continues in
//! the next namespace of that name.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use netns_common::{
    abi::{Ip4, Mac},
    model::Random,
};
use netns_tests::{bind_to_interface, try_enter};
use nix::{ifaddrs::getifaddrs, libc};
use socket2::{Domain, Socket, Type};

use crate::{
    Run,
    frames::{Frames, Macs},
};

/// A sender reads the Ethernet addresses again after so many frames.
const ROUND: usize = 4096;

/// How long a sender waits where there is no namespace or no interface.
const PAUSE: Duration = Duration::from_millis(1);

/// The addresses of the lab.
const ROUTER: Ip4 = Ip4::new(10, 1, 0, 1);
const RED: Ip4 = Ip4::new(10, 1, 0, 2);
const BLUE: Ip4 = Ip4::new(10, 1, 0, 3);
const FAR: Ip4 = Ip4::new(10, 9, 0, 2);
const WAN: Ip4 = Ip4::new(192, 0, 2, 10);
const NET: Ip4 = Ip4::new(192, 0, 2, 1);
const ANSWERS: Ip4 = Ip4::new(8, 8, 8, 8);
/// Addresses that no host has: a public one, and one in an inside range.
const ABSENT: Ip4 = Ip4::new(203, 0, 113, 9);
const ABSENT_INSIDE: Ip4 = Ip4::new(10, 200, 0, 1);
/// Free addresses of the uplink's network and of the bridge's.
const NO_NEIGHBOUR: Ip4 = Ip4::new(192, 0, 2, 77);
const NO_NEIGHBOUR_INSIDE: Ip4 = Ip4::new(10, 1, 0, 77);
const GROUP: Ip4 = Ip4::new(224, 0, 0, 251);
const LOOPBACK: Ip4 = Ip4::new(127, 0, 0, 1);
const ANY: Ip4 = Ip4::UNSPECIFIED;

/// The destinations of the inside senders.
const TO_OUTSIDE: &[Ip4] = &[
    NET,
    NET,
    NET,
    ANSWERS,
    ANSWERS,
    ANSWERS,
    ABSENT,
    NO_NEIGHBOUR,
    WAN,
    ROUTER,
    RED,
    BLUE,
    FAR,
    ABSENT_INSIDE,
    GROUP,
    Ip4::BROADCAST,
];

/// A hostile sender.
#[derive(Debug)]
pub(crate) struct Sender {
    pub namespace: &'static str,
    interface: &'static str,
    /// The router's interface in the same network.
    router: &'static str,
    neighbours: &'static [&'static str],
    sources: &'static [Ip4],
    destinations: &'static [Ip4],
    is_outside: bool,
}

pub(crate) const SENDERS: [Sender; 3] = [
    Sender {
        namespace: "red",
        interface: "veth-red",
        router: "br0",
        neighbours: &["gw", "blue"],
        sources: &[
            RED,
            RED,
            RED,
            RED,
            RED,
            RED,
            BLUE,
            FAR,
            FAR,
            ROUTER,
            ABSENT_INSIDE,
            NO_NEIGHBOUR_INSIDE,
            ANY,
            WAN,
            NET,
            ABSENT,
            GROUP,
            LOOPBACK,
        ],
        destinations: TO_OUTSIDE,
        is_outside: false,
    },
    Sender {
        namespace: "blue",
        interface: "veth-blue",
        router: "br0",
        neighbours: &["gw", "red"],
        // `source_check` drops all other sources.
        sources: &[BLUE, BLUE, BLUE, BLUE, BLUE, BLUE, BLUE, BLUE, RED, FAR, ROUTER, ANY, NET],
        destinations: TO_OUTSIDE,
        is_outside: false,
    },
    Sender {
        namespace: "net",
        interface: "eth0",
        router: "wan",
        neighbours: &["gw"],
        sources: &[
            NET, NET, NET, ANSWERS, ANSWERS, ANSWERS, ABSENT, RED, BLUE, FAR, ROUTER, WAN, ANY,
            GROUP, LOOPBACK,
        ],
        destinations: &[
            WAN,
            WAN,
            WAN,
            WAN,
            WAN,
            WAN,
            RED,
            RED,
            BLUE,
            FAR,
            ROUTER,
            NET,
            GROUP,
            Ip4::BROADCAST,
        ],
        is_outside: true,
    },
];

impl Sender {
    /// Sends frames until the run ends the sending, and counts them.
    pub(crate) fn send(&self, seed: u64, sent: &AtomicU64, run: &Run) {
        let mut frames = Frames {
            random: Random::new(seed),
            sources: self.sources,
            destinations: self.destinations,
            marks: self.is_outside,
            pieces: Vec::new(),
        };
        while run.sending.load(Ordering::Relaxed) {
            let Ok(socket) = self.open() else {
                thread::park_timeout(PAUSE);
                continue;
            };
            while let Ok(macs) = self.macs()
                && run.sending.load(Ordering::Relaxed)
                && send_round(&socket, &mut frames, &macs, sent)
            {}
        }
    }

    fn open(&self) -> io::Result<Socket> {
        try_enter(self.namespace, || {
            let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
            bind_to_interface(&socket, self.interface, 0)?;
            Ok(socket)
        })?
    }

    fn macs(&self) -> io::Result<Macs> {
        let named = |namespace: &str, name: &str| {
            let all = macs_in(namespace)?.into_iter();
            let mut same = all.filter(|(interface, _)| interface == name).map(|(_, mac)| mac);
            same.next().ok_or(io::Error::from(io::ErrorKind::NotFound))
        };
        let mut others = Vec::new();
        for neighbour in self.neighbours {
            others.extend(macs_in(neighbour)?.into_iter().map(|(_, mac)| mac));
        }
        let own = named(self.namespace, self.interface)?;
        Ok(Macs { own, router: named("gw", self.router)?, others })
    }
}

/// Sends some frames. False if the interface was deleted or switched off.
fn send_round(socket: &Socket, frames: &mut Frames, macs: &Macs, sent: &AtomicU64) -> bool {
    const GONE: [Option<i32>; 3] = [Some(libc::ENXIO), Some(libc::ENODEV), Some(libc::ENETDOWN)];
    for _ in 0..ROUND {
        match socket.send(&frames.next(macs)) {
            Ok(_) => _ = sent.fetch_add(1, Ordering::Relaxed),
            Err(error) if GONE.contains(&error.raw_os_error()) => return false,
            // The frame was too long, or the interface had no room for it.
            Err(_) => {}
        }
    }
    true
}

/// The Ethernet addresses of a namespace's interfaces.
fn macs_in(namespace: &str) -> io::Result<Vec<(String, Mac)>> {
    let interfaces = try_enter(namespace, getifaddrs)??;
    let link = |address: nix::ifaddrs::InterfaceAddress| {
        let mac = address.address?.as_link_addr()?.addr()?;
        Some((address.interface_name, mac))
    };
    Ok(interfaces.filter_map(link).filter(|(_, mac)| *mac != Mac::default()).collect())
}
