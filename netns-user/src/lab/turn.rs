//! One `up` or `down` at a time, and the hurry that it may drive the kernel to meanwhile.
//!
//! Each program that is attached to a port or detached from it waits until no CPU can be at the
//! port's old list of programs any more (`synchronize_rcu`): 10 to 15 ms, of which a lab of 1,000
//! ports has 15 seconds. Where /sys/kernel/rcu_expedited is 1 the kernel asks all CPUs at once,
//! and less than one remains. It interrupts whatever they do, and it is a setting of the whole
//! machine: so it is changed for many waits only, and set back at once.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

use super::{
    LabError,
    plan::{DatapathFate, Plan},
    record_files::DIRECTORY,
};
use crate::{
    datapath::DatapathChange,
    files::{make_folder, replace},
    locks::{self, Holder, LockError, Patience},
    step::Step,
};

const SETTING: &str = "/sys/kernel/rcu_expedited";
const OFF: &str = "0";
const ON: &str = "1";

/// The file whose lock is the turn.
const LOCK: &str = "/run/netns-labs.lock";
const ROOT_ALONE: u32 = 0o600;

/// Keeps what the setting was, while it is another; no lab can be called so.
const MARK: &str = "rcu_expedited.before";

/// How many waits are too many: with fewer, the whole lab takes about a second.
const MANY: usize = 64;

/// Being the only one who builds or takes down labs.
#[derive(Debug)]
pub(super) struct Turn {
    _lock: File,
}

impl Turn {
    /// Waits until nobody else builds or takes down a lab, and keeps others from it while it
    /// lives. So a record that is not complete is of somebody who was killed, and so is a
    /// setting that was not set back. `goes_on` says whether the turn is still wanted.
    pub(super) fn wait(goes_on: impl Fn() -> bool) -> Result<Self, LabError> {
        let lock = lock(goes_on)?;
        let set_up = make_folder(Path::new(DIRECTORY));
        set_up.map_err(|error| LabError::file(format!("create {DIRECTORY}"), error))?;
        set_back().map_err(|error| LabError::file(format!("set {SETTING} to {OFF}"), error))?;
        Ok(Self { _lock: lock })
    }

    /// Makes the kernel hurry while what is returned lives, if there is so much to wait for.
    /// `None` where it hurries anyway, or will not: then it takes longer.
    pub(super) fn hurry(&self, waits: usize) -> Result<Option<Hurry<'_>>, LabError> {
        if !is_due(waits) {
            return Ok(None);
        }
        let signals: SigSet =
            [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        let before = signals
            .thread_swap_mask(SigmaskHow::SIG_BLOCK)
            .map_err(|error| LabError::file("block signals", error.into()))?;
        let hurry = Hurry { _turn: self, signals: before };
        let mark = mark();
        replace(&mark, OFF)
            .map_err(|error| LabError::file(format!("write {}", mark.display()), error))?;
        Ok(fs::write(SETTING, ON).is_ok().then_some(hurry))
    }
}

/// Waits until nobody builds, changes or takes down a lab; whether somebody did.
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
        LockError::Held(holder) => LabError::Busy { holder, path: LOCK.into() },
        LockError::Interrupted => LabError::Interrupted,
        LockError::Io(error) => LabError::file(format!("lock {LOCK}"), error),
    })
}

/// The file is root's alone: whoever can open one can lock it.
fn open() -> Result<File, LabError> {
    let open = || {
        // The root of a container may be empty.
        Path::new(LOCK).parent().map_or(Ok(()), make_folder)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(ROOT_ALONE)
            .open(LOCK)?;
        file.set_permissions(Permissions::from_mode(ROOT_ALONE))?;
        Ok(file)
    };
    open().map_err(|error| LabError::file(format!("open {LOCK}"), error))
}

/// While it lives, the kernel hurries, and signals that would end this process wait.
#[derive(Debug)]
pub(super) struct Hurry<'a> {
    /// Two at a time would set back what the other needs.
    _turn: &'a Turn,
    /// Those that were blocked before.
    signals: SigSet,
}

impl Drop for Hurry<'_> {
    fn drop(&mut self) {
        // If it fails, the next one whose turn it is finds the mark, and tells of it.
        let _ = set_back();
        let _ = self.signals.thread_set_mask();
    }
}

impl Plan {
    /// How often the kernel is to be waited for: at each port that a program comes to or goes
    /// from.
    pub(super) fn waits(&self) -> usize {
        let attached = self.datapaths.iter().map(|(datapath, fate)| match fate {
            DatapathFate::Installed { .. } => datapath.spec.cables.len(),
            DatapathFate::Changed(changes) => {
                let is_new =
                    |change: &&_| matches!(change, DatapathChange::Cable { added: true, .. });
                changes.iter().filter(is_new).count()
            }
        });
        let deleted = self.steps().filter(|step| matches!(step, Step::DeleteLink { .. }));
        attached.sum::<usize>() + deleted.count()
    }
}

/// The commands that come before and after so many waits.
pub(super) fn hurry_commands(waits: usize) -> Option<[String; 2]> {
    is_due(waits).then(|| [ON, OFF].map(|value| format!("echo {value} > {SETTING}")))
}

fn is_due(waits: usize) -> bool {
    waits >= MANY && read().as_deref() == Some(OFF)
}

fn set_back() -> io::Result<()> {
    let mark = mark();
    if !mark.exists() {
        return Ok(());
    }
    if read().as_deref() == Some(ON) {
        fs::write(SETTING, OFF)?;
    }
    fs::remove_file(mark)
}

fn read() -> Option<String> {
    Some(fs::read_to_string(SETTING).ok()?.trim_end().to_owned())
}

fn mark() -> PathBuf {
    Path::new(DIRECTORY).join(MARK)
}
