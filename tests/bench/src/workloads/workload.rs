//! What a workload is: its task, the modes that run it, and the quantities that it measures.

use std::time::Duration;

use serde::Serialize;

use super::{flow_table, publish::Publication};
use crate::{modes::Mode, network::NetworkKind};

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
    pub(super) const fn of(name: &'static str, x_is: &'static str) -> Self {
        Self { name, x_is, x: 0 }
    }

    pub(super) const fn at(self, x: u32) -> Self {
        Self { x, ..self }
    }
}

/// One workload: a task, the modes that it runs in, and the metrics that it measures.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(super) task: Task,
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
pub(super) enum Task {
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
}
