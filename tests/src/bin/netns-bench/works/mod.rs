//! The works: each is done by a client and a server, which have a CPU each.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::Result;
use serde::Serialize;

use crate::{
    cpu::{self, CLIENT, SERVER},
    modes::Mode,
    places::{self, Kind, Place},
};

mod catalogue;
mod forwarding;
mod generator;
mod iperf;
mod labs;
mod latency;
mod publish;
mod ring;
mod table;
mod tcp;
mod udp;

pub(crate) use catalogue::WORKS;
use publish::Manner;

/// When an end that hears nothing gives up.
const PATIENCE: Duration = Duration::from_secs(2);
/// Which way a figure is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    More,
    Less,
    /// It is a setting, or the same in every mode.
    Neither,
}

/// What is measured of a work.
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
    /// What there are so many of.
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

/// Something to do in several modes.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    task: Task,
    pub(crate) modes: &'static [Mode],
    /// The network that it needs.
    pub(crate) kind: Kind,
    pub(crate) metrics: &'static [Metric],
    pub(crate) series: Option<Series>,
    /// Of what takes long, fewer rounds are enough.
    pub(crate) most_rounds: usize,
    /// Too long for `--quick`.
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
    Publish { ports: u16, manner: Manner },
    EastWest,
    Latency,
    Lab { namespaces: u16 },
    Beside { ports: u16 },
    Iperf,
}

impl Work {
    /// Whether that is its name, or the beginning of it up to a `-`.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    /// How long a sample takes, roughly, for the time left: the window, and what is made before.
    pub(crate) fn likely(&self, window: Duration) -> Duration {
        let flow = Duration::from_micros(10);
        let before = match self.task {
            Task::Forwarding { flows } => flow * flows,
            Task::NewFlows { live } => flow * (2 * live).max(table::FILLED),
            Task::Table => flow * 300_000,
            Task::Publish { ports, .. } | Task::Beside { ports } => {
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
        // Sockets, threads, and the tables that are emptied before and after.
        window + before + Duration::from_millis(100)
    }

    /// Whether a second sample sends what the first has sent.
    pub(crate) const fn repeats_its_flows(&self) -> bool {
        matches!(self.task, Task::Forwarding { .. })
    }

    /// One sample: a figure for each of [`Self::metrics`], of what has arrived.
    ///
    /// # Errors
    /// When nothing comes through, or an end fails.
    pub(crate) fn sample(&self, place: &Place, window: Duration) -> Result<Vec<f64>> {
        match self.task {
            Task::Udp { flows } => udp::flood(place, flows, window),
            Task::Forwarding { flows } => on_client_cpu(|| forwarding::cost(place, flows, window)),
            Task::NewFlows { live } => on_client_cpu(|| table::new_flows(place, live, window)),
            Task::Table => on_client_cpu(|| table::table(place)),
            Task::TcpStream { parallel } => {
                with_cpu(8.0 * 1024.0 * 1e9, || tcp::stream(place, parallel, window))
            }
            Task::TcpRequestResponse => with_cpu(1e6, || tcp::request_response(place, window)),
            Task::TcpConnect => with_cpu(1e6, || tcp::connect_request_response(place, window)),
            Task::Publish { ports, manner } => publish::connections(place, ports, manner, window),
            Task::EastWest => udp::flood(&place.east_west(), 1, window),
            Task::Lab { namespaces } => labs::lab(place.mode, namespaces, window),
            Task::Beside { ports } => forwarding::cost_beside(place, ports, window),
            Task::Iperf => with_cpu(8.0 * 1024.0 * 1e9, || iperf::stream(place, window)),
            Task::Latency => latency::under_load(place, window),
        }
    }
}

/// The ports that servers listen at, as a list.
pub(crate) fn server_ports() -> String {
    let published = WORKS.iter().filter_map(|work| match work.task {
        Task::Publish { ports, .. } => Some(publish::last(ports)),
        _ => None,
    });
    let ports: Vec<_> = published.chain([places::PORT]).map(|port| port.to_string()).collect();
    ports.join(",")
}

/// What a work has done, and how long it took, in seconds.
#[derive(Clone, Copy, Debug)]
struct Done {
    units: f64,
    seconds: f64,
}

/// The rate, and the CPU time a unit in parts of a second.
fn with_cpu(parts: f64, work: impl FnOnce() -> Result<Done>) -> Result<Vec<f64>> {
    let (done, busy) = cpu::busy_during(work)?;
    Ok(vec![done.units / done.seconds, busy * parts / done.units])
}

/// Does what one thread does alone on the client's CPU.
fn on_client_cpu<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        joined(scope.spawn(|| {
            cpu::pin(CLIENT)?;
            work()
        }))
    })
}

/// Ends what other threads do when it goes, also in a panic.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The result of a thread that has ended.
fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
