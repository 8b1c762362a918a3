//! The record of a lab: /run/netns-labs/LAB/, gone with the next boot like the lab itself.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::LabError;
use crate::{
    net::{NetError, netns},
    topology::Topology,
};

const DIRECTORY: &str = "/run/netns-labs";
/// The lab as it was built; a topology file.
const TOPOLOGY: &str = "topology.toml";
/// A [`State`]. It is written last, so a folder without it is no record.
const STATE: &str = "state.toml";

/// What the kernel does not know of a lab.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct State {
    complete: bool,
    auto: Option<String>,
    ip_forward: Option<String>,
    making: Option<String>,
    cookies: BTreeMap<String, u64>,
}

/// What bears the name of one of a lab's namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bearer {
    Nothing,
    /// The namespace that the lab made.
    Own,
    /// One that somebody else made after the lab's was deleted, or before it was made.
    Stranger,
}

/// A lab that is up, or whose `up` was interrupted.
#[derive(Clone, Debug)]
pub struct LabRecord {
    /// As it was built: with the interface that "auto" stood for.
    pub topology: Topology,
    /// False while `up` is at work, and for good when it was killed.
    pub complete: bool,
    /// The interface that "auto" stood for.
    pub(super) auto: Option<String>,
    /// What the machine's own `net.ipv4.ip_forward` was before, if it had to be changed.
    pub(super) ip_forward: Option<String>,
    /// The namespace that is being made: it may be there, but not yet in `cookies`.
    making: Option<String>,
    /// The namespaces that were made, by name, with their cookies ([`netns::own_cookie`]).
    cookies: BTreeMap<String, u64>,
}

impl LabRecord {
    /// A lab yet to be built, in which `auto` takes the place of "auto".
    pub(super) fn new(topology: &Topology, auto: Option<String>) -> Self {
        let mut topology = topology.clone();
        if let Some(interface) = &auto {
            topology = topology.with_auto(interface);
        }
        let cookies = BTreeMap::new();
        Self { topology, complete: false, auto, ip_forward: None, making: None, cookies }
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
        Self::find(name)?.ok_or_else(|| LabError::NotUp(name.to_owned()))
    }

    /// All records that can be read, sorted by name; those of interrupted `up`s too.
    ///
    /// # Errors
    /// When their folder cannot be read.
    pub fn list() -> Result<Vec<Self>, LabError> {
        Ok(Self::survey()?.0)
    }

    /// All records, sorted by name, and what is wrong with those that cannot be read: one
    /// lab's must not keep a person from the others.
    ///
    /// # Errors
    /// When their folder cannot be read.
    pub fn survey() -> Result<(Vec<Self>, Vec<LabError>), LabError> {
        let action = || format!("list {DIRECTORY}");
        let entries = match fs::read_dir(DIRECTORY) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((Vec::new(), Vec::new()));
            }
            Err(error) => return Err(LabError::file(action(), error)),
        };
        let mut faults = Vec::new();
        let mut records = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| LabError::file(action(), error))?;
            if let Some(name) = entry.file_name().to_str() {
                match Self::find(name) {
                    Ok(record) => records.extend(record),
                    Err(fault) => faults.push(fault),
                }
            }
        }
        records.sort_by(|one, other| one.name().cmp(other.name()));
        Ok((records, faults))
    }

    /// Whether there is a record of the lab `name`, readable or not.
    pub fn exists(name: &str) -> bool {
        !matches!(Self::find(name), Ok(None))
    }

    /// The record of the lab `name`, if there is one.
    pub(super) fn find(name: &str) -> Result<Option<Self>, LabError> {
        // The name may be any argument; only a plain one can be a record's.
        if Path::new(name).file_name() != Some(name.as_ref()) {
            return Ok(None);
        }
        let folder = folder(name);
        let Some(state) = read(&folder.join(STATE))? else { return Ok(None) };
        // The parser's explanations have several lines, of which the first tells what is wrong.
        let damaged = |fault: String| LabError::BadRecord {
            lab: name.to_owned(),
            fault: fault.lines().next().unwrap_or_default().to_owned(),
        };
        let state: State =
            toml::from_str(&state).map_err(|error| damaged(error.message().to_owned()))?;
        let path = folder.join(TOPOLOGY);
        let text = read(&path)?.ok_or_else(|| damaged(format!("{} is missing", path.display())))?;
        let topology = Topology::parse(&text, &path.display().to_string())
            .map_err(|error| damaged(error.to_string()))?;
        let State { complete, auto, ip_forward, making, cookies } = state;
        Ok(Some(Self { topology, complete, auto, ip_forward, making, cookies }))
    }

    /// Makes a namespace with `make`, which tells its cookie. Killed at any moment, the record
    /// tells what there may be to delete: the one that was being made goes by its name, all
    /// others only while they are the very ones that were made.
    pub(super) fn making<T>(
        &mut self,
        name: &str,
        make: impl FnOnce() -> Result<(u64, T), LabError>,
    ) -> Result<T, LabError> {
        self.making = Some(name.to_owned());
        self.write_state()?;
        let made = make();
        if let Err(LabError::Net(NetError::NamespaceExists(_))) = &made {
            // Somebody was faster, and it is theirs.
            self.making = None;
        }
        let (cookie, made) = made?;
        // The next write takes it along.
        self.cookies.insert(name.to_owned(), cookie);
        self.making = None;
        Ok(made)
    }

    /// What bears the name of the lab's namespace `name` now.
    pub(super) fn bearer(&self, name: &str) -> Result<Bearer, NetError> {
        let recorded = self.cookies.get(name);
        let is_being_made = self.making.as_deref() == Some(name);
        let own = match netns::cookie(name) {
            Ok(cookie) => recorded.map_or(is_being_made, |recorded| *recorded == cookie),
            Err(NetError::NoNamespace(_)) => return Ok(Bearer::Nothing),
            // A file without a namespace, by which nobody can lose anything.
            Err(NetError::DeadNamespace(_)) => recorded.is_some() || is_being_made,
            Err(error) => return Err(error),
        };
        Ok(if own { Bearer::Own } else { Bearer::Stranger })
    }

    /// Whether one of the lab's namespaces bears this name. For who may not look, the name
    /// alone decides.
    pub fn owns(&self, name: &str) -> bool {
        self.topology.namespace_names().any(|own| own == name)
            && self.bearer(name).map_or(true, |bearer| bearer != Bearer::Stranger)
    }

    /// Those of the lab's names that namespaces of others bear now.
    pub(super) fn strangers(&self) -> Result<Vec<String>, NetError> {
        let mut strangers = Vec::new();
        for name in self.topology.namespace_names() {
            if self.bearer(name)? == Bearer::Stranger {
                strangers.push(name.to_owned());
            }
        }
        Ok(strangers)
    }

    /// Writes the record. A reader sees the old one or the new one, never a part.
    pub(super) fn write(&self) -> Result<(), LabError> {
        let folder = folder(self.name());
        fs::create_dir_all(&folder)
            .and_then(|()| replace(&folder.join(TOPOLOGY), &self.topology.to_toml()))
            .map_err(|error| self.write_error(error))?;
        self.write_state()
    }

    /// Writes what changes while the lab is built.
    fn write_state(&self) -> Result<(), LabError> {
        let state = State {
            complete: self.complete,
            auto: self.auto.clone(),
            ip_forward: self.ip_forward.clone(),
            making: self.making.clone(),
            cookies: self.cookies.clone(),
        };
        let state = toml::to_string(&state).map_err(|error| LabError::BadRecord {
            lab: self.name().to_owned(),
            fault: error.to_string(),
        })?;
        replace(&folder(self.name()).join(STATE), &state).map_err(|error| self.write_error(error))
    }

    fn write_error(&self, error: io::Error) -> LabError {
        LabError::file(format!("write the record {}", folder(self.name()).display()), error)
    }

    /// Takes the record away.
    pub(super) fn remove(&self) -> Result<(), LabError> {
        let folder = folder(self.name());
        // Without its state it is no record any more, whatever happens to the rest.
        fs::remove_file(folder.join(STATE))
            .and_then(|()| fs::remove_dir_all(&folder))
            .or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })
            .map_err(|error| {
                LabError::file(format!("delete the record {}", folder.display()), error)
            })
    }
}

/// Waits until nobody else builds or tears down a lab, and keeps others from it while the
/// file lives. So a record that is not complete is of somebody who was killed.
pub(super) fn lock() -> Result<File, LabError> {
    fs::create_dir_all(DIRECTORY)
        .and_then(|()| File::open(DIRECTORY))
        .and_then(|directory| directory.lock().map(|()| directory))
        .map_err(|error| LabError::file(format!("lock {DIRECTORY}"), error))
}

fn folder(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

fn read(path: &Path) -> Result<Option<String>, LabError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LabError::file(format!("read {}", path.display()), error)),
    }
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, text)?;
    fs::rename(new, path)
}
