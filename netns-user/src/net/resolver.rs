//! Name servers of a namespace, by the convention of iproute2: a file
//! /etc/netns/NAME/resolv.conf that `exec` lays over /etc/resolv.conf.
//!
//! The servers that were written last are noted in an extended attribute of the folder. So a file
//! that somebody has edited, or replaced, is still known to be the lab's, also after `down` and
//! after a boot.

use std::{
    fmt::Write as _,
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use rustix::fs::{XattrFlags, getxattr, removexattr, setxattr};

use super::NetError;
use crate::files::{UNFINISHED, make_folder, replace};

/// First line of the files that we made, by which they are known again.
const MARK: &str = "# written by `netns up`, deleted by `netns down`\n";

/// The extended attribute of the folder: the servers that were written last.
const NOTE: &str = "trusted.netns.name-servers";

/// More than any list of servers is long.
const LONGEST_NOTE: usize = 4096;

/// The file of a namespace as it is.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// No file, or an empty one: there is nothing that anybody could lose.
    Nothing,
    /// As it was written.
    Intact(Vec<Ipv4Addr>),
    /// Changed or replaced since these servers were written.
    Edited(Vec<Ipv4Addr>),
    /// We never wrote it.
    Foreign,
}

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

/// The file of the namespace, if somebody else has written it.
pub(crate) fn foreign_file(namespace: &str) -> Result<Option<PathBuf>, NetError> {
    Ok(matches!(look(namespace)?, Found::Foreign).then(|| path(namespace)))
}

/// The name servers that the namespace was given, whatever somebody has made of the file since;
/// `None` when there is no file. `recorded` is what the lab gave it by its record.
pub(crate) fn servers(namespace: &str, recorded: &[Ipv4Addr]) -> Option<Vec<Ipv4Addr>> {
    match look(namespace).ok()? {
        Found::Nothing => None,
        Found::Intact(servers) | Found::Edited(servers) => Some(servers),
        // The folder bears no note where its file system has no extended attributes.
        Found::Foreign => Some(recorded.to_owned()),
    }
}

/// The file of a namespace that is to have these servers, if it was changed by hand and `up` keeps
/// it so.
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

/// Writes the file. A reader sees the old one or the new one, never a part. A file that was
/// changed by hand since these very servers were written is kept.
pub(crate) fn install(namespace: &str, servers: &[Ipv4Addr]) -> Result<(), NetError> {
    if look(namespace)? == Found::Edited(servers.to_owned()) {
        return Ok(());
    }
    let (folder, path) = (folder(namespace), path(namespace));
    let write = || {
        make_folder(&folder)?;
        remove_unfinished(&folder);
        replace(&path, &content(servers))
    };
    write().map_err(|error: io::Error| {
        NetError::refused(format!("write {}", path.display()), error)
    })?;
    let note: Vec<String> = servers.iter().map(ToString::to_string).collect();
    // Without the note an edited file is known by the record of the lab, while it is up.
    let _ = setxattr(&folder, NOTE, note.join(" ").as_bytes(), XattrFlags::empty());
    Ok(())
}

/// Deletes the file, if it is one of ours, and folders that are then empty.
pub(crate) fn remove(namespace: &str) -> Result<(), NetError> {
    match look(namespace)? {
        Found::Foreign => Ok(()),
        Found::Nothing if note(namespace).is_none() => Ok(()),
        Found::Nothing | Found::Intact(_) | Found::Edited(_) => delete(namespace),
    }
}

/// As [`remove`], for a lab that goes: a file that was changed by hand stays, and is returned.
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
    // Other files may be there, of other owners.
    if fs::remove_dir(&folder).is_ok()
        && let Some(parent) = folder.parent()
    {
        let _ = fs::remove_dir(parent);
    }
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

/// The text of a file; `None` for a link, which was made by somebody else whatever it leads to,
/// for a folder, and for what is no text.
fn read(path: &Path) -> io::Result<Option<String>> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(None);
    }
    Ok(String::from_utf8(fs::read(path)?).ok())
}

/// Tells from the text of a file, and the servers that were written last, whose it is.
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

/// Deletes what somebody has left who was killed while he wrote the file.
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
        // With the first line of ours and without, and a link or a folder in its place.
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
    fn without_a_note_the_first_line_tells_whose_a_file_is() {
        assert_eq!(judge(Some(&content(&servers(9))), None), Found::Intact(servers(9)));
        assert_eq!(judge(Some("nameserver 9.9.9.9\n"), None), Found::Foreign);
        assert_eq!(judge(None, None), Found::Foreign);
    }

    #[test]
    fn an_empty_file_is_nothing_that_anybody_could_lose() {
        for written in [None, Some(servers(9))] {
            assert_eq!(judge(Some(""), written), Found::Nothing);
        }
    }
}
