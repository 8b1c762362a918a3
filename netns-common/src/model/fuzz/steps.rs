//! The steps of a session: each byte of the input selects what happens next in the lab.

use super::{
    check,
    input::Input,
    offsets::{DESTINATION, SOURCE, address_at},
    reply,
    session::{Report, Session, remember},
};
use crate::{
    abi::Ip4,
    model::{Datagram, Hook, VecPacket, address, flags, ipv4},
};

const PORTS: [u16; 10] = [40_000, 443, 40_001, 80, 8080, 5353, 53, 40_002, 0, 65_535];
const TCP_FLAGS: [u8; 8] = [
    flags::SYN,
    flags::ACK,
    flags::SYN | flags::ACK,
    flags::FIN | flags::ACK,
    flags::RST,
    flags::RST | flags::ACK,
    flags::FIN,
    0,
];
const PAYLOADS: [usize; 6] = [0, 1, 8, 64, 1300, 1473];
const PROTOCOLS: [u8; 8] = [47, 50, 132, 136, 2, 33, 0, 255];
/// SCTP chunk types: INIT, DATA, INIT ACK, ABORT, SHUTDOWN, SHUTDOWN COMPLETE (RFC 9260 section
/// 3.2).
const CHUNKS: [u8; 6] = [1, 0, 2, 6, 7, 14];
/// Bytes of a packet that an error quotes behind its IPv4 header.
const QUOTED: [usize; 8] = [8, 20, 28, 0, 4, 7, 12, 548];
const ERRORS: [u8; 5] = [3, 11, 12, 4, 5];
/// Seconds: below and above each of the timeouts.
const WAITS: [u32; 8] = [1, 5, 31, 61, 121, 301, 8_000, 500_000];

impl Session {
    /// Sends one packet, or lets time pass.
    pub(super) fn step(&mut self, input: &mut Input<'_>) {
        let (hook, mut packet) = match input.byte() % 10 {
            0..=2 => self.a_namespace_sends(input),
            3 => self.the_outside_sends(input),
            4 | 5 => self.answer(input),
            6 => self.error(input),
            7 => self.again(input),
            8 => self.bytes(input),
            _ => {
                let seconds = input.of(&WAITS);
                self.router.wait(seconds);
                // The sweeper's timer, which may be late.
                if input.chance(128) {
                    self.router.tables.sweep(self.router.now);
                }
                return;
            }
        };
        if input.chance(48) {
            patch(input, &mut packet);
        }
        remember(&mut self.sent, (hook, packet.clone()));
        let passed = self.run(hook, packet);
        // An answer changes the state of the flow, so it is sent only now and then.
        if let Ok(passed) = passed
            && input.chance(128)
        {
            reply::answer_returns(self, &passed);
            reply::error_returns(self, &passed);
        }
    }

    /// Checks the tables of the lab; returns the counts.
    pub(super) fn finish(self) -> Report {
        check::inside_names(&self.router);
        check::mappings(&self.router);
        check::usage(&self.router);
        self.report
    }

    fn a_namespace_sends(&mut self, input: &mut Input<'_>) -> (Hook, VecPacket) {
        let own = input.of(&[address::RED, address::BLUE]);
        let source = if input.chance(12) { anybody(input) } else { own };
        let destination = somebody(input, address::FAR);
        let packet = datagram(input, source, destination);
        (Hook::FromNamespace, self.cable_frame(own == address::RED, &packet))
    }

    fn the_outside_sends(&mut self, input: &mut Input<'_>) -> (Hook, VecPacket) {
        let source = somebody(input, address::FAR);
        let destination = if input.chance(24) { anybody(input) } else { address::HOST };
        let packet = datagram(input, source, destination);
        (Hook::FromUplink, self.uplink_frame(&packet))
    }

    fn answer(&mut self, input: &mut Input<'_>) -> (Hook, VecPacket) {
        let passed = choose(input, &self.passed).cloned();
        let answered = passed
            .and_then(|passed| Datagram::answer_to(&passed.after).map(|answer| (passed, answer)));
        let Some((passed, answer)) = answered else { return self.a_namespace_sends(input) };
        let payload = input.of(&PAYLOADS);
        let answer = header(input, answer.payload(payload));
        let answer = if input.chance(64) { answer.tcp_flags(input.of(&TCP_FLAGS)) } else { answer };
        self.back(&passed, &answer)
    }

    fn error(&mut self, input: &mut Input<'_>) -> (Hook, VecPacket) {
        let Some(passed) = choose(input, &self.passed).cloned() else {
            return self.the_outside_sends(input);
        };
        let Some(receiver) = address_at(&passed.after, DESTINATION) else {
            return self.the_outside_sends(input);
        };
        let by = if input.chance(96) { anybody(input) } else { receiver };
        let about = if input.chance(16) { &passed.before } else { &passed.after };
        let to = address_at(about, SOURCE).unwrap_or(address::HOST);
        let kind = input.of(&ERRORS);
        let error = ipv4(by, to).error(kind, input.byte() % 16, about, input.of(&QUOTED));
        let error = header(input, error);
        self.back(&passed, &error)
    }

    fn again(&mut self, input: &mut Input<'_>) -> (Hook, VecPacket) {
        let Some((hook, packet)) = choose(input, &self.sent).cloned() else {
            return self.a_namespace_sends(input);
        };
        if hook == Hook::FromNamespace && input.chance(64) {
            return (Hook::ToUplink, self.forwarded(&packet));
        }
        (hook, packet)
    }

    /// A frame that is nothing but bytes of the input.
    fn bytes(&mut self, input: &mut Input<'_>) -> (Hook, VecPacket) {
        let hook = input.of(&[Hook::FromNamespace, Hook::FromUplink, Hook::ToUplink]);
        let link = match hook {
            Hook::FromNamespace => self.places.red_port,
            Hook::FromUplink | Hook::ToUplink | Hook::FromReassembler => self.places.uplink.index,
        };
        let mut bytes = [[2; 12].as_slice(), &[0x08, 0x00]].concat();
        let is_begun = input.chance(128);
        let length = usize::from(input.byte());
        bytes.truncate(if is_begun { bytes.len() } else { 0 });
        bytes.extend(input.take(length));
        let mut packet = VecPacket::new(bytes, link);
        packet.from_host = input.chance(64);
        (hook, packet)
    }
}

/// One of those that are remembered, the newest first.
fn choose<'a, T>(input: &mut Input<'_>, memory: &'a [T]) -> Option<&'a T> {
    let back = usize::from(input.byte()).checked_rem(memory.len())?;
    memory.get(memory.len() - 1 - back)
}

fn datagram(input: &mut Input<'_>, source: Ip4, destination: Ip4) -> Datagram {
    let packet = ipv4(source, destination).payload(input.of(&PAYLOADS));
    let kind = input.byte() % 10;
    let (from, to) = (input.of_or_any(&PORTS), input.of_or_any(&PORTS));
    let packet = match kind {
        0 | 1 => packet.tcp(from, to, input.of(&TCP_FLAGS)),
        2 | 3 => packet.udp(from, to),
        4 => packet.udp_without_checksum(from, to),
        5 => packet.echo_request(from),
        6 => packet.icmp(input.of(&[0, 3, 11, 12, 13, 5, 4]), input.byte() % 16, [0; 4]),
        7 => packet.protocol(input.of(&PROTOCOLS)),
        8 => packet.sctp(from, to, input.of(&CHUNKS)),
        _ => packet.udp_lite(from, to, u16::from(input.byte() % 20)),
    };
    header(input, packet)
}

/// Now and then something unusual in the IPv4 header.
fn header(input: &mut Input<'_>, packet: Datagram) -> Datagram {
    match u8::MAX - input.byte() {
        0..=7 => packet.fragment(0, true),
        8..=15 => packet.fragment(input.word() & 0x1fff, input.chance(128)),
        16..=31 => packet.dont_fragment(),
        32..=39 => packet.ttl(input.of(&[0, 1, 2, 255])),
        40..=47 => packet.options(input.byte() % 11),
        _ => packet,
    }
}

fn somebody(input: &mut Input<'_>, usual: Ip4) -> Ip4 {
    if input.chance(160) { anybody(input) } else { usual }
}

fn anybody(input: &mut Input<'_>) -> Ip4 {
    let known = [
        address::LAN,
        address::HOST,
        address::RED,
        address::BLUE,
        address::BRIDGE,
        address::FAR,
        Ip4::new(192, 168, 15, 77),
        Ip4::BROADCAST,
        Ip4::UNSPECIFIED,
        Ip4::new(127, 0, 0, 1),
        Ip4::new(224, 0, 0, 251),
        Ip4::new(192, 168, 15, 255),
        Ip4::new(192, 168, 1, 255),
    ];
    if input.chance(16) {
        let [a, b] = input.word().to_be_bytes();
        let [c, d] = input.word().to_be_bytes();
        return Ip4::new(a, b, c, d);
    }
    input.of(&known)
}

/// Overwrites, cuts or lengthens.
fn patch(input: &mut Input<'_>, packet: &mut VecPacket) {
    let frame = packet.bytes_mut();
    for _ in 0..=input.byte() % 4 {
        let at = 14 + usize::from(input.byte() % 96);
        match input.byte() % 8 {
            0 => frame.truncate(at),
            1 => frame.resize(frame.len() + at, 0),
            2 => {
                if let Some(byte) = frame.get_mut(at) {
                    *byte ^= 1 << (input.byte() % 8);
                }
            }
            _ => {
                if let Some(byte) = frame.get_mut(at) {
                    *byte = input.byte();
                }
            }
        }
    }
    if !input.chance(64) {
        packet.mend_header();
    }
}
