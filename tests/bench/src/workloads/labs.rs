//! Labs of many namespaces: how long building and removing them takes, and what a packet costs in
//! them.

use std::{
    fmt::Write as _,
    fs,
    net::Ipv4Addr,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use netns_tests::{DEADLINE, netns_path};
use netns_user::net::LinkEvents;
use nix::net::if_::if_nametoindex;

use super::{ends::on_client_cpu, packet_cost};
use crate::{
    lab_file::{lab_file, router_text},
    modes::Mode,
    network::{Network, NetworkKind, SERVER, SINK, SINK_HOP, UPLINK},
    tools::{finish, ip, set, tool},
    topology::{add_sink, bridge_netfilter},
};

/// The bridge's address; the namespaces have the addresses that follow.
const BRIDGE: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 1);
const NETWORK: &str = "172.16.0.0/16";

/// The name of the namespace with this number; the first is 1.
fn name(number: u16) -> String {
    format!("many-{number}")
}

fn address(number: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(BRIDGE) + u32::from(number))
}

/// The seconds until a lab is up, until the command that takes it down ends, and until the kernel
/// has removed all of it; and the nanoseconds that a packet of the first namespace costs.
pub(super) fn lab(mode: Mode, namespaces: u16, window: Duration) -> Result<Vec<f64>> {
    let network = Network {
        client: name(1),
        neighbour: name(2),
        server: "many-lan".to_owned(),
        router: "many-host".to_owned(),
        client_address: address(1),
        ..Network::new(mode, NetworkKind::Default)
    };
    let begin = Instant::now();
    let built = up(&network, namespaces);
    let up_after = begin.elapsed().as_secs_f64();
    let cost = built.and_then(|()| {
        add_sink(&network)?;
        on_client_cpu(|| packet_cost::cost(&network, 1, window))
    });
    let begin = Instant::now();
    let removed = down(&network, namespaces);
    let down_after = begin.elapsed().as_secs_f64();
    all_gone()?;
    let gone_after = begin.elapsed().as_secs_f64();
    // The first error is the cause.
    let cost = cost?;
    removed?;
    Ok([vec![up_after, down_after, gone_after], cost].concat())
}

fn up(network: &Network, namespaces: u16) -> Result<()> {
    match network.mode {
        Mode::Ours | Mode::OursPeer | Mode::OursViaStack => {
            let file = lab_file(network);
            fs::write(&file, lab_text(network, namespaces))?;
            finish(Command::new(netns_path()).args(["up", &file]))
        }
        _ => by_batches(network, namespaces),
    }
}

fn down(network: &Network, namespaces: u16) -> Result<()> {
    match network.mode {
        Mode::Ours | Mode::OursPeer | Mode::OursViaStack => {
            finish(Command::new(netns_path()).args(["down", &network.router]))
        }
        _ => {
            let mut text = String::new();
            for number in 1..=namespaces {
                writeln!(text, "netns del {}", name(number))?;
            }
            writeln!(text, "netns del {}\nnetns del {}", network.server, network.router)?;
            // Namespaces that were never made cannot be deleted: `-force` goes on.
            batch(None, &["-force"], &text)
        }
    }
}

fn lab_text(network: &Network, namespaces: u16) -> String {
    let Network { client_address, .. } = network;
    let router = router_text(network);
    format!(
        r#"{router}
[[bridge]]
name = "v-net-0"
address = "{BRIDGE}/16"
[[namespace]]
name = "many-{{}}"
interface = "eth0"
port = "many-{{}}"
bridge = "v-net-0"
address = "{client_address}/16"
count = {namespaces}
[[masquerade]]
source = "{NETWORK}"
uplink = "ens3"
"#
    )
}

/// Builds the same lab with as few processes of `ip` as possible: one batch from outside, and one
/// in each namespace. Like our labs it has no IPv6 addresses: a thousand links would send neighbour
/// discovery to each other over the bridge for a while.
fn by_batches(network: &Network, namespaces: u16) -> Result<()> {
    let Network { server, router, .. } = network;
    let mut outside = format!("netns add {router}\nnetns add {server}\n");
    let mut within = format!(
        "link set lo up\nlink add v-net-0 type bridge\n\
         address add {BRIDGE}/16 dev v-net-0\nlink set v-net-0 up\n"
    );
    for number in 1..=namespaces {
        let name = name(number);
        writeln!(outside, "netns add {name}")?;
        writeln!(outside, "link add eth0 netns {name} type veth peer name {name} netns {router}")?;
        writeln!(within, "link set {name} master v-net-0 addrgenmode none up")?;
    }
    writeln!(outside, "link add eth0 netns {server} type veth peer name ens3 netns {router}")?;
    write!(
        within,
        "address add {UPLINK}/24 dev ens3\nlink set ens3 up\nroute add default via {SERVER}\n\
         route add {SINK} via {SINK_HOP}\n"
    )?;
    batch(None, &[], &outside)?;
    batch(Some(router), &[], &within)?;
    let up = "link set lo up\nlink set eth0 addrgenmode none up\n";
    for number in 1..=namespaces {
        let own = address(number);
        let text = format!("address add {own}/16 dev eth0\n{up}route add default via {BRIDGE}\n");
        batch(Some(&name(number)), &[], &text)?;
    }
    batch(Some(server), &[], &format!("address add {SERVER}/24 dev eth0\n{up}"))?;
    set(router, "ipv4/ip_forward", "1")?;
    bridge_netfilter(network, network.mode != Mode::IptablesNftNoBrNetfilter)?;
    tool(
        router,
        "iptables-nft",
        &format!("-t nat -A POSTROUTING -s {NETWORK} -o ens3 -j MASQUERADE"),
    )
}

fn batch(namespace: Option<&str>, options: &[&str], text: &str) -> Result<()> {
    // /run is the sandbox's own, so the file disappears with it.
    let file = "/run/many.batch";
    fs::write(file, text).with_context(|| format!("cannot write {file}"))?;
    let mut command = Command::new("ip");
    command.args(namespace.map(|name| ["-n", name]).into_iter().flatten());
    finish(command.args(options).arg("-batch").arg(file))
}

/// Waits until the kernel has removed every deleted namespace. It removes them one after another in
/// the background. The one deleted last here has a cable that ends in this namespace; when that end
/// disappears, all others are gone.
fn all_gone() -> Result<()> {
    const LAST: &str = "many-last";
    let events = LinkEvents::open()?;
    ip(&format!("netns add {LAST}"))?;
    ip(&format!("link add {LAST} type veth peer name eth0 netns {LAST}"))?;
    ip(&format!("netns del {LAST}"))?;
    let deadline = Instant::now() + 6 * DEADLINE;
    while if_nametoindex(LAST).is_ok() {
        ensure!(events.wait(deadline)?, "deleted namespaces do not go");
    }
    Ok(())
}
