//! Arbitrary packets that depend on each other: first packets, answers, errors, repetitions,
//! damage.
//!
//! Addresses and ports come from small pools, so that connections collide, and what the
//! datapath let through comes back as answers and errors.

mod parts;

use std::{vec, vec::Vec};

use super::{
    builder::{Datagram, flags, ipv4},
    fragments::{Reassembler, split},
    lecture::{Places, address},
    mutate::mutate,
    packet::{ETHERNET, VecPacket},
    random::Random,
    router::Hook,
};
use crate::{
    abi::Ip4,
    datapath::{Exit, Verdict},
};

/// Index of a link that is not the lab's: of another NAT.
const OTHER_LINK: u32 = 9999;

/// How many packets are remembered for answers.
const MEMORY: usize = 32;

const TCP_FLAGS: [u8; 8] = [
    flags::SYN,
    flags::SYN,
    flags::ACK,
    flags::SYN | flags::ACK,
    flags::FIN | flags::ACK,
    flags::RST,
    flags::RST | flags::ACK,
    0,
];
/// TCP sequence numbers: near, far and about to wrap.
const NUMBERS: [u32; 6] = [0, 1, 0x0001_ffff, 0x2000_0000, 0x8000_0001, 0xffff_fff0];
const INSIDE_PORTS: [u16; 9] = [40_000, 40_001, 40_000, 80, 8080, 5353, 22, 20_007, 0];
const SERVICES: [u16; 10] = [80, 8080, 5353, 53, 443, 40_000, 20_000, 25_555, 29_999, 0];

/// A step of the generator.
#[derive(Clone, Debug)]
pub enum Step {
    /// A packet enters a hook.
    Packet(Hook, VecPacket),
    /// So many times 45 seconds pass. Sums of that stay clear of every timeout.
    Pause(u32),
}

/// A packet that was let through: where it came out, and as what.
#[derive(Clone, Debug)]
struct Passed {
    exit: Exit,
    packet: VecPacket,
}

/// A source of steps.
#[derive(Clone, Debug)]
pub struct Generator {
    random: Random,
    places: Places,
    passed: Vec<Passed>,
    sent: Vec<(Hook, VecPacket)>,
    /// Fragments that were not sent yet.
    pieces: Vec<(Hook, VecPacket)>,
    reassembler: Reassembler,
}

impl Generator {
    /// The same seed, and the same verdicts told, make the same steps.
    pub fn new(places: Places, seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            places,
            passed: Vec::new(),
            sent: Vec::new(),
            pieces: Vec::new(),
            reassembler: Reassembler::default(),
        }
    }

    /// Tells what became of a packet; `packet` is as it was afterwards.
    pub fn observe(&mut self, verdict: Verdict, packet: &VecPacket) {
        let Places { reassembler, uplink, .. } = self.places;
        let at = |link| VecPacket::new(packet.bytes().to_vec(), link);
        match verdict {
            Verdict::Redirect(Exit::Peer { cable }) if cable == reassembler => {
                let back = self.reassembler.take(at(reassembler));
                self.pieces.extend(back.into_iter().map(|frame| (Hook::FromReassembler, frame)));
                return;
            }
            Verdict::Redirect(Exit::Ingress { link }) => {
                let hook =
                    if link == uplink.index { Hook::FromUplink } else { Hook::FromNamespace };
                self.pieces.push((hook, at(link)));
                return;
            }
            _ => {}
        }
        if let Verdict::Redirect(exit) = verdict {
            let passed = Passed { exit, packet: packet.clone() };
            remember(&mut self.random, &mut self.passed, passed);
        }
    }

    /// The next step.
    pub fn step(&mut self) -> Step {
        if self.random.one_in(60) {
            return Step::Pause(self.random.of(&[1, 1, 2, 4, 7, 166]));
        }
        let (hook, mut packet) = match self.random.below(22) {
            0..=3 => self.a_namespace_sends(),
            4..=6 => self.the_outside_sends(),
            7..=11 => self.answer(),
            12 | 13 => self.error(),
            14 => self.again(),
            15 if self.random.one_in(2) => (Hook::ToUplink, self.leaving()),
            15 if self.random.one_in(2) => (Hook::FromNamespace, self.arp()),
            15 => self.other_frame(),
            16 => (Hook::ToUplink, self.forwarded()),
            17 => (Hook::ToUplink, self.own_error()),
            18 => self.in_fragments(),
            19 if self.random.one_in(4) => self.forged_fragment().unwrap_or_else(|| self.a_piece()),
            _ => self.a_piece(),
        };
        remember(&mut self.random, &mut self.sent, (hook, packet.clone()));
        if self.random.one_in(8) {
            mutate(&mut self.random, &mut packet);
        }
        pad_ipv6(packet.bytes_mut());
        Step::Packet(hook, packet)
    }

    /// Cuts a packet into fragments, and sends one of them.
    fn in_fragments(&mut self) -> (Hook, VecPacket) {
        let (hook, whole) = match self.random.below(3) {
            0 => self.a_namespace_sends(),
            1 => self.the_outside_sends(),
            _ => self.answer(),
        };
        let size = self.random.of(&[8, 24, 64, 64, 256, 512]);
        let pieces = split(&whole, size);
        // Smaller fragments would be too many for one sequence of steps.
        if pieces.len() > 8 {
            return (hook, whole);
        }
        self.pieces.extend(pieces.into_iter().map(|piece| (hook, piece)));
        if self.pieces.len() > MEMORY {
            self.pieces.drain(..self.pieces.len() - MEMORY);
        }
        self.a_piece()
    }

    /// One of the fragments that were not sent yet, often the next.
    fn a_piece(&mut self) -> (Hook, VecPacket) {
        if self.pieces.is_empty() {
            return self.a_namespace_sends();
        }
        let at = if self.random.one_in(2) { 0 } else { self.random.below(self.pieces.len()) };
        self.pieces.remove(at)
    }

    fn a_namespace_sends(&mut self) -> (Hook, VecPacket) {
        let own = self.random.of(&[address::RED, address::BLUE]);
        let source = if self.random.one_in(15) { self.anybody() } else { own };
        let destination = self.random.of(&[
            address::FAR,
            address::FAR,
            address::LAN,
            address::HOST,
            address::HOST,
            address::BRIDGE,
            address::BLUE,
            address::EXCLUDED,
        ]);
        let destination = if self.random.one_in(12) { self.anybody() } else { destination };
        let ports = [self.random.of(&INSIDE_PORTS), self.random.of(&SERVICES)];
        let packet = self.datagram(source, destination, ports);
        (Hook::FromNamespace, self.cable_frame(own == address::RED, &packet))
    }

    fn the_outside_sends(&mut self) -> (Hook, VecPacket) {
        let source = self.random.of(&[address::LAN, address::FAR, address::FAR, address::EXCLUDED]);
        let source = if self.random.one_in(10) { self.anybody() } else { source };
        let destination = if self.random.one_in(8) { self.anybody() } else { address::HOST };
        let ports = [self.random.of(&INSIDE_PORTS), self.random.of(&SERVICES)];
        let packet = self.datagram(source, destination, ports);
        (Hook::FromUplink, self.uplink_frame(&packet))
    }

    /// The answer of the receiver of an earlier packet.
    fn answer(&mut self) -> (Hook, VecPacket) {
        let Some(passed) = self.any_passed() else { return self.a_namespace_sends() };
        let Some(answer) = Datagram::answer_to(&passed.packet) else {
            return self.the_outside_sends();
        };
        let mut answer = self.dress(answer);
        if self.random.one_in(3) {
            answer = answer.tcp_flags(self.random.of(&TCP_FLAGS));
        }
        if self.random.one_in(4) {
            answer = answer.numbers(self.random.of(&NUMBERS), self.random.of(&NUMBERS));
        }
        self.back(passed.exit, &answer)
    }

    /// An ICMP error about an earlier packet, by its receiver or by a router on the way.
    fn error(&mut self) -> (Hook, VecPacket) {
        let about = if self.random.one_in(6) {
            self.any_sent().map(|packet| Passed { exit: self.any_exit(), packet })
        } else {
            self.any_passed()
        };
        let Some(Passed { exit, packet }) = about else { return self.the_outside_sends() };
        let Some(ends) = packet.network().get(12..20) else { return self.the_outside_sends() };
        let word = |at: usize| Ip4::new(ends[at], ends[at + 1], ends[at + 2], ends[at + 3]);
        let by = if self.random.one_in(3) { self.anybody() } else { word(4) };
        let to = if self.random.one_in(15) { self.anybody() } else { word(0) };
        let mut packet = packet;
        if self.random.one_in(16) {
            // A quotation whose own header was damaged on the way.
            let at = self.random.of(&[16, 22, 24, 26]);
            packet.bytes_mut().get_mut(at).into_iter().for_each(|byte| *byte ^= 0x55);
        }
        let kind = self.random.of(&[3, 3, 3, 3, 11, 12, 5, 4]);
        let code = if self.random.one_in(3) { 4 } else { self.random.below(16) as u8 };
        let quoted = self.random.of(&[8, 8, 12, 18, 20, 28, 40, 548, 7, 0]);
        let mtu = self.random.of(&[0, 67, 68, 576, 1280, 1500]);
        let mut error = ipv4(by, to).error(kind, code, &packet, quoted).next_hop_mtu(mtu);
        if self.random.one_in(8) {
            error = error.extension();
        }
        let error = self.header(error);
        let (hook, mut frame) = self.back(exit, &error);
        if self.random.one_in(16) {
            // After the header, options or not, somewhere in the message.
            let at = frame.bytes().len() - 1 - self.random.below(8);
            frame.bytes_mut()[at] ^= 0xaa;
        }
        (hook, frame)
    }

    /// An earlier packet once more.
    fn again(&mut self) -> (Hook, VecPacket) {
        if self.sent.is_empty() {
            return self.a_namespace_sends();
        }
        let at = self.random.below(self.sent.len());
        self.sent[at].clone()
    }

    /// A packet that the host or another NAT sends, or that the stack forwarded.
    fn leaving(&mut self) -> VecPacket {
        let source = self.random.of(&[address::HOST, address::RED, address::BLUE, address::BRIDGE]);
        let ports = [self.random.of(&INSIDE_PORTS), self.random.of(&SERVICES)];
        let destination = self.random.of(&[address::FAR, address::FAR, address::EXCLUDED]);
        let packet = self.datagram(source, destination, ports);
        let uplink = self.places.uplink;
        let mut packet = packet.frame(uplink.mac, self.places.lan_mac, uplink.index);
        packet.from_host = self.random.one_in(2);
        packet.ingress = self.random.of(&[self.places.bridge.index, uplink.index, OTHER_LINK]);
        packet
    }

    /// A packet of a namespace, as the stack forwards it.
    fn forwarded(&mut self) -> VecPacket {
        let sent = self.sent.iter().filter(|(hook, _)| *hook == Hook::FromNamespace);
        let sent: Vec<VecPacket> = sent.map(|(_, packet)| packet.clone()).collect();
        if sent.is_empty() {
            return self.leaving();
        }
        let at = self.random.below(sent.len());
        let mut packet = VecPacket::new(sent[at].bytes().to_vec(), self.places.uplink.index);
        packet.ingress = self.places.bridge.index;
        packet
    }

    /// An error that the host makes about a packet which came in from outside.
    fn own_error(&mut self) -> VecPacket {
        let Some(Passed { packet, .. }) = self.any_passed() else { return self.leaving() };
        let Some(end) = packet.network().get(12..16) else { return self.leaving() };
        let sender = Ip4::new(end[0], end[1], end[2], end[3]);
        let (kind, code) = self.random.of(&[(11, 0), (3, 4), (3, 1), (11, 1)]);
        let quoted = self.random.of(&[8, 20, 548, 3]);
        let error = ipv4(address::HOST, sender).error(kind, code, &packet, quoted);
        let uplink = self.places.uplink;
        let mut packet = error.frame(uplink.mac, self.places.lan_mac, uplink.index);
        packet.from_host = true;
        packet
    }

    /// A frame that holds no IPv4 packet where it should: IPv6, or a packet behind a tag that the
    /// kernel has not taken off.
    fn other_frame(&mut self) -> (Hook, VecPacket) {
        let (hook, mut packet) =
            if self.random.one_in(2) { self.a_namespace_sends() } else { self.the_outside_sends() };
        let priority_tag = self.random.of(&[0_u8, 0, 0x20]);
        match self.random.of(&[[0x86, 0xdd], [0x81, 0x00], [0x88, 0xa8]]) {
            [0x86, 0xdd] => packet.bytes_mut()[12..14].copy_from_slice(&[0x86, 0xdd]),
            [a, b] => drop(packet.bytes_mut().splice(12..12, [a, b, priority_tag, 0])),
        }
        (hook, packet)
    }

    /// A fragment from outside with the addresses and identification of a namespace's datagram.
    fn forged_fragment(&mut self) -> Option<(Hook, VecPacket)> {
        let (_, piece) = self.pieces.iter().find(|(hook, _)| *hook == Hook::FromNamespace)?;
        let mut bytes = piece.bytes().to_vec();
        let Places { lan_mac, uplink, .. } = self.places;
        bytes[..6].copy_from_slice(&uplink.mac);
        bytes[6..12].copy_from_slice(&lan_mac);
        Some((Hook::FromUplink, VecPacket::new(bytes, uplink.index)))
    }

    /// ARP by red, true or not.
    fn arp(&mut self) -> VecPacket {
        let Places { red_mac, blue_mac, red_port, .. } = self.places;
        let from = self.random.of(&[red_mac, red_mac, red_mac, blue_mac]);
        let claimed = self.random.of(&[red_mac, red_mac, red_mac, blue_mac]);
        let sender = if self.random.one_in(2) { address::RED } else { self.anybody() };
        let mut bytes = vec![0xff; 6];
        bytes.extend(from);
        bytes.extend([0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, self.random.of(&[1, 2])]);
        bytes.extend(claimed);
        bytes.extend(sender.octets());
        bytes.extend([0; 6]);
        bytes.extend(address::BLUE.octets());
        VecPacket::new(bytes, red_port)
    }
}

/// Makes an IPv6 frame as long as its header at least: the kernel runs no program over less.
fn pad_ipv6(frame: &mut Vec<u8>) {
    if frame.get(12..14) == Some(&[0x86, 0xdd]) {
        frame.resize(frame.len().max(ETHERNET + 40), 0);
    }
}

/// Keeps the last few, and some of the older ones.
fn remember<T>(random: &mut Random, memory: &mut Vec<T>, item: T) {
    if memory.len() < MEMORY {
        memory.push(item);
    } else {
        memory[random.below(MEMORY)] = item;
    }
}
