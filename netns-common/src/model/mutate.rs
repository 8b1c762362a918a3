//! Changes of a frame that no honest sender makes.

use std::vec::Vec;

use super::{
    packet::{ETHERNET, VecPacket},
    random::Random,
};

/// The fields that decisions depend on: offset in the frame and length in bytes, for a packet
/// without options.
const FIELDS: [(usize, usize); 32] = [
    (0, 2),  // Ethernet destination
    (6, 2),  // Ethernet source
    (12, 2), // EtherType
    (14, 1), // version, header length
    (15, 1), // DSCP, ECN
    (16, 2), // total length
    (18, 2), // identification
    (20, 2), // flags, fragment offset
    (22, 1), // time to live
    (23, 1), // protocol
    (24, 2), // header checksum
    (26, 4), // source
    (30, 4), // destination
    (34, 2), // source port; type and code
    (36, 2), // destination port; checksum of ICMP
    (38, 2), // length of UDP; identifier of an echo
    (38, 4), // sequence number of TCP; pointer and MTU of ICMP errors
    (40, 2), // checksum of UDP
    (42, 4), // acknowledgement number
    (46, 1), // data offset of TCP
    (47, 1), // flags of TCP
    (48, 2), // window
    (50, 2), // checksum of TCP
    (54, 2), // first option of TCP
    // The quotation of an ICMP error.
    (42, 1), // version, header length
    (44, 2), // total length
    (48, 2), // flags, fragment offset
    (51, 1), // protocol
    (54, 4), // source
    (58, 4), // destination
    (62, 2), // source port
    (64, 2), // destination port
];

/// Boundary values of comparisons.
const BOUNDARIES: [u32; 20] = [
    0,
    1,
    2,
    4,
    5,
    7,
    8,
    19,
    20,
    0x45,
    0x4f,
    0x7f,
    0x80,
    0xff,
    0x1fff,
    0x2000,
    0x3fff,
    0x8000,
    0xffff,
    u32::MAX,
];

/// Where an IPv4 header without options ends.
const IP_END: usize = ETHERNET + 20;

/// Changes a frame in one to four ways, and in half of the cases makes the IPv4 header's
/// checksum right again, so that it does not hide what the rest would do.
pub(super) fn mutate(random: &mut Random, packet: &mut VecPacket) {
    for _ in 0..=random.below(4) {
        mutate_once(random, packet.bytes_mut());
    }
    if random.one_in(2) {
        packet.mend_header();
    }
}

fn mutate_once(random: &mut Random, frame: &mut Vec<u8>) {
    let value = random.u8();
    // Mostly headers: the datapath does not read the payload.
    let reach = frame.len().min(ETHERNET + 90);
    match random.below(10) {
        0..=2 => {
            let at = random.below(reach);
            frame[at] ^= 1 << random.below(8);
        }
        3 => {
            let at = random.below(reach);
            frame[at] = value;
        }
        4..=6 => {
            let (at, width) = random.of(&FIELDS);
            let boundary = random.of(&BOUNDARIES);
            write(frame, at, width, boundary);
        }
        7 => {
            // Lengths close to the true one.
            let (at, before) = random.of(&[(16, ETHERNET), (38, IP_END), (44, IP_END + 8)]);
            let length = frame.len().saturating_sub(before) + random.below(5);
            write(frame, at, 2, u32::try_from(length).unwrap_or(0).saturating_sub(2));
        }
        // The kernel tests no program with less than an IPv4 header.
        8 => frame.truncate(IP_END + random.below(70)),
        _ => frame.resize(frame.len() + 1 + random.below(60), value),
    }
}

/// Writes the low bytes of a number in network order, where the frame has room for them.
fn write(frame: &mut [u8], at: usize, width: usize, value: u32) {
    if let Some(field) = frame.get_mut(at..at + width) {
        field.copy_from_slice(&value.to_be_bytes()[4 - width..]);
    }
}
