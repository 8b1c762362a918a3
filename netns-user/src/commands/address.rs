//! `netns addr add|del|list`

use std::process::ExitCode;

use anyhow::bail;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    change::{Change, carry_out},
    list_all::list_addresses,
    lookup::{Lookup, listed},
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

/// An address that was added or deleted.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Held {
    /// The address with its prefix length.
    address: String,
    /// The interface, as `NAMESPACE:INTERFACE`.
    interface: String,
}

fn add(args: &AddressArgs) -> anyhow::Result<Change<Held>> {
    let AddressArgs { address, interface, .. } = args;
    let mut lookup = Lookup::default();
    let link = lookup.link(interface)?;
    if lookup.addresses(interface, &link)?.contains(address) {
        bail!("{interface} already has the address {address}");
    }
    require_free(interface, args.forcing)?;
    let step = Step::AddAddress { interface: interface.clone(), address: *address };
    Ok(change(step, "added", args))
}

fn del(args: &AddressArgs) -> anyhow::Result<Change<Held>> {
    let AddressArgs { address, interface, .. } = args;
    let mut lookup = Lookup::default();
    let link = lookup.link(interface)?;
    let held = lookup.addresses(interface, &link)?;
    if !held.contains(address) {
        let has = match held.as_slice() {
            [] => "it has no address".to_owned(),
            some => format!("it has {}", listed(some)),
        };
        bail!("{interface} does not have the address {address}: {has}");
    }
    require_free(interface, args.forcing)?;
    let step = Step::DeleteAddress { interface: interface.clone(), address: *address };
    Ok(change(step, "deleted", args))
}

fn change(step: Step, outcome: &'static str, args: &AddressArgs) -> Change<Held> {
    let AddressArgs { address, interface, .. } = args;
    Change {
        steps: vec![step],
        outcome,
        object: format!("address {address} of {interface}"),
        fields: Held { address: address.to_string(), interface: interface.to_string() },
    }
}
