//! `netns addr add|del|list`

use std::process::ExitCode;

use anyhow::bail;
use serde_json::json;

use super::{
    change::{Change, carry_out},
    lists::list_addresses,
    look::{Look, listed},
    owner::require_free,
};
use crate::{
    cli::{AddrArgs, AddrChange, AddressArgs},
    lab,
    step::Step,
};

/// Adds, deletes or lists addresses of interfaces.
///
/// # Errors
/// When the address exists already or does not exist, or when the kernel refuses.
pub fn run(args: &AddrArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    match &args.change {
        AddrChange::Add(args) => carry_out(args.changing, json, add(args)?),
        AddrChange::Del(args) => carry_out(args.changing, json, del(args)?),
        AddrChange::List(args) => list_addresses(args, json),
    }
}

fn add(args: &AddressArgs) -> anyhow::Result<Change> {
    let AddressArgs { address, end, .. } = args;
    let mut look = Look::default();
    let link = look.link(end)?;
    if look.addresses(end, &link)?.contains(address) {
        bail!("{end} already has the address {address}");
    }
    require_free(end, args.forcing)?;
    let step = Step::AddAddress { end: end.clone(), address: *address };
    Ok(change(step, "added", args))
}

fn del(args: &AddressArgs) -> anyhow::Result<Change> {
    let AddressArgs { address, end, .. } = args;
    let mut look = Look::default();
    let link = look.link(end)?;
    let held = look.addresses(end, &link)?;
    if !held.contains(address) {
        let has = match held.as_slice() {
            [] => "it has no address".to_owned(),
            some => format!("it has {}", listed(some)),
        };
        bail!("{end} does not have the address {address}: {has}");
    }
    require_free(end, args.forcing)?;
    let step = Step::DeleteAddress { end: end.clone(), address: *address };
    Ok(change(step, "deleted", args))
}

fn change(step: Step, outcome: &'static str, args: &AddressArgs) -> Change {
    let AddressArgs { address, end, .. } = args;
    Change {
        steps: vec![step],
        outcome,
        object: format!("address {address} of {end}"),
        fields: json!({ "address": address.to_string(), "interface": end.to_string() }),
    }
}
