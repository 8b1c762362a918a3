//! Takes down whatever of a lab is there.

use std::{
    collections::{BTreeSet, HashSet},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use super::{
    LabError, LabRecord, forwarding, gates, pieces::Piece, record::Bearer, resolver, turn::Turn,
    world::World,
};
use crate::{
    datapath::Datapath,
    net::{
        NetError, Netlink,
        netns::{self, Visitor},
    },
    step::Place,
    threads::on_threads,
    topology::Topology,
};

/// How many namespaces are deleted at once. Each makes its thread wait until no CPU can be at the mount
/// that was its name; those that wait together wait for the same.
const AT_ONCE: usize = 16;

/// What came of taking a lab down.
#[derive(Debug, Default)]
pub(super) struct Cleared {
    /// Names of the lab's that namespaces of others bear; they were left alone.
    pub(super) strangers: Vec<String>,
    /// Files of the lab's that were changed by hand; they stay.
    pub(super) edited: Vec<PathBuf>,
    pub(super) errors: Vec<LabError>,
}

/// Takes a lab down by its record: all that is there, past every failure. The record goes
/// last, and only when the rest is gone, so that a failed attempt can be repeated.
pub(super) fn clear(record: &LabRecord, turn: &Turn) -> Cleared {
    // First, while the links that its programs hang on are there.
    let names = record.topologies().flat_map(Topology::datapath_names);
    let names = names.filter(|name| !record.is_foreign_datapath(name)).collect();
    clear_with(record, &names, turn)
}

/// As [`clear`], for a lab that could not be built: only datapaths that were installed go.
/// Other pins of its name would be those of another lab.
pub(super) fn clear_unbuilt(record: &LabRecord, turn: &Turn) -> Vec<LabError> {
    clear_with(record, &record.datapaths, turn).errors
}

fn clear_with(record: &LabRecord, datapaths: &BTreeSet<String>, turn: &Turn) -> Cleared {
    let pieces = record.pieces();
    let Cleared { mut strangers, mut edited, mut errors } = Cleared::default();
    // To the end, so that a signal does not come half-way.
    let hurry = turn.hurry(waits(&pieces)).unwrap_or_else(|error| {
        errors.push(error);
        None
    });
    // Nothing of the lab is forwarded any more when its datapaths go.
    errors.extend(gates::switch_off(record));
    if hurry.is_some() {
        // Left to the kernel, it would be done in the background, when nobody hurries any more.
        datapaths.iter().for_each(|name| Datapath::detach(name));
    }
    let failures = datapaths.iter().filter_map(|name| Datapath::remove(name).err());
    errors.extend(failures.map(LabError::from));
    if record.uses_machine() {
        errors.extend(clear_machine(record, &pieces));
    }
    errors.extend(forwarding::restore(record).err());
    // The links inside go with their namespaces.
    errors.extend(delete_own(record, &mut strangers).into_iter().map(LabError::from));
    for piece in &pieces {
        if let Piece::Resolver { namespace, .. } = piece {
            match resolver::clear(namespace) {
                Ok(kept) => edited.extend(kept),
                Err(error) => errors.push(error),
            }
        }
    }
    if errors.is_empty() {
        errors.extend(record.remove().err());
    }
    Cleared { strangers, edited, errors }
}

/// How often the kernel is waited for until all programs of a lab are detached.
pub(super) fn waits(pieces: &[Piece]) -> usize {
    pieces.iter().filter(|piece| matches!(piece, Piece::Cable(_))).count()
}

/// Deletes the lab's namespaces, routers first: a bridge that goes as a whole has less to do than one
/// that loses its ports one by one. One of another owner, who took the name over, is told and left alone.
/// All are looked at first, and only once more just before: as soon as some are deleted, the kernel
/// is busy with taking them down.
fn delete_own(record: &LabRecord, strangers: &mut Vec<String>) -> Vec<NetError> {
    let mut seen = HashSet::new();
    let names = record.topologies().flat_map(Topology::namespace_names);
    let names: Vec<_> = names.filter(|name| seen.insert(*name)).collect();
    let own: Vec<_> = Visitor::send(|visitor| {
        let look = |name| match record.bearer(name, visitor)? {
            Bearer::Own => Ok(Some((name, netns::identity(name)))),
            Bearer::Stranger => {
                strangers.push(name.to_owned());
                Ok(None)
            }
            Bearer::Nothing => Ok(None),
        };
        names.into_iter().map(look).collect()
    });
    strangers.sort_unstable();
    let waiting = Mutex::new(own.into_iter());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
    let delete = || {
        let mut errors = Vec::new();
        while let Some(found) = next() {
            let deleted = match found {
                Ok(Some((name, identity))) if netns::identity(name) == identity => {
                    netns::delete(name)
                }
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
            errors.extend(deleted.err().filter(|error: &NetError| !error.is_absence()));
        }
        errors
    };
    let deleters = AT_ONCE.min(waiting.lock().map_or(1, |waiting| waiting.len()));
    on_threads(deleters, delete).into_iter().flatten().collect()
}

/// What the lab made in the machine's own namespace, as far as it is there. Routes over links
/// that are not the lab's must go by themselves.
fn clear_machine(record: &LabRecord, pieces: &[Piece]) -> Vec<LabError> {
    let look = || Ok((World::of(record, pieces)?, Netlink::open()?));
    match look() {
        Ok((world, machine)) => {
            let actual = world.actual(pieces);
            let cleared = actual.iter().rev().map(|piece| clear_piece(&machine, piece));
            cleared.filter_map(|cleared| cleared.err().map(LabError::from)).collect()
        }
        Err(error) => vec![error],
    }
}

fn clear_piece(machine: &Netlink, piece: &Piece) -> Result<(), NetError> {
    let gone = match piece {
        Piece::Bridge { end, .. } if end.place == Place::Machine => {
            machine.delete_link(&end.interface)
        }
        Piece::Cable(cable) if cable.near.place == Place::Machine => {
            machine.delete_link(&cable.near.interface)
        }
        Piece::Cable(cable) if cable.far.place == Place::Machine => {
            machine.delete_link(&cable.far.interface)
        }
        Piece::Route { place: Place::Machine, route, .. } => {
            let link = route.interface.as_ref().map(|name| machine.link(name)).transpose();
            link.and_then(|link| {
                machine.delete_route(route.to, route.via, link.as_ref(), route.metric)
            })
        }
        _ => Ok(()),
    };
    gone.or_else(|error| if error.is_absence() { Ok(()) } else { Err(error) })
}
