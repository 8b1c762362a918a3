//! `netns link set|del|list`

use std::process::ExitCode;

use anyhow::bail;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    bridge, cable,
    change::{Change, carry_out},
    list_all::list_links,
    lookup::{Lookup, what},
    owner::require_free,
};
use crate::{
    cli::{
        BridgeAttachArgs, BridgeDelArgs, BridgeDetachArgs, CableDelArgs, LinkArgs, LinkChange,
        LinkDelArgs, LinkSetArgs, LinkState,
    },
    lab,
    net::{BRIDGE, Interface, Link, Netns},
    step::Step,
};

/// Sets, moves, deletes or lists interfaces.
///
/// # Errors
/// When there is no such interface, or the kernel refuses.
pub fn run(args: &LinkArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    match &args.change {
        LinkChange::Set(args) => carry_out(args.changing, json, set(args)?),
        LinkChange::Del(args) => del(args, json),
        LinkChange::List(args) => list_links(args, json),
    }
}

/// An interface whose settings were changed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Set {
    /// The interface, as `NAMESPACE:INTERFACE`.
    interface: String,
    /// Whether it was switched on (true) or off (false); `None`: neither.
    up: Option<bool>,
    /// Its new MTU in bytes; `None`: the MTU was not changed.
    mtu: Option<u32>,
    /// The bridge that it was made a port of; `None`: none.
    bridge: Option<String>,
    /// The namespace that it was moved to; `None`: it was not moved.
    namespace: Option<String>,
}

fn set(args: &LinkSetArgs) -> anyhow::Result<Change<Set>> {
    let interface = &args.interface;
    let link = Lookup::default().link(interface)?;
    require_free(interface, args.forcing)?;
    let mut steps = Vec::new();
    let mut told = Vec::new();
    if let Some(mtu) = args.mtu {
        let (least, most) = link.mtu_limits;
        let (least, most) = (least.unwrap_or(0), most.unwrap_or(u32::MAX));
        if !(least..=most).contains(&mtu) {
            bail!("the MTU of {interface} must be {least} to {most} bytes, not {mtu}");
        }
        steps.push(Step::SetMtu { interface: interface.clone(), mtu });
        told.push(format!("MTU {mtu}"));
    }
    if let Some(state) = args.state {
        let up = state == LinkState::Up;
        steps.push(Step::SetLink { interface: interface.clone(), up });
        told.push(if up { "up".into() } else { "down".into() });
    }
    if let Some(bridge) = &args.master {
        steps.extend(attach(&bridge_of(interface, bridge)?, args)?);
        told.push(format!("port of bridge {bridge}"));
    }
    if args.no_master {
        steps.extend(detach(args)?);
        told.push("detached from its bridge".into());
    }
    if let Some(name) = &args.netns {
        steps.push(move_to(&link, interface, name)?);
        told.push(format!("moved to namespace \"{name}\""));
    }
    Ok(Change {
        steps,
        outcome: "set",
        object: format!("{interface} {}", told.join(", ")),
        fields: Set {
            interface: interface.to_string(),
            up: args.state.map(|state| state == LinkState::Up),
            mtu: args.mtu,
            bridge: args.master.clone(),
            namespace: args.netns.clone(),
        },
    })
}

/// The bridge, which may be written with its namespace as everywhere.
fn bridge_of(interface: &Interface, bridge: &str) -> anyhow::Result<Interface> {
    let named = match bridge.rsplit_once(':') {
        None => Interface::new(interface.netns.clone(), bridge),
        Some((namespace, name)) => Interface::new(Netns::named(namespace), name),
    };
    if named.netns != interface.netns {
        bail!(
            "bridge {named} is in {}, but {interface} is in {}: a port must be in the namespace \
             of its bridge",
            named.netns,
            interface.netns
        );
    }
    Ok(named)
}

fn attach(bridge: &Interface, args: &LinkSetArgs) -> anyhow::Result<Vec<Step>> {
    let LinkSetArgs { interface, forcing, changing, .. } = args;
    let (bridge, port, forcing, changing) =
        (bridge.clone(), interface.clone(), *forcing, *changing);
    Ok(bridge::attach(&BridgeAttachArgs { bridge, port, forcing, changing })?.steps)
}

fn detach(args: &LinkSetArgs) -> anyhow::Result<Vec<Step>> {
    let LinkSetArgs { interface, forcing, changing, .. } = args;
    let (port, forcing, changing) = (interface.clone(), *forcing, *changing);
    Ok(bridge::detach(&BridgeDetachArgs { bridge: None, port, forcing, changing })?.steps)
}

/// The step that moves an interface to a namespace in which its name is free.
fn move_to(link: &Link, interface: &Interface, name: &str) -> anyhow::Result<Step> {
    let to = Netns::named(name);
    if to == interface.netns {
        bail!("{interface} is in {to} already");
    }
    if link.is(BRIDGE) || link.name == "lo" {
        bail!("{interface} is {}, which the kernel does not move", what(link));
    }
    Lookup::default().require_free(&Interface::new(to.clone(), &link.name))?;
    Ok(Step::Move { interface: interface.clone(), to })
}

/// Deletes a link of the kinds that netns makes.
fn del(args: &LinkDelArgs, json: bool) -> anyhow::Result<ExitCode> {
    let LinkDelArgs { interface, changing } = args;
    let link = Lookup::default().link(interface)?;
    let (interface, changing) = (interface.clone(), *changing);
    if link.is(BRIDGE) {
        let bridge = BridgeDelArgs { bridge: interface, changing };
        carry_out(changing, json, bridge::del(&bridge)?)
    } else {
        carry_out(changing, json, cable::del(&CableDelArgs { interface, changing })?)
    }
}
