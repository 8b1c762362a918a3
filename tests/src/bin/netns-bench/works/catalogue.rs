//! Which works there are, in their order in the table.

use super::{Better, Manner, Metric, Series, Task, Work};
use crate::{modes::Mode, places::Kind};

const fn more(name: &'static str, unit: &'static str) -> Metric {
    Metric { name, unit, better: Better::More }
}

const fn less(name: &'static str, unit: &'static str) -> Metric {
    Metric { name, unit, better: Better::Less }
}

/// What is told of a sample, and no merit of the mode's.
const fn given(name: &'static str, unit: &'static str) -> Metric {
    Metric { name, unit, better: Better::Neither }
}

const PACKETS: &[Metric] = &[more("rate", "packets/s"), less("CPU", "ns/packet")];
const COST: &[Metric] = &[less("cost", "ns/packet")];
const FLOW_RATE: &[Metric] = &[more("rate", "flows/s")];
const TABLE: &[Metric] =
    &[given("capacity", "flows"), less("memory", "bytes/flow"), more("tear-down", "flows/s")];
const STREAM: &[Metric] = &[more("rate", "bit/s"), less("CPU", "ns/KiB")];
const TRANSACTIONS: &[Metric] = &[more("rate", "transactions/s"), less("CPU", "µs/transaction")];
const UP_AND_DOWN: &[Metric] =
    &[less("up", "s"), less("down", "s"), less("gone", "s"), less("cost", "ns/packet")];
const PACKET_AND_FLOW: &[Metric] = &[less("cost", "ns/packet"), less("begin", "ns/flow")];
const LATENCY: &[Metric] =
    &[less("p50", "µs"), less("p99", "µs"), less("p99.9", "µs"), given("load", "packets/s")];
const PUBLISHED: &[Metric] =
    &[more("rate", "connections/s"), less("CPU", "µs/connection"), less("publishing", "ms")];
const CONNECTIONS: &[Metric] = &[more("rate", "connections/s"), less("CPU", "µs/connection")];

/// All but the one that enters the far end: what is for nobody's Ethernet address there does not.
const TO_NOBODY: &[Mode] = &[
    Mode::Cable,
    Mode::Routed,
    Mode::IptablesNft,
    Mode::IptablesNftPlainBridge,
    Mode::IptablesLegacy,
    Mode::Nftables,
    Mode::Flowtable,
    Mode::Ours,
    Mode::OursViaStack,
];

/// The modes that track connections, without those that do it much as another one does.
const TRACKING: &[Mode] =
    &[Mode::IptablesNft, Mode::IptablesNftPlainBridge, Mode::Nftables, Mode::Ours];

/// One mode of each table, and of each that fills it.
const TABLES: &[Mode] = &[Mode::IptablesNft, Mode::Nftables, Mode::Ours];

/// The modes that forward ports.
const PUBLISHING: &[Mode] = &[
    Mode::IptablesNft,
    Mode::IptablesNftPlainBridge,
    Mode::IptablesLegacy,
    Mode::Nftables,
    Mode::Ours,
];

/// Enough to see how a figure grows.
const GROWING: &[Mode] =
    &[Mode::Cable, Mode::Routed, Mode::IptablesNft, Mode::Nftables, Mode::Ours];

/// A lab of ours, and the same by `ip -batch` and a rule of iptables.
const LABS: &[Mode] = &[Mode::IptablesNft, Mode::IptablesNftPlainBridge, Mode::Ours];

/// What another tool's stream is to be checked in.
const CHECKED: &[Mode] = &[Mode::Cable, Mode::IptablesNft, Mode::Ours];

/// The ways from one namespace to another on the same bridge: with br_netfilter off and on.
const EAST_WEST: &[Mode] = &[Mode::Cable, Mode::Routed, Mode::IptablesNft, Mode::Ours];

const FORWARD_ONLY: Series = Series::of("forward-only", "flows");
const NEW_FLOWS: Series = Series::of("new-flows", "flows that live");
const PUBLISH: Series = Series::of("publish", "published ports");
const RULES: Series = Series::of("rules", "published ports");
const LAB: Series = Series::of("lab", "namespaces");

/// What most works have in common.
const PLAIN: Work = Work {
    name: "",
    about: "",
    task: Task::TcpConnect,
    modes: &Mode::ALL,
    kind: Kind::Plain,
    metrics: &[],
    series: None,
    most_rounds: usize::MAX,
    is_long: false,
};

const PUBLISHED_PORTS: Work = Work { modes: PUBLISHING, metrics: PUBLISHED, ..PLAIN };
const BESIDE: Work = Work { modes: TRACKING, metrics: PACKET_AND_FLOW, is_long: true, ..PLAIN };
const LAB_OF: Work = Work { modes: LABS, metrics: UP_AND_DOWN, ..PLAIN };
const NEW: Work = Work { modes: TRACKING, kind: Kind::Roomy, metrics: FLOW_RATE, ..PLAIN };

pub(crate) const WORKS: &[Work] = &[
    Work {
        name: "udp-1",
        about: "UDP datagrams of 18 bytes from socket to socket, one flow",
        task: Task::Udp { flows: 1 },
        metrics: PACKETS,
        ..PLAIN
    },
    Work {
        name: "udp-100k",
        about: "UDP datagrams of 18 bytes from socket to socket, 100,000 flows in turn",
        task: Task::Udp { flows: 100_000 },
        metrics: PACKETS,
        ..PLAIN
    },
    Work {
        name: "forward-only-1",
        about: "UDP packets of 18 bytes from interface to interface, all on one CPU, one flow",
        metrics: COST,
        task: Task::Forwarding { flows: 1 },
        modes: TO_NOBODY,
        series: Some(FORWARD_ONLY.at(1)),
        ..PLAIN
    },
    Work {
        name: "forward-only-1k",
        about: "the same, 1,000 flows in turn",
        metrics: COST,
        task: Task::Forwarding { flows: 1_000 },
        modes: GROWING,
        series: Some(FORWARD_ONLY.at(1_000)),
        is_long: true,
        ..PLAIN
    },
    Work {
        name: "forward-only-10k",
        about: "the same, 10,000 flows in turn",
        metrics: COST,
        task: Task::Forwarding { flows: 10_000 },
        modes: GROWING,
        series: Some(FORWARD_ONLY.at(10_000)),
        is_long: true,
        ..PLAIN
    },
    Work {
        name: "forward-only-100k",
        about: "the same, 100,000 flows in turn",
        metrics: COST,
        task: Task::Forwarding { flows: 100_000 },
        modes: GROWING,
        series: Some(FORWARD_ONLY.at(100_000)),
        ..PLAIN
    },
    Work {
        name: "forward-only-1m",
        about: "the same, 1,000,000 flows in turn",
        metrics: COST,
        task: Task::Forwarding { flows: 1_000_000 },
        modes: TRACKING,
        kind: Kind::Roomy,
        series: Some(FORWARD_ONLY.at(1_000_000)),
        most_rounds: 3,
        is_long: true,
    },
    Work {
        name: "rules-1",
        about: "what a packet from inside costs beside one published port, and a new flow",
        task: Task::Beside { ports: 1 },
        series: Some(RULES.at(1)),
        ..BESIDE
    },
    Work {
        name: "rules-100",
        about: "the same beside 100 published ports, each of which is a rule",
        task: Task::Beside { ports: 100 },
        series: Some(RULES.at(100)),
        ..BESIDE
    },
    Work {
        name: "rules-10k",
        about: "the same beside 10,000 published ports, each of which is a rule",
        task: Task::Beside { ports: 10_000 },
        series: Some(RULES.at(10_000)),
        ..BESIDE
    },
    Work {
        name: "new-flows-10k",
        about: "new UDP flows while 10,000 live",
        task: Task::NewFlows { live: 10_000 },
        series: Some(NEW_FLOWS.at(10_000)),
        ..NEW
    },
    Work {
        name: "new-flows-100k",
        about: "new UDP flows while 100,000 live",
        task: Task::NewFlows { live: 100_000 },
        series: Some(NEW_FLOWS.at(100_000)),
        is_long: true,
        ..NEW
    },
    Work {
        name: "new-flows-1m",
        about: "new UDP flows while 1,000,000 live",
        task: Task::NewFlows { live: 1_000_000 },
        series: Some(NEW_FLOWS.at(1_000_000)),
        most_rounds: 3,
        is_long: true,
        ..NEW
    },
    Work {
        name: "flow-table",
        about: "how many flows a table holds as it is, what each takes, and how fast all go",
        task: Task::Table,
        modes: TABLES,
        metrics: TABLE,
        most_rounds: 3,
        ..PLAIN
    },
    Work {
        name: "tcp-stream-1",
        about: "one TCP stream",
        task: Task::TcpStream { parallel: 1 },
        metrics: STREAM,
        ..PLAIN
    },
    Work {
        name: "tcp-stream-2",
        about: "two TCP streams in parallel",
        task: Task::TcpStream { parallel: 2 },
        metrics: STREAM,
        ..PLAIN
    },
    Work {
        name: "tcp-stream-1-plain",
        about: "one TCP stream, with the offloads of every link off",
        task: Task::TcpStream { parallel: 1 },
        kind: Kind::OffloadsOff,
        metrics: STREAM,
        ..PLAIN
    },
    Work {
        name: "tcp-stream-2-plain",
        about: "two TCP streams in parallel, with the offloads of every link off",
        task: Task::TcpStream { parallel: 2 },
        kind: Kind::OffloadsOff,
        metrics: STREAM,
        ..PLAIN
    },
    Work {
        name: "tcp-rr",
        about: "request and response of one byte over one TCP connection",
        task: Task::TcpRequestResponse,
        metrics: TRANSACTIONS,
        ..PLAIN
    },
    Work {
        name: "tcp-crr",
        about: "a TCP connection, request and response of one byte over it, and its end",
        task: Task::TcpConnect,
        metrics: CONNECTIONS,
        ..PLAIN
    },
    Work {
        name: "latency",
        about: "UDP request and response beside 128,000 packets/s: how long one takes",
        task: Task::Latency,
        metrics: LATENCY,
        ..PLAIN
    },
    Work {
        name: "publish-1",
        about: "like tcp-crr, inwards by a published port, and how long it takes to publish it",
        task: Task::Publish { ports: 1, manner: Manner::Singly },
        series: Some(PUBLISH.at(1)),
        ..PUBLISHED_PORTS
    },
    Work {
        name: "publish-100",
        about: "the same by the last of 100 published ports, each of which is a rule",
        task: Task::Publish { ports: 100, manner: Manner::Singly },
        series: Some(PUBLISH.at(100)),
        is_long: true,
        ..PUBLISHED_PORTS
    },
    Work {
        name: "publish-10k",
        about: "the same by the last of 10,000 published ports, each of which is a rule",
        task: Task::Publish { ports: 10_000, manner: Manner::Singly },
        series: Some(PUBLISH.at(10_000)),
        ..PUBLISHED_PORTS
    },
    Work {
        name: "publish-10k-range",
        about: "the same by the last of 10,000 published ports, all of which are one rule",
        task: Task::Publish { ports: 10_000, manner: Manner::Together },
        ..PUBLISHED_PORTS
    },
    Work {
        name: "east-west",
        about: "like udp-1, from one namespace to another on the same bridge",
        task: Task::EastWest,
        modes: EAST_WEST,
        metrics: PACKETS,
        ..PLAIN
    },
    Work {
        name: "lab-10",
        about: "a lab of 10 namespaces up and down; in iptables-nft by `ip -batch`",
        task: Task::Lab { namespaces: 10 },
        series: Some(LAB.at(10)),
        ..LAB_OF
    },
    Work {
        name: "lab-100",
        about: "the same of 100 namespaces",
        task: Task::Lab { namespaces: 100 },
        series: Some(LAB.at(100)),
        is_long: true,
        ..LAB_OF
    },
    Work {
        name: "lab-1000",
        about: "the same of 1,000 namespaces",
        task: Task::Lab { namespaces: 1_000 },
        series: Some(LAB.at(1_000)),
        most_rounds: 3,
        is_long: true,
        ..LAB_OF
    },
    Work {
        name: "iperf3",
        about: "one TCP stream, by iperf3: to check tcp-stream-1 against",
        task: Task::Iperf,
        is_long: true,
        modes: CHECKED,
        metrics: STREAM,
        ..PLAIN
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::WORKS;

    #[test]
    fn every_work_has_a_name_of_its_own_and_something_to_measure() {
        let names: HashSet<_> = WORKS.iter().map(|work| work.name).collect();
        assert_eq!(names.len(), WORKS.len());
        for work in WORKS {
            assert!(!work.metrics.is_empty() && !work.modes.is_empty(), "{}", work.name);
            assert!(!work.about.is_empty(), "{}", work.name);
        }
    }
}
