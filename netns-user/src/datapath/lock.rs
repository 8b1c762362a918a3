//! Locks between processes: a process locks a folder of pins before it changes something there.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{
    error::DatapathError,
    pins::{make_private, pin_error},
};
use crate::locks::{self, Holder, LockError, Patience};

/// An exclusive lock on a folder of pins. It ends when this is dropped, or its process ends.
#[derive(Debug)]
pub(super) struct FolderLock {
    folder: File,
    path: PathBuf,
}

impl FolderLock {
    /// Waits for the lock. [`DatapathError::NotUp`] when the lab is down, or was taken down in the
    /// meantime.
    pub(super) fn wait(lab: &str, path: &Path) -> Result<Self, DatapathError> {
        let Self { folder, path } = Self::open(lab, path)?;
        let tell = |holder: Option<&Holder>| {
            let who = holder.map_or_else(|| "another process".to_owned(), Holder::to_string);
            crate::tell!("waiting for {who}, which is changing rules of lab \"{lab}\"");
        };
        let folder = locks::lock(folder, Patience::USUAL, tell, || true);
        let folder = folder.map_err(|error| match error {
            LockError::Held(holder) => {
                DatapathError::Busy { lab: lab.to_owned(), holder, path: path.clone() }
            }
            LockError::Interrupted => DatapathError::Interrupted,
            LockError::Io(cause) => pin_error("lock", &path, cause),
        })?;
        let lock = Self { folder, path };
        lock.is_in_place().then_some(lock).ok_or_else(|| DatapathError::NotUp(lab.to_owned()))
    }

    /// The lock, or `None` when another process has it.
    pub(super) fn attempt(lab: &str, path: &Path) -> Result<Option<Self>, DatapathError> {
        let lock = Self::open(lab, path)?;
        match lock.folder.try_lock() {
            Ok(()) if lock.is_in_place() => Ok(Some(lock)),
            Ok(()) => Err(DatapathError::NotUp(lab.to_owned())),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(cause)) => Err(pin_error("lock", path, cause)),
        }
    }

    fn open(lab: &str, path: &Path) -> Result<Self, DatapathError> {
        match File::open(path) {
            Ok(folder) => {
                let lock = Self { folder, path: path.to_owned() };
                match make_private(path) {
                    Err(_) if !lock.is_in_place() => Err(DatapathError::NotUp(lab.to_owned())),
                    narrowed => narrowed.map(|()| lock),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(DatapathError::NotUp(lab.to_owned()))
            }
            Err(cause) => Err(pin_error("open the folder", path, cause)),
        }
    }

    /// Whether the folder is still the one at its path: `down` removes it, and a later `up` makes
    /// another.
    pub(super) fn is_in_place(&self) -> bool {
        let identity = |data: fs::Metadata| (data.dev(), data.ino());
        let ours = self.folder.metadata().map(identity);
        ours.is_ok_and(|ours| fs::metadata(&self.path).map(identity).is_ok_and(|now| now == ours))
    }
}
