//! What `up` would do: the difference between a lab as it stands and as a topology wants it.

use std::collections::{BTreeSet, HashSet};

use super::{
    LabError, LabRecord,
    datapaths::{RouterDatapath, datapaths},
    diff::{Difference, Fate, LinkAddresses, diff},
    forwarding,
    gates::gates,
    in_place,
    pieces::{Key, Piece, pieces},
    planned::{PlannedChange, Verb, datapath_lines, line, network_line},
    preflight,
    record::resolved,
    world::World,
};
use crate::{
    datapath::{Datapath, DatapathChange},
    net::sysctl,
    step::{End, Place, Step},
    topology::Topology,
};

/// What becomes of a router's datapath.
#[derive(Clone, Debug)]
pub(super) enum DatapathFate {
    /// There is none yet, or one that cannot become what is wanted, which goes with its
    /// connections.
    Installed {
        replaces: bool,
    },
    Changed(Vec<DatapathChange>),
}

/// What `up` would do to a lab.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The lab as it is to be, with the interface that "auto" stands for.
    pub(super) wanted: Topology,
    pub(super) differences: Vec<Difference>,
    pub(super) datapaths: Vec<(RouterDatapath, DatapathFate)>,
    /// Names of datapaths whose routers are no longer wanted.
    pub(super) removed_datapaths: Vec<String>,
    /// What the machine's forwarding is to be switched to: on when it is to become a router,
    /// back when it was one for this lab alone.
    pub(super) forwarding: Option<bool>,
    /// What settings are set back to with it, itself included.
    pub(super) set_back: Vec<(String, String)>,
    /// Names of namespaces whose remains are to be taken away first.
    pub(super) wrecks: Vec<String>,
    /// Links in routers that stand and from which nothing is forwarded.
    pub(super) closed_gates: Vec<End>,
}

impl Plan {
    /// Plans a lab that is not there.
    pub(super) fn new(wanted: Topology) -> Result<Self, LabError> {
        let differences = diff(&[], &pieces(&wanted), &LinkAddresses::default());
        let installed = |datapath| (datapath, DatapathFate::Installed { replaces: false });
        let datapaths = datapaths(&wanted).into_iter().map(installed).collect();
        let forwarding = new_forwarding(&wanted, None)?;
        Ok(Self {
            wanted,
            differences,
            datapaths,
            removed_datapaths: Vec::new(),
            forwarding,
            set_back: Vec::new(),
            wrecks: Vec::new(),
            closed_gates: Vec::new(),
        })
    }

    /// Plans the way from what stands of a lab to what is wanted.
    pub(super) fn between(record: &LabRecord, wanted: Topology) -> Result<Self, LabError> {
        let recorded = record.pieces();
        let world = World::of(record, &recorded)?;
        let wanted_pieces = pieces(&wanted);
        let known: HashSet<Key> = recorded.iter().map(Piece::key).collect();
        let by_hand = wanted_pieces.iter().filter(|piece| {
            !known.contains(&piece.key()) && matches!(piece.place(), Some(Place::Namespace(_)))
        });
        let mut actual = world.actual(&recorded);
        actual.extend(by_hand.filter_map(|piece| world.as_it_is(piece)));
        let addresses = world.link_addresses(&actual);
        let differences = diff(&actual, &wanted_pieces, &addresses);
        check_ends(&world, &actual, &differences)?;
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
        let fate = |datapath: RouterDatapath| {
            let fate = datapath_fate(record, &world, &differences, &datapath)?;
            Ok((datapath, fate))
        };
        let datapaths =
            wanted_datapaths.into_iter().map(fate).collect::<Result<Vec<_>, LabError>>()?;
        let forwarding = new_forwarding(&wanted, Some(record))?;
        let set_back = match forwarding {
            Some(false) => forwarding::to_restore(record)?,
            _ => Vec::new(),
        };
        let wrecks = world.wrecks().to_vec();
        let closed_gates = closed_gates(&world, &wanted, &differences);
        Ok(Self {
            wanted,
            differences,
            datapaths,
            removed_datapaths,
            forwarding,
            set_back,
            wrecks,
            closed_gates,
        })
    }

    /// Whether the lab is as it is wanted.
    pub fn is_empty(&self) -> bool {
        let same = |fate: &DatapathFate| -> bool {
            matches!(fate, DatapathFate::Changed(changes) if changes.is_empty())
        };
        self.differences.is_empty()
            && self.removed_datapaths.is_empty()
            && self.closed_gates.is_empty()
            && self.forwarding.is_none()
            && self.datapaths.iter().all(|(_, fate)| same(fate))
    }

    /// The name of the lab.
    pub fn lab(&self) -> &str {
        &self.wanted.name
    }

    /// The steps on the network, in order.
    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.differences.iter().flat_map(|difference| &difference.steps)
    }

    /// The routes that can be added only once the links that they lead out of are switched on.
    pub(super) fn late_routes(&self) -> impl Iterator<Item = Step> {
        let added = self.differences.iter().filter(|difference| difference.fate == Fate::Added);
        added.filter_map(|difference| difference.piece.late_route())
    }

    /// What is added, changed and removed, for a person.
    pub fn changes(&self) -> Vec<PlannedChange> {
        let added = self.differences.iter().filter(|difference| difference.fate == Fate::Added);
        let namespaces: HashSet<&str> = added
            .clone()
            .filter_map(|difference| match &difference.piece {
                Piece::Namespace { name, .. } => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let made = |place: &Place| {
            let name = place.name().filter(|name| namespaces.contains(name));
            name.map(str::to_owned)
        };
        let ports: HashSet<&str> = added
            .filter_map(|difference| match &difference.piece {
                Piece::Cable(cable) => Some(cable.near.interface.as_str()),
                _ => None,
            })
            .collect();
        let network = self.differences.iter().map(|difference| network_line(difference, &made));
        let removed = self.removed_datapaths.iter().map(|name| {
            line(Verb::Remove, "datapath", name.clone(), "its connections end".to_owned())
        });
        let mut changes: Vec<PlannedChange> = network.chain(removed).collect();
        if let Some(on) = self.forwarding {
            let name = "net.ipv4.ip_forward".to_owned();
            let detail = if on { "0 -> 1" } else { "restored" };
            changes.push(line(Verb::Change, "setting", name, detail.to_owned()));
        }
        changes.extend(self.closed_gates.iter().map(|end| {
            line(Verb::Change, "setting", format!("forwarding from {end}"), "off -> on".to_owned())
        }));
        for (datapath, fate) in &self.datapaths {
            changes.extend(datapath_lines(datapath, fate, &ports));
        }
        changes
    }
}

fn new_forwarding(wanted: &Topology, record: Option<&LabRecord>) -> Result<Option<bool>, LabError> {
    if wanted.uses_machine() {
        return Ok((sysctl::read(sysctl::IP_FORWARD)? != "1").then_some(true));
    }
    Ok(record.is_some_and(|record| !record.settings.is_empty()).then_some(false))
}

/// The links in routers that forward nothing, of those that stay.
fn closed_gates(world: &World, wanted: &Topology, differences: &[Difference]) -> Vec<End> {
    let added = differences.iter().filter(|difference| difference.fate == Fate::Added);
    let new: HashSet<&End> = added.flat_map(|difference| difference.piece.ends()).collect();
    let is_closed = |end: &End| world.link(end).is_some_and(|link| link.forwarding == Some(false));
    gates(wanted).into_iter().filter(|end| !new.contains(end) && is_closed(end)).collect()
}

/// Refuses names that links of others have, where links of the lab are to be made.
fn check_ends(world: &World, actual: &[Piece], differences: &[Difference]) -> Result<(), LabError> {
    let own: HashSet<&End> = actual.iter().flat_map(Piece::ends).collect();
    let added = differences.iter().filter(|difference| difference.fate == Fate::Added);
    let taken = added
        .flat_map(|difference| difference.piece.ends())
        .find(|end| world.link(end).is_some() && !own.contains(end));
    taken.map_or(Ok(()), |end| Err(LabError::LinkTaken(end.clone())))
}

/// A datapath lives in its router: with another router it must be made anew.
fn datapath_fate(
    record: &LabRecord,
    world: &World,
    differences: &[Difference],
    datapath: &RouterDatapath,
) -> Result<DatapathFate, LabError> {
    let spec = &datapath.spec;
    let place = Place::of(datapath.router.as_deref());
    let replaced = differences.iter().any(|difference| {
        let both = (&difference.piece, &place);
        matches!(both, (Piece::Namespace { name, .. }, Place::Namespace(router))
            if name == router && difference.fate != Fate::Changed)
    });
    let installed = record.datapaths.contains(&spec.lab).then(|| Datapath::open(&spec.lab).ok());
    let Some(living) = installed.flatten() else {
        // What an interrupted change has installed, but could not write down.
        let replaces = Datapath::installed_at(&spec.lab).is_some();
        return Ok(DatapathFate::Installed { replaces });
    };
    if replaced || !world.has(&place) || !living.is_whole() {
        return Ok(DatapathFate::Installed { replaces: true });
    }
    let changes =
        in_place(&place, || living.is_here()?.then(|| living.differences(spec)).transpose())??;
    // The lab's first router may have been another one.
    Ok(changes.map_or(DatapathFate::Installed { replaces: true }, DatapathFate::Changed))
}

/// What of other owners is in the way of a lab, as `up` would find it; its uplinks and subnets
/// are not looked at.
///
/// # Errors
/// When the kernel refuses to tell.
pub(crate) fn obstacles(topology: &Topology) -> Result<Vec<LabError>, LabError> {
    let record = LabRecord::find(&topology.name)?;
    let found = preflight::strangers(topology, record.as_ref())?;
    // Inside the namespaces of a lab that is up, only its plan meets names that are taken.
    match record.filter(LabRecord::is_usable) {
        Some(record) if found.is_empty() => match Plan::between(&record, topology.clone()) {
            Err(taken @ LabError::LinkTaken(_)) => Ok(vec![taken]),
            planned => planned.map(|_| found),
        },
        _ => Ok(found),
    }
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
    fn a_new_datapath_is_told_with_the_sources_that_leave_untranslated() {
        let mut lab = Topology::lecture();
        lab.uplinks[0].routed = vec!["192.168.15.1/32".parse().unwrap()];
        let changes = Plan::new(lab).unwrap().changes();
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
