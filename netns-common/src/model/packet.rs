//! A frame in a vector.

use std::{rc::Rc, vec::Vec};

use super::checksums::checksum;
use crate::{
    abi::Mac,
    datapath::{ENVELOPE, LEAST_QUOTED, MOST_QUOTED, Packet, Plain, fold},
};

/// Length of an untagged Ethernet header.
pub(super) const ETHERNET: usize = 14;

/// The largest IP packet that each link carries, in bytes.
#[derive(Clone, Debug, Default)]
pub struct Mtus(Rc<[(u32, u32)]>);

impl Mtus {
    /// The default MTU of Ethernet links, in bytes of IP.
    pub const USUAL: u32 = 1500;

    /// The links that differ from [`Self::USUAL`], each with its MTU.
    pub fn new(unusual: &[(u32, u32)]) -> Self {
        Self(unusual.into())
    }

    /// The MTU of a link.
    pub fn of(&self, link: u32) -> u32 {
        let unusual = self.0.iter().find(|(index, _)| *index == link);
        unusual.map_or(Self::USUAL, |(_, mtu)| *mtu)
    }
}

/// An Ethernet frame, and what the kernel knows about it besides its bytes.
#[derive(Clone, Debug)]
pub struct VecPacket {
    bytes: Vec<u8>,
    link: u32,
    /// Carries a VLAN tag outside its bytes.
    pub tagged: bool,
    /// Was made by a socket of the host.
    pub from_host: bool,
    /// At an egress hook: the link that it came in by, unless it was made by a socket of the host.
    pub ingress: u32,
    pub mark: u32,
    /// The transport checksum holds the pseudo-header only, and hardware completes it
    /// (`CHECKSUM_PARTIAL`): so a veth hands over what a socket sent.
    pub partial_checksum: bool,
    /// The place of that checksum, in the form of [`Packet::pending_checksum`].
    pub pending_checksum: Option<(u32, u32)>,
    /// How many packets it is sent as (segmentation offload).
    pub segments: u32,
    pub mtus: Mtus,
}

impl VecPacket {
    /// `link` is the device that the frame came in by, or goes out by at an egress hook.
    pub fn new(bytes: Vec<u8>, link: u32) -> Self {
        Self {
            bytes,
            link,
            tagged: false,
            from_host: false,
            ingress: link,
            mark: 0,
            partial_checksum: false,
            pending_checksum: None,
            segments: 1,
            mtus: Mtus::default(),
        }
    }

    /// All bytes of the frame.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All bytes of the frame, to be damaged.
    pub fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The bytes after the Ethernet header; empty if the frame is shorter.
    pub fn network(&self) -> &[u8] {
        self.bytes.get(ETHERNET..).unwrap_or_default()
    }

    /// Makes the checksum of an IPv4 header right, as far as there is one.
    pub fn mend_header(&mut self) {
        let length = self.network().first().map_or(0, |byte| usize::from(byte & 0x0f) * 4);
        if let Some(header) = self.bytes.get_mut(ETHERNET..ETHERNET + length)
            && header.len() >= 20
        {
            header[10..12].fill(0);
            let sum = checksum(header).to_be_bytes();
            header[10..12].copy_from_slice(&sum);
        }
    }

    /// The Ethernet address that the frame is for.
    pub fn destination_mac(&self) -> Option<Mac> {
        self.load(0)
    }

    /// The Ethernet address that the frame is from.
    pub fn source_mac(&self) -> Option<Mac> {
        self.load(6)
    }

    fn range<T>(&self, offset: usize) -> Option<core::ops::Range<usize>> {
        let end = offset.checked_add(size_of::<T>())?;
        (end <= self.bytes.len()).then_some(offset..end)
    }
}

impl Packet for VecPacket {
    fn length(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    fn link(&self) -> u32 {
        self.link
    }

    fn is_tagged(&self) -> bool {
        self.tagged
    }

    fn mark(&self) -> u32 {
        self.mark
    }

    fn ingress_link(&self) -> u32 {
        if self.from_host { 0 } else { self.ingress }
    }

    fn pending_checksum(&self, partial: u8) -> Option<(u32, u32)> {
        self.pending_checksum.filter(|_| partial != 0)
    }

    fn segments(&self) -> u32 {
        self.segments
    }

    fn exceeds_mtu(&self, link: u32) -> bool {
        self.bytes.len() > ETHERNET + self.mtus.of(link) as usize
    }

    fn mtu(&self, link: u32) -> u32 {
        self.mtus.of(link)
    }

    fn sum(&self, offset: usize, length: usize) -> Option<u16> {
        let bytes = self.bytes.get(offset..offset.checked_add(length)?)?;
        Some(u16::from_be(!checksum(bytes)))
    }

    fn enclose(&mut self, length: usize) -> Option<()> {
        if !(LEAST_QUOTED..=MOST_QUOTED).contains(&length) || self.network().len() < length {
            return None;
        }
        self.bytes.truncate(ETHERNET + length);
        self.bytes.splice(ETHERNET..ETHERNET, [0; ENVELOPE]);
        self.partial_checksum = false;
        Some(())
    }

    fn load<T: Plain>(&self, offset: usize) -> Option<T> {
        let range = self.range::<T>(offset)?;
        // SAFETY: the range holds as many initialised bytes as T has, and any bytes are a
        // valid T; the read does not ask for alignment.
        Some(unsafe { self.bytes[range].as_ptr().cast::<T>().read_unaligned() })
    }

    fn load_at<T: Plain>(&self, offset: usize) -> Option<T> {
        self.load(offset)
    }

    fn store<T: Plain>(&mut self, offset: usize, value: T) -> Option<()> {
        let range = self.range::<T>(offset)?;
        // SAFETY: the range is as long as T, which has no padding: every byte that is
        // written is initialised; the write does not ask for alignment.
        unsafe { self.bytes[range].as_mut_ptr().cast::<T>().write_unaligned(value) };
        Some(())
    }

    fn store_at<T: Plain>(&mut self, offset: usize, value: T) -> Option<()> {
        self.store(offset, value)
    }

    /// As `bpf_l4_csum_replace` does with a size of 0 (net/core/filter.c and
    /// `inet_proto_csum_replace_by_diff` of net/core/utils.c, kernel 6.18).
    fn update_l4_checksum(
        &mut self,
        offset: usize,
        diff: u32,
        pseudo_header: bool,
        zero_is_none: bool,
    ) -> Option<()> {
        if offset > 0xffff || !offset.is_multiple_of(2) {
            return None;
        }
        let old: u16 = self.load(offset)?;
        if zero_is_none && old == 0 {
            return Some(());
        }
        let add = |a: u32, b: u32| {
            let (sum, carry) = a.overflowing_add(b);
            sum.wrapping_add(u32::from(carry))
        };
        let new = match (self.partial_checksum, pseudo_header) {
            (false, _) => fold(add(diff, !u32::from(old))),
            (true, true) => !fold(add(diff, u32::from(old))),
            (true, false) => old,
        };
        let new = if zero_is_none && new == 0 { 0xffff } else { new };
        self.store(offset, new)
    }
}
