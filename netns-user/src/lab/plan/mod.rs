//! What `up` would do: the changes from a lab as it is to a lab as a topology wants it.
//!
//! It reads the actual state and changes nothing; `apply` carries a plan out. It uses `changes`,
//! `datapaths`, `preflight` and `forwarding`.

pub(super) mod datapath;
pub(super) mod lines;

use std::collections::{BTreeSet, HashSet};

use datapath::{DatapathPlan, datapath_plan};
use lines::{PlannedChange, datapath_lines, line, network_line};

use super::{
    actual_state::ActualState,
    changes::{Change, ChangeKind, diff},
    datapaths::{RouterDatapath, datapaths},
    error::LabError,
    forwarding::machine::{self, ForwardingChange},
    preflight,
    record::{LabRecord, resolved},
    resources::{Key, Resource, addresses::LinkAddresses, gates::gates, resources},
};
use crate::{
    datapath::{Datapath, DatapathChange},
    net::{Interface, Netns, hosts::links, sysctl},
    step::Step,
    topology::Topology,
};

/// What `up` would do to a lab.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The wanted topology, with the interface that "auto" stands for.
    pub(in crate::lab) wanted: Topology,
    pub(in crate::lab) changes: Vec<Change>,
    pub(in crate::lab) datapaths: Vec<(RouterDatapath, DatapathPlan)>,
    /// Names of datapaths whose routers are no longer wanted.
    pub(in crate::lab) removed_datapaths: Vec<String>,
    pub(in crate::lab) forwarding: Option<ForwardingChange>,
    /// Names of half made namespaces, which are deleted first.
    pub(in crate::lab) half_made: Vec<String>,
    /// Existing gates that are closed.
    pub(in crate::lab) closed_gates: Vec<Interface>,
}

impl Plan {
    /// Plans a new lab.
    pub(in crate::lab) fn new(wanted: Topology) -> Result<Self, LabError> {
        let wanted_resources = resources(&wanted);
        let kept: Vec<Resource> =
            wanted_resources.iter().filter(|it| is_foreign(it)).cloned().collect();
        let changes = diff(&kept, &wanted_resources, &LinkAddresses::default());
        let installed = |datapath| (datapath, DatapathPlan::Install { replaces: false });
        let datapaths = datapaths(&wanted).into_iter().map(installed).collect();
        let forwarding = forwarding_change(&wanted, None)?;
        Ok(Self {
            wanted,
            changes,
            datapaths,
            removed_datapaths: Vec::new(),
            forwarding,
            half_made: Vec::new(),
            closed_gates: Vec::new(),
        })
    }

    /// Plans the changes from a lab as it is to the wanted topology.
    pub(in crate::lab) fn between(record: &LabRecord, wanted: Topology) -> Result<Self, LabError> {
        let recorded = record.resources();
        let actual_state = ActualState::of(record, &recorded)?;
        let wanted_resources = resources(&wanted);
        let known: HashSet<Key> = recorded.iter().map(Resource::key).collect();
        let by_hand = wanted_resources.iter().filter(|resource| {
            !known.contains(&resource.key()) && matches!(resource.netns(), Some(Netns::Named(_)))
        });
        let mut actual = actual_state.actual(&recorded);
        actual.extend(by_hand.filter_map(|resource| actual_state.read_resource(resource)));
        let addresses = actual_state.link_addresses(&actual);
        let changes = diff(&actual, &wanted_resources, &addresses);
        check_interfaces(&actual_state, &actual, &changes)?;
        let wanted_datapaths = datapaths(&wanted);
        let names: Vec<&str> =
            wanted_datapaths.iter().map(|datapath| datapath.spec.lab.as_str()).collect();
        let recorded_names: BTreeSet<String> =
            record.topologies().flat_map(Topology::datapath_names).collect();
        let is_there = |name: &String| {
            record.datapaths.contains(name)
                || (!record.is_foreign_datapath(name) && Datapath::installed_at(name).is_some())
        };
        let removed_datapaths = recorded_names
            .into_iter()
            .filter(|name| !names.contains(&name.as_str()) && is_there(name))
            .collect();
        let kind = |datapath: RouterDatapath| {
            let kind = datapath_plan(record, &actual_state, &changes, &datapath)?;
            Ok((datapath, kind))
        };
        let datapaths =
            wanted_datapaths.into_iter().map(kind).collect::<Result<Vec<_>, LabError>>()?;
        let forwarding = forwarding_change(&wanted, Some(record))?;
        let half_made = actual_state.half_made().to_vec();
        let closed_gates = closed_gates(&actual_state, &wanted, &changes);
        Ok(Self {
            wanted,
            changes,
            datapaths,
            removed_datapaths,
            forwarding,
            half_made,
            closed_gates,
        })
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        let same = |kind: &DatapathPlan| -> bool {
            matches!(kind, DatapathPlan::Change(changes) if changes.is_empty())
        };
        self.changes.is_empty()
            && self.removed_datapaths.is_empty()
            && self.closed_gates.is_empty()
            && self.forwarding.is_none()
            && self.datapaths.iter().all(|(_, kind)| same(kind))
    }

    /// The name of the lab.
    pub fn lab(&self) -> &str {
        &self.wanted.name
    }

    /// The steps on the network, in order.
    pub(in crate::lab) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.changes.iter().flat_map(|change| &change.steps)
    }

    /// The number of RCU grace periods that the plan waits for: one for each port that a program
    /// comes to or goes from.
    pub(super) fn grace_periods(&self) -> usize {
        let attached = self.datapaths.iter().map(|(datapath, plan)| match plan {
            DatapathPlan::Install { .. } => datapath.spec.cables.len(),
            DatapathPlan::Change(changes) => {
                let is_new =
                    |change: &&_| matches!(change, DatapathChange::Cable { added: true, .. });
                changes.iter().filter(is_new).count()
            }
        });
        let deleted = self.steps().filter(|step| matches!(step, Step::DeleteLink { .. }));
        attached.sum::<usize>() + deleted.count()
    }

    /// The routes that are added after the links that they lead over are switched on.
    pub(in crate::lab) fn late_routes(&self) -> impl Iterator<Item = Step> {
        let added = self.changes.iter().filter(|change| change.kind == ChangeKind::Add);
        added.filter_map(|change| change.resource.late_route())
    }

    /// All changes, as lines for a person.
    pub fn planned_changes(&self) -> Vec<PlannedChange> {
        let added = self.changes.iter().filter(|change| change.kind == ChangeKind::Add);
        let come_or_go = self.changes.iter().filter(|change| change.kind != ChangeKind::Change);
        let namespaces: HashSet<&str> = come_or_go
            .filter_map(|change| match &change.resource {
                Resource::Namespace { name, .. } => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let made = |netns: &Netns| {
            let name = netns.name().filter(|name| namespaces.contains(name));
            name.map(str::to_owned)
        };
        let ports: HashSet<&str> = added
            .filter_map(|change| match &change.resource {
                Resource::Cable(cable) => Some(cable.near.name.as_str()),
                _ => None,
            })
            .collect();
        let network = self.changes.iter().map(|change| network_line(change, &made));
        let removed = self.removed_datapaths.iter().map(|name| {
            line(ChangeKind::Remove, "datapath", name.clone(), "its connections end".to_owned())
        });
        let mut changes: Vec<PlannedChange> = network.chain(removed).collect();
        if let Some(change) = &self.forwarding {
            let name = "net.ipv4.ip_forward".to_owned();
            let detail = match change {
                ForwardingChange::SwitchOn => "0 -> 1",
                ForwardingChange::Restore(_) => "restored",
            };
            changes.push(line(ChangeKind::Change, "setting", name, detail.to_owned()));
        }
        changes.extend(self.closed_gates.iter().map(|interface| {
            line(
                ChangeKind::Change,
                "setting",
                format!("forwarding from {interface}"),
                "off -> on".to_owned(),
            )
        }));
        for (datapath, kind) in &self.datapaths {
            changes.extend(datapath_lines(datapath, kind, &ports));
        }
        changes
    }
}

/// Whether somebody else has made a file in the place of a link to the shared hosts file.
fn is_foreign(resource: &Resource) -> bool {
    match resource {
        Resource::HostsLink { namespace, .. } => links::foreign_file(namespace).is_some(),
        _ => false,
    }
}

fn forwarding_change(
    wanted: &Topology,
    record: Option<&LabRecord>,
) -> Result<Option<ForwardingChange>, LabError> {
    if wanted.uses_machine() {
        let is_off = sysctl::read(sysctl::IP_FORWARD)? != "1";
        return Ok(is_off.then_some(ForwardingChange::SwitchOn));
    }
    let changed = record.filter(|record| !record.settings.is_empty());
    changed.map(|record| Ok(ForwardingChange::Restore(machine::to_restore(record)?))).transpose()
}

/// The closed gates among the links that stay.
fn closed_gates(
    actual_state: &ActualState,
    wanted: &Topology,
    changes: &[Change],
) -> Vec<Interface> {
    let added = changes.iter().filter(|change| change.kind == ChangeKind::Add);
    let new: HashSet<&Interface> = added.flat_map(|change| change.resource.interfaces()).collect();
    let is_closed = |interface: &Interface| {
        actual_state.link(interface).is_some_and(|link| link.forwarding == Some(false))
    };
    gates(wanted)
        .into_iter()
        .filter(|interface| !new.contains(interface) && is_closed(interface))
        .collect()
}

/// Refuses a new link whose name somebody else's link has.
fn check_interfaces(
    actual_state: &ActualState,
    actual: &[Resource],
    changes: &[Change],
) -> Result<(), LabError> {
    let own: HashSet<&Interface> = actual.iter().flat_map(Resource::interfaces).collect();
    let added = changes.iter().filter(|change| change.kind == ChangeKind::Add);
    let taken = added
        .flat_map(|change| change.resource.interfaces())
        .find(|interface| actual_state.link(interface).is_some() && !own.contains(interface));
    taken.map_or(Ok(()), |interface| Err(LabError::LinkTaken(interface.clone())))
}

/// Everything that somebody else owns and that is in the way of a lab, as `up` would find it. Its
/// uplinks and subnets are not checked.
///
/// # Errors
/// When the kernel refuses to tell.
pub(crate) fn obstacles(topology: &Topology) -> Result<Vec<LabError>, LabError> {
    let record = LabRecord::find(&topology.name)?;
    let found = preflight::conflicts(topology, record.as_ref())?;
    // Names that are taken inside the namespaces of a lab that is up are found only by its plan.
    match record.filter(LabRecord::is_usable) {
        Some(record) if found.is_empty() => match Plan::between(&record, topology.clone()) {
            Err(taken @ LabError::LinkTaken(_)) => Ok(vec![taken]),
            planned => planned.map(|_| found),
        },
        _ => Ok(found),
    }
}

/// The error with which `up` would refuse the lab before it changes anything; without a lab, that
/// of every lab.
pub(crate) fn refusal(topology: Option<&Topology>) -> Option<LabError> {
    preflight::requirements::require().and_then(|()| topology.map(plan).transpose()).err()
}

/// The plan for a topology: for a lab that is up, what `up` would change.
///
/// # Errors
/// When something is in the way, or the kernel refuses to tell.
pub fn plan(topology: &Topology) -> Result<Plan, LabError> {
    preflight::require_root()?;
    match LabRecord::find(&topology.name)? {
        Some(record) if record.is_usable() => {
            let wanted = resolved(topology, preflight::auto_uplink(topology)?.as_deref());
            preflight::check_free(&wanted, Some(&record))?;
            Plan::between(&record, wanted)
        }
        _ => {
            let wanted = resolved(topology, preflight::auto_uplink(topology)?.as_deref());
            preflight::check_free(&wanted, None)?;
            Plan::new(wanted)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_of_a_new_datapath_lists_its_untranslated_sources() {
        let mut lab = Topology::lecture();
        lab.uplinks[0].routed = vec!["192.168.15.1/32".parse().unwrap()];
        let changes = Plan::new(lab).unwrap().planned_changes();
        let rules = changes.iter().filter(|change| change.kind == "rule");
        let names: Vec<&str> = rules.map(|change| change.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "routed 192.168.15.1/32 out of ens3",
                "masquerade 192.168.15.0/24 out of ens3",
                "forward tcp 80 -> 192.168.15.2:80"
            ]
        );
    }
}
