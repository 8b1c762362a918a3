//! `netns link set|del|list`

use std::process::ExitCode;

use anyhow::bail;
use serde_json::json;

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
        LinkChange::Del(args) => carry_out(args.changing, json, del(args)?),
        LinkChange::List(args) => list_links(args, json),
    }
}

fn set(args: &LinkSetArgs) -> anyhow::Result<Change> {
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
        let change = attach(&Interface::new(interface.netns.clone(), bridge), args)?;
        steps.extend(change.steps);
        told.push(format!("port of bridge {bridge}"));
    }
    if args.no_master {
        steps.extend(detach(args)?.steps);
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
        fields: json!({
            "interface": interface.to_string(),
            "up": args.state.map(|state| state == LinkState::Up),
            "mtu": args.mtu,
            "bridge": args.master,
            "namespace": args.netns,
        }),
    })
}

fn attach(bridge: &Interface, args: &LinkSetArgs) -> anyhow::Result<Change> {
    let LinkSetArgs { interface, forcing, changing, .. } = args;
    bridge::attach(&BridgeAttachArgs {
        bridge: bridge.clone(),
        port: interface.clone(),
        forcing: *forcing,
        changing: *changing,
    })
}

fn detach(args: &LinkSetArgs) -> anyhow::Result<Change> {
    let LinkSetArgs { interface, forcing, changing, .. } = args;
    let (port, forcing, changing) = (interface.clone(), *forcing, *changing);
    bridge::detach(&BridgeDetachArgs { bridge: None, port, forcing, changing })
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
fn del(args: &LinkDelArgs) -> anyhow::Result<Change> {
    let LinkDelArgs { interface, changing } = args;
    let link = Lookup::default().link(interface)?;
    let (interface, changing) = (interface.clone(), *changing);
    if link.is(BRIDGE) {
        bridge::del(&BridgeDelArgs { bridge: interface, changing })
    } else {
        cable::del(&CableDelArgs { interface, changing })
    }
}
