//! The links to shared hosts files: /etc/netns/NAME/hosts of each namespace.
//!
//! Only a link to the shared file of a lab is ever replaced or deleted. Every other file there is
//! somebody else's.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use nix::sys::statvfs::{FsFlags, statvfs};

use super::shared;
use crate::net::{NetError, etc_netns};

/// The object at the path of a namespace's link.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    /// A link to the shared file of this lab.
    LinkTo(String),
    /// A file that netns has not made.
    Foreign,
}

/// The path of the namespace's link.
pub(crate) fn path(namespace: &str) -> PathBuf {
    etc_netns::folder(namespace).join("hosts")
}

/// Whether the namespace needs no link to the lab's shared file: it has it, or a file of somebody
/// else, which is kept, or /etc is read-only.
pub(crate) fn is_settled(namespace: &str, lab: &str) -> bool {
    match look(namespace) {
        Found::Nothing => is_read_only(),
        Found::LinkTo(other) => other == lab,
        Found::Foreign => true,
    }
}

/// Whether the namespace's file is a link to the shared file of a lab.
pub(crate) fn is_of_a_lab(namespace: &str) -> bool {
    matches!(look(namespace), Found::LinkTo(_))
}

/// Whether the namespace has a link to the lab's shared file.
pub(crate) fn is_linked(namespace: &str, lab: &str) -> bool {
    matches!(look(namespace), Found::LinkTo(other) if other == lab)
}

/// The file of the namespace that netns has not made, or a file in the place of a folder above.
pub(crate) fn foreign_file(namespace: &str) -> Option<PathBuf> {
    let path = path(namespace);
    let is_foreign = look(namespace) == Found::Foreign;
    let mut above: Vec<&Path> = path.ancestors().collect();
    above.reverse();
    let in_the_way = above.into_iter().find(|path| path.exists() && !path.is_dir());
    is_foreign.then(|| in_the_way.unwrap_or(&path).to_owned())
}

/// Makes the link to the lab's shared file. The link to another lab's is replaced; a file of
/// somebody else is kept.
pub(crate) fn add(namespace: &str, lab: &str) -> Result<(), NetError> {
    let path = path(namespace);
    let make = || {
        etc_netns::make(namespace)?;
        symlink(shared::path(lab), &path)
    };
    let made = match make() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match look(namespace) {
            Found::LinkTo(other) if other != lab => fs::remove_file(&path).and_then(|()| make()),
            _ => Ok(()),
        },
        // As where a machine has no /etc/hosts, commands do without: a lab works without names.
        Err(error) if is_refused(&error) => Ok(()),
        made => made,
    };
    made.map_err(|error| NetError::refused(format!("make the link {}", path.display()), error))
}

/// Whether /etc takes no file.
fn is_refused(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::PermissionDenied
    )
}

/// Deletes the link to the lab's shared file, and folders of netns that are then empty. If the link
/// is gone already, a process may have been killed before it deleted the folders.
pub(crate) fn remove(namespace: &str, lab: &str) -> Result<(), NetError> {
    match look(namespace) {
        Found::LinkTo(other) if other == lab => delete(namespace),
        Found::Nothing => {
            etc_netns::remove(namespace);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Deletes the namespace's link if the shared file does not exist any more, as after a boot.
pub(crate) fn remove_dangling(namespace: &str) -> Result<(), NetError> {
    match look(namespace) {
        Found::LinkTo(lab) if !shared::path(&lab).exists() => delete(namespace),
        _ => Ok(()),
    }
}

/// The namespaces that have a link to the lab's shared file, whether they exist or not.
pub(crate) fn namespaces_of(lab: &str) -> Vec<String> {
    let entries = fs::read_dir(etc_netns::ROOT).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| is_linked(name, lab)).collect();
    names.sort_unstable();
    names
}

fn delete(namespace: &str) -> Result<(), NetError> {
    let path = path(namespace);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(NetError::refused(format!("delete {}", path.display()), error));
        }
        _ => {}
    }
    etc_netns::remove(namespace);
    Ok(())
}

fn look(namespace: &str) -> Found {
    let path = path(namespace);
    match fs::read_link(&path) {
        Ok(target) => match shared::lab_of(&target) {
            Some(lab) => Found::LinkTo(lab.to_owned()),
            None => Found::Foreign,
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Found::Nothing,
        // It is no link, or something is no folder.
        Err(_) => Found::Foreign,
    }
}

fn is_read_only() -> bool {
    let flags = statvfs(etc_netns::ROOT).or_else(|_| statvfs("/etc")).map(|there| there.flags());
    flags.is_ok_and(|flags| flags.contains(FsFlags::ST_RDONLY))
}
