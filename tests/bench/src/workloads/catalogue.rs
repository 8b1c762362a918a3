//! All workloads, in their order in the table.

use super::{
    publish::{self, Publication},
    workload::{Better, Metric, Series, Task, Workload},
};
use crate::{
    modes::Mode,
    network::{NetworkKind, PORT},
};

const fn more(name: &'static str, unit: &'static str) -> Metric {
    Metric { name, unit, better: Better::More }
}

const fn less(name: &'static str, unit: &'static str) -> Metric {
    Metric { name, unit, better: Better::Less }
}

/// A figure that describes a sample and is no merit of the mode.
const fn neutral(name: &'static str, unit: &'static str) -> Metric {
    Metric { name, unit, better: Better::Neither }
}

const PACKETS: &[Metric] = &[more("rate", "packets/s"), less("CPU", "ns/packet")];
const COST: &[Metric] = &[less("cost", "ns/packet")];
const FLOW_RATE: &[Metric] = &[more("rate", "flows/s")];
const TABLE: &[Metric] =
    &[neutral("capacity", "flows"), less("memory", "bytes/flow"), more("tear-down", "flows/s")];
const STREAM: &[Metric] = &[more("rate", "bit/s"), less("CPU", "ns/KiB")];
const TRANSACTIONS: &[Metric] = &[more("rate", "transactions/s"), less("CPU", "µs/transaction")];
const UP_AND_DOWN: &[Metric] =
    &[less("up", "s"), less("down", "s"), less("gone", "s"), less("cost", "ns/packet")];
const PACKET_AND_FLOW: &[Metric] = &[less("cost", "ns/packet"), less("begin", "ns/flow")];
const LATENCY: &[Metric] =
    &[less("p50", "µs"), less("p99", "µs"), less("p99.9", "µs"), neutral("load", "packets/s")];
const PUBLISHED: &[Metric] =
    &[more("rate", "connections/s"), less("CPU", "µs/connection"), less("publishing", "ms")];
const CONNECTIONS: &[Metric] = &[more("rate", "connections/s"), less("CPU", "µs/connection")];

/// The modes that track connections, without those that hardly differ from another one.
const TRACKING: &[Mode] =
    &[Mode::IptablesNft, Mode::IptablesNftNoBrNetfilter, Mode::Nftables, Mode::Ours];

/// Those, and the flowtable, whose flows begin in conntrack.
const BEGINNING: &[Mode] = &[
    Mode::IptablesNft,
    Mode::IptablesNftNoBrNetfilter,
    Mode::Nftables,
    Mode::Flowtable,
    Mode::Ours,
];

/// One mode for each kind of connection table and each ruleset that fills it.
const TABLES: &[Mode] = &[Mode::IptablesNft, Mode::Nftables, Mode::Ours];

/// The modes that forward ports.
const PUBLISHING: &[Mode] = &[
    Mode::IptablesNft,
    Mode::IptablesNftNoBrNetfilter,
    Mode::IptablesLegacy,
    Mode::Nftables,
    Mode::Ours,
];

/// Enough modes to show how a figure grows.
const GROWING: &[Mode] =
    &[Mode::Cable, Mode::Routed, Mode::IptablesNft, Mode::Nftables, Mode::Ours];

/// A lab of ours, and the same network made with `ip -batch` and a rule of iptables.
const LABS: &[Mode] = &[Mode::IptablesNft, Mode::IptablesNftNoBrNetfilter, Mode::Ours];

/// The modes in which iperf3 checks our own stream.
const CHECKED: &[Mode] = &[Mode::Cable, Mode::IptablesNft, Mode::Ours];

/// The paths from one namespace to another on the same bridge: with br_netfilter off and on.
const EAST_WEST: &[Mode] = &[Mode::Cable, Mode::Routed, Mode::IptablesNft, Mode::Ours];

const FORWARD_ONLY: Series = Series::of("forward-only", "flows");
const NEW_FLOWS: Series = Series::of("new-flows", "flows that live");
const PUBLISH: Series = Series::of("publish", "published ports");
const RULES: Series = Series::of("rules", "published ports");
const LAB: Series = Series::of("lab", "namespaces");

/// The defaults of a workload.
const BASE: Workload = Workload {
    name: "",
    about: "",
    task: Task::TcpConnect,
    modes: &Mode::ALL,
    kind: NetworkKind::Default,
    metrics: &[],
    series: None,
    max_rounds: usize::MAX,
    is_long: false,
};

const PUBLISHED_PORTS: Workload = Workload { modes: PUBLISHING, metrics: PUBLISHED, ..BASE };
const RULE_COST: Workload =
    Workload { modes: TRACKING, metrics: PACKET_AND_FLOW, is_long: true, ..BASE };
const LAB_OF_SIZE: Workload = Workload { modes: LABS, metrics: UP_AND_DOWN, ..BASE };
const NEW: Workload =
    Workload { modes: BEGINNING, kind: NetworkKind::LargeTable, metrics: FLOW_RATE, ..BASE };

pub(crate) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "udp-1",
        about: "UDP datagrams of 18 bytes from socket to socket, one flow",
        task: Task::Udp { flows: 1 },
        metrics: PACKETS,
        ..BASE
    },
    Workload {
        name: "udp-100k",
        about: "UDP datagrams of 18 bytes from socket to socket, 100,000 flows in turn",
        task: Task::Udp { flows: 100_000 },
        metrics: PACKETS,
        ..BASE
    },
    Workload {
        name: "forward-only-1",
        about: "UDP packets of 18 bytes from interface to interface, all on one CPU, one flow",
        metrics: COST,
        task: Task::Forwarding { flows: 1 },
        series: Some(FORWARD_ONLY.at(1)),
        ..BASE
    },
    Workload {
        name: "forward-only-1k",
        about: "the same, 1,000 flows in turn",
        metrics: COST,
        task: Task::Forwarding { flows: 1_000 },
        modes: GROWING,
        series: Some(FORWARD_ONLY.at(1_000)),
        is_long: true,
        ..BASE
    },
    Workload {
        name: "forward-only-10k",
        about: "the same, 10,000 flows in turn",
        metrics: COST,
        task: Task::Forwarding { flows: 10_000 },
        modes: GROWING,
        series: Some(FORWARD_ONLY.at(10_000)),
        is_long: true,
        ..BASE
    },
    Workload {
        name: "forward-only-100k",
        about: "the same, 100,000 flows in turn",
        metrics: COST,
        task: Task::Forwarding { flows: 100_000 },
        modes: GROWING,
        series: Some(FORWARD_ONLY.at(100_000)),
        ..BASE
    },
    Workload {
        name: "forward-only-1m",
        about: "the same, 1,000,000 flows in turn",
        metrics: COST,
        task: Task::Forwarding { flows: 1_000_000 },
        modes: TRACKING,
        kind: NetworkKind::LargeTable,
        series: Some(FORWARD_ONLY.at(1_000_000)),
        max_rounds: 3,
        is_long: true,
    },
    Workload {
        name: "rules-1",
        about: "cost of a packet from inside, and of a new flow, with one published port",
        task: Task::RuleCost { ports: 1 },
        series: Some(RULES.at(1)),
        ..RULE_COST
    },
    Workload {
        name: "rules-100",
        about: "the same with 100 published ports, each of which is a rule",
        task: Task::RuleCost { ports: 100 },
        series: Some(RULES.at(100)),
        ..RULE_COST
    },
    Workload {
        name: "rules-10k",
        about: "the same with 10,000 published ports, each of which is a rule",
        task: Task::RuleCost { ports: 10_000 },
        series: Some(RULES.at(10_000)),
        ..RULE_COST
    },
    Workload {
        name: "new-flows-10k",
        about: "new UDP flows while 10,000 live",
        task: Task::NewFlows { live: 10_000 },
        series: Some(NEW_FLOWS.at(10_000)),
        ..NEW
    },
    Workload {
        name: "new-flows-100k",
        about: "new UDP flows while 100,000 live",
        task: Task::NewFlows { live: 100_000 },
        series: Some(NEW_FLOWS.at(100_000)),
        is_long: true,
        ..NEW
    },
    Workload {
        name: "new-flows-1m",
        about: "new UDP flows while 1,000,000 live",
        task: Task::NewFlows { live: 1_000_000 },
        series: Some(NEW_FLOWS.at(1_000_000)),
        max_rounds: 3,
        is_long: true,
        ..NEW
    },
    Workload {
        name: "flow-table",
        about: "how many flows a table holds, the memory of each, and how fast a flush is",
        task: Task::Table,
        modes: TABLES,
        metrics: TABLE,
        max_rounds: 3,
        ..BASE
    },
    Workload {
        name: "tcp-stream-1",
        about: "one TCP stream",
        task: Task::TcpStream { parallel: 1 },
        metrics: STREAM,
        ..BASE
    },
    Workload {
        name: "tcp-stream-2",
        about: "two TCP streams in parallel",
        task: Task::TcpStream { parallel: 2 },
        metrics: STREAM,
        ..BASE
    },
    Workload {
        name: "tcp-stream-1-plain",
        about: "one TCP stream, with the offloads of every link off",
        task: Task::TcpStream { parallel: 1 },
        kind: NetworkKind::OffloadsOff,
        metrics: STREAM,
        ..BASE
    },
    Workload {
        name: "tcp-stream-2-plain",
        about: "two TCP streams in parallel, with the offloads of every link off",
        task: Task::TcpStream { parallel: 2 },
        kind: NetworkKind::OffloadsOff,
        metrics: STREAM,
        ..BASE
    },
    Workload {
        name: "tcp-rr",
        about: "request and response of one byte over one TCP connection",
        task: Task::TcpRequestResponse,
        metrics: TRANSACTIONS,
        ..BASE
    },
    Workload {
        name: "tcp-crr",
        about: "a TCP connection, request and response of one byte over it, and its end",
        task: Task::TcpConnect,
        metrics: CONNECTIONS,
        ..BASE
    },
    Workload {
        name: "latency",
        about: "time of a UDP request and its response under half the load that the slowest mode carries",
        task: Task::Latency,
        metrics: LATENCY,
        ..BASE
    },
    Workload {
        name: "publish-1",
        about: "like tcp-crr, from outside to a published port, and the time to publish the port",
        task: Task::Publish { ports: 1, publication: Publication::RulePerPort },
        series: Some(PUBLISH.at(1)),
        ..PUBLISHED_PORTS
    },
    Workload {
        name: "publish-100",
        about: "the same to the last of 100 published ports, each of which is a rule",
        task: Task::Publish { ports: 100, publication: Publication::RulePerPort },
        series: Some(PUBLISH.at(100)),
        is_long: true,
        ..PUBLISHED_PORTS
    },
    Workload {
        name: "publish-10k",
        about: "the same to the last of 10,000 published ports, each of which is a rule",
        task: Task::Publish { ports: 10_000, publication: Publication::RulePerPort },
        series: Some(PUBLISH.at(10_000)),
        ..PUBLISHED_PORTS
    },
    Workload {
        name: "publish-10k-range",
        about: "the same to the last of 10,000 published ports, all of which are one rule",
        task: Task::Publish { ports: 10_000, publication: Publication::OneRule },
        ..PUBLISHED_PORTS
    },
    Workload {
        name: "east-west",
        about: "like udp-1, from one namespace to another on the same bridge",
        task: Task::EastWest,
        modes: EAST_WEST,
        metrics: PACKETS,
        ..BASE
    },
    Workload {
        name: "lab-10",
        about: "a lab of 10 namespaces up and down; in iptables-nft with `ip -batch`",
        task: Task::Lab { namespaces: 10 },
        series: Some(LAB.at(10)),
        ..LAB_OF_SIZE
    },
    Workload {
        name: "lab-100",
        about: "the same with 100 namespaces",
        task: Task::Lab { namespaces: 100 },
        series: Some(LAB.at(100)),
        is_long: true,
        ..LAB_OF_SIZE
    },
    Workload {
        name: "lab-1000",
        about: "the same with 1,000 namespaces",
        task: Task::Lab { namespaces: 1_000 },
        series: Some(LAB.at(1_000)),
        max_rounds: 3,
        is_long: true,
        ..LAB_OF_SIZE
    },
    Workload {
        name: "iperf3",
        about: "one TCP stream of iperf3, as a check of tcp-stream-1",
        task: Task::Iperf,
        is_long: true,
        modes: CHECKED,
        metrics: STREAM,
        ..BASE
    },
];

/// The ports that servers listen on, separated by commas.
pub(crate) fn server_ports() -> String {
    let published = WORKLOADS.iter().filter_map(|workload| match workload.task {
        Task::Publish { ports, .. } => Some(publish::last(ports)),
        _ => None,
    });
    let ports: Vec<_> = published.chain([PORT]).map(|port| port.to_string()).collect();
    ports.join(",")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::WORKLOADS;

    #[test]
    fn every_workload_has_a_unique_name_a_mode_and_a_metric() {
        let names: HashSet<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
        assert_eq!(names.len(), WORKLOADS.len());
        for workload in WORKLOADS {
            assert!(
                !workload.metrics.is_empty() && !workload.modes.is_empty(),
                "{}",
                workload.name
            );
            assert!(!workload.about.is_empty(), "{}", workload.name);
        }
    }
}
