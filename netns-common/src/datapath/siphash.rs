//! SipHash-1-3 (Aumasson, Bernstein 2012), a keyed hash.

/// SipHash-1-3 of two words: a keyed hash that does not reveal its key.
#[inline(always)]
pub(crate) fn siphash13(seed: [u64; 2], message: [u64; 2]) -> u64 {
    let mut v = [
        seed[0] ^ 0x736f_6d65_7073_6575,
        seed[1] ^ 0x646f_7261_6e64_6f6d,
        seed[0] ^ 0x6c79_6765_6e65_7261,
        seed[1] ^ 0x7465_6462_7974_6573,
    ];
    for word in message {
        v[3] ^= word;
        sip_round(&mut v);
        v[0] ^= word;
    }
    // The last block holds the length (16) in its top byte.
    let last = 16_u64 << 56;
    v[3] ^= last;
    sip_round(&mut v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(&mut v);
    sip_round(&mut v);
    sip_round(&mut v);
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

#[inline(always)]
const fn sip_round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}

#[cfg(test)]
mod tests {
    extern crate std;

    #[expect(
        deprecated,
        reason = "std's SipHash is the reference that the constants are checked by"
    )]
    use core::hash::{Hasher, SipHasher};

    use super::*;

    #[test]
    fn siphash_is_the_published_one_but_for_its_rounds() {
        // std's SipHasher is SipHash-2-4; with the rounds doubled, ours must agree with it.
        #[expect(deprecated, reason = "as above")]
        let mut reference = SipHasher::new_with_keys(1, 2);
        reference.write(&3_u64.to_le_bytes());
        reference.write(&4_u64.to_le_bytes());
        assert_eq!(siphash_rounds([1, 2], [3, 4], 2, 4), reference.finish());
        assert_eq!(siphash_rounds([1, 2], [3, 4], 1, 3), siphash13([1, 2], [3, 4]));
    }

    fn siphash_rounds(seed: [u64; 2], message: [u64; 2], compress: usize, finish: usize) -> u64 {
        let mut v = [
            seed[0] ^ u64::from_be_bytes(*b"somepseu"),
            seed[1] ^ u64::from_be_bytes(*b"dorandom"),
            seed[0] ^ u64::from_be_bytes(*b"lygenera"),
            seed[1] ^ u64::from_be_bytes(*b"tedbytes"),
        ];
        for word in message.into_iter().chain([16 << 56]) {
            v[3] ^= word;
            (0..compress).for_each(|_| sip_round(&mut v));
            v[0] ^= word;
        }
        v[2] ^= 0xff;
        (0..finish).for_each(|_| sip_round(&mut v));
        v.into_iter().fold(0, |sum, word| sum ^ word)
    }
}
