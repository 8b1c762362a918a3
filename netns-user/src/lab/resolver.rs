//! Name servers of a namespace, by the convention of iproute2: a file
//! /etc/netns/NAME/resolv.conf that `exec` lays over /etc/resolv.conf.

use std::{
    fmt::Write,
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use super::LabError;

/// First line of the files that we made, by which they are known again.
const MARK: &str = "# written by `netns up`, deleted by `netns down`\n";

fn folder(namespace: &str) -> PathBuf {
    Path::new("/etc/netns").join(namespace)
}

fn path(namespace: &str) -> PathBuf {
    folder(namespace).join("resolv.conf")
}

fn content(servers: &[Ipv4Addr]) -> String {
    let mut text = MARK.to_owned();
    for server in servers {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "nameserver {server}");
    }
    text
}

/// Refuses a file of another owner that is in the way.
pub(super) fn check_free(namespace: &str) -> Result<(), LabError> {
    let path = path(namespace);
    if path.exists() && !is_ours(&path)? {
        return Err(LabError::FileTaken { path });
    }
    Ok(())
}

/// The name servers of the namespace, if they are in a file of ours.
pub(super) fn servers(namespace: &str) -> Option<Vec<Ipv4Addr>> {
    let text = fs::read_to_string(path(namespace)).ok()?;
    let lines = text.strip_prefix(MARK)?.lines();
    Some(lines.filter_map(|line| line.strip_prefix("nameserver ")?.parse().ok()).collect())
}

/// Writes the file.
pub(crate) fn install(namespace: &str, servers: &[Ipv4Addr]) -> Result<(), LabError> {
    let path = path(namespace);
    fs::create_dir_all(folder(namespace))
        .and_then(|()| fs::write(&path, content(servers)))
        .map_err(|error| LabError::file(format!("write {}", path.display()), error))
}

/// Deletes the file if it is still one of ours, and folders that are then empty.
pub(crate) fn remove(namespace: &str) -> Result<(), LabError> {
    let path = path(namespace);
    if !is_ours(&path)? {
        return Ok(());
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

fn is_ours(path: &Path) -> Result<bool, LabError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.starts_with(MARK)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(LabError::file(format!("read {}", path.display()), error)),
    }
}
