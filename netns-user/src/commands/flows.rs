//! `netns flows` and `netns flows flush`

use std::{
    cmp::Reverse,
    io::{BufWriter, Write as _},
    net::SocketAddrV4,
    process::ExitCode,
    time::Duration,
};

use netns_common::abi::FlowKind;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    change::apply,
    routers::{LivingRouter, routers},
};
use crate::{
    cli::{FlowsArgs, FlowsChange},
    datapath::FlowStatus,
    lab,
    output::{self, Items, bytes, count, counted, duration, write_json, write_table},
    step::flush_command,
};

/// A connection.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Row<'a> {
    /// The name of the router that tracks it; `"machine"`: this machine.
    router: &'a str,
    #[serde(flatten)]
    flow: &'a FlowStatus,
}

/// The result of `netns flows flush`.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Flushed {
    /// The number of connections that were forgotten.
    flushed: usize,
}

/// Shows the connections that the NAT tracks, busiest first, or flushes them.
///
/// # Errors
/// When no lab can be chosen or its flow table cannot be read.
pub fn run(args: &FlowsArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    let lab = lab::choose(args.about.lab().as_deref())?;
    let routers = routers(&lab.topology, args.about.router())?;
    if let Some(FlowsChange::Flush(changing)) = args.change {
        let commands: Vec<String> =
            routers.iter().map(|router| flush_command(&router.netns)).collect();
        let act = || {
            let mut flushed = 0;
            for router in &routers {
                flushed += router.open()?.flush_flows()?;
            }
            Ok(Flushed { flushed })
        };
        return apply(changing, json, &commands, act, |done| {
            format!("{} flushed\n", counted(done.flushed, "flow"))
        });
    }
    // There may be a million connections, so only their numbers are kept. Rows and their text are
    // made one at a time.
    let mut flows = Vec::new();
    for (number, router) in (0_u32..).zip(&routers) {
        router.open()?.each_flow(|flow| flows.push((number, flow)))?;
    }
    flows.sort_unstable_by_key(|(number, flow)| {
        (Reverse(flow.bytes_out + flow.bytes_in), flow.inside, flow.remote, *number)
    });
    let names: Vec<&str> = routers.iter().map(LivingRouter::name).collect();
    let names_routers = routers.len() > 1;
    let rows = || {
        flows.iter().map(|(number, flow)| Row {
            router: names.get(*number as usize).copied().unwrap_or_default(),
            flow,
        })
    };
    if json {
        let mut out = output::json_stdout();
        write_json(&mut out, &Items(rows))?;
        out.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = BufWriter::new(output::stdout());
    if names_routers {
        write_table(&mut out, &HEADERS, || rows().map(|row| cells(&row)))?;
    } else {
        let [_, headers @ ..] = HEADERS;
        write_table(&mut out, &headers, || {
            rows().map(|row| {
                let [_, cells @ ..] = cells(&row);
                cells
            })
        })?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

const HEADERS: [&str; 10] =
    ["ROUTER", "PROTO", "STATE", "KIND", "BEFORE", "AFTER", "AGE", "LEFT", "PKTS", "BYTES"];

fn cells(Row { router, flow }: &Row<'_>) -> [String; 10] {
    let (before, after) = ends(flow);
    [
        (*router).to_owned(),
        flow.protocol.to_owned(),
        flow.state.to_owned(),
        flow.kind.name().to_owned(),
        before,
        after,
        age(flow.age_seconds),
        age(flow.expires_seconds),
        count(u64::from(flow.packets_out) + u64::from(flow.packets_in)),
        bytes(flow.bytes_out + flow.bytes_in),
    ]
}

/// The first packet's source and destination, before and after translation.
fn ends(flow: &FlowStatus) -> (String, String) {
    let pair = |from, to| format!("{} > {}", end(from), end(to));
    let FlowStatus { inside, external, remote, remote_inside, .. } = *flow;
    match flow.kind {
        FlowKind::Masquerade | FlowKind::Hairpin | FlowKind::Host | FlowKind::OtherNat => {
            (pair(inside, remote_inside), pair(external, remote))
        }
        FlowKind::Forward | FlowKind::Admitted => {
            (pair(remote, external), pair(remote_inside, inside))
        }
    }
}

/// In whole seconds, which is the resolution of the flow table.
fn age(seconds: u32) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        _ => duration(Duration::from_secs(seconds.into())),
    }
}

/// The remote of an ICMP query has port 0, which is not shown.
fn end(end: SocketAddrV4) -> String {
    if end.port() == 0 { end.ip().to_string() } else { end.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(kind: FlowKind) -> FlowStatus {
        FlowStatus {
            protocol: "tcp",
            state: "ESTABLISHED",
            kind,
            inside: "192.168.15.2:80".parse().unwrap(),
            external: "192.168.1.10:8080".parse().unwrap(),
            remote: "192.168.1.1:40000".parse().unwrap(),
            remote_inside: "192.168.1.1:40000".parse().unwrap(),
            age_seconds: 75,
            idle_seconds: 0,
            expires_seconds: 7440,
            packets_out: 3,
            packets_in: 4,
            bytes_out: 1000,
            bytes_in: 500,
        }
    }

    #[test]
    fn a_forward_is_shown_as_its_client_sends_it() {
        let (before, after) = ends(&flow(FlowKind::Forward));
        assert_eq!(before, "192.168.1.1:40000 > 192.168.1.10:8080");
        assert_eq!(after, "192.168.1.1:40000 > 192.168.15.2:80");
    }

    #[test]
    fn a_client_is_shown_after_translation_with_the_port_that_the_target_sees() {
        let remote_inside = "192.168.1.1:50123".parse().unwrap();
        let flow = FlowStatus { remote_inside, ..flow(FlowKind::Forward) };
        let (before, after) = ends(&flow);
        assert_eq!(before, "192.168.1.1:40000 > 192.168.1.10:8080");
        assert_eq!(after, "192.168.1.1:50123 > 192.168.15.2:80");
    }

    #[test]
    fn a_masquerade_is_shown_as_its_namespace_sends_it() {
        let (before, after) = ends(&flow(FlowKind::Masquerade));
        assert_eq!(before, "192.168.15.2:80 > 192.168.1.1:40000");
        assert_eq!(after, "192.168.1.10:8080 > 192.168.1.1:40000");
    }
}
