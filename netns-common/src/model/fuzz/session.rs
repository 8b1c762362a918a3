//! One run of the fuzzer: a lab and the packets that it has seen.

use std::vec::Vec;

use super::{check, input::Input};
use crate::{
    abi::{Filtering, Ip4, Limits, Port, Protocol},
    datapath::{Exit, Verdict},
    model::{Datagram, Hook, HostSocket, Mtus, Places, Router, VecPacket},
};

/// Counts the packets of one input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Packets that ran through a hook, answers included.
    pub packets: usize,
    /// How many of them were redirected.
    pub redirected: usize,
}

/// A packet that was redirected.
#[derive(Clone, Debug)]
pub(super) struct Passed {
    pub(super) hook: Hook,
    pub(super) before: VecPacket,
    pub(super) after: VecPacket,
    pub(super) exit: Exit,
}

/// A lab and the packets that it has seen.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) router: Router,
    pub(super) places: Places,
    pub(super) sent: Vec<(Hook, VecPacket)>,
    pub(super) passed: Vec<Passed>,
    pub(super) report: Report,
}

impl Session {
    /// The lecture's lab with the variations that the first byte of the input selects.
    pub(super) fn new(input: &mut Input<'_>) -> Self {
        let mut router = Router::lecture();
        let places = Places::default();
        let unusual = input.byte();
        let has = |bit: u8| unusual & (1 << bit) != 0;
        if has(0) {
            router.tables.capacity = 5;
        }
        if has(1) {
            let settings = &mut router.tables.settings;
            (settings.port_min, settings.port_max) = (40_000, 40_003);
        }
        if has(2) {
            router.tables.settings.source_check = 0;
        }
        if has(3) {
            let narrow = [(places.uplink.index, 1280), (places.red_port, 1280)];
            router.tables.mtus = Mtus::new(&narrow);
        }
        if has(4) {
            router.tables.host_sockets = [Protocol::Tcp, Protocol::Udp]
                .map(|protocol| HostSocket {
                    protocol: protocol.number(),
                    address: Ip4::UNSPECIFIED,
                    port: Port::new(40_001),
                    remote: None,
                })
                .into();
        }
        router.tables.settings.via_stack = u8::from(has(5));
        if has(6) {
            router.tables.settings.mappings = 1;
            let filtering = if has(7) { Filtering::Address } else { Filtering::Endpoint };
            for (.., rule) in &mut router.tables.masquerades {
                (rule.endpoint_independent, rule.filtering) = (1, filtering as u8);
            }
        }
        if has(7) {
            router.tables.settings.limits = Limits {
                quota: 4,
                unreplied: 2,
                unreplied_share: 3,
                half_open: 2,
                other_nats: 2,
                sample: 0,
            };
        }
        Self { router, places, sent: Vec::new(), passed: Vec::new(), report: Report::default() }
    }

    /// Runs a packet through a hook and checks the result.
    ///
    /// # Errors
    /// With the verdict, if the packet was not redirected.
    pub(super) fn run(&mut self, hook: Hook, before: VecPacket) -> Result<Passed, Verdict> {
        let mut after = before.clone();
        let verdict = self.router.run(hook, &mut after);
        self.report.packets += 1;
        check::packet(&self.router, hook, &before, &after, verdict);
        let Verdict::Redirect(exit) = verdict else { return Err(verdict) };
        self.report.redirected += 1;
        let passed = Passed { hook, before, after, exit };
        remember(&mut self.passed, passed.clone());
        Ok(passed)
    }

    /// The frame that carries `packet` back to the router from where `passed` was sent to.
    pub(super) fn back(&self, passed: &Passed, packet: &Datagram) -> (Hook, VecPacket) {
        match (passed.hook, passed.exit) {
            (_, Exit::Neighbour { .. } | Exit::Ingress { .. }) | (Hook::ToUplink, Exit::Onward) => {
                (Hook::FromUplink, self.uplink_frame(packet))
            }
            (_, Exit::Peer { cable }) => {
                (Hook::FromNamespace, self.cable_frame(cable == self.places.red_port, packet))
            }
            // The stack delivered the packet inside, and forwards the answer.
            (_, Exit::Onward) => (Hook::ToUplink, self.forwarded(&self.cable_frame(true, packet))),
        }
    }

    /// A namespace's packet, as the stack forwards it to the uplink.
    pub(super) fn forwarded(&self, packet: &VecPacket) -> VecPacket {
        VecPacket::new(packet.bytes().to_vec(), self.places.uplink.index)
    }

    pub(super) fn cable_frame(&self, red: bool, packet: &Datagram) -> VecPacket {
        let Places { red_mac, blue_mac, red_port, blue_port, bridge, .. } = self.places;
        let (mac, link) = if red { (red_mac, red_port) } else { (blue_mac, blue_port) };
        packet.frame(mac, bridge.mac, link)
    }

    pub(super) fn uplink_frame(&self, packet: &Datagram) -> VecPacket {
        let Places { uplink, lan_mac, .. } = self.places;
        packet.frame(lan_mac, uplink.mac, uplink.index)
    }
}

/// How many packets a session remembers of each kind.
const MEMORY: usize = 16;

/// Appends an item, and drops the oldest one when [`MEMORY`] is reached.
pub(super) fn remember<T>(memory: &mut Vec<T>, item: T) {
    if memory.len() == MEMORY {
        memory.remove(0);
    }
    memory.push(item);
}
