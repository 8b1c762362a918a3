//! Writes files as root, also in folders of other users.
//!
//! The owner of a folder can put a symbolic link at every name in it that he can guess. So new
//! content goes into a new file with a random name (`O_EXCL`), which then replaces the old file. A
//! reader sees the old content or the new, never a part.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{
        DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _,
        PermissionsExt as _, fchown,
    },
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    sys::stat::{Mode, umask},
    unistd::{Uid, mkstemp},
};

/// The folder of all labs' records. The next boot empties it.
pub const LABS: &str = "/run/netns-labs";

/// The beginning of the random names of incomplete files.
pub const UNFINISHED: &str = ".netns-";

/// Modes of files that every user can read and only root can change, independent of the umask.
const READABLE_FILE: u32 = 0o644;
const READABLE_FOLDER: u32 = 0o755;

/// The kernel follows at most this many symbolic links (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// Writes a file that every user can read at `path`, and replaces the old one.
///
/// # Errors
/// When it cannot be written; then nothing has changed.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    put(path, text.as_bytes(), READABLE_FILE, None)
}

/// Writes over a file in a folder of root, in place: whoever has opened or mounted it sees the new
/// text. A reader may see a part of it while it is written. A symbolic link is not followed.
///
/// # Errors
/// When it is no regular file or cannot be written; its content may be incomplete then.
pub fn overwrite(path: &Path, text: &str) -> io::Result<()> {
    let file = OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    file.write_all_at(text.as_bytes(), 0)?;
    file.set_len(text.len() as u64)?;
    file.set_permissions(Permissions::from_mode(READABLE_FILE))
}

/// Appends to a file that every user can read, in a folder of root. Creates the file if necessary.
///
/// # Errors
/// When it cannot be written.
pub fn append(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(READABLE_FILE))?;
    file.write_all(text.as_bytes())
}

/// Makes a folder that every user can read, and the missing folders above it.
///
/// # Errors
/// When it cannot be made.
pub fn make_folder(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
        make_folder(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(READABLE_FOLDER)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes the output of a command to the file that the user named, completely or not at all. The
/// file keeps its mode, owner and group. A device or a pipe is written to. A symbolic link is
/// followed if it belongs to root or the caller.
///
/// # Errors
/// When the file cannot be written; then a regular file is unchanged.
pub fn write_output(path: &Path, content: &[u8]) -> io::Result<()> {
    let path = destination(path)?;
    match fs::metadata(&path) {
        Ok(there) if !there.is_file() || is_descriptor(&path) => write_into(&path, content),
        Ok(there) => {
            let owner = Some(Owner { user: there.uid(), group: there.gid() });
            put(&path, content, there.mode() & 0o777, owner)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            put(&path, content, 0o666 & !own_umask(), None)
        }
        Err(error) => Err(error),
    }
}

/// The target of a path, if all symbolic links on the way belong to root or the caller.
fn destination(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let link = match fs::symlink_metadata(&path) {
            Ok(there) if there.is_symlink() && !is_descriptor(&path) => there,
            // If the path cannot be read, writing it reports the error.
            Ok(_) | Err(_) => return Ok(path),
        };
        if link.uid() != 0 && link.uid() != Uid::effective().as_raw() {
            return Err(io::Error::other(format!(
                "it is a symbolic link owned by user {}: name its target instead",
                link.uid()
            )));
        }
        let target = fs::read_link(&path)?;
        path = path.parent().map_or_else(|| target.clone(), |folder| folder.join(&target));
    }
    Err(Errno::ELOOP.into())
}

/// Whether a path names an open file of a process. /dev/stdout is a link to such a path.
fn is_descriptor(path: &Path) -> bool {
    let folder = path.parent().and_then(|folder| folder.canonicalize().ok());
    folder.is_some_and(|folder| folder.starts_with("/proc") && folder.ends_with("fd"))
}

/// Writes to a device or a pipe, or appends to an open file.
fn write_into(path: &Path, content: &[u8]) -> io::Result<()> {
    // In append mode: this must neither create a file nor truncate one that has just replaced it.
    let mut file = OpenOptions::new().append(true).open(path)?;
    if file.metadata()?.is_file() && !is_descriptor(path) {
        return Err(io::Error::other("another file has just replaced it: try again"));
    }
    file.write_all(content)
}

/// The user and the group that a file belongs to.
#[derive(Clone, Copy, Debug)]
struct Owner {
    user: u32,
    group: u32,
}

fn put(path: &Path, content: &[u8], mode: u32, owner: Option<Owner>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let (file, new) =
        mkstemp(&folder.unwrap_or(Path::new(".")).join(format!("{UNFINISHED}XXXXXX")))?;
    let written = fill(file.into(), content, mode, owner).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&new);
    }
    written
}

fn fill(mut file: File, content: &[u8], mode: u32, owner: Option<Owner>) -> io::Result<()> {
    file.write_all(content)?;
    if let Some(Owner { user, group }) = owner {
        match fchown(&file, Some(user), Some(group)) {
            // Only root can give files away: the file of another caller is his own.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            done => done?,
        }
    }
    file.set_permissions(Permissions::from_mode(mode))
}

/// The umask can only be read by setting it. No other thread creates files at the same time.
fn own_umask() -> u32 {
    let mask = umask(Mode::from_bits_truncate(0o077));
    umask(mask);
    mask.bits()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::tempdir;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_replaced_file_is_a_new_one_that_every_user_can_read() {
        let folder = tempdir().unwrap();
        let (file, other) = (folder.path().join("state"), folder.path().join("other"));
        fs::write(&other, "precious").unwrap();
        symlink(&other, &file).unwrap();
        replace(&file, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(!file.is_symlink());
        assert_eq!(mode(&file), 0o644);
        assert_eq!(fs::read_to_string(&other).unwrap(), "precious");
        assert_eq!(names(folder.path()), ["other", "state"]);
    }

    #[test]
    fn a_file_is_overwritten_in_place_and_a_link_is_not_followed() {
        let folder = tempdir().unwrap();
        let (file, link) = (folder.path().join("hosts"), folder.path().join("link"));
        fs::write(&file, "a longer text").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        let reader = File::open(&file).unwrap();
        overwrite(&file, "new").unwrap();
        assert_eq!(io::read_to_string(reader).unwrap(), "new");
        assert_eq!(mode(&file), 0o644);
        symlink(&file, &link).unwrap();
        overwrite(&link, "newer").unwrap_err();
        overwrite(&folder.path().join("nowhere"), "new").unwrap_err();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(names(folder.path()), ["hosts", "link"]);
    }

    #[test]
    fn a_file_that_cannot_be_replaced_leaves_nothing_behind() {
        let folder = tempdir().unwrap();
        fs::create_dir(folder.path().join("state")).unwrap();
        replace(&folder.path().join("state"), "new").unwrap_err();
        assert_eq!(names(folder.path()), ["state"]);
    }

    #[test]
    fn an_output_file_keeps_its_mode_and_own_links_are_followed() {
        let folder = tempdir().unwrap();
        let (file, link) = (folder.path().join("drawing"), folder.path().join("latest"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        symlink("drawing", &link).unwrap();
        write_output(&link, b"new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(mode(&file), 0o640);
        assert_eq!(names(folder.path()), ["drawing", "latest"]);
    }

    /// As root the old file belongs to somebody else; another user can only own it himself.
    #[test]
    fn an_output_file_keeps_its_owner_and_group() {
        let folder = tempdir().unwrap();
        let file = folder.path().join("drawing");
        fs::write(&file, "old").unwrap();
        if Uid::effective().is_root() {
            std::os::unix::fs::chown(&file, Some(1234), Some(4321)).unwrap();
        }
        let owner = |file: &Path| {
            let there = fs::metadata(file).unwrap();
            (there.uid(), there.gid())
        };
        let before = owner(&file);
        write_output(&file, b"new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(owner(&file), before);
        replace(&file, "state").unwrap();
        assert_eq!(owner(&file).0, Uid::effective().as_raw(), "a file of netns is its own");
    }

    #[test]
    fn a_loop_of_symbolic_links_is_an_error() {
        let folder = tempdir().unwrap();
        let link = folder.path().join("circle");
        symlink("circle", &link).unwrap();
        assert_eq!(write_output(&link, b"new").unwrap_err().raw_os_error(), Some(libc::ELOOP));
    }

    #[test]
    fn made_folders_can_be_read_by_all_and_changed_by_the_owner_only() {
        let folder = tempdir().unwrap();
        let inner = folder.path().join("a/b");
        make_folder(&inner).unwrap();
        make_folder(&inner).unwrap();
        assert_eq!((mode(&inner), mode(&folder.path().join("a"))), (0o755, 0o755));
        fs::write(folder.path().join("file"), "").unwrap();
        make_folder(&folder.path().join("file")).unwrap_err();
    }
}
