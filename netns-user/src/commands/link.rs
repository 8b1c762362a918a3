//! `netns link set|list`

use std::process::ExitCode;

use anyhow::bail;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    change::{Change, carry_out},
    list_all::list_links,
    lookup::Lookup,
    owner::require_free,
};
use crate::{
    cli::{LinkArgs, LinkChange, LinkSetArgs, LinkState},
    lab,
    step::Step,
};

/// Sets an interface up or down, sets its MTU, or lists interfaces.
///
/// # Errors
/// When there is no such interface, or the kernel refuses.
pub fn run(args: &LinkArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    match &args.change {
        LinkChange::Set(args) => carry_out(args.changing, json, set(args)?),
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
    Ok(Change {
        steps,
        outcome: "set",
        object: format!("{interface} {}", told.join(", ")),
        fields: Set {
            interface: interface.to_string(),
            up: args.state.map(|state| state == LinkState::Up),
            mtu: args.mtu,
        },
    })
}
