//! The folders /etc/netns/NAME, by the convention of iproute2: `ip netns exec` and `netns exec`
//! mount the files in them over those of /etc.
//!
//! Folders that netns makes have an extended attribute, and only those are deleted. A folder of
//! somebody else stays, even if it is empty: in another mount namespace it may be a mount point,
//! and the kernel would detach that mount.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::fs::{XattrFlags, getxattr, setxattr};

use crate::files::make_folder;

/// The folder that has a folder for each namespace.
pub(crate) const ROOT: &str = "/etc/netns";

/// The extended attribute of the folders that netns has made.
const MADE: &str = "trusted.netns.made";

/// The folder of a namespace.
pub(crate) fn folder(namespace: &str) -> PathBuf {
    Path::new(ROOT).join(namespace)
}

/// Makes the folder of a namespace, if it is missing.
pub(super) fn make(namespace: &str) -> io::Result<()> {
    for folder in [Path::new(ROOT), &folder(namespace)] {
        if !folder.exists() {
            make_folder(folder)?;
            // Where the file system has no extended attributes, the folder stays.
            let _ = setxattr(folder, MADE, b"", XattrFlags::empty());
        }
    }
    Ok(())
}

/// Deletes the folder of a namespace, and the one of all of them, if netns has made them and they
/// are empty.
pub(super) fn remove(namespace: &str) {
    for folder in [&*folder(namespace), Path::new(ROOT)] {
        if getxattr(folder, MADE, &mut [0_u8; 0]).is_err() || fs::remove_dir(folder).is_err() {
            return;
        }
    }
}
