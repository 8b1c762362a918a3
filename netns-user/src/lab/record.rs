//! The record of a lab: /run/netns-labs/LAB/, gone with the next boot like the lab itself.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::LabError;
use crate::topology::Topology;

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
}

impl LabRecord {
    /// A lab yet to be built, in which `auto` takes the place of "auto".
    pub(super) fn new(topology: &Topology, auto: Option<String>) -> Self {
        let mut topology = topology.clone();
        if let Some(interface) = &auto {
            topology = topology.with_auto(interface);
        }
        Self { topology, complete: false, auto, ip_forward: None }
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

    /// All records, sorted by name; those of interrupted `up`s too.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub fn list() -> Result<Vec<Self>, LabError> {
        let action = || format!("list {DIRECTORY}");
        let entries = match fs::read_dir(DIRECTORY) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(LabError::file(action(), error)),
        };
        let mut records = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| LabError::file(action(), error))?;
            if let Some(name) = entry.file_name().to_str() {
                records.extend(Self::find(name)?);
            }
        }
        records.sort_by(|one, other| one.name().cmp(other.name()));
        Ok(records)
    }

    /// The record of the lab `name`, if there is one.
    pub(super) fn find(name: &str) -> Result<Option<Self>, LabError> {
        // The name may be any argument; only a plain one can be a record's.
        if Path::new(name).file_name() != Some(name.as_ref()) {
            return Ok(None);
        }
        let folder = folder(name);
        let Some(state) = read(&folder.join(STATE))? else { return Ok(None) };
        let damaged = |fault: String| LabError::BadRecord { lab: name.to_owned(), fault };
        let state: State = toml::from_str(&state).map_err(|error| damaged(error.to_string()))?;
        let path = folder.join(TOPOLOGY);
        let text = read(&path)?.ok_or_else(|| damaged(format!("{} is missing", path.display())))?;
        let topology = Topology::parse(&text, &path.display().to_string())
            .map_err(|error| damaged(error.to_string()))?;
        let State { complete, auto, ip_forward } = state;
        Ok(Some(Self { topology, complete, auto, ip_forward }))
    }

    /// Writes the record. A reader sees the old one or the new one, never a part.
    pub(super) fn write(&self) -> Result<(), LabError> {
        let folder = folder(self.name());
        let action = || format!("write the record {}", folder.display());
        let state = State {
            complete: self.complete,
            auto: self.auto.clone(),
            ip_forward: self.ip_forward.clone(),
        };
        let state = toml::to_string(&state).map_err(|error| LabError::BadRecord {
            lab: self.name().to_owned(),
            fault: error.to_string(),
        })?;
        fs::create_dir_all(&folder)
            .and_then(|()| replace(&folder.join(TOPOLOGY), &self.topology.to_toml()))
            .and_then(|()| replace(&folder.join(STATE), &state))
            .map_err(|error| LabError::file(action(), error))
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
