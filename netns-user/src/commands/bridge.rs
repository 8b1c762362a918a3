//! `netns bridge add|del|attach|detach|list`

use std::process::ExitCode;

use anyhow::bail;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    change::{Change, carry_out},
    lookup::{Lookup, require_namespace, what},
    owner::{require_free, require_unowned},
    print,
};
use crate::{
    cli::{
        BridgeAction, BridgeAddArgs, BridgeArgs, BridgeAttachArgs, BridgeDelArgs, BridgeDetachArgs,
        BridgeListArgs,
    },
    lab,
    net::{BRIDGE, Interface, NetError, Netns, PortState},
    output::table,
    shell,
    step::{NetlinkPool, Step, Survey},
};

/// Adds, deletes or lists bridges, attaches or detaches ports.
///
/// # Errors
/// When a name is taken or an object does not exist, or when the kernel refuses.
pub fn run(args: &BridgeArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    match &args.action {
        BridgeAction::Add(args) => carry_out(args.changing, json, add(args)?),
        BridgeAction::Del(args) => carry_out(args.changing, json, del(args)?),
        BridgeAction::Attach(args) => carry_out(args.changing, json, attach(args)?),
        BridgeAction::Detach(args) => carry_out(args.changing, json, detach(args)?),
        BridgeAction::List(args) => list(args, json),
    }
}

/// A bridge that was added.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Added {
    /// The bridge, as `NAMESPACE:INTERFACE`.
    bridge: String,
}

/// A bridge that was deleted.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Deleted {
    /// The bridge, as `NAMESPACE:INTERFACE`.
    bridge: String,
    /// The ports that it had, as `NAMESPACE:INTERFACE`.
    unplugged: Vec<String>,
}

/// A port that was attached to a bridge or detached from it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Plugged {
    /// The bridge, as `NAMESPACE:INTERFACE`.
    bridge: String,
    /// The port, as `NAMESPACE:INTERFACE`.
    port: String,
}

fn add(args: &BridgeAddArgs) -> anyhow::Result<Change<Added>> {
    let interface = &args.bridge.interface;
    Lookup::default().require_free(interface)?;
    // The bridge gets its address before it is up, so that a bridge that is up is complete.
    let mut steps =
        vec![Step::AddBridge { interface: interface.clone(), mac: None, mtu: args.mtu, up: false }];
    let address = args.bridge.address;
    steps.extend(address.map(|address| Step::AddAddress { interface: interface.clone(), address }));
    if args.up {
        steps.push(Step::SetLink { interface: interface.clone(), up: true });
    }
    Ok(Change {
        steps,
        outcome: "added",
        object: format!("bridge {interface}"),
        fields: Added { bridge: interface.to_string() },
    })
}

pub(super) fn del(args: &BridgeDelArgs) -> anyhow::Result<Change<Deleted>> {
    let mut lookup = Lookup::default();
    let interface = &args.bridge;
    let bridge = lookup.bridge(interface)?;
    require_unowned(interface)?;
    let links = lookup.links(&interface.netns)?;
    let ports = links.iter().filter(|link| link.bridge == Some(bridge.index));
    let ports: Vec<String> =
        ports.map(|port| Interface::new(interface.netns.clone(), &port.name).to_string()).collect();
    let left = match ports.as_slice() {
        [] => String::new(),
        some => format!(" (detached ports: {})", some.join(", ")),
    };
    Ok(Change {
        steps: vec![Step::DeleteLink { interface: interface.clone() }],
        outcome: "deleted",
        object: format!("bridge {interface}{left}"),
        fields: Deleted { bridge: interface.to_string(), unplugged: ports },
    })
}

pub(super) fn attach(args: &BridgeAttachArgs) -> anyhow::Result<Change<Plugged>> {
    let mut lookup = Lookup::default();
    let BridgeAttachArgs { bridge, port, .. } = args;
    let bridge_link = lookup.bridge(bridge)?;
    let link = lookup.link(port)?;
    if bridge.netns != port.netns {
        bail!(
            "bridge {bridge} is in {}, but interface {port} is in {}: a port must be in the \
             namespace of its bridge; add a cable between the two (`netns cable add`)",
            bridge.netns,
            port.netns
        );
    }
    if link.is(BRIDGE) || link.name == "lo" {
        bail!("{port} is {}, which cannot be a port of a bridge", what(&link));
    }
    if let Some(index) = link.bridge {
        let links = lookup.links(&port.netns)?;
        let other = links.iter().find(|link| link.index == index);
        if other == Some(&bridge_link) {
            bail!("{port} is already a port of bridge {bridge}");
        }
        bail!(
            "{port} is already a port of {}: detach it first (`netns bridge detach {}`)",
            other.map_or("another bridge", |other| &other.name),
            shell::word(&port.to_string())
        );
    }
    require_free(bridge, args.forcing)?;
    require_free(port, args.forcing)?;
    Ok(Change {
        steps: vec![Step::Attach { interface: port.clone(), bridge: bridge.name.clone() }],
        outcome: "attached",
        object: format!("{port} to bridge {bridge}"),
        fields: Plugged { bridge: bridge.to_string(), port: port.to_string() },
    })
}

pub(super) fn detach(args: &BridgeDetachArgs) -> anyhow::Result<Change<Plugged>> {
    let mut lookup = Lookup::default();
    let port = &args.port;
    let link = lookup.link(port)?;
    let links = lookup.links(&port.netns)?;
    let bridge = links.iter().find(|other| Some(other.index) == link.bridge);
    let Some(bridge) = bridge.filter(|bridge| bridge.is(BRIDGE)) else {
        bail!("{port} is not a port of a bridge: `netns bridge list` shows the ports");
    };
    let bridge = Interface::new(port.netns.clone(), &bridge.name);
    if let Some(named) = args.bridge.as_ref().filter(|named| **named != bridge) {
        bail!(
            "{port} is a port of bridge {bridge}, not of {named}: detach it with \
             `netns bridge detach {}`",
            shell::word(&port.to_string())
        );
    }
    require_free(&bridge, args.forcing)?;
    require_free(port, args.forcing)?;
    Ok(Change {
        steps: vec![Step::Detach { interface: port.clone() }],
        outcome: "detached",
        object: format!("{port} from bridge {bridge}"),
        fields: Plugged { bridge: bridge.to_string(), port: port.to_string() },
    })
}

/// A bridge in the list.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Row {
    /// The namespace that it is in; `None`: this machine.
    namespace: Option<String>,
    /// The name of the bridge.
    bridge: String,
    /// `"up"`, `"off"` or `"no carrier"`.
    state: &'static str,
    /// Its MTU in bytes.
    mtu: u32,
    /// Its addresses with their prefix lengths, without its IPv6 link-local one.
    #[schemars(with = "Vec<String>")]
    addresses: Vec<IpNet>,
    /// Its ports.
    ports: Vec<Port>,
}

/// A port of a bridge.
#[derive(Debug, Serialize, JsonSchema)]
struct Port {
    /// The name of the interface.
    interface: String,
    /// Whether the bridge forwards its packets; `None`: the kernel does not tell.
    state: Option<PortState>,
}

fn list(args: &BridgeListArgs, json: bool) -> anyhow::Result<ExitCode> {
    let wanted = args.namespace.as_deref();
    wanted.map_or(Ok(()), require_namespace)?;
    let mut pool = NetlinkPool::new();
    let survey = Survey::of_all(&mut pool)?;
    let mut rows = Vec::new();
    for (netns, links) in survey.namespaces() {
        if wanted.is_some() && netns.name() != wanted {
            continue;
        }
        for bridge in links.iter().filter(|link| link.is(BRIDGE)) {
            let ports = links.iter().filter(|link| link.bridge == Some(bridge.index));
            let ports = ports
                .map(|port| Port { interface: port.name.clone(), state: port.port_state })
                .collect();
            rows.push(Row {
                namespace: netns.name().map(str::to_owned),
                bridge: bridge.name.clone(),
                state: bridge.condition(),
                mtu: bridge.mtu,
                addresses: addresses(&mut pool, netns, bridge.index)?,
                ports,
            });
        }
    }
    print(json, &rows, |rows| render(rows))?;
    Ok(ExitCode::SUCCESS)
}

/// The addresses of an interface, without its IPv6 link-local one.
fn addresses(pool: &mut NetlinkPool, netns: &Netns, index: u32) -> Result<Vec<IpNet>, NetError> {
    let all = pool.at(netns)?.addresses()?.into_iter();
    let own = all.filter(|held| held.link == index).map(|held| held.address);
    let is_own_making =
        |net: &IpNet| matches!(net, IpNet::V6(net) if net.addr().is_unicast_link_local());
    Ok(own.filter(|net| !is_own_making(net)).collect())
}

fn render(rows: &[Row]) -> String {
    let or_dash = |list: Vec<String>| if list.is_empty() { "-".into() } else { list.join(", ") };
    let cells = rows.iter().map(|row| {
        [
            Interface::new(Netns::of(row.namespace.as_deref()), &row.bridge).to_string(),
            row.state.to_owned(),
            row.mtu.to_string(),
            or_dash(row.addresses.iter().map(ToString::to_string).collect()),
            or_dash(row.ports.iter().map(port).collect()),
        ]
    });
    table(&["BRIDGE", "STATE", "MTU", "ADDRESSES", "PORTS"], cells)
}

fn port(port: &Port) -> String {
    match port.state {
        Some(PortState::Forwarding) => port.interface.clone(),
        Some(PortState::Closed) | None => format!("{} (closed)", port.interface),
    }
}
