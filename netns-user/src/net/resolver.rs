//! The name servers of a namespace, by the convention of iproute2: a file
//! /etc/netns/NAME/resolv.conf that `exec` mounts over /etc/resolv.conf.
//!
//! The servers that were written last are kept in an extended attribute of the folder. So a file
//! that somebody has edited, or replaced, is still recognised as the lab's, even after `down` and
//! after a boot.

use std::{
    fmt::Write as _,
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use rustix::fs::{XattrFlags, getxattr, removexattr, setxattr};

use super::{
    error::NetError,
    etc_netns::{self, folder},
};
use crate::files::{UNFINISHED, replace};

/// First line of the files that netns writes, which identifies them.
const MARK: &str = "# written by `netns up`, deleted by `netns down`\n";

/// The extended attribute of the folder: the servers that were written last.
const NOTE: &str = "trusted.netns.name-servers";

/// Longer than any list of servers.
const LONGEST_NOTE: usize = 4096;

/// The state of a namespace's file.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// No file, or an empty one: safe to overwrite.
    Nothing,
    /// The file is as it was written, with these servers.
    Intact(Vec<Ipv4Addr>),
    /// The file was changed or replaced after these servers were written.
    Edited(Vec<Ipv4Addr>),
    /// Somebody else has written the file.
    Foreign,
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

/// The file of the namespace, if somebody else has written it.
pub(crate) fn foreign_file(namespace: &str) -> Result<Option<PathBuf>, NetError> {
    Ok(matches!(look(namespace)?, Found::Foreign).then(|| path(namespace)))
}

/// The name servers that were written for the namespace, even if somebody has edited the file
/// since; `None` without a file. `recorded` are those of the lab's record.
pub(crate) fn servers(namespace: &str, recorded: &[Ipv4Addr]) -> Option<Vec<Ipv4Addr>> {
    match look(namespace).ok()? {
        Found::Nothing => None,
        Found::Intact(servers) | Found::Edited(servers) => Some(servers),
        // The folder has no note if its file system has no extended attributes.
        Found::Foreign => Some(recorded.to_owned()),
    }
}

/// The file of a namespace with these name servers, if somebody has changed it by hand and `up`
/// keeps it.
pub(crate) fn kept_file(namespace: &str, servers: &[Ipv4Addr]) -> Option<PathBuf> {
    let is_kept = match look(namespace) {
        Ok(Found::Edited(written)) => written == servers,
        Ok(Found::Foreign) => true,
        _ => false,
    };
    is_kept.then(|| path(namespace))
}

/// Whether the file was changed by hand since it was written.
pub(crate) fn is_edited(namespace: &str) -> bool {
    matches!(look(namespace), Ok(Found::Edited(_)))
}

/// Writes the file. A reader sees the old file or the new one, never a part. A file that was
/// changed by hand after these same servers were written is kept.
pub(crate) fn install(namespace: &str, servers: &[Ipv4Addr]) -> Result<(), NetError> {
    if look(namespace)? == Found::Edited(servers.to_owned()) {
        return Ok(());
    }
    let (folder, path) = (folder(namespace), path(namespace));
    let write = || {
        etc_netns::make(namespace)?;
        remove_unfinished(&folder);
        replace(&path, &content(servers))
    };
    write().map_err(|error: io::Error| {
        NetError::refused(format!("write {}", path.display()), error)
    })?;
    let note: Vec<String> = servers.iter().map(ToString::to_string).collect();
    // Without the note, an edited file is recognised by the record of the lab, while it is up.
    let _ = setxattr(&folder, NOTE, note.join(" ").as_bytes(), XattrFlags::empty());
    Ok(())
}

/// Deletes the file, unless somebody else has written it, and folders of netns that are then empty.
pub(crate) fn remove(namespace: &str) -> Result<(), NetError> {
    match look(namespace)? {
        Found::Foreign => Ok(()),
        Found::Nothing if note(namespace).is_none() => Ok(()),
        Found::Nothing | Found::Intact(_) | Found::Edited(_) => delete(namespace),
    }
}

/// As [`remove`], for a lab that is taken down: a file that was changed by hand stays, and is
/// returned.
pub(crate) fn clear(namespace: &str) -> Result<Option<PathBuf>, NetError> {
    match look(namespace)? {
        Found::Edited(_) => Ok(Some(path(namespace))),
        _ => remove(namespace).map(|()| None),
    }
}

fn delete(namespace: &str) -> Result<(), NetError> {
    let (folder, path) = (folder(namespace), path(namespace));
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(NetError::refused(format!("delete {}", path.display()), error));
        }
        _ => {}
    }
    remove_unfinished(&folder);
    let _ = removexattr(&folder, NOTE);
    etc_netns::remove(namespace);
    Ok(())
}

fn look(namespace: &str) -> Result<Found, NetError> {
    let path = path(namespace);
    let text = match read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(NetError::refused(format!("read {}", path.display()), error)),
    };
    Ok(judge(text.as_deref(), note(namespace)))
}

/// The text of a file; `None` for a symbolic link, which somebody else must have made, for a
/// folder, and for a file that is not UTF-8.
fn read(path: &Path) -> io::Result<Option<String>> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(None);
    }
    Ok(String::from_utf8(fs::read(path)?).ok())
}

/// Judges a file by its text and the servers that were written last.
fn judge(text: Option<&str>, written: Option<Vec<Ipv4Addr>>) -> Found {
    match (text, written) {
        (Some(""), _) => Found::Nothing,
        (Some(text), Some(servers)) if text == content(&servers) => Found::Intact(servers),
        (_, Some(servers)) => Found::Edited(servers),
        (Some(text), None) => match text.strip_prefix(MARK) {
            Some(lines) => Found::Intact(listed(lines)),
            None => Found::Foreign,
        },
        (None, None) => Found::Foreign,
    }
}

fn listed(lines: &str) -> Vec<Ipv4Addr> {
    lines.lines().filter_map(|line| line.strip_prefix("nameserver ")?.parse().ok()).collect()
}

/// The servers that were written last.
fn note(namespace: &str) -> Option<Vec<Ipv4Addr>> {
    let mut value = [0; LONGEST_NOTE];
    let length = getxattr(folder(namespace), NOTE, &mut value).ok()?;
    let text = std::str::from_utf8(value.get(..length)?).ok()?;
    text.split(' ').map(|server| server.parse().ok()).collect()
}

/// Deletes the incomplete files of processes that were killed.
fn remove_unfinished(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(last: u8) -> Vec<Ipv4Addr> {
        vec![Ipv4Addr::new(9, 9, 9, last)]
    }

    #[test]
    fn a_file_is_edited_when_it_differs_from_what_was_written_last() {
        let written = || Some(servers(9));
        assert_eq!(judge(Some(&content(&servers(9))), written()), Found::Intact(servers(9)));
        // With our first line and without, and a link or a folder in its place.
        let texts = [
            Some(content(&servers(1))),
            Some("nameserver 1.1.1.1\n".to_owned()),
            Some("\n".into()),
            None,
        ];
        for text in texts {
            assert_eq!(judge(text.as_deref(), written()), Found::Edited(servers(9)), "{text:?}");
        }
    }

    #[test]
    fn without_a_note_the_first_line_shows_who_wrote_the_file() {
        assert_eq!(judge(Some(&content(&servers(9))), None), Found::Intact(servers(9)));
        assert_eq!(judge(Some("nameserver 9.9.9.9\n"), None), Found::Foreign);
        assert_eq!(judge(None, None), Found::Foreign);
    }

    #[test]
    fn an_empty_file_is_safe_to_overwrite() {
        for written in [None, Some(servers(9))] {
            assert_eq!(judge(Some(""), written), Found::Nothing);
        }
    }
}
