//! `netns cable add|del|list`

use std::process::ExitCode;

use anyhow::bail;
use serde::Serialize;
use serde_json::json;

use super::{
    change::{Change, carry_out},
    look::{Look, require_namespace, what},
    owner::require_unowned,
    print,
};
use crate::{
    cli::{CableAction, CableAddArgs, CableArgs, CableDelArgs, CableListArgs},
    lab,
    net::{BRIDGE, Link, VETH},
    output::table,
    shell,
    step::{End, FoundCable, Hands, Place, Step, Survey},
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

fn add(args: &CableAddArgs) -> anyhow::Result<Change> {
    let mut look = Look::default();
    let (one, other) = (&args.one, &args.other);
    look.require_free(&one.end)?;
    look.require_free(&other.end)?;
    if one.end == other.end {
        bail!("both ends have the name {}: use another name for one of them", one.end);
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
            look.bridge(bridge)?;
            match (one.end.place == bridge.place, other.end.place == bridge.place) {
                (true, false) => (one, other),
                (false, true) => (other, one),
                (false, false) => bail!(
                    "bridge {bridge} is in {}, but neither end of the cable is: a port must be in \
                     the namespace of its bridge",
                    bridge.place
                ),
                (true, true) => bail!(
                    "both ends are in the namespace of bridge {bridge}: leave --bridge out and \
                     attach one of them (`netns bridge attach {} {}`)",
                    shell::word(&bridge.to_string()),
                    shell::word(&one.end.to_string())
                ),
            }
        }
    };
    let mut steps = vec![Step::AddCable {
        near: near.end.clone(),
        far: far.end.clone(),
        mac: None,
        mtu: args.mtu,
        bridge: args.bridge.as_ref().map(|bridge| bridge.interface.clone()),
        up: false,
    }];
    let ends = [near, far];
    let with_address = ends.iter().filter_map(|new| Some((new.end.clone(), new.address?)));
    steps.extend(with_address.map(|(end, address)| Step::AddAddress { end, address }));
    if args.up {
        steps.extend(ends.map(|new| Step::SetLink { end: new.end.clone(), up: true }));
    }
    Ok(change(steps, "added", &one.end, Some(&other.end)))
}

fn del(args: &CableDelArgs) -> anyhow::Result<Change> {
    let mut look = Look::default();
    let end = &args.end;
    let link = look.link(end)?;
    if !link.is(VETH) {
        let hint = if link.is(BRIDGE) {
            format!("delete it with `netns bridge del {}`", shell::word(&end.to_string()))
        } else {
            "this command only deletes cables".to_owned()
        };
        bail!("{end} is {} and not a cable: {hint}", what(&link));
    }
    let far = look.hands.far_end(end, &link)?.map(|(far, _)| far);
    require_unowned(end)?;
    far.iter().try_for_each(require_unowned)?;
    let steps = vec![Step::DeleteLink { end: end.clone() }];
    Ok(change(steps, "deleted", end, far.as_ref()))
}

fn change(steps: Vec<Step>, outcome: &'static str, one: &End, other: Option<&End>) -> Change {
    let far = other.map_or_else(|| "(in a namespace without a name)".to_owned(), End::to_string);
    Change {
        steps,
        outcome,
        object: format!("cable {one} - {far}"),
        fields: json!({ "cable": [one.to_string(), other.map(End::to_string)] }),
    }
}

/// A cable in the list.
#[derive(Debug, Serialize)]
struct Row {
    ends: [RowEnd; 2],
}

#[derive(Debug, Serialize)]
struct RowEnd {
    /// `None`: this machine.
    namespace: Option<String>,
    interface: String,
    state: &'static str,
    mtu: u32,
    /// The bridge that it is a port of.
    bridge: Option<String>,
}

fn list(args: &CableListArgs, json: bool) -> anyhow::Result<ExitCode> {
    let wanted = args.namespace.as_deref();
    wanted.map_or(Ok(()), require_namespace)?;
    let mut hands = Hands::new();
    let survey = Survey::of_all(&mut hands)?;
    let cables = survey.cables(&mut hands)?;
    let rows = cables.into_iter().filter_map(|FoundCable { near, far }| {
        let ends = [row_end(&survey, near), row_end(&survey, far)];
        let shown = wanted.is_none() || ends.iter().any(|end| end.namespace.as_deref() == wanted);
        shown.then_some(Row { ends })
    });
    print(json, &rows.collect::<Vec<_>>(), |rows| render(rows))?;
    Ok(ExitCode::SUCCESS)
}

fn row_end(survey: &Survey, (place, link): (Place, Link)) -> RowEnd {
    let bridge = link.bridge.and_then(|index| survey.name_of(&place, index));
    RowEnd {
        namespace: place.name().map(str::to_owned),
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
                End::new(Place::of(end.namespace.as_deref()), &end.interface).to_string(),
                end.state.to_owned(),
                end.bridge.clone().unwrap_or_else(|| "-".into()),
            ]
        })
    });
    table(&["END", "STATE", "BRIDGE", "FAR END", "STATE", "BRIDGE"], cells)
}
