//! Choosing the external port of a flow: its own where possible, else a bounded search.

use super::{
    forwards::{self, ForwardTable},
    head::Head,
    parked::forget_ways,
    record::record,
    traits::{FlowTable, HostSocket, InsertError, PortQuery, Tables},
};
use crate::abi::{
    DropReason, Flow, FlowHead, FlowKey, Ip4, KEEP_CLASS, KEEP_PARITY, Mapping, NO_RULE, Port,
    Protocol, Settings,
};

/// How many attempts are made to find a port for a flow, its own first.
pub(super) const TRIES: u32 = 14;

/// From this attempt on, each looks at several ports before it tries one.
const SEARCH: u32 = 2;

/// How many ports such an attempt looks at. Towards a remote that has 19 of 20 ports in use already,
/// all attempts together find none once in 10,000 times.
const PORTS_OF_ATTEMPT: u32 = 17;

/// From this attempt on, forwarded ports are good enough: those that have no connection with the
/// remote.
const LAST_RESORT: u32 = 11;

/// Why a flow was not recorded under a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Somebody else has the port, and another may be free.
    Taken,
    /// No port would do.
    Because(DropReason),
}

impl From<InsertError> for Refused {
    #[inline(always)]
    fn from(error: InsertError) -> Self {
        match error {
            // Maybe only just now, on another CPU.
            InsertError::Exists => Self::Taken,
            InsertError::Full => Self::Because(DropReason::TableFull),
        }
    }
}

/// Which external port an attempt is to try.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// From 0 on.
    pub(super) attempt: u32,
    /// The port that the inside end is published by; 0: none.
    pub(super) published: Port,
    /// A port that a search has found; 0: none.
    pub(super) found: Port,
}

impl Wanted {
    /// Whether this attempt is that of the published port. A forward leads there: that is why it is
    /// wanted.
    #[inline(always)]
    pub(super) fn is_published(&self) -> bool {
        self.attempt == 0 && self.published != Port::ZERO
    }

    /// Whether this attempt is that of the flow's own port, which comes after a published one.
    #[inline(always)]
    pub(super) fn is_own(&self, own: Port) -> bool {
        let has_other = self.published != Port::ZERO && self.published != own;
        self.attempt == u32::from(has_other)
    }
}

/// Records `flow` under the external port of this attempt, and returns that port.
#[inline(always)]
pub(super) fn claim<T: Tables>(
    tables: &T,
    settings: &Settings,
    head: &Head,
    flow: &Flow,
    wanted: &Wanted,
) -> Result<Port, Refused> {
    let mut key = head.outbound_key(flow.external);
    let attempt = wanted.attempt;
    let is_published = wanted.is_published();
    if is_published {
        key.external_port = wanted.published;
    } else if attempt >= SEARCH && attempt != LAST_RESORT {
        key.external_port = wanted.found;
    } else if !wanted.is_own(head.source_port) && attempt != LAST_RESORT {
        key.external_port = Sequence::new(settings, head).port(attempt);
    }
    let forwarded = match attempt {
        _ if is_published => Forwarded::Itself,
        LAST_RESORT.. => Forwarded::Anybody,
        _ => Forwarded::Nobody,
    };
    if !is_to_be_had(tables, &key, flow, forwarded) {
        return Err(Refused::Taken);
    }
    record(tables, settings, &key, flow)?;
    Ok(key.external_port)
}

/// Looks for a free port among those of an attempt, and writes it to `found`; [`Port::ZERO`] if
/// there is none. A port is free if no flow to the remote has it. Before the last resort it must
/// not be forwarded either. The port is kept in memory: to the verifier each round of the loop is
/// then like the one before.
#[inline(always)]
pub(super) fn search<T: Tables>(
    tables: &T,
    settings: &Settings,
    head: &Head,
    external: Ip4,
    attempt: u32,
    found: &mut Port,
) {
    *found = Port::ZERO;
    if attempt < SEARCH {
        return;
    }
    // A walk of its own: one may come by few places only.
    let (remote, port) = (head.destination, head.destination_port);
    let sequence = Sequence::towards(settings, head, remote, port, attempt as u8);
    let mut key = head.outbound_key(external);
    for number in 0..PORTS_OF_ATTEMPT {
        // Left early, the loop would have as many ends, each of which the verifier follows.
        if forget_ways(found) != Port::ZERO {
            continue;
        }
        key.external_port = sequence.port(number);
        if tables.is_port_free(&key, attempt > LAST_RESORT) {
            *found = key.external_port;
        }
    }
}

/// Whether no connection with the remote has an external port, and no forward has it, unless
/// forwarded ports may be taken too.
#[inline(always)]
pub fn is_port_free<T: FlowTable + ForwardTable>(
    tables: &T,
    key: &FlowKey,
    even_forwarded: bool,
) -> bool {
    let is_forwarded = tables.port_rules(key.protocol, key.external_port) != NO_RULE;
    (even_forwarded || !is_forwarded) && tables.flow(key).is_none()
}

/// Where a forward may lead what the remote sends to an external port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forwarded {
    /// Nowhere: there must be no forward.
    Nobody,
    /// To the flow's own inside end.
    Itself,
    Anybody,
}

/// Whether what the remote sends to the external port is forwarded to nobody else than it may be.
#[inline(always)]
fn is_forwarded_as<T: Tables>(
    tables: &T,
    key: &FlowKey,
    flow: &FlowHead,
    forwarded: Forwarded,
) -> bool {
    if forwarded == Forwarded::Anybody {
        return true;
    }
    let (port, remote) = (key.external_port, key.remote);
    let found = forwards::find(tables, key.protocol, remote, flow.external, port, true);
    found.is_none_or(|target| {
        forwarded == Forwarded::Itself
            && target.address == flow.inside
            && target.port == flow.inside_port
    })
}

/// Records `flow` under the external port of its inside end's mapping, and returns that port.
#[inline(always)]
pub(super) fn claim_mapped<T: Tables>(
    tables: &T,
    settings: &Settings,
    head: &Head,
    flow: &Flow,
    mapping: &Mapping,
) -> Result<Port, DropReason> {
    let mut key = head.outbound_key(flow.external);
    key.external_port = mapping.external_port;
    match record(tables, settings, &key, flow) {
        Ok(()) => Ok(key.external_port),
        Err(InsertError::Exists) => Err(DropReason::PortsExhausted),
        Err(InsertError::Full) => Err(DropReason::TableFull),
    }
}

/// Whether the external port of `key` may be given to `flow` if no other flow has it: no socket of
/// the host has it, nor another forward than there may be.
#[inline(always)]
pub(super) fn is_to_be_had<T: Tables>(
    tables: &T,
    key: &FlowKey,
    flow: &FlowHead,
    forwarded: Forwarded,
) -> bool {
    if key.protocol == Protocol::Icmp.number() {
        return true;
    }
    let query = PortQuery {
        remote: key.remote,
        external: flow.external,
        remote_port: key.remote_port,
        external_port: key.external_port,
        protocol: key.protocol,
    };
    key.external_port != Port::ZERO
        && is_forwarded_as(tables, key, flow, forwarded)
        && tables.host_socket(&query) == HostSocket::None
}

/// The ports to try for a flow that cannot keep its own: a walk through the range from a
/// place and in steps that only the holder of the seed can tell (RFC 6056 section 3.3.4).
pub(super) struct Sequence {
    start: u32,
    step: u32,
    first: u16,
    span: u32,
    /// Which bits of a place in the range are free, and what the others are: where parity is to be
    /// kept, the places of the flow's own are all even, or all odd.
    free: u32,
    fixed: u32,
}

/// Where ports below 1024 are chosen: the lower half has the best known services.
const PRIVILEGED: (u16, u16) = (512, 1023);

impl Sequence {
    #[inline(always)]
    pub(super) fn new(settings: &Settings, head: &Head) -> Self {
        Self::towards(settings, head, head.destination, head.destination_port, 0)
    }

    /// The same ports for an inside end whatever it talks to: two CPUs that look for the port
    /// of one mapping at once find the same.
    #[inline(always)]
    pub(super) fn of_mapping(settings: &Settings, head: &Head) -> Self {
        Self::towards(settings, head, Ip4::UNSPECIFIED, Port::ZERO, 0)
    }

    #[inline(always)]
    pub(super) fn towards(
        settings: &Settings,
        head: &Head,
        remote: Ip4,
        remote_port: Port,
        walk: u8,
    ) -> Self {
        let source = u64::from(head.source.to_network());
        let addresses = (source << 32) | u64::from(remote.to_network());
        let ports = (u64::from(head.source_port.to_network()) << 32)
            | (u64::from(remote_port.to_network()) << 16)
            | (u64::from(walk) << 8)
            | u64::from(head.protocol);
        let hash = siphash13(settings.seed, [addresses, ports]);
        let own = head.source_port.number();
        let keeps = |what: u8| settings.port_keep & what != 0;
        let (first, last) = if keeps(KEEP_CLASS) && own <= PRIVILEGED.1 {
            PRIVILEGED
        } else if keeps(KEEP_CLASS) && settings.port_min <= PRIVILEGED.1 {
            (PRIVILEGED.1 + 1, settings.port_max)
        } else {
            (settings.port_min, settings.port_max)
        };
        let parity = u32::from(settings.port_keep & KEEP_PARITY);
        Self {
            start: (hash >> 32) as u32,
            // Odd, so that the walk meets no 32-bit place twice.
            step: hash as u32 | 1,
            first,
            span: u32::from(last.saturating_sub(first)) + 1,
            free: !parity,
            fixed: parity & u32::from(own ^ first),
        }
    }

    /// A place of the walk, in numbers of 32 bits.
    #[inline(always)]
    pub(super) const fn place(&self, number: u32) -> u32 {
        self.start.wrapping_add(self.step.wrapping_mul(number))
    }

    /// [`Port::ZERO`] where the range has none of that parity.
    #[inline(always)]
    pub(super) fn port(&self, attempt: u32) -> Port {
        let place = self.place(attempt);
        // Scaled to the range, not reduced by division: no remainder, no bias.
        let offset = ((u64::from(place) * u64::from(self.span)) >> 32) as u32;
        let offset = (offset & self.free) | self.fixed;
        if offset >= self.span {
            return Port::ZERO;
        }
        Port::new(self.first.wrapping_add(offset as u16))
    }
}

/// SipHash-1-3 of two words: a keyed hash that cannot be run backwards to its key.
#[inline(always)]
pub(super) fn siphash13(seed: [u64; 2], message: [u64; 2]) -> u64 {
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
