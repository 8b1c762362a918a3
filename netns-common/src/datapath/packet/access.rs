//! Access to the bytes and the metadata of one packet, as a trait.

/// A type that any bytes of its size are a valid value of, and that has no padding.
///
/// # Safety
/// Implementors promise just that: the kernel side reads them straight from the packet.
pub unsafe trait Plain: Copy {}

// SAFETY: integers and arrays of bytes have no padding and no invalid bit patterns.
unsafe impl Plain for u8 {}

// SAFETY: as above.
unsafe impl Plain for u16 {}

// SAFETY: as above.
unsafe impl Plain for u32 {}

// SAFETY: as above.
unsafe impl<const N: usize> Plain for [u8; N] {}

/// The headers of an ICMP error: IPv4 and ICMP.
pub const ENVELOPE: usize = 28;

/// An IPv4 header and the eight bytes that every error holds (RFC 792).
pub const LEAST_QUOTED: usize = 28;

/// As much of a packet as an error of 576 bytes has room for (RFC 1812 section 4.3.2.3).
pub const MOST_QUOTED: usize = 576 - ENVELOPE;

/// An Ethernet frame. Offsets count from its first byte.
pub trait Packet {
    /// Length of the frame in bytes; of a GSO packet, the whole of it.
    fn length(&self) -> u32;

    /// The link it came in by (ingress) or goes out by (egress).
    fn link(&self) -> u32;

    /// Whether it carries the tag of a VLAN outside its bytes. A priority tag (VLAN 0) is
    /// none: the stack takes it off and goes on as without.
    fn is_tagged(&self) -> bool;

    /// At an egress hook: the link that it came in by; 0 if a socket of the host made it.
    fn ingress_link(&self) -> u32;

    /// Its mark, by which rules of policy routing may tell it from others; 0: none.
    fn mark(&self) -> u32;

    /// Where a checksum is yet to be written (`CHECKSUM_PARTIAL`): the offset of the first byte
    /// that it covers, and from there that of its field. `None` if none is, or that cannot be
    /// known. `partial`: [`Settings::checksum_partial`].
    fn pending_checksum(&self, partial: u8) -> Option<(u32, u32)>;

    /// How many packets it becomes when it is sent: more than 1 with segmentation offload.
    /// May be 0 for one.
    fn segments(&self) -> u32;

    /// Whether it, or each of its segments, is larger than the MTU of `link`.
    fn exceeds_mtu(&self, link: u32) -> bool;

    /// The MTU of a link, in bytes of IP.
    fn mtu(&self, link: u32) -> u32;

    /// The ones' complement sum of `length` bytes from an even `offset` on, folded to 16 bits:
    /// 0xffff where a right checksum is among them (RFC 1071). `None` if the frame is shorter.
    fn sum(&self, offset: usize, length: usize) -> Option<u16>;

    /// Makes the packet the content of another: puts [`ENVELOPE`] bytes between the Ethernet
    /// header and the packet, and cuts the packet after `length` bytes, at least
    /// [`LEAST_QUOTED`] and at most [`MOST_QUOTED`]. The frame has no offloads afterwards.
    /// `None` leaves it unusable: it must then be dropped.
    fn enclose(&mut self, length: usize) -> Option<()>;

    /// Reads at a constant offset within the first 54 bytes.
    fn load<T: Plain>(&self, offset: usize) -> Option<T>;

    /// Reads at any offset.
    fn load_at<T: Plain>(&self, offset: usize) -> Option<T>;

    /// Writes at a constant offset within the first 54 bytes.
    fn store<T: Plain>(&mut self, offset: usize, value: T) -> Option<()>;

    /// Writes at any offset. Bytes read earlier stay valid, pointers do not.
    fn store_at<T: Plain>(&mut self, offset: usize, value: T) -> Option<()>;

    /// Adds `diff` to the transport checksum at `offset`.
    ///
    /// `pseudo_header`: the change is in the pseudo-header, so a checksum that hardware will
    /// complete must absorb it too. `zero_is_none`: a checksum of 0 means none (UDP) and
    /// stays 0, and a computed 0 becomes 0xffff (RFC 768).
    fn update_l4_checksum(
        &mut self,
        offset: usize,
        diff: u32,
        pseudo_header: bool,
        zero_is_none: bool,
    ) -> Option<()>;
}
