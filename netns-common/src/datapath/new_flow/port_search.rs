//! Choosing the external port of a flow: its own if possible, otherwise by a bounded search.

use crate::{
    abi::{
        DropReason, Flow, FlowHead, FlowKey, Ip4, KEEP_CLASS, KEEP_PARITY, Mapping, NO_RULE, Port,
        Protocol, Settings, Stage,
    },
    datapath::{
        conntrack::record::record,
        packet::headers::Headers,
        rules::forward,
        siphash::siphash13,
        tables::{
            flow_table::{FlowTable, InsertError},
            forward_table::ForwardTable,
            kernel::{HostSocket, PortQuery, Tables},
        },
        verifier::verifier_barrier,
    },
};

/// How many attempts a search makes, the flow's own port first.
pub(crate) const TRIES: u32 = Stage::AllocatePort.runs();

const _: () = assert!(Stage::AllocateEim.runs() == TRIES);

/// From this attempt on, each checks several ports before it tries to record one.
const SEARCH: u32 = 2;

/// How many ports such an attempt checks. If 19 of 20 ports towards a remote are in use, all
/// attempts together fail once in 10,000 times.
const PORTS_OF_ATTEMPT: u32 = 19;

/// From this attempt on, forwarded ports without a connection with the remote are used too.
const LAST_RESORT: u32 = 10;

/// Why a flow was not recorded under a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The port is in use, and another may be free.
    Taken,
    /// No port would do.
    Because(DropReason),
}

impl From<InsertError> for Refused {
    #[inline(always)]
    fn from(error: InsertError) -> Self {
        match error {
            // Perhaps another CPU has just taken the port.
            InsertError::Exists => Self::Taken,
            InsertError::Full => Self::Because(DropReason::TableFull),
        }
    }
}

/// The external port that an attempt tries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// The number of the attempt, from 0 on.
    pub(crate) attempt: u32,
    /// The port that publishes the inside end; 0: none.
    pub(crate) published: Port,
    /// A port that a search has found; 0: none.
    pub(crate) found: Port,
}

impl Wanted {
    /// Whether this attempt tries the published port, which is a forwarded one by nature.
    #[inline(always)]
    pub(crate) fn is_published(&self) -> bool {
        self.attempt == 0 && self.published != Port::ZERO
    }

    /// Whether this attempt tries the flow's own port, which comes after a published one.
    #[inline(always)]
    pub(crate) fn is_own(&self, own: Port) -> bool {
        let has_other = self.published != Port::ZERO && self.published != own;
        self.attempt == u32::from(has_other)
    }
}

/// Records `flow` under the external port of this attempt, and returns that port.
#[inline(always)]
pub(crate) fn claim<T: Tables>(
    tables: &T,
    settings: &Settings,
    headers: &Headers,
    flow: &Flow,
    wanted: &Wanted,
) -> Result<Port, Refused> {
    let mut key = headers.outbound_key(flow.external);
    let attempt = wanted.attempt;
    let is_published = wanted.is_published();
    if is_published {
        key.external_port = wanted.published;
    } else if attempt >= SEARCH && attempt != LAST_RESORT {
        key.external_port = wanted.found;
    } else if !wanted.is_own(headers.source_port) && attempt != LAST_RESORT {
        key.external_port = Sequence::new(settings, headers).port(attempt);
    }
    let forwarded = match attempt {
        _ if is_published => Forwarded::Itself,
        LAST_RESORT.. => Forwarded::Anybody,
        _ => Forwarded::Nobody,
    };
    if !is_available(tables, &key, flow, forwarded) {
        return Err(Refused::Taken);
    }
    record(tables, settings, &key, flow)?;
    Ok(key.external_port)
}

/// Searches the ports of an attempt for a free one, and writes it to `found`; [`Port::ZERO`] if
/// there is none. A port is free if no flow to the remote has it, and before [`LAST_RESORT`] no
/// forward either. The port is in memory, so that each iteration of the loop looks the same to the
/// verifier.
#[inline(always)]
pub(crate) fn search<T: Tables>(
    tables: &T,
    settings: &Settings,
    headers: &Headers,
    external: Ip4,
    attempt: u32,
    found: &mut Port,
) {
    *found = Port::ZERO;
    if attempt < SEARCH {
        return;
    }
    // Each attempt has a walk of its own, because one walk may visit only few places.
    let (remote, port) = (headers.destination, headers.destination_port);
    let sequence = Sequence::towards(settings, headers, remote, port, attempt as u8);
    let mut key = headers.outbound_key(external);
    for number in 0..PORTS_OF_ATTEMPT {
        // The loop does not end early, because the verifier would follow each of its ends.
        if verifier_barrier(found) != Port::ZERO {
            continue;
        }
        key.external_port = sequence.port(number);
        if tables.is_port_free(&key, attempt > LAST_RESORT) {
            *found = key.external_port;
        }
    }
}

/// Whether an external port is free: no connection with the remote has it, and no forward either,
/// unless `even_forwarded` permits forwarded ports.
#[inline(always)]
pub fn is_port_free<T: FlowTable + ForwardTable>(
    tables: &T,
    key: &FlowKey,
    even_forwarded: bool,
) -> bool {
    let is_forwarded = tables.port_rules(key.protocol, key.external_port) != NO_RULE;
    (even_forwarded || !is_forwarded) && tables.flow(key).is_none()
}

/// The permitted target of a forward of the external port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forwarded {
    /// None: the port must not be forwarded.
    Nobody,
    /// The flow's own inside end.
    Itself,
    Anybody,
}

/// Whether the external port has no forward for the remote except a permitted one.
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
    let found = forward::find(tables, key.protocol, remote, flow.external, port, true);
    found.is_none_or(|target| {
        forwarded == Forwarded::Itself
            && target.address == flow.inside
            && target.port == flow.inside_port
    })
}

/// Records `flow` under the external port of its inside end's mapping, and returns that port.
#[inline(always)]
pub(crate) fn claim_mapped<T: Tables>(
    tables: &T,
    settings: &Settings,
    headers: &Headers,
    flow: &Flow,
    mapping: &Mapping,
) -> Result<Port, DropReason> {
    let mut key = headers.outbound_key(flow.external);
    key.external_port = mapping.external_port;
    match record(tables, settings, &key, flow) {
        Ok(()) => Ok(key.external_port),
        Err(InsertError::Exists) => Err(DropReason::PortsExhausted),
        Err(InsertError::Full) => Err(DropReason::TableFull),
    }
}

/// Whether the external port of `key` may be given to `flow` if no other flow has it: no socket of
/// the host uses it, and no forward except a permitted one.
#[inline(always)]
pub(crate) fn is_available<T: Tables>(
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

/// The ports to try for a flow that cannot keep its own: a walk through the range, whose start and
/// step only the holder of the seed knows (RFC 6056 section 3.3.4).
pub(crate) struct Sequence {
    start: u32,
    step: u32,
    first: u16,
    span: u32,
    /// The variable bits of a place in the range, and the values of the others. To keep parity, the
    /// places for a flow are all even or all odd.
    free: u32,
    fixed: u32,
}

/// The range of chosen ports below 1024: the lower half has the best known services.
const PRIVILEGED: (u16, u16) = (512, 1023);

impl Sequence {
    #[inline(always)]
    pub(crate) fn new(settings: &Settings, headers: &Headers) -> Self {
        Self::towards(settings, headers, headers.destination, headers.destination_port, 0)
    }

    /// The ports for a mapping do not depend on the remote, so two CPUs that search for one mapping
    /// at the same time find the same port.
    #[inline(always)]
    pub(crate) fn of_mapping(settings: &Settings, headers: &Headers) -> Self {
        Self::towards(settings, headers, Ip4::UNSPECIFIED, Port::ZERO, 0)
    }

    #[inline(always)]
    pub(crate) fn towards(
        settings: &Settings,
        headers: &Headers,
        remote: Ip4,
        remote_port: Port,
        walk: u8,
    ) -> Self {
        let source = u64::from(headers.source.to_network());
        let addresses = (source << 32) | u64::from(remote.to_network());
        let ports = (u64::from(headers.source_port.to_network()) << 32)
            | (u64::from(remote_port.to_network()) << 16)
            | (u64::from(walk) << 8)
            | u64::from(headers.protocol);
        let hash = siphash13(settings.seed, [addresses, ports]);
        let own = headers.source_port.number();
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
            // Odd, so that the walk visits no 32-bit place twice.
            step: hash as u32 | 1,
            first,
            span: u32::from(last.saturating_sub(first)) + 1,
            free: !parity,
            fixed: parity & u32::from(own ^ first),
        }
    }

    /// A place of the walk, as a 32-bit number.
    #[inline(always)]
    pub(crate) const fn place(&self, number: u32) -> u32 {
        self.start.wrapping_add(self.step.wrapping_mul(number))
    }

    /// The port of an attempt; [`Port::ZERO`] if the range has none of that parity.
    #[inline(always)]
    pub(crate) fn port(&self, attempt: u32) -> Port {
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
