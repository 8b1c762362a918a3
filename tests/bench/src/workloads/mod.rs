//! The workloads: each is run by a client and a server, which have a CPU each.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::network::Network;

pub(crate) mod catalogue;
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
pub(crate) mod workload;

use ends::{on_client_cpu, with_cpu};
use workload::{Task, Workload};

impl Workload {
    /// The load that every mode is offered beside what is measured, in packets per second; `None`:
    /// the workload has none.
    ///
    /// # Errors
    /// When one of the networks cannot carry packets.
    pub(crate) fn load<'a>(
        &self,
        networks: impl Iterator<Item = &'a Network>,
    ) -> Result<Option<f64>> {
        match self.task {
            Task::Latency => latency::half_of_the_slowest(networks).map(Some),
            _ => Ok(None),
        }
    }

    /// Takes one sample: a figure for each of [`Self::metrics`], counted where packets arrive.
    /// `load` is that of [`Self::load`].
    ///
    /// # Errors
    /// When no packet arrives, or an end fails.
    pub(crate) fn sample(
        &self,
        network: &Network,
        window: Duration,
        load: Option<f64>,
    ) -> Result<Vec<f64>> {
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
            Task::Latency => {
                latency::under_load(network, window, load.context("no load was measured")?)
            }
        }
    }
}
