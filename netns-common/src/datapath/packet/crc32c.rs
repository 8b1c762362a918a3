//! The checksum of SCTP (RFC 9260 appendix A), updated without reading the packet.
//!
//! A CRC is linear: the checksums of two messages of the same length differ by the CRC of their
//! difference, started at 0. A translation changes only the two ports, the first four bytes. So the
//! difference is a polynomial of 32 bits times a power of x that depends only on the length.
//! Addresses are not covered: SCTP has no pseudo-header.
//!
//! Polynomials over GF(2) have the bit order of the CRC: the highest bit is x^0.

/// The Castagnoli polynomial without its x^32.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// x^0.
const ONE: u32 = 1 << 31;

/// A length in bytes has four digits in base 16, and the table has the power of x for each digit:
/// the shift by that many bytes. Three multiplications combine them for any length below 64 KiB.
static SHIFTS: [u32; DIGITS * BASE] = shifts();

const DIGITS: usize = 4;

const BASE: usize = 16;

const fn shifts() -> [u32; DIGITS * BASE] {
    let mut table = [ONE; DIGITS * BASE];
    // x^8, then x^(8 * 16), and so on.
    let mut unit = ONE >> 8;
    let mut digit = 0;
    while digit < DIGITS {
        let mut value = 1;
        while value < BASE {
            table[digit * BASE + value] = multiply(table[digit * BASE + value - 1], unit);
            value += 1;
        }
        unit = multiply(table[digit * BASE + BASE - 1], unit);
        digit += 1;
    }
    table
}

/// The product modulo the polynomial, computed without branches.
const fn multiply(mut a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut bit = 0;
    while bit < u32::BITS {
        product ^= b & (a >> 31).wrapping_neg();
        a <<= 1;
        b = (b >> 1) ^ (POLYNOMIAL & (b & 1).wrapping_neg());
        bit += 1;
    }
    product
}

/// x to the power of eight times `length`: the factor of a shift by that many bytes. The length is
/// taken modulo 64 KiB.
#[inline(always)]
fn shift(length: u32) -> u32 {
    let digit = |place: usize| {
        let value = (length >> (4 * place)) as usize % BASE;
        SHIFTS[place * BASE + value]
    };
    let low = crc32c_product(digit(0), digit(1));
    let high = crc32c_product(digit(2), digit(3));
    crc32c_product(low, high)
}

/// [`multiply`] as one function instead of four copies of its loop. In a program of the kernel it
/// is a global function, which the verifier checks once.
#[cfg_attr(target_arch = "bpf", unsafe(no_mangle))]
#[inline(never)]
extern "C" fn crc32c_product(a: u32, b: u32) -> u32 {
    multiply(a, b)
}

/// The checksum field after the first four bytes of an SCTP packet have changed.
///
/// All words are in little-endian order, as the field is (RFC 9260 appendix A); `length` is the
/// length of the packet in bytes, from its first port to the end of its last chunk.
///
/// A field of 0 stays 0: hardware computes the checksum, or the sender omits it (RFC 9653).
#[inline(always)]
pub(crate) fn update(field: u32, old: u32, new: u32, length: u32) -> u32 {
    if field == 0 {
        return 0;
    }
    field ^ crc32c_product(old ^ new, shift(length))
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::model::crc32c;

    #[test]
    fn one_is_neutral_and_multiplication_commutes() {
        for word in [1, 0xdead_beef, ONE, u32::MAX] {
            assert_eq!(multiply(word, ONE), word);
            assert_eq!(multiply(word, 0x1234_5678), multiply(0x1234_5678, word));
        }
    }

    proptest! {
        #[test]
        fn rfc9260_an_incremental_update_equals_a_full_recomputation(
            mut packet in prop::collection::vec(any::<u8>(), 12..4096),
            ports: [u8; 4],
        ) {
            packet[8..12].fill(0);
            let before = crc32c(&packet);
            let old = u32::from_le_bytes([packet[0], packet[1], packet[2], packet[3]]);
            packet[..4].copy_from_slice(&ports);
            let length = u32::try_from(packet.len()).unwrap();
            prop_assume!(before != 0);
            let after = update(before, old, u32::from_le_bytes(ports), length);
            prop_assert_eq!(after, crc32c(&packet));
        }
    }

    #[test]
    fn the_longest_packet_too() {
        for length in [12_usize, 255, 256, 4095, 4096, 65_515] {
            let mut packet: Vec<u8> = (0..length).map(|at| (at * 31) as u8).collect();
            packet[8..12].fill(0);
            let before = crc32c(&packet);
            let old = u32::from_le_bytes([packet[0], packet[1], packet[2], packet[3]]);
            packet[..4].copy_from_slice(&[0xab, 0xcd, 0xef, 0x01]);
            let length = u32::try_from(length).unwrap();
            assert_eq!(update(before, old, 0x01ef_cdab, length), crc32c(&packet));
        }
    }

    #[test]
    fn rfc9653_a_checksum_of_none_stays_none() {
        assert_eq!(update(0, 1, 2, 100), 0);
    }
}
