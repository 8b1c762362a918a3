//! The pins that keep a lab's maps and links alive: `/sys/fs/bpf/netns/LAB/vSCHEMA/`.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use netns_common::abi::{SCHEMA, maps};
use nix::{
    mount::{MsFlags, mount},
    sys::statfs::{BPF_FS_MAGIC, statfs},
    unistd::Uid,
};

use super::error::DatapathError;

pub(super) const BPFFS: &str = "/sys/fs/bpf";

/// The pins of one lab.
#[derive(Clone, Debug)]
pub(super) struct Pins {
    lab: PathBuf,
    /// Whether these are the pins of the next flow table.
    is_next: bool,
}

impl Pins {
    pub(super) fn of(lab: &str) -> Self {
        Self { lab: Path::new(BPFFS).join("netns").join(lab), is_next: false }
    }

    fn version(&self) -> PathBuf {
        // aya does not check the layout of a map that it reuses: so each layout has its own path.
        self.lab.join(format!("v{SCHEMA}"))
    }

    pub(super) fn map(&self, name: &str) -> PathBuf {
        if self.is_next && maps::OF_FLOW_TABLE.contains(&name) {
            self.next_flow_table().join(name)
        } else {
            self.maps().join(name)
        }
    }

    /// The same pins with the next flow table, in a new folder of its own.
    pub(super) fn with_next_flow_table(&self) -> Result<Self, DatapathError> {
        let folder = self.next_flow_table();
        self.remove_folder(&folder)?;
        make_folder(&folder).map_err(|cause| pin_error("create the folder", &folder, cause))?;
        Ok(Self { is_next: true, ..self.clone() })
    }

    /// Replaces the present flow table by the next one.
    pub(super) fn adopt_next_flow_table(&self) -> Result<(), DatapathError> {
        let folder = self.next_flow_table();
        for name in maps::OF_FLOW_TABLE {
            let next = folder.join(name);
            match fs::rename(&next, self.maps().join(name)) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                    return Err(pin_error("rename the pin", &next, cause));
                }
                _ => {}
            }
        }
        self.remove_folder(&folder)
    }

    /// Whether a change of the flow table's size was begun and not completed.
    pub(super) fn has_next_flow_table(&self) -> bool {
        self.next_flow_table().exists()
    }

    /// Completes the replacement of the flow table by a process that was killed.
    pub(super) fn adopt_rest(&self) -> Result<(), DatapathError> {
        let rest = maps::OF_FLOW_TABLE.map(|name| self.next_flow_table().join(name).exists());
        let is_begun = self.has_next_flow_table() && rest.contains(&false);
        if is_begun && rest.contains(&true) { self.adopt_next_flow_table() } else { Ok(()) }
    }

    /// Removes the next flow table.
    pub(super) fn remove_next_flow_table(&self) -> Result<(), DatapathError> {
        self.remove_folder(&self.next_flow_table())
    }

    fn next_flow_table(&self) -> PathBuf {
        self.version().join("next")
    }

    pub(super) fn maps(&self) -> PathBuf {
        self.version().join("maps")
    }

    /// The pin of a program that commands run.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.programs().join(name)
    }

    fn programs(&self) -> PathBuf {
        self.version().join("programs")
    }

    pub(super) fn links(&self) -> PathBuf {
        self.version().join("links")
    }

    /// The pin of a program's link at an interface. The name contains the interface's index,
    /// because bpffs allows no dots in names.
    pub(super) fn link(&self, program: &str, index: u32) -> PathBuf {
        self.links().join(format!("{program}-{index}"))
    }

    /// The folder of all the lab's pins.
    pub(super) fn folder(&self) -> &Path {
        &self.lab
    }

    pub(super) fn exist(&self) -> bool {
        self.version().exists()
    }

    /// Whether the lab has pins only of another version of the program.
    pub(super) fn are_of_other_version(&self) -> bool {
        let is_version =
            |name: &str| name.strip_prefix('v').is_some_and(|number| number.parse::<u32>().is_ok());
        let entries = fs::read_dir(&self.lab).into_iter().flatten().flatten();
        let mut names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        !self.exist() && names.any(|name| is_version(&name))
    }

    /// Whether anything is pinned for the lab, by this version or another.
    pub(super) fn are_taken(&self) -> bool {
        fs::read_dir(&self.lab).is_ok_and(|mut entries| entries.next().is_some())
    }

    /// Makes the folders. Existing pins belong to a lab that is up: they stay, and on failure only
    /// new folders are removed.
    pub(super) fn create(&self) -> Result<(), DatapathError> {
        mount_bpffs()?;
        let folder_error = |path: &Path, source| pin_error("create the folder", path, source);
        let mut folders = DirBuilder::new();
        folders.recursive(true).mode(PRIVATE);
        folders.create(&self.lab).map_err(|error| folder_error(&self.lab, error))?;
        self.lab.ancestors().take(2).try_for_each(require_own)?;
        let version = self.version();
        make_folder(&version).map_err(|error| {
            self.remove_empty_folders();
            folder_error(&version, already_installed(error, &self.lab))
        })?;
        for folder in [self.maps(), self.programs(), self.links()] {
            make_folder(&folder).map_err(|error| {
                let _ = fs::remove_dir_all(&version);
                self.remove_empty_folders();
                folder_error(&folder, error)
            })?;
        }
        Ok(())
    }

    /// Removes the pins of this version; see [`Self::remove`].
    pub(super) fn remove_version(&self) -> Result<(), DatapathError> {
        self.remove_folders(&[self.links(), self.version()])
    }

    /// Removes the pins; the kernel detaches programs and frees maps that nothing else holds.
    pub(super) fn remove(&self) -> Result<(), DatapathError> {
        self.remove_folders(&[self.links(), self.lab.clone()])
    }

    /// Links first, so that no program runs without its configuration.
    fn remove_folders(&self, folders: &[PathBuf; 2]) -> Result<(), DatapathError> {
        folders.iter().try_for_each(|folder| self.remove_folder(folder))?;
        self.remove_empty_folders();
        Ok(())
    }

    fn remove_folder(&self, folder: &Path) -> Result<(), DatapathError> {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(pin_error("remove the pins in", folder, error))
            }
            _ => Ok(()),
        }
    }

    /// Removes the lab's folder, and after the last lab the common folder; folders in use stay.
    fn remove_empty_folders(&self) {
        let _ = fs::remove_dir(&self.lab);
        if let Some(parent) = self.lab.parent() {
            let _ = fs::remove_dir(parent);
        }
    }
}

/// The names of all folders of pins; none if the caller may not read them.
pub(super) fn all_names() -> Vec<String> {
    let entries = fs::read_dir(Path::new(BPFFS).join("netns")).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_unstable();
    names
}

/// The mode of the folders of pins. Everybody who can open one could lock it, and so block root.
const PRIVATE: u32 = 0o700;

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(PRIVATE).create(path)
}

/// Narrows a folder of pins, and those above it up to that of all labs, to their owner. An older
/// version may have made them such that every user can open them.
pub(super) fn make_private(folder: &Path) -> Result<(), DatapathError> {
    narrow(folder, &Path::new(BPFFS).join("netns"))
        .map_err(|cause| pin_error("set the mode of the folder", folder, cause))
}

fn narrow(folder: &Path, top: &Path) -> io::Result<()> {
    for folder in folder.ancestors().take_while(|folder| folder.starts_with(top)) {
        let mode = fs::metadata(folder)?.mode();
        if mode & 0o777 & !PRIVATE != 0 {
            fs::set_permissions(folder, Permissions::from_mode(PRIVATE))?;
        }
    }
    Ok(())
}

/// If every user can write to bpffs, another user may have made the folder first, and could remove
/// our pins.
fn require_own(folder: &Path) -> Result<(), DatapathError> {
    let error = |cause| pin_error("use the folder", folder, cause);
    let owner = fs::symlink_metadata(folder).map_err(error)?.uid();
    if owner == Uid::effective().as_raw() {
        return Ok(());
    }
    Err(error(io::Error::other(format!("it belongs to user {owner}: delete it"))))
}

fn already_installed(error: io::Error, lab: &Path) -> io::Error {
    if error.kind() != io::ErrorKind::AlreadyExists {
        return error;
    }
    let remedy = format!(
        "a lab of that name is already installed: take it down, or remove {} if only this folder \
         is left of it",
        lab.display()
    );
    io::Error::new(error.kind(), remedy)
}

pub(super) fn pin_error(action: &'static str, path: &Path, cause: io::Error) -> DatapathError {
    DatapathError::Pin { action, path: path.to_owned(), cause }
}

pub(super) fn bpffs_is_mounted() -> bool {
    statfs(BPFFS).is_ok_and(|stat| stat.filesystem_type() == BPF_FS_MAGIC)
}

/// Mounts the BPF file system at its usual path, unless it is mounted.
fn mount_bpffs() -> Result<(), DatapathError> {
    if bpffs_is_mounted() {
        return Ok(());
    }
    match mount(Some("bpf"), BPFFS, Some("bpf"), MsFlags::empty(), Some("mode=0700")) {
        // Two processes may both mount it, which does no harm.
        Ok(()) => Ok(()),
        Err(_) if bpffs_is_mounted() => Ok(()),
        Err(cause) => Err(DatapathError::NoBpffs { path: BPFFS.into(), cause }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_pins_are_narrowed_but_not_those_above() {
        let bpffs = tempfile::tempdir().unwrap();
        let of_labs = bpffs.path().join("netns");
        let maps = of_labs.join("lecture/v1/maps");
        fs::create_dir_all(&maps).unwrap();
        let folders = || maps.ancestors().take(5);
        for folder in folders() {
            fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
        }
        narrow(&maps, &of_labs).unwrap();
        let modes = folders().map(|folder| fs::metadata(folder).unwrap().mode() & 0o777);
        assert_eq!(modes.collect::<Vec<_>>(), [0o700, 0o700, 0o700, 0o700, 0o755]);
    }
}
