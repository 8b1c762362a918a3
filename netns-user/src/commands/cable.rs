//! `netns cable add|del|list`

use std::process::ExitCode;

use anyhow::bail;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    change::{Change, carry_out},
    lookup::{Lookup, require_namespace, what},
    owner::require_unowned,
    print,
};
use crate::{
    cli::{CableAction, CableAddArgs, CableArgs, CableDelArgs, CableListArgs},
    lab,
    net::{BRIDGE, Interface, Link, Netns, VETH},
    output::table,
    shell,
    step::{FoundCable, NetlinkPool, Step, Survey},
};

/// Adds, deletes or lists cables.
///
/// # Errors
/// When a name is taken or an object does not exist, or when the kernel refuses.
pub fn run(args: &CableArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    match &args.action {
        CableAction::Add(args) => carry_out(args.changing, json, add(args)?),
        CableAction::Del(args) => carry_out(args.changing, json, del(args)?),
        CableAction::List(args) => list(args, json),
    }
}

/// A cable that was added or deleted.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Ends {
    /// The two ends, as `NAMESPACE:INTERFACE`. The second is null if its namespace has no name.
    cable: [Option<String>; 2],
}

fn add(args: &CableAddArgs) -> anyhow::Result<Change<Ends>> {
    let mut lookup = Lookup::default();
    let (one, other) = (&args.one, &args.other);
    lookup.require_free(&one.interface)?;
    lookup.require_free(&other.interface)?;
    if one.interface == other.interface {
        bail!("both ends have the name {}: use another name for one of them", one.interface);
    }
    if let (Some(address), Some(same)) = (one.address, other.address)
        && address.addr() == same.addr()
    {
        bail!("both ends have the address {}: use another for one of them", address.addr());
    }
    // The near end is the one that becomes a port.
    let (near, far) = match &args.bridge {
        None => (one, other),
        Some(bridge) => {
            lookup.bridge(bridge)?;
            match (one.interface.netns == bridge.netns, other.interface.netns == bridge.netns) {
                (true, false) => (one, other),
                (false, true) => (other, one),
                (false, false) => bail!(
                    "bridge {bridge} is in {}, but neither end of the cable is: a port must be in \
                     the namespace of its bridge",
                    bridge.netns
                ),
                (true, true) => bail!(
                    "both ends are in the namespace of bridge {bridge}: leave --bridge out and \
                     attach one of them (`netns bridge attach {} {}`)",
                    shell::word(&bridge.to_string()),
                    shell::word(&one.interface.to_string())
                ),
            }
        }
    };
    let mut steps = vec![Step::AddCable {
        near: near.interface.clone(),
        far: far.interface.clone(),
        mac: None,
        mtu: args.mtu,
        bridge: args.bridge.as_ref().map(|bridge| bridge.name.clone()),
        up: false,
    }];
    let ends = [near, far];
    let with_address = ends.iter().filter_map(|new| Some((new.interface.clone(), new.address?)));
    steps.extend(with_address.map(|(interface, address)| Step::AddAddress { interface, address }));
    if args.up {
        steps.extend(ends.map(|new| Step::SetLink { interface: new.interface.clone(), up: true }));
    }
    Ok(change(steps, "added", &one.interface, Some(&other.interface)))
}

pub(super) fn del(args: &CableDelArgs) -> anyhow::Result<Change<Ends>> {
    let mut lookup = Lookup::default();
    let interface = &args.interface;
    let link = lookup.link(interface)?;
    if !link.is(VETH) {
        let hint = if link.is(BRIDGE) {
            format!("delete it with `netns bridge del {}`", shell::word(&interface.to_string()))
        } else {
            "this command only deletes cables".to_owned()
        };
        bail!("{interface} is {} and not a cable: {hint}", what(&link));
    }
    let far = lookup.pool.far_end(interface, &link)?.map(|(far, _)| far);
    require_unowned(interface)?;
    far.iter().try_for_each(require_unowned)?;
    let steps = vec![Step::DeleteLink { interface: interface.clone() }];
    Ok(change(steps, "deleted", interface, far.as_ref()))
}

fn change(
    steps: Vec<Step>,
    outcome: &'static str,
    one: &Interface,
    other: Option<&Interface>,
) -> Change<Ends> {
    let far =
        other.map_or_else(|| "(in a namespace without a name)".to_owned(), Interface::to_string);
    Change {
        steps,
        outcome,
        object: format!("cable {one} - {far}"),
        fields: Ends { cable: [Some(one.to_string()), other.map(Interface::to_string)] },
    }
}

/// A cable in the list.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Row {
    /// The two ends.
    ends: [RowEnd; 2],
}

/// An end of a cable.
#[derive(Debug, Serialize, JsonSchema)]
struct RowEnd {
    /// The namespace that it is in; `None`: this machine.
    namespace: Option<String>,
    /// The name of the interface.
    interface: String,
    /// `"up"`, `"off"` or `"no carrier"`.
    state: &'static str,
    /// Its MTU in bytes.
    mtu: u32,
    /// The bridge that it is a port of; `None`: it is no port.
    bridge: Option<String>,
}

fn list(args: &CableListArgs, json: bool) -> anyhow::Result<ExitCode> {
    let wanted = args.namespace.as_deref();
    wanted.map_or(Ok(()), require_namespace)?;
    let mut pool = NetlinkPool::new();
    let survey = Survey::of_all(&mut pool)?;
    let cables = survey.cables(&mut pool)?;
    let rows = cables.into_iter().filter_map(|FoundCable { near, far }| {
        let ends = [row_end(&survey, near), row_end(&survey, far)];
        let shown = wanted.is_none() || ends.iter().any(|end| end.namespace.as_deref() == wanted);
        shown.then_some(Row { ends })
    });
    print(json, &rows.collect::<Vec<_>>(), |rows| render(rows))?;
    Ok(ExitCode::SUCCESS)
}

fn row_end(survey: &Survey, (netns, link): (Netns, Link)) -> RowEnd {
    let bridge = link.bridge.and_then(|index| survey.name_of(&netns, index));
    RowEnd {
        namespace: netns.name().map(str::to_owned),
        state: link.condition(),
        mtu: link.mtu,
        bridge: bridge.map(str::to_owned),
        interface: link.name,
    }
}

fn render(rows: &[Row]) -> String {
    let cells = rows.iter().map(|row| {
        row.ends.iter().flat_map(|end| {
            [
                Interface::new(Netns::of(end.namespace.as_deref()), &end.interface).to_string(),
                end.state.to_owned(),
                end.bridge.clone().unwrap_or_else(|| "-".into()),
            ]
        })
    });
    table(&["END", "STATE", "BRIDGE", "FAR END", "STATE", "BRIDGE"], cells)
}
