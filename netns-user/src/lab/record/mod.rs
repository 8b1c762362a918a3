//! The record of a lab: /run/netns-labs/LAB/, which the next boot removes, as it removes the lab.
//!
//! It says what to take down, and is written before the first object is made. This folder uses the
//! resources of a topology, asks `net` and `datapath` who owns a name, and deletes a namespace that
//! was only half made.

pub(super) mod files;
pub(super) mod journal;

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    fs, io,
    path::Path,
};

use files::{
    DIRECTORY, FORMAT, Format, NAMESPACES, STATE, State, TOPOLOGY, folder, pending_path, read,
};
use journal::{Event, Journal};

use super::{
    error::LabError,
    resources::{Key, Resource, resources},
};
use crate::{
    datapath::Datapath,
    files::{append, make_folder, replace},
    net::{
        NetError,
        netns::{self, Visitor},
    },
    topology::Topology,
};

/// The owner of a namespace that has a name of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lab) enum NamespaceOwner {
    Nothing,
    /// The lab, which has made it.
    Own,
    /// Somebody else, who made it before the lab did, or after the lab's own was deleted.
    Foreign,
}

/// A lab that is up, or whose `up` was interrupted.
#[derive(Clone, Debug)]
pub struct LabRecord {
    /// The lab as it was built, with the interface that "auto" stood for.
    pub topology: Topology,
    /// The topologies that the lab was to become: the last one by the running `up`, those before it
    /// by earlier ones that were killed. The existing objects may be of any of them.
    pub(in crate::lab) pending: Vec<Topology>,
    /// False while `up` works, and after an `up` that was killed.
    pub complete: bool,
    /// True while `down` works, and after a `down` that was killed or failed.
    pub(in crate::lab) going_down: bool,
    /// The interface that "auto" stood for.
    pub(in crate::lab) auto: Option<String>,
    /// Names of the installed datapaths.
    pub(in crate::lab) datapaths: BTreeSet<String>,
    /// Settings of the machine that were changed, with their values from before.
    pub(in crate::lab) settings: Vec<(String, String)>,
    journal: Journal,
}

impl LabRecord {
    /// The record of a new lab, with `auto` in place of "auto".
    pub(in crate::lab) fn new(topology: &Topology, auto: Option<String>) -> Self {
        Self {
            topology: resolved(topology, auto.as_deref()),
            pending: Vec::new(),
            complete: false,
            going_down: false,
            auto,
            datapaths: BTreeSet::new(),
            settings: Vec::new(),
            journal: Journal::default(),
        }
    }

    /// All topologies from which the lab may have objects, the newest first.
    pub(in crate::lab) fn topologies(&self) -> impl Iterator<Item = &Topology> {
        self.pending.iter().rev().chain([&self.topology])
    }

    /// All resources that the lab may have, each once, parents before children.
    pub(in crate::lab) fn resources(&self) -> Vec<Resource> {
        let mut places: HashMap<Key, usize> = HashMap::new();
        let mut all: Vec<Resource> = Vec::new();
        for resource in self.topologies().flat_map(resources) {
            match places.entry(resource.key()) {
                Entry::Occupied(place) => all[*place.get()].inherit_mtu(&resource),
                Entry::Vacant(place) => {
                    place.insert(all.len());
                    all.push(resource);
                }
            }
        }
        all
    }

    /// The lab's name.
    pub fn name(&self) -> &str {
        &self.topology.name
    }

    /// The record of the lab `name`.
    ///
    /// # Errors
    /// [`LabError::NotUp`], or when the record cannot be read.
    pub fn load(name: &str) -> Result<Self, LabError> {
        Self::find(name)?.ok_or_else(|| match unrecorded().contains(name) {
            true => LabError::LostRecord(name.to_owned()),
            false => LabError::NotUp(name.to_owned()),
        })
    }

    /// All readable records, sorted by name, including those of interrupted `up`s.
    ///
    /// # Errors
    /// When their folder cannot be read.
    pub fn list() -> Result<Vec<Self>, LabError> {
        Ok(Self::survey()?.0)
    }

    /// All readable records, sorted by name, and the errors of records that are unreadable or
    /// missing: one damaged lab must not hide the others.
    ///
    /// # Errors
    /// When their folder cannot be read.
    pub fn survey() -> Result<(Vec<Self>, Vec<LabError>), LabError> {
        let action = || format!("list {DIRECTORY}");
        let entries = match fs::read_dir(DIRECTORY) {
            Ok(entries) => Some(entries),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(LabError::file(action(), error)),
        };
        let mut faults = Vec::new();
        let mut records = Vec::new();
        for entry in entries.into_iter().flatten() {
            let entry = entry.map_err(|error| LabError::file(action(), error))?;
            if let Some(name) = entry.file_name().to_str() {
                match Self::find(name) {
                    Ok(record) => records.extend(record),
                    Err(fault) => faults.push(fault),
                }
            }
        }
        faults.extend(unrecorded().into_iter().map(LabError::LostRecord));
        records.sort_by(|one, other| one.name().cmp(other.name()));
        Ok((records, faults))
    }

    /// Whether there is a record of the lab `name`, readable or not.
    pub fn exists(name: &str) -> bool {
        !matches!(Self::find(name), Ok(None))
    }

    /// The record of the lab `name`, if there is one.
    pub(in crate::lab) fn find(name: &str) -> Result<Option<Self>, LabError> {
        // The name may be any argument; a path is no name of a record.
        if Path::new(name).file_name() != Some(name.as_ref()) {
            return Ok(None);
        }
        let folder = folder(name);
        let Some(state) = read(&folder.join(STATE))? else { return Ok(None) };
        // The parser's messages have several lines; the first says what is wrong.
        let damaged = |fault: String| LabError::BadRecord {
            lab: name.to_owned(),
            fault: fault.lines().next().unwrap_or_default().to_owned(),
        };
        if toml::from_str::<Format>(&state).is_ok_and(|of| of.format != FORMAT) {
            return Err(LabError::OtherVersion(name.to_owned()));
        }
        let state: State =
            toml::from_str(&state).map_err(|error| damaged(error.message().to_owned()))?;
        let path = folder.join(TOPOLOGY);
        let missing = |path: &Path| damaged(format!("{} is missing", path.display()));
        let text = match read(&path)? {
            Some(text) => text,
            // The lab was taken down after its state was read.
            None if !folder.join(STATE).exists() => return Ok(None),
            None => return Err(missing(&path)),
        };
        let parse = |text: &str, path: &Path| {
            Topology::parse_written(text, &path.display().to_string())
                .map_err(|error| damaged(error.to_string()))
        };
        let topology = parse(&text, &path)?;
        let mut pending = Vec::new();
        for number in 0..state.pending {
            let path = pending_path(&folder, number);
            let text = read(&path)?;
            pending.push(parse(&text.ok_or_else(|| missing(&path))?, &path)?);
        }
        let journal = Journal::parse(&read(&folder.join(NAMESPACES))?.unwrap_or_default());
        let State { format: _, complete, going_down, pending: _, auto, datapaths, settings } =
            state;
        Ok(Some(Self {
            topology,
            pending,
            complete,
            going_down,
            auto,
            datapaths,
            settings,
            journal,
        }))
    }

    /// Records that a namespace is about to be made. If the process is killed, the record says what
    /// to delete: a namespace that was being made goes by its name, any other only if its cookie is
    /// the recorded one.
    pub(in crate::lab) fn begin_making(&mut self, name: &str) -> Result<(), LabError> {
        self.note(Event::Making(name.to_owned()))
    }

    /// Records the result: the cookie of the namespace.
    pub(in crate::lab) fn end_making<T>(
        &mut self,
        name: &str,
        made: Result<(u64, T), LabError>,
    ) -> Result<T, LabError> {
        match made {
            Ok((cookie, made)) => {
                self.note(Event::Made(name.to_owned(), cookie))?;
                Ok(made)
            }
            Err(error) => {
                if let LabError::Net(NetError::NamespaceExists(_)) = &error {
                    // Somebody else made it first: it is theirs.
                    self.note(Event::Foreign(name.to_owned()))?;
                }
                Err(error)
            }
        }
    }

    /// Whether a process was killed while it made this namespace, which may be incomplete.
    pub(in crate::lab) fn is_half_made(&self, name: &str) -> bool {
        self.journal.making.contains(name)
    }

    /// Deletes a half made namespace of the lab.
    pub(in crate::lab) fn delete_half_made(&mut self, name: &str) -> Result<(), LabError> {
        netns::delete(name)
            .or_else(|error| if error.is_absence() { Ok(()) } else { Err(error) })?;
        if self.is_half_made(name) { self.note(Event::Unmade(name.to_owned())) } else { Ok(()) }
    }

    fn note(&mut self, event: Event) -> Result<(), LabError> {
        append(&folder(self.name()).join(NAMESPACES), &event.line())
            .map_err(|error| self.write_error(error))?;
        self.journal.note(event);
        Ok(())
    }

    /// The owner of the namespace that has the name of the lab's namespace `name`.
    pub(in crate::lab) fn owner_of(
        &self,
        name: &str,
        visitor: &Visitor,
    ) -> Result<NamespaceOwner, NetError> {
        let recorded = self.journal.cookies.get(name);
        let is_being_made = self.is_half_made(name);
        let own = match visitor.cookie(name) {
            Ok(cookie) => recorded.map_or(is_being_made, |recorded| *recorded == cookie),
            Err(NetError::NoNamespace(_)) => return Ok(NamespaceOwner::Nothing),
            // A stale mount point: safe to delete.
            Err(NetError::DeadNamespace(_)) => recorded.is_some() || is_being_made,
            Err(error) => return Err(error),
        };
        Ok(if own { NamespaceOwner::Own } else { NamespaceOwner::Foreign })
    }

    /// Whether this is one of the lab's namespaces. If the caller may not look, the name alone
    /// decides.
    pub fn owns(&self, name: &str) -> bool {
        self.topologies().flat_map(Topology::namespace_names).any(|own| own == name)
            && Visitor::send(|visitor| self.owner_of(name, visitor))
                .map_or(true, |owner_of| owner_of != NamespaceOwner::Foreign)
    }

    /// The names of the lab's namespaces that somebody else's namespaces have now.
    pub(in crate::lab) fn foreign_namespaces(&self) -> Result<Vec<String>, NetError> {
        Visitor::send(|visitor| {
            let mut foreign = Vec::new();
            for name in self.namespace_names() {
                if self.owner_of(name, visitor)? == NamespaceOwner::Foreign {
                    foreign.push(name.to_owned());
                }
            }
            Ok(foreign)
        })
    }

    /// Whether the last `up` or `down` is complete: none runs, and none was interrupted.
    pub fn is_settled(&self) -> bool {
        self.complete && !self.going_down
    }

    /// Whether an `up` was completed and no `down` has begun: then the lab can be changed.
    pub(in crate::lab) fn is_usable(&self) -> bool {
        !self.going_down && (self.complete || !self.pending.is_empty())
    }

    /// The error for a lab that is not settled although no process works on it.
    pub(in crate::lab) fn unfinished(&self) -> LabError {
        let name = self.name().to_owned();
        if self.going_down { LabError::HalfDown(name) } else { LabError::Unfinished(name) }
    }

    /// Records that a `down` begins: if it is killed, the next `up` or `down` completes it.
    pub(in crate::lab) fn begin_down(&mut self) -> Result<(), LabError> {
        self.going_down = true;
        self.write_state()
    }

    /// Records that the lab is to become `next`: from now on it may have objects of both.
    pub(in crate::lab) fn begin_change(&mut self, next: Topology) -> Result<(), LabError> {
        self.pending.push(next);
        self.complete = false;
        self.write()
    }

    /// Whether a datapath of that name must belong to another lab.
    pub(in crate::lab) fn is_foreign_datapath(&self, name: &str) -> bool {
        // During a change, a datapath may be installed that is not recorded yet.
        !self.datapaths.contains(name) && self.complete
    }

    /// Names of all namespaces that the lab may have.
    pub(in crate::lab) fn namespace_names(&self) -> BTreeSet<&str> {
        self.topologies().flat_map(Topology::namespace_names).collect()
    }

    /// Whether the lab may have objects in the machine's own namespace.
    pub(in crate::lab) fn uses_machine(&self) -> bool {
        self.topologies().any(Topology::uses_machine)
    }

    /// Writes the record. A reader sees the old one or the new one, never a part.
    pub(in crate::lab) fn write(&self) -> Result<(), LabError> {
        let folder = folder(self.name());
        let write = || {
            make_folder(&folder)?;
            for (number, next) in self.pending.iter().enumerate() {
                replace(&pending_path(&folder, number), &next.to_toml())?;
            }
            replace(&folder.join(TOPOLOGY), &self.topology.to_toml())
        };
        write().map_err(|error| self.write_error(error))?;
        self.write_state()
    }

    /// Writes the part of the record that changes while the lab is built.
    pub(in crate::lab) fn write_state(&self) -> Result<(), LabError> {
        let state = State {
            format: FORMAT,
            complete: self.complete,
            going_down: self.going_down,
            pending: self.pending.len(),
            auto: self.auto.clone(),
            datapaths: self.datapaths.clone(),
            settings: self.settings.clone(),
        };
        let state = toml::to_string(&state).map_err(|error| LabError::BadRecord {
            lab: self.name().to_owned(),
            fault: error.to_string(),
        })?;
        replace(&folder(self.name()).join(STATE), &state).map_err(|error| self.write_error(error))
    }

    /// Records that the change is complete.
    pub(in crate::lab) fn finish(&mut self) -> Result<(), LabError> {
        if let Some(next) = self.pending.pop() {
            replace(&folder(self.name()).join(TOPOLOGY), &next.to_toml())
                .map_err(|error| self.write_error(error))?;
            self.topology = next;
            self.pending.clear();
        }
        self.complete = true;
        self.write_state()
    }

    fn write_error(&self, error: io::Error) -> LabError {
        LabError::file(format!("write the record {}", folder(self.name()).display()), error)
    }

    /// Removes the record.
    pub(in crate::lab) fn remove(&self) -> Result<(), LabError> {
        files::remove(self.name())
    }
}

/// The names of labs that have pins but no record.
fn unrecorded() -> BTreeSet<String> {
    let labs = Datapath::all_names();
    let labs = labs.iter().map(|name| name.split('@').next().unwrap_or(name).to_owned());
    labs.filter(|lab| !LabRecord::exists(lab)).collect()
}

/// The topology with `interface` in place of "auto".
pub(in crate::lab) fn resolved(topology: &Topology, interface: Option<&str>) -> Topology {
    let topology = topology.clone();
    match interface {
        Some(interface) => topology.with_auto(interface),
        None => topology,
    }
}
