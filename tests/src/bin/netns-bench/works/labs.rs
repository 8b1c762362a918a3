//! Labs of many namespaces: how long it takes until they are there and gone, and what a packet
//! costs in them.

use std::{
    fmt::Write as _,
    fs,
    net::Ipv4Addr,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use netns_tests::{DEADLINE, netns_path};
use nix::net::if_::if_nametoindex;

use super::forwarding;
use crate::{
    layout::{self, SERVER, SINK, SINK_HOP, UPLINK},
    modes::{Mode, bridge_netfilter},
    places::{Kind, Place},
    tools::{finish, ip, set, tool},
};

/// The bridge's address; the namespaces have those that follow.
const BRIDGE: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 1);
const NETWORK: &str = "172.16.0.0/16";

/// The ordinal of a namespace, from 1, as part of its name.
fn name(number: u16) -> String {
    format!("many-{number}")
}

fn address(number: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(BRIDGE) + u32::from(number))
}

/// Seconds until a lab of so many namespaces is up, until the command that takes it down ends and
/// until all of it is gone, and what a packet of the first namespace costs in nanoseconds.
pub(super) fn lab(mode: Mode, namespaces: u16, window: Duration) -> Result<Vec<f64>> {
    let place = Place {
        client: name(1),
        neighbour: name(2),
        server: "many-lan".to_owned(),
        router: "many-host".to_owned(),
        own: address(1),
        ..Place::new(mode, Kind::Plain)
    };
    let begin = Instant::now();
    let built = up(&place, namespaces);
    let up_after = begin.elapsed().as_secs_f64();
    let cost = built.and_then(|()| {
        layout::sink(&place.router)?;
        super::on_client_cpu(|| forwarding::cost(&place, 1, window))
    });
    let begin = Instant::now();
    let removed = down(&place, namespaces);
    let down_after = begin.elapsed().as_secs_f64();
    all_gone()?;
    let gone_after = begin.elapsed().as_secs_f64();
    // What went wrong first tells why.
    let cost = cost?;
    removed?;
    Ok([vec![up_after, down_after, gone_after], cost].concat())
}

fn up(place: &Place, namespaces: u16) -> Result<()> {
    match place.mode {
        Mode::Ours | Mode::OursPeer | Mode::OursViaStack => {
            let file = layout::lab_file(place);
            fs::write(&file, lab_text(place, namespaces))?;
            finish(Command::new(netns_path()).args(["up", &file]))
        }
        _ => by_batches(place, namespaces),
    }
}

fn down(place: &Place, namespaces: u16) -> Result<()> {
    match place.mode {
        Mode::Ours | Mode::OursPeer | Mode::OursViaStack => {
            finish(Command::new(netns_path()).args(["down", &place.router]))
        }
        _ => {
            let mut text = String::new();
            for number in 1..=namespaces {
                writeln!(text, "netns del {}", name(number))?;
            }
            writeln!(text, "netns del {}\nnetns del {}", place.server, place.router)?;
            // What was not made is not there to be deleted.
            batch(None, &["-force"], &text)
        }
    }
}

fn lab_text(place: &Place, namespaces: u16) -> String {
    let Place { server, router, own, .. } = place;
    let nat = place.mode.nat(place.kind);
    format!(
        r#"name = "{router}"
[nat]
{nat}
[router]
namespace = "{router}"
routes = [{{ to = "{SINK}", via = "{SINK_HOP}" }}]
[[uplink]]
name = "ens3"
address = "{UPLINK}/24"
gateway = "{SERVER}"
outside = {{ namespace = "{server}", interface = "eth0", address = "{SERVER}/24" }}
[[bridge]]
name = "v-net-0"
address = "{BRIDGE}/16"
[[namespace]]
name = "many-{{}}"
interface = "eth0"
port = "many-{{}}"
bridge = "v-net-0"
address = "{own}/16"
count = {namespaces}
[[masquerade]]
source = "{NETWORK}"
uplink = "ens3"
"#
    )
}

/// The same lab by as few processes of `ip` as there can be: a batch of what can be done from
/// outside, and one within each namespace. As in ours there are no IPv6 addresses: those of a
/// thousand links would look for each other on the bridge for a while.
fn by_batches(place: &Place, namespaces: u16) -> Result<()> {
    let Place { server, router, .. } = place;
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
    bridge_netfilter(place, place.mode != Mode::IptablesNftPlainBridge)?;
    tool(
        router,
        "iptables-nft",
        &format!("-t nat -A POSTROUTING -s {NETWORK} -o ens3 -j MASQUERADE"),
    )
}

fn batch(namespace: Option<&str>, options: &[&str], text: &str) -> Result<()> {
    // The sandbox's own, which goes with it.
    let file = "/run/many.batch";
    fs::write(file, text).with_context(|| format!("cannot write {file}"))?;
    let mut command = Command::new("ip");
    command.args(namespace.map(|name| ["-n", name]).into_iter().flatten());
    finish(command.args(options).arg("-batch").arg(file))
}

/// Waits until the kernel has cleared away every namespace that was deleted. It does so one after
/// another in the background: one that is deleted last goes last, and the far end of its cable,
/// which is here, with it.
fn all_gone() -> Result<()> {
    const LAST: &str = "many-last";
    ip(&format!("netns add {LAST}"))?;
    ip(&format!("link add {LAST} type veth peer name eth0 netns {LAST}"))?;
    ip(&format!("netns del {LAST}"))?;
    let begin = Instant::now();
    while if_nametoindex(LAST).is_ok() {
        ensure!(begin.elapsed() < 6 * DEADLINE, "deleted namespaces do not go");
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
