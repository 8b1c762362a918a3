//! The checksum of SCTP.

/// The CRC32c of an SCTP packet with a checksum field of zero (RFC 9260 appendix A). The packet
/// holds it in little-endian order.
pub(crate) fn crc32c_of(packet: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for (at, byte) in packet.iter().enumerate() {
        crc ^= u32::from(if (8..12).contains(&at) { 0 } else { *byte });
        for _ in 0..8 {
            crc = if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ 0x82f6_3b78 };
        }
    }
    !crc
}
