//! Edits packets of the model's builder field by field and updates their checksums.

use netns_common::{
    abi::Ip4,
    model::{Datagram, checksum, ipv4},
};

/// The IP ID of every packet of the model's builder.
pub(crate) const ID: u16 = 0x1234;

const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP: u8 = 1;

/// An IPv4 packet without a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ip(pub Vec<u8>);

impl From<Datagram> for Ip {
    fn from(datagram: Datagram) -> Self {
        Self(datagram.bytes())
    }
}

/// A TCP segment: addresses, ports, flags, sequence number and acknowledgement.
pub(crate) fn segment(
    (source, source_port): (Ip4, u16),
    (destination, destination_port): (Ip4, u16),
    flags: u8,
    (sequence, acknowledgement): (u32, u32),
    payload: usize,
) -> Ip {
    let tcp = ipv4(source, destination).tcp(source_port, destination_port, flags);
    Ip::from(tcp.payload(payload)).numbers(sequence, acknowledgement)
}

impl Ip {
    /// Offset of the transport header.
    pub(crate) fn l4(&self) -> usize {
        usize::from(self.0[0] & 0x0f) * 4
    }

    fn word(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.0[at], self.0[at + 1]])
    }

    pub(crate) fn source_port(&self) -> u16 {
        self.word(self.l4())
    }

    /// The identifier of an echo.
    pub(crate) fn identifier(&self) -> u16 {
        self.word(self.l4() + 4)
    }

    /// Writes bytes at an offset and updates the checksums.
    pub(crate) fn with(self, at: usize, bytes: &[u8]) -> Self {
        self.damaged(at, bytes).summed()
    }

    /// Writes bytes at an offset without updating the checksums.
    pub(crate) fn damaged(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// DSCP and ECN, in one byte (RFC 2474, RFC 3168).
    pub(crate) fn tos(self, tos: u8) -> Self {
        self.with(1, &[tos])
    }

    pub(crate) fn id(self, id: u16) -> Self {
        self.with(4, &id.to_be_bytes())
    }

    /// IP options; their length is a multiple of four.
    pub(crate) fn ip_options(mut self, options: &[u8]) -> Self {
        let at = self.l4();
        self.0.splice(at..at, options.iter().copied());
        self.0[0] += u8::try_from(options.len() / 4).expect("at most ten words");
        self.lengthened()
    }

    pub(crate) fn numbers(self, sequence: u32, acknowledgement: u32) -> Self {
        let at = self.l4() + 4;
        self.with(at, &[sequence.to_be_bytes(), acknowledgement.to_be_bytes()].concat())
    }

    /// TCP options; their length is a multiple of four.
    pub(crate) fn tcp_options(mut self, options: &[u8]) -> Self {
        let at = self.l4();
        self.0.splice(at + 20..at + 20, options.iter().copied());
        self.0[at + 12] += u8::try_from(options.len() / 4).expect("at most ten words") << 4;
        self.lengthened()
    }

    /// Appends bytes.
    pub(crate) fn then(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self.lengthened()
    }

    fn lengthened(self) -> Self {
        let total = u16::try_from(self.0.len()).expect("a packet's length");
        self.with(2, &total.to_be_bytes())
    }

    /// A wrong checksum of TCP, UDP or ICMP.
    pub(crate) fn wrong_checksum(self) -> Self {
        let at = self.l4()
            + match self.0[9] {
                TCP => 16,
                UDP => 6,
                _ => 2,
            };
        let wrong = self.word(at) ^ 0x5555;
        self.damaged(at, &wrong.to_be_bytes())
    }

    /// Computes the checksums of the IP header and, unless it is a fragment, of TCP, UDP and ICMP.
    fn summed(mut self) -> Self {
        let l4 = self.l4().min(self.0.len());
        self.0[10..12].fill(0);
        let sum = checksum(&self.0[..l4]).to_be_bytes();
        self.0[10..12].copy_from_slice(&sum);
        if self.word(6) & 0x3fff != 0 {
            return self;
        }
        let at = match self.0[9] {
            // A truncated packet has no checksum.
            _ if self.0.len() < l4 + 8 => return self,
            TCP => l4 + 16,
            UDP if self.word(l4 + 6) != 0 => l4 + 6,
            ICMP => l4 + 2,
            _ => return self,
        };
        let pseudo = if self.0[9] == ICMP { Vec::new() } else { self.pseudo_header() };
        if self.0[9] == UDP {
            let length = u16::try_from(self.0.len() - l4).expect("a packet's length");
            self.0[l4 + 4..l4 + 6].copy_from_slice(&length.to_be_bytes());
        }
        self.0[at..at + 2].fill(0);
        let sum = checksum(&[&pseudo[..], &self.0[l4..]].concat());
        let sum = if sum == 0 && self.0[9] == UDP { 0xffff } else { sum };
        self.0[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        self
    }

    fn pseudo_header(&self) -> Vec<u8> {
        let length = u16::try_from(self.0.len() - self.l4()).expect("a packet's length");
        [&self.0[12..20], &[0, self.0[9]], &length.to_be_bytes()].concat()
    }

    /// Splits the packet into fragments of at most `size` bytes, a multiple of eight (RFC 791).
    pub(crate) fn fragments(&self, size: usize) -> Vec<Self> {
        let l4 = self.l4();
        let (header, body) = self.0.split_at(l4);
        let count = body.len().div_ceil(size);
        let fragment = |(number, part): (usize, &[u8])| {
            let more = u16::from(number + 1 < count) << 13;
            let offset = u16::try_from(number * size / 8).expect("an offset");
            let fragment = Self([header, part].concat());
            fragment.damaged(6, &(more | offset).to_be_bytes()).lengthened()
        };
        body.chunks(size).enumerate().map(fragment).collect()
    }

    /// An ICMP error from `from` to `to` that quotes this many bytes after this packet's IP header.
    pub(crate) fn error(
        &self,
        (from, to): (Ip4, Ip4),
        (kind, code): (u8, u8),
        rest: [u8; 4],
        quoted: usize,
    ) -> Self {
        let end = self.0.len().min(self.l4() + quoted);
        Self::from(ipv4(from, to).icmp(kind, code, rest)).then(&self.0[..end])
    }
}
