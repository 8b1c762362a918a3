//! Choosing the external port of a flow: its own where possible, else a bounded search.

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

/// How many attempts are made to find a port for a flow, its own first.
pub(crate) const TRIES: u32 = Stage::AllocatePort.runs();

const _: () = assert!(Stage::AllocateEim.runs() == TRIES);

/// From this attempt on, each looks at several ports before it tries one.
const SEARCH: u32 = 2;

/// How many ports such an attempt looks at. Towards a remote that has 19 of 20 ports in use already,
/// all attempts together find none once in 10,000 times.
const PORTS_OF_ATTEMPT: u32 = 19;

/// From this attempt on, forwarded ports are good enough: those that have no connection with the
/// remote.
const LAST_RESORT: u32 = 10;

/// Why a flow was not recorded under a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
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
pub(crate) struct Wanted {
    /// From 0 on.
    pub(crate) attempt: u32,
    /// The port that the inside end is published by; 0: none.
    pub(crate) published: Port,
    /// A port that a search has found; 0: none.
    pub(crate) found: Port,
}

impl Wanted {
    /// Whether this attempt is that of the published port. A forward leads there: that is why it is
    /// wanted.
    #[inline(always)]
    pub(crate) fn is_published(&self) -> bool {
        self.attempt == 0 && self.published != Port::ZERO
    }

    /// Whether this attempt is that of the flow's own port, which comes after a published one.
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
    // A walk of its own: one may come by few places only.
    let (remote, port) = (headers.destination, headers.destination_port);
    let sequence = Sequence::towards(settings, headers, remote, port, attempt as u8);
    let mut key = headers.outbound_key(external);
    for number in 0..PORTS_OF_ATTEMPT {
        // Left early, the loop would have as many ends, each of which the verifier follows.
        if verifier_barrier(found) != Port::ZERO {
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
pub(crate) enum Forwarded {
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
/// the host has it, nor another forward than there may be.
#[inline(always)]
pub(crate) fn is_to_be_had<T: Tables>(
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
pub(crate) struct Sequence {
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
    pub(crate) fn new(settings: &Settings, headers: &Headers) -> Self {
        Self::towards(settings, headers, headers.destination, headers.destination_port, 0)
    }

    /// The same ports for an inside end whatever it talks to: two CPUs that look for the port
    /// of one mapping at once find the same.
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
    pub(crate) const fn place(&self, number: u32) -> u32 {
        self.start.wrapping_add(self.step.wrapping_mul(number))
    }

    /// [`Port::ZERO`] where the range has none of that parity.
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
