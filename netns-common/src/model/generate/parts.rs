//! The parts of arbitrary packets.

use super::{Generator, NUMBERS, Passed, TCP_FLAGS};
use crate::{
    abi::{Ip4, Mac},
    datapath::Exit,
    model::{
        builder::{Datagram, ipv4},
        lecture::{Places, address},
        packet::VecPacket,
        router::Hook,
    },
};

/// TCP options: segment sizes on even and odd offsets, and bytes that only look like one.
const TCP_OPTIONS: [&[u8]; 10] = [
    &[2, 4, 0x05, 0xb4],
    &[2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7],
    &[1, 2, 4, 0x05, 0xb4],
    &[1, 1, 4, 2, 2, 4, 0x23, 0x00],
    &[3, 3, 7, 2, 4, 0x05, 0xb4],
    &[2, 4, 0x02, 0x18],
    &[2, 3, 0x05, 0xb4],
    &[5, 0, 2, 4, 0x05, 0xb4],
    &[0, 2, 4, 0x05, 0xb4],
    &[1, 1, 1, 1, 1, 1, 2, 4],
];
/// No operation, record route, source routes loose and strict, a stray length.
const OPTIONS: [&[u8]; 5] =
    [&[1, 1, 1, 1], &[7, 7, 4, 0, 0, 0, 0], &[131, 7, 4, 8, 8, 4, 4], &[1, 137, 3, 4], &[200, 99]];
const PAYLOADS: [usize; 9] = [0, 0, 0, 1, 7, 100, 560, 1472, 1700];

impl Generator {
    pub(super) fn datagram(&mut self, source: Ip4, destination: Ip4, ports: [u16; 2]) -> Datagram {
        let packet = ipv4(source, destination).payload(self.random.of(&PAYLOADS));
        let packet = match self.random.below(16) {
            0..=5 => {
                let packet = packet.tcp(ports[0], ports[1], self.random.of(&TCP_FLAGS));
                let packet = self.with_tcp_options(packet);
                if self.random.below(3) == 0 {
                    packet.numbers(self.random.of(&NUMBERS), self.random.of(&NUMBERS))
                } else {
                    packet
                }
            }
            6 => packet.protocol(47),
            7..=9 => packet.udp(ports[0], ports[1]),
            10 => packet.udp_without_checksum(ports[0], ports[1]),
            11 => packet.echo_request(ports[0]),
            12 => packet.echo_reply(ports[0]),
            13 if self.random.one_in(2) => packet.protocol(47),
            13 => packet.icmp(self.random.of(&[13, 17, 5, 9, 3, 11]), 0, [0; 4]),
            14 if self.random.one_in(2) => {
                packet.udp_lite(ports[0], ports[1], self.random.of(&[0, 8, 9]))
            }
            14 => packet.sctp(ports[0], self.random.of(&[ports[1], 5060]), 1),
            _ => packet.protocol(self.random.of(&[47, 47, 50, 132, 33, 2, 0, 255])),
        };
        self.header(packet)
    }

    pub(super) fn with_tcp_options(&mut self, packet: Datagram) -> Datagram {
        if self.random.one_in(2) {
            return packet;
        }
        packet.tcp_options(self.random.of(&TCP_OPTIONS))
    }

    /// Now and then something unusual in the IPv4 header.
    pub(super) fn header(&mut self, packet: Datagram) -> Datagram {
        let packet = packet.id(self.random.u16());
        let packet = match self.random.below(24) {
            0 => packet.fragment(0, true),
            1 => {
                let offset = self.random.of(&[1, 2, 185, 0x1fff]);
                packet.fragment(offset, self.random.one_in(2))
            }
            2..=15 => packet.dont_fragment(),
            _ => packet,
        };
        let packet = match self.random.below(16) {
            0 => packet.ttl(self.random.of(&[0, 1, 1, 2, 255])),
            _ => packet,
        };
        match self.random.below(10) {
            0 if self.random.one_in(2) => packet.options(self.random.of(&[1, 2, 10])),
            0 => packet.raw_options(self.random.of(&OPTIONS)),
            _ => packet,
        }
    }

    pub(super) fn dress(&mut self, packet: Datagram) -> Datagram {
        let packet = packet.payload(self.random.of(&PAYLOADS));
        let packet = self.with_tcp_options(packet);
        self.header(packet)
    }

    /// An address, likely or not.
    pub(super) fn anybody(&mut self) -> Ip4 {
        let any = self.random.next_u64() as u32;
        self.random.of(&[
            address::RED,
            address::BLUE,
            address::BRIDGE,
            address::HOST,
            address::LAN,
            address::FAR,
            address::EXCLUDED,
            Ip4::BROADCAST,
            Ip4::UNSPECIFIED,
            Ip4::new(127, 0, 0, 1),
            Ip4::new(224, 0, 0, 251),
            Ip4::new(192, 168, 15, 255),
            Ip4::new(192, 168, 15, 77),
            Ip4::new(192, 168, 1, 255),
            Ip4::from_network(any),
        ])
    }

    /// A frame back to the router, from where a packet came out.
    pub(super) fn back(&mut self, exit: Exit, packet: &Datagram) -> (Hook, VecPacket) {
        match exit {
            Exit::Onward if [address::RED, address::BLUE].contains(&packet.source()) => {
                let frame = self.cable_frame(packet.source() == address::RED, packet);
                (Hook::FromNamespace, frame)
            }
            Exit::Neighbour { .. } | Exit::Ingress { .. } | Exit::Onward => {
                (Hook::FromUplink, self.uplink_frame(packet))
            }
            Exit::Peer { cable } => {
                let frame = self.cable_frame(cable == self.places.red_port, packet);
                (Hook::FromNamespace, frame)
            }
        }
    }

    pub(super) fn cable_frame(&mut self, red: bool, packet: &Datagram) -> VecPacket {
        let Places { red_mac, blue_mac, red_port, blue_port, bridge, .. } = self.places;
        let (mac, link) = if red { (red_mac, red_port) } else { (blue_mac, blue_port) };
        let to = self.receiver(bridge.mac, blue_mac);
        let from = if self.random.one_in(40) { bridge.mac } else { mac };
        packet.frame(from, to, link)
    }

    pub(super) fn uplink_frame(&mut self, packet: &Datagram) -> VecPacket {
        let Places { uplink, lan_mac, .. } = self.places;
        let to = self.receiver(uplink.mac, lan_mac);
        packet.frame(lan_mac, to, uplink.index)
    }

    /// Nearly always the router; else a neighbour, everybody or a group.
    pub(super) fn receiver(&mut self, router: Mac, neighbour: Mac) -> Mac {
        match self.random.below(40) {
            0 => neighbour,
            1 => [0xff; 6],
            2 => [0x01, 0, 0x5e, 0, 0, 0xfb],
            _ => router,
        }
    }

    pub(super) fn any_passed(&mut self) -> Option<Passed> {
        let count = self.passed.len();
        (count > 0).then(|| self.passed[self.random.below(count)].clone())
    }

    pub(super) fn any_sent(&mut self) -> Option<VecPacket> {
        let count = self.sent.len();
        (count > 0).then(|| self.sent[self.random.below(count)].1.clone())
    }

    pub(super) fn any_exit(&mut self) -> Exit {
        let Places { red_port, blue_port, uplink, .. } = self.places;
        self.random.of(&[
            Exit::Peer { cable: red_port },
            Exit::Peer { cable: blue_port },
            Exit::Neighbour { link: uplink.index, next_hop: address::LAN },
        ])
    }
}
