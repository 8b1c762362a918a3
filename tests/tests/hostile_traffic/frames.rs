//! The frames of a hostile sender: random IPv4 packets and fragments, IPv6, ARP and noise. Some are
//! behind VLAN tags, some are damaged, truncated or padded.

use netns_common::{
    abi::{Ip4, Mac},
    model::{Datagram, Random, checksum, flags, ipv4, split},
};

/// The type of service of IPv4 packets from outside that have an inside address. No other sender
/// sets it. It shows that such a packet came in or was answered: answers copy it.
pub(crate) const MARK: u8 = 0xfc;

/// The length of an Ethernet header, and that of the longest frame without tags.
const ETHERNET: usize = 14;
const LONGEST: usize = 1514;

/// Few different values, so that packets of different senders belong to one flow or datagram.
const PORTS: [u16; 10] = [40_000, 40_001, 40_002, 40_003, 53, 80, 7000, 0, 7, 65_535];
const IDS: [u16; 8] = [0, 1, 2, 3, 4, 5, 6, 0xffff];
const TCP_FLAGS: [u8; 6] = [
    flags::SYN,
    flags::ACK,
    flags::SYN | flags::ACK,
    flags::FIN | flags::ACK,
    flags::RST,
    flags::RST | flags::ACK,
];
const PAYLOADS: [usize; 9] = [0, 0, 0, 1, 8, 24, 64, 512, 1400];
const PROTOCOLS: [u8; 7] = [47, 50, 2, 0, 4, 253, 255];
/// Offsets of fragments, in units of eight bytes: adjacent, overlapping, far away and too far.
const OFFSETS: [u16; 8] = [0, 0, 1, 1, 2, 3, 8, 0x1fff];
/// Record route, source routes loose and strict, and a stray length.
const OPTIONS: [&[u8]; 4] =
    [&[7, 7, 4, 0, 0, 0, 0], &[131, 7, 4, 8, 8, 4, 4], &[137, 7, 4, 8, 8, 4, 4], &[200, 99]];
/// Types of ICMP errors.
const ICMP_ERRORS: [u8; 5] = [3, 3, 11, 12, 5];

const GROUPS: [Mac; 4] =
    [[0x01, 0, 0x5e, 0, 0, 0xfb], [0x33, 0x33, 0, 0, 0, 1], [0x33, 0x33, 0, 0, 0, 2], [0xff; 6]];

/// The Ethernet addresses that a sender knows.
#[derive(Clone, Debug)]
pub(crate) struct Macs {
    pub own: Mac,
    /// The router's interface in the sender's network.
    pub router: Mac,
    /// All interfaces of the router and of the sender's neighbours.
    pub others: Vec<Mac>,
}

/// A generator of frames.
#[derive(Debug)]
pub(crate) struct Frames {
    pub random: Random,
    pub sources: &'static [Ip4],
    pub destinations: &'static [Ip4],
    /// Whether packets with an inside address, and all of IPv6, get the [`MARK`].
    pub marks: bool,
    /// Fragments of one datagram that are not sent yet.
    pub pieces: Vec<Vec<u8>>,
}

impl Frames {
    /// The next frame, of at least 14 bytes.
    pub(crate) fn next(&mut self, macs: &Macs) -> Vec<u8> {
        let mut frame = match self.random.below(24) {
            0 => self.ipv6(macs),
            1 => self.arp(macs),
            2 => {
                let mut frame = self.ethernet(macs);
                frame.extend(self.random.of(&[
                    [0x88, 0xb5],
                    [0x08, 0x00],
                    [0, 0x40],
                    [0xff, 0xff],
                ]));
                frame
            }
            3 => self.pieces(macs),
            4..=9 if !self.pieces.is_empty() => self.pieces.swap_remove(0),
            _ => {
                self.datagram().frame(self.source_mac(macs), self.target(macs), 0).bytes().to_vec()
            }
        };
        if self.random.one_in(10) {
            let at = ETHERNET + self.random.below(60);
            frame.get_mut(at).into_iter().for_each(|byte| *byte ^= 0x55);
        }
        if self.random.one_in(16) {
            frame.resize(ETHERNET + self.random.below(LONGEST - ETHERNET + 1), 0);
        }
        if self.random.one_in(6) {
            for _ in 0..=self.random.below(2) {
                let [a, b] = self.random.of(&[[0x81, 0x00], [0x81, 0x00], [0x88, 0xa8]]);
                let [c, d] = self.random.of(&[[0, 0], [0, 0], [0, 0], [0x20, 0], [0, 1]]);
                frame.splice(12..12, [a, b, c, d]);
            }
        }
        frame
    }

    fn source_mac(&mut self, macs: &Macs) -> Mac {
        if self.random.one_in(24) { self.random.of(&macs.others) } else { macs.own }
    }

    fn target(&mut self, macs: &Macs) -> Mac {
        match self.random.below(8) {
            0 => self.random.of(&GROUPS),
            1 => self.random.of(&macs.others),
            _ => macs.router,
        }
    }

    /// Both addresses of a frame.
    fn ethernet(&mut self, macs: &Macs) -> Vec<u8> {
        [self.target(macs), self.source_mac(macs)].concat()
    }

    fn port(&mut self) -> u16 {
        if self.random.one_in(8) { self.random.u16() } else { self.random.of(&PORTS) }
    }

    fn datagram(&mut self) -> Datagram {
        let (from, to) = (self.random.of(self.sources), self.random.of(self.destinations));
        let ports = [self.port(), self.port()];
        let packet = ipv4(from, to).payload(self.random.of(&PAYLOADS)).id(self.random.of(&IDS));
        let packet = match self.random.below(12) {
            0..=2 => packet.tcp(ports[0], ports[1], self.random.of(&TCP_FLAGS)),
            3..=5 => packet.udp(ports[0], ports[1]),
            6 => packet.udp_without_checksum(ports[0], ports[1]),
            7 => packet.echo_request(ports[0]),
            8 => packet.echo_reply(ports[0]),
            9 => {
                let about = ipv4(to, from).udp(ports[1], ports[0]).frame([2; 6], [2; 6], 0);
                let kind = self.random.of(&ICMP_ERRORS);
                packet.error(kind, self.random.u8() % 16, &about, self.random.of(&[8, 8, 28, 4]))
            }
            10 if self.random.one_in(2) => packet.udp_lite(ports[0], ports[1], 8),
            10 => packet.sctp(ports[0], ports[1], 1),
            _ => packet.protocol(self.random.of(&PROTOCOLS)),
        };
        let packet = match self.random.below(16) {
            0 | 1 => packet.ttl(self.random.of(&[0, 1, 1, 2, 255])),
            2 => packet.options(self.random.of(&[1, 10])),
            3 => packet.raw_options(self.random.of(&OPTIONS)),
            4..=7 => packet.dont_fragment(),
            8..=10 => packet.fragment(self.random.of(&OFFSETS), self.random.one_in(2)),
            _ => packet,
        };
        let is_inside = |address: Ip4| address.first_octet() == 10;
        let is_marked = self.marks && (is_inside(from) || is_inside(to));
        if is_marked { packet.service(MARK) } else { packet }
    }

    /// One of the fragments of a datagram. The others follow: one is missing, one is there twice.
    fn pieces(&mut self, macs: &Macs) -> Vec<u8> {
        let whole = self.datagram().payload(600).frame(macs.own, self.target(macs), 0);
        let pieces = split(&whole, self.random.of(&[64, 256, 512]));
        self.pieces = pieces.iter().map(|piece| piece.bytes().to_vec()).collect();
        let (from, to) = (self.random.below(pieces.len()), self.random.below(pieces.len()));
        self.pieces[to] = pieces[from].bytes().to_vec();
        self.pieces.swap_remove(from)
    }

    /// A router advertisement, a neighbour solicitation or a packet of UDP.
    fn ipv6(&mut self, macs: &Macs) -> Vec<u8> {
        let local = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, self.random.u8()];
        let global = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
        let all = [0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, self.random.of(&[1, 2])];
        let (next, mut body) = match self.random.below(3) {
            0 => (58, vec![134, 0, 0, 0, 64, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]),
            1 => (58, [&[135, 0, 0, 0, 0, 0, 0, 0][..], &global].concat()),
            _ => (17, vec![0x9c, 0x40, 0, 53, 0, 16, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]),
        };
        let from = self.random.of(&[local, global]);
        let to = self.random.of(&[all, all, local, global]);
        let pseudo = [0, 0, 0, body.len() as u8, 0, 0, 0, next];
        let sum = checksum(&[&from[..], &to, &pseudo, &body].concat()).to_be_bytes();
        let at = if next == 58 { 2 } else { 6 };
        body[at..at + 2].copy_from_slice(&sum);
        // In the byte at the place of IPv4's type of service.
        let mark = if self.marks { MARK } else { 0 };
        let header = [0x86, 0xdd, 0x60, mark, 0, 0, 0, body.len() as u8, next, 255];
        [&self.ethernet(macs)[..], &header, &from, &to, &body].concat()
    }

    /// A request or an answer with any sender.
    fn arp(&mut self, macs: &Macs) -> Vec<u8> {
        let (claimed, sender) = (self.source_mac(macs), self.random.of(self.sources).octets());
        let asked = self.random.of(self.destinations).octets();
        let header = [0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, self.random.of(&[1, 2])];
        [&self.ethernet(macs)[..], &header, &claimed, &sender, &[0; 6], &asked].concat()
    }
}
