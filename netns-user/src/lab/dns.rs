//! Name servers of a namespace, by the convention of iproute2: a file
//! /etc/netns/NAME/resolv.conf that `exec` lays over /etc/resolv.conf.

use std::{
    fmt::Write,
    fs, io,
    path::{Path, PathBuf},
};

use super::LabError;
use crate::topology::Namespace;

/// First line of the files that a lab made, by which they are known again.
const MARK: &str = "# written by `netns up`, deleted by `netns down`\n";

fn folder(namespace: &Namespace) -> PathBuf {
    Path::new("/etc/netns").join(&namespace.name)
}

fn path(namespace: &Namespace) -> PathBuf {
    folder(namespace).join("resolv.conf")
}

fn content(namespace: &Namespace) -> String {
    let mut text = MARK.to_owned();
    for server in &namespace.dns {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "nameserver {server}");
    }
    text
}

/// Refuses a file of another owner that is in the way.
pub(super) fn check_free(namespace: &Namespace) -> Result<(), LabError> {
    let path = path(namespace);
    if namespace.dns.is_empty() || !path.exists() {
        return Ok(());
    }
    Err(LabError::FileTaken { path })
}

/// Writes the file, if the topology asks for one.
pub(super) fn install(namespace: &Namespace) -> Result<(), LabError> {
    if namespace.dns.is_empty() {
        return Ok(());
    }
    let path = path(namespace);
    fs::create_dir_all(folder(namespace))
        .and_then(|()| fs::write(&path, content(namespace)))
        .map_err(|error| LabError::file(format!("write {}", path.display()), error))
}

/// Deletes the file if it is still the lab's, and folders that are then empty.
pub(super) fn remove(namespace: &Namespace) -> Result<(), LabError> {
    if namespace.dns.is_empty() {
        return Ok(());
    }
    let path = path(namespace);
    match fs::read_to_string(&path) {
        Ok(text) if text.starts_with(MARK) => {}
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(LabError::file(format!("read {}", path.display()), error)),
    }
    fs::remove_file(&path)
        .map_err(|error| LabError::file(format!("delete {}", path.display()), error))?;
    // Other files may be there, of other owners.
    let folder = folder(namespace);
    if fs::remove_dir(&folder).is_ok()
        && let Some(parent) = folder.parent()
    {
        let _ = fs::remove_dir(parent);
    }
    Ok(())
}
