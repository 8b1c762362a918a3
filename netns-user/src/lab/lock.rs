//! The lock that keeps `up` and `down` to one at a time.

use std::{
    fs::{File, OpenOptions, Permissions},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use super::{
    error::LabError,
    rcu_expedited::{self, RcuExpedited},
    record::files::DIRECTORY,
};
use crate::{
    files::make_folder,
    locks::{self, Holder, LockError, Patience},
};

/// The file that is locked.
pub(super) const PATH: &str = "/run/netns-labs.lock";
const ROOT_ALONE: u32 = 0o600;

/// While it lives, no other process builds, changes or takes down a lab.
#[derive(Debug)]
pub(super) struct LabLock {
    file: File,
}

impl LabLock {
    /// Waits for the lock. Whoever has it knows that an incomplete record belongs to a process that
    /// was killed; settings that such a process left are restored here. `goes_on` says whether the
    /// lock is still wanted.
    pub(super) fn acquire(goes_on: impl Fn() -> bool) -> Result<Self, LabError> {
        let file = lock(goes_on)?;
        make_folder(Path::new(DIRECTORY))
            .map_err(|error| LabError::file(format!("create {DIRECTORY}"), error))?;
        rcu_expedited::recover()?;
        Ok(Self { file })
    }

    /// As [`RcuExpedited::begin`]: only the process with the lock may change the setting.
    pub(super) fn expedite_rcu(
        &self,
        grace_periods: usize,
    ) -> Result<Option<RcuExpedited<'_>>, LabError> {
        RcuExpedited::begin(&self.file, grace_periods)
    }
}

/// Waits until no other process builds, changes or takes down a lab. Returns whether one did.
pub(super) fn wait_for_others() -> Result<bool, LabError> {
    let was_held = locks::is_held(&open()?);
    if was_held {
        lock(|| true)?;
    }
    Ok(was_held)
}

fn lock(goes_on: impl Fn() -> bool) -> Result<File, LabError> {
    let tell = |holder: Option<&Holder>| {
        let who = holder.map_or_else(|| "another process".to_owned(), Holder::to_string);
        crate::tell!("waiting for {who}, which is building, changing or taking down a lab");
    };
    locks::lock(open()?, Patience::USUAL, tell, goes_on).map_err(|error| match error {
        LockError::Held(holder) => LabError::Busy { holder, path: PATH.into() },
        LockError::Interrupted => LabError::Interrupted,
        LockError::Io(error) => LabError::file(format!("lock {PATH}"), error),
    })
}

/// Only root can open the file: everybody who can open a file can lock it.
fn open() -> Result<File, LabError> {
    let open = || {
        // The root of a container may be empty.
        Path::new(PATH).parent().map_or(Ok(()), make_folder)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(ROOT_ALONE)
            .open(PATH)?;
        file.set_permissions(Permissions::from_mode(ROOT_ALONE))?;
        Ok(file)
    };
    open().map_err(|error| LabError::file(format!("open {PATH}"), error))
}
