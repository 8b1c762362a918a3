//! The workloads: each is run by a client and a server, which have a CPU each.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::{
    modes::Mode,
    network::{Network, NetworkKind, PORT},
};

mod catalogue;
mod ends;
mod flow_table;
mod generator;
mod iperf;
mod labs;
mod latency;
mod packet_cost;
mod publish;
mod ring;
mod tcp;
mod udp;

pub(crate) use catalogue::WORKLOADS;
use ends::{on_client_cpu, with_cpu};
use publish::Publication;

/// Whether a larger or a smaller figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    More,
    Less,
    /// The figure is a setting, or the same in every mode.
    Neither,
}

/// A quantity that is measured in a workload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
}

/// Works that differ in one number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series {
    pub(crate) name: &'static str,
    /// The unit of the number.
    pub(crate) x_is: &'static str,
    pub(crate) x: u32,
}

impl Series {
    const fn of(name: &'static str, x_is: &'static str) -> Self {
        Self { name, x_is, x: 0 }
    }

    const fn at(self, x: u32) -> Self {
        Self { x, ..self }
    }
}

/// One workload: a task, the modes that it runs in, and the metrics that it measures.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    task: Task,
    pub(crate) modes: &'static [Mode],
    /// The kind of network that it needs.
    pub(crate) kind: NetworkKind,
    pub(crate) metrics: &'static [Metric],
    pub(crate) series: Option<Series>,
    /// The most rounds that it runs: a long workload needs fewer.
    pub(crate) max_rounds: usize,
    /// Whether `--quick` leaves it out.
    pub(crate) is_long: bool,
}

#[derive(Clone, Copy, Debug)]
enum Task {
    Udp { flows: u32 },
    Forwarding { flows: u32 },
    NewFlows { live: u32 },
    Table,
    TcpStream { parallel: usize },
    TcpRequestResponse,
    TcpConnect,
    Publish { ports: u16, publication: Publication },
    EastWest,
    Latency,
    Lab { namespaces: u16 },
    RuleCost { ports: u16 },
    Iperf,
}

impl Workload {
    /// Whether its name is `name`, or begins with `name` and a `-`.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    /// About how long a sample takes, for the estimate of the time left: the window and the setup.
    pub(crate) fn expected(&self, window: Duration) -> Duration {
        let flow = Duration::from_micros(10);
        let before = match self.task {
            Task::Forwarding { flows } => flow * flows,
            Task::NewFlows { live } => flow * (2 * live).max(flow_table::FILLED),
            Task::Table => flow * 300_000,
            Task::Publish { ports, .. } | Task::RuleCost { ports } => {
                Duration::from_micros(50) * ports.into()
            }
            Task::Lab { namespaces } => {
                Duration::from_secs(1) + Duration::from_millis(20) * namespaces.into()
            }
            Task::Iperf => Duration::from_secs(1),
            Task::Udp { flows } => flow * flows / 2,
            Task::TcpStream { .. }
            | Task::TcpRequestResponse
            | Task::TcpConnect
            | Task::EastWest
            | Task::Latency => Duration::ZERO,
        };
        // Sockets, threads, and the flushes of the table before and after the sample.
        window + before + Duration::from_millis(100)
    }

    /// Whether a second sample sends the same flows as the first.
    pub(crate) const fn repeats_its_flows(&self) -> bool {
        matches!(self.task, Task::Forwarding { .. })
    }

    /// Takes one sample: a figure for each of [`Self::metrics`], counted where packets arrive.
    ///
    /// # Errors
    /// When no packet arrives, or an end fails.
    pub(crate) fn sample(&self, network: &Network, window: Duration) -> Result<Vec<f64>> {
        match self.task {
            Task::Udp { flows } => udp::flood(network, flows, window),
            Task::Forwarding { flows } => {
                on_client_cpu(|| packet_cost::cost(network, flows, window))
            }
            Task::NewFlows { live } => {
                on_client_cpu(|| flow_table::new_flows(network, live, window))
            }
            Task::Table => on_client_cpu(|| flow_table::table(network)),
            Task::TcpStream { parallel } => {
                with_cpu(8.0 * 1024.0 * 1e9, || tcp::stream(network, parallel, window))
            }
            Task::TcpRequestResponse => with_cpu(1e6, || tcp::request_response(network, window)),
            Task::TcpConnect => with_cpu(1e6, || tcp::connect_request_response(network, window)),
            Task::Publish { ports, publication } => {
                publish::connections(network, ports, publication, window)
            }
            Task::EastWest => udp::flood(&network.east_west(), 1, window),
            Task::Lab { namespaces } => labs::lab(network.mode, namespaces, window),
            Task::RuleCost { ports } => {
                packet_cost::cost_with_published_ports(network, ports, window)
            }
            Task::Iperf => with_cpu(8.0 * 1024.0 * 1e9, || iperf::stream(network, window)),
            Task::Latency => latency::under_load(network, window),
        }
    }
}

/// The ports that servers listen on, separated by commas.
pub(crate) fn server_ports() -> String {
    let published = WORKLOADS.iter().filter_map(|workload| match workload.task {
        Task::Publish { ports, .. } => Some(publish::last(ports)),
        _ => None,
    });
    let ports: Vec<_> = published.chain([PORT]).map(|port| port.to_string()).collect();
    ports.join(",")
}
