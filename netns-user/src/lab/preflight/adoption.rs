//! Checks of a network that was made by hand, before it becomes a lab: each part must be of the
//! wanted kind, and no part may belong to another lab.

use std::collections::HashSet;

use super::{check_neighbours, machine, namespaces_taken};
use crate::{
    datapath::Datapath,
    lab::{
        actual_state::ActualState,
        error::LabError,
        record::LabRecord,
        resources::{Key, Resource},
    },
    net::{Interface, Netns, resolver},
};

/// Refuses a network that cannot become this lab, with all reasons. `before` are the resources of
/// the lab that exist.
pub(in crate::lab) fn check(
    record: &LabRecord,
    actual_state: &ActualState,
    wanted: &[Resource],
    before: &[Resource],
) -> Result<(), LabError> {
    let topology = &record.topology;
    let lab = || topology.name.clone();
    let mut found = Vec::new();
    for name in topology.datapath_names() {
        let path = Datapath::installed_at(&name);
        found.extend(path.map(|path| LabError::DatapathTaken { lab: lab(), path }));
    }
    found.extend(namespaces_taken(topology, Some(record))?);
    for namespace in topology.namespaces.iter().filter(|namespace| !namespace.dns.is_empty()) {
        found.extend(
            resolver::foreign_file(&namespace.name)?.map(|path| LabError::FileTaken { path }),
        );
    }
    if topology.uses_machine() {
        found.extend(check_neighbours(topology).err());
        found.extend(links_of_labs(before)?);
    }
    let reasons = wanted.iter().flat_map(|resource| unfit(resource, actual_state, before));
    found.extend(reasons.map(|(interface, reason)| LabError::NotAdoptable {
        subject: "interface",
        name: interface.to_string(),
        lab: lab(),
        reason,
    }));
    LabError::collect(found)?;
    if topology.uses_machine() {
        let known: HashSet<Key> = before.iter().map(Resource::key).collect();
        machine::check(topology, &known)?;
    }
    Ok(())
}

/// Links of the machine that belong to other labs.
fn links_of_labs(before: &[Resource]) -> Result<Vec<LabError>, LabError> {
    let labs = LabRecord::list()?;
    let on_machine = before
        .iter()
        .flat_map(Resource::interfaces)
        .filter(|interface| interface.netns == Netns::Machine);
    let of_lab = on_machine.filter_map(|interface| {
        let has = |lab: &&LabRecord| {
            lab.resources().iter().flat_map(Resource::interfaces).any(|its| its == interface)
        };
        let lab = labs.iter().find(has)?;
        Some(LabError::LinkOfLab { link: interface.clone(), lab: lab.name().to_owned() })
    });
    Ok(of_lab.collect())
}

/// The existing interfaces of a wanted link that are something else, and why.
fn unfit(
    wanted: &Resource,
    actual_state: &ActualState,
    before: &[Resource],
) -> Vec<(Interface, String)> {
    let existing: Vec<&Interface> =
        wanted.interfaces().filter(|it| actual_state.link(it).is_some()).collect();
    if existing.is_empty() {
        return Vec::new();
    }
    let whole = before.iter().find(|resource| {
        resource.key() == wanted.key() && resource.interfaces().eq(wanted.interfaces())
    });
    let reason = match (whole, wanted) {
        (Some(Resource::Cable(is)), Resource::Cable(cable)) => match (&is.bridge, &cable.bridge) {
            (Some(is), wanted) if Some(is) != wanted.as_ref() => {
                let wanted = wanted
                    .as_ref()
                    .map_or("no bridge".to_owned(), |wanted| format!("bridge \"{wanted}\""));
                let reason = format!("it is a port of bridge \"{is}\", and should be of {wanted}");
                return vec![(cable.near.clone(), reason)];
            }
            _ => return Vec::new(),
        },
        (Some(_), _) => return Vec::new(),
        (None, Resource::Cable(cable)) => {
            format!("it is not an end of a cable {} - {}", cable.near, cable.far)
        }
        (None, Resource::Bridge { interface, .. }) if interface.netns == Netns::Machine => {
            "it is not a bridge with a port of the lab".to_owned()
        }
        (None, _) => "it is not a bridge".to_owned(),
    };
    existing.into_iter().map(|interface| (interface.clone(), reason.clone())).collect()
}
