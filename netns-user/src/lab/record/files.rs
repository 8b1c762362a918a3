//! The files of a record: their paths, their content, and the parts of a damaged record that can
//! still be read.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::journal::Journal;
pub(in crate::lab) use crate::files::LABS as DIRECTORY;
use crate::lab::error::LabError;

/// The lab as it was built; a topology file.
pub(in crate::lab) const TOPOLOGY: &str = "topology.toml";
/// The namespaces that were made ([`Journal`]).
pub(in crate::lab) const NAMESPACES: &str = "namespaces";
/// A [`State`]. It is written last: a folder without it is no record.
pub(in crate::lab) const STATE: &str = "state.toml";

/// The format of the records of this version. A version whose records others would not understand
/// has another number.
pub(in crate::lab) const FORMAT: u32 = 1;

/// The format of records without a number.
const fn first_format() -> u32 {
    1
}

/// The number alone, which every version can read.
#[derive(Debug, Deserialize)]
pub(in crate::lab) struct Format {
    #[serde(default = "first_format")]
    pub(in crate::lab) format: u32,
}

/// The state of a lab that the kernel does not keep.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(in crate::lab) struct State {
    /// [`FORMAT`] of the version that has written it.
    #[serde(default = "first_format")]
    pub(in crate::lab) format: u32,
    pub(in crate::lab) complete: bool,
    /// A `down` has begun.
    #[serde(default)]
    pub(in crate::lab) going_down: bool,
    /// The number of topologies that the lab was to become ([`pending_path`]).
    pub(in crate::lab) pending: usize,
    pub(in crate::lab) auto: Option<String>,
    pub(in crate::lab) datapaths: BTreeSet<String>,
    pub(in crate::lab) settings: Vec<(String, String)>,
}

/// Removes the record of a lab, even an incomplete one.
pub(in crate::lab) fn remove(name: &str) -> Result<(), LabError> {
    let folder = folder(name);
    let or_absent = |done: io::Result<()>| match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    };
    // A folder without a state is no record any more, even if the rest cannot be deleted.
    or_absent(fs::remove_file(folder.join(STATE)))
        .and_then(|()| or_absent(fs::remove_dir_all(&folder)))
        .map_err(|error| LabError::file(format!("delete the record {}", folder.display()), error))
}

/// The readable parts of a record that is damaged, of another version, or left by a process that
/// was killed.
#[derive(Debug, Default)]
pub(in crate::lab) struct Remains {
    /// Whether its folder exists.
    pub(in crate::lab) is_there: bool,
    pub(in crate::lab) journal: Journal,
    pub(in crate::lab) settings: Vec<(String, String)>,
}

/// The settings alone.
#[derive(Debug, Deserialize)]
struct Settings {
    settings: Vec<(String, String)>,
}

/// The readable parts of the record of a lab.
pub(in crate::lab) fn remains(name: &str) -> Remains {
    let folder = folder(name);
    let read = |file: &str| read(&folder.join(file)).ok().flatten().unwrap_or_default();
    let settings = toml::from_str::<Settings>(&read(STATE));
    Remains {
        is_there: folder.is_dir(),
        journal: Journal::parse(&read(NAMESPACES)),
        settings: settings.map_or_else(|_| Vec::new(), |of| of.settings),
    }
}

pub(in crate::lab) fn folder(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

/// The file of a topology that the lab is to become.
pub(in crate::lab) fn pending_path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("next-{number}.toml"))
}

pub(in crate::lab) fn read(path: &Path) -> Result<Option<String>, LabError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        // Files beside the records are no records.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(LabError::file(format!("read {}", path.display()), error)),
    }
}
