//! A TCP stream of iperf3, as a check of our own.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};
use netns_tests::enter;
use serde_json::Value;

use super::ends::Done;
use crate::{
    cpu::{self, CLIENT, SERVER},
    network::Network,
    tools::{not_started, output},
};

const PROGRAM: &str = "iperf3";

/// The bits that arrive in one stream of iperf3.
pub(super) fn stream(network: &Network, window: Duration) -> Result<Done> {
    let port = network.port.to_string();
    let mut server = Command::new(PROGRAM);
    server.args(["--server", "--one-off", "--forceflush", "--port", &port]);
    // Without a client it ends by itself, in case this process is killed.
    server.args(["--idle-timeout", "30"]);
    server.args(["--affinity", &cpu::number(SERVER).to_string()]);
    server.stdout(Stdio::piped()).stderr(Stdio::null());
    let server = enter(Some(&network.server), || server.spawn());
    let mut server = Server(server.map_err(|error| not_started(PROGRAM, error))?);
    server.listens()?;

    // iperf3 measures whole seconds only.
    let seconds = window.as_secs().max(1).to_string();
    let mut client = Command::new(PROGRAM);
    client.args(["--client", &network.server_address.to_string(), "--port", &port, "--json"]);
    client.args(["--affinity", &cpu::number(CLIENT).to_string(), "--time", &seconds]);
    let output = enter(Some(&network.client), || output(&mut client))?;
    let result: Value = serde_json::from_slice(&output.stdout).context("iperf3 writes no JSON")?;
    let received = &result["end"]["sum_received"];
    let figure = |name| received[name].as_f64().with_context(|| format!("iperf3 tells no {name}"));
    Ok(Done { units: figure("bytes")? * 8.0, seconds: figure("seconds")? })
}

/// A server that ends with the sample, even if no client has connected.
struct Server(Child);

impl Server {
    fn listens(&mut self) -> Result<()> {
        let stdout = self.0.stdout.take().context("no standard output")?;
        let listens = BufReader::new(stdout)
            .lines()
            .any(|line| line.is_ok_and(|line| line.starts_with("Server listening")));
        listens.then_some(()).context("iperf3 does not listen")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After its one client the server has already ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
