//! Networks of a client, a server, and what is between them.

use std::{fs, net::Ipv4Addr, process::Command};

use anyhow::{Context as _, Result, bail, ensure};
use netns_tests::{enter, netns_path};

use crate::places::Place;

pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);

/// Client and server with one cable between them.
pub(crate) fn cable(place: &Place) -> Result<()> {
    let (client, server) = (&place.client, &place.server);
    ip(&format!("netns add {client}"))?;
    ip(&format!("netns add {server}"))?;
    ip(&format!("link add eth0 netns {client} type veth peer name eth0 netns {server}"))?;
    ip(&format!("-n {client} address add 192.168.1.10/24 dev eth0"))?;
    ip(&format!("-n {server} address add {SERVER}/24 dev eth0"))?;
    ip(&format!("-n {client} link set eth0 up"))?;
    ip(&format!("-n {server} link set eth0 up"))?;
    ip(&format!("-n {client} route add default via {SERVER}"))?;
    ready(place)
}

/// A client on a bridge of a router, and the server beyond the router's uplink `ens3`. The server
/// has a route to the client, so that no NAT is needed.
pub(crate) fn routed(place: &Place) -> Result<()> {
    let Place { client, server, router, .. } = place;
    for namespace in [client, server, router] {
        ip(&format!("netns add {namespace}"))?;
    }
    ip(&format!("-n {router} link add v-net-0 type bridge"))?;
    ip(&format!("-n {router} address add 192.168.15.5/24 dev v-net-0"))?;
    ip(&format!("link add eth0 netns {client} type veth peer name red netns {router}"))?;
    ip(&format!("-n {router} link set red master v-net-0 up"))?;
    ip(&format!("-n {router} link set v-net-0 up"))?;
    ip(&format!("link add eth0 netns {server} type veth peer name ens3 netns {router}"))?;
    ip(&format!("-n {router} address add 192.168.1.10/24 dev ens3"))?;
    ip(&format!("-n {router} link set ens3 up"))?;
    ip(&format!("-n {router} route add default via {SERVER}"))?;
    ip(&format!("-n {client} address add 192.168.15.1/24 dev eth0"))?;
    ip(&format!("-n {client} link set eth0 up"))?;
    ip(&format!("-n {client} route add default via 192.168.15.5"))?;
    ip(&format!("-n {server} address add {SERVER}/24 dev eth0"))?;
    ip(&format!("-n {server} link set eth0 up"))?;
    ip(&format!("-n {server} route add 192.168.15.0/24 via 192.168.1.10"))?;
    set(router, "ipv4/ip_forward", "1")?;
    ready(place)
}

/// A flow table in which one client may have 100,000 connections that nobody answers: half of it
/// is for answered ones.
const LIMITS: &str = "flow_table = 262144\nquota = 131072\nunreplied = 131072";

/// The same network as a lab of ours; `nat` is in the table of that name in its file, and `more`
/// follows.
pub(crate) fn lab(place: &Place, nat: &str, more: &str) -> Result<()> {
    let Place { client, server, router, .. } = place;
    let text = format!(
        r#"name = "{router}"
[nat]
{LIMITS}
{nat}
[router]
namespace = "{router}"
[[uplink]]
name = "ens3"
address = "192.168.1.10/24"
gateway = "192.168.1.1"
outside = {{ namespace = "{server}", interface = "eth0", address = "192.168.1.1/24" }}
[[bridge]]
name = "v-net-0"
address = "192.168.15.5/24"
[[namespace]]
name = "{client}"
interface = "eth0"
port = "red"
bridge = "v-net-0"
address = "192.168.15.1/24"
[[masquerade]]
source = "192.168.15.0/24"
uplink = "ens3"
{more}
"#
    );
    let file = format!("/run/{router}.toml");
    fs::write(&file, text).with_context(|| format!("cannot write {file}"))?;
    finish(Command::new(netns_path()).args(["up", &file]))?;
    ready(place)
}

/// What both ends need for many connections one after another, and for many destinations.
fn ready(place: &Place) -> Result<()> {
    ip(&format!("-n {} link set lo up", place.server))?;
    ip(&format!("-n {} route add local 10.0.0.0/8 dev lo", place.server))?;
    set(&place.client, "ipv4/ip_local_port_range", "1024 65535")?;
    set(&place.client, "ipv4/tcp_tw_reuse", "1")
}

/// Sets /proc/sys/net/KEY in a namespace.
pub(crate) fn set(namespace: &str, key: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/net/{key}");
    enter(Some(namespace), || fs::write(&path, value))
        .with_context(|| format!("cannot set {path} to {value}"))
}

/// Runs a tool in a namespace.
pub(crate) fn tool(namespace: &str, program: &str, arguments: &str) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments.split(' '));
    enter(Some(namespace), || finish(&mut command))
}

pub(crate) fn ip(arguments: &str) -> Result<()> {
    finish(Command::new("ip").args(arguments.split(' ')))
}

fn finish(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("there is no {program}: install {}", package(&program))
        }
        other => other.with_context(|| format!("cannot start {program}"))?,
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("no message");
    ensure!(output.status.success(), "{program}: {}", first.trim());
    Ok(())
}

/// The Debian package of a tool.
pub(crate) fn package(program: &str) -> &'static str {
    match program {
        "nft" => "Debian's package nftables",
        "ip" => "Debian's package iproute2",
        "iperf3" => "Debian's package iperf3",
        "iptables-nft" | "iptables-legacy" => "Debian's package iptables",
        _ => "it",
    }
}
