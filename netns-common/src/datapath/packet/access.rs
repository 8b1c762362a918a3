//! Access to the bytes and the metadata of one packet, as a trait.

/// A type for which all bytes of its size are a valid value, and which has no padding.
///
/// # Safety
/// Implementors guarantee this: the kernel side reads such values directly from the packet.
pub unsafe trait Plain: Copy {}

// SAFETY: integers and arrays of bytes have no padding and no invalid bit patterns.
unsafe impl Plain for u8 {}

// SAFETY: as above.
unsafe impl Plain for u16 {}

// SAFETY: as above.
unsafe impl Plain for u32 {}

// SAFETY: as above.
unsafe impl<const N: usize> Plain for [u8; N] {}

/// Bytes of the headers of an ICMP error: IPv4 and ICMP.
pub const ENVELOPE: usize = 28;

/// Bytes of an IPv4 header and of the eight bytes after it that every error quotes (RFC 792).
pub const LEAST_QUOTED: usize = 28;

/// The most bytes of a packet that an error of 576 bytes can quote (RFC 1812 section 4.3.2.3).
pub const MOST_QUOTED: usize = 576 - ENVELOPE;

/// An Ethernet frame. Offsets count from its first byte.
pub trait Packet {
    /// Length of the frame in bytes; for a GSO packet, of all its segments together.
    fn length(&self) -> u32;

    /// Index of the link: the ingress link at ingress hooks, the egress link at egress hooks.
    fn link(&self) -> u32;

    /// Whether it has a VLAN tag outside its bytes. A priority tag (VLAN 0) does not count: the
    /// stack removes and ignores it.
    fn is_tagged(&self) -> bool;

    /// At an egress hook: index of the ingress link; 0 if a socket of the host sent the packet.
    fn ingress_link(&self) -> u32;

    /// Its mark, which routing rules may match; 0: none.
    fn mark(&self) -> u32;

    /// The pending checksum (`CHECKSUM_PARTIAL`): the offset of the first byte that it covers, and
    /// the offset of its field from there. `None` if none is pending, or if programs cannot read
    /// it. `partial`: [`Settings::checksum_partial`](crate::abi::Settings::checksum_partial).
    fn pending_checksum(&self, partial: u8) -> Option<(u32, u32)>;

    /// How many packets it becomes when it is sent: more than 1 with segmentation offload. 0 may
    /// stand for 1.
    fn segments(&self) -> u32;

    /// Whether it, or each of its segments, is larger than the MTU of `link`.
    fn exceeds_mtu(&self, link: u32) -> bool;

    /// The MTU of a link, in bytes of IP.
    fn mtu(&self, link: u32) -> u32;

    /// The ones' complement sum of `length` bytes from an even `offset` on, folded to 16 bits:
    /// 0xffff if a correct checksum is among them (RFC 1071). `None` if the frame is shorter.
    fn sum(&self, offset: usize, length: usize) -> Option<u16>;

    /// Turns the packet into the content of another: inserts [`ENVELOPE`] bytes between the
    /// Ethernet header and the packet, and cuts the packet after `length` bytes, at least
    /// [`LEAST_QUOTED`] and at most [`MOST_QUOTED`]. The frame has no offloads afterwards. After
    /// `None` it is unusable and must be dropped.
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
