//! Reads the flow table and the drop counters, for a person.

use std::net::{Ipv4Addr, SocketAddrV4};

use aya::{
    Pod,
    maps::{MapData, PerCpuArray},
    programs::{SchedClassifier, TestRun as _, TestRunOptions},
};
use netns_common::{
    abi::{
        Counter, DropReason, ETHERNET_HEADER, FORGOTTEN_AT_ONCE, Flow, FlowKey, FlowKind,
        FlowRecord, FlowState, FlowTail, FlowWord, Mapping, MappingKey, Port, RECORDS_OF_WORD,
        Settings, Tick, maps, programs, seconds, tick_of,
    },
    datapath::{is_expired, timeout_of},
};
use nix::time::{ClockId, clock_gettime};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::{
    Datapath, batch,
    drop_advice::{DropAdvice, drop_advice},
    error::{DatapathError, map_error, program_error},
    rules::sum,
};

/// Words of the occupancy bitmap (64 records each) whose records are read at a time.
const WORDS_AT_A_TIME: usize = 256;

/// A connection in the flow table.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FlowStatus {
    /// The keyword of its protocol: `"tcp"`, `"udp"`, `"icmp"`, …; `"other"` for one without a
    /// keyword here.
    pub protocol: &'static str,
    /// `"SYN_SENT"`, `"SYN_RECV"`, `"ESTABLISHED"`, `"FIN_INSIDE"`, `"FIN_REMOTE"`,
    /// `"TIME_WAIT"`, `"RESET"` or `"PICKED_UP"` of TCP; `"UNREPLIED"` or `"REPLIED"` of other
    /// protocols.
    pub state: &'static str,
    /// The kind of rule or packet that made it: `"masquerade"`, `"forward"`, `"hairpin"` (a
    /// namespace to a forward), `"admitted"` (a call to an endpoint-independent mapping), `"host"`
    /// (the router itself) or `"other-nat"`.
    #[serde(serialize_with = "kind_in_a_word")]
    #[schemars(with = "String")]
    pub kind: FlowKind,
    /// The inside end: address and port in the namespace. The port of ICMP is its identifier.
    pub inside: SocketAddrV4,
    /// The external address and port of the inside end.
    pub external: SocketAddrV4,
    /// The other end.
    pub remote: SocketAddrV4,
    /// The other end as the inside end sees it: with another port, if several remote ends would
    /// otherwise look the same to it.
    pub remote_inside: SocketAddrV4,
    /// Seconds since its first packet.
    pub age_seconds: u32,
    /// Seconds since its last packet.
    pub idle_seconds: u32,
    /// Seconds until it expires without further packets.
    pub expires_seconds: u32,
    /// Packets from the inside end to the remote.
    pub packets_out: u32,
    /// Packets from the remote to the inside end.
    pub packets_in: u32,
    /// Bytes of IP from the inside end to the remote.
    pub bytes_out: u64,
    /// Bytes of IP from the remote to the inside end.
    pub bytes_in: u64,
}

/// For serde: a kind by its name.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(crate) fn kind_in_a_word<S: Serializer>(
    kind: &FlowKind,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}

/// The packets that were dropped for one reason.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DropStatus {
    /// The name of the reason: [drop-reasons.md](drop-reasons.md) has all of them.
    pub reason: &'static str,
    /// The meaning of the reason, in a sentence.
    pub meaning: &'static str,
    #[serde(flatten)]
    pub advice: DropAdvice,
    /// Dropped packets.
    pub packets: u64,
    /// Their bytes of IP.
    pub bytes: u64,
}

impl DropStatus {
    /// The status of a reason, with its meaning and the advice about it.
    pub fn new(reason: DropReason, packets: u64, bytes: u64) -> Self {
        Self {
            reason: reason.name(),
            meaning: reason.meaning().trim(),
            advice: drop_advice(reason),
            packets,
            bytes,
        }
    }
}

impl Datapath {
    /// Calls `take` for each flow, in no particular order, without expired ones that were not swept
    /// yet. There may be a million, so they are not all in memory.
    pub fn each_flow(&self, mut take: impl FnMut(FlowStatus)) -> Result<(), DatapathError> {
        let now = now()?;
        let settings = self.settings()?;
        self.each_record(|key, flow| {
            if !is_expired(&flow, &settings, now) {
                take(flow_status(&key, &flow, &settings, now));
            }
        })
    }

    /// The capacity of the flow table.
    pub fn flow_capacity(&self) -> Result<u32, DatapathError> {
        let error = map_error(maps::FLOWS);
        Ok(self.open_map(maps::FLOWS)?.info().map_err(error)?.max_entries())
    }

    /// Removes all flows and mappings, and returns how many flows there were.
    pub fn flush_flows(&self) -> Result<usize, DatapathError> {
        let count = self.flush(|_| true)?;
        self.flush_mappings(|_| true)?;
        Ok(count)
    }

    /// Removes the flows that `which` selects, and returns their number.
    pub(super) fn flush(&self, which: impl Fn(&Flow) -> bool) -> Result<usize, DatapathError> {
        let mut keys = Vec::new();
        self.each_record(|key, flow| {
            if which(&flow) {
                keys.push(key);
            }
        })?;
        self.forget(&keys)?;
        Ok(keys.len())
    }

    /// Removes the mappings that `which` selects.
    pub(super) fn flush_mappings(
        &self,
        which: impl Fn(&Mapping) -> bool,
    ) -> Result<(), DatapathError> {
        let mut entries: Vec<(MappingKey, Mapping)> = self.entries(maps::MAPPINGS)?;
        entries.retain(|(_, of)| which(of));
        let keys: Vec<_> = entries.into_iter().map(|(key, _)| key).collect();
        self.remove_entries(maps::MAPPINGS, &keys)
    }

    /// The dropped packets by reason, without reasons that never occurred.
    pub fn drops(&self) -> Result<Vec<DropStatus>, DatapathError> {
        let error = map_error(maps::DROP_COUNTERS);
        let map: PerCpuArray<MapData, Counter> = self.map(maps::DROP_COUNTERS)?;
        let mut drops = Vec::new();
        for reason in DropReason::ALL {
            let counter = sum(&map.get(&(reason as u32), 0).map_err(error)?);
            if counter.packets > 0 {
                drops.push(DropStatus::new(reason, counter.packets, counter.bytes));
            }
        }
        Ok(drops)
    }

    /// The present settings.
    pub fn settings(&self) -> Result<Settings, DatapathError> {
        let map: aya::maps::Array<MapData, Settings> = self.map(maps::SETTINGS)?;
        map.get(&0, 0).map_err(map_error(maps::SETTINGS))
    }

    /// Calls `take` for each record in use; some may have expired. They are read some thousands at
    /// a time.
    pub(super) fn each_record(
        &self,
        mut take: impl FnMut(FlowKey, Flow),
    ) -> Result<(), DatapathError> {
        let words: Vec<(u32, FlowWord)> = self.entries(maps::FLOW_WORDS)?;
        let (heads, tails) = (self.open_map(maps::FLOWS)?, self.open_map(maps::FLOW_TAILS)?);
        // A table is mostly empty: only used parts are read.
        let runs = words.chunk_by(|(_, a), (_, b)| (a.taken == 0) == (b.taken == 0));
        for run in runs.flat_map(|run| run.chunks(WORDS_AT_A_TIME)) {
            let [(first, word), ..] = run else { continue };
            if word.taken == 0 {
                continue;
            }
            let from = first * RECORDS_OF_WORD;
            let to = from + run.len() as u32 * RECORDS_OF_WORD;
            let found: Vec<(u32, FlowRecord)> =
                batch::elements(&heads, from, to).map_err(map_error(maps::FLOWS))?;
            let tails: Vec<(u32, FlowTail)> =
                batch::elements(&tails, from, to).map_err(map_error(maps::FLOW_TAILS))?;
            for ((number, record), (_, tail)) in found.iter().zip(&tails) {
                let word = number.checked_sub(from).map(|offset| offset / RECORDS_OF_WORD);
                let word = word.and_then(|offset| run.get(offset as usize));
                if word.is_some_and(|(_, word)| (word.taken >> (number % RECORDS_OF_WORD)) & 1 == 1)
                {
                    take(record.key(), Flow { head: record.head, tail: *tail });
                }
            }
        }
        Ok(())
    }

    /// Removes flows and everything derived from them. Programs do it, since only they can change
    /// the table while packets do.
    fn forget(&self, keys: &[FlowKey]) -> Result<(), DatapathError> {
        if keys.is_empty() {
            return Ok(());
        }
        let error = program_error(programs::FORGET_FLOWS);
        let path = self.pins.program(programs::FORGET_FLOWS);
        let program = SchedClassifier::from_pin(path).map_err(error)?;
        for keys in keys.chunks(FORGOTTEN_AT_ONCE as usize) {
            let mut frame = vec![0; ETHERNET_HEADER];
            frame.extend(keys.iter().flat_map(|key| key.to_bytes()));
            let options = TestRunOptions { data_in: Some(&frame), ..TestRunOptions::default() };
            program.test_run(options).map_err(error)?;
        }
        Ok(())
    }

    pub(super) fn entries<K: Pod, V: Pod>(
        &self,
        map: &'static str,
    ) -> Result<Vec<(K, V)>, DatapathError> {
        batch::entries(&self.open_map(map)?).map_err(map_error(map))
    }

    fn remove_entries<K: Pod>(&self, map: &'static str, keys: &[K]) -> Result<(), DatapathError> {
        batch::remove(&self.open_map(map)?, keys).map_err(map_error(map))
    }
}

fn flow_status(key: &FlowKey, flow: &Flow, settings: &Settings, now: Tick) -> FlowStatus {
    let idle = now.saturating_sub(flow.last_seen);
    let timeout = timeout_of(flow, settings);
    let end = |address, port: Port| SocketAddrV4::new(Ipv4Addr::from(address), port.number());
    FlowStatus {
        protocol: protocol_name(key.protocol),
        state: FlowState::from_number(flow.state).name(),
        kind: FlowKind::from_number(flow.kind),
        inside: end(flow.inside, flow.inside_port),
        external: end(flow.external, key.external_port),
        remote: end(key.remote, key.remote_port),
        remote_inside: end(key.remote, flow.seen_port),
        age_seconds: seconds(now.saturating_sub(flow.tail.created)),
        idle_seconds: seconds(idle),
        expires_seconds: seconds(timeout.saturating_sub(idle)),
        packets_out: flow.packets_out,
        packets_in: flow.packets_in,
        bytes_out: flow.bytes_out(),
        bytes_in: flow.bytes_in(),
    }
}

/// The keyword of a protocol in lower case (IANA protocol numbers).
const fn protocol_name(number: u8) -> &'static str {
    match number {
        1 => "icmp",
        2 => "igmp",
        4 => "ipv4",
        6 => "tcp",
        17 => "udp",
        41 => "ipv6",
        46 => "rsvp",
        47 => "gre",
        50 => "esp",
        89 => "ospf",
        97 => "etherip",
        103 => "pim",
        108 => "ipcomp",
        112 => "vrrp",
        115 => "l2tp",
        132 => "sctp",
        136 => "udplite",
        137 => "mpls-in-ip",
        _ => "other",
    }
}

/// The time of the clock that the programs use.
pub(super) fn now() -> Result<Tick, DatapathError> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).map_err(|error| DatapathError::System {
        what: "read CLOCK_MONOTONIC",
        cause: error.into(),
    })?;
    let nanoseconds = std::time::Duration::from(time).as_nanos();
    Ok(tick_of(u64::try_from(nanoseconds).unwrap_or(u64::MAX)))
}
