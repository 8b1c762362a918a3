//! The shared hosts file of a lab.
//!
//! A command that runs in a namespace has the file itself mounted, and a new file in its place
//! would not reach it. So the file is written in place, and the command sees new names at once.
//!
//! A second file has the text that was written last. So a file that somebody has edited is
//! recognised. It is deleted before the first is written: without it, the first is incomplete.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::text::{HostEntry, entries as entries_of, text};
use crate::{
    files::{LABS, make_folder, overwrite, replace},
    net::NetError,
};

/// The machine's own names.
const OF_MACHINE: &str = "/etc/hosts";

/// The name of the shared file in the folder of a lab.
const FILE: &str = "hosts";

/// The name of the file with the text that was written last.
const WRITTEN: &str = "hosts.written";

/// The state of the shared file.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// No file.
    Nothing,
    /// It was being written when a process was killed, or a script has written it.
    Unfinished,
    /// It is as it was written: the text.
    Intact(String),
    /// It was changed or replaced after this text was written.
    Edited(String),
}

/// The shared file of a lab.
pub(crate) fn path(lab: &str) -> PathBuf {
    Path::new(LABS).join(lab).join(FILE)
}

/// The lab whose shared file this is.
pub(super) fn lab_of(file: &Path) -> Option<&str> {
    let mut parts = file.strip_prefix(LABS).ok()?.iter();
    let lab = parts.next()?.to_str()?;
    (parts.next()? == FILE && parts.next().is_none()).then_some(lab)
}

/// The namespaces that were written, even if somebody has edited the file since; `None` without a
/// file.
pub(crate) fn entries(lab: &str) -> Option<Vec<HostEntry>> {
    match look(lab).ok()? {
        Found::Nothing => None,
        Found::Unfinished => Some(Vec::new()),
        Found::Intact(written) | Found::Edited(written) => Some(entries_of(&written)),
    }
}

/// The file, if somebody has edited it and `up` keeps it.
pub(crate) fn kept_file(lab: &str, entries: &[HostEntry]) -> Option<PathBuf> {
    match look(lab) {
        Ok(Found::Edited(written)) if entries_of(&written) == entries => Some(path(lab)),
        _ => None,
    }
}

/// Writes the file. One that somebody has edited after these same namespaces were written is kept.
pub(crate) fn install(lab: &str, entries: &[HostEntry]) -> Result<(), NetError> {
    match look(lab)? {
        Found::Edited(written) if entries_of(&written) == entries => Ok(()),
        _ => write(lab, &text(entries, &of_machine())),
    }
}

/// Writes the file again if the machine's own entries have changed.
pub(crate) fn refresh(lab: &str) -> Result<(), NetError> {
    let Found::Intact(written) = look(lab)? else { return Ok(()) };
    let text = text(&entries_of(&written), &of_machine());
    if text == written { Ok(()) } else { write(lab, &text) }
}

/// Deletes the file.
pub(crate) fn remove(lab: &str) -> Result<(), NetError> {
    delete(&path(lab)).and_then(|()| delete(&written_path(lab)))
}

fn write(lab: &str, text: &str) -> Result<(), NetError> {
    let (path, written) = (path(lab), written_path(lab));
    let write = || {
        make_folder(&Path::new(LABS).join(lab))?;
        delete_if_there(&written)?;
        match fs::symlink_metadata(&path) {
            Ok(there) if there.is_file() => overwrite(&path, text)?,
            _ => replace(&path, text)?,
        }
        replace(&written, text)
    };
    write().map_err(|error| NetError::refused(format!("write {}", path.display()), error))
}

fn look(lab: &str) -> Result<Found, NetError> {
    let path = path(lab);
    let refused = |error| NetError::refused(format!("read {}", path.display()), error);
    let Some(is_file) =
        or_absent(fs::symlink_metadata(&path).map(|it| it.is_file())).map_err(refused)?
    else {
        return Ok(Found::Nothing);
    };
    let text = if is_file { or_absent(fs::read(&path)).map_err(refused)? } else { None };
    let written = or_absent(fs::read_to_string(written_path(lab))).map_err(refused)?;
    Ok(judge(text.as_deref(), written))
}

/// Judges the file by its text, if it is a regular file, and the text that was written last.
fn judge(text: Option<&[u8]>, written: Option<String>) -> Found {
    match (text, written) {
        // An empty file is safe to overwrite.
        (Some(b""), _) => Found::Nothing,
        (Some(text), Some(written)) if text == written.as_bytes() => Found::Intact(written),
        (_, Some(written)) => Found::Edited(written),
        (_, None) => Found::Unfinished,
    }
}

/// The machine's own hosts file; a machine may have none.
fn of_machine() -> String {
    let read = fs::read(OF_MACHINE).unwrap_or_default();
    String::from_utf8_lossy(&read).into_owned()
}

fn written_path(lab: &str) -> PathBuf {
    Path::new(LABS).join(lab).join(WRITTEN)
}

fn delete(path: &Path) -> Result<(), NetError> {
    delete_if_there(path)
        .map_err(|error| NetError::refused(format!("delete {}", path.display()), error))
}

fn delete_if_there(path: &Path) -> io::Result<()> {
    or_absent(fs::remove_file(path)).map(|_| ())
}

fn or_absent<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_file_names_its_lab() {
        assert_eq!(lab_of(&path("case")), Some("case"));
        for other in
            ["/run/netns-labs/hosts", "/run/netns-labs/a/b/hosts", "/run/x/a/hosts", "hosts"]
        {
            assert_eq!(lab_of(Path::new(other)), None, "{other}");
        }
    }

    #[test]
    fn a_shared_file_is_edited_when_it_differs_from_what_was_written_last() {
        let written = || Some("10.1.0.10 red\n".to_owned());
        assert_eq!(judge(Some(b"10.1.0.10 red\n"), written()), Found::Intact(written().unwrap()));
        // Another text, and a symbolic link in its place.
        for text in [Some(&b"10.1.0.10 red web\n"[..]), None] {
            assert_eq!(judge(text, written()), Found::Edited(written().unwrap()));
        }
    }

    #[test]
    fn a_shared_file_that_was_not_written_to_its_end_is_written_again() {
        assert_eq!(judge(Some(b"10.1.0.10 re"), None), Found::Unfinished);
        assert_eq!(judge(Some(b""), Some("10.1.0.10 red\n".to_owned())), Found::Nothing);
    }
}
