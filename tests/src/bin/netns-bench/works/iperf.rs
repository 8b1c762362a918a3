//! The stream of a tool that others know, to check our own against.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};
use netns_tests::enter;
use serde_json::Value;

use super::{CLIENT, Done, SERVER};
use crate::{
    cpu,
    places::Place,
    tools::{not_started, output},
};

const PROGRAM: &str = "iperf3";

/// Bits that arrive in one stream, by iperf3.
pub(super) fn stream(place: &Place, window: Duration) -> Result<Done> {
    let port = place.port.to_string();
    let mut server = Command::new(PROGRAM);
    server.args(["--server", "--one-off", "--forceflush", "--port", &port]);
    // Ends by itself, should this process be killed.
    server.args(["--idle-timeout", "30"]);
    server.args(["--affinity", &cpu::number(SERVER).to_string()]);
    server.stdout(Stdio::piped()).stderr(Stdio::null());
    let server = enter(Some(&place.server), || server.spawn());
    let mut server = Server(server.map_err(|error| not_started(PROGRAM, error))?);
    server.listens()?;

    // Whole seconds are all that it measures.
    let seconds = window.as_secs().max(1).to_string();
    let mut client = Command::new(PROGRAM);
    client.args(["--client", &place.address.to_string(), "--port", &port, "--json"]);
    client.args(["--affinity", &cpu::number(CLIENT).to_string(), "--time", &seconds]);
    let said = enter(Some(&place.client), || output(&mut client))?;
    let result: Value = serde_json::from_slice(&said.stdout).context("iperf3 writes no JSON")?;
    let received = &result["end"]["sum_received"];
    let figure = |name| received[name].as_f64().with_context(|| format!("iperf3 tells no {name}"));
    Ok(Done { units: figure("bytes")? * 8.0, seconds: figure("seconds")? })
}

/// Ends with the work, also when nobody has connected.
struct Server(Child);

impl Server {
    fn listens(&mut self) -> Result<()> {
        let said = self.0.stdout.take().context("no standard output")?;
        let listens = BufReader::new(said)
            .lines()
            .any(|line| line.is_ok_and(|line| line.starts_with("Server listening")));
        listens.then_some(()).context("iperf3 does not listen")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended when it has served.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
